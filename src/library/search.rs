//! A search: through the places, then through the headers of what lies there.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::by_name;
use super::cache::Cache;
use super::environment::Environment;
use super::facts::{Facts, Model};
use super::found::{self, Found, Known};
use super::place::{LookedInto, Place, places};
use super::walk::Walk;

/// What to look for, and where.
pub struct Search<'a> {
    /// What the system tells.
    pub environment: &'a Environment,
    /// Folders that a person added.
    pub added: &'a [PathBuf],
    /// Reads the headers of a model.
    pub read: &'a dyn Fn(&Path) -> Facts,
    /// Ends the search once it is true.
    pub stop: &'a AtomicBool,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Library {
    /// The models, by name.
    pub models: Vec<Model>,
    /// What belongs to models and is none.
    pub others: Vec<Model>,
    /// Where was looked, in order; folders that cannot be read among it.
    pub looked_into: Vec<LookedInto>,
    /// Whether a limit ended the search before all was seen.
    pub cut: bool,
}

/// How far a search is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The newest.
    pub model: &'a Model,
    /// How many are read.
    pub done: usize,
    /// Of how many.
    pub total: usize,
}

impl Search<'_> {
    /// Searches; `progress` hears of each thing that was read.
    pub fn run(&self, progress: &mut dyn FnMut(Progress<'_>)) -> Library {
        self.search(None, progress)
    }

    /// The same of those that a name may mean.
    pub fn by_name(&self, name: &str) -> Library {
        self.search(Some(name), &mut |_| {})
    }

    /// The places that are looked into.
    pub fn places(&self) -> Vec<Place> {
        places(self.environment, self.added)
    }

    fn search(&self, name: Option<&str>, progress: &mut dyn FnMut(Progress<'_>)) -> Library {
        let mut walk = Walk::new(self.stop);
        self.places().into_iter().for_each(|place| walk.look_into(place));
        let Walk { found, looked_into, cut, .. } = walk;
        let mut found = found::each_once(found);
        found.retain(|found| name.is_none_or(|name| by_name::may_mean(&found.name, name)));
        found.sort_by_cached_key(|found| (found.name.to_lowercase(), found.path.clone()));
        let mut library = Library { looked_into, cut, ..Library::default() };
        let mut cache =
            Cache::read(self.environment.folders().own_caches().map(|caches| caches.join("models.json")));
        let total = found.len();
        for (index, found) in found.into_iter().enumerate() {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let facts = self.facts(&found, &mut cache);
            let model = Model { found, facts };
            progress(Progress { model: &model, done: index + 1, total });
            let list = if model.facts.other.is_some() { &mut library.others } else { &mut library.models };
            list.push(model);
        }
        cache.write();
        library
    }

    fn facts(&self, found: &Found, cache: &mut Cache) -> Facts {
        match &found.known {
            Known::Other(other) => return Facts::of_other(*other),
            Known::Problem(problem) => return Facts::of_problem(problem.clone()),
            Known::Nothing => {}
        }
        if let Some(facts) = cache.get(found) {
            return facts;
        }
        let facts = (self.read)(&found.path);
        cache.keep(found, &facts);
        facts
    }
}
