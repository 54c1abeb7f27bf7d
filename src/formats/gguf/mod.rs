//! The GGUF container, versions 2 and 3: metadata by key, then what tensors there are, then their bytes.
//!
//! Layout: "GGUF", version (u32), number of tensors and of metadata entries (u64 each), the entries, the tensors'
//! names, sizes, types and places, padding to the alignment, data; all little-endian. It knows nothing of models.
//! Specification: ggml's docs/gguf.md.

mod cursor;
mod element;
pub mod keys;
mod metadata;
pub mod split;

use std::collections::HashSet;

use super::error::FormatError;
use super::safetensors::{Element, StoredTensor};
use cursor::Cursor;
use element::GgmlType;
pub use metadata::Metadata;

/// What every file begins with.
pub const MAGIC: &[u8] = b"GGUF";
/// Where data begins and tensors lie, where the file does not say.
const USUAL_ALIGNMENT: u64 = 32;
/// Largest alignment that makes sense.
const LARGEST_ALIGNMENT: u64 = 1 << 20;
/// Most dimensions of a tensor.
const MOST_DIMENSIONS: u32 = 4;
/// Bytes of a metadata entry, at least: a key's length, a type, a value.
const LEAST_ENTRY: usize = 8 + 4 + 1;
/// Bytes of a tensor's entry, at least: a name's length, the number of dimensions, a type, a place.
const LEAST_TENSOR: usize = 8 + 4 + 4 + 8;

/// Metadata and tensors of a file. `file` is its place, for messages.
pub fn read_header(file: &str, contents: &[u8]) -> Result<(Metadata, Vec<StoredTensor>), FormatError> {
    let mut cursor = Cursor::new(file, contents);
    read_version(&mut cursor)?;
    let tensors = cursor.u64("the number of tensors")?;
    let entries = cursor.count(LEAST_ENTRY, "the number of metadata entries")?;
    let tensors = cursor.check_count(tensors, LEAST_TENSOR, "the number of tensors")?;
    let metadata = Metadata::read(&mut cursor, contents, entries)?;
    let alignment = alignment(&metadata)?;

    let infos = (0..tensors)
        .map(|index| TensorEntry::read(&mut cursor, index))
        .collect::<Result<Vec<TensorEntry>, FormatError>>()?;
    let data_start = (cursor.at as u64).next_multiple_of(alignment);
    let mut names = HashSet::new();
    let mut tensors = Vec::with_capacity(infos.len());
    for info in infos {
        if !names.insert(info.name) {
            return Err(FormatError::tensor(file, info.name, "it comes twice"));
        }
        let stored = info.stored(data_start, alignment, contents.len() as u64);
        tensors.push(stored.map_err(|reason| FormatError::tensor(file, info.name, reason))?);
    }
    tensors.sort_by_key(|tensor: &StoredTensor| (tensor.bytes.start, tensor.bytes.end));
    for pair in tensors.windows(2) {
        if pair[1].bytes.start < pair[0].bytes.end {
            let overlap = pair[0].bytes.end - pair[1].bytes.start;
            let reason = format!("its bytes overlap those of {} by {overlap}", pair[0].name);
            return Err(FormatError::tensor(file, &pair[1].name, reason));
        }
    }
    Ok((metadata, tensors))
}

fn read_version(cursor: &mut Cursor) -> Result<(), FormatError> {
    let magic = cursor.take(4, "the file's mark")?;
    if magic != MAGIC {
        let found = magic.escape_ascii();
        return Err(cursor.error(format!("it begins with {found}, not with GGUF; this is not a GGUF file")));
    }
    match cursor.u32("the version")? {
        2 | 3 => Ok(()),
        1 => {
            Err(cursor
                .error("it is of GGUF version 1, which nobody writes any more; convert it to version 3"))
        }
        version if version & 0xffff == 0 && version != 0 => {
            Err(cursor.error("it is big-endian; only little-endian GGUF files can be read, so convert it"))
        }
        version => Err(cursor.error(format!("it is of GGUF version {version}; 2 and 3 are supported"))),
    }
}

fn alignment(metadata: &Metadata) -> Result<u64, FormatError> {
    const KEY: &str = "general.alignment";
    let alignment = metadata.whole(KEY)?.unwrap_or(USUAL_ALIGNMENT);
    if alignment.is_power_of_two() && alignment <= LARGEST_ALIGNMENT {
        return Ok(alignment);
    }
    Err(metadata
        .error(KEY, format!("it is {alignment}, but has to be a power of two, at most {LARGEST_ALIGNMENT}")))
}

/// A tensor as the header describes it.
struct TensorEntry<'a> {
    name: &'a str,
    /// Innermost first.
    dimensions: Vec<u64>,
    element: u32,
    /// From the beginning of the data.
    offset: u64,
}

impl<'a> TensorEntry<'a> {
    fn read(cursor: &mut Cursor<'a>, index: usize) -> Result<Self, FormatError> {
        let name = cursor.name(&format!("the name of tensor {index}"))?;
        let what = format!("the description of tensor {name}");
        let count = cursor.u32(&what)?;
        if count > MOST_DIMENSIONS {
            let reason = format!("it has {count} dimensions; at most {MOST_DIMENSIONS} are possible");
            return Err(FormatError::tensor(cursor.file, name, reason));
        }
        let dimensions = (0..count).map(|_| cursor.u64(&what)).collect::<Result<_, _>>()?;
        Ok(Self { name, dimensions, element: cursor.u32(&what)?, offset: cursor.u64(&what)? })
    }

    /// Where it lies, if it lies in the file.
    fn stored(&self, data_start: u64, alignment: u64, file_bytes: u64) -> Result<StoredTensor, String> {
        let Some(kind) = GgmlType::of(self.element) else {
            return Err(format!("its element type {} is unknown", self.element));
        };
        let row = self.dimensions.first().copied().unwrap_or(1);
        if !row.is_multiple_of(kind.block_elements) {
            return Err(format!(
                "its rows have {row} elements, which is not a whole number of {} blocks of {}",
                kind.name, kind.block_elements
            ));
        }
        let elements = self.dimensions.iter().try_fold(1_u64, |product, &size| product.checked_mul(size));
        let bytes = elements.and_then(|count| (count / kind.block_elements).checked_mul(kind.block_bytes));
        if !self.offset.is_multiple_of(alignment) {
            return Err(format!("its place {} is not a multiple of the alignment, {alignment}", self.offset));
        }
        let begin = data_start.checked_add(self.offset);
        let end = begin.zip(bytes).and_then(|(begin, bytes)| begin.checked_add(bytes));
        let (Some(begin), Some(end)) = (begin, end.filter(|end| *end <= file_bytes)) else {
            let size = bytes.map_or("more bytes than can be".to_owned(), |bytes| format!("{bytes} bytes"));
            return Err(format!(
                "its {size} from byte {} of the data on lie outside the file of {file_bytes} bytes; it is cut short \
                 or damaged",
                self.offset
            ));
        };
        Ok(StoredTensor {
            name: self.name.to_owned(),
            element: kind.weights.map_or_else(|| Element::Other(kind.name.to_owned()), Element::Weight),
            // Every dimension but zero is at most the file's size; the file is mapped, so that fits.
            shape: self.dimensions.iter().rev().map(|&size| size.min(file_bytes) as usize).collect(),
            bytes: begin as usize..end as usize,
        })
    }
}
