//! A short list of models for who has none.

use std::sync::LazyLock;

use serde::Deserialize;

use super::names::RepositoryName;

/// A model of the list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curated {
    /// Its name for people.
    pub name: String,
    /// Its repository.
    pub repository: RepositoryName,
    /// The file there.
    pub file: String,
    /// What it is good for.
    pub about: String,
    /// Its licence.
    pub licence: String,
    /// Its size in bytes, roughly: the hub tells the exact one.
    pub about_bytes: u64,
}

/// The list, the smallest first.
pub fn curated() -> &'static [Curated] {
    static LIST: LazyLock<Vec<Curated>> = LazyLock::new(|| {
        let list = serde_json::from_str(include_str!("../../assets/curated-models.json"));
        list.unwrap_or_else(|error| {
            log::error!("the list of models inside the program: {error}");
            Vec::new()
        })
    });
    &LIST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole() {
        let list: Result<Vec<Curated>, _> =
            serde_json::from_str(include_str!("../../assets/curated-models.json"));
        let list = list.expect("it can be read");
        assert!((10..=16).contains(&list.len()));
        assert!(list.is_sorted_by_key(|model| model.about_bytes), "the smallest first");
        for model in &list {
            assert!((90_000_000..8_500_000_000).contains(&model.about_bytes), "{model:?}");
            assert!(model.file.ends_with(".gguf") && !model.about.is_empty(), "{model:?}");
            assert!(["Apache 2.0", "MIT"].contains(&model.licence.as_str()), "{model:?}");
        }
    }
}
