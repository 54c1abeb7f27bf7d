//! Families as GGUF files have them.
//!
//! Metadata is turned into the family's `config.json`, for the family's own reader. Unknown keys stay, and are told.

mod bailing;
mod cohere;
mod completion;
mod dense;
pub mod ends;
mod expert_forms;
mod form;
mod forms;
mod gemma;
mod laguna;
mod latent_forms;
mod layers;
mod lfm;
mod llama4;
mod mamba_forms;
mod ministral;
mod muse_glimmer;
mod qwen;
mod scaling;
mod stored_names;

use serde_json::{Map, Value, json};

use super::catalogue::Other;
use super::family::{DraftingNames, Family, StoredNames};
use super::{FAMILIES, refused_family};
use crate::formats::checkpoint::Checkpoint;
use crate::formats::error::FormatError;
use crate::formats::fields::Origins;
use crate::formats::gguf::Metadata;
use crate::formats::gguf::keys::{ARCHITECTURE, KIND};
use crate::formats::json::number;
use crate::model::ModelConfig;
use crate::model::config::AttentionConfig;
use crate::model::rotary::RotaryScaling;
use completion::Completion;
use form::{DIVISORS, Form};
use forms::FORMS;
use scaling::{LONG_ROPE, vector};
use stored_names::Names;

/// Where the LM head is.
const HEAD: &str = "output";
/// Whether each layer has a window, or each how many-th has none.
const PATTERN: &str = "attention.sliding_window_pattern";
/// The number of key/value heads, or a list of those of each layer.
const HEADS: &str = "attention.head_count_kv";
/// Whether the heads of each layer rotate.
const TURNING: &str = "attention.rope_pattern";
/// The numbers of xIELU in each layer, or in all: keys without an architecture.
const XIELU: [(&str, &str); 4] = [
    ("xielu.alpha_p", "_xielu_alpha_p"),
    ("xielu.alpha_n", "_xielu_alpha_n"),
    ("xielu.beta", "_xielu_beta"),
    ("xielu.eps", "_xielu_eps"),
];
/// The number of layers.
const BLOCKS: &str = "block_count";
/// Whether each layer has a state in place of attention.
const STATES: &str = "attention.recurrent_layers";
/// How far apart layers with attention are, where most have a state.
const INTERVAL: &str = "full_attention_interval";
/// How many of the last layers only draft tokens.
const DRAFTING: &str = "nextn_predict_layers";
/// Keys that say nothing about what is computed, or that are read elsewhere.
const SILENT: [&str; 12] = [
    "vocab_size",
    "rope.dimension_count",
    // For text all sections are the same.
    "rope.dimension_sections",
    "rope.scale_linear",
    "attention.key_length",
    "attention.value_length",
    "attention.causal",
    PATTERN,
    STATES,
    DRAFTING,
    "tensor_data_layout",
    // Layers that also read images.
    "n_deepstack_layers",
];
/// Keys without which llama.cpp opens no file of a family that has them.
const NEEDED: [&str; 6] = [
    "embedding_length",
    "block_count",
    "context_length",
    "attention.head_count",
    "attention.layer_norm_rms_epsilon",
    "attention.layer_norm_epsilon",
];
/// A divisor from which on a pair counts as one that does not turn.
const STILL: f64 = 1e30;
/// The tokenizer's vocabulary.
const TOKENS: &str = "tokenizer.ggml.tokens";

/// A GGUF file's model: its family with the names that the file uses, and its description.
pub struct Described {
    /// The family, by GGUF's names of tensors.
    pub family: Family,
    /// What its `config.json` would say.
    pub config: Value,
    /// The keys that its fields are made of.
    pub origins: Origins,
    form: &'static Form,
    base: &'static Family,
}

/// What a GGUF file says it is.
pub fn describe(metadata: &Metadata, checkpoint: &Checkpoint) -> Result<Described, FormatError> {
    refuse_other_kinds(metadata)?;
    let architecture = metadata
        .text(ARCHITECTURE)?
        .ok_or_else(|| metadata.error(ARCHITECTURE, "it is missing; it has to name the model's family"))?;
    if architecture == "phimoe" {
        let reason = "llama.cpp computes phimoe with other norms and another router than its authors; open the model's \
                      folder in place of this file";
        return Err(metadata.error(ARCHITECTURE, reason));
    }
    static BASES: [Family; FAMILIES.len()] = FAMILIES;
    let mut form = None;
    for candidate in FORMS.iter().filter(|form| form.architecture == architecture) {
        let number = match candidate.with {
            Some(name) => metadata.number(&format!("{architecture}.{name}"))?,
            None => Some(1.0),
        };
        if number.is_some_and(|number| number > 0.0) && (candidate.fits)(metadata) {
            form = Some(candidate);
            break;
        }
    }
    let base = form.and_then(|form| BASES.iter().find(|family| family.name == form.family));
    let (Some(form), Some(base)) = (form, base) else {
        return Err(refused_family(metadata.file(), architecture));
    };
    let family = Family {
        part: None,
        name: base.name,
        read: base.read,
        // All factors are in the weights.
        scaled: |_, _| Ok(Vec::new()),
        prefixes: &[""],
        tensors: form.tensors,
        head: HEAD,
        head_prefixes: &[""],
        drafting_layers: metadata
            .whole(&format!("{architecture}.{DRAFTING}"))?
            .map_or(0, |layers| usize::try_from(layers).unwrap_or(usize::MAX)),
        drafting_head: DraftingNames::LastLayer,
        first_layer: 0,
        ignored: form.ignored,
        other_parts: &[],
        harmless_fields: base.harmless_fields,
    };
    let config = form.config(metadata, checkpoint)?;
    Ok(Described { family, config, origins: form.origins(), form, base })
}

/// Every `general.architecture` that can be opened.
#[cfg(test)]
pub(super) fn architectures() -> Vec<&'static str> {
    let mut names: Vec<&str> = FORMS.iter().map(|form| form.architecture).collect();
    names.dedup();
    names
}

/// Refuses files that belong to a model and are none.
fn refuse_other_kinds(metadata: &Metadata) -> Result<(), FormatError> {
    let reason = match metadata.text(KIND)?.and_then(Other::of_gguf_type) {
        Some(Other::Adapter) => {
            "this is an adapter (LoRA), a change to another model's weights; merge it into that model with the program \
             that made it, and open the result"
        }
        Some(Other::ImagePart) => {
            "this is the image or sound part of a model; open the file of the language model that it belongs to"
        }
        Some(Other::Measurements) => {
            "these are measurements for quantising a model; open the model's own file"
        }
        _ => return Ok(()),
    };
    Err(metadata.error(KIND, reason))
}

impl Described {
    /// The family reader's view of the stored names.
    pub fn names<'a>(&'a self, checkpoint: &'a Checkpoint) -> impl StoredNames + 'a {
        Names { base: self.base, tensors: self.form.tensors, head: HEAD, checkpoint }
    }

    /// Refuses a file without the keys that its family cannot do without, and puts into the configuration what lies
    /// among the tensors: divisors of the rotary frequencies.
    pub fn complete(
        &self,
        config: &mut ModelConfig,
        metadata: &Metadata,
        checkpoint: &Checkpoint,
    ) -> Result<(), FormatError> {
        self.form.check_needed(metadata)?;
        let Some((index, divisors)) = vector(checkpoint, DIVISORS)? else { return Ok(()) };
        let refuse = |reason: String| Err(FormatError::tensor(checkpoint.place(index), DIVISORS, reason));
        let spares_windows = self.form.divisors_spare_windows;
        let divided =
            |attention: &&mut AttentionConfig| !(spares_windows && attention.scores.window.is_some());
        let attentions = config.attentions().filter(divided);
        for rotary in attentions.filter_map(|attention| attention.rotary.as_mut()) {
            let factor = match rotary.scaling {
                RotaryScaling::Plain => 1.0,
                RotaryScaling::Linear { factor } => factor,
                _ => {
                    let reason =
                        "the metadata scales the rotary frequencies as well; which counts is unclear";
                    return refuse(reason.to_owned());
                }
            };
            if divisors.len() != rotary.width / 2 || !divisors.iter().all(|divisor| *divisor > 0.0) {
                return refuse(format!("it has to have {} numbers above 0", rotary.width / 2));
            }
            // Pairs that do not turn have a number as large as that.
            let divisor = |divisor: &f64| if *divisor < STILL { divisor * factor } else { f64::INFINITY };
            let divisors = divisors.iter().map(divisor).collect();
            rotary.scaling = RotaryScaling::Divided { divisors };
        }
        Ok(())
    }
}

impl Form {
    /// The family's `config.json`.
    fn config(&self, metadata: &Metadata, checkpoint: &Checkpoint) -> Result<Value, FormatError> {
        let mut config = Map::new();
        let mut put = |field: &str, value: Value| config.insert(field.to_owned(), value);
        let prefix = format!("{}.", self.architecture);
        for key in metadata.keys() {
            let Some(name) = key.strip_prefix(&prefix) else { continue };
            match self.field(name) {
                Some(_) if name == HEADS && self.without_heads.is_some() => None,
                Some(field) => put(field, self.value(metadata, name, key)?),
                None if SILENT.contains(&name) => None,
                None if let Some(name) = name.strip_prefix(scaling::PREFIX) => {
                    if !scaling::KEYS.iter().any(|(known, _)| *known == name) {
                        let reason = "it is unknown here, and might change the rotary frequencies";
                        return Err(metadata.error(key, reason));
                    }
                    None
                }
                None => put(key, metadata.json(key).unwrap_or(Value::String("an array".to_owned()))),
            };
        }
        for (key, field) in XIELU {
            let numbers = match metadata.length(key) {
                Some(_) => metadata.numbers(key)?,
                None => metadata.number(key)?.map(|number| vec![number]),
            };
            if let Some(numbers) = numbers {
                put(field, numbers.into_iter().map(number).collect());
            }
        }
        let has_head = checkpoint.find(&format!("{HEAD}.weight")).is_some();
        put("tie_word_embeddings", json!(!has_head));
        put("vocab_size", json!(vocabulary(metadata, checkpoint, &prefix)?));
        put("bos_token_id", json!(ends::special_id(metadata, "bos_token_id")?));
        put("eos_token_id", json!(ends::ends(metadata)?));
        if let Some(scaling) = scaling::rope_scaling(metadata, checkpoint, &prefix)? {
            put("rope_scaling", scaling);
        }
        if metadata.flag(&format!("{prefix}attention.causal"))? == Some(false) {
            let reason = "it is false, but rows that see later ones are not supported";
            return Err(metadata.error(&format!("{prefix}attention.causal"), reason));
        }
        self.usual_values(&mut config);
        if let Some(share) = self.rotating_share(metadata, &config)? {
            config.insert(self.share.unwrap_or_default().to_owned(), json!(share));
        }
        let all_layers = self.size(&config, BLOCKS);
        let drafting = layers::drafting(metadata, &format!("{prefix}{DRAFTING}"), all_layers)?;
        let layers = all_layers.map(|layers| layers - drafting);
        if let (Some(field), Some(layers)) = (self.field(BLOCKS), layers) {
            config.insert(field.to_owned(), json!(layers));
        }
        for field in self.lists.iter().filter_map(|key| self.field(key)) {
            if let Some(Value::Array(numbers)) = config.get_mut(field)
                && Some(numbers.len() as u64) == all_layers
            {
                numbers.truncate(numbers.len().saturating_sub(drafting as usize));
            }
        }
        if let Some(Value::Array(mut types)) =
            layers::by_states(metadata, &format!("{prefix}{STATES}"), all_layers)?
        {
            types.truncate(types.len().saturating_sub(drafting as usize));
            config.insert("layer_types".to_owned(), Value::Array(types));
        }
        if let Some(types) = layers::by_windows(metadata, &format!("{prefix}{PATTERN}"), layers)? {
            config.insert("layer_types".to_owned(), types);
        }
        if let (Some(without), Some(layers)) = (self.without_heads, layers) {
            let found = layers::by_heads(metadata, &format!("{prefix}{HEADS}"), layers, without)?;
            config.insert("layer_types".to_owned(), found.types);
            if let (Some(field), Some(heads)) = (self.field(HEADS), found.heads) {
                config.insert(field.to_owned(), heads);
            }
        }
        // Some files say 0 where there is no window.
        if config.get("sliding_window") == Some(&json!(0)) {
            config.insert("sliding_window".to_owned(), Value::Null);
        }
        (self.complete)(&mut Completion { config: &mut config, checkpoint });
        Ok(Value::Object(config))
    }

    /// The value of a key that becomes a field: a list only where layers may differ, none where it is read elsewhere.
    fn value(&self, metadata: &Metadata, name: &str, key: &str) -> Result<Value, FormatError> {
        match metadata.length(key) {
            Some(_) if name == TURNING => {
                Ok(metadata.flags(key)?.unwrap_or_default().into_iter().map(u8::from).collect())
            }
            Some(_) if self.lists.contains(&name) => Ok(json!(metadata.wholes(key)?)),
            Some(_) if name == HEADS && self.without_heads.is_some() => Ok(Value::Null),
            _ => metadata.json(key),
        }
    }

    /// Every key that becomes a field, with that field.
    fn rows(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.fields.iter().copied().flatten().copied()
    }

    /// The field that a key becomes.
    fn field(&self, key: &str) -> Option<&'static str> {
        self.rows().find(|(known, _)| *known == key).map(|(_, field)| field)
    }

    /// A whole number that a key has become.
    fn size(&self, config: &Map<String, Value>, key: &str) -> Option<u64> {
        config.get(self.field(key)?)?.as_u64()
    }

    /// Elements of a head: what the file says, otherwise its share of the width.
    fn head_width(&self, config: &Map<String, Value>) -> Option<u64> {
        self.size(config, "attention.key_length").or_else(|| {
            let (width, heads) =
                (self.size(config, "embedding_length")?, self.size(config, "attention.head_count")?);
            (width.checked_rem(heads)? == 0).then(|| width / heads)
        })
    }

    /// What llama.cpp takes where a file leaves a key out, whatever the family's own default is.
    fn usual_values(&self, config: &mut Map<String, Value>) {
        for (key, value) in [
            ("attention.key_length", self.head_width(config).map(Value::from)),
            (HEADS, self.size(config, "attention.head_count").map(Value::from)),
            ("rope.freq_base", Some(json!(10_000.0))),
        ] {
            if let (Some(field), Some(value)) = (self.field(key), value) {
                config.entry(field).or_insert(value);
            }
        }
    }

    /// Refuses a file that lacks a key which llama.cpp needs: the family's own default may be another number.
    fn check_needed(&self, metadata: &Metadata) -> Result<(), FormatError> {
        let is_read = |key: &&str| self.field(key).is_some_and(|field| !field.starts_with('_'));
        let needed = NEEDED.iter().copied().filter(is_read).chain(self.needs.iter().copied());
        let mut keys = needed.map(|key| format!("{}.{key}", self.architecture));
        match keys.find(|key| !metadata.has(key)) {
            None => Ok(()),
            Some(key) => Err(metadata.error(&key, "it is missing; the model cannot be built without it")),
        }
    }

    /// From fields to keys.
    fn origins(&self) -> Origins {
        let with_prefix = |key: &str| format!("{}.{key}", self.architecture);
        let mut origins: Origins =
            self.rows().map(|(key, field)| (field.to_owned(), with_prefix(key))).collect();
        let mut add = |field: &str, key: String| origins.insert(field.to_owned(), key);
        for (key, field) in scaling::KEYS.into_iter().filter(|(_, field)| !field.is_empty()) {
            add(&format!("rope_scaling.{field}"), with_prefix(&format!("{}{key}", scaling::PREFIX)));
        }
        for (tensor, field) in LONG_ROPE {
            add(&format!("rope_scaling.{field}"), format!("tensor {tensor}"));
        }
        add("rope_scaling", with_prefix("rope.scaling.type"));
        let kinds = match self.without_heads {
            Some(_) => HEADS,
            None if self.field(INTERVAL).is_some() => STATES,
            None => PATTERN,
        };
        add("layer_types", with_prefix(kinds));
        add("vocab_size", TOKENS.to_owned());
        add("bos_token_id", "tokenizer.ggml.bos_token_id".to_owned());
        add("eos_token_id", "tokenizer.ggml.eos_token_id".to_owned());
        add(self.share.unwrap_or(form::SHARE), with_prefix("rope.dimension_count"));
        origins
    }

    /// The part of each head that rotates, for the families where that is not always the whole. Refuses other
    /// numbers for other families, and values of another width than keys.
    fn rotating_share(
        &self,
        metadata: &Metadata,
        config: &Map<String, Value>,
    ) -> Result<Option<f64>, FormatError> {
        // Latent keys and values have widths of their own, which the family's reader looks at.
        if self.field("rope.dimension_count").is_some() {
            return Ok(None);
        }
        let whole = |name: &str| metadata.whole(&format!("{}.{name}", self.architecture));
        let Some(width) = self.head_width(config).filter(|width| *width > 0) else { return Ok(None) };
        let rotating = whole("rope.dimension_count")?.unwrap_or(width);
        let values = whole("attention.value_length")?.unwrap_or(width);
        // Some forms have no other width of heads than their share of the model's.
        let keys = match self.field("attention.key_length") {
            Some(_) => width,
            None => whole("attention.key_length")?.unwrap_or(width),
        };
        for (name, found) in [
            ("attention.key_length", keys),
            ("rope.dimension_count", rotating),
            ("attention.value_length", values),
        ] {
            let may_differ = name == "rope.dimension_count" && self.share.is_some() && found <= width;
            if found != width && !may_differ {
                let reason = format!(
                    "it is {found}, but heads have {width} elements; other numbers are not supported"
                );
                return Err(metadata.error(&format!("{}.{name}", self.architecture), reason));
            }
        }
        Ok(self.share.map(|_| rotating as f64 / width as f64))
    }
}

/// The size of the vocabulary: the embedding table's, with which the others have to agree.
fn vocabulary(metadata: &Metadata, checkpoint: &Checkpoint, prefix: &str) -> Result<u64, FormatError> {
    let table = checkpoint.find("token_embd.weight").map(|index| &checkpoint.tensors[index].stored);
    let rows = table.and_then(|table| table.shape.first()).map(|&rows| rows as u64);
    let tokens = metadata.length(TOKENS).map(|tokens| tokens as u64);
    let size_key = format!("{prefix}vocab_size");
    let size = metadata.whole(&size_key)?;
    for (key, found) in [(TOKENS, tokens), (&size_key, size)] {
        if let (Some(found), Some(rows)) = (found, rows)
            && found != rows
        {
            let reason = format!("it counts {found} tokens, but token_embd.weight has {rows} rows");
            return Err(metadata.error(key, reason));
        }
    }
    rows.or(tokens)
        .or(size)
        .ok_or_else(|| metadata.error(TOKENS, "it is missing, and so is token_embd.weight"))
}
