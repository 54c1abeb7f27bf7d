//! From what a person types to one model.

use super::facts::Model;

/// What Ollama adds to a name without a tag.
const USUAL_TAG: &str = ":latest";

/// Why a name means no model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError<'a> {
    /// No model has it.
    Unknown,
    /// Several may be meant.
    Ambiguous(Vec<&'a Model>),
}

/// Whether a name may mean the model that has the name `full`.
pub(super) fn may_mean(full: &str, name: &str) -> bool {
    full.to_lowercase().contains(&name.to_lowercase())
}

/// The model of exactly this name, or else the only one whose name has it as a part, in small letters or large ones.
/// Models that cannot be opened are meant where no other is.
pub fn find<'a>(models: &'a [Model], name: &str) -> Result<&'a Model, NameError<'a>> {
    let tagged = format!("{name}{USUAL_TAG}");
    let exact = |model: &&Model| model.found.name == name || model.found.name == tagged;
    let part = |model: &&Model| may_mean(&model.found.name, name);
    let ways: [&dyn Fn(&&Model) -> bool; 4] =
        [&|model| exact(model) && model.opens(), &exact, &|model| part(model) && model.opens(), &part];
    let meant = ways.iter().map(|way| models.iter().filter(|model| way(model)).collect::<Vec<_>>());
    let meant = meant.into_iter().find(|meant| !meant.is_empty()).unwrap_or_default();
    match meant.as_slice() {
        [] => Err(NameError::Unknown),
        [one] => Ok(one),
        _ => Err(NameError::Ambiguous(meant)),
    }
}
