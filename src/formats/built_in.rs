//! The demonstration model inside the program: the same files as any other model's, without a disk.

use super::checkpoint::{SINGLE_FILE, WeightFiles};
use super::folder::Folder;
use super::location::Location;

const FILES: [(&str, &[u8]); 5] = [
    ("config.json", include_bytes!("../../assets/demo-model/config.json")),
    ("generation_config.json", include_bytes!("../../assets/demo-model/generation_config.json")),
    ("tokenizer.json", include_bytes!("../../assets/demo-model/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../../assets/demo-model/tokenizer_config.json")),
    (SINGLE_FILE, include_bytes!("../../assets/demo-model/model.safetensors")),
];

/// Where the demonstration model lies.
pub(super) fn location() -> Location {
    Location {
        name: "Fairy tales (built in)".to_owned(),
        path: "built-in".to_owned(),
        folder: Folder::Embedded(&FILES),
        weights: WeightFiles::Single(SINGLE_FILE.into()),
    }
}
