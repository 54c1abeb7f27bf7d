//! `probe`: what lies inside one position of a prompt, as a table or as JSON.

mod json;
mod table;

use json::ProbeJson;

use super::arguments::ProbeArguments;
use super::error::CliError;
use super::outcome::Outcome;
use super::output::{StatusLine, print, print_json};
use super::{interrupt, model};
use crate::model::batch::RowOutput;
use crate::model::{Batch, LanguageModel, ModelError, ProbeRequest, SequenceId};

/// Rows of one pass: few enough that progress moves and Ctrl-C is answered soon.
const CHUNK_ROWS: usize = 32;

/// Runs the command.
pub(super) fn run(arguments: &ProbeArguments) -> Result<Outcome, CliError> {
    let loaded = model::load_with_prompt(&arguments.model, &arguments.prompt, &arguments.special)?;
    let Some((mut ready, ids)) = loaded else { return Ok(Outcome::Interrupted) };
    let position = arguments.position.unwrap_or(ids.len() - 1);
    let Some(&input) = ids.get(position) else {
        return Err(CliError::ProbePosition { position, tokens: ids.len() });
    };
    let sequence = ready.model.new_sequence_for(ids.len());
    if cache(&mut *ready.model, sequence, &ids[..position])? == Outcome::Interrupted {
        return Ok(Outcome::Interrupted);
    }
    let request = ProbeRequest { sequence, position, input, token: arguments.token, top: arguments.top };
    let probing = ready.model.probing().ok_or(ModelError::NoLayers)?;
    let probe = probing.probe(&request)?;
    if arguments.json.json {
        print_json(&ProbeJson::of(&probe))?;
    } else {
        let spell = |id| ready.tokenizer.as_ref().map(|tokenizer| tokenizer.decode(&[id]));
        print(&table::text(&probe, &spell))?;
    }
    Ok(Outcome::Done)
}

/// Computes what comes before the position.
fn cache(model: &mut dyn LanguageModel, sequence: SequenceId, ids: &[u32]) -> Result<Outcome, CliError> {
    let mut line = StatusLine::new();
    for chunk in ids.chunks(CHUNK_ROWS.min(model.max_rows())) {
        if interrupt::pressed() {
            return Ok(Outcome::Interrupted);
        }
        let start = model.length(sequence);
        line.show(&format!("position {start} of {}", ids.len()));
        model.forward(&Batch::chain(sequence, start, chunk, RowOutput::Nothing))?;
    }
    line.clear();
    Ok(Outcome::Done)
}
