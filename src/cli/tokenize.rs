//! `tokenize`: ids and pieces of a text, without a GPU.

use serde::Serialize;

use super::arguments::Tokenize;
use super::error::CliError;
use super::model;
use super::named::source;
use super::outcome::Outcome;
use super::output::{print, print_json};
use crate::session::{Opened, WeightsChoice};

/// The JSON object of `tokenize --json`.
#[derive(Serialize)]
struct TokenizeJson {
    ids: Vec<u32>,
    pieces: Vec<String>,
}

/// Runs the command.
pub(super) fn run(arguments: &Tokenize) -> Result<Outcome, CliError> {
    let prompt = model::prompt(&arguments.prompt, &arguments.special)?;
    let opened = Opened::open(&source(arguments.model.as_ref())?, None, WeightsChoice::Original)?;
    let tokenizer = opened.tokenizer.as_ref();
    let ids = opened.tokenise(&prompt).map_err(CliError::tokenise)?;
    let piece = |&id: &u32| tokenizer.and_then(|tokenizer| tokenizer.readable_piece(id)).unwrap_or_default();
    let pieces: Vec<String> = ids.iter().map(piece).collect();
    if arguments.json.json {
        print_json(&TokenizeJson { ids, pieces })?;
    } else {
        let line = |(id, piece): (&u32, &String)| format!("{id:>7}  {piece}\n");
        print(&ids.iter().zip(&pieces).map(line).collect::<String>())?;
    }
    Ok(Outcome::Done)
}
