//! The models inside the program: the same files as any other model's, without a disk.

use super::checkpoint::{SINGLE_FILE, WeightFiles};
use super::folder::Folder;
use super::location::Location;

const TOKENIZER: &[u8] = include_bytes!("../../assets/demo-model/tokenizer.json");
const TOKENIZER_CONFIG: &[u8] = include_bytes!("../../assets/demo-model/tokenizer_config.json");

const MODEL: [(&str, &[u8]); 5] = [
    ("config.json", include_bytes!("../../assets/demo-model/config.json")),
    ("generation_config.json", include_bytes!("../../assets/demo-model/generation_config.json")),
    ("tokenizer.json", TOKENIZER),
    ("tokenizer_config.json", TOKENIZER_CONFIG),
    (SINGLE_FILE, include_bytes!("../../assets/demo-model/model.safetensors")),
];

/// With the other model's tokenizer.
const DRAFT: [(&str, &[u8]); 5] = [
    ("config.json", include_bytes!("../../assets/draft-model/config.json")),
    ("generation_config.json", include_bytes!("../../assets/draft-model/generation_config.json")),
    ("tokenizer.json", TOKENIZER),
    ("tokenizer_config.json", TOKENIZER_CONFIG),
    (SINGLE_FILE, include_bytes!("../../assets/draft-model/model.safetensors")),
];

/// What stands for a path of the demonstration model.
pub const BUILT_IN: &str = "built-in";

/// A model inside the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    /// The demonstration model.
    Model,
    /// The small one that drafts for it.
    Draft,
}

/// Where it lies.
pub(super) fn location(which: BuiltIn) -> Location {
    let (name, path, files): (_, _, &[(&str, &[u8])]) = match which {
        BuiltIn::Model => ("Fairy tales (built in)", BUILT_IN, &MODEL),
        BuiltIn::Draft => ("Draft of fairy tales (built in)", "built-in-draft", &DRAFT),
    };
    Location {
        name: name.to_owned(),
        path: path.to_owned(),
        folder: Folder::Embedded(files),
        weights: WeightFiles::Single(SINGLE_FILE.into()),
    }
}
