//! Which tensors a GGUF file has, by the names that the family's own files give them.

use crate::formats::architectures::family::{Family, Mapping, StoredNames};
use crate::formats::checkpoint::Checkpoint;

/// The family reader asks by the names of the family's own files.
pub(super) struct Names<'a> {
    /// The family by its own names.
    pub base: &'a Family,
    /// Its tensors by GGUF's.
    pub tensors: &'static [&'static [Mapping]],
    /// GGUF's name of the head.
    pub head: &'static str,
    pub checkpoint: &'a Checkpoint,
}

impl StoredNames for Names<'_> {
    fn has(&self, name: &str) -> bool {
        let layer = name.split('.').find(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        let with = |pattern: &str| layer.map_or(pattern.to_owned(), |layer| pattern.replace('#', layer));
        let Some((module, ending)) = name.rsplit_once('.') else { return false };
        if module == self.base.head {
            return self.checkpoint.find(&format!("{}.{ending}", self.head)).is_some();
        }
        let is_own = |mapping: &&Mapping| [module, name].contains(&with(mapping.stored).as_str());
        let own = self.base.mappings().filter(is_own);
        let canonical = own.flat_map(|mapping| mapping.holds.first());
        canonical
            .flat_map(|part| {
                let here = self.tensors.iter().copied().flatten();
                here.filter(move |mapping| mapping.holds.contains(part))
            })
            .map(|mapping| with(mapping.stored))
            // A row is about a module, or about a single tensor.
            .any(|stored| {
                self.checkpoint.find(&format!("{stored}.{ending}")).is_some()
                    || self.checkpoint.find(&stored).is_some()
            })
    }
}
