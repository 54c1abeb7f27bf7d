//! A model's files, read and checked as far as that goes without a GPU, and brought to one.

use std::sync::Arc;

use super::command::ModelSource;
use super::drafting_head::HeadFiles;
use super::load::LoadError;
use super::run_error::MissingTokenizer;
use super::tokenizer_files;
use crate::formats::{self, BuiltIn, ModelFile};
use crate::gpu::{Device, Engine, Progress};
use crate::model::conversion::WeightsChoice;
use crate::model::weights::TensorInfo;
use crate::model::{CacheFormat, Fused, Plan, WeightFormat, fuse, plan_decoder};
use crate::tokenizer::Tokenizer;
use crate::tokenizer::chat::{ChatTemplate, Switch};
use crate::trace::ModelFacts;

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
    /// In what precision the weights are computed with.
    precision: WeightsChoice,
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
            ModelSource::BuiltIn => formats::open_built_in(BuiltIn::Model)?,
            ModelSource::BuiltInDraft => formats::open_built_in(BuiltIn::Draft)?,
            ModelSource::Path(path) => formats::open(path)?,
            ModelSource::Server(address) => return Err(LoadError::Elsewhere(address.to_string())),
        };
        let most = file.config.context;
        let context = context.unwrap_or(most);
        if !(1..=most).contains(&context) {
            return Err(LoadError::Context { name: file.name, asked: context, most });
        }
        file.config.context = context;
        let mut plan = plan_decoder(&file.config).with_orders(file.weights.tensors());
        let bound = plan.bind(file.weights);
        let bound = bound.map_err(|reason| LoadError::Bind { path: file.path.clone(), reason })?;
        let (converted, warning) = weights.convert(bound, &plan);
        file.warnings.extend(warning);
        file.weights = converted;
        plan.cache_format = CacheFormat::for_weights(file.weights.tensors());
        let (tokenizer, tokenizer_problem) = tokenizer_files::read(&mut file)?;
        Ok(Self { file, plan, tokenizer, tokenizer_problem, context, precision: weights })
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

    /// The head that drafts, where the files have one.
    pub fn drafting_head(&self) -> Option<HeadFiles> {
        self.file.has_drafting_head.then(|| HeadFiles {
            path: self.file.path.clone().into(),
            decoder: self.file.config.clone(),
            weights: self.precision,
            cache: self.plan.cache_format,
        })
    }

    /// Switches that the template for a chat reads.
    pub fn chat_switches(&self) -> Vec<Switch> {
        let template = self.tokenizer.as_ref().and_then(|tokenizer| tokenizer.chat.as_ref().ok());
        template.map(ChatTemplate::switches).unwrap_or_default()
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
        let attention = config.first_attention();
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
            state_bytes_per_sequence: self.plan.state_bytes(),
            layers_keep: config.layers_keep(),
            streaming: None,
            server: None,
        }
    }

    /// Brings the weights to a device. `progress` is as [`super::Loader::load`] has it.
    pub fn engine(
        &self,
        device: impl Into<Arc<Device>>,
        progress: &mut Progress<'_>,
    ) -> Result<Engine, LoadError> {
        let Fused { plan, weights } = self.fused();
        Ok(Engine::load(device, plan, self.context, &weights, progress)?)
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
