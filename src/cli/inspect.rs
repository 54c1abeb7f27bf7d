//! `inspect`: what a model's headers say, and the memory it would need.

use std::fmt::Write;

use serde::Serialize;

use super::arguments::{Inspect, source};
use super::output::{bytes, print, print_json};
use super::{CliError, Outcome};
use crate::formats::{self, Inspection};
use crate::gpu::estimate_memory;
use crate::model::{Fused, Weights};
use crate::session::Opened;

/// The JSON object of `inspect --json`.
#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    facts: Inspection,
    memory: Option<MemoryAnswer>,
}

/// GPU memory with a full context, computed.
#[derive(Serialize)]
struct MemoryAnswer {
    context: usize,
    weight_bytes: u64,
    scratch_bytes: u64,
    cache_bytes: u64,
    total_bytes: u64,
}

/// Runs the command.
pub fn run(arguments: &Inspect) -> Result<Outcome, CliError> {
    let mut facts = match &arguments.model {
        Some(path) => formats::inspect(path)?,
        None => formats::inspect_built_in(),
    };
    let mut memory = None;
    if facts.supported {
        match Opened::open(&source(arguments.model.as_ref()), None, arguments.weights.into()) {
            Ok(opened) => {
                let opened = opened.with_cache(arguments.kv.map(Into::into));
                facts.cache_bytes_per_position = Some(opened.plan.cache_bytes_per_position());
                memory = Some(MemoryAnswer::of(&opened));
            }
            Err(problem) => {
                facts.supported = false;
                facts.problems.push(problem.to_string());
            }
        }
    }
    let answer = Answer { facts, memory };
    if arguments.json.json {
        print_json(&answer)?;
    } else {
        print(&answer.text())?;
    }
    Ok(Outcome::Done)
}

impl MemoryAnswer {
    fn of(opened: &Opened) -> Self {
        let Fused { plan, weights } = opened.fused();
        let bound: Vec<usize> = (0..plan.tensors.len()).collect();
        let memory = estimate_memory(&plan, weights.tensors(), &bound, opened.context);
        Self {
            context: opened.context,
            weight_bytes: memory.weight_bytes,
            scratch_bytes: memory.scratch_bytes,
            cache_bytes: memory.cache_bytes,
            total_bytes: memory.total(),
        }
    }
}

impl Answer {
    /// The same facts for a person, a line each.
    fn text(&self) -> String {
        let facts = &self.facts;
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
        for (name, special) in
            [("BOS", Vec::from_iter(facts.special.bos)), ("EOS", facts.special.eos.clone())]
        {
            if !special.is_empty() {
                line(name, &ids(&special));
            }
        }
        if let Some(memory) = &self.memory {
            let parts = format!(
                "{} (weights {}, KV cache of {} positions {}, scratch {})",
                bytes(memory.total_bytes),
                bytes(memory.weight_bytes),
                memory.context,
                bytes(memory.cache_bytes),
                bytes(memory.scratch_bytes)
            );
            line("memory needed", &parts);
        }
        text
    }
}
