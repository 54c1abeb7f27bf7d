//! From what a person points at (a folder, a weight file, an index) to a model's folder and weight files.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::checkpoint::{INDEX_FILE, SINGLE_FILE, WeightFiles, read_index};
use super::error::FormatError;
use super::folder::Folder;
use super::gguf;

/// Where a model lies.
pub struct Location {
    /// Name for a person: the folder's, or a GGUF file's.
    pub name: String,
    /// The path as it was given; `built-in` for the model inside the program.
    pub path: String,
    /// The folder with all of its files.
    pub folder: Folder,
    /// Those with the weights.
    pub weights: WeightFiles,
}

impl Location {
    /// Finds the model at a path.
    pub fn of(path: &Path) -> Result<Self, FormatError> {
        let given = path.display().to_string();
        let metadata = fs::metadata(path).map_err(|reason| match reason.kind() {
            ErrorKind::NotFound => FormatError::Absent { path: given.clone() },
            _ => FormatError::Unreadable { file: given.clone(), reason },
        })?;
        if !metadata.is_dir() && !metadata.is_file() {
            // Opening a pipe would wait for whoever writes to it.
            let reason =
                "it is neither a file nor a folder; open the model's folder or one of its weight files";
            return Err(FormatError::NoModel { path: given, reason: reason.to_owned() });
        }
        let (parent, weights) = if metadata.is_dir() {
            (path.to_owned(), weights_in(&Folder::Disk(path.to_owned()), &given)?)
        } else {
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
                _ => PathBuf::from("."),
            };
            let weights = weights_by_file(&Folder::Disk(parent.clone()), path, &given)?;
            (parent, weights)
        };
        if let WeightFiles::Gguf(file) = &weights {
            // A folder may hold many GGUF files: the file has the model's name.
            let stem = Path::new(file).file_stem().filter(|_| has_ending(file, ".gguf"));
            let name = stem.unwrap_or(file).display().to_string();
            return Ok(Self { name, path: given, folder: Folder::Disk(parent), weights });
        }
        let absolute = fs::canonicalize(&parent).unwrap_or_else(|_| parent.clone());
        let name = absolute.file_name().map_or(given.clone(), |name| name.to_string_lossy().into_owned());
        Ok(Self { name, path: given, folder: Folder::Disk(parent), weights })
    }
}

/// The weight files of a folder.
fn weights_in(folder: &Folder, given: &str) -> Result<WeightFiles, FormatError> {
    if folder.has(SINGLE_FILE) {
        return Ok(WeightFiles::Single(SINGLE_FILE.into()));
    }
    if folder.has(INDEX_FILE) {
        return Ok(WeightFiles::Index(INDEX_FILE.into()));
    }
    let names = folder.names()?;
    let of_kind = |ending: &str| {
        let names = names.iter().filter(|name| has_ending(name, ending));
        names.cloned().collect::<Vec<OsString>>()
    };
    let containers = of_kind(".safetensors");
    if let [only] = containers.as_slice() {
        return Ok(WeightFiles::Single(only.clone()));
    }
    let hint = if let Some(first) = containers.first() {
        format!(
            "it has {} .safetensors files such as {}, but no index of them; open one",
            containers.len(),
            first.display()
        )
    } else if let Some(gguf) = first_gguf(folder, &names) {
        format!("{} is there; open that file itself", gguf.display())
    } else if let Some(pickle) = of_kind(".bin").first() {
        let pickle = pickle.display();
        format!("{pickle} is there, but only safetensors can be read; get the model in that format")
    } else {
        "open a folder that has one of them, or a .gguf file".to_owned()
    };
    let reason = format!("looked for {SINGLE_FILE} and {INDEX_FILE} beside a config.json; {hint}");
    Err(FormatError::NoModel { path: given.to_owned(), reason })
}

/// Files of a folder without a usual ending that are looked into for what they are.
const MOST_OPENED: usize = 64;

/// The first GGUF file of a folder, by its name or else by what it begins with.
fn first_gguf(folder: &Folder, names: &[OsString]) -> Option<OsString> {
    let by_name = names.iter().find(|name| has_ending(name, ".gguf"));
    let mut looked_into = names.iter().filter(|name| folder.has(name)).take(MOST_OPENED);
    by_name.or_else(|| looked_into.find(|name| is_gguf(folder, name))).cloned()
}

/// Whether a file's name ends so, in small letters or large ones.
fn has_ending(name: &OsStr, ending: &str) -> bool {
    let name = name.as_encoded_bytes();
    name.len().checked_sub(ending.len()).is_some_and(|at| name[at..].eq_ignore_ascii_case(ending.as_bytes()))
}

/// Whether a file is GGUF by what it begins with, whatever it is called.
fn is_gguf(folder: &Folder, name: &OsStr) -> bool {
    folder.beginning(name, gguf::MAGIC.len()) == gguf::MAGIC
}

/// The weight files meant by one file of a folder.
fn weights_by_file(folder: &Folder, path: &Path, given: &str) -> Result<WeightFiles, FormatError> {
    let name = path.file_name().unwrap_or_default().to_owned();
    if has_ending(&name, ".gguf") || is_gguf(folder, &name) {
        return Ok(WeightFiles::Gguf(name));
    }
    if has_ending(&name, ".safetensors.index.json") {
        return Ok(WeightFiles::Index(name));
    }
    if !has_ending(&name, ".safetensors") {
        let reason = "it is no weight file; open the model's folder, a .safetensors, a \
             .safetensors.index.json or a GGUF file";
        return Err(FormatError::NoModel { path: given.to_owned(), reason: reason.to_owned() });
    }
    // One shard stands for all of them.
    let is_shard = folder.has(INDEX_FILE)
        && read_index(folder, INDEX_FILE)?.values().any(|file| OsStr::new(file) == name);
    Ok(if is_shard { WeightFiles::Index(INDEX_FILE.into()) } else { WeightFiles::Single(name) })
}
