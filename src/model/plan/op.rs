//! The operations: a variant each, and what each of them names.

use super::attention::{AttentionOp, AttentionPrologue, Columns, HeadNorms};
use super::ids::{BufferId, RotaryId, TensorId};
use super::linear::{Epilogue, ExpertInput, InputNorm};
use super::recurrent::{ConvolutionOp, RecurrenceOp, RecurrenceRule};
use crate::model::config::{Activation, GateFunction, NormKind, RouterConfig, ShareUse, Xielu};

/// One operation. Shapes: T rows of the output's [`super::RowSet`], C, H, G, D, F, V as in [`crate::model::config`].
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// output\[t\] = table\[token(t)\] (+ positions\[position(t)\]).
    Embed {
        /// V × C.
        table: TensorId,
        /// context × C, if positions are learned.
        positions: Option<TensorId>,
        /// T × C.
        output: BufferId,
    },
    /// output\[t\] = normalised input\[t\], as [`NormKind`] defines it.
    Norm {
        /// The formula.
        kind: NormKind,
        /// Under the square root.
        epsilon: f32,
        /// C.
        weight: TensorId,
        /// C.
        bias: Option<TensorId>,
        /// T × C.
        input: BufferId,
        /// T × C, another buffer than the input.
        output: BufferId,
    },
    /// Normalises each of a row's heads separately, in place, over the D elements of a head.
    HeadNorm {
        /// The formula.
        kind: NormKind,
        /// Under the square root.
        epsilon: f32,
        /// D for all heads, or heads·D; all ones where there is none.
        weight: Option<TensorId>,
        /// Heads in the buffer.
        heads: usize,
        /// D.
        head_width: usize,
        /// T × heads·D.
        columns: Columns,
    },
    /// result\[t\]\[r\] = Σ_c weight\[r\]\[c\] · input\[t\]\[c\] (+ bias\[r\]), which [`Epilogue`] turns into the output.
    Linear {
        /// If present, the input is normalised first.
        norm: Option<InputNorm>,
        /// rows × columns.
        weight: TensorId,
        /// rows.
        bias: Option<TensorId>,
        /// T × columns.
        input: BufferId,
        /// T × rows (half as many for [`Epilogue::Gate`]), another buffer than the input.
        output: BufferId,
        /// What is done to the result.
        epilogue: Epilogue,
    },
    /// output\[t\]\[c\] = input\[t\]\[order\[c\]\]: columns in the order in which a matrix has them.
    Reorder {
        /// columns: whole numbers in f32.
        order: TensorId,
        /// T × columns.
        input: BufferId,
        /// T × columns, another buffer than the input.
        output: BufferId,
    },
    /// Turns each head's pairs (i, i + pairs) by the angles of the row's position, in place.
    Rotary {
        /// The angles.
        table: RotaryId,
        /// Heads in the buffer.
        heads: usize,
        /// D.
        head_width: usize,
        /// T × heads·D.
        buffer: BufferId,
    },
    /// A linear map of each head by a matrix of its own, but for its first `kept` elements, which stay before the result:
    /// output\[t\]\[h·(kept + R) + kept + r\] = Σ_c weight\[h·R + r\]\[c\] · input\[t\]\[h·(kept + columns) + kept + c\].
    HeadLinear {
        /// heads·R × columns: the heads' matrices one below the other.
        weight: TensorId,
        /// How many there are.
        heads: usize,
        /// Elements that each head keeps.
        kept: usize,
        /// T × heads·(kept + columns).
        input: BufferId,
        /// T × heads·(kept + R), another buffer than the input.
        output: BufferId,
    },
    /// Appends each row's keys and values to the layer's cache.
    CacheWrite {
        /// Index of the cache.
        layer: usize,
        /// T × G·D.
        key: BufferId,
        /// T × G·D; `None` where values are parts of the keys.
        value: Option<BufferId>,
    },
    /// Softmax attention of each row over the positions it sees, itself included.
    Attention(AttentionOp),
    /// A causal convolution over the last rows of each channel.
    Convolution(ConvolutionOp),
    /// The recurrence of a state of matrices.
    Recurrence(RecurrenceOp),
    /// output\[t\] = activation(output\[t\]), in place.
    Activate {
        /// The non-linearity.
        activation: Activation,
        /// T × F.
        buffer: BufferId,
    },
    /// buffer\[t\] = xIELU(buffer\[t\]), in place.
    Xielu {
        /// Its numbers.
        xielu: Xielu,
        /// T × F.
        buffer: BufferId,
    },
    /// output\[t\] = activation(output\[t\]) · up\[t\]; the output holds the gate's values before.
    Gate {
        /// The non-linearity.
        activation: Activation,
        /// T × F.
        up: Columns,
        /// T × F: the gate before, the product after.
        output: BufferId,
    },
    /// output\[t\] += input\[t\].
    Add {
        /// T × C.
        input: BufferId,
        /// T × C.
        output: BufferId,
    },
    /// buffer\[t\] = factor · buffer\[t\], in place.
    Scale {
        /// The factor.
        factor: f32,
        /// T × columns.
        buffer: BufferId,
    },
    /// buffer\[t\] = factor · buffer\[t\], in place.
    ScaleBy {
        /// 1: the factor.
        factor: TensorId,
        /// T × columns.
        buffer: BufferId,
    },
    /// buffer\[t\] = min(max(buffer\[t\], −limit), limit), in place.
    Clamp {
        /// The largest magnitude of a result.
        limit: f32,
        /// T × columns.
        buffer: BufferId,
    },
    /// buffer\[t\] = cap · tanh(buffer\[t\] / cap), in place (Bello et al. 2017).
    SoftCap {
        /// What no result exceeds.
        cap: f32,
        /// T × columns.
        buffer: BufferId,
    },
    /// Chooses the experts of each row as [`RouterConfig`] says, the lower index among equals.
    Route {
        /// K: how many are chosen.
        active: usize,
        /// How, and what their shares are.
        router: RouterConfig,
        /// E: what is added to scores for the choice alone.
        bias: Option<TensorId>,
        /// E: factors on the shares.
        factors: Option<TensorId>,
        /// T × E: the router's results.
        scores: BufferId,
        /// T × 2K: the indices of the chosen experts in the order of choice, as numbers, and then their shares.
        output: BufferId,
    },
    /// A linear map by the experts of each row, one block of results after the other:
    /// output\[t\]\[k·R + r\] = Σ_c weight\[e(t, k)·R + r\]\[c\] · x\[c\] (+ bias\[e(t, k)·R + r\]).
    ExpertLinear {
        /// E·R × columns: the experts' matrices one below the other.
        weight: TensorId,
        /// E·R.
        bias: Option<TensorId>,
        /// E: how many there are.
        experts: usize,
        /// T × 2K, as [`Self::Route`] makes it.
        routes: BufferId,
        /// T × columns, or T × K·columns for [`ExpertInput::PerExpert`].
        input: BufferId,
        /// Which part of the input is x.
        expert_input: ExpertInput,
        /// T × K·R, another buffer than the input.
        output: BufferId,
    },
    /// output\[t\]\[c\] = Σ_k share(t, k) · input\[t\]\[k·C + c\], or without the shares.
    Mix {
        /// Whether shares multiply here.
        share_use: ShareUse,
        /// T × 2K, as [`Self::Route`] makes it.
        routes: BufferId,
        /// T × K·C.
        input: BufferId,
        /// T × C.
        output: BufferId,
    },
    /// output\[t\]\[c\] = function(gate\[t\]\[⌊c / width⌋\]) · output\[t\]\[c\].
    GateRows {
        /// What becomes of a gate.
        function: GateFunction,
        /// How many columns one gate multiplies: a divisor of C.
        width: usize,
        /// T × C / width, in another buffer than the output.
        gate: Columns,
        /// T × C.
        output: BufferId,
    },
    /// output = those rows of input whose logits were asked for.
    Pick {
        /// T × C, rows of the batch.
        input: BufferId,
        /// Output rows × C.
        output: BufferId,
    },
}

/// What an op names, as references to its fields: shared ones, or mutable ones.
struct Operands<B, T> {
    name: &'static str,
    /// Whose contents the op looks at.
    inputs: Vec<B>,
    output: Output<B>,
    tensors: Vec<T>,
}

/// What an op does to the buffer that it writes.
enum Output<B> {
    /// It writes none.
    None,
    /// Its contents are replaced.
    Replaced(B),
    /// They are read too.
    Updated(B),
}

impl<B, T> Operands<B, T> {
    fn of(name: &'static str) -> Self {
        Self { name, inputs: Vec::new(), output: Output::None, tensors: Vec::new() }
    }

    fn reads(mut self, buffers: impl IntoIterator<Item = B>) -> Self {
        self.inputs.extend(buffers);
        self
    }

    fn replaces(self, buffer: B) -> Self {
        Self { output: Output::Replaced(buffer), ..self }
    }

    fn updates(self, buffer: B) -> Self {
        Self { output: Output::Updated(buffer), ..self }
    }

    fn weights(mut self, tensors: impl IntoIterator<Item = T>) -> Self {
        self.tensors.extend(tensors);
        self
    }

    fn buffers(self) -> impl Iterator<Item = B> {
        let output = match self.output {
            Output::None => None,
            Output::Replaced(buffer) | Output::Updated(buffer) => Some(buffer),
        };
        self.inputs.into_iter().chain(output)
    }
}

/// What each op names, written once: of a shared reference to an op this makes shared references to its fields, of a
/// mutable one mutable ones.
macro_rules! operands {
    ($op:expr) => {
        match $op {
            Op::Embed { table, positions, output } => {
                Operands::of("embed").weights([table]).weights(positions).replaces(output)
            }
            Op::Norm { weight, bias, input, output, .. } => {
                Operands::of("norm").weights([weight]).weights(bias).reads([input]).replaces(output)
            }
            Op::HeadNorm { weight, columns: Columns { buffer, .. }, .. } => {
                Operands::of("head norm").weights(weight).updates(buffer)
            }
            Op::Linear { norm, weight, bias, input, output, epilogue } => {
                let mut linear = Operands::of("linear").weights([weight]).weights(bias).reads([input]);
                if let Some(InputNorm { weight, normed, .. }) = norm {
                    // Nobody may rely on what is in the scratch buffer, so it counts as read.
                    linear = linear.weights([weight]).reads([normed]);
                }
                match epilogue {
                    Epilogue::Add => linear.updates(output),
                    Epilogue::Store | Epilogue::Activate(_) | Epilogue::Gate(_) => linear.replaces(output),
                }
            }
            Op::Reorder { order, input, output } => {
                Operands::of("reorder").weights([order]).reads([input]).replaces(output)
            }
            Op::Rotary { buffer, .. } => Operands::of("rotary").updates(buffer),
            Op::HeadLinear { weight, input, output, .. } => {
                Operands::of("head linear").weights([weight]).reads([input]).replaces(output)
            }
            Op::CacheWrite { key, value, .. } => Operands::of("cache write").reads([key]).reads(value),
            Op::Attention(AttentionOp {
                sinks,
                query: Columns { buffer: query, .. },
                output,
                prologue,
                ..
            }) => {
                let mut attention = Operands::of("attention").weights(sinks).reads([query]);
                if let Some(AttentionPrologue { key, value, norms, .. }) = prologue {
                    let (Columns { buffer: key, .. }, Columns { buffer: value, .. }) = (key, value);
                    attention = attention.reads([key, value]);
                    if let Some(HeadNorms { query, key, .. }) = norms {
                        attention = attention.weights([query, key]);
                    }
                }
                attention.replaces(output)
            }
            Op::Convolution(ConvolutionOp { weight, bias, input, output, .. }) => {
                Operands::of("convolution").weights([weight]).weights(bias).reads([input]).replaces(output)
            }
            Op::Recurrence(RecurrenceOp {
                rule,
                rate,
                query,
                key,
                value,
                time_step,
                prepared,
                output,
                ..
            }) => {
                let Columns { buffer: query, .. } = query;
                let Columns { buffer: key, .. } = key;
                let Columns { buffer: value, .. } = value;
                // Nobody may rely on what is in the scratch buffer, so it counts as read.
                let recurrence = Operands::of("recurrence").weights([rate]);
                let recurrence = recurrence.reads([query, key, value, time_step, prepared]);
                match rule {
                    RecurrenceRule::GatedDelta { strength, .. } => recurrence.reads([strength]),
                    RecurrenceRule::Mamba2 { skip, .. } => recurrence.weights([skip]),
                }
                .replaces(output)
            }
            Op::Activate { buffer, .. } => Operands::of("activate").updates(buffer),
            Op::Xielu { buffer, .. } => Operands::of("xielu").updates(buffer),
            Op::Gate { up: Columns { buffer: up, .. }, output, .. } => {
                Operands::of("gate").reads([up]).updates(output)
            }
            Op::Add { input, output } => Operands::of("add").reads([input]).updates(output),
            Op::Scale { buffer, .. } => Operands::of("scale").updates(buffer),
            Op::ScaleBy { factor, buffer } => Operands::of("scale by").weights([factor]).updates(buffer),
            Op::Clamp { buffer, .. } => Operands::of("clamp").updates(buffer),
            Op::SoftCap { buffer, .. } => Operands::of("soft cap").updates(buffer),
            Op::Route { bias, factors, scores, output, .. } => {
                Operands::of("route").weights(bias).weights(factors).reads([scores]).replaces(output)
            }
            Op::ExpertLinear { weight, bias, routes, input, output, .. } => {
                let experts = Operands::of("expert linear").weights([weight]).weights(bias);
                experts.reads([routes, input]).replaces(output)
            }
            Op::Mix { routes, input, output, .. } => {
                Operands::of("mix").reads([routes, input]).replaces(output)
            }
            Op::GateRows { gate: Columns { buffer: gate, .. }, output, .. } => {
                Operands::of("gate rows").reads([gate]).updates(output)
            }
            Op::Pick { input, output } => Operands::of("pick").reads([input]).replaces(output),
        }
    };
}

impl Op {
    /// The op's name in reports.
    pub fn name(&self) -> &'static str {
        operands!(self).name
    }

    /// The buffer that the op writes; a cache write has none.
    pub fn output(&self) -> Option<BufferId> {
        match operands!(self).output {
            Output::None => None,
            Output::Replaced(buffer) | Output::Updated(buffer) => Some(*buffer),
        }
    }

    /// Every buffer that the op names: those it reads, then the one it writes.
    pub fn buffers(&self) -> impl Iterator<Item = BufferId> {
        operands!(self).buffers().copied()
    }

    /// As [`Self::buffers`], to be changed.
    pub(in crate::model) fn buffers_mut(&mut self) -> impl Iterator<Item = &mut BufferId> {
        operands!(self).buffers()
    }

    /// Every tensor that the op reads.
    pub fn tensors(&self) -> impl Iterator<Item = TensorId> {
        operands!(self).tensors.into_iter().copied()
    }

    /// As [`Self::tensors`], to be changed.
    pub(in crate::model) fn tensors_mut(&mut self) -> impl Iterator<Item = &mut TensorId> {
        operands!(self).tensors.into_iter()
    }

    /// Whether what the buffer held before the op matters to it.
    pub(in crate::model) fn reads(&self, buffer: BufferId) -> bool {
        let Operands { inputs, output, .. } = operands!(self);
        inputs.contains(&&buffer) || matches!(output, Output::Updated(updated) if *updated == buffer)
    }

    /// Whether the op replaces the buffer's contents without having looked at them.
    pub(in crate::model) fn overwrites(&self, buffer: BufferId) -> bool {
        matches!(operands!(self).output, Output::Replaced(replaced) if *replaced == buffer)
    }
}
