//! The fields of a JSON object, read one by one with errors that name file and field.
//!
//! Remembers which fields were asked for, so that a configuration's reader is also the list of what it knows:
//! the rest is unknown to us, and said to be.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::error::FormatError;
use super::json;

/// From fields, with their parents, to the keys of the metadata that they were made of.
pub(super) type Origins = BTreeMap<String, String>;

/// A JSON object that is being read. A field that is `null` counts as absent.
pub struct Fields<'a> {
    file: &'a str,
    parent: String,
    map: &'a Map<String, Value>,
    /// Sizes that count where a field is absent.
    sizes: &'static [(&'static str, usize)],
    /// Names of fields, and those that count where these are absent.
    others: &'static [(&'static str, &'static str)],
    origins: Option<&'a Origins>,
    seen: Rc<RefCell<BTreeSet<&'a str>>>,
}

impl<'a> Fields<'a> {
    /// The fields of the object in `file`.
    pub fn new(file: &'a str, value: &'a Value) -> Result<Self, FormatError> {
        match value {
            Value::Object(map) => {
                let parent = String::new();
                Ok(Self { file, parent, map, sizes: &[], others: &[], origins: None, seen: Rc::default() })
            }
            _ => Err(FormatError::malformed(file, "it has to be a JSON object")),
        }
    }

    /// As [`Self::new`], of fields that were made of a file's metadata: messages name its keys.
    pub fn of_metadata(file: &'a str, value: &'a Value, origins: &'a Origins) -> Result<Self, FormatError> {
        Ok(Self { origins: Some(origins), ..Self::new(file, value)? })
    }

    /// The same object, with sizes that count where a field is absent.
    pub fn or_sizes(&self, sizes: &'static [(&'static str, usize)]) -> Self {
        Self { sizes, ..self.again() }
    }

    /// The same object, in which fields may have other names: the second of each pair where the first is absent.
    pub fn or_names(&self, others: &'static [(&'static str, &'static str)]) -> Self {
        Self { others, ..self.again() }
    }

    fn again(&self) -> Self {
        Self {
            file: self.file,
            parent: self.parent.clone(),
            map: self.map,
            sizes: self.sizes,
            others: self.others,
            origins: self.origins,
            seen: Rc::clone(&self.seen),
        }
    }

    /// The file's place, for messages.
    pub fn file(&self) -> &'a str {
        self.file
    }

    /// A size that has to be there.
    pub fn size(&self, name: &str) -> Result<usize, FormatError> {
        self.optional_size(name)?.ok_or_else(|| self.error(name, "the model cannot be built without it"))
    }

    /// A whole number from 1, if it is there.
    pub fn optional_size(&self, name: &str) -> Result<Option<usize>, FormatError> {
        let read = |value: &Value| {
            let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
            size.filter(|&size| size > 0)
                .ok_or_else(|| self.error(name, "it has to be a whole number from 1"))
        };
        let default = || self.sizes.iter().find(|(known, _)| *known == name).map(|(_, size)| *size);
        Ok(self.get(name).map(read).transpose()?.or_else(default))
    }

    /// A whole number from 0, if it is there.
    pub fn optional_count(&self, name: &str) -> Result<Option<usize>, FormatError> {
        let read = |value: &Value| {
            let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
            count.ok_or_else(|| self.error(name, "it has to be a whole number from 0"))
        };
        self.get(name).map(read).transpose()
    }

    /// A number that has to be there; perhaps not a finite one.
    pub fn number(&self, name: &str) -> Result<f64, FormatError> {
        self.optional_number(name)?.ok_or_else(|| self.error(name, "it has to be a number"))
    }

    /// A number, if it is there; perhaps not a finite one.
    pub fn optional_number(&self, name: &str) -> Result<Option<f64>, FormatError> {
        let read =
            |value: &Value| json::as_number(value).ok_or_else(|| self.error(name, "it has to be a number"));
        self.get(name).map(read).transpose()
    }

    /// `true` or `false`, if it is there.
    pub fn optional_flag(&self, name: &str) -> Result<Option<bool>, FormatError> {
        let read =
            |value: &Value| value.as_bool().ok_or_else(|| self.error(name, "it has to be true or false"));
        self.get(name).map(read).transpose()
    }

    /// A text, if it is there.
    pub fn optional_text(&self, name: &str) -> Result<Option<&'a str>, FormatError> {
        let read =
            |value: &'a Value| json::as_text(value).ok_or_else(|| self.error(name, "it has to be a text"));
        self.get(name).map(read).transpose()
    }

    /// A list of texts, if it is there.
    pub fn optional_texts(&self, name: &str) -> Result<Option<Vec<&'a str>>, FormatError> {
        self.optional_list(name, "texts", json::as_text)
    }

    /// A list of numbers, if it is there.
    pub fn optional_numbers(&self, name: &str) -> Result<Option<Vec<f64>>, FormatError> {
        self.optional_list(name, "numbers", json::as_number)
    }

    /// A list of whole numbers from 0, if it is there.
    pub fn optional_indices(&self, name: &str) -> Result<Option<Vec<usize>>, FormatError> {
        self.optional_list(name, "whole numbers from 0", |value| usize::try_from(value.as_u64()?).ok())
    }

    fn optional_list<T>(
        &self,
        name: &str,
        what: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<Vec<T>>, FormatError> {
        let list = |value: &'a Value| value.as_array()?.iter().map(&read).collect::<Option<Vec<T>>>();
        let read =
            |value| list(value).ok_or_else(|| self.error(name, format!("it has to be a list of {what}")));
        self.get(name).map(read).transpose()
    }

    /// An object, if it is there.
    pub fn optional_object(&self, name: &str) -> Result<Option<Fields<'a>>, FormatError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => {
                let parent = format!("{}{name}.", self.parent);
                let (file, origins) = (self.file, self.origins);
                Ok(Some(Fields { file, parent, map, sizes: &[], others: &[], origins, seen: Rc::default() }))
            }
            Some(_) => Err(self.error(name, "it has to be an object")),
        }
    }

    /// Whether the field is there, be it as `null`.
    pub fn names(&self, name: &str) -> bool {
        self.map.contains_key(self.found(name))
    }

    /// The name under which the field is there: its own, or the other one.
    fn found<'n>(&self, name: &'n str) -> &'n str {
        let other = self.others.iter().find(|(known, _)| *known == name).map(|(_, other)| *other);
        // What no name has is told by the other one, but for keys of metadata, which are made into the first.
        let counts = |other: &&str| self.map.contains_key(*other) || !self.are_metadata();
        if self.map.contains_key(name) { name } else { other.filter(counts).unwrap_or(name) }
    }

    /// The field as it stands, if it is there.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        let (name, value) = self.map.get_key_value(self.found(name))?;
        self.seen.borrow_mut().insert(name);
        Some(value).filter(|value| !value.is_null())
    }

    /// Whether they were made of a file's metadata.
    pub fn are_metadata(&self) -> bool {
        self.origins.is_some()
    }

    /// The field as the file has it: with its parents, or the key that it was made of.
    pub fn spelled(&self, name: &str) -> String {
        let name = format!("{}{}", self.parent, self.found(name));
        self.origins.and_then(|origins| origins.get(&name).cloned()).unwrap_or(name)
    }

    /// As [`Self::spelled`], with what it is: a key of metadata, or a tensor.
    fn introduced(&self, name: &str) -> String {
        match self.spelled(name) {
            key if self.are_metadata() && !key.starts_with("tensor ") => format!("metadata {key}"),
            name => name,
        }
    }

    /// An error about the field: its name, its value, and `reason`.
    pub fn error(&self, name: &str, reason: impl Into<String>) -> FormatError {
        FormatError::Field {
            file: self.file.to_owned(),
            field: self.introduced(name),
            value: self.map.get(self.found(name)).map_or("missing".to_owned(), shortened),
            reason: reason.into(),
        }
    }

    /// The fields with a value that nobody asked for, in alphabetical order.
    pub fn unread(&self) -> impl Iterator<Item = &'a str> + '_ {
        let seen = self.seen.borrow();
        let with_value = self.map.iter().filter(|(_, value)| !value.is_null());
        with_value.map(|(name, _)| name.as_str()).filter(move |name| !seen.contains(name))
    }
}

/// The value as JSON, cut where a message would become unreadable.
fn shortened(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = json::shown(value);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
