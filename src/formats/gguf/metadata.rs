//! What a GGUF file says besides its tensors: values by key, read when asked for.
//!
//! Keeps the bytes as they were in the file, already checked; so it takes no more memory than they do.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use super::cursor::{Cursor, ValueType};
use crate::formats::error::FormatError;
use crate::formats::json;

/// Values by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    file: String,
    bytes: Vec<u8>,
    entries: BTreeMap<String, (ValueType, Range<usize>)>,
}

impl Metadata {
    /// Reads `count` keys and values; the cursor stands behind them then.
    pub(super) fn read(cursor: &mut Cursor, contents: &[u8], count: usize) -> Result<Self, FormatError> {
        let begin = cursor.at;
        let mut entries = BTreeMap::new();
        for index in 0..count {
            let key = cursor.name(&format!("metadata key {index}"))?;
            let what = format!("metadata {key}");
            let kind = cursor.value_type(&what)?;
            let range = cursor.value(kind, &what)?;
            let range = range.start - begin..range.end - begin;
            if entries.insert(key.to_owned(), (kind, range)).is_some() {
                return Err(cursor.error(format!("{what} comes twice")));
            }
        }
        Ok(Self { file: cursor.file.to_owned(), bytes: contents[begin..cursor.at].to_vec(), entries })
    }

    /// The file's place, for messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Every key.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Whether there is such a key.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// A text, if it is there.
    pub fn text(&self, key: &str) -> Result<Option<&str>, FormatError> {
        let Some((kind, range)) = self.entries.get(key) else { return Ok(None) };
        let text = (*kind == ValueType::String).then(|| &self.bytes[range.start + 8..range.end]);
        let text = text.and_then(|text| std::str::from_utf8(text).ok());
        text.map(Some).ok_or_else(|| self.error(key, "it has to be a text in UTF-8"))
    }

    /// A whole number from 0, if it is there; from any type of whole numbers.
    pub fn whole(&self, key: &str) -> Result<Option<u64>, FormatError> {
        let Some((kind, range)) = self.entries.get(key) else { return Ok(None) };
        let whole = Number::of(*kind, &self.bytes[range.clone()]).and_then(Number::whole);
        whole.map(Some).ok_or_else(|| self.error(key, "it has to be a whole number from 0"))
    }

    /// A number, if it is there; from any type of numbers.
    pub fn number(&self, key: &str) -> Result<Option<f64>, FormatError> {
        let Some((kind, range)) = self.entries.get(key) else { return Ok(None) };
        let number = Number::of(*kind, &self.bytes[range.clone()]).map(Number::float);
        number.map(Some).ok_or_else(|| self.error(key, "it has to be a number"))
    }

    /// `true` or `false`, if it is there.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, FormatError> {
        let Some((kind, range)) = self.entries.get(key) else { return Ok(None) };
        match (kind, self.bytes[range.start]) {
            (ValueType::Bool, 0) => Ok(Some(false)),
            (ValueType::Bool, 1) => Ok(Some(true)),
            _ => Err(self.error(key, "it has to be true or false")),
        }
    }

    /// How many elements an array has; `None` if there is none of this key.
    pub fn length(&self, key: &str) -> Option<usize> {
        self.array(key).ok().flatten().map(|array| array.count)
    }

    /// An array of texts, if it is there.
    pub fn texts(&self, key: &str) -> Result<Option<Vec<&str>>, FormatError> {
        let Some(texts) = self.byte_texts(key)? else { return Ok(None) };
        let broken = |index| self.error(key, format!("element {index} is not valid UTF-8"));
        let texts = texts.into_iter().enumerate();
        texts
            .map(|(index, text)| std::str::from_utf8(text).map_err(|_| broken(index)))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// An array of texts as the file has them, in UTF-8 or not, if it is there.
    pub fn byte_texts(&self, key: &str) -> Result<Option<Vec<&[u8]>>, FormatError> {
        let Some(Array { kind, count, bytes }) = self.array(key)? else { return Ok(None) };
        if kind != ValueType::String {
            return Err(self.error(key, "it has to be an array of texts"));
        }
        let mut cursor = Cursor::new(&self.file, bytes);
        (0..count).map(|_| cursor.string(key)).collect::<Result<_, _>>().map(Some)
    }

    /// An array of numbers, if it is there; from any type of numbers.
    pub fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>, FormatError> {
        let Some(Array { kind, bytes, .. }) = self.array(key)? else { return Ok(None) };
        let numbers = bytes.chunks_exact(kind.least_bytes());
        let numbers = numbers.map(|bytes| Number::of(kind, bytes).map(Number::float));
        let numbers: Option<Vec<f64>> = numbers.collect();
        numbers.map(Some).ok_or_else(|| self.error(key, "it has to be an array of numbers"))
    }

    /// An array of whole numbers from 0, if it is there; from any type of whole numbers.
    pub fn wholes(&self, key: &str) -> Result<Option<Vec<u64>>, FormatError> {
        let Some(Array { kind, bytes, .. }) = self.array(key)? else { return Ok(None) };
        let numbers = bytes.chunks_exact(kind.least_bytes());
        let numbers: Option<Vec<u64>> =
            numbers.map(|bytes| Number::of(kind, bytes).and_then(Number::whole)).collect();
        numbers.map(Some).ok_or_else(|| self.error(key, "it has to be an array of whole numbers from 0"))
    }

    /// An array of `true` and `false`, or of numbers that are 0 or not, if it is there.
    pub fn flags(&self, key: &str) -> Result<Option<Vec<bool>>, FormatError> {
        match self.array(key)? {
            None => Ok(None),
            Some(Array { kind: ValueType::Bool, count, bytes }) => {
                Ok(Some(bytes.iter().take(count).map(|byte| *byte != 0).collect()))
            }
            Some(_) => {
                let numbers = self
                    .numbers(key)
                    .map_err(|_| self.error(key, "it has to be an array of true and false, or of 0 and 1"))?;
                Ok(numbers.map(|numbers| numbers.into_iter().map(|number| number != 0.0).collect()))
            }
        }
    }

    /// A value as JSON: a text, a number or a flag. Of an array the one value that all of its elements have.
    pub fn json(&self, key: &str) -> Result<Value, FormatError> {
        let Some((kind, range)) = self.entries.get(key) else { return Ok(Value::Null) };
        let number = |kind, bytes| match Number::of(kind, bytes) {
            Some(Number::Signed(number)) => Some(Value::from(number)),
            Some(Number::Unsigned(number)) => Some(Value::from(number)),
            Some(Number::Float(number)) => Some(json::number(number)),
            None => None,
        };
        match kind {
            ValueType::String => Ok(Value::from(self.text(key)?)),
            ValueType::Bool => Ok(Value::from(self.flag(key)?)),
            ValueType::Array => {
                let Some(Array { kind, bytes, .. }) = self.array(key)? else { return Ok(Value::Null) };
                let mut elements = bytes.chunks_exact(kind.least_bytes());
                let first = elements.next().and_then(|bytes| number(kind, bytes));
                let first =
                    first.filter(|first| elements.all(|bytes| number(kind, bytes).as_ref() == Some(first)));
                first.ok_or_else(|| self.error(key, "it has to be a number, the same for all layers"))
            }
            plain => Ok(number(*plain, &self.bytes[range.clone()]).unwrap_or_default()),
        }
    }

    /// An error about a key: its name, and `reason`.
    pub fn error(&self, key: &str, reason: impl std::fmt::Display) -> FormatError {
        FormatError::malformed(&self.file, format!("metadata {key}: {reason}"))
    }

    fn array(&self, key: &str) -> Result<Option<Array<'_>>, FormatError> {
        let Some((kind, range)) = self.entries.get(key) else { return Ok(None) };
        if *kind != ValueType::Array {
            return Err(self.error(key, "it has to be an array"));
        }
        let bytes = &self.bytes[range.clone()];
        let mut cursor = Cursor::new(&self.file, bytes);
        let kind = cursor.value_type(key)?;
        let count = cursor.count(kind.least_bytes(), key)?;
        Ok(Some(Array { kind, count, bytes: &bytes[cursor.at..] }))
    }
}

/// An array as it is stored.
struct Array<'a> {
    /// The type of its elements.
    kind: ValueType,
    /// How many there are.
    count: usize,
    /// The elements.
    bytes: &'a [u8],
}

/// A number of any type.
#[derive(Clone, Copy)]
enum Number {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
}

impl Number {
    /// From its bytes; `None` if the type has no numbers.
    fn of(kind: ValueType, bytes: &[u8]) -> Option<Self> {
        fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
            bytes.try_into().ok()
        }
        Some(match kind {
            ValueType::U8 => Self::Unsigned(u64::from(*bytes.first()?)),
            ValueType::I8 => Self::Signed(i64::from(*bytes.first()? as i8)),
            ValueType::U16 => Self::Unsigned(u64::from(u16::from_le_bytes(array(bytes)?))),
            ValueType::I16 => Self::Signed(i64::from(i16::from_le_bytes(array(bytes)?))),
            ValueType::U32 => Self::Unsigned(u64::from(u32::from_le_bytes(array(bytes)?))),
            ValueType::I32 => Self::Signed(i64::from(i32::from_le_bytes(array(bytes)?))),
            ValueType::U64 => Self::Unsigned(u64::from_le_bytes(array(bytes)?)),
            ValueType::I64 => Self::Signed(i64::from_le_bytes(array(bytes)?)),
            ValueType::F32 => Self::Float(f64::from(f32::from_le_bytes(array(bytes)?))),
            ValueType::F64 => Self::Float(f64::from_le_bytes(array(bytes)?)),
            ValueType::Bool | ValueType::String | ValueType::Array => return None,
        })
    }

    fn whole(self) -> Option<u64> {
        match self {
            Self::Signed(number) => u64::try_from(number).ok(),
            Self::Unsigned(number) => Some(number),
            Self::Float(_) => None,
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::Signed(number) => number as f64,
            Self::Unsigned(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}
