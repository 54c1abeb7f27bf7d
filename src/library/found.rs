//! One thing that lies in a place, before its headers are read.

use std::collections::HashSet;
use std::fs::Metadata;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::place::Origin;
use crate::formats::Other;

/// A model, or what belongs to one, that lies in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Name for people; that of Ollama, `NAME:TAG`.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What to open: a folder, or a GGUF file.
    pub path: PathBuf,
    /// Bytes of its weight files.
    pub bytes: u64,
    /// Its files as they were when this was found.
    pub(super) stamp: Stamp,
    /// What is known without its headers.
    pub(super) known: Known,
}

/// What is known of a thing without its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: they have to be read.
    Nothing,
    /// That it is no language model.
    Other(Other),
    /// That it cannot be opened, and why.
    Problem(String),
}

/// How files were: if this is the same, they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// How many.
    pub files: u32,
    /// Their bytes together.
    pub bytes: u64,
    /// When the newest was changed, in nanoseconds since 1970.
    pub modified: u64,
}

impl Stamp {
    /// Takes in a file.
    pub(super) fn add(&mut self, metadata: &Metadata) {
        let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        self.files += 1;
        self.bytes = self.bytes.saturating_add(metadata.len());
        self.modified = self.modified.max(since.map_or(0, |since| since.as_nanos() as u64));
    }
}

impl Found {
    /// When its newest file was changed, in seconds since 1970.
    pub fn modified(&self) -> u64 {
        self.stamp.modified / 1_000_000_000
    }
}

/// Leaves each file or folder once: what links lead to from several places, and what lies in places inside of each other.
/// Ollama has several names for one file.
pub(super) fn each_once(found: Vec<Found>) -> Vec<Found> {
    let mut known = HashSet::new();
    let mut is_new = |found: &Found| {
        let path = std::fs::canonicalize(&found.path).unwrap_or_else(|_| found.path.clone());
        known.insert((path, (found.origin == Origin::Ollama).then(|| found.name.clone())))
    };
    found.into_iter().filter(|found| is_new(found)).collect()
}
