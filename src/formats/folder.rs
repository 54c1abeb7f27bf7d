//! A model's files by name, wherever they lie: in a folder on disk, or inside the program.
//!
//! Knows names and bytes; what is in a file is for others.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};

use super::error::FormatError;
use super::json;

/// The file that describes the decoder.
pub const CONFIG: &str = "config.json";

/// Largest file that is read whole into memory (configurations, indices, tokenizers). The largest published
/// tokenizer is about 35 MB.
const LARGEST_TEXT: u64 = 256 << 20;

/// The files of one model.
pub enum Folder {
    /// A folder on disk.
    Disk(PathBuf),
    /// Files inside the program, with their names.
    Embedded(&'static [(&'static str, &'static [u8])]),
}

/// The bytes of one file: mapped from disk, so that the system reads only what is touched, or in the program.
pub enum FileBytes {
    /// A mapped file.
    Mapped(memmap2::Mmap),
    /// Bytes inside the program.
    Embedded(&'static [u8]),
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Embedded(bytes) => bytes,
        }
    }
}

impl FileBytes {
    /// Has the system map some of the file's bytes at once, as they are about to be read: page by page, at first
    /// touch, costs several times as much. Elsewhere than on Linux (5.14 or newer) the system does as it likes.
    pub fn prepare(&self, range: Range<usize>) {
        #[cfg(target_os = "linux")]
        if let Self::Mapped(map) = self {
            // An older system refuses; then the bytes come page by page.
            let _ = map.advise_range(memmap2::Advice::PopulateRead, range.start, range.len());
        }
        #[cfg(not(target_os = "linux"))]
        let _ = range;
    }
}

/// What a folder has that holds an adapter (LoRA).
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// What a folder has whose model makes images or video.
pub const MODEL_INDEX: &str = "model_index.json";

/// Folders that look like a model's and are none that can be opened: by a file in them, what they are.
const OTHER_FOLDERS: [(&str, &str); 3] = [
    (
        ADAPTER_CONFIG,
        "adapter_config.json is there: this is an adapter (LoRA), a change to another model's weights; merge it into \
         that model with the program that made it, and open the result",
    ),
    (MODEL_INDEX, "model_index.json is there: this is a model that makes images or video"),
    (
        "params.json",
        "params.json is there: these are the maker's own files; get the form with config.json, which is published \
         beside them",
    ),
];

impl Folder {
    /// The file's place, for messages.
    pub fn place(&self, file: impl AsRef<Path>) -> String {
        match self {
            Self::Disk(folder) => folder.join(file).display().to_string(),
            Self::Embedded(_) => format!("built-in {}", file.as_ref().display()),
        }
    }

    /// Whether the folder has a file of this name.
    pub fn has(&self, file: impl AsRef<Path>) -> bool {
        match self {
            Self::Disk(folder) => folder.join(file).is_file(),
            Self::Embedded(_) => self.embedded(file.as_ref()).is_some(),
        }
    }

    /// The names of the files, sorted.
    pub fn names(&self) -> Result<Vec<OsString>, FormatError> {
        let mut names = match self {
            Self::Disk(folder) => names_on_disk(folder)
                .map_err(|reason| FormatError::Unreadable { file: folder.display().to_string(), reason })?,
            Self::Embedded(files) => files.iter().map(|(name, _)| OsString::from(name)).collect(),
        };
        names.sort();
        Ok(names)
    }

    /// The whole contents of a small file; `None` if there is no such file.
    pub fn read(&self, file: impl AsRef<Path>) -> Result<Option<Vec<u8>>, FormatError> {
        let file = file.as_ref();
        let place = self.place(file);
        let contents = match self {
            Self::Embedded(_) => self.embedded(file).map(<[u8]>::to_vec),
            Self::Disk(folder) => read_text(&folder.join(file), &place)?,
        };
        if contents.as_deref().is_some_and(is_lfs_pointer) {
            return Err(lfs_pointer(&place));
        }
        Ok(contents)
    }

    /// The contents of a JSON file, read as [`json`] says; `None` if there is no such file.
    pub fn read_json(&self, file: impl AsRef<Path>) -> Result<Option<serde_json::Value>, FormatError> {
        let file = file.as_ref();
        let Some(contents) = self.read(file)? else { return Ok(None) };
        let value = json::read(&contents).map_err(|reason| {
            FormatError::malformed(&self.place(file), format!("not valid JSON: {reason}"))
        })?;
        Ok(Some(value))
    }

    /// The contents of [`CONFIG`], without which there is no model.
    pub fn read_config(&self) -> Result<serde_json::Value, FormatError> {
        self.read_json(CONFIG)?.ok_or_else(|| {
            let kind = OTHER_FOLDERS.iter().find(|(file, _)| self.has(file));
            let usual = "it describes the model and belongs to its weights";
            let reason = format!("the file is missing; {}", kind.map_or(usual, |(_, what)| what));
            FormatError::malformed(&self.place(CONFIG), reason)
        })
    }

    /// The bytes of a large file; `None` if there is no such file.
    pub fn map(&self, file: impl AsRef<Path>) -> Result<Option<FileBytes>, FormatError> {
        let file = file.as_ref();
        let place = self.place(file);
        let bytes = match self {
            Self::Embedded(_) => self.embedded(file).map(FileBytes::Embedded),
            Self::Disk(folder) => map_file(&folder.join(file))
                .map_err(|reason| FormatError::Unreadable { file: place.clone(), reason })?,
        };
        if bytes.as_deref().is_some_and(is_lfs_pointer) {
            return Err(lfs_pointer(&place));
        }
        Ok(bytes)
    }

    /// The first bytes of a file, at most `count`; none if it cannot be read.
    pub fn beginning(&self, file: impl AsRef<Path>, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count);
        match self {
            Self::Embedded(_) => {
                bytes.extend(self.embedded(file.as_ref()).unwrap_or_default().iter().take(count));
            }
            Self::Disk(folder) if self.has(file.as_ref()) => {
                // Whoever reads the whole file says why it cannot be read.
                let file = File::open(folder.join(file));
                let _ = file.and_then(|file| file.take(count as u64).read_to_end(&mut bytes));
            }
            Self::Disk(_) => {}
        }
        bytes
    }

    fn embedded(&self, file: &Path) -> Option<&'static [u8]> {
        match self {
            Self::Disk(_) => None,
            Self::Embedded(files) => {
                files.iter().find(|(name, _)| Path::new(name) == file).map(|(_, bytes)| *bytes)
            }
        }
    }
}

fn names_on_disk(folder: &Path) -> std::io::Result<Vec<OsString>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
}

fn read_text(path: &Path, place: &str) -> Result<Option<Vec<u8>>, FormatError> {
    let unreadable = |reason| FormatError::Unreadable { file: place.to_owned(), reason };
    let length = match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(unreadable(no_file(&metadata))),
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if length > LARGEST_TEXT {
        let reason = format!("it has {length} bytes; at most {LARGEST_TEXT} make sense here");
        return Err(FormatError::malformed(place, reason));
    }
    fs::read(path).map(Some).map_err(unreadable)
}

#[expect(
    unsafe_code,
    reason = "mapping a file is the only way to upload weights without a second copy of them"
)]
fn map_file(path: &Path) -> std::io::Result<Option<FileBytes>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(metadata) => return Err(no_file(&metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let file = File::open(path)?;
    // SAFETY: the map is read-only and only its bytes are looked at, any value of which is valid. Another
    // program that shortens the file while we read it would end this one by a signal: the known cost of
    // mapping, accepted because weights do not fit into memory twice.
    let map = unsafe { memmap2::Mmap::map(&file)? };
    Ok(Some(FileBytes::Mapped(map)))
}

/// Why what is there cannot be read. Opening a pipe would wait for whoever writes to it.
fn no_file(metadata: &fs::Metadata) -> std::io::Error {
    match metadata.is_dir() {
        true => std::io::Error::new(ErrorKind::IsADirectory, "it is a folder"),
        false => std::io::Error::new(ErrorKind::InvalidInput, "it is neither a file nor a folder"),
    }
}

/// Git LFS leaves a small text in the place of a large file that was never fetched.
fn is_lfs_pointer(contents: &[u8]) -> bool {
    contents.starts_with(b"version https://git-lfs")
}

fn lfs_pointer(place: &str) -> FormatError {
    FormatError::malformed(
        place,
        "this is a Git LFS pointer, not the file itself; fetch it with `git lfs pull` or download it again",
    )
}
