//! The names of a model's stored tensors, with the prefixes that a family's files put before them.

use super::architectures::{Family, StoredNames};
use super::checkpoint::Checkpoint;
use super::safetensors::Element;
use crate::model::WeightFormat;

/// A family's view of the stored names.
pub(super) struct PrefixedNames<'a> {
    /// The files; `None` where they could not be read.
    checkpoint: Option<&'a Checkpoint>,
    /// What may come before a name.
    prefixes: &'static [&'static str],
    /// What may come before the head's name.
    head_prefixes: &'static [&'static str],
    /// What names of other parts than the decoder begin with.
    other_parts: &'static [&'static str],
}

impl<'a> PrefixedNames<'a> {
    /// The names as `family` has them.
    pub(super) fn of(family: &Family, checkpoint: Option<&'a Checkpoint>) -> Self {
        Self {
            checkpoint,
            prefixes: family.prefixes,
            head_prefixes: family.head_prefixes,
            other_parts: family.other_parts,
        }
    }

    /// The stored tensor of this name that belongs to the head.
    pub(super) fn find_head(&self, name: &str) -> Option<usize> {
        let checkpoint = self.checkpoint?;
        self.head_prefixes.iter().find_map(|prefix| checkpoint.find(&format!("{prefix}{name}")))
    }

    /// The stored tensor of this name, with any of the prefixes.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let checkpoint = self.checkpoint?;
        self.prefixes.iter().find_map(|prefix| checkpoint.find(&format!("{prefix}{name}")))
    }

    /// The name as these files would spell it: with the prefix that most of them have.
    pub(super) fn spelled(&self, name: &str) -> String {
        let count = |prefix: &&&str| {
            let tensors = self.checkpoint.map_or(&[][..], |checkpoint| &checkpoint.tensors);
            let names = tensors.iter().map(|tensor| tensor.stored.name.as_str());
            let own = names.filter(|name| !self.other_parts.iter().any(|part| name.starts_with(part)));
            own.filter(|name| name.starts_with(**prefix)).count()
        };
        let used = self.prefixes.iter().find(|prefix| prefix.is_empty() || 2 * count(prefix) > count(&&""));
        format!("{}{name}", used.unwrap_or(&""))
    }
}

impl StoredNames for PrefixedNames<'_> {
    fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn number(&self, name: &str) -> Option<f64> {
        let (checkpoint, index) = (self.checkpoint?, self.find(name)?);
        let stored = &checkpoint.tensors[index].stored;
        let Element::Weight(format @ (WeightFormat::F32 | WeightFormat::F16 | WeightFormat::Bf16)) =
            stored.element
        else {
            return None;
        };
        let is_single = stored.shape.iter().product::<usize>() == 1 && !checkpoint.is_joined(index);
        is_single.then(|| format.decode(checkpoint.bytes(index)))?.first().map(|number| f64::from(*number))
    }

    fn has_head(&self, head: &str) -> bool {
        self.find_head(&format!("{head}.weight")).is_some()
    }
}
