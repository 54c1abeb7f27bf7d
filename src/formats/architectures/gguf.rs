//! Families as GGUF files have them: what their metadata keys are called in `config.json`, and a table from GGUF's
//! names of tensors to ours.
//!
//! A file's metadata is turned into the family's `config.json`, which the family's own reader then reads: the
//! checks are the same. Keys that nobody here knows stay in it under their own names, and are told as unknown.

use serde_json::{Map, Value, json};

use super::{FAMILIES, Family, Mapping, StoredNames, laid_out, stored};
use crate::formats::checkpoint::Checkpoint;
use crate::formats::error::FormatError;
use crate::formats::gguf::Metadata;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::rotary::RotaryScaling;

/// A family as GGUF files have it.
struct Form {
    /// Its `general.architecture`.
    architecture: &'static str,
    /// The family that it is.
    family: &'static str,
    /// From keys, without the architecture before them, to fields of `config.json`.
    fields: &'static [&'static [(&'static str, &'static str)]],
    /// Its tensors.
    tensors: &'static [&'static [Mapping]],
}

const FORMS: [Form; 4] = [
    Form {
        architecture: "llama",
        family: "llama",
        fields: &[FIELDS, RMS],
        // The converter puts rows of queries and keys that rotate together beside each other.
        tensors: &[
            &[
                laid_out(Layout::NeighboursRotate, "blk.#.attn_q", &["layers.#.attention.query"]),
                laid_out(Layout::NeighboursRotate, "blk.#.attn_k", &["layers.#.attention.key"]),
            ],
            VALUE_AND_OUTPUT,
            GATED,
            NORMS,
        ],
    },
    Form {
        architecture: "gpt2",
        family: "gpt2",
        fields: &[&[
            ("embedding_length", "n_embd"),
            ("block_count", "n_layer"),
            ("context_length", "n_positions"),
            ("attention.head_count", "n_head"),
            ("feed_forward_length", "n_inner"),
            ("attention.layer_norm_epsilon", "layer_norm_epsilon"),
        ]],
        // The converter transposes them: they are outputs × inputs, unlike the family's own files.
        tensors: &[
            &[
                stored("token_embd", &["embed.tokens"]),
                stored("position_embd", &["embed.positions"]),
                stored(
                    "blk.#.attn_qkv",
                    &["layers.#.attention.query", "layers.#.attention.key", "layers.#.attention.value"],
                ),
                stored("blk.#.attn_output", &["layers.#.attention.output"]),
                stored("blk.#.ffn_up", &["layers.#.feed_forward.up"]),
                stored("blk.#.ffn_down", &["layers.#.feed_forward.down"]),
            ],
            NORMS,
        ],
    },
    Form {
        architecture: "qwen2",
        family: "qwen2",
        fields: &[FIELDS, RMS],
        tensors: &[QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, NORMS],
    },
    Form {
        architecture: "qwen3",
        family: "qwen3",
        fields: &[FIELDS, RMS],
        tensors: &[
            &[
                stored("blk.#.attn_q_norm", &["layers.#.attention.query_norm"]),
                stored("blk.#.attn_k_norm", &["layers.#.attention.key_norm"]),
            ],
            QUERY_AND_KEY,
            VALUE_AND_OUTPUT,
            GATED,
            NORMS,
        ],
    },
];

const QUERY_AND_KEY: &[Mapping] = &[
    stored("blk.#.attn_q", &["layers.#.attention.query"]),
    stored("blk.#.attn_k", &["layers.#.attention.key"]),
];

const VALUE_AND_OUTPUT: &[Mapping] = &[
    stored("token_embd", &["embed.tokens"]),
    stored("blk.#.attn_v", &["layers.#.attention.value"]),
    stored("blk.#.attn_output", &["layers.#.attention.output"]),
];

const GATED: &[Mapping] = &[
    stored("blk.#.ffn_gate", &["layers.#.feed_forward.gate"]),
    stored("blk.#.ffn_up", &["layers.#.feed_forward.up"]),
    stored("blk.#.ffn_down", &["layers.#.feed_forward.down"]),
];

const NORMS: &[Mapping] = &[
    stored("blk.#.attn_norm", &["layers.#.attention.norm"]),
    stored("blk.#.ffn_norm", &["layers.#.feed_forward.norm"]),
    stored("output_norm", &["final_norm"]),
];

/// The keys of most families.
const FIELDS: &[(&str, &str)] = &[
    ("embedding_length", "hidden_size"),
    ("block_count", "num_hidden_layers"),
    ("context_length", "max_position_embeddings"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "head_dim"),
    ("feed_forward_length", "intermediate_size"),
    ("rope.freq_base", "rope_theta"),
];

const RMS: &[(&str, &str)] = &[("attention.layer_norm_rms_epsilon", "rms_norm_eps")];

/// Where the LM head is.
const HEAD: &str = "output";
/// Divisors of the rotary frequencies, one a rotating pair.
const DIVISORS: &str = "rope_freqs.weight";
/// Keys that say nothing about what is computed, or that are read elsewhere.
const SILENT: [&str; 5] = [
    "vocab_size",
    "rope.dimension_count",
    "attention.value_length",
    "tensor_data_layout",
    "rope.scaling.finetuned",
];
/// Keys of the tokenizer that name special tokens.
const BOS: &str = "tokenizer.ggml.bos_token_id";
const ENDS: [&str; 3] =
    ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];
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
    static KNOWN: [Form; 4] = FORMS;
    static BASES: [Family; FAMILIES.len()] = FAMILIES;
    let form = KNOWN.iter().find(|form| form.architecture == architecture);
    let base = form.and_then(|form| BASES.iter().find(|family| family.name == form.family));
    let (Some(form), Some(base)) = (form, base) else {
        return Err(FormatError::UnsupportedFamily {
            file: metadata.file().to_owned(),
            family: architecture.chars().take(60).collect(),
            supported: format!("{} in GGUF files", FORMS.map(|form| form.architecture).join(", ")),
        });
    };
    let family = Family {
        part: None,
        name: base.name,
        read: base.read,
        prefixes: &[""],
        tensors: form.tensors,
        head: HEAD,
        ignored: &[DIVISORS],
        other_parts: &[],
        harmless_fields: base.harmless_fields,
    };
    let config = form.config(metadata, checkpoint)?;
    Ok(Described { family, config, form, base })
}

impl Described {
    /// The family reader's view of the stored names.
    pub fn names<'a>(&'a self, checkpoint: &'a Checkpoint) -> impl StoredNames + 'a {
        Names { described: self, checkpoint }
    }

    /// Puts into the configuration what lies among the tensors: divisors of the rotary frequencies.
    pub fn complete(&self, config: &mut ModelConfig, checkpoint: &Checkpoint) -> Result<(), FormatError> {
        let Some(index) = checkpoint.find(DIVISORS) else { return Ok(()) };
        let refuse = |reason: String| Err(FormatError::tensor(checkpoint.place(index), DIVISORS, reason));
        let stored = &checkpoint.tensors[index].stored;
        if stored.element.name() != "F32" {
            return refuse(format!("its elements are {}, but have to be F32", stored.element.name()));
        }
        let divisors: Vec<f64> = checkpoint
            .bytes(index)
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f64::from(f32::from_le_bytes(*bytes)))
            .collect();
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
        put("bos_token_id", json!(metadata.whole(BOS)?));
        let ends = ENDS.iter().filter_map(|key| metadata.whole(key).transpose());
        put("eos_token_id", json!(ends.collect::<Result<Vec<u64>, _>>()?));
        self.check_widths(metadata)?;
        if let Some(scaling) = rope_scaling(metadata, &prefix)? {
            put("rope_scaling", scaling);
        }
        Ok(Value::Object(config))
    }

    /// Refuses heads of which only a part rotates, and values of another width than keys.
    fn check_widths(&self, metadata: &Metadata) -> Result<(), FormatError> {
        let whole = |name: &str| metadata.whole(&format!("{}.{name}", self.architecture));
        let width = match whole("attention.key_length")? {
            Some(width) => Some(width),
            None => whole("embedding_length")?
                .zip(whole("attention.head_count").ok().flatten())
                .and_then(|(width, heads)| width.checked_div(heads)),
        };
        for name in ["rope.dimension_count", "attention.value_length"] {
            let (found, key) = (whole(name)?, format!("{}.{name}", self.architecture));
            if let (Some(found), Some(width)) = (found, width)
                && found != width
            {
                let reason = format!(
                    "it is {found}, but heads have {width} elements; other numbers are not supported"
                );
                return Err(metadata.error(&key, reason));
            }
        }
        Ok(())
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

/// `rope_scaling` of `config.json`.
fn rope_scaling(metadata: &Metadata, prefix: &str) -> Result<Option<Value>, FormatError> {
    let key = |name: &str| format!("{prefix}rope.scaling.{name}");
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
    scaling["original_max_position_embeddings"] = json!(metadata.whole(&key("original_context_length"))?);
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
