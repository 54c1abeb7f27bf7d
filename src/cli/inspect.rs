//! `inspect`: what a model's headers say, and the memory it would need.

use std::fmt::Write;

use super::arguments::{Inspect, source};
use super::output::{bytes, print, print_json};
use super::{CliError, Outcome};
use crate::session::ModelCard;

/// Runs the command.
pub fn run(arguments: &Inspect) -> Result<Outcome, CliError> {
    let source = source(arguments.model.as_ref());
    let card = ModelCard::read(&source, arguments.weights.into(), arguments.kv.map(Into::into))?;
    if arguments.json.json {
        print_json(&card)?;
    } else {
        print(&text(&card))?;
    }
    Ok(Outcome::Done)
}

/// The same facts for a person, a line each.
fn text(card: &ModelCard) -> String {
    let facts = &card.facts;
    let mut text = format!("{} ({})\n", facts.name, facts.path);
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<14} {value}");
    };
    line("supported", if facts.supported { "yes" } else { "no" });
    facts.problems.iter().for_each(|problem| line("problem", problem));
    facts.warnings.iter().for_each(|warning| line("warning", warning));
    line("family", facts.family.as_deref().unwrap_or("unknown"));
    if let Ok(serde_json::Value::Object(architecture)) = serde_json::to_value(&facts.architecture) {
        for (name, value) in architecture.iter().filter(|(_, value)| !value.is_null()) {
            line(&name.replace('_', " "), value.to_string().trim_matches('"'));
        }
    }
    line("parameters", &facts.parameters.to_string());
    for format in &facts.formats {
        let share = 100.0 * format.share;
        let size = bytes(format.bytes);
        line("format", &format!("{}: {} tensors, {size}, {share:.0} %", format.format, format.tensors));
    }
    facts.files.iter().for_each(|file| line("file", &format!("{}, {}", file.file, bytes(file.bytes))));
    line("tokenizer", facts.tokenizer.as_deref().unwrap_or("none"));
    line("chat template", if facts.chat_template { "yes" } else { "no" });
    let ids = |ids: &[u32]| ids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    for (name, special) in [("BOS", Vec::from_iter(facts.special.bos)), ("EOS", facts.special.eos.clone())] {
        if !special.is_empty() {
            line(name, &ids(&special));
        }
    }
    for need in &card.shorter {
        line("memory", &format!("{} with {} positions", bytes(need.total_bytes), need.context));
    }
    if let Some(need) = &card.memory {
        let parts = format!(
            "{} with {} positions (weights {}, KV cache {}, scratch {})",
            bytes(need.total_bytes),
            need.context,
            bytes(need.weight_bytes),
            bytes(need.cache_bytes),
            bytes(need.scratch_bytes)
        );
        line("memory", &parts);
    }
    text
}
