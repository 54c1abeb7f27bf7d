//! Which of several candidates is the fastest on an adapter: measured once, then remembered.
//!
//! Knows no kernels: the candidates have ids, and others measure them ([`super::trial`], [`super::bus`]). What is
//! remembered lies in the user's cache folder; a file that is missing, broken or cannot be written costs a new
//! trial, no more.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::gpu::device::AdapterInfo;
use crate::user_folders::UserFolders;
use crate::whole_file;

/// Most bytes of the file that are read: a larger one is not ours.
const MOST_BYTES: u64 = 1 << 20;
/// Most trials that are kept; the oldest go first.
const MOST_TRIALS: usize = 512;

/// This program's version, as trials are kept by.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// What a trial was about. With another driver or program the same candidates may rank otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TuningKey {
    /// The adapter's name and backend.
    pub adapter: String,
    /// Its driver, with the version.
    pub driver: String,
    /// This program's version.
    pub program: String,
    /// What was run, such as `linear map, one row: f16 4096 × 11008, added`.
    pub work: String,
}

/// A trial that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// What it was about.
    #[serde(flatten)]
    pub key: TuningKey,
    /// Seconds that each candidate took, by its id.
    pub seconds: BTreeMap<String, f64>,
}

/// The trials of this and of earlier runs.
#[derive(Debug, Default)]
pub struct TuningCache {
    file: Option<PathBuf>,
    made: Vec<Trial>,
}

impl Trial {
    /// Seconds of a candidate that computed something else than the others: it is never the fastest.
    pub const WRONG: f64 = 1e9;

    /// The ids of candidates that computed something else than the others.
    pub fn wrong(&self) -> impl Iterator<Item = &str> {
        let wrong = self.seconds.iter().filter(|(_, seconds)| **seconds >= Self::WRONG);
        wrong.map(|(name, _)| name.as_str())
    }

    /// The id of the fastest candidate.
    pub fn fastest(&self) -> Option<&str> {
        let fastest = self.seconds.iter().min_by(|(_, one), (_, other)| one.total_cmp(other));
        fastest.map(|(name, _)| name.as_str())
    }
}

impl TuningKey {
    /// This program's, of some work on an adapter.
    pub(super) fn of(adapter: &AdapterInfo, work: String) -> Self {
        let (adapter, driver) = (adapter.full_name(), adapter.driver.clone());
        Self { adapter, driver, program: PROGRAM.to_owned(), work }
    }
}

impl TuningCache {
    /// What lies in the user's cache folder; nothing if there is none.
    pub fn of_user() -> Self {
        let folder = UserFolders::of_process().own_caches();
        folder.map_or_else(Self::default, |folder| Self::read(folder.join("trials.json")))
    }

    /// What lies in this file, which later trials are written to.
    pub fn read(file: PathBuf) -> Self {
        let made = read(&file).unwrap_or_else(|error| {
            log::debug!("{}: {error}", file.display());
            Vec::new()
        });
        Self { file: Some(file), made }
    }

    /// The trials that still hold for an adapter with its present driver.
    pub fn about(&self, adapter: &str, driver: &str) -> impl Iterator<Item = &Trial> {
        self.made.iter().filter(move |trial| {
            let key = &trial.key;
            (key.adapter.as_str(), key.driver.as_str(), key.program.as_str()) == (adapter, driver, PROGRAM)
        })
    }

    /// The index of the fastest candidate, if that is remembered of the same candidates.
    pub fn known(&self, key: &TuningKey, candidates: &[String]) -> Option<usize> {
        let known = self.made.iter().find(|trial| {
            trial.key == *key
                && trial.seconds.len() == candidates.len()
                && candidates.iter().all(|name| trial.seconds.contains_key(name))
        });
        let fastest = known?.fastest()?;
        candidates.iter().position(|name| name == fastest)
    }

    /// Takes trials in place of older ones of the same work on the same adapter.
    pub fn keep(&mut self, trials: Vec<Trial>) {
        for trial in trials {
            self.replace(trial);
        }
        self.made.drain(..self.made.len().saturating_sub(MOST_TRIALS));
        if let Some(file) = &self.file
            && let Err(error) = write(file, &self.made)
        {
            log::debug!("{}: {error}", file.display());
        }
    }

    fn replace(&mut self, trial: Trial) {
        let key = &trial.key;
        self.made.retain(|Trial { key: old, .. }| {
            (old.adapter.as_str(), old.work.as_str()) != (key.adapter.as_str(), key.work.as_str())
        });
        self.made.push(trial);
    }
}

fn read(file: &Path) -> std::io::Result<Vec<Trial>> {
    let mut text = String::new();
    std::fs::File::open(file)?.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

/// Writes the file; a program that reads it meanwhile never sees half of it.
fn write(file: &Path, trials: &[Trial]) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    whole_file::write(file, |file| Ok(serde_json::to_writer_pretty(file, trials)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(driver: &str) -> TuningKey {
        TuningKey {
            adapter: "Voodoo 2 (Vulkan)".to_owned(),
            driver: driver.to_owned(),
            program: PROGRAM.to_owned(),
            work: "f16 4 × 4".to_owned(),
        }
    }

    fn names() -> [String; 2] {
        ["lanes".to_owned(), "groups".to_owned()]
    }

    /// The choice, and whether it had to be measured.
    fn choose(trials: &mut TuningCache, driver: &str, seconds: [f64; 2]) -> (usize, bool) {
        let key = key(driver);
        if let Some(known) = trials.known(&key, &names()) {
            return (known, false);
        }
        trials.keep(vec![Trial { key: key.clone(), seconds: names().into_iter().zip(seconds).collect() }]);
        (trials.known(&key, &names()).expect("it was kept"), true)
    }

    #[test]
    fn the_faster_is_chosen_remembered_and_measured_again_with_another_driver() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deeper/trials.json");
        let mut trials = TuningCache::read(file.clone());
        assert_eq!(choose(&mut trials, "1.0", [2e-3, 1e-3]), (1, true));
        assert_eq!(choose(&mut trials, "1.0", [1e-3, 2e-3]), (1, false), "remembered in the same run");
        let mut trials = TuningCache::read(file.clone());
        assert_eq!(choose(&mut trials, "1.0", [1e-3, 2e-3]), (1, false), "remembered by the file");
        assert_eq!(choose(&mut trials, "1.1", [1e-3, 2e-3]), (0, true), "another driver");
        let trials = TuningCache::read(file);
        assert_eq!(trials.made.len(), 1, "the old driver's is gone");
        assert_eq!(trials.about("Voodoo 2 (Vulkan)", "1.1").next().and_then(Trial::fastest), Some("lanes"));
        assert_eq!(trials.about("Voodoo 2 (Vulkan)", "1.0").count(), 0);
    }

    #[test]
    fn other_candidates_than_remembered_are_measured() {
        let mut trials = TuningCache::default();
        choose(&mut trials, "1.0", [2e-3, 1e-3]);
        let candidates = ["lanes".to_owned(), "shared".to_owned()];
        assert_eq!(trials.known(&key("1.0"), &candidates), None);
        assert_eq!(trials.known(&key("1.0"), &candidates[..1]), None);
        assert_eq!(trials.known(&key("1.0"), &names()), Some(1));
    }

    /// Earlier versions kept trials by what they tell people.
    #[test]
    fn a_file_with_other_names_is_measured_again_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trials.json");
        let old = Trial {
            key: key("1.0"),
            seconds: [("one lane an output".to_owned(), 1e-3), ("tiles of four by four".to_owned(), 2e-3)]
                .into(),
        };
        write(&file, &[old]).unwrap();
        assert_eq!(choose(&mut TuningCache::read(file.clone()), "1.0", [2e-3, 1e-3]), (1, true));
        let trials = TuningCache::read(file);
        assert_eq!(trials.made.len(), 1);
        assert_eq!(trials.made[0].fastest(), Some("groups"));
    }

    #[test]
    fn a_broken_file_and_a_folder_that_cannot_be_written_are_no_errors() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trials.json");
        for broken in ["", "{", "[{\"adapter\": 3}]", "\u{0}"] {
            std::fs::write(&file, broken).unwrap();
            assert_eq!(choose(&mut TuningCache::read(file.clone()), "1.0", [1e-3, 2e-3]), (0, true));
        }
        // A file stands where a folder is needed.
        let below = file.join("trials.json");
        let mut trials = TuningCache::read(below);
        assert_eq!(choose(&mut trials, "1.0", [1e-3, 2e-3]), (0, true));
        assert_eq!(choose(&mut trials, "1.0", [2e-3, 1e-3]), (0, false), "remembered for this run");
    }
}
