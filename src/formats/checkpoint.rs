//! A model's weights as its files store them: safetensors or GGUF, one file or several.
//!
//! Knows files and tensor names; what a tensor means is for [`super::architectures`].

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::path::{Component, Path};
use std::sync::Arc;

use serde_json::Value;

use super::error::FormatError;
use super::fields::Fields;
use super::folder::{CONFIG, FileBytes, Folder};
use super::gguf::{self, Metadata};
use super::json;
use super::quantised::{self, Joined, Part, PartsFile};
use super::rewrite::Recipe;
use super::safetensors::{StoredTensor, read_header};
use crate::model::WeightFormat;

/// The file of an unsharded model.
pub const SINGLE_FILE: &str = "model.safetensors";
/// The list of a sharded model's files.
pub const INDEX_FILE: &str = "model.safetensors.index.json";

/// Which files hold the weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeightFiles {
    /// One file.
    Single(OsString),
    /// The shards that this index lists.
    Index(OsString),
    /// A GGUF file, or any part of a split one.
    Gguf(OsString),
}

/// Opened weight files.
pub struct Checkpoint {
    /// The files, mapped.
    pub files: Vec<CheckpointFile>,
    /// The tensors of all files.
    pub tensors: Vec<CheckpointTensor>,
    /// What a GGUF file says besides; `None` for other files.
    pub metadata: Option<Metadata>,
    kind: Kind,
    by_name: HashMap<String, usize>,
}

/// What the files are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Safetensors,
    Gguf,
}

/// One mapped file.
pub struct CheckpointFile {
    /// Its place, for messages.
    pub place: String,
    /// Its contents.
    pub bytes: FileBytes,
}

/// A tensor and the file that holds it.
pub struct CheckpointTensor {
    /// Index into [`Checkpoint::files`].
    pub file: usize,
    /// What the file says about it.
    pub stored: StoredTensor,
    /// How it is read where several stored tensors make it.
    joined: Option<Joined>,
}

impl CheckpointTensor {
    /// Bytes that the files have of it.
    pub fn bytes(&self) -> usize {
        match &self.joined {
            Some(joined) => {
                let bytes: usize = joined.parts.iter().map(|part| part.stored.bytes.len()).sum();
                bytes / joined.turn.count
            }
            None => self.stored.bytes.len(),
        }
    }
}

impl Checkpoint {
    /// Maps the files and reads their headers.
    pub fn open(folder: &Folder, files: &WeightFiles) -> Result<Self, FormatError> {
        let kind = if matches!(files, WeightFiles::Gguf(_)) { Kind::Gguf } else { Kind::Safetensors };
        let mut checkpoint =
            Self { files: Vec::new(), tensors: Vec::new(), metadata: None, kind, by_name: HashMap::new() };
        match files {
            WeightFiles::Single(file) => checkpoint.add(folder, file, None)?,
            WeightFiles::Gguf(file) => checkpoint.add_gguf(folder, file)?,
            WeightFiles::Index(index) => {
                let place = folder.place(index);
                let listed = read_index(folder, index)?;
                let mut shards: Vec<&String> = listed.values().collect();
                shards.sort();
                shards.dedup();
                for shard in shards {
                    checkpoint.add(folder, shard.as_ref(), Some(&place))?;
                }
                checkpoint.check_listed(folder, &listed)?;
            }
        }
        if kind == Kind::Safetensors {
            checkpoint.join(folder)?;
        }
        Ok(checkpoint)
    }

    /// Brings together the parts of quantised matrices, by what `config.json` says; one that cannot be read is told of by whoever
    /// reads it.
    fn join(&mut self, folder: &Folder) -> Result<(), FormatError> {
        let Ok(config) = folder.read_config() else { return Ok(()) };
        let place = folder.place(CONFIG);
        let Ok(config) = Fields::new(&place, &config) else { return Ok(()) };
        let files = self.files.iter().map(|file| PartsFile { place: &file.place, bytes: &file.bytes });
        let files: Vec<PartsFile> = files.collect();
        let parts = self.tensors.drain(..).map(|tensor| Part { file: tensor.file, stored: tensor.stored });
        let joined = quantised::join(&config, folder, &files, parts.collect())?;
        self.by_name.clear();
        for (part, joined) in joined {
            self.by_name.insert(part.stored.name.clone(), self.tensors.len());
            self.tensors.push(CheckpointTensor { file: part.file, stored: part.stored, joined });
        }
        Ok(())
    }

    /// What describes the decoder, for messages.
    pub fn description(&self) -> &'static str {
        match self.kind {
            Kind::Safetensors => "config.json",
            Kind::Gguf => "the metadata",
        }
    }

    /// The tensor with the factor on the matrix `index`, where a GGUF file has one: `NAME.scale` beside `NAME.weight`.
    pub fn factor(&self, index: usize) -> Option<usize> {
        let module = self.tensors[index].stored.name.strip_suffix(".weight")?;
        (self.kind == Kind::Gguf).then(|| self.find(&format!("{module}.scale"))).flatten()
    }

    /// Index into [`Self::tensors`] of the tensor that the files call `name`.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The bytes of tensor `index`.
    pub fn bytes(&self, index: usize) -> &[u8] {
        let tensor = &self.tensors[index];
        &self.files[tensor.file].bytes[tensor.stored.bytes.clone()]
    }

    /// Whether two tensors have the same bytes.
    pub fn are_same(&self, one: usize, other: usize) -> bool {
        let bytes = |part: &Part| &self.files[part.file].bytes[part.stored.bytes.clone()];
        let parts = |index: usize| self.tensors[index].joined.as_ref().map(|joined| &joined.parts);
        match (parts(one), parts(other)) {
            (Some(one), Some(other)) => one.iter().map(bytes).eq(other.iter().map(bytes)),
            _ => self.bytes(one) == self.bytes(other),
        }
    }

    /// Rows of a canonical tensor of so many columns, which tensor `index` holds in this format.
    pub fn read(
        &self,
        index: usize,
        recipe: &Recipe,
        (columns, format): (usize, WeightFormat),
        rows: Range<usize>,
    ) -> Cow<'_, [u8]> {
        let Some(joined) = &self.tensors[index].joined else {
            return recipe.read(self.bytes(index), columns, format, rows);
        };
        let bytes = |part: &Part| &self.files[part.file].bytes[part.stored.bytes.clone()];
        let parts: Vec<&[u8]> = joined.parts.iter().map(bytes).collect();
        let mut read = Vec::with_capacity(format.bytes(columns) * rows.len());
        for row in rows.filter_map(|row| recipe.stored_row(row, format.bytes(columns))) {
            joined.push_row(&parts, row, &mut read);
        }
        Cow::Owned(read)
    }

    /// Whether tensor `index` is made of several, so that only whole rows of it can be read.
    pub fn is_joined(&self, index: usize) -> bool {
        self.tensors[index].joined.is_some()
    }

    /// The order in which tensor `index` has its columns, where it is one of its own.
    pub fn order(&self, index: usize) -> Option<&Arc<[u32]>> {
        self.tensors[index].joined.as_ref()?.order.as_ref()
    }

    /// Has the system fetch some bytes of tensor `index`, which are about to be read.
    pub fn prepare(&self, index: usize, range: Range<usize>) {
        let tensor = &self.tensors[index];
        let begin = tensor.stored.bytes.start;
        self.files[tensor.file].bytes.prepare(begin + range.start..begin + range.end);
    }

    /// The place of the file that holds tensor `index`.
    pub fn place(&self, index: usize) -> &str {
        &self.files[self.tensors[index].file].place
    }

    fn add(&mut self, folder: &Folder, file: &OsStr, index: Option<&str>) -> Result<(), FormatError> {
        let place = folder.place(file);
        let bytes = folder.map(file)?.ok_or_else(|| {
            let listed = index.map_or(String::new(), |index| format!("; {index} lists it"));
            FormatError::malformed(&place, format!("the file is missing{listed}; download it"))
        })?;
        let tensors = read_header(&place, &bytes)?;
        self.add_tensors(place, bytes, tensors)
    }

    /// Adds a GGUF file, with all other parts if it is split.
    fn add_gguf(&mut self, folder: &Folder, file: &OsStr) -> Result<(), FormatError> {
        let open = |file: &OsStr| {
            let place = folder.place(file);
            let bytes = folder.map(file)?.ok_or_else(|| {
                FormatError::malformed(
                    &place,
                    "the file is missing; the model is split, and needs all of its parts",
                )
            })?;
            let (metadata, tensors) = gguf::read_header(&place, &bytes)?;
            Ok::<_, FormatError>((place, bytes, metadata, tensors))
        };
        let (place, bytes, metadata, tensors) = open(file)?;
        let names = gguf::split::part_names(file, &metadata)?;
        if names.len() == 1 {
            self.metadata = Some(metadata);
            return self.add_tensors(place, bytes, tensors);
        }
        for (index, name) in names.iter().enumerate() {
            let (place, bytes, metadata, tensors) = open(name)?;
            gguf::split::check_part(&metadata, index, names.len())?;
            self.metadata.get_or_insert(metadata);
            self.add_tensors(place, bytes, tensors)?;
        }
        self.metadata.as_ref().map_or(Ok(()), |first| gguf::split::check_tensors(first, self.tensors.len()))
    }

    fn add_tensors(
        &mut self,
        place: String,
        bytes: FileBytes,
        tensors: Vec<StoredTensor>,
    ) -> Result<(), FormatError> {
        for stored in tensors {
            if let Some(first) = self.by_name.insert(stored.name.clone(), self.tensors.len()) {
                let reason = format!("it is in {} as well", self.place(first));
                return Err(FormatError::tensor(&place, &stored.name, reason));
            }
            self.tensors.push(CheckpointTensor { file: self.files.len(), stored, joined: None });
        }
        self.files.push(CheckpointFile { place, bytes });
        Ok(())
    }

    /// Every tensor that the index lists has to be in the shard that it names.
    fn check_listed(&self, folder: &Folder, listed: &HashMap<String, String>) -> Result<(), FormatError> {
        let mut names: Vec<_> = listed.iter().collect();
        names.sort();
        for (tensor, shard) in names {
            let place = folder.place(shard);
            match self.find(tensor) {
                Some(index) if self.place(index) == place => {}
                Some(index) => {
                    let reason = format!("the index puts it here, but it is in {}", self.place(index));
                    return Err(FormatError::tensor(&place, tensor, reason));
                }
                None => {
                    let reason = "the index puts it here, but the file has no such tensor";
                    return Err(FormatError::tensor(&place, tensor, reason));
                }
            }
        }
        Ok(())
    }
}

/// The index's `weight_map`: from tensor names to names of files in the same folder.
pub fn read_index(folder: &Folder, index: impl AsRef<Path>) -> Result<HashMap<String, String>, FormatError> {
    let index = index.as_ref();
    let place = folder.place(index);
    let refuse = |reason: String| FormatError::malformed(&place, reason);
    let contents = folder.read_json(index)?.ok_or_else(|| refuse("the file is missing".to_owned()))?;
    let Some(Value::Object(map)) = contents.get("weight_map") else {
        return Err(refuse("it has no `weight_map`, the list of tensors and their files".to_owned()));
    };
    if map.is_empty() {
        return Err(refuse("its `weight_map` is empty".to_owned()));
    }
    map.iter()
        .map(|(tensor, file)| match json::as_text(file) {
            Some(file) if is_plain_name(file) => Ok((tensor.clone(), file.to_owned())),
            _ => Err(refuse(format!(
                "it puts tensor {tensor} into {file}, but only files of the same folder are allowed"
            ))),
        })
        .collect()
}

/// Whether the name stays in its folder on every system.
fn is_plain_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    let single = matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
    single && !name.contains(['/', '\\', ':', '\0'])
}
