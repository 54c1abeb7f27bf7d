//! What headers said, kept in one small file in the user's cache folder, so that they are read once. A file that is
//! missing, broken or of another version of this program costs reading them again, no more.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::found::{Found, Stamp};
use crate::whole_file;

/// Most bytes of the file that are read: a larger one is not ours.
const MOST_BYTES: u64 = 16 << 20;
/// Most models that are kept; those that were not seen last go first.
const MOST_ENTRIES: usize = 10_000;

/// What is in the file.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// This program's version: another one may know other families.
    program: String,
    entries: Vec<Entry>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    path: String,
    stamp: Stamp,
    facts: Facts,
}

/// What headers said in this and in earlier searches.
pub(super) struct Cache {
    file: Option<PathBuf>,
    known: HashMap<String, Entry>,
    /// Those of this search, in its order.
    seen: Vec<String>,
    changed: bool,
}

impl Cache {
    /// What the file holds.
    pub(super) fn read(file: Option<PathBuf>) -> Self {
        let kept = file.as_deref().map(read);
        let kept = kept.transpose().unwrap_or_else(|error| {
            log::debug!("what was kept of models' headers: {error}");
            None
        });
        let entries = kept.filter(|kept| kept.program == env!("CARGO_PKG_VERSION")).map(|kept| kept.entries);
        let known = entries.into_iter().flatten().map(|entry| (entry.path.clone(), entry)).collect();
        Self { file, known, seen: Vec::new(), changed: false }
    }

    /// What is known of files that have not changed.
    pub(super) fn get(&mut self, found: &Found) -> Option<Facts> {
        let path = found.path.to_str()?;
        let entry = self.known.get(path).filter(|entry| entry.stamp == found.stamp)?;
        self.seen.push(entry.path.clone());
        Some(entry.facts.clone())
    }

    /// Keeps what was read.
    pub(super) fn keep(&mut self, found: &Found, facts: &Facts) {
        let Some(path) = found.path.to_str().filter(|_| facts.last()) else { return };
        let entry = Entry { path: path.to_owned(), stamp: found.stamp, facts: facts.clone() };
        self.seen.push(path.to_owned());
        self.known.insert(path.to_owned(), entry);
        self.changed = true;
    }

    /// Writes the file, if there is something new.
    pub(super) fn write(mut self) {
        let Some(file) = self.file.as_deref().filter(|_| self.changed) else { return };
        let mut entries: Vec<Entry> = self.seen.iter().filter_map(|path| self.known.remove(path)).collect();
        let mut unseen: Vec<Entry> = self.known.into_values().collect();
        unseen.sort_by(|one, other| one.path.cmp(&other.path));
        entries.extend(unseen);
        entries.truncate(MOST_ENTRIES);
        let kept = Kept { program: env!("CARGO_PKG_VERSION").to_owned(), entries };
        if let Err(error) = write(file, &kept) {
            log::debug!("{}: {error}", file.display());
        }
    }
}

fn read(file: &Path) -> io::Result<Kept> {
    let mut text = String::new();
    File::open(file)?.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

/// Writes the file; a program that reads it meanwhile never sees half of it.
fn write(file: &Path, kept: &Kept) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    whole_file::write(file, |file| Ok(serde_json::to_writer(file, kept)?))
}
