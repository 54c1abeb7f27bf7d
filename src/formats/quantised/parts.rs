//! The stored tensors of a folder while those that make a matrix together are brought together.

use std::collections::HashMap;

use crate::formats::error::FormatError;
use crate::formats::safetensors::{Element, StoredTensor};
use crate::model::WeightFormat;

/// A stored tensor and the file that holds it.
#[derive(Clone, Debug)]
pub(in crate::formats) struct Part {
    /// Index of the file.
    pub file: usize,
    /// What the file says about it.
    pub stored: StoredTensor,
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug)]
pub(in crate::formats) enum Float {
    /// In f32.
    F32,
    /// In bf16.
    Bf16,
    /// In f16.
    F16,
    /// Powers of two in bytes (E8M0).
    Power,
}

impl Part {
    /// Whether its elements are of this type, by the file's name for it.
    pub(super) fn is_of(&self, element: &str) -> bool {
        self.stored.element == Element::Other(element.to_owned())
    }

    /// How its numbers are stored, if they are floats.
    pub(super) fn float(&self) -> Option<Float> {
        match self.stored.element {
            Element::Weight(WeightFormat::F32) => Some(Float::F32),
            Element::Weight(WeightFormat::F16) => Some(Float::F16),
            Element::Weight(WeightFormat::Bf16) => Some(Float::Bf16),
            _ => None,
        }
    }
}

/// A file with stored tensors.
#[derive(Clone, Copy)]
pub(in crate::formats) struct PartsFile<'a> {
    /// Its place, for messages.
    pub place: &'a str,
    /// Its contents.
    pub bytes: &'a [u8],
}

/// The stored tensors that are left, by name.
pub(super) struct Parts<'a> {
    files: &'a [PartsFile<'a>],
    left: HashMap<String, Part>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(files: &'a [PartsFile<'a>], parts: Vec<Part>) -> Self {
        Self { files, left: parts.into_iter().map(|part| (part.stored.name.clone(), part)).collect() }
    }

    /// What is left, in the order of the files' bytes.
    pub(super) fn into_left(self) -> Vec<Part> {
        let mut left: Vec<Part> = self.left.into_values().collect();
        left.sort_by_key(|part| (part.file, part.stored.bytes.start, part.stored.bytes.end));
        left
    }

    /// The modules that have a tensor of this ending and of this type, in order.
    pub(super) fn modules(&self, ending: &str, element: &str) -> Vec<String> {
        let tensors = self.left.values().filter(|part| part.is_of(element));
        let mut modules: Vec<String> =
            tensors.filter_map(|part| part.stored.name.strip_suffix(ending)).map(str::to_owned).collect();
        modules.sort();
        modules
    }

    /// Takes a tensor out.
    pub(super) fn take(&mut self, name: &str) -> Option<Part> {
        self.left.remove(name)
    }

    /// Takes out all that end so.
    pub(super) fn forget(&mut self, ending: &str) {
        self.left.retain(|name, _| !name.ends_with(ending));
    }

    /// Takes one out that another cannot do without.
    pub(super) fn need(&mut self, name: &str, other: &Part) -> Result<Part, FormatError> {
        self.take(name).ok_or_else(|| self.error(other, format!("{name}, which belongs to it, is missing")))
    }

    /// The place of the file that holds a tensor.
    pub(super) fn place(&self, part: &Part) -> &'a str {
        self.files[part.file].place
    }

    /// The bytes of a tensor.
    pub(super) fn bytes(&self, part: &Part) -> &'a [u8] {
        &self.files[part.file].bytes[part.stored.bytes.clone()]
    }

    /// What is wrong with a tensor.
    pub(super) fn error(&self, part: &Part, reason: String) -> FormatError {
        FormatError::tensor(self.place(part), &part.stored.name, reason)
    }

    /// The sizes of a tensor that has to be a matrix.
    pub(super) fn sizes<'p>(&self, part: &'p Part) -> Result<&'p [usize; 2], FormatError> {
        let shape = &part.stored.shape;
        let reason = || self.error(part, format!("its shape is {shape:?}; a matrix is expected"));
        shape.as_slice().try_into().map_err(|_| reason())
    }

    /// Refuses a tensor of another type or shape than these.
    pub(super) fn check(
        &self,
        part: &Part,
        elements: &[&str],
        shapes: &[&[usize]],
    ) -> Result<(), FormatError> {
        let element = part.stored.element.name();
        if !elements.contains(&element.as_str()) {
            let needed = elements.join(" or ");
            return Err(
                self.error(part, format!("its elements are stored as {element}, where {needed} is expected"))
            );
        }
        if shapes.contains(&part.stored.shape.as_slice()) {
            return Ok(());
        }
        let needed: Vec<String> = shapes.iter().map(|shape| format!("{shape:?}")).collect();
        let reason =
            format!("its shape is {:?}, where {} is expected", part.stored.shape, needed.join(" or "));
        Err(self.error(part, reason))
    }
}
