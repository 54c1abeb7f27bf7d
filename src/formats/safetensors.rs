//! The safetensors container: a JSON header that names tensors, then their bytes.
//!
//! Layout: header length (u64, little-endian), header, data; each tensor is a range of the data. This reader
//! is strict where the format is: ranges tile the data without overlap or gap, and each is as long as its
//! shape and element type say. Where they begin is free: numbers of four bytes may follow three bytes of a mask. It
//! knows nothing of models.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::error::FormatError;
use crate::model::WeightFormat;

/// Bytes before the header: its length.
const PREFIX: usize = 8;

/// Longest header that makes sense, the format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

/// A tensor as a file stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTensor {
    /// Its name in the file.
    pub name: String,
    /// How its elements are stored.
    pub element: Element,
    /// Its dimensions, outermost first; empty for a single number.
    pub shape: Vec<usize>,
    /// Where its bytes are, from the beginning of the file.
    pub bytes: Range<usize>,
}

/// Element types of the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// One that weights can have.
    Weight(WeightFormat),
    /// One that only buffers which nothing reads may have, such as the `BOOL` of an attention mask.
    Other(String),
}

impl Element {
    /// As the file spells it: `F32`, `BF16`, `I8`.
    pub fn name(&self) -> String {
        match self {
            Self::Weight(format) => format.name().to_uppercase(),
            Self::Other(name) => name.clone(),
        }
    }
}

/// Every tensor of a file, in the order of its bytes. `file` is its place, for messages.
pub fn read_header(file: &str, contents: &[u8]) -> Result<Vec<StoredTensor>, FormatError> {
    let header = header_bytes(file, contents)?;
    let data_start = PREFIX + header.len();
    let data_bytes = contents.len() - data_start;
    let Header(entries) = serde_json::from_slice(header).map_err(|error| {
        FormatError::malformed(
            file,
            format!(
                "its header is malformed ({error}); the file is damaged: get it again from where it came"
            ),
        )
    })?;

    let mut tensors: Vec<StoredTensor> = entries
        .into_iter()
        .map(|(name, entry)| {
            let refuse = |reason: String| FormatError::tensor(file, &name, reason);
            let range = entry.check(data_bytes).map_err(refuse)?;
            let bytes = data_start + range.start..data_start + range.end;
            Ok(StoredTensor { element: element(&entry.dtype), shape: entry.shape, bytes, name: name.clone() })
        })
        .collect::<Result<_, _>>()?;

    tensors.sort_by_key(|tensor| (tensor.bytes.start, tensor.bytes.end));
    check_tiling(file, &tensors, data_start, contents.len())?;
    Ok(tensors)
}

fn header_bytes<'a>(file: &str, contents: &'a [u8]) -> Result<&'a [u8], FormatError> {
    let refuse = |reason: String| Err(FormatError::malformed(file, reason));
    let Some((prefix, rest)) = contents.split_first_chunk::<PREFIX>() else {
        let length = contents.len();
        return refuse(format!(
            "the file ends after {length} bytes, within its first {PREFIX}; it is cut short"
        ));
    };
    let length = u64::from_le_bytes(*prefix);
    if length > rest.len() as u64 {
        return refuse(format!(
            "its header claims {length} bytes, but only {} follow; the file is cut short, or is no \
             safetensors file",
            rest.len()
        ));
    }
    if length > LONGEST_HEADER {
        return refuse(format!("its header claims {length} bytes; at most {LONGEST_HEADER} are allowed"));
    }
    // It fits: it is at most the length of a slice.
    let header = &rest[..length as usize];
    if header.first() != Some(&b'{') {
        return refuse("its header does not begin with {; this is not a safetensors file".to_owned());
    }
    Ok(header)
}

/// Ranges, sorted by their beginning, have to fill the data exactly.
fn check_tiling(file: &str, tensors: &[StoredTensor], start: usize, end: usize) -> Result<(), FormatError> {
    let mut next = start;
    let mut previous = "the header";
    for tensor in tensors {
        let begin = tensor.bytes.start;
        if begin < next {
            let reason = format!("its bytes overlap those of {previous} by {}", next - begin);
            return Err(FormatError::tensor(file, &tensor.name, reason));
        }
        if begin > next {
            let reason = format!("there is a gap of {} bytes between it and {previous}", begin - next);
            return Err(FormatError::tensor(file, &tensor.name, reason));
        }
        next = tensor.bytes.end;
        previous = &tensor.name;
    }
    if next < end {
        let reason =
            format!("{} bytes follow {previous}, the last tensor; the header names none", end - next);
        return Err(FormatError::malformed(file, reason));
    }
    Ok(())
}

/// The header's tensors in its own order; a name that comes twice is an error.
struct Header(Vec<(String, Entry)>);

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

impl Entry {
    /// The tensor's range of the data, if it fits the data and the shape.
    fn check(&self, data_bytes: usize) -> Result<Range<usize>, String> {
        let (begin, end) = self.data_offsets;
        if begin > end {
            return Err(format!("its offsets run backwards, from {begin} to {end}"));
        }
        if end > data_bytes {
            return Err(format!(
                "its bytes end at {end}, but the file has only {data_bytes} bytes of data; it is cut short"
            ));
        }
        let Some(bits) = element_bits(&self.dtype) else {
            return Err(format!("its element type {} is unknown", self.dtype));
        };
        let elements = self.shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        let needed = elements.and_then(|count| count.checked_mul(bits)).map(|bits| bits.div_ceil(8));
        if needed != Some(end - begin) {
            let needed = needed.map_or("more bytes than can be".to_owned(), |bytes| format!("{bytes} bytes"));
            return Err(format!(
                "its shape {:?} of {} takes {needed}, but its offsets give it {}",
                self.shape,
                self.dtype,
                end - begin
            ));
        }
        Ok(begin..end)
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;

        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = Header;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object with an entry for each tensor")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut entries = Vec::new();
                let mut seen = std::collections::HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    if !seen.insert(name.clone()) {
                        return Err(A::Error::custom(format_args!("tensor {name} comes twice")));
                    }
                    let entry = map
                        .next_value()
                        .map_err(|error| A::Error::custom(format_args!("tensor {name}: {error}")))?;
                    entries.push((name, entry));
                }
                Ok(Header(entries))
            }
        }

        deserializer.deserialize_map(HeaderVisitor)
    }
}

fn element(name: &str) -> Element {
    match name {
        "F32" => Element::Weight(WeightFormat::F32),
        "F16" => Element::Weight(WeightFormat::F16),
        "BF16" => Element::Weight(WeightFormat::Bf16),
        other => Element::Other(other.to_owned()),
    }
}

/// Bits of an element, for every type that the format has.
fn element_bits(name: &str) -> Option<usize> {
    Some(match name {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" | "F8_E5M2FNUZ" | "F8_E4M3FNUZ" => 8,
        "U16" | "I16" | "F16" | "BF16" => 16,
        "U32" | "I32" | "F32" => 32,
        "U64" | "I64" | "F64" | "C64" => 64,
        _ => return None,
    })
}
