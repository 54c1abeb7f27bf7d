//! LFM3 (Liquid AI 2026): LFM2 with longer convolutions, norms around blocks, windows in half of the layers with
//! attention, and a gate on each head.

use super::family::{Family, Mapping, StoredNames, stored};
use super::layer_kinds::{self, LAYER_TYPES};
use super::lfm2::{self, ShortConvolution};
use super::rope::{self, Rope};
use super::{llama_like, norm, window};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{
    AttentionConfig, BlockNorms, GateExtent, GateFunction, HeadNormExtent, HeadWeights, OutputGate,
};
use crate::model::rotary::RotaryConfig;

pub(super) const FAMILY: Family = Family {
    name: "lfm3",
    read,
    tensors: &[
        llama_like::ATTENTION,
        llama_like::HEAD_NORMS,
        GATES,
        lfm2::CONVOLUTIONS,
        lfm2::FEED_FORWARD,
        lfm2::NORMS,
        NORMS_AFTER,
    ],
    ..llama_like::USUAL
};

/// The gates on heads, as published, then as newer transformers call them.
const GATES: &[Mapping] = &[
    stored("layers.#.self_attn.gate_proj", &["layers.#.attention.gate"]),
    stored("layers.#.self_attn.g_proj", &["layers.#.attention.gate"]),
];

const NORMS_AFTER: &[Mapping] = &[
    stored("layers.#.post_operator_norm", &["layers.#.attention.update_norm"]),
    stored("layers.#.post_ffn_norm", &["layers.#.feed_forward.update_norm"]),
];

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[("head_dim", 128), ("intermediate_size", 7680), ("num_key_value_heads", 4)];

/// Bases of the frequencies where the configuration has none: of layers that see all, and of those with a window.
const THETA: f64 = 1_000_000.0;
const THETA_OF_WINDOWS: f64 = 10_000.0;

/// A layer's kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Convolution,
    Windowed,
    Full,
}

const KINDS: [(&str, Kind); 3] =
    [("conv", Kind::Convolution), ("sliding_attention", Kind::Windowed), ("full_attention", Kind::Full)];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let fields = &fields.or_sizes(SIZES);
    let norm = norm::rms_or(fields, "norm_eps", 1e-5)?;
    let mut config = llama_like::read(fields, names, norm, Rope { theta: THETA, ..Rope::default() })?;
    config.head = llama_like::head(fields, HeadWeights::Tied)?;
    let layers = config.layers.len();
    let kinds = layer_kinds::read(fields, LAYER_TYPES, layers, &KINDS)?;
    let kinds = kinds.unwrap_or_else(|| (0..layers).map(usual_kind).collect());
    let block = ShortConvolution::read(fields, config.width, 7)?;
    let attentions = Attentions::read(fields, &config)?;
    let norms = match fields.optional_flag("use_sandwich_norm")? {
        Some(false) => BlockNorms::before(norm),
        _ => BlockNorms::around(norm),
    };
    for ((index, layer), kind) in config.layers.iter_mut().enumerate().zip(kinds) {
        (layer.attention_norms, layer.feed_forward_norms) = (norms, norms);
        if kind == Kind::Convolution {
            layer.attention = None;
            layer.recurrent = Some(block.of_layer(index, names));
        } else if let Some(attention) = &mut layer.attention {
            attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Head));
            attentions.complete(attention, kind);
        }
    }
    Ok(config)
}

fn usual_kind(layer: usize) -> Kind {
    match layer % 4 {
        2 => Kind::Full,
        0 if layer > 0 => Kind::Windowed,
        _ => Kind::Convolution,
    }
}

/// What the layers with attention have beside the usual.
struct Attentions {
    gate: Option<OutputGate>,
    window: Option<usize>,
    rotary_of_windows: RotaryConfig,
    /// That of layers without a window, where the configuration says nothing of rotary embeddings.
    rotary: Option<RotaryConfig>,
}

impl Attentions {
    fn read(fields: &Fields, config: &ModelConfig) -> Result<Self, FormatError> {
        let head_width = fields.size("head_dim")?;
        let gate = OutputGate { extent: GateExtent::Head, function: GateFunction::Sigmoid };
        let is_gated = fields.optional_flag("use_attention_gate")?.unwrap_or(true);
        let says_nothing =
            ["rope_parameters", "rope_scaling", "rope_theta"].iter().all(|name| fields.get(name).is_none());
        Ok(Self {
            gate: is_gated.then_some(gate),
            window: window::size(fields, 256)?,
            rotary_of_windows: rope::of_windows(fields, config.context, head_width, None, |_| {
                Ok(THETA_OF_WINDOWS)
            })?,
            rotary: says_nothing.then(|| rope::proportional(head_width, head_width / 2, THETA, 1.0)),
        })
    }

    fn complete(&self, attention: &mut AttentionConfig, kind: Kind) {
        attention.output_gate = self.gate;
        if kind == Kind::Windowed {
            attention.scores.window = self.window;
            attention.rotary = Some(self.rotary_of_windows.clone());
        } else if let Some(rotary) = &self.rotary {
            attention.rotary = Some(rotary.clone());
        }
    }
}
