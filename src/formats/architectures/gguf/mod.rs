//! Families as GGUF files have them.
//!
//! A file's metadata is turned into the family's `config.json`, which the family's own reader then reads: the
//! checks are the same. Keys that nobody here knows stay in it under their own names, and are told as unknown.

pub mod ends;
mod forms;

use serde_json::{Map, Value, json};

use super::{FAMILIES, Family, StoredNames};
use crate::formats::checkpoint::Checkpoint;
use crate::formats::error::FormatError;
use crate::formats::gguf::Metadata;
use crate::model::ModelConfig;
use crate::model::rotary::RotaryScaling;
use forms::{FORMS, Form};

/// Where the LM head is.
const HEAD: &str = "output";
/// Divisors of the rotary frequencies, one a rotating pair.
const DIVISORS: &str = "rope_freqs.weight";
/// The same for LongRoPE, with the fields of `config.json` that they are.
const LONG_ROPE: [(&str, &str); 2] =
    [("rope_factors_short.weight", "short_factor"), ("rope_factors_long.weight", "long_factor")];
/// Whether each layer has a window, or each how many-th has none.
const PATTERN: &str = "attention.sliding_window_pattern";
/// Keys that say nothing about what is computed, or that are read elsewhere.
const SILENT: [&str; 6] = [
    "vocab_size",
    "rope.dimension_count",
    "attention.value_length",
    PATTERN,
    "tensor_data_layout",
    "rope.scaling.finetuned",
];
/// The tokenizer's vocabulary.
const TOKENS: &str = "tokenizer.ggml.tokens";
const ARCHITECTURE: &str = "general.architecture";

/// A GGUF file's model: its family with the names that the file uses, and its description.
pub struct Described {
    /// The family, by GGUF's names of tensors.
    pub family: Family,
    /// What its `config.json` would say.
    pub config: Value,
    form: &'static Form,
    base: &'static Family,
}

/// What a GGUF file says it is.
pub fn describe(metadata: &Metadata, checkpoint: &Checkpoint) -> Result<Described, FormatError> {
    let architecture = metadata
        .text(ARCHITECTURE)?
        .ok_or_else(|| metadata.error(ARCHITECTURE, "it is missing; it has to name the model's family"))?;
    static BASES: [Family; FAMILIES.len()] = FAMILIES;
    let fits = |form: &&Form| {
        let number = |name| metadata.number(&format!("{architecture}.{name}")).ok().flatten();
        form.architecture == architecture
            && form.with.is_none_or(|name| number(name).is_some_and(|number| number > 0.0))
    };
    let form = FORMS.iter().find(fits);
    let base = form.and_then(|form| BASES.iter().find(|family| family.name == form.family));
    let (Some(form), Some(base)) = (form, base) else {
        return Err(FormatError::UnsupportedFamily {
            file: metadata.file().to_owned(),
            family: architecture.chars().take(60).collect(),
            supported: format!("{} in GGUF files", architectures().join(", ")),
        });
    };
    let family = Family {
        part: None,
        name: base.name,
        read: base.read,
        prefixes: &[""],
        tensors: form.tensors,
        head: HEAD,
        ignored: &[DIVISORS, LONG_ROPE[0].0, LONG_ROPE[1].0],
        other_parts: &[],
        harmless_fields: base.harmless_fields,
    };
    let config = form.config(metadata, checkpoint)?;
    Ok(Described { family, config, form, base })
}

/// Every `general.architecture` that can be opened.
fn architectures() -> Vec<&'static str> {
    let mut names: Vec<&str> = FORMS.iter().map(|form| form.architecture).collect();
    names.dedup();
    names
}

/// What a family's form adds to, beside the keys of the file.
struct Facts<'a> {
    config: &'a mut Map<String, Value>,
    checkpoint: &'a Checkpoint,
}

impl Facts<'_> {
    /// Whether the file has a tensor of this name.
    fn has(&self, tensor: &str) -> bool {
        self.checkpoint.find(tensor).is_some()
    }

    /// A field, unless the file has it.
    fn or(&mut self, field: &str, value: Value) {
        self.config.entry(field).or_insert(value);
    }

    /// A field of the scaling of the rotary embedding, where there is one.
    fn scaling(&mut self, field: &str, value: Value) {
        if let Some(scaling) = self.config.get_mut("rope_scaling") {
            scaling[field] = value;
        }
    }

    /// Gemma's attention scale: by the width of a head, and in the size with so many layers by the model's width
    /// over the number of heads.
    fn gemma_scale(&mut self, layers: u64) {
        let size = |field: &str| self.config.get(field).and_then(Value::as_u64).unwrap_or(1);
        let of_heads = size("hidden_size") as f64 / size("num_attention_heads").max(1) as f64;
        let scalar = if size("num_hidden_layers") == layers { of_heads } else { size("head_dim") as f64 };
        self.or("query_pre_attn_scalar", json!(scalar));
    }
}

impl Described {
    /// The family reader's view of the stored names.
    pub fn names<'a>(&'a self, checkpoint: &'a Checkpoint) -> impl StoredNames + 'a {
        Names { described: self, checkpoint }
    }

    /// Puts into the configuration what lies among the tensors: divisors of the rotary frequencies.
    pub fn complete(&self, config: &mut ModelConfig, checkpoint: &Checkpoint) -> Result<(), FormatError> {
        let Some((index, divisors)) = vector(checkpoint, DIVISORS)? else { return Ok(()) };
        let refuse = |reason: String| Err(FormatError::tensor(checkpoint.place(index), DIVISORS, reason));
        for rotary in config.layers.iter_mut().filter_map(|layer| layer.attention.rotary.as_mut()) {
            if rotary.scaling != RotaryScaling::Plain {
                return refuse(
                    "the metadata scales the rotary frequencies as well; which counts is unclear".to_owned(),
                );
            }
            if divisors.len() != rotary.width / 2 || !divisors.iter().all(|divisor| *divisor > 0.0) {
                return refuse(format!("it has to have {} numbers above 0", rotary.width / 2));
            }
            rotary.scaling = RotaryScaling::Divided { divisors: divisors.clone() };
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
            let field = self.fields.iter().copied().flatten().find(|(known, _)| *known == name);
            match field {
                Some((_, field)) => put(field, metadata.json(key)?),
                None if SILENT.contains(&name) || name.starts_with("rope.scal") => None,
                None => put(key, metadata.json(key).unwrap_or(Value::String("an array".to_owned()))),
            };
        }
        let has_head = checkpoint.find(&format!("{HEAD}.weight")).is_some();
        put("tie_word_embeddings", json!(!has_head));
        put("vocab_size", json!(vocabulary(metadata, checkpoint, &prefix)?));
        put("bos_token_id", json!(ends::special_id(metadata, "bos_token_id")?));
        put("eos_token_id", json!(ends::ends(metadata)?));
        if let Some(share) = self.rotating_share(metadata)? {
            put(self.share.unwrap_or_default(), json!(share));
        }
        if let Some(scaling) = rope_scaling(metadata, checkpoint, &prefix)? {
            put("rope_scaling", scaling);
        }
        if let Some(types) = layer_types(metadata, &format!("{prefix}{PATTERN}"))? {
            put("layer_types", types);
        }
        // Some files say 0 where there is no window.
        if config.get("sliding_window") == Some(&json!(0)) {
            config.insert("sliding_window".to_owned(), Value::Null);
        }
        (self.complete)(&mut Facts { config: &mut config, checkpoint });
        Ok(Value::Object(config))
    }

    /// The part of each head that rotates, for the families where that is not always the whole. Refuses other
    /// numbers for other families, and values of another width than keys.
    fn rotating_share(&self, metadata: &Metadata) -> Result<Option<f64>, FormatError> {
        let whole = |name: &str| metadata.whole(&format!("{}.{name}", self.architecture));
        let width = match whole("attention.key_length")? {
            Some(width) => Some(width),
            None => whole("embedding_length")?
                .zip(whole("attention.head_count").ok().flatten())
                .and_then(|(width, heads)| width.checked_div(heads)),
        };
        let Some(width) = width.filter(|width| *width > 0) else { return Ok(None) };
        let rotating = whole("rope.dimension_count")?.unwrap_or(width);
        let values = whole("attention.value_length")?.unwrap_or(width);
        for (name, found) in [("rope.dimension_count", rotating), ("attention.value_length", values)] {
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

/// A tensor's index and its elements, if the file has it; refused if it is no vector of f32.
fn vector(checkpoint: &Checkpoint, name: &str) -> Result<Option<(usize, Vec<f64>)>, FormatError> {
    let Some(index) = checkpoint.find(name) else { return Ok(None) };
    let element = checkpoint.tensors[index].stored.element.name();
    if element != "F32" {
        let reason = format!("its elements are {element}, but have to be F32");
        return Err(FormatError::tensor(checkpoint.place(index), name, reason));
    }
    let (elements, _) = checkpoint.bytes(index).as_chunks();
    Ok(Some((index, elements.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect())))
}

/// `layer_types` of `config.json`, from a list of which layers have a window, or from how often one has none.
fn layer_types(metadata: &Metadata, key: &str) -> Result<Option<Value>, FormatError> {
    if metadata.length(key).is_none() {
        return Ok(None);
    }
    let types = metadata.flags(key)?.unwrap_or_default();
    let name = |has_window| if has_window { "sliding_attention" } else { "full_attention" };
    Ok(Some(types.into_iter().map(name).collect()))
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

/// `rope_scaling` of `config.json`.
fn rope_scaling(
    metadata: &Metadata,
    checkpoint: &Checkpoint,
    prefix: &str,
) -> Result<Option<Value>, FormatError> {
    let key = |name: &str| format!("{prefix}rope.scaling.{name}");
    let original = metadata.whole(&key("original_context_length"))?;
    if checkpoint.find(LONG_ROPE[0].0).is_some() {
        let mut scaling = json!({"rope_type": "longrope", "original_max_position_embeddings": original});
        for (tensor, field) in LONG_ROPE {
            scaling[field] = json!(vector(checkpoint, tensor)?.map(|(_, divisors)| divisors));
        }
        return Ok(Some(scaling));
    }
    let linear = || -> Result<Option<Value>, FormatError> {
        // What files had before there were kinds.
        let factor = metadata.number(&format!("{prefix}rope.scale_linear"))?;
        Ok(factor.map(|factor| json!({"rope_type": "linear", "factor": factor})))
    };
    if let Some(factor) = metadata.number(&key("attn_factor"))?.filter(|factor| *factor != 1.0) {
        return Err(metadata.error(&key("attn_factor"), format!("it is {factor}; only 1 is supported")));
    }
    let mut scaling = match metadata.text(&key("type"))? {
        None => return linear(),
        Some("none") => return Ok(None),
        Some(kind @ ("linear" | "yarn")) => json!({"rope_type": kind}),
        Some(other) => {
            return Err(
                metadata.error(&key("type"), format!("it is {other}; none, linear and yarn are supported"))
            );
        }
    };
    scaling["factor"] = json!(metadata.number(&key("factor"))?);
    scaling["original_max_position_embeddings"] = json!(original);
    for (name, field) in [
        ("yarn_beta_fast", "beta_fast"),
        ("yarn_beta_slow", "beta_slow"),
        ("yarn_attn_factor", "attention_factor"),
    ] {
        if let Some(number) = metadata.number(&key(name))? {
            scaling[field] = json!(number);
        }
    }
    Ok(Some(scaling))
}

/// The family reader asks by the names of the family's own files.
struct Names<'a> {
    described: &'a Described,
    checkpoint: &'a Checkpoint,
}

impl StoredNames for Names<'_> {
    fn has(&self, name: &str) -> bool {
        let layer = name.split('.').find(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        let with = |pattern: &str| layer.map_or(pattern.to_owned(), |layer| pattern.replace('#', layer));
        let Some((module, ending)) = name.rsplit_once('.') else { return false };
        if module == self.described.base.head {
            return self.checkpoint.find(&format!("{HEAD}.{ending}")).is_some();
        }
        let own = self.described.base.mappings().filter(|mapping| with(mapping.stored) == module);
        let canonical = own.flat_map(|mapping| mapping.holds.first());
        canonical
            .flat_map(|part| {
                let here = self.described.form.tensors.iter().copied().flatten();
                here.filter(move |mapping| mapping.holds.contains(part))
            })
            .any(|mapping| self.checkpoint.find(&format!("{}.{ending}", with(mapping.stored))).is_some())
    }
}
