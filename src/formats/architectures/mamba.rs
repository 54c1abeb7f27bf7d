//! Mamba 2's blocks as configurations and files of several families describe them.

use super::family::{Mapping, StoredNames, laid_out, stored};
use super::{activation, convolution};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::config::{
    Activation, Bias, ConvolutionConfig, GroupNormConfig, HeadOrder, Mamba2Config, RecurrentConfig,
    StateHeads,
};

/// The tensors of families whose blocks are all called mixers.
pub(super) const MIXER: &[Mapping] = &[
    stored("layers.#.mixer.dt_bias", &[TIME_STEP_BIAS]),
    stored("layers.#.mixer.in_proj", INPUT),
    stored("layers.#.mixer.conv1d", &["layers.#.recurrent.convolution"]),
    laid_out(Layout::Logarithms, "layers.#.mixer.A_log", &["layers.#.recurrent.rate.weight"]),
    stored("layers.#.mixer.D", &["layers.#.recurrent.skip.weight"]),
    stored("layers.#.mixer.norm", &["layers.#.recurrent.norm"]),
    stored("layers.#.mixer.out_proj", &["layers.#.recurrent.output"]),
];

/// The tensors of families that have these blocks beside others.
pub(super) const MAMBA: &[Mapping] = &[
    stored("layers.#.mamba.dt_bias", &[TIME_STEP_BIAS]),
    stored("layers.#.mamba.in_proj", INPUT),
    stored("layers.#.mamba.conv1d", &["layers.#.recurrent.convolution"]),
    laid_out(Layout::Logarithms, "layers.#.mamba.A_log", &["layers.#.recurrent.rate.weight"]),
    stored("layers.#.mamba.D", &["layers.#.recurrent.skip.weight"]),
    stored("layers.#.mamba.norm", &["layers.#.recurrent.norm"]),
    stored("layers.#.mamba.out_proj", &["layers.#.recurrent.output"]),
];

/// What is added to time steps.
const TIME_STEP_BIAS: &str = "layers.#.recurrent.time_step.bias";
/// What files store as one matrix.
pub(super) const INPUT: &[&str] =
    &["layers.#.recurrent.gate", "layers.#.recurrent.input", "layers.#.recurrent.time_step"];

/// The elements of a row of values, which GGUF files alone say so.
pub(super) const INNER_WIDTH: &str = "_inner_width";
/// The least and the largest time step.
const LIMITS: &str = "time_step_limit";

/// What a family calls the fields, and where its tensors are.
#[derive(Clone, Copy)]
pub(super) struct Spelling {
    pub heads: &'static str,
    pub head_width: &'static str,
    pub groups: &'static str,
    pub key_width: &'static str,
    pub kernel: &'static str,
    pub convolution_bias: &'static str,
    pub input_bias: &'static str,
    pub output_bias: &'static str,
    /// The block's module in a layer.
    pub module: &'static str,
}

/// Those of families that have these blocks beside others.
pub(super) const BESIDE_OTHERS: Spelling = Spelling {
    heads: "mamba_n_heads",
    head_width: "mamba_d_head",
    groups: "mamba_n_groups",
    key_width: "mamba_d_state",
    kernel: "mamba_d_conv",
    convolution_bias: "mamba_conv_bias",
    input_bias: "mamba_proj_bias",
    output_bias: "mamba_proj_bias",
    module: "mamba",
};

/// The block as a configuration has it for all layers.
pub(super) struct Block {
    /// The block's module in a layer.
    module: &'static str,
    config: Mamba2Config,
    convolution_bias: Option<bool>,
    input_bias: bool,
    output_bias: bool,
    is_of_metadata: bool,
}

impl Block {
    /// Reads it, with the norm after the gate by groups of heads that share keys. `inner` are the elements of a row of values
    /// and the field that says so, where there is one.
    pub(super) fn read(
        fields: &Fields,
        spelling: &Spelling,
        inner: Option<(&str, usize)>,
        epsilon: f32,
    ) -> Result<Self, FormatError> {
        let heads = heads(fields, spelling, inner)?;
        let convolution = ConvolutionConfig {
            kernel: convolution::kernel(fields, spelling.kernel, 4)?,
            bias: Bias::Absent,
        };
        let config = Mamba2Config {
            heads,
            convolution,
            time_step: [0.0, f32::INFINITY],
            norm: Some(GroupNormConfig { epsilon, groups: heads.groups, before_gate: false }),
            input_bias: Bias::Absent,
            output_bias: Bias::Absent,
        };
        Ok(Self {
            module: spelling.module,
            input_bias: fields.optional_flag(spelling.input_bias)?.unwrap_or(false),
            config,
            convolution_bias: fields.optional_flag(spelling.convolution_bias)?,
            output_bias: fields.optional_flag(spelling.output_bias)?.unwrap_or(false),
            is_of_metadata: fields.are_metadata(),
        })
    }

    /// The same with other limits of time steps.
    pub(super) fn with_time_step(mut self, limits: [f32; 2]) -> Self {
        self.config.time_step = limits;
        self
    }

    /// The same, where another field says whether the output has a bias.
    pub(super) fn with_output_bias(mut self, fields: &Fields, name: &str) -> Result<Self, FormatError> {
        self.output_bias = fields.optional_flag(name)?.unwrap_or(false);
        Ok(self)
    }

    /// That of a layer, with the biases that its files hold.
    pub(super) fn of_layer(&self, layer: usize, names: &dyn StoredNames) -> RecurrentConfig {
        let module = self.module;
        let is_stored = |part: &str| names.has(&format!("layers.{layer}.{module}.{part}.bias"));
        let bias = |is_present| if is_present { Bias::Present } else { Bias::Absent };
        // Metadata leave it to the tensors.
        let convolution = match self.convolution_bias {
            None if self.is_of_metadata => is_stored("conv1d"),
            said => said.unwrap_or(true),
        };
        let mut config = self.config;
        config.convolution.bias = bias(convolution);
        config.input_bias = bias(self.input_bias || is_stored("in_proj"));
        config.output_bias = bias(self.output_bias || is_stored("out_proj"));
        RecurrentConfig::Mamba2(config)
    }
}

/// The shape of the states.
fn heads(
    fields: &Fields,
    spelling: &Spelling,
    inner: Option<(&str, usize)>,
) -> Result<StateHeads, FormatError> {
    let count = fields.size(spelling.heads)?;
    let groups = fields.size(spelling.groups)?;
    if !count.is_multiple_of(groups) {
        let name = fields.spelled(spelling.heads);
        return Err(fields.error(spelling.groups, format!("{name}, {count}, has to be a multiple of it")));
    }
    let stated = match fields.get(spelling.head_width).and_then(|value| value.as_str()) {
        Some("auto") => None,
        _ => fields.optional_size(spelling.head_width)?,
    };
    let value_width = match (stated, inner) {
        (Some(width), Some((name, inner))) if count.checked_mul(width) != Some(inner) => {
            let reason = format!(
                "{count} heads ({}) of as many elements are not the {inner} that {} makes",
                fields.spelled(spelling.heads),
                fields.spelled(name)
            );
            return Err(fields.error(spelling.head_width, reason));
        }
        (Some(width), _) => width,
        (None, Some((_, inner))) if inner.is_multiple_of(count) => inner / count,
        (None, Some((name, inner))) => {
            let heads = fields.spelled(spelling.heads);
            let reason = format!("it makes {inner} elements, which {heads}, {count}, does not divide");
            return Err(fields.error(name, reason));
        }
        (None, None) if fields.are_metadata() => fields.size(INNER_WIDTH)?,
        (None, None) => fields.size(spelling.head_width)?,
    };
    let key_width = fields.size(spelling.key_width)?;
    Ok(StateHeads { heads: count, groups, order: HeadOrder::Neighbours, key_width, value_width })
}

/// The elements of a row of values: what a GGUF file says, otherwise so many times the model's width.
pub(super) fn inner_width(
    fields: &Fields,
    factor: &'static str,
    width: usize,
) -> Result<(&'static str, usize), FormatError> {
    if let Some(inner) = fields.optional_size(INNER_WIDTH)? {
        return Ok((INNER_WIDTH, inner));
    }
    Ok((factor, width.saturating_mul(fields.optional_size(factor)?.unwrap_or(2))))
}

/// Refuses another activation than SiLU after the convolution and in the gate, where field `name` asks for one.
pub(super) fn check_activation(fields: &Fields, name: &str) -> Result<(), FormatError> {
    match activation::read(fields, name, Activation::Silu)? {
        Activation::Silu => Ok(()),
        _ => Err(fields.error(name, "in blocks with a state only silu is supported")),
    }
}

/// The least and the largest time step, from the field of most families.
pub(super) fn time_step(fields: &Fields) -> Result<[f32; 2], FormatError> {
    match fields.optional_numbers(LIMITS)?.as_deref() {
        None => Ok([0.0, f32::INFINITY]),
        Some(&[least, largest]) if least >= 0.0 && least <= largest => Ok([least as f32, largest as f32]),
        Some(_) => Err(fields.error(LIMITS, "it has to be two numbers from 0, the larger one last")),
    }
}
