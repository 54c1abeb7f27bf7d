//! What lies in a folder, as far as models can be in it.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// What lies in a folder. Neither has pipes and devices.
pub(super) struct Entries {
    /// By name; `None` for links that lead nowhere.
    pub files: BTreeMap<String, (PathBuf, Option<Metadata>)>,
    /// By name.
    pub folders: BTreeMap<String, PathBuf>,
}

impl Entries {
    /// Reads the folder, and what its links lead to; no more than so many entries.
    pub(super) fn read(folder: &Path, most: usize) -> io::Result<Self> {
        let mut entries = Self { files: BTreeMap::new(), folders: BTreeMap::new() };
        for entry in fs::read_dir(folder)?.take(most) {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => drop(entries.folders.insert(name, path)),
                Ok(metadata) if metadata.is_file() => {
                    drop(entries.files.insert(name, (path, Some(metadata))))
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    drop(entries.files.insert(name, (path, None)));
                }
                // A pipe, a device, a link to itself, or what nobody may see.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(entries)
    }

    /// Whether there is a file of this name.
    pub(super) fn has(&self, file: &str) -> bool {
        self.files.contains_key(file)
    }
}
