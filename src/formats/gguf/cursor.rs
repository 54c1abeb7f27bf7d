//! The bytes of a GGUF file's beginning, read one value after the other, none of them believed: every count and
//! length is held against what is left of the file before anything is made of it.

use std::ops::Range;

use crate::formats::error::FormatError;

/// How deep arrays of arrays may go; real files have none.
const DEEPEST: usize = 4;
/// What it means where the bytes are no such beginning.
const CUT: &str = "the file is cut short or damaged: get it again from where it came";

/// A type of metadata values, by its number in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueType {
    /// `uint8`
    U8,
    /// `int8`
    I8,
    /// `uint16`
    U16,
    /// `int16`
    I16,
    /// `uint32`
    U32,
    /// `int32`
    I32,
    /// `float32`
    F32,
    /// `bool`, a byte
    Bool,
    /// A length (u64), then as many bytes.
    String,
    /// A type (u32), a count (u64), then the values.
    Array,
    /// `uint64`
    U64,
    /// `int64`
    I64,
    /// `float64`
    F64,
}

impl ValueType {
    const BY_NUMBER: [Self; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::String,
        Self::Array,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    /// Bytes of a value; the fewest possible where they vary.
    pub(super) fn least_bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::String | Self::U64 | Self::I64 | Self::F64 => 8,
            Self::Array => 12,
        }
    }
}

/// A place in a file.
pub(super) struct Cursor<'a> {
    /// The file's place, for messages.
    pub file: &'a str,
    contents: &'a [u8],
    /// The next byte.
    pub at: usize,
}

impl<'a> Cursor<'a> {
    /// At the beginning of a file, or of some bytes out of one.
    pub(super) fn new(file: &'a str, contents: &'a [u8]) -> Self {
        Self { file, contents, at: 0 }
    }

    /// `count` bytes of `what`.
    pub(super) fn take(&mut self, count: u64, what: &str) -> Result<&'a [u8], FormatError> {
        let left = self.contents.len() - self.at;
        match usize::try_from(count).ok().filter(|count| *count <= left) {
            Some(count) => {
                self.at += count;
                Ok(&self.contents[self.at - count..self.at])
            }
            None => Err(self.error(format!(
                "{what} takes {count} bytes at byte {}, but only {left} are left; {CUT}",
                self.at
            ))),
        }
    }

    /// A u32.
    pub(super) fn u32(&mut self, what: &str) -> Result<u32, FormatError> {
        let bytes = self.take(4, what)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A u64.
    pub(super) fn u64(&mut self, what: &str) -> Result<u64, FormatError> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8, what)?);
        Ok(u64::from_le_bytes(bytes))
    }

    /// How many things of at least `least_bytes` follow.
    pub(super) fn count(&mut self, least_bytes: usize, what: &str) -> Result<usize, FormatError> {
        let count = self.u64(what)?;
        self.check_count(count, least_bytes, what)
    }

    /// `count`, if as many things of at least `least_bytes` can follow.
    pub(super) fn check_count(
        &self,
        count: u64,
        least_bytes: usize,
        what: &str,
    ) -> Result<usize, FormatError> {
        let left = self.contents.len() - self.at;
        let fits = |count: &usize| count.checked_mul(least_bytes).is_some_and(|bytes| bytes <= left);
        usize::try_from(count).ok().filter(fits).ok_or_else(|| {
            self.error(format!(
                "{what} is {count}, more than the {left} bytes left of the file can hold; {CUT}"
            ))
        })
    }

    /// The bytes of a string.
    pub(super) fn string(&mut self, what: &str) -> Result<&'a [u8], FormatError> {
        let length = self.u64(&format!("the length of {what}"))?;
        self.take(length, what)
    }

    /// A string that has to be a name.
    pub(super) fn name(&mut self, what: &str) -> Result<&'a str, FormatError> {
        let bytes = self.string(what)?;
        std::str::from_utf8(bytes).map_err(|_| self.error(format!("{what} is not valid UTF-8; {CUT}")))
    }

    /// The number of a value's type.
    pub(super) fn value_type(&mut self, what: &str) -> Result<ValueType, FormatError> {
        let number = self.u32(&format!("the type of {what}"))?;
        let known = ValueType::BY_NUMBER.get(number as usize).copied();
        known
            .ok_or_else(|| self.error(format!("{what} is of type {number}, which GGUF does not have; {CUT}")))
    }

    /// Goes over a value of this type; returns where it lies.
    pub(super) fn value(&mut self, kind: ValueType, what: &str) -> Result<Range<usize>, FormatError> {
        let begin = self.at;
        self.skip(kind, what, 0)?;
        Ok(begin..self.at)
    }

    fn skip(&mut self, kind: ValueType, what: &str, depth: usize) -> Result<(), FormatError> {
        match kind {
            ValueType::String => {
                self.string(what)?;
            }
            ValueType::Array => {
                if depth == DEEPEST {
                    return Err(self.error(format!("{what} holds arrays more than {DEEPEST} deep; {CUT}")));
                }
                let inner = self.value_type(what)?;
                let count = self.count(inner.least_bytes(), &format!("the number of elements of {what}"))?;
                match inner {
                    ValueType::String | ValueType::Array => {
                        for _ in 0..count {
                            self.skip(inner, what, depth + 1)?;
                        }
                    }
                    plain => {
                        self.take((count * plain.least_bytes()) as u64, what)?;
                    }
                }
            }
            plain => {
                self.take(plain.least_bytes() as u64, what)?;
            }
        }
        Ok(())
    }

    /// An error about this file.
    pub(super) fn error(&self, reason: impl Into<String>) -> FormatError {
        FormatError::malformed(self.file, reason)
    }
}
