//! Nemotron-H (NVIDIA 2025), Nemotron Nano 2 and 3: layers of one block each, most with a state, some with attention
//! without positions, and feed-forward blocks or experts between them.

use super::family::{Family, Mapping, StoredNames, stored};
use super::layer_kinds::{self, LAYER_TYPES};
use super::mamba::{self, Spelling};
use super::{activation, experts, llama_like, mamba2, norm, per_layer};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingConfig, ExpertKind, ExpertsConfig,
    FeedForwardConfig, FeedForwardKind, HeadWeights, LayerConfig, LogitsConfig, Positions, ResidualConfig,
    SharedExpert, SharedGate,
};

pub(super) const FAMILY: Family = Family {
    name: "nemotron_h",
    read,
    prefixes: mamba2::PREFIXES,
    tensors: &[TENSORS, mamba::MIXER, EXPERTS],
    // Layers that draft a token more.
    ignored: &["mtp.*"],
    harmless_fields: &[
        // As other fields say it, or not used.
        "expand",
        "layer_norm_eps",
        "mamba_proj_bias",
        "n_shared_experts",
        "num_query_groups",
        "partial_rotary_factor",
        "rms_norm_eps",
        "rope_theta",
        "time_step_limit",
        // Sizes of experts that a model does not have.
        "moe_intermediate_size",
        "moe_latent_size",
        "moe_shared_expert_intermediate_size",
        "n_group",
        "n_routed_experts",
        "norm_topk_prob",
        "num_experts_per_tok",
        "routed_scaling_factor",
        "topk_group",
        // Of layers that draft a token more.
        "mtp_hybrid_override_pattern",
        "mtp_layers_block_type",
        "num_nextn_predict_layers",
        // Training, and how other programs compute.
        "moe_shared_expert_overlap",
        "output_router_logits",
        "chunk_size",
        "mamba_ssm_cache_dtype",
        "num_logits_to_keep",
        "rescale_prenorm_residual",
        "residual_in_fp32",
        "time_step_floor",
        "time_step_max",
        "use_mamba_kernels",
    ],
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored("embeddings", &["embed.tokens"]),
    stored("layers.#.norm", &["layers.#.attention.norm"]),
    stored("layers.#.norm", &["layers.#.feed_forward.norm"]),
    stored("layers.#.mixer.q_proj", &["layers.#.attention.query"]),
    stored("layers.#.mixer.k_proj", &["layers.#.attention.key"]),
    stored("layers.#.mixer.v_proj", &["layers.#.attention.value"]),
    stored("layers.#.mixer.o_proj", &["layers.#.attention.output"]),
    stored("layers.#.mixer.up_proj", &["layers.#.feed_forward.up"]),
    stored("layers.#.mixer.down_proj", &["layers.#.feed_forward.down"]),
    stored("norm_f", &["final_norm"]),
];

const EXPERTS: &[Mapping] = &[
    stored("layers.#.mixer.gate", &["layers.#.feed_forward.router"]),
    stored("layers.#.mixer.gate.e_score_correction_bias", &["layers.#.feed_forward.selection.bias"]),
    stored("layers.#.mixer.experts.*.up_proj", &["layers.#.feed_forward.experts.up"]),
    stored("layers.#.mixer.experts.*.down_proj", &["layers.#.feed_forward.experts.down"]),
    stored("layers.#.mixer.shared_experts.up_proj", &["layers.#.feed_forward.shared.up"]),
    stored("layers.#.mixer.shared_experts.down_proj", &["layers.#.feed_forward.shared.down"]),
];

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("num_attention_heads", 32),
    ("num_key_value_heads", 8),
    ("head_dim", 128),
    ("intermediate_size", 21_504),
    ("mamba_num_heads", 128),
    ("mamba_head_dim", 64),
    ("n_groups", 8),
    ("ssm_state_size", 128),
    ("max_position_embeddings", 4096),
];

const SPELLING: Spelling = Spelling {
    heads: "mamba_num_heads",
    head_width: "mamba_head_dim",
    groups: "n_groups",
    key_width: "ssm_state_size",
    kernel: "conv_kernel",
    convolution_bias: "use_conv_bias",
    input_bias: "use_bias",
    output_bias: "use_bias",
    module: "mixer",
};

/// One of the names of a spelling.
type Name = fn(&mut Spelling) -> &mut &'static str;

/// As other files spell some of them.
const OTHERWISE: [(&str, Name); 3] = [
    ("mamba_n_groups", |spelling| &mut spelling.groups),
    ("mamba_d_conv", |spelling| &mut spelling.kernel),
    ("mamba_conv_bias", |spelling| &mut spelling.convolution_bias),
];

/// The kinds of layers, a letter each.
const PATTERN: &str = "hybrid_override_pattern";
const LETTERS: [(char, Kind); 4] =
    [('M', Kind::State), ('*', Kind::Attention), ('-', Kind::FeedForward), ('E', Kind::Experts)];
/// The same as a list.
const LIST: &str = "layers_block_type";
const KINDS: [(&str, Kind); 6] = [
    ("linear_attention", Kind::State),
    ("mamba", Kind::State),
    ("full_attention", Kind::Attention),
    ("attention", Kind::Attention),
    ("mlp", Kind::FeedForward),
    ("moe", Kind::Experts),
];

/// What a layer's only block is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    State,
    Attention,
    FeedForward,
    Experts,
}

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let defaults = fields.or_sizes(SIZES);
    let fields = if fields.are_metadata() { fields } else { &defaults };
    let norm = match fields.optional_number("_rms_norm_eps")? {
        Some(_) => norm::rms(fields, "_rms_norm_eps")?,
        None => norm::rms_or(fields, "layer_norm_epsilon", 1e-5)?,
    };
    let kinds = kinds(fields)?;
    let blocks = Blocks::read(fields, &kinds, norm.epsilon)?;
    let layers = kinds.iter().enumerate().map(|(index, kind)| {
        let mut layer = LayerConfig {
            residual: ResidualConfig::default(),
            attention_norms: BlockNorms::before(norm),
            attention: None,
            recurrent: None,
            feed_forward_norms: BlockNorms::before(norm),
            feed_forward: None,
        };
        match kind {
            Kind::State => layer.recurrent = Some(blocks.state.of_layer(index, names)),
            Kind::Attention => layer.attention = Some(blocks.attention(index, names)),
            Kind::FeedForward => layer.feed_forward = Some(blocks.feed_forward(index, names)),
            Kind::Experts => layer.feed_forward = blocks.experts,
        }
        match kind {
            Kind::State | Kind::Attention => layer.feed_forward_norms = BlockNorms::NONE,
            Kind::FeedForward | Kind::Experts => layer.attention_norms = BlockNorms::NONE,
        }
        layer
    });
    Ok(ModelConfig {
        vocabulary: fields.size("vocab_size")?,
        width: fields.size("hidden_size")?,
        context: fields.size("max_position_embeddings")?,
        positions: Positions::InLayers,
        embedding: EmbeddingConfig::default(),
        layers: layers.collect(),
        final_norm: norm,
        head: llama_like::head(fields, HeadWeights::Separate)?,
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    })
}

/// The blocks as a configuration has them, for the layers with each.
struct Blocks {
    state: mamba::Block,
    attention: AttentionConfig,
    /// Of each layer, 0 where it has no attention; heads, and heads of keys and values.
    heads: Vec<usize>,
    key_value_heads: Vec<usize>,
    feed_forward: FeedForwardConfig,
    /// Of each layer, 0 where it has no such block.
    widths: Vec<usize>,
    experts: Option<FeedForwardConfig>,
}

impl Blocks {
    fn read(fields: &Fields, kinds: &[Kind], epsilon: f32) -> Result<Self, FormatError> {
        let inner = fields.optional_size(mamba::INNER_WIDTH)?.map(|inner| (mamba::INNER_WIDTH, inner));
        // llama.cpp knows no least time step.
        let name = if fields.names("mamba_dt_min") { "mamba_dt_min" } else { "time_step_min" };
        let least = match fields.optional_number(name)? {
            None if fields.are_metadata() => 0.0,
            least => least.unwrap_or(0.001),
        };
        if !(least >= 0.0 && least.is_finite()) {
            return Err(fields.error(name, "it has to be a number from 0"));
        }
        let mut spelling = SPELLING;
        for (name, place) in OTHERWISE.into_iter().filter(|(name, _)| fields.names(name)) {
            *place(&mut spelling) = name;
        }
        mamba::check_activation(fields, "mamba_hidden_act")?;
        let activation = activation::read(fields, "mlp_hidden_act", Activation::ReluSquared)?;
        let bias = match fields.optional_flag("mlp_bias")? {
            Some(true) => Bias::Present,
            _ => Bias::Absent,
        };
        let head_width = match fields.optional_size("attention_head_dim")? {
            Some(head_width) if !fields.names("head_dim") => head_width,
            _ => fields.size("head_dim")?,
        };
        let feed_forward = FeedForwardConfig { width: 0, kind: FeedForwardKind::Plain, activation, bias };
        let has_experts = kinds.contains(&Kind::Experts);
        let query_key_value_bias = match fields.optional_flag("attention_bias")? {
            Some(true) => Bias::Present,
            _ => Bias::Absent,
        };
        Ok(Self {
            state: mamba::Block::read(fields, &spelling, inner, epsilon)?
                .with_time_step([least as f32, f32::INFINITY]),
            attention: AttentionConfig {
                query_key_value_bias,
                output_bias: query_key_value_bias,
                ..AttentionConfig::plain(0, head_width)
            },
            heads: per_layer::sizes(fields, "num_attention_heads", kinds.len())?,
            key_value_heads: per_layer::sizes(fields, "num_key_value_heads", kinds.len())?,
            feed_forward,
            widths: per_layer::sizes(fields, "intermediate_size", kinds.len())?,
            experts: has_experts.then(|| plain_experts(fields, feed_forward)).transpose()?,
        })
    }

    /// That of a layer, with the biases that its files hold.
    fn attention(&self, layer: usize, names: &dyn StoredNames) -> AttentionConfig {
        let bias = |said: Bias, part: &str| match names.has(&format!("layers.{layer}.mixer.{part}.bias")) {
            true => Bias::Present,
            false => said,
        };
        AttentionConfig {
            heads: self.heads[layer],
            key_value_heads: self.key_value_heads[layer],
            query_key_value_bias: bias(self.attention.query_key_value_bias, "q_proj"),
            output_bias: bias(self.attention.output_bias, "o_proj"),
            ..self.attention.clone()
        }
    }

    /// The same of a feed-forward block.
    fn feed_forward(&self, layer: usize, names: &dyn StoredNames) -> FeedForwardConfig {
        let bias = match names.has(&format!("layers.{layer}.mixer.up_proj.bias")) {
            true => Bias::Present,
            false => self.feed_forward.bias,
        };
        FeedForwardConfig { width: self.widths[layer], bias, ..self.feed_forward }
    }
}

/// The kinds of layers: by a letter each, as a list, or as GGUF files have it, by what is 0 in a layer without it.
fn kinds(fields: &Fields) -> Result<Vec<Kind>, FormatError> {
    const LAYERS: &str = "num_hidden_layers";
    if fields.are_metadata() {
        return kinds_by_sizes(fields, per_layer::layers(fields, LAYERS)?);
    }
    let layers = match fields.get(LAYERS) {
        Some(_) => Some(per_layer::layers(fields, LAYERS)?),
        None => None,
    };
    for name in [LIST, LAYER_TYPES] {
        let Some(listed) = fields.optional_texts(name)? else { continue };
        let kinds = layer_kinds::read(fields, name, layers.unwrap_or(listed.len()), &KINDS)?;
        return Ok(kinds.unwrap_or_default());
    }
    let Some(pattern) = fields.optional_text(PATTERN)? else {
        return Err(fields.error(PATTERN, "it has to say what kind of block each layer has"));
    };
    let count = pattern.chars().count();
    if let Some(layers) = layers.filter(|layers| *layers != count) {
        let reason = format!("it has {count} letters, but there are {layers} layers");
        return Err(fields.error(PATTERN, reason));
    }
    let kind = |letter: char| {
        LETTERS.iter().find(|(known, _)| *known == letter).map(|(_, kind)| *kind).ok_or_else(|| {
            fields.error(PATTERN, format!("{letter} stands for no kind of layer here; M, *, - and E do"))
        })
    };
    pattern.chars().map(kind).collect()
}

fn kinds_by_sizes(fields: &Fields, layers: usize) -> Result<Vec<Kind>, FormatError> {
    let heads = per_layer::sizes(fields, "num_key_value_heads", layers)?;
    let widths = per_layer::sizes(fields, "intermediate_size", layers)?;
    let has_experts = fields.optional_number("n_routed_experts")?.is_some_and(|count| count > 0.0);
    Ok(heads
        .into_iter()
        .zip(widths)
        .map(|sizes| match sizes {
            (0, 0) => Kind::State,
            (_, 0) => Kind::Attention,
            _ if has_experts => Kind::Experts,
            _ => Kind::FeedForward,
        })
        .collect())
}

/// Plain experts that are chosen by sigmoids, biases and groups, beside one that computes every row.
fn plain_experts(fields: &Fields, block: FeedForwardConfig) -> Result<FeedForwardConfig, FormatError> {
    if fields.optional_size("moe_latent_size")?.is_some() {
        return Err(fields.error("moe_latent_size", "experts between two more linear maps are not supported"));
    }
    let count = fields.size("n_routed_experts")?;
    let shared_width = fields.size("moe_shared_expert_intermediate_size")?;
    let experts = ExpertsConfig {
        selection_bias: Bias::Present,
        kind: ExpertKind::Plain,
        shared: Some(SharedExpert { width: shared_width, gate: SharedGate::Absent }),
        // The other experts have none.
        shared_bias: block.bias,
        ..ExpertsConfig::new(count, fields.size("num_experts_per_tok")?, experts::sigmoids(fields, true)?)
    };
    let kind = FeedForwardKind::Experts(experts);
    Ok(FeedForwardConfig { width: fields.size("moe_intermediate_size")?, kind, bias: Bias::Absent, ..block })
}
