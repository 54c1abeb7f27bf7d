//! `inspect`: what a model's headers say, the memory it would need, and what the adapter can hold of it.

use std::fmt::Write;

use super::arguments::Inspect;
use super::error::CliError;
use super::named::source;
use super::outcome::Outcome;
use super::output::{print, print_json};
use crate::formats::Inspection;
use crate::gpu;
use crate::session::{AdapterMatch, AdapterRoom, Limit, LoadRequest, MemoryNeed, ModelCard};
use crate::units::{bytes, counted, grouped};

/// Runs the command. A machine without an adapter is no failure, unless one was asked for.
pub(super) fn run(arguments: &Inspect) -> Result<Outcome, CliError> {
    let request = LoadRequest {
        source: source(arguments.model.as_ref())?,
        adapter: arguments.adapter.clone(),
        context: arguments.context,
        weights: arguments.weights,
        cache: arguments.kv,
        gpu_memory: arguments.gpu_memory,
        key: None,
    };
    let card = match gpu::find(request.adapter.as_deref()) {
        Err(error) if request.adapter.is_some() => return Err(error.into()),
        adapter => ModelCard::beside(&request, adapter)?,
    };
    if let Some(damage) = card.facts.damage {
        return Err(CliError::Damaged(damage));
    }
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
    line("family", facts.named_family().as_deref().unwrap_or("unknown"));
    if let Ok(serde_json::Value::Object(architecture)) = serde_json::to_value(&facts.architecture) {
        for (name, value) in architecture.iter().filter(|(_, value)| !value.is_null()) {
            let shown = value.as_u64().map_or_else(|| value.to_string(), grouped);
            line(&name.replace('_', " "), shown.trim_matches('"'));
        }
    }
    for (name, value) in kept(facts) {
        line(name, &value);
    }
    line("parameters", &grouped(facts.parameters));
    for format in &facts.formats {
        let share = 100.0 * format.share;
        let size = bytes(format.bytes);
        line(
            "format",
            &format!("{}: {}, {size}, {share:.0} %", format.format, counted(format.tensors, "tensor")),
        );
    }
    facts.files.iter().for_each(|file| line("file", &format!("{}, {}", file.file, bytes(file.bytes))));
    line("tokenizer", &card.tokenizer());
    if facts.drafting_head {
        line("drafting head", "yes (multi-token prediction): speculative decoding drafts with it");
    }
    line("chat template", if facts.chat_template { "yes" } else { "no" });
    let ids = |ids: &[u32]| ids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    for (name, special) in [("BOS", Vec::from_iter(facts.special.bos)), ("EOS", facts.special.eos.clone())] {
        if !special.is_empty() {
            line(name, &ids(&special));
        }
    }
    if let Ok(serde_json::Value::Object(defaults)) = serde_json::to_value(&facts.generation) {
        for (name, value) in &defaults {
            line("own default", &format!("{name} {}", shortened(value)));
        }
    }
    for need in &card.shorter {
        line("memory", &memory(need, &card.adapter));
    }
    if let Some(need) = &card.memory {
        line("memory", &format!("{} ({})", memory(need, &card.adapter), parts(need)));
    }
    match &card.adapter {
        AdapterMatch::Adapter(room) => room_lines(room, &mut line),
        AdapterMatch::Nothing { problem } => line("adapter", &format!("not compared: {problem}")),
    }
    text
}

/// What the layers of a model with states, or with latent keys and values, keep of a sequence; of other models it goes
/// without saying.
fn kept(facts: &Inspection) -> Vec<(&'static str, String)> {
    let keep = facts.layers_keep.unwrap_or_default();
    if let (Some(parts), Some(size)) = (keep.latent, facts.cache_bytes_per_position) {
        return vec![("KV cache", format!("{} a position: {} elements a layer", bytes(size), parts.words()))];
    }
    if keep.states() == 0 {
        return Vec::new();
    }
    let mut lines = vec![("layers keep", keep.words())];
    if let Some(size) = facts.cache_bytes_per_position.filter(|_| keep.caches() > 0) {
        lines.push(("KV cache", format!("{} a position", bytes(size))));
    }
    let states = facts.state_bytes_per_sequence.map(bytes);
    lines.extend(states.map(|size| ("state", format!("{size} a sequence, whatever its length"))));
    lines
}

/// What the memory is for.
fn parts(need: &MemoryNeed) -> String {
    let mut parts = vec![("weights", need.weight_bytes), ("KV cache", need.cache_bytes)];
    if need.state_bytes > 0 {
        parts.push(("states with checkpoints", need.state_bytes));
    }
    parts.push(("scratch", need.scratch_bytes));
    parts.iter().map(|(name, size)| format!("{name} {}", bytes(*size))).collect::<Vec<_>>().join(", ")
}

/// A value as JSON; of a long list its beginning and its length.
fn shortened(value: &serde_json::Value) -> String {
    const MOST: usize = 8;
    match value.as_array() {
        Some(items) if items.len() > MOST => {
            let first: Vec<String> = items[..MOST].iter().map(ToString::to_string).collect();
            format!("[{}, …] ({} in all)", first.join(", "), items.len())
        }
        _ => value.to_string(),
    }
}

/// The need of a context, and why the adapter cannot have it.
fn memory(need: &MemoryNeed, adapter: &AdapterMatch) -> String {
    let limit = match adapter {
        AdapterMatch::Adapter(room) => room.limit_of(need.context),
        AdapterMatch::Nothing { .. } => None,
    };
    let beyond = match limit {
        Some(Limit::Binding) => ", longer than the adapter can hold",
        Some(Limit::Memory) => ", more than the adapter has",
        Some(Limit::Layers) => ", with layers that cross the bus",
        None => "",
    };
    format!("{} with {}{beyond}", bytes(need.total_bytes), counted(need.context, "position"))
}

/// What the adapter can hold.
fn room_lines(room: &AdapterRoom, line: &mut impl FnMut(&str, &str)) {
    let size = room
        .memory_bytes
        .map_or_else(|| "memory of unknown size".to_owned(), |size| bytes(size) + " of memory");
    let binding = bytes(room.binding_bytes);
    line(
        "adapter",
        &format!("{} ({}): {size}, {binding} in a binding, as its driver reports", room.name, room.backend),
    );
    let Some(fit) = &room.fit else { return };
    if let Some(streamed) = &room.streamed {
        line("runs, streamed", &streamed.streaming.words());
        line("expected", &streamed.speed());
    }
    room.no_room.iter().for_each(|problem| line("cannot run", problem));
    let longest = room.streamed.map_or(fit.context(), |streamed| streamed.context);
    line("longest there", &counted(longest, "position"));
    for part in &fit.too_large {
        let need = bytes(part.bytes);
        line("too large", &format!("{}: needs {need} in one binding; loading will fail there", part.what));
    }
}
