//! The folder of Ollama: `manifests/HOST/NAMESPACE/NAME/TAG` are JSON files that name a model's layers by digest, and
//! `blobs/sha256-DIGEST` are the layers, without an ending.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::entries::Entries;
use crate::system_errors::words;

/// Most bytes of a manifest that are read; real ones have about a thousand.
const LARGEST: u64 = 1 << 20;
/// Most hosts, namespaces, names and tags that are looked at in a folder.
const MOST: usize = 10_000;
/// Folders above a manifest.
const DEPTH: usize = 3;

/// The host and the namespace that are left out of names.
const USUAL: [&str; 2] = ["registry.ollama.ai", "library"];

const MODEL: &str = "application/vnd.ollama.image.model";
const ADAPTER: &str = "application/vnd.ollama.image.adapter";

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    #[serde(rename = "mediaType")]
    media_type: String,
    digest: String,
}

/// A model that a manifest names.
pub(super) struct Listed {
    /// As Ollama calls it.
    pub name: String,
    /// The manifest.
    pub manifest: PathBuf,
    /// The GGUF file, or why there is none.
    pub model: Result<PathBuf, String>,
}

/// The models of all manifests.
pub(super) fn models(list: &Path, blobs: &Path) -> Vec<Listed> {
    let mut models = Vec::new();
    take(list, blobs, &mut Vec::new(), &mut models);
    models
}

fn take(at: &Path, blobs: &Path, above: &mut Vec<String>, models: &mut Vec<Listed>) {
    // One that cannot be read has no models for this user.
    let Ok(entries) = Entries::read(at, MOST) else { return };
    if above.len() == DEPTH {
        for (tag, (manifest, _)) in entries.files.into_iter().filter(|(tag, _)| !tag.starts_with('.')) {
            let model = model(&manifest, blobs);
            models.push(Listed { name: name_of(above, &tag), manifest, model });
        }
        return;
    }
    for (name, inner) in entries.folders {
        above.push(name);
        take(&inner, blobs, above, models);
        above.pop();
    }
}

/// The name that Ollama has for a model.
fn name_of(above: &[String], tag: &str) -> String {
    let usual = above.iter().zip(USUAL).take_while(|(part, usual)| *part == usual).count();
    format!("{}:{tag}", above[usual..].join("/"))
}

/// The file with the model, or why there is none.
fn model(manifest: &Path, blobs: &Path) -> Result<PathBuf, String> {
    let broken = |reason: String| format!("its manifest cannot be read: {reason}; pull the model again");
    let metadata = fs::metadata(manifest).map_err(|error| broken(words(&error)))?;
    if metadata.len() > LARGEST {
        return Err(broken("it is larger than 1 MB".to_owned()));
    }
    let text = fs::read_to_string(manifest).map_err(|error| broken(words(&error)))?;
    let Manifest { layers } = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
    if layers.iter().any(|layer| layer.media_type == ADAPTER) {
        return Err("it is a model with an adapter (LoRA), which cannot be added here; open the model that it was made of".to_owned());
    }
    let model = layers.iter().find(|layer| layer.media_type == MODEL);
    let model =
        model.ok_or("its manifest names no GGUF file: it runs elsewhere, or is kept in another form")?;
    let digits = model
        .digest
        .strip_prefix("sha256:")
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let digits =
        digits.ok_or_else(|| broken("it names a layer by something else than a SHA-256".to_owned()))?;
    // Older versions wrote the colon into the name.
    let files = ["sha256-", "sha256:"].map(|kind| blobs.join(format!("{kind}{digits}")));
    let there = files.iter().find(|file| file.is_file());
    there.cloned().ok_or_else(|| format!("{} is missing; pull the model again", files[0].display()))
}
