//! The names of a model's stored tensors, with the prefixes that a family's files put before them.

use super::architectures::StoredNames;
use super::checkpoint::Checkpoint;

/// A family's view of the stored names.
pub struct PrefixedNames<'a> {
    /// The files; `None` where they could not be read.
    pub checkpoint: Option<&'a Checkpoint>,
    /// What may come before a name.
    pub prefixes: &'a [&'a str],
}

impl PrefixedNames<'_> {
    /// The stored tensor of this name, with any of the prefixes.
    pub fn find(&self, name: &str) -> Option<usize> {
        let checkpoint = self.checkpoint?;
        self.prefixes.iter().find_map(|prefix| checkpoint.find(&format!("{prefix}{name}")))
    }

    /// The name as these files would spell it: with the prefix that most of them have.
    pub fn spelled(&self, name: &str) -> String {
        let count = |prefix: &&&str| {
            let tensors = self.checkpoint.map_or(&[][..], |checkpoint| &checkpoint.tensors);
            tensors.iter().filter(|tensor| tensor.stored.name.starts_with(**prefix)).count()
        };
        let used = self.prefixes.iter().find(|prefix| prefix.is_empty() || 2 * count(prefix) > count(&&""));
        format!("{}{name}", used.unwrap_or(&""))
    }
}

impl StoredNames for PrefixedNames<'_> {
    fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}
