//! From a [`LoadRequest`] to a model that is ready: files, plan, tokenizer.
//!
//! Owns the order of these and their errors; knows neither threads nor windows. Everything that loads goes
//! through a [`Loader`], so that tests can run the worker on a model of their own.

use super::command::{LoadRequest, ModelSource};
use super::event::{BrokenAdapter, Loaded};
use super::run_error::MissingTokenizer;
use crate::formats::gguf::Metadata;
use crate::formats::gguf::keys::CHAT_TEMPLATE;
use crate::formats::{self, FormatError, ModelFile, TokenizerFiles, Vocabulary, is_end_text};
use crate::gpu::{self, GpuError, Progress};
use crate::model::binding::BindError;
use crate::model::conversion::{Converted, WeightsChoice};
use crate::model::weights::TensorInfo;
use crate::model::{CacheFormat, Fused, LanguageModel, Plan, WeightFormat, fuse, plan_decoder};
use crate::tokenizer::chat::{ChatTemplate, special_texts};
use crate::tokenizer::gguf::{GgufVocabulary, kind};
use crate::tokenizer::merges::MergesFiles;
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::trace::{AdapterFacts, ModelFacts};

/// A model that can run.
pub struct ReadyModel {
    /// What computes.
    pub model: Box<dyn LanguageModel>,
    /// What makes ids of text and back; `None` when the model's files have none.
    pub tokenizer: Option<Tokenizer>,
    /// Facts for a person.
    pub loaded: Loaded,
    /// What works but deserves a look.
    pub warnings: Vec<String>,
}

/// Who finds adapters and loads models for a worker.
pub trait Loader {
    /// The adapters of this machine.
    fn adapters(&mut self) -> Vec<AdapterFacts>;

    /// Loads a model. `progress` hears how far that is; its answer may end the loading, which is then
    /// [`LoadError::Stopped`].
    fn load(&mut self, request: &LoadRequest, progress: &mut Progress<'_>) -> Result<ReadyModel, LoadError>;

    /// Loads a model beside the one loaded last, on the same device whatever the request says; otherwise as
    /// [`Self::load`].
    fn load_draft(
        &mut self,
        request: &LoadRequest,
        progress: &mut Progress<'_>,
    ) -> Result<ReadyModel, LoadError>;

    /// Those of the adapters that are known not to work.
    fn broken_adapters(&mut self) -> Vec<BrokenAdapter> {
        Vec::new()
    }

    /// What to tell of adapters that loading passed over since the last call.
    fn take_warnings(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// A model's files, read and checked as far as that goes without a GPU.
pub struct Opened {
    /// The files; the weights are in the plan's order.
    pub file: ModelFile,
    /// What is computed.
    pub plan: Plan,
    /// The tokenizer, where there is one.
    pub tokenizer: Option<Tokenizer>,
    /// Why the tokenizer in the files cannot be used; `None` where it can, and where there is none.
    pub tokenizer_problem: Option<String>,
    /// Longest sequence that runs will have, in positions.
    pub context: usize,
}

/// Why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The files are no model.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The tensors do not fit the configuration.
    #[error("{path}: {reason}")]
    Bind {
        /// Where the model is.
        path: String,
        /// Which tensor, and why.
        reason: BindError,
    },
    /// The tokenizer's file cannot be used.
    #[error("{path}: {reason}")]
    Tokenizer {
        /// Where the model is.
        path: String,
        /// Why.
        reason: TokenizerError,
    },
    /// A context that the model cannot have.
    #[error("a context of {asked} positions was asked for, but {name} has 1 to {most}: ask for one of these")]
    Context {
        /// The model's name.
        name: String,
        /// Positions asked for.
        asked: usize,
        /// The model's own context.
        most: usize,
    },
    /// No device.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The device did not take the model.
    #[error(transparent)]
    Engine(#[from] gpu::LoadError),
    /// The user ended it.
    #[error("loading was stopped")]
    Stopped,
}

impl Opened {
    /// Reads everything but the weights, and checks that these are what the configuration asks for. `context`
    /// limits the context; `None` is the model's own. The weights are converted as they are read. The KV cache's
    /// format follows from them; see [`Self::with_cache`].
    pub fn open(
        source: &ModelSource,
        context: Option<usize>,
        weights: WeightsChoice,
    ) -> Result<Self, LoadError> {
        let mut file = match source {
            ModelSource::BuiltIn => formats::open_built_in()?,
            ModelSource::Path(path) => formats::open(path)?,
        };
        let most = file.config.context;
        let context = context.unwrap_or(most);
        if !(1..=most).contains(&context) {
            return Err(LoadError::Context { name: file.name, asked: context, most });
        }
        file.config.context = context;
        let mut plan = plan_decoder(&file.config);
        let bound = plan.bind(file.weights);
        file.weights = Box::new(bound.map_err(|reason| LoadError::Bind { path: file.path.clone(), reason })?);
        if weights != WeightsChoice::Original {
            let converted = Converted::new(file.weights, &plan, weights);
            file.warnings.extend(converted.warning());
            file.weights = Box::new(converted);
        }
        plan.cache_format = CacheFormat::for_weights(file.weights.tensors());
        let (tokenizer, tokenizer_problem) = match &file.tokenizer {
            None => (None, None),
            Some(TokenizerFiles::Gguf(metadata)) => {
                let made = gguf_tokenizer(metadata, &file.special.eos, &mut file.warnings)?;
                usable(made, &mut file)?
            }
            Some(TokenizerFiles::Folder { vocabulary, tokenizer_config, added_tokens, chat_template }) => {
                let (config, added) = (tokenizer_config.as_ref(), added_tokens.as_ref());
                let made = tokenizer(vocabulary, config, added, chat_template.as_deref());
                usable(made, &mut file)?
            }
        };
        Ok(Self { file, plan, tokenizer, tokenizer_problem, context })
    }

    /// With another format of the KV cache; `None` leaves it.
    pub fn with_cache(mut self, format: Option<CacheFormat>) -> Self {
        self.plan.cache_format = format.unwrap_or(self.plan.cache_format);
        self
    }

    /// The plan and the weights as an engine runs them.
    pub fn fused(&self) -> Fused<'_> {
        fuse(&self.plan, &*self.file.weights)
    }

    /// Why a prompt cannot be put as a chat; `None` where it can.
    pub fn chat_problem(&self) -> Option<String> {
        match &self.tokenizer {
            None => Some(format!("The model has {}.", MissingTokenizer(self.tokenizer_problem.clone()))),
            Some(tokenizer) => tokenizer.chat.as_ref().err().map(ToString::to_string),
        }
    }

    /// What is known of the model before it is on a device: the bytes there are still 0.
    pub fn facts(&self) -> ModelFacts {
        let config = &self.file.config;
        let attention = config.layers.first().map(|layer| &layer.attention);
        ModelFacts {
            name: self.file.name.clone(),
            path: self.file.path.clone(),
            family: self.file.family.clone(),
            parameters: self.file.parameters,
            weights: format_names(self.file.weights.tensors()),
            layers: config.layers.len(),
            width: config.width,
            heads: attention.map_or(0, |attention| attention.heads),
            key_value_heads: attention.map_or(0, |attention| attention.key_value_heads),
            head_width: attention.map_or(0, |attention| attention.head_width),
            vocabulary: config.vocabulary,
            context: self.context,
            weight_bytes: 0,
            cache_bytes_per_position: self.plan.cache_bytes_per_position(),
        }
    }
}

/// The tokenizer that the files describe, with its chat template. A broken template is told where it is used: the
/// model runs without.
fn tokenizer(
    vocabulary: &Vocabulary,
    config: Option<&serde_json::Value>,
    added_tokens: Option<&serde_json::Value>,
    chat_template: Option<&str>,
) -> Result<Tokenizer, TokenizerError> {
    let mut special = config.map(special_texts).unwrap_or_default();
    let mut tokenizer = match vocabulary {
        Vocabulary::TokenizerJson(contents) => {
            Tokenizer::from_json_and_tokens(contents, config, added_tokens)?
        }
        Vocabulary::SentencePiece(contents) => Tokenizer::from_sentencepiece(contents, config, added_tokens)?,
        Vocabulary::Merges { pieces, merges, stated_class, family_class } => {
            let files = MergesFiles {
                vocabulary: pieces,
                merges,
                added_tokens,
                config,
                stated_class: stated_class.as_deref(),
                family_class: *family_class,
            };
            special = special_texts(&files.special_tokens()?);
            Tokenizer::from_merges(files)?
        }
    };
    if let Some(source) = chat_template {
        tokenizer.chat = ChatTemplate::new(source, special);
    }
    Ok(tokenizer)
}

/// The tokenizer that was made. Where the files do not say how to tokenise, that is a warning, and the reason comes
/// back: the model runs on token ids.
fn usable(
    made: Result<Tokenizer, TokenizerError>,
    file: &mut ModelFile,
) -> Result<(Option<Tokenizer>, Option<String>), LoadError> {
    match made {
        Ok(tokenizer) => Ok((Some(tokenizer), None)),
        Err(TokenizerError::Unreproducible { reason }) => {
            file.warnings.push(TokenizerError::Unreproducible { reason: reason.clone() }.to_string());
            Ok((None, Some(reason)))
        }
        Err(reason) => Err(LoadError::Tokenizer { path: file.path.clone(), reason }),
    }
}

/// The tokenizer in a GGUF file's metadata, with its chat template; `ends` are the tokens that end a text. What is
/// odd about its tokens is a warning.
fn gguf_tokenizer(
    metadata: &Metadata,
    ends: &[u32],
    warnings: &mut Vec<String>,
) -> Result<Result<Tokenizer, TokenizerError>, FormatError> {
    let mut vocabulary = gguf_vocabulary(metadata, warnings)?;
    mark_ends(&mut vocabulary, ends);
    let template = metadata.text(CHAT_TEMPLATE)?;
    let made = Tokenizer::from_gguf(&vocabulary).map(|mut tokenizer| {
        if let Some(source) = template {
            tokenizer.chat = ChatTemplate::new(source, special_texts(&vocabulary.special_tokens()));
        }
        tokenizer
    });
    if made.is_ok() {
        warnings.extend(vocabulary.oddities());
    }
    Ok(made)
}

/// What `tokenizer.ggml.*` says.
fn gguf_vocabulary(metadata: &Metadata, warnings: &mut Vec<String>) -> Result<GgufVocabulary, FormatError> {
    let key = |name: &str| format!("tokenizer.ggml.{name}");
    let texts = |name: &str| Ok(metadata.byte_texts(&key(name))?.unwrap_or_default());
    let tokens: Vec<&[u8]> = texts("tokens")?;
    let lossy: Vec<String> = tokens.iter().map(|token| String::from_utf8_lossy(token).into_owned()).collect();
    let broken = tokens.iter().enumerate().filter(|(_, token)| std::str::from_utf8(token).is_err());
    // No text is merged to a token that is no UTF-8.
    let merges = texts("merges")?.into_iter().filter_map(|merge| std::str::from_utf8(merge).ok());
    let id = |name: &str| formats::gguf_special_id(metadata, name);
    let inside = |id: i64| u64::try_from(id).ok().filter(|&id| id < tokens.len() as u64);
    // Of the other special ids the file's reader tells.
    let unknown = id("unknown_token_id")?;
    if let Some(outside) = unknown.filter(|&id| inside(id).is_none()) {
        let count = tokens.len();
        warnings
            .push(format!("unknown_token_id names {outside}, outside the vocabulary of {count}; ignored"));
    }
    Ok(GgufVocabulary {
        model: metadata.text(&key("model"))?.unwrap_or_default().to_owned(),
        pre: metadata.text(&key("pre"))?.map(str::to_owned),
        broken: broken.map(|(id, token)| (id, token.to_vec())).collect(),
        scores: metadata.numbers(&key("scores"))?.unwrap_or_default(),
        merges: merges.map(str::to_owned).collect(),
        kinds: metadata.numbers(&key("token_type"))?.unwrap_or_default(),
        bos: id("bos_token_id")?.and_then(inside),
        eos: id("eos_token_id")?.and_then(inside),
        unknown: unknown.and_then(inside),
        add_bos: metadata.flag(&key("add_bos_token"))?,
        add_eos: metadata.flag(&key("add_eos_token"))?,
        add_space_prefix: metadata.flag(&key("add_space_prefix"))?,
        // The file stores these as a kind of number.
        precompiled_charsmap: metadata
            .numbers(&key("precompiled_charsmap"))?
            .map(|numbers| numbers.into_iter().map(|byte| byte as i64 as u8).collect())
            .unwrap_or_default(),
        remove_extra_whitespaces: metadata.flag(&key("remove_extra_whitespaces"))?,
        tokens: lossy,
    })
}

/// Makes control tokens of those whose text alone tells that they end one, as llama.cpp does: files give them other
/// types by mistake.
fn mark_ends(vocabulary: &mut GgufVocabulary, ends: &[u32]) {
    if vocabulary.kinds.is_empty() {
        vocabulary.kinds.resize(vocabulary.tokens.len(), kind::NORMAL);
    }
    for id in ends.iter().map(|&id| id as usize) {
        let text = vocabulary.tokens.get(id);
        if let (Some(true), Some(its)) = (text.map(|text| is_end_text(text)), vocabulary.kinds.get_mut(id)) {
            *its = kind::CONTROL;
        }
    }
}

/// The storage formats of tensors, most bytes first: `bf16`, or `f16 + f32`.
pub fn format_names(tensors: &[TensorInfo]) -> String {
    let mut bytes: Vec<(WeightFormat, usize)> = Vec::new();
    for tensor in tensors {
        let size = tensor.rows * tensor.row_bytes();
        match bytes.iter_mut().find(|(format, _)| *format == tensor.format) {
            Some((_, sum)) => *sum += size,
            None => bytes.push((tensor.format, size)),
        }
    }
    bytes.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
    let names: Vec<&str> = bytes.iter().map(|(format, _)| format.name()).collect();
    names.join(" + ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_named_once_the_heaviest_first() {
        let tensor = |columns, format| TensorInfo { name: String::new(), rows: 1, columns, format };
        let tensors = [
            tensor(3, WeightFormat::F32),
            tensor(4, WeightFormat::F16),
            tensor(4, WeightFormat::F16),
            tensor(0, WeightFormat::F32),
        ];
        assert_eq!(format_names(&tensors), "f16 + f32");
    }
}
