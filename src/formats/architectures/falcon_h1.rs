//! Falcon-H1 (Falcon LLM Team, TII 2025): in each layer attention and Mamba 2's block read the same, and factors stand on
//! what linear maps give.

use super::family::{Family, Mapping, StoredNames, stored};
use super::rope::Rope;
use super::{llama_like, mamba, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::source::ScaledTensor;
use crate::model::ModelConfig;
use crate::model::config::{Bias, BlockFactors, GroupNormConfig, Mamba2Config, RecurrentConfig};

pub(super) const FAMILY: Family = Family {
    name: "falcon_h1",
    read,
    scaled,
    tensors: &[TENSORS, mamba::MAMBA, llama_like::ATTENTION],
    harmless_fields: &[
        // Where there is no norm of what a state gave.
        "mamba_norm_before_gate",
        // Where the width of values is given.
        "mamba_expand",
        // Not used by any program.
        "attn_layer_indices",
        "mamba_use_mlp",
        "mlp_expansion_factor",
        "time_step_floor",
        "time_step_max",
        "time_step_min",
        "time_step_rank",
        // How other programs compute.
        "mamba_chunk_size",
        "num_logits_to_keep",
    ],
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored("layers.#.feed_forward.gate_proj", &["layers.#.feed_forward.gate"]),
    stored("layers.#.feed_forward.up_proj", &["layers.#.feed_forward.up"]),
    stored("layers.#.feed_forward.down_proj", &["layers.#.feed_forward.down"]),
    stored("layers.#.input_layernorm", &["layers.#.attention.norm"]),
    stored("layers.#.pre_ff_layernorm", &["layers.#.feed_forward.norm"]),
    stored("final_layernorm", &["final_norm"]),
];

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("num_key_value_heads", 8),
    ("mamba_d_ssm", 1024),
    ("mamba_n_heads", 128),
    ("mamba_n_groups", 1),
    ("mamba_d_state", 256),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let defaults = fields.or_sizes(SIZES);
    let fields = if fields.are_metadata() { fields } else { &defaults };
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    let mut config = llama_like::read(fields, names, norm, Rope::default())?;
    let factors = Factors::read(fields)?;
    config.embedding.scale = factors.embedding;
    config.logits.scale = factors.logits;
    let inner = inner_width(fields, config.width)?;
    mamba::check_activation(fields, "hidden_act")?;
    let block = mamba::Block::read(fields, &mamba::BESIDE_OTHERS, Some(inner), norm.epsilon)?
        .with_output_bias(fields, "projectors_bias")?
        .with_time_step(mamba::time_step(fields)?);
    let has_norm = fields.optional_flag("mamba_rms_norm")?.unwrap_or(false);
    let before_gate = fields.optional_flag("mamba_norm_before_gate")?.unwrap_or(true);
    for (index, layer) in config.layers.iter_mut().enumerate() {
        let mut state = block.of_layer(index, names);
        if let RecurrentConfig::Mamba2(Mamba2Config { norm, .. }) = &mut state {
            *norm = norm.filter(|_| has_norm).map(|norm| GroupNormConfig { before_gate, ..norm });
        }
        layer.recurrent = Some(state);
        layer.residual.factors = factors.blocks();
        if let Some(attention) = &mut layer.attention {
            attention.scale *= factors.key * factors.attention_in * factors.attention_in;
        }
    }
    Ok(config)
}

/// The elements of a row of values, by a field of their own or by the model's width.
fn inner_width(fields: &Fields, width: usize) -> Result<(&'static str, usize), FormatError> {
    const OWN: &str = "mamba_d_ssm";
    let is_null = fields.names(OWN) && fields.get(OWN).is_none();
    match is_null || fields.are_metadata() {
        true => mamba::inner_width(fields, "mamba_expand", width),
        false => Ok((OWN, fields.size(OWN)?)),
    }
}

/// The factors, which GGUF files have in their weights.
struct Factors {
    embedding: f32,
    logits: f32,
    key: f32,
    attention_in: f32,
    attention_out: f32,
    feed_forward_gate: f32,
    feed_forward_out: f32,
    state_in: f32,
    state_out: f32,
    gate: f32,
    values: f32,
    keys: f32,
    queries: f32,
    time_step: f32,
}

impl Factors {
    fn read(fields: &Fields) -> Result<Self, FormatError> {
        let one = |name: &str| factor(fields, name, fields.optional_number(name)?.unwrap_or(1.0));
        let [feed_forward_gate, feed_forward_out] = several(fields, "mlp_multipliers")?;
        // Keys of a state are its B, queries its C.
        let [gate, values, keys, queries, time_step] = several(fields, "ssm_multipliers")?;
        Ok(Self {
            embedding: one("embedding_multiplier")?,
            logits: one("lm_head_multiplier")?,
            key: one("key_multiplier")?,
            attention_in: one("attention_in_multiplier")?,
            attention_out: one("attention_out_multiplier")?,
            feed_forward_gate,
            feed_forward_out,
            state_in: one("ssm_in_multiplier")?,
            state_out: one("ssm_out_multiplier")?,
            gate,
            values,
            keys,
            queries,
            time_step,
        })
    }

    /// Those on rows that are computed: the factor on attention's input stands on its output and on scores, and that on
    /// the state's input on all that is made of it.
    fn blocks(&self) -> BlockFactors {
        BlockFactors {
            attention: self.attention_in * self.attention_out,
            recurrent: self.state_out,
            recurrent_gate: self.state_in * self.gate,
            feed_forward_gate: self.feed_forward_gate,
            feed_forward: self.feed_forward_out,
        }
    }
}

fn several<const N: usize>(fields: &Fields, name: &str) -> Result<[f32; N], FormatError> {
    let Some(numbers) = fields.optional_numbers(name)? else { return Ok([1.0; N]) };
    let refuse = || fields.error(name, format!("it has to be a list of {N} numbers"));
    let numbers: [f64; N] = numbers.try_into().map_err(|_| refuse())?;
    let mut factors = [1.0; N];
    for (place, number) in factors.iter_mut().zip(numbers) {
        *place = factor(fields, name, number)?;
    }
    Ok(factors)
}

fn factor(fields: &Fields, name: &str, number: f64) -> Result<f32, FormatError> {
    match number as f32 {
        factor if factor.is_finite() && factor != 0.0 => Ok(factor),
        _ => Err(fields.error(name, "a factor has to be a finite number other than 0")),
    }
}

/// The factors on parts of rows, in what these are multiplied with later; and the biases of maps whose input should have
/// been multiplied, while their results are.
fn scaled(fields: &Fields, config: &ModelConfig) -> Result<Vec<ScaledTensor>, FormatError> {
    let factors = Factors::read(fields)?;
    let state = config.layers.iter().find_map(|layer| match &layer.recurrent {
        Some(RecurrentConfig::Mamba2(state)) => Some(state),
        _ => None,
    });
    let Some(Mamba2Config { heads, convolution, input_bias, .. }) = state else { return Ok(Vec::new()) };
    let all = |name, factor| ScaledTensor { name, runs: vec![(usize::MAX, factor)] };
    let (keys, values) = (heads.keys() * convolution.kernel, heads.values() * convolution.kernel);
    let [values_factor, keys_factor, queries_factor] =
        [factors.values, factors.keys, factors.queries].map(|factor| factors.state_in * factor);
    let (attention, state) = (factors.attention_in.recip(), factors.state_in.recip());
    let mut scaled = vec![
        ScaledTensor {
            name: "layers.#.recurrent.convolution.weight",
            runs: vec![(values, values_factor), (keys, keys_factor), (keys, queries_factor)],
        },
        all("layers.#.recurrent.time_step.weight", factors.state_in * factors.time_step),
        all("layers.#.recurrent.input.bias", state),
        all("layers.#.recurrent.gate.bias", state),
        all("layers.#.attention.query.bias", attention),
        all("layers.#.attention.key.bias", attention),
        all("layers.#.attention.value.bias", attention),
        all("layers.#.attention.output.bias", attention),
    ];
    if *input_bias == Bias::Present {
        scaled.push(all("layers.#.recurrent.time_step.bias", factors.time_step));
    }
    scaled.retain(|scaled| scaled.runs.iter().any(|(_, factor)| *factor != 1.0));
    Ok(scaled)
}
