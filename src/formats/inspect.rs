//! What a model's headers say, without loading it: an unsupported or broken model still tells what can be
//! read, and why it cannot be opened.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::architectures::catalogue::{self, Other};
use super::architectures::{self, ArchitectureSizes};
use super::built_in::{self, BuiltIn};
use super::checkpoint::{Checkpoint, WeightFiles};
use super::error::FormatError;
use super::fields::Fields;
use super::folder::{CONFIG, Folder};
use super::generation::GenerationDefaults;
use super::gguf::Metadata;
use super::gguf::keys::{ARCHITECTURE, CHAT_TEMPLATE, KIND, POOLING, TOKENIZER_MODEL};
use super::import::{self, TiedPairs};
use super::json;
use super::location::Location;
use super::names::PrefixedNames;
use super::special::{self, SpecialIds};
use super::text;
use crate::model::{ModelConfig, plan_decoder};
use crate::units::LayersKeep;

/// What a folder has whose model makes vectors of texts, by the library sentence-transformers.
pub const SENTENCE_MODULES: &str = "modules.json";

/// The facts about a model's files. What could not be read is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Inspection {
    /// Name for a person.
    pub name: String,
    /// Where it lies, as it was given.
    pub path: String,
    /// Whether it can be opened.
    pub supported: bool,
    /// Why it cannot be opened; empty if it can.
    pub problems: Vec<String>,
    /// The one of them that opening tells, where not even the headers can be read: a file is missing, cut short or damaged.
    #[serde(skip)]
    pub damage: Option<String>,
    /// What works but deserves a look.
    pub warnings: Vec<String>,
    /// Family, as `config.json` or the GGUF file's metadata calls it.
    pub family: Option<String>,
    /// The family as people call it, of those that can be opened.
    pub family_name: Option<&'static str>,
    /// What it is, where it is no language model.
    pub other: Option<Other>,
    /// Sizes of the decoder.
    pub architecture: ArchitectureSizes,
    /// Number of weights, tied ones counted once; of all stored numbers where the model is not supported.
    pub parameters: u64,
    /// Bytes of all tensors.
    pub bytes: u64,
    /// Bytes that a position takes in the KV cache.
    pub cache_bytes_per_position: Option<u64>,
    /// Bytes that the states of one sequence take, whatever its length: 0 where no layer has one.
    pub state_bytes_per_sequence: Option<u64>,
    /// How many layers keep a KV cache, and how many a state.
    pub layers_keep: Option<LayersKeep>,
    /// Element formats of the tensors, the largest share first.
    pub formats: Vec<FormatShare>,
    /// The weight files.
    pub files: Vec<WeightFile>,
    /// The tokenizer's algorithm, such as `BPE`; `None` without a tokenizer.
    pub tokenizer: Option<String>,
    /// Whether there is a head that drafts (multi-token prediction) and can be run.
    pub drafting_head: bool,
    /// Whether there is a chat template.
    pub chat_template: bool,
    /// Special tokens by the model's own files.
    pub special: SpecialIds,
    /// How its own files would decode.
    pub generation: GenerationDefaults,
}

/// The tensors of one element format.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FormatShare {
    /// `f32`, `bf16`, …
    pub format: String,
    /// How many tensors.
    pub tensors: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Their part of all bytes, from 0 to 1.
    pub share: f64,
}

/// One weight file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeightFile {
    /// Its place.
    pub file: String,
    /// Its size.
    pub bytes: u64,
}

impl Inspection {
    /// Says what the decoder's layers keep of a sequence.
    fn keeps(&mut self, config: &ModelConfig) {
        self.cache_bytes_per_position = Some(config.cache_bytes_per_position());
        self.state_bytes_per_sequence = Some(plan_decoder(config).state_bytes());
        self.layers_keep = Some(config.layers_keep());
    }

    /// Takes in what the files call the family.
    fn take_family(&mut self, family: Option<&str>) {
        self.family = family.map(str::to_owned);
        self.other = self.family.as_deref().and_then(catalogue::other);
    }

    /// Says what people call the family.
    fn name_family(&mut self) {
        let known = self.family.as_deref().and_then(catalogue::find);
        self.family_name = known.and_then(Result::ok).map(|known| known.name);
    }

    /// The family for a person: its name, and in brackets what the files call it.
    pub fn named_family(&self) -> Option<String> {
        let kind = self.family.as_deref()?;
        Some(self.family_name.map_or_else(|| kind.to_owned(), |name| format!("{name} ({kind})")))
    }
}

/// Inspects the model at a path. Fails only where there is no model to speak of.
pub fn inspect(path: &Path) -> Result<Inspection, FormatError> {
    Ok(inspect_location(&Location::of(path)?))
}

/// Inspects the demonstration model inside the program.
pub fn inspect_built_in(which: BuiltIn) -> Inspection {
    inspect_location(&built_in::location(which))
}

fn inspect_location(location: &Location) -> Inspection {
    let mut facts =
        Inspection { name: location.name.clone(), path: location.path.clone(), ..Inspection::default() };
    let mut problems = Vec::new();

    let checkpoint = noted(Checkpoint::open(&location.folder, &location.weights), &mut problems);
    if let Some(checkpoint) = &checkpoint {
        read_files(checkpoint, &mut facts);
    }
    // It is read first, so that opening tells of it first.
    let unread = match &location.weights {
        WeightFiles::Gguf(_) => None,
        WeightFiles::Single(_) | WeightFiles::Index(_) => location.folder.read_config().err(),
    };
    facts.damage = unread.map(|problem| problem.to_string()).or_else(|| problems.first().cloned());
    let (decoder, tokenizer) = match &location.weights {
        WeightFiles::Gguf(_) => {
            (checkpoint.map_or(Ok(()), |checkpoint| read_gguf(checkpoint, &mut facts)), Ok(()))
        }
        WeightFiles::Single(_) | WeightFiles::Index(_) => {
            (read_decoder(location, checkpoint, &mut facts), read_tokenizer(location, &mut facts))
        }
    };
    problems
        .extend([decoder, tokenizer].into_iter().filter_map(Result::err).map(|problem| problem.to_string()));
    facts.supported = problems.is_empty();
    facts.problems = problems;
    facts
}

fn noted<T>(result: Result<T, FormatError>, problems: &mut Vec<String>) -> Option<T> {
    result.map_err(|problem| problems.push(problem.to_string())).ok()
}

fn read_files(checkpoint: &Checkpoint, facts: &mut Inspection) {
    let mut formats: BTreeMap<String, FormatShare> = BTreeMap::new();
    for tensor in &checkpoint.tensors {
        let format = tensor.stored.element.name().to_lowercase();
        let empty = FormatShare { format: format.clone(), tensors: 0, bytes: 0, share: 0.0 };
        let share = formats.entry(format).or_insert(empty);
        share.tensors += 1;
        share.bytes += tensor.bytes() as u64;
        facts.bytes += tensor.bytes() as u64;
        facts.parameters += tensor.stored.shape.iter().map(|&size| size as u64).product::<u64>();
    }
    facts.formats = formats.into_values().collect();
    for format in &mut facts.formats {
        format.share = format.bytes as f64 / facts.bytes.max(1) as f64;
    }
    facts.formats.sort_by_key(|format| std::cmp::Reverse(format.bytes));
    let file = |file: &super::checkpoint::CheckpointFile| WeightFile {
        file: file.place.clone(),
        bytes: file.bytes.len() as u64,
    };
    facts.files = checkpoint.files.iter().map(file).collect();
}

/// Reads as far as it goes; the facts before an error stay.
fn read_decoder(
    location: &Location,
    checkpoint: Option<Checkpoint>,
    facts: &mut Inspection,
) -> Result<(), FormatError> {
    let value = location.folder.read_config()?;
    let config_file = location.folder.place(CONFIG);
    let fields = Fields::new(&config_file, &value)?;
    facts.take_family(value.get("model_type").and_then(json::as_text));
    if location.folder.has(SENTENCE_MODULES) {
        facts.other = Some(Other::Embedding);
    }
    facts.architecture = ArchitectureSizes::guess(&value);

    let decoder = architectures::describe(&fields)?;
    let family = &decoder.family;
    facts.name_family();
    let mut config = decoder.read(&fields, &PrefixedNames::of(family, checkpoint.as_ref()))?;
    facts.architecture = ArchitectureSizes::of(&config);
    facts.keeps(&config);
    facts.special =
        special::read(&location.folder, &[&fields, &decoder.fields], config.vocabulary, &mut facts.warnings)?;
    facts.generation =
        GenerationDefaults::of_folder(&location.folder, &value, config.vocabulary, &mut facts.warnings)?;
    facts.warnings.extend(architectures::unknown_fields_warning(family, &decoder.fields));
    if let Some(checkpoint) = checkpoint {
        import_headers(family, &mut config, checkpoint, facts)?;
    }
    Ok(())
}

/// Reads a GGUF file as far as it goes; the facts before an error stay.
fn read_gguf(mut checkpoint: Checkpoint, facts: &mut Inspection) -> Result<(), FormatError> {
    let metadata = checkpoint.metadata.take().unwrap_or_default();
    facts.tokenizer = metadata.text(TOKENIZER_MODEL)?.map(str::to_owned);
    facts.chat_template = metadata.has(CHAT_TEMPLATE);
    facts.take_family(metadata.text(ARCHITECTURE)?);
    facts.other = kind_of(&metadata, facts)?.or(facts.other);
    let described = architectures::gguf::describe(&metadata, &checkpoint)?;
    facts.name_family();
    facts.architecture = ArchitectureSizes::guess(&described.config);
    let fields = Fields::of_metadata(metadata.file(), &described.config, &described.origins)?;
    let mut config = architectures::read_config(&described.family, &fields, &described.names(&checkpoint))?;
    described.complete(&mut config, &metadata, &checkpoint)?;
    facts.architecture = ArchitectureSizes::of(&config);
    facts.keeps(&config);
    facts.special =
        special::read(&Folder::Embedded(&[]), &[&fields], config.vocabulary, &mut facts.warnings)?;
    facts.generation = GenerationDefaults::of_metadata(&metadata, config.vocabulary, &mut facts.warnings)?;
    facts.warnings.extend(architectures::unknown_fields_warning(&described.family, &fields));
    import_headers(&described.family, &mut config, checkpoint, facts)
}

/// What a GGUF file says that it is, where it is no language model; one that pools its positions makes vectors of texts.
fn kind_of(metadata: &Metadata, facts: &Inspection) -> Result<Option<Other>, FormatError> {
    let pooling = facts.family.as_ref().map(|family| format!("{family}.{POOLING}"));
    let pooling = pooling.map_or(Ok(None), |key| metadata.whole(&key))?;
    let by_type = metadata.text(KIND)?.and_then(Other::of_gguf_type);
    Ok(by_type.or_else(|| pooling.filter(|kind| *kind > 0).map(|_| Other::Embedding)))
}

fn import_headers(
    family: &architectures::Family,
    config: &mut ModelConfig,
    checkpoint: Checkpoint,
    facts: &mut Inspection,
) -> Result<(), FormatError> {
    let weights =
        import::import(family, config, checkpoint, TiedPairs::Trusted, &facts.path, &mut facts.warnings)?;
    facts.parameters = weights.parameters();
    facts.drafting_head = weights.has_drafting_head;
    Ok(())
}

fn read_tokenizer(location: &Location, facts: &mut Inspection) -> Result<(), FormatError> {
    let found = text::inspect(&location.folder)?;
    if found.algorithm.is_none() {
        facts.warnings.push("it has no tokenizer.json; prompts can only be given as token ids".to_owned());
    }
    facts.tokenizer = found.algorithm;
    facts.chat_template = found.chat_template;
    Ok(())
}
