//! `logits`: the logits of every prompt position, to a safetensors file and as JSON.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::arguments::Logits;
use super::error::CliError;
use super::outcome::Outcome;
use super::output::{StatusLine, print_json, status};
use super::{interrupt, model};
use crate::model::batch::RowOutput;
use crate::model::selection::highest_of;
use crate::model::{Batch, LanguageModel, ModelError};
use crate::units::counted;
use crate::whole_file::{self, WholeFile};

/// Rows of one pass: few enough that progress moves and Ctrl-C is answered soon.
const CHUNK_ROWS: usize = 32;

/// The JSON object of `logits --json`.
#[derive(Serialize)]
struct LogitsJson {
    prompt_ids: Vec<u32>,
    top: Vec<Vec<(u32, f32)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: &Logits) -> Result<Outcome, CliError> {
    if let Some(path) = &arguments.out {
        whole_file::check(path).map_err(|reason| CliError::Write { file: path.clone(), reason })?;
    }
    let loaded = model::load_with_prompt(&arguments.model, &arguments.prompt, &arguments.special)?;
    let Some((mut ready, ids)) = loaded else { return Ok(Outcome::Interrupted) };
    let vocabulary = ready.model.vocabulary();
    let create = |path| LogitsFile::create(path, ids.len(), vocabulary);
    let mut file = arguments.out.as_deref().map(create).transpose()?;
    let mut top = Vec::new();
    let finished = each_row(&mut *ready.model, &ids, |logits| {
        if arguments.json.json {
            top.push(highest_of(logits, arguments.top));
        }
        file.as_mut().map_or(Ok(()), |file| file.append(logits))
    })?;
    if finished == Outcome::Interrupted {
        return Ok(Outcome::Interrupted);
    }
    if let Some(file) = file {
        file.finish()?;
    }
    if arguments.json.json {
        let text = ready.tokenizer.as_ref().map(|tokenizer| tokenizer.decode(&ids));
        print_json(&LogitsJson { prompt_ids: ids, top, text, out: arguments.out.clone() })?;
    } else {
        status(&format!("logits of {} × {vocabulary} vocabulary entries", counted(ids.len(), "position")));
    }
    Ok(Outcome::Done)
}

/// Hands over the V logits of every position, in order; ends early after Ctrl-C.
fn each_row(
    model: &mut dyn LanguageModel,
    ids: &[u32],
    mut take: impl FnMut(&[f32]) -> Result<(), CliError>,
) -> Result<Outcome, CliError> {
    let sequence = model.new_sequence_for(ids.len());
    let mut line = StatusLine::new();
    for (index, chunk) in ids.chunks(CHUNK_ROWS.min(model.max_rows())).enumerate() {
        if interrupt::pressed() {
            return Ok(Outcome::Interrupted);
        }
        let start = model.length(sequence);
        line.show(&format!("chunk {}: position {start} of {}", index + 1, ids.len()));
        let batch = Batch::chain_of_outputs(sequence, start, chunk, RowOutput::Logits);
        let rows = model.forward(&batch)?.logits;
        if rows.len() != chunk.len() {
            let reason = format!("{} rows of logits came back for {}", rows.len(), chunk.len());
            return Err(ModelError::Device { reason }.into());
        }
        rows.iter().try_for_each(|row| take(row))?;
    }
    line.clear();
    model.release(sequence);
    Ok(Outcome::Done)
}

/// A safetensors file that is written row by row.
struct LogitsFile {
    place: PathBuf,
    file: WholeFile,
}

impl LogitsFile {
    fn create(place: &Path, rows: usize, columns: usize) -> Result<Self, CliError> {
        let failed = |reason| CliError::Write { file: place.to_owned(), reason };
        let mut file = WholeFile::create(place).map_err(failed)?;
        // The format: the header's length as u64, the header in JSON padded with spaces to 8 bytes, the data.
        let bytes = rows * columns * size_of::<f32>();
        let header = serde_json::json!({
            "logits": {"dtype": "F32", "shape": [rows, columns], "data_offsets": [0, bytes]}
        });
        let mut header = header.to_string();
        header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
        let length = (header.len() as u64).to_le_bytes();
        file.write_all(&length).and_then(|()| file.write_all(header.as_bytes())).map_err(failed)?;
        Ok(Self { place: place.to_owned(), file })
    }

    fn append(&mut self, row: &[f32]) -> Result<(), CliError> {
        let mut numbers = row.iter().map(|logit| logit.to_le_bytes());
        let written = numbers.try_for_each(|bytes| self.file.write_all(&bytes));
        written.map_err(|reason| CliError::Write { file: self.place.clone(), reason })
    }

    fn finish(self) -> Result<(), CliError> {
        let Self { place, file } = self;
        file.finish().map_err(|reason| CliError::Write { file: place, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_come_first_and_the_lower_id_among_equals() {
        assert_eq!(highest_of(&[1.0, 3.0, 2.0, 3.0], 3), [(1, 3.0), (3, 3.0), (2, 2.0)]);
        assert_eq!(highest_of(&[1.0], 5), [(0, 1.0)]);
        assert_eq!(highest_of(&[1.0], 0), []);
    }
}
