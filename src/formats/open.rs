//! From a path to a model's files, opened: the configuration is read, every tensor is found.

use std::path::Path;

use super::architectures::gguf::describe;
use super::architectures::{self, Family, read_config, unknown_fields_warning};
use super::built_in::{self, BuiltIn};
use super::checkpoint::{Checkpoint, WeightFiles};
use super::error::FormatError;
use super::fields::Fields;
use super::folder::{CONFIG, Folder};
use super::generation::GenerationDefaults;
use super::gguf::keys::TOKENIZER_MODEL;
use super::import::{self, TiedPairs};
use super::location::Location;
use super::names::PrefixedNames;
use super::source::ScaledTensor;
use super::special::{self, SpecialIds};
use super::text::{self, TokenizerFiles};
use crate::model::{ModelConfig, Weights};

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
    /// Whether the files have a head that drafts, which [`open_drafting_head`] opens.
    pub has_drafting_head: bool,
    /// The tokenizer's files; `None` when the model has none.
    pub tokenizer: Option<TokenizerFiles>,
    /// Special tokens by the model's own files.
    pub special: SpecialIds,
    /// How its own files would decode.
    pub generation: GenerationDefaults,
    /// What works but deserves a look, in words for a person.
    pub warnings: Vec<String>,
}

/// Opens a Hugging Face folder, a `.safetensors` file in one, a `.safetensors.index.json`, or a GGUF file, whatever its
/// name.
pub fn open(path: &Path) -> Result<ModelFile, FormatError> {
    open_location(Location::of(path)?)
}

/// Opens a model inside the program.
pub fn open_built_in(which: BuiltIn) -> Result<ModelFile, FormatError> {
    open_location(built_in::location(which))
}

/// The head of a model's files that drafts tokens.
pub struct DraftingHead {
    /// It, as a decoder: its block, and what it has in common with the model's.
    pub config: ModelConfig,
    /// Its canonical tensors, those among them that are the decoder's.
    pub weights: Box<dyn Weights + Send>,
}

/// Opens the drafting head of files that have one; `decoder` is the configuration of the model in them.
pub fn open_drafting_head(path: &Path, decoder: &ModelConfig) -> Result<DraftingHead, FormatError> {
    let Location { path, folder, weights, .. } = Location::of(path)?;
    let mut checkpoint = Checkpoint::open(&folder, &weights)?;
    let family = match weights {
        WeightFiles::Gguf(_) => {
            let metadata = checkpoint.metadata.take().unwrap_or_default();
            describe(&metadata, &checkpoint)?.family
        }
        WeightFiles::Single(_) | WeightFiles::Index(_) => {
            let value = folder.read_config()?;
            architectures::describe(&Fields::new(&folder.place(CONFIG), &value)?)?.family
        }
    };
    let block = decoder.layers.iter().find(|layer| layer.attention.is_some());
    let config = ModelConfig { layers: block.cloned().into_iter().collect(), ..decoder.clone() };
    let weights = import::import_drafting_head(&family, decoder, &config, checkpoint, &path)?;
    Ok(DraftingHead { config, weights: Box::new(weights) })
}

fn open_location(location: Location) -> Result<ModelFile, FormatError> {
    match location.weights {
        WeightFiles::Gguf(_) => open_gguf(location),
        WeightFiles::Single(_) | WeightFiles::Index(_) => open_folder(location),
    }
}

/// What a model's files say, before its tensors are looked for.
struct Described<'a> {
    family: &'a Family,
    config: ModelConfig,
    /// Factors on tensors.
    scaled: Vec<ScaledTensor>,
    tokenizer: Option<TokenizerFiles>,
    special: SpecialIds,
    generation: GenerationDefaults,
    warnings: Vec<String>,
}

/// Opens a folder: the configuration lies beside the weights.
fn open_folder(location: Location) -> Result<ModelFile, FormatError> {
    let Location { name, path, folder, weights } = location;
    let mut warnings = Vec::new();
    let config_value = folder.read_config()?;
    let config_file = folder.place(CONFIG);
    let fields = Fields::new(&config_file, &config_value)?;
    let decoder = architectures::describe(&fields)?;
    let family = &decoder.family;
    let checkpoint = Checkpoint::open(&folder, &weights)?;
    let config = decoder.read(&fields, &PrefixedNames::of(family, Some(&checkpoint)))?;
    let special = special::read(&folder, &[&fields, &decoder.fields], config.vocabulary, &mut warnings)?;
    let generation = GenerationDefaults::of_folder(&folder, &config_value, config.vocabulary, &mut warnings)?;
    warnings.extend(unknown_fields_warning(family, &decoder.fields));
    let tokenizer = text::read(&folder, &config_value)?;
    let scaled = (family.scaled)(&decoder.fields, &config)?;
    let described = Described { family, config, scaled, tokenizer, special, generation, warnings };
    described.with_weights(checkpoint, name, path)
}

/// Opens a GGUF file, which says all about its model itself.
fn open_gguf(location: Location) -> Result<ModelFile, FormatError> {
    let Location { name, path, folder, weights } = location;
    let mut warnings = Vec::new();
    let mut checkpoint = Checkpoint::open(&folder, &weights)?;
    let metadata = checkpoint.metadata.take().unwrap_or_default();
    let file = describe(&metadata, &checkpoint)?;
    let fields = Fields::of_metadata(metadata.file(), &file.config, &file.origins)?;
    let mut config = read_config(&file.family, &fields, &file.names(&checkpoint))?;
    file.complete(&mut config, &metadata, &checkpoint)?;
    let special = special::read(&Folder::Embedded(&[]), &[&fields], config.vocabulary, &mut warnings)?;
    let generation = GenerationDefaults::of_metadata(&metadata, config.vocabulary, &mut warnings)?;
    warnings.extend(unknown_fields_warning(&file.family, &fields));
    let tokenizer = metadata.has(TOKENIZER_MODEL).then(|| TokenizerFiles::Gguf(metadata.clone()));
    let (family, scaled) = (&file.family, Vec::new());
    let described = Described { family, config, scaled, tokenizer, special, generation, warnings };
    described.with_weights(checkpoint, name, path)
}

impl Described<'_> {
    /// Finds every tensor of the decoder in the checkpoint.
    fn with_weights(
        self,
        checkpoint: Checkpoint,
        name: String,
        path: String,
    ) -> Result<ModelFile, FormatError> {
        let Self { family, mut config, scaled, tokenizer, special, generation, mut warnings } = self;
        let pairs = TiedPairs::Compared;
        let mut weights = import::import(family, &mut config, checkpoint, pairs, &path, &mut warnings)?;
        weights.scale(&scaled);
        Ok(ModelFile {
            name,
            path,
            family: family.name.to_owned(),
            config,
            parameters: weights.parameters(),
            has_drafting_head: weights.has_drafting_head,
            weights: Box::new(weights),
            tokenizer,
            special,
            generation,
            warnings,
        })
    }
}
