//! Gemma 4 (Gemma Team 2026), the text decoder: norms around both blocks with plain weights, five layers with a window for
//! each without, whose heads are wider and of which only some pairs turn, norms of values, and a factor on the residual
//! stream after each layer. The smallest have layers that read the caches of others, and embeddings by layer; one has
//! experts beside its blocks.
//!
//! Defaults are those of Hugging Face transformers 5.23.

use super::family::{Family, Mapping, StoredNames, laid_out, layer_indices, stored};
use super::rope::{self, Rope};
use super::window::{self, Sight};
use super::{activation, llama_like, norm, per_layer};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingByLayer, EmbeddingConfig, ExpertsApart,
    ExpertsConfig, FeedForwardConfig, FeedForwardKind, HeadNormExtent, HeadWeights, KeysValues,
    KeysValuesConfig, LayerConfig, LogitsConfig, NormConfig, Positions, ResidualConfig, RouterConfig,
    ScoresConfig, SharedExpert, SharedGate, StreamFactor,
};
use crate::model::rotary::{RotaryConfig, RotaryScaling};

pub(super) const FAMILY: Family = Family {
    name: "gemma4_text",
    read,
    tensors: &[
        llama_like::ATTENTION,
        llama_like::HEAD_NORMS,
        llama_like::FEED_FORWARD,
        NORMS,
        EXPERTS,
        BY_LAYER,
    ],
    ignored: UNREAD,
    harmless_fields: HARMLESS_FIELDS,
    ..llama_like::USUAL
};

/// The same decoder as the models without towers for images and sounds have it.
pub(super) const UNIFIED: Family = Family { name: "gemma4_unified_text", read: read_unified, ..FAMILY };

/// What the names of the other parts' tensors begin with.
pub(super) const OTHER_PARTS: &[&str] = &[
    "model.vision_tower.",
    "model.vision_embedder.",
    "model.embed_vision.",
    "model.audio_tower.",
    "model.embed_audio.",
];

const NORMS: &[Mapping] = &[
    stored("layers.#.input_layernorm", &["layers.#.attention.norm"]),
    stored("layers.#.post_attention_layernorm", &["layers.#.attention.update_norm"]),
    stored("layers.#.pre_feedforward_layernorm", &["layers.#.feed_forward.norm"]),
    stored("layers.#.post_feedforward_layernorm", &["layers.#.feed_forward.update_norm"]),
    stored(STREAM_FACTOR, &["layers.#.stream.factor.weight"]),
    stored("norm", &["final_norm"]),
];

/// The experts, and the block beside them, which is called as that of layers without any.
const EXPERTS: &[Mapping] = &[
    stored("layers.#.mlp.gate_proj", &["layers.#.feed_forward.shared.gate"]),
    stored("layers.#.mlp.up_proj", &["layers.#.feed_forward.shared.up"]),
    stored("layers.#.mlp.down_proj", &["layers.#.feed_forward.shared.down"]),
    stored("layers.#.router.proj", &["layers.#.feed_forward.router"]),
    stored("layers.#.router.scale", &["layers.#.feed_forward.router.norm.weight"]),
    stored("layers.#.router.per_expert_scale", &["layers.#.feed_forward.experts.factors.weight"]),
    laid_out(
        Layout::ByExpert,
        "layers.#.experts.gate_up_proj",
        &["layers.#.feed_forward.experts.gate.weight", "layers.#.feed_forward.experts.up.weight"],
    ),
    laid_out(Layout::ByExpert, "layers.#.experts.down_proj", &["layers.#.feed_forward.experts.down.weight"]),
    stored("layers.#.pre_feedforward_layernorm_2", &["layers.#.feed_forward.experts.norm"]),
    stored("layers.#.post_feedforward_layernorm_2", &["layers.#.feed_forward.experts.update_norm"]),
    stored("layers.#.post_feedforward_layernorm_1", &["layers.#.feed_forward.shared.update_norm"]),
];

/// What tokens have for each layer.
const BY_LAYER: &[Mapping] = &[
    stored("embed_tokens_per_layer", &["embed.by_layer"]),
    stored("per_layer_model_projection", &["embed.projection"]),
    stored("per_layer_projection_norm", &["embed.projection_norm"]),
    stored("layers.#.per_layer_input_gate", &["layers.#.feed_forward.by_layer.gate"]),
    stored("layers.#.per_layer_projection", &["layers.#.feed_forward.by_layer.output"]),
    stored("layers.#.post_per_layer_input_norm", &["layers.#.feed_forward.by_layer.norm"]),
];

const STREAM_FACTOR: &str = "layers.#.layer_scalar";

/// Projections that published files have for layers that do not use them.
const UNREAD: &[&str] = &[
    "layers.#.self_attn.k_proj.weight",
    "layers.#.self_attn.v_proj.weight",
    "layers.#.self_attn.k_norm.weight",
    "layers.#.self_attn.v_norm.weight",
];

/// Of the configuration's own part: what it is called, and what counts where there are no embeddings by layer.
const HARMLESS_FIELDS: &[&str] =
    &["model_type", "vocab_size_per_layer_input", "num_experts", "top_k_experts", "moe_intermediate_size"];

/// What files leave out.
const SIZES: &[(&str, usize)] = &[
    ("vocab_size", 262_144),
    ("hidden_size", 2304),
    ("intermediate_size", 9216),
    ("num_hidden_layers", 30),
    ("num_attention_heads", 8),
    ("num_key_value_heads", 4),
    ("head_dim", 256),
    ("max_position_embeddings", 131_072),
];

/// The same, in models without towers.
const UNIFIED_SIZES: &[(&str, usize)] = &[
    ("vocab_size", 262_144),
    ("hidden_size", 2304),
    ("intermediate_size", 9216),
    ("num_hidden_layers", 30),
    ("num_attention_heads", 8),
    ("num_key_value_heads", 4),
    ("head_dim", 256),
    ("max_position_embeddings", 262_144),
];

/// Elements of a head where a layer sees everything.
const WIDE_HEAD: usize = 512;

/// What makes the layers.
struct Decoder<'a, 'f> {
    fields: &'a Fields<'f>,
    names: &'a dyn StoredNames,
    context: usize,
    norm: NormConfig,
    window: Option<usize>,
    sights: Vec<Sight>,
    heads: usize,
    /// Key/value heads and elements of a head, by layer.
    shapes: Vec<[usize; 2]>,
    widths: Vec<usize>,
    /// The first layer that reads the cache of another.
    first_shared: usize,
    activation: Activation,
    bias: Bias,
}

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let defaults = fields.or_sizes(SIZES);
    let (fields, by_layer) = if fields.are_metadata() { (fields, 0) } else { (&defaults, 256) };
    read_with(fields, names, 512, by_layer)
}

fn read_unified(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    read_with(&fields.or_sizes(UNIFIED_SIZES), names, 1024, 0)
}

/// Reads it. The window's size and that of the embeddings by layer are those where the configuration has none.
fn read_with(
    fields: &Fields,
    names: &dyn StoredNames,
    window: usize,
    by_layer: usize,
) -> Result<ModelConfig, FormatError> {
    refuse(fields)?;
    let layers = layer_indices(fields, "num_hidden_layers")?.len();
    let sights = sights(fields, layers)?;
    let shared = fields.optional_count("num_kv_shared_layers")?.unwrap_or(0);
    let Some(first_shared) = layers.checked_sub(shared) else {
        return Err(fields.error("num_kv_shared_layers", format!("there are only {layers} layers")));
    };
    let decoder = Decoder {
        fields,
        names,
        context: fields.size("max_position_embeddings")?,
        norm: norm::rms(fields, "rms_norm_eps")?,
        window: window::size(fields, window)?,
        heads: fields.size("num_attention_heads")?,
        shapes: shapes(fields, &sights)?,
        widths: widths(fields, layers, first_shared)?,
        first_shared,
        activation: activation::read(fields, "hidden_activation", Activation::GeluTanh)?,
        bias: match fields.optional_flag("attention_bias")? {
            Some(true) => Bias::Present,
            _ => Bias::Absent,
        },
        sights,
    };
    let width = fields.size("hidden_size")?;
    let vocabulary = fields.size("vocab_size")?;
    let by_layer = embedding_by_layer(fields, &decoder, by_layer, vocabulary)?;
    let cap = fields.optional_number("final_logit_softcapping")?;
    Ok(ModelConfig {
        vocabulary,
        width,
        context: decoder.context,
        positions: Positions::InLayers,
        embedding: EmbeddingConfig { scale: (width as f64).sqrt() as f32, norm: None, by_layer },
        layers: (0..layers).map(|layer| decoder.layer(layer)).collect::<Result<_, _>>()?,
        final_norm: decoder.norm,
        head: llama_like::head(fields, HeadWeights::Tied)?,
        head_bias: Bias::Absent,
        logits: LogitsConfig { cap: cap.map(|cap| cap as f32), ..LogitsConfig::default() },
    })
}

/// What tokens have for each layer; its width is `usual` where the configuration does not mention it.
fn embedding_by_layer(
    fields: &Fields,
    decoder: &Decoder,
    usual: usize,
    vocabulary: usize,
) -> Result<Option<EmbeddingByLayer>, FormatError> {
    const WIDTH: &str = "hidden_size_per_layer_input";
    const ROWS: &str = "vocab_size_per_layer_input";
    // `null` is none.
    let usual = if fields.names(WIDTH) { 0 } else { usual };
    let width = fields.optional_count(WIDTH)?.unwrap_or(usual);
    if width == 0 {
        return Ok(None);
    }
    if fields.optional_size(ROWS)?.is_some_and(|rows| rows != vocabulary) {
        return Err(
            fields.error(ROWS, format!("only {vocabulary}, the size of the vocabulary, is supported"))
        );
    }
    Ok(Some(EmbeddingByLayer { width, norm: decoder.norm, activation: decoder.activation }))
}

/// Refuses what would be computed otherwise.
fn refuse(fields: &Fields) -> Result<(), FormatError> {
    const SEES: &str = "use_bidirectional_attention";
    match fields.optional_text(SEES)? {
        // Images alone see what comes after them.
        None | Some("vision") => {}
        Some(_) => return Err(fields.error(SEES, "rows that see later ones are not supported")),
    }
    let width = fields.optional_size("head_dim")?;
    for name in ["width_of_values", "rotary_width_of_windows"] {
        if fields.optional_size(name)?.is_some_and(|found| Some(found) != width) {
            return Err(fields.error(name, "only the width of keys is supported"));
        }
    }
    Ok(())
}

/// How far each layer sees: every sixth, and the last, to the beginning.
fn sights(fields: &Fields, layers: usize) -> Result<Vec<Sight>, FormatError> {
    let usual = |index: usize| if (index + 1).is_multiple_of(6) { Sight::Full } else { Sight::Windowed };
    let mut sights = window::sights(fields, layers, usual)?;
    if let Some(last) = sights.last_mut() {
        *last = Sight::Full;
    }
    Ok(sights)
}

/// Widths of the feed-forward blocks, which may be double in layers that read the cache of another. GGUF files have the
/// number of each.
fn widths(fields: &Fields, layers: usize, first_shared: usize) -> Result<Vec<usize>, FormatError> {
    let mut widths = per_layer::sizes(fields, "intermediate_size", layers)?;
    if fields.optional_flag("use_double_wide_mlp")? == Some(true) {
        widths.iter_mut().skip(first_shared).for_each(|width| *width = width.saturating_mul(2));
    }
    Ok(widths)
}

/// The key/value heads of each layer, and the elements of a head. Layers without a window may have others than the rest,
/// by fields of their own; or any layer may, in an object by its number.
fn shapes(fields: &Fields, sights: &[Sight]) -> Result<Vec<[usize; 2]>, FormatError> {
    const BY_LAYER: &str = "per_layer_config";
    let usual_width = fields.size("head_dim")?;
    let usual_heads = per_layer::sizes(fields, "num_key_value_heads", sights.len())?;
    let by_layer = fields.optional_object(BY_LAYER)?;
    let wide = fields.optional_size("global_head_dim")?.unwrap_or(WIDE_HEAD);
    let global_heads = match fields.optional_flag("attention_k_eq_v")? {
        Some(true) => fields.optional_size("num_global_key_value_heads")?,
        _ => fields.optional_size("num_global_key_value_heads")?.and(None),
    };
    let shape = |(index, sight): (usize, &Sight)| {
        let mut shape = [usual_heads[index], usual_width];
        let Some(by_layer) = &by_layer else {
            if *sight == Sight::Full {
                shape = [global_heads.unwrap_or(shape[0]), wide];
            }
            return Ok(shape);
        };
        // Numbers are as long as the largest one, by zeros before them.
        let mut spelled = (1..=3).map(|digits| format!("{index:0digits$}"));
        let Some(name) = spelled.find(|name| by_layer.names(name)) else { return Ok(shape) };
        let Some(own) = by_layer.optional_object(&name)? else { return Ok(shape) };
        for (size, name) in shape.iter_mut().zip(["num_key_value_heads", "head_dim"]) {
            *size = own.optional_size(name)?.unwrap_or(*size);
        }
        match own.unread().next() {
            Some(other) => Err(own.error(other, "only the widths and numbers of heads can differ by layer")),
            None => Ok(shape),
        }
    };
    let shapes = sights.iter().enumerate().map(shape).collect::<Result<_, _>>()?;
    match by_layer.as_ref().and_then(|by_layer| by_layer.unread().next()) {
        Some(other) => {
            Err(fields.error(BY_LAYER, format!("it describes a layer {other}, which there is not")))
        }
        None => Ok(shapes),
    }
}

impl Decoder<'_, '_> {
    fn layer(&self, index: usize) -> Result<LayerConfig, FormatError> {
        let has_factor = self.names.has(&STREAM_FACTOR.replace('#', &index.to_string()));
        let stream = if has_factor { StreamFactor::Present } else { StreamFactor::Absent };
        Ok(LayerConfig {
            residual: ResidualConfig { stream, ..ResidualConfig::default() },
            attention_norms: BlockNorms::around(self.norm),
            attention: Some(self.attention(index)?),
            recurrent: None,
            feed_forward_norms: BlockNorms::around(self.norm),
            feed_forward: Some(self.feed_forward(index)?),
        })
    }

    /// A gated block, beside experts where the model has some.
    fn feed_forward(&self, index: usize) -> Result<FeedForwardConfig, FormatError> {
        let (fields, width) = (self.fields, self.widths[index]);
        let block = FeedForwardConfig {
            width,
            kind: FeedForwardKind::Gated,
            activation: self.activation,
            bias: Bias::Absent,
        };
        if fields.optional_flag("enable_moe_block")? != Some(true) {
            return Ok(block);
        }
        let (count, active) = (fields.size("num_experts")?, fields.size("top_k_experts")?);
        let experts = ExpertsConfig {
            shared: Some(SharedExpert { width, gate: SharedGate::Absent }),
            share_factors: Bias::Present,
            apart: Some(ExpertsApart {
                norm: self.norm,
                router_factor: (fields.size("hidden_size")? as f64).sqrt().recip() as f32,
            }),
            ..ExpertsConfig::new(count, active, RouterConfig::SOFTMAX_OF_CHOSEN)
        };
        let width = fields.size("moe_intermediate_size")?;
        Ok(FeedForwardConfig { width, kind: FeedForwardKind::Experts(experts), ..block })
    }

    fn attention(&self, index: usize) -> Result<AttentionConfig, FormatError> {
        let ([key_value_heads, head_width], sight) = (self.shapes[index], self.sights[index]);
        let source = if index >= self.first_shared {
            KeysValues::OfLayer(self.owner(sight)?)
        } else if self.has_values(index, sight)? {
            KeysValues::Projected
        } else {
            KeysValues::OneProjection
        };
        let window = self.window.filter(|_| sight == Sight::Windowed);
        Ok(AttentionConfig {
            key_value_heads,
            head_norm: Some(norm::of_heads(self.norm, HeadNormExtent::Head)),
            rotary: Some(self.rotary(head_width, sight)?),
            scale: 1.0,
            scores: ScoresConfig { window, ..ScoresConfig::default() },
            keys_values: KeysValuesConfig { source, value_norm: Some(self.norm.epsilon) },
            query_key_value_bias: self.bias,
            output_bias: self.bias,
            ..AttentionConfig::plain(self.heads, head_width)
        })
    }

    /// The last layer that sees as far and has a cache.
    fn owner(&self, sight: Sight) -> Result<usize, FormatError> {
        let owner = self.sights[..self.first_shared].iter().rposition(|other| *other == sight);
        owner.ok_or_else(|| {
            let reason = "layers of a kind share the cache of one before them, but here there is none";
            self.fields.error("num_kv_shared_layers", reason)
        })
    }

    /// Whether a layer has a projection of values. GGUF files tell it by having that.
    fn has_values(&self, index: usize, sight: Sight) -> Result<bool, FormatError> {
        if self.fields.are_metadata() {
            return Ok(self.names.has(&format!("layers.{index}.self_attn.v_proj.weight")));
        }
        let is_one = self.fields.optional_flag("attention_k_eq_v")?.unwrap_or(false);
        Ok(!is_one || sight == Sight::Windowed)
    }

    fn rotary(&self, head_width: usize, sight: Sight) -> Result<RotaryConfig, FormatError> {
        const WINDOWED_BASE: f64 = 10_000.0;
        const BASE: f64 = 1_000_000.0;
        let (fields, context) = (self.fields, self.context);
        if sight == Sight::Windowed && fields.are_metadata() {
            // The scaling is that of the others.
            let theta = fields.optional_number("rope_theta_of_windows")?.unwrap_or(WINDOWED_BASE);
            return Ok(RotaryConfig { width: head_width, theta, scaling: RotaryScaling::Plain });
        }
        if sight == Sight::Windowed {
            return rope::of_windows(fields, context, head_width, None, |_| Ok(WINDOWED_BASE));
        }
        if fields.get("rope_parameters").is_none() && !fields.are_metadata() {
            return Ok(rope::proportional(head_width, head_width / 4, BASE, 1.0));
        }
        rope::read(fields, head_width, context, Rope { theta: BASE, ..Rope::default() })
    }
}
