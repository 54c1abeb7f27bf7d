//! Files become a [`crate::model::ModelConfig`] and canonical tensors. Knows no GPU.
//!
//! Only [`architectures`] names model families; everything else here works on containers and recipes. The
//! way of a file: [`location`] finds it, [`checkpoint`] maps its tensors, a family reads its configuration,
//! [`import`] gives every tensor of the plan its bytes.

use std::path::Path;

use crate::model::{ModelConfig, Weights};

pub mod architectures;
mod built_in;
pub mod checkpoint;
mod error;
mod fields;
pub mod folder;
mod generation;
pub mod gguf;
pub mod import;
pub mod inspect;
pub mod json;
pub mod location;
pub mod rewrite;
pub mod safetensors;
mod special;
mod text;
mod wanted;

use architectures::gguf::describe;
pub use architectures::gguf::ends::{is_end_text, special_id as gguf_special_id};
use architectures::{family, read_config, unknown_fields_warning};
use checkpoint::{Checkpoint, WeightFiles};
pub use error::FormatError;
use fields::Fields;
use folder::Folder;
pub use generation::GenerationDefaults;
use import::{PrefixedNames, TiedPairs};
pub use inspect::{Inspection, inspect, inspect_built_in};
use location::Location;
pub use text::{TokenizerFiles, Vocabulary};

/// The file that describes the decoder.
const CONFIG: &str = "config.json";
/// The metadata key that names a GGUF file's kind of tokenizer.
const TOKENIZER_MODEL: &str = "tokenizer.ggml.model";
/// The metadata key of its chat template.
const GGUF_TEMPLATE: &str = "tokenizer.chat_template";

/// A model's files, opened: everything but the weights is read, and those are mapped.
pub struct ModelFile {
    /// Name for a person: the folder's name, or the built-in model's.
    pub name: String,
    /// Where it was opened from; `built-in` for the demonstration model.
    pub path: String,
    /// Family, as its own files call it, such as `llama`.
    pub family: String,
    /// The decoder.
    pub config: ModelConfig,
    /// Its canonical tensors.
    pub weights: Box<dyn Weights + Send>,
    /// Number of weights, tied ones counted once.
    pub parameters: u64,
    /// The tokenizer's files; `None` when the model has none.
    pub tokenizer: Option<TokenizerFiles>,
    /// Special tokens by the model's own files.
    pub special: SpecialIds,
    /// How its own files would decode.
    pub generation: GenerationDefaults,
    /// What works but deserves a look, in words for a person.
    pub warnings: Vec<String>,
}

/// Special token ids by `generation_config.json` and `config.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SpecialIds {
    /// Beginning of a sequence.
    pub bos: Option<u32>,
    /// Ends of a sequence; any of them ends a text.
    pub eos: Vec<u32>,
}

/// Opens a Hugging Face folder, a `.safetensors` file in one, a `.safetensors.index.json`, or a GGUF file, whatever its
/// name.
pub fn open(path: &Path) -> Result<ModelFile, FormatError> {
    open_location(Location::of(path)?)
}

fn open_location(location: Location) -> Result<ModelFile, FormatError> {
    if let WeightFiles::Gguf(_) = location.weights {
        return open_gguf(location);
    }
    let Location { name, path, folder, weights } = location;
    let mut warnings = Vec::new();
    let config_file = folder.place(CONFIG);
    let config_value = folder.read_json(CONFIG)?.ok_or_else(|| missing_config(&config_file))?;
    let fields = Fields::new(&config_file, &config_value)?;
    let family = family(&fields)?;

    let checkpoint = Checkpoint::open(&folder, &weights)?;
    let names = PrefixedNames { checkpoint: Some(&checkpoint), prefixes: family.prefixes };
    let part = family.part(&fields)?;
    let decoder = part.as_ref().unwrap_or(&fields);
    let mut config = read_config(family, decoder, &names)?;
    let special = special::read(&folder, &fields, config.vocabulary, &mut warnings)?;
    let generation = GenerationDefaults::of_folder(&folder, &config_value, config.vocabulary, &mut warnings)?;
    warnings.extend(unknown_fields_warning(family, decoder));
    let weights = import::import(family, &mut config, checkpoint, TiedPairs::Compared, &path, &mut warnings)?;

    Ok(ModelFile {
        name,
        path,
        family: family.name.to_owned(),
        config,
        parameters: weights.parameters(),
        weights: Box::new(weights),
        tokenizer: text::read(&folder, &config_value)?,
        special,
        generation,
        warnings,
    })
}

/// Opens a GGUF file, which says all about its model itself.
fn open_gguf(location: Location) -> Result<ModelFile, FormatError> {
    let Location { name, path, folder, weights } = location;
    let mut warnings = Vec::new();
    let mut checkpoint = Checkpoint::open(&folder, &weights)?;
    let metadata = checkpoint.metadata.take().unwrap_or_default();
    let described = describe(&metadata, &checkpoint)?;
    let fields = Fields::of_metadata(metadata.file(), &described.config, &described.origins)?;
    let mut config = read_config(&described.family, &fields, &described.names(&checkpoint))?;
    described.complete(&mut config, &metadata, &checkpoint)?;
    let special = special::read(&Folder::Embedded(&[]), &fields, config.vocabulary, &mut warnings)?;
    let generation = GenerationDefaults::of_metadata(&metadata, &mut warnings)?;
    warnings.extend(unknown_fields_warning(&described.family, &fields));
    let family = &described.family;
    let weights = import::import(family, &mut config, checkpoint, TiedPairs::Compared, &path, &mut warnings)?;
    Ok(ModelFile {
        name,
        path,
        family: family.name.to_owned(),
        config,
        parameters: weights.parameters(),
        weights: Box::new(weights),
        tokenizer: metadata.has(TOKENIZER_MODEL).then(|| TokenizerFiles::Gguf(metadata.clone())),
        special,
        generation,
        warnings,
    })
}

fn missing_config(config_file: &str) -> FormatError {
    FormatError::malformed(
        config_file,
        "the file is missing; it describes the model and belongs to its weights",
    )
}

/// Opens the demonstration model inside the program.
pub fn open_built_in() -> Result<ModelFile, FormatError> {
    open_location(built_in::location())
}
