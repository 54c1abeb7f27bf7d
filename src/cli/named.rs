//! Which model is meant by what was typed: a path, or a name of a model on this computer.

use std::path::{Component, Path, PathBuf};

use super::error::CliError;
use super::interrupt::INTERRUPTED;
use crate::formats::BUILT_IN;
use crate::library::{Environment, NameError, Search, find};
use crate::session::{LoadError, ModelSource, ServerAddress, read_headers};

/// Most candidates that are listed.
const MOST_LISTED: usize = 8;

/// What to load: the built-in model where nothing was given.
pub fn source(given: Option<&PathBuf>) -> Result<ModelSource, CliError> {
    given.map_or(Ok(ModelSource::BuiltIn), |given| named(given))
}

/// What drafts: `built-in` is the one in the program.
pub(super) fn draft_source(given: &Path) -> Result<ModelSource, CliError> {
    if given == Path::new(BUILT_IN) && !given.exists() {
        return Ok(ModelSource::BuiltInDraft);
    }
    named(given)
}

/// A path where there is one, otherwise the model of this name. What is neither stays a path, about which whoever opens
/// it tells more.
fn named(given: &Path) -> Result<ModelSource, CliError> {
    let path = || Ok(ModelSource::Path(given.to_owned()));
    let is_address = |given: &&str| given.starts_with("http://") || given.starts_with("https://");
    if let Some(address) = given.to_str().filter(is_address) {
        let address = ServerAddress::parse(address).map_err(LoadError::Server).map_err(CliError::Load)?;
        return Ok(ModelSource::Server(address));
    }
    let first = given.components().next();
    let is_path = matches!(
        first,
        None | Some(Component::RootDir | Component::Prefix(_) | Component::CurDir | Component::ParentDir)
    );
    let Some(name) = given.to_str().filter(|_| !is_path) else { return path() };
    // A link that leads nowhere is a path as well.
    if std::fs::symlink_metadata(given).is_ok() {
        return path();
    }
    let environment = Environment::of_process();
    let search = Search { environment: &environment, added: &[], read: &read_headers, stop: &INTERRUPTED };
    let library = search.by_name(name);
    match find(&library.models, name) {
        Ok(model) => Ok(ModelSource::Path(model.found.path.clone())),
        Err(NameError::Unknown) => path(),
        Err(NameError::Ambiguous(models)) => {
            let mut candidates: Vec<String> = models
                .iter()
                .take(MOST_LISTED)
                .map(|model| format!("{} ({})", model.found.name, environment.short(&model.found.path)))
                .collect();
            if models.len() > MOST_LISTED {
                candidates.push(format!("and {} more", models.len() - MOST_LISTED));
            }
            Err(CliError::AmbiguousName { name: name.to_owned(), candidates: candidates.join("; ") })
        }
    }
}
