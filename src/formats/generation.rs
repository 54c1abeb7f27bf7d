//! What a model's own files say about how to decode with it: `generation_config.json`, where there is none
//! `config.json`, and the keys about sampling of a GGUF file.
//!
//! Only reads: what to do with it is a person's choice. What makes no sense is left out, with a warning, since a model
//! runs without it.

use serde::Serialize;
use serde_json::{Value, json};

use super::error::FormatError;
use super::folder::{CONFIG, Folder};
use super::gguf::Metadata;
use super::json;
use super::special::GENERATION_CONFIG;

/// The key of a GGUF file for tokens that are never chosen.
const SUPPRESSED: &str = "tokenizer.ggml.suppress_tokens";

/// A model's own settings, by transformers' names. `None`, or empty, is what its files do not mention.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GenerationDefaults {
    /// Whether tokens are drawn; otherwise the most probable one is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_sample: Option<bool>,
    /// Divides the logits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Keeps the k highest; 0 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    /// Keeps the fewest tokens whose probabilities reach p together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Keeps tokens with at least this fraction of the highest probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Keeps tokens whose surprise is nearest to the entropy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    /// Keeps tokens with at least this probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon_cutoff: Option<f64>,
    /// The same with a threshold that sinks with rising entropy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_cutoff: Option<f64>,
    /// Divides positive and multiplies negative logits of tokens in prompt or text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f64>,
    /// Cuts tokens that would repeat an n-gram of so many tokens; 0 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_repeat_ngram_size: Option<u64>,
    /// Cuts tokens that would complete one of these sequences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bad_words_ids: Vec<Vec<u32>>,
    /// Cuts these tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suppress_tokens: Vec<u32>,
    /// Cuts these tokens from the first step alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub begin_suppress_tokens: Vec<u32>,
    /// Fewest positions of prompt and text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u64>,
    /// Fewest new tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_new_tokens: Option<u64>,
    /// Most positions of prompt and text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// Most new tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_new_tokens: Option<u64>,
    /// Hypotheses of beam search; 1 is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_beams: Option<u64>,
    /// Exponent of the length that a hypothesis's score is divided by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_penalty: Option<f64>,
    /// Weight of the degeneration penalty of contrastive search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalty_alpha: Option<f64>,
}

impl GenerationDefaults {
    /// Whether the files say nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Those of a folder. `config` is the contents of `config.json`, and `vocabulary` the number of ids.
    pub(super) fn of_folder(
        folder: &Folder,
        config: &Value,
        vocabulary: usize,
        warnings: &mut Vec<String>,
    ) -> Result<Self, FormatError> {
        if let Some(value) = folder.read_json(GENERATION_CONFIG)? {
            return Ok(Self::of_values(GENERATION_CONFIG, &[&value], vocabulary, warnings));
        }
        // Files of older models have them here, or where their decoder is described.
        Ok(Self::of_values(CONFIG, &[config, &config["text_config"]], vocabulary, warnings))
    }

    /// Those of a GGUF file.
    pub(super) fn of_metadata(
        metadata: &Metadata,
        vocabulary: usize,
        warnings: &mut Vec<String>,
    ) -> Result<Self, FormatError> {
        let mut value = serde_json::Map::new();
        for (key, name) in [
            ("temp", "temperature"),
            ("top_k", "top_k"),
            ("top_p", "top_p"),
            ("min_p", "min_p"),
            ("penalty_repeat", "repetition_penalty"),
        ] {
            let key = format!("general.sampling.{key}");
            if metadata.has(&key) {
                value.insert(name.to_owned(), metadata.json(&key)?);
            }
        }
        if metadata.has(SUPPRESSED) {
            let whole =
                |number: f64| if number.fract() == 0.0 { json!(number as i64) } else { json!(number) };
            let ids = metadata.numbers(SUPPRESSED)?.unwrap_or_default();
            value.insert("suppress_tokens".to_owned(), ids.into_iter().map(whole).collect());
        }
        Ok(Self::of_values("the metadata", &[&Value::Object(value)], vocabulary, warnings))
    }

    /// Of several objects the first with a field counts.
    fn of_values(place: &str, values: &[&Value], vocabulary: usize, warnings: &mut Vec<String>) -> Self {
        let mut reader = Reader { place, values, vocabulary, warnings };
        Self {
            do_sample: reader.read("do_sample", "true or false", Value::as_bool),
            temperature: reader.number("temperature", |number| number >= 0.0),
            top_k: reader.whole("top_k"),
            top_p: reader.number("top_p", |number| (0.0..=1.0).contains(&number)),
            min_p: reader.number("min_p", |number| (0.0..=1.0).contains(&number)),
            typical_p: reader.number("typical_p", |number| (0.0..=1.0).contains(&number)),
            epsilon_cutoff: reader.number("epsilon_cutoff", |number| (0.0..=1.0).contains(&number)),
            eta_cutoff: reader.number("eta_cutoff", |number| (0.0..=1.0).contains(&number)),
            repetition_penalty: reader.number("repetition_penalty", |number| number > 0.0),
            no_repeat_ngram_size: reader.whole("no_repeat_ngram_size"),
            bad_words_ids: reader.sequences("bad_words_ids"),
            suppress_tokens: reader.ids("suppress_tokens"),
            begin_suppress_tokens: reader.ids("begin_suppress_tokens"),
            min_length: reader.whole("min_length"),
            min_new_tokens: reader.whole("min_new_tokens"),
            max_length: reader.whole("max_length"),
            max_new_tokens: reader.whole("max_new_tokens"),
            num_beams: reader.whole("num_beams"),
            length_penalty: reader.number("length_penalty", |_| true),
            penalty_alpha: reader.number("penalty_alpha", |number| (0.0..=1.0).contains(&number)),
        }
    }
}

/// Fields on their way into [`GenerationDefaults`].
struct Reader<'a> {
    /// Where they are, for warnings.
    place: &'a str,
    values: &'a [&'a Value],
    vocabulary: usize,
    warnings: &'a mut Vec<String>,
}

impl<'a> Reader<'a> {
    /// A field, if it is there and not `null`.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.values.iter().find_map(|value| value.get(name).filter(|value| !value.is_null()))
    }

    /// What `read` makes of a field; with a warning where that is nothing.
    fn read<T>(&mut self, name: &str, what: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.get(name)?;
        let found = read(value);
        if found.is_none() {
            let shown: String = json::shown(value).chars().take(60).collect();
            self.warnings.push(format!("{name} in {} is {shown}, but has to be {what}; ignored", self.place));
        }
        found
    }

    fn number(&mut self, name: &str, fits: impl FnOnce(f64) -> bool) -> Option<f64> {
        let read = |value| json::as_number(value).filter(|number| number.is_finite() && fits(*number));
        self.read(name, "a number in its range", read)
    }

    fn whole(&mut self, name: &str) -> Option<u64> {
        self.read(name, "a whole number from 0", Value::as_u64)
    }

    /// A list of token ids; those outside the vocabulary are left out, with a warning.
    fn ids(&mut self, name: &str) -> Vec<u32> {
        let list = |value: &Value| value.as_array()?.iter().map(Value::as_i64).collect::<Option<Vec<i64>>>();
        let found = self.read(name, "a list of token ids", list).unwrap_or_default();
        self.inside(name, found)
    }

    /// A list of sequences of token ids. One with an id outside the vocabulary never comes up.
    fn sequences(&mut self, name: &str) -> Vec<Vec<u32>> {
        let list = |value: &Value| {
            let sequence =
                |value: &Value| value.as_array()?.iter().map(Value::as_i64).collect::<Option<Vec<i64>>>();
            value.as_array()?.iter().map(sequence).collect::<Option<Vec<Vec<i64>>>>()
        };
        let found = self.read(name, "a list of lists of token ids", list).unwrap_or_default();
        let sequences = found.into_iter().map(|sequence| (sequence.len(), self.inside(name, sequence)));
        sequences
            .filter(|(length, inside)| *length == inside.len() && *length > 0)
            .map(|(_, ids)| ids)
            .collect()
    }

    fn inside(&mut self, name: &str, ids: Vec<i64>) -> Vec<u32> {
        let (inside, outside): (Vec<i64>, Vec<i64>) =
            ids.into_iter().partition(|id| usize::try_from(*id).is_ok_and(|id| id < self.vocabulary));
        if let Some(first) = outside.first() {
            let vocabulary = self.vocabulary;
            self.warnings
                .push(format!("{name} names {first}, outside the vocabulary of {vocabulary}; ignored"));
        }
        inside.into_iter().filter_map(|id| u32::try_from(id).ok()).collect()
    }
}
