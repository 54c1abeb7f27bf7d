//! GGUF files changed for tests: read by a reader of their own, and written again.

use std::fs;
use std::path::{Path, PathBuf};

use logitscope::formats::{self, FormatError, ModelFile};
use tempfile::TempDir;

/// Numbers of types of metadata values.
pub const U8: u32 = 0;
pub const U32: u32 = 4;
pub const I32: u32 = 5;
pub const F32: u32 = 6;
pub const BOOL: u32 = 7;
pub const TEXT: u32 = 8;
pub const ARRAY: u32 = 9;

/// A file.
#[derive(Clone)]
pub struct Gguf {
    /// Keys, types and values.
    pub entries: Vec<(String, u32, Vec<u8>)>,
    pub tensors: Vec<Tensor>,
}

/// A tensor: the sizes innermost first, and the number of its element type.
#[derive(Clone)]
pub struct Tensor {
    pub name: String,
    pub sizes: Vec<u64>,
    pub element: u32,
    pub bytes: Vec<u8>,
}

struct Reader<'a>(&'a [u8], usize);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        self.1 += count;
        &self.0[self.1 - count..self.1]
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().unwrap())
    }

    fn text(&mut self) -> String {
        let length = self.u64() as usize;
        String::from_utf8(self.take(length).to_vec()).unwrap()
    }

    fn skip(&mut self, kind: u32) {
        match kind {
            TEXT => drop(self.text()),
            ARRAY => {
                let kind = self.u32();
                (0..self.u64()).for_each(|_| self.skip(kind));
            }
            0 | 1 | 7 => drop(self.take(1)),
            2 | 3 => drop(self.take(2)),
            4..=6 => drop(self.take(4)),
            _ => drop(self.take(8)),
        }
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// An array of values as they are stored.
pub fn array(kind: u32, values: &[Vec<u8>]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(values.len() as u64).to_le_bytes(), &values.concat()].concat()
}

pub fn families() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gguf_families")
}

impl Gguf {
    /// A fixture of `gguf_families`.
    pub fn family(name: &str) -> Self {
        Self::read(&fs::read(families().join(format!("{name}.gguf"))).unwrap())
    }

    fn read(contents: &[u8]) -> Self {
        let mut reader = Reader(contents, 8);
        let (tensors, entries) = (reader.u64(), reader.u64());
        let entry = |reader: &mut Reader<'_>| {
            let (key, kind) = (reader.text(), reader.u32());
            let begin = reader.1;
            reader.skip(kind);
            (key, kind, contents[begin..reader.1].to_vec())
        };
        let entries = (0..entries).map(|_| entry(&mut reader)).collect();
        let info = |reader: &mut Reader<'_>| {
            let name = reader.text();
            let sizes: Vec<u64> = (0..reader.u32()).map(|_| reader.u64()).collect();
            (name, sizes, reader.u32(), reader.u64() as usize)
        };
        let infos: Vec<_> = (0..tensors).map(|_| info(&mut reader)).collect();
        let data = reader.1.next_multiple_of(32);
        let mut ends: Vec<usize> = infos.iter().map(|info| info.3).chain([contents.len() - data]).collect();
        ends.sort();
        let tensors = infos.into_iter().map(|(name, sizes, element, begin)| {
            let end = ends.iter().find(|end| **end > begin).unwrap();
            Tensor { name, sizes, element, bytes: contents[data + begin..data + end].to_vec() }
        });
        Self { entries, tensors: tensors.collect() }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = [b"GGUF".as_slice(), &3_u32.to_le_bytes()].concat();
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.entries.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.entries {
            bytes.extend(text(key));
            bytes.extend(kind.to_le_bytes());
            bytes.extend(value);
        }
        let mut data = Vec::new();
        for tensor in &self.tensors {
            bytes.extend(text(&tensor.name));
            bytes.extend((tensor.sizes.len() as u32).to_le_bytes());
            tensor.sizes.iter().for_each(|size| bytes.extend(size.to_le_bytes()));
            bytes.extend(tensor.element.to_le_bytes());
            bytes.extend((data.len() as u64).to_le_bytes());
            data.extend(&tensor.bytes);
            data.resize(data.len().next_multiple_of(32), 0);
        }
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend(data);
        bytes
    }

    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(known, ..)| known == key)
    }

    pub fn without(mut self, key: &str) -> Self {
        self.entries.retain(|(known, ..)| known != key);
        self
    }

    /// With another value for a key.
    pub fn with(self, key: &str, kind: u32, value: &[u8]) -> Self {
        let mut made = self.without(key);
        made.entries.push((key.to_owned(), kind, value.to_vec()));
        made
    }

    pub fn with_text(self, key: &str, value: &str) -> Self {
        self.with(key, TEXT, &text(value))
    }

    pub fn with_number(self, key: &str, value: f32) -> Self {
        self.with(key, F32, &value.to_le_bytes())
    }

    pub fn with_whole(self, key: &str, value: u32) -> Self {
        self.with(key, U32, &value.to_le_bytes())
    }

    /// With a tensor of f32, in the place of one of this name.
    pub fn with_tensor(mut self, name: &str, sizes: &[u64], values: &[f32]) -> Self {
        self.tensors.retain(|tensor| tensor.name != name);
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensors.push(Tensor { name: name.to_owned(), sizes: sizes.to_vec(), element: 0, bytes });
        self
    }

    /// The file on disk.
    pub fn stored(&self) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("changed.gguf");
        fs::write(&path, self.bytes()).unwrap();
        (folder, path)
    }

    /// Opens it. The file is mapped: it may be gone while the model is there.
    pub fn opened(&self) -> Result<ModelFile, FormatError> {
        let (_folder, path) = self.stored();
        formats::open(&path)
    }

    pub fn model(&self) -> ModelFile {
        self.opened().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Why it does not open.
    pub fn refusal(&self) -> String {
        self.opened().err().expect("it has to be refused").to_string()
    }
}
