//! Special token ids by `generation_config.json` and, where that is silent, `config.json`.

use serde_json::Value;

use super::error::FormatError;
use super::fields::Fields;
use super::folder::Folder;

/// The file that says how to generate.
pub(super) const GENERATION_CONFIG: &str = "generation_config.json";

/// Special token ids by `generation_config.json` and `config.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SpecialIds {
    /// Beginning of a sequence.
    pub bos: Option<u32>,
    /// Ends of a sequence; any of them ends a text.
    pub eos: Vec<u32>,
}

/// Reads the ids; of several configurations, those of the first that has some. One outside the vocabulary is left out, with a line in `warnings`.
pub(super) fn read(
    folder: &Folder,
    configs: &[&Fields],
    vocabulary: usize,
    warnings: &mut Vec<String>,
) -> Result<SpecialIds, FormatError> {
    let generation_file = folder.place(GENERATION_CONFIG);
    let generation_value = folder.read_json(GENERATION_CONFIG)?;
    let generation =
        generation_value.as_ref().map(|value| Fields::new(&generation_file, value)).transpose()?;

    let mut ids = |name: &str| -> Result<Vec<u32>, FormatError> {
        let found = match generation.as_ref().map(|fields| read_ids(fields, name)).transpose()? {
            Some(found) if !found.is_empty() => found,
            _ => {
                let found = configs.iter().map(|config| read_ids(config, name));
                found
                    .collect::<Result<Vec<_>, _>>()?
                    .into_iter()
                    .find(|ids| !ids.is_empty())
                    .unwrap_or_default()
            }
        };
        let (inside, outside): (Vec<i64>, Vec<i64>) =
            found.into_iter().partition(|id| usize::try_from(*id).is_ok_and(|id| id < vocabulary));
        if !outside.is_empty() {
            warnings.push(format!(
                "{} names {outside:?}, outside the vocabulary of {vocabulary}; ignored",
                configs.first().map_or_else(|| name.to_owned(), |config| config.spelled(name))
            ));
        }
        Ok(inside.into_iter().filter_map(|id| u32::try_from(id).ok()).collect())
    };
    Ok(SpecialIds { bos: ids("bos_token_id")?.first().copied(), eos: ids("eos_token_id")? })
}

/// A number, or a list of numbers, or nothing.
fn read_ids(fields: &Fields, name: &str) -> Result<Vec<i64>, FormatError> {
    let refuse = || fields.error(name, "it has to be a token id or a list of them");
    match fields.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(|item| item.as_i64().ok_or_else(refuse)).collect(),
        Some(value) => Ok(vec![value.as_i64().ok_or_else(refuse)?]),
    }
}
