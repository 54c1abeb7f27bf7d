//! The blocks with a state, op by op.

use super::Planner;
use crate::model::config::{
    Activation, Bias, ConvolutionConfig, GatedDeltaConfig, GroupNormConfig, Mamba2Config, NormKind,
    RecurrentConfig, ShortConvolutionConfig, StateHeads,
};
use crate::model::plan::{
    BufferId, Columns, ConvolutionOp, Op, RecurrenceOp, RecurrenceRule, RowSet, StateId, StateSpec,
};

impl Planner {
    pub(super) fn recurrent(
        &mut self,
        layer: usize,
        config: &RecurrentConfig,
        input: BufferId,
        output: BufferId,
    ) {
        let name = format!("layers.{layer}.recurrent");
        match config {
            RecurrentConfig::ShortConvolution(block) => self.short_convolution(&name, block, input, output),
            RecurrentConfig::GatedDelta(block) => self.gated_delta(&name, block, input, output),
            RecurrentConfig::Mamba2(block) => self.mamba2(&name, block, input, output),
        }
    }

    /// output(g' ⊙ convolution(g ⊙ x)).
    fn short_convolution(
        &mut self,
        name: &str,
        config: &ShortConvolutionConfig,
        input: BufferId,
        output: BufferId,
    ) {
        let ShortConvolutionConfig { width, convolution, bias } = *config;
        let [inner, gate, after] = ["convolution input", "convolution gate", "gate after the convolution"]
            .map(|name| self.buffer(name, width, RowSet::Batch));
        self.linear(&format!("{name}.input"), bias, input, inner);
        self.linear(&format!("{name}.input_gate"), bias, input, gate);
        self.product(inner, gate);
        self.linear(&format!("{name}.output_gate"), bias, input, after);
        let convolved = self.convolution(name, convolution, None, gate);
        self.product(convolved, after);
        self.linear(&format!("{name}.output"), bias, after, output);
    }

    /// output ⊙= input.
    fn product(&mut self, input: BufferId, output: BufferId) {
        self.ops.push(Op::Gate {
            activation: Activation::Identity,
            up: Columns { buffer: input, first: 0 },
            output,
        });
    }

    fn convolution(
        &mut self,
        name: &str,
        config: ConvolutionConfig,
        activation: Option<Activation>,
        input: BufferId,
    ) -> BufferId {
        let ConvolutionConfig { kernel, bias } = config;
        let channels = self.buffers[input.0].columns;
        let output = self.buffer("convolution", channels, RowSet::Batch);
        let weight = self.tensor(&format!("{name}.convolution.weight"), 1, channels * kernel);
        let bias = self.bias(&format!("{name}.convolution.bias"), channels, bias);
        let state = self.state("inputs of a convolution", (kernel - 1) * channels);
        self.ops.push(Op::Convolution(ConvolutionOp {
            kernel,
            weight,
            bias,
            activation,
            state,
            input,
            output,
        }));
        output
    }

    fn gated_delta(&mut self, name: &str, config: &GatedDeltaConfig, input: BufferId, output: BufferId) {
        let GatedDeltaConfig { heads, convolution, strength_range, gate: activation, norm_epsilon } = *config;
        let (keys, values) = (heads.keys(), heads.values());
        let convolved = self.convolved(name, &heads, (convolution, Bias::Absent), input);
        let gate = self.buffer("state gate", values, RowSet::Batch);
        self.linear(&format!("{name}.gate"), Bias::Absent, input, gate);
        let strength = self.buffer("strength of a state's change", heads.heads, RowSet::Batch);
        self.linear(&format!("{name}.strength"), Bias::Absent, input, strength);
        let rule = RecurrenceRule::GatedDelta { strength, range: strength_range };
        let read = self.recurrence(name, heads, rule, convolved, [0, keys, 2 * keys], input);
        let weight = self.tensor(&format!("{name}.norm.weight"), 1, heads.value_width);
        self.ops.push(Op::HeadNorm {
            kind: NormKind::Rms,
            epsilon: norm_epsilon,
            weight: Some(weight),
            heads: heads.heads,
            head_width: heads.value_width,
            columns: Columns { buffer: read, first: 0 },
        });
        self.ops.push(Op::Gate { activation, up: Columns { buffer: read, first: 0 }, output: gate });
        self.linear(&format!("{name}.output"), Bias::Absent, gate, output);
    }

    fn mamba2(&mut self, name: &str, config: &Mamba2Config, input: BufferId, output: BufferId) {
        let Mamba2Config { heads, convolution, time_step: limits, norm, input_bias, output_bias } = *config;
        let (keys, values) = (heads.keys(), heads.values());
        let convolved = self.convolved(name, &heads, (convolution, input_bias), input);
        let gate = self.buffer("state gate", values, RowSet::Batch);
        self.linear(&format!("{name}.gate"), input_bias, input, gate);
        self.scale(self.factors.recurrent_gate, gate);
        let skip = self.tensor(&format!("{name}.skip.weight"), 1, heads.heads);
        let rule = RecurrenceRule::Mamba2 { limits, skip };
        let read = self.recurrence(name, heads, rule, convolved, [values + keys, values, 0], input);
        let gated =
            Op::Gate { activation: Activation::Silu, up: Columns { buffer: read, first: 0 }, output: gate };
        match norm {
            None => self.ops.push(gated),
            Some(norm) if norm.before_gate => {
                self.group_norm(name, norm, read);
                self.ops.push(gated);
            }
            Some(norm) => {
                self.ops.push(gated);
                self.group_norm(name, norm, gate);
            }
        }
        self.linear(&format!("{name}.output"), output_bias, gate, output);
    }

    fn group_norm(&mut self, name: &str, config: GroupNormConfig, buffer: BufferId) {
        let GroupNormConfig { epsilon, groups: heads, .. } = config;
        let width = self.buffers[buffer.0].columns;
        let weight = Some(self.tensor(&format!("{name}.norm.weight"), 1, width));
        let (kind, columns) = (NormKind::Rms, Columns { buffer, first: 0 });
        self.ops.push(Op::HeadNorm { kind, epsilon, weight, heads, head_width: width / heads, columns });
    }

    /// Queries, keys and values after their convolution.
    fn convolved(
        &mut self,
        name: &str,
        heads: &StateHeads,
        (convolution, bias): (ConvolutionConfig, Bias),
        input: BufferId,
    ) -> BufferId {
        let mixed = self.buffer("queries, keys and values of a state", heads.channels(), RowSet::Batch);
        self.linear(&format!("{name}.input"), bias, input, mixed);
        self.convolution(name, convolution, Some(Activation::Silu), mixed)
    }

    /// The recurrence over queries, keys and values from these columns of `convolved` on.
    fn recurrence(
        &mut self,
        name: &str,
        heads: StateHeads,
        rule: RecurrenceRule,
        convolved: BufferId,
        [query, key, value]: [usize; 3],
        input: BufferId,
    ) -> BufferId {
        let time_step = self.buffer("time steps", heads.heads, RowSet::Batch);
        self.linear(&format!("{name}.time_step"), Bias::Present, input, time_step);
        let columns = |first| Columns { buffer: convolved, first };
        let prepared =
            self.buffer("prepared queries and keys", RecurrenceOp::prepared_columns(&heads), RowSet::Batch);
        let output = self.buffer("what a state gave", heads.values(), RowSet::Batch);
        let op = RecurrenceOp {
            rule,
            heads,
            rate: self.tensor(&format!("{name}.rate.weight"), 1, heads.heads),
            state: self.state("a state of matrices", RecurrenceOp::state_elements(&heads)),
            query: columns(query),
            key: columns(key),
            value: columns(value),
            time_step,
            prepared,
            output,
        };
        self.ops.push(Op::Recurrence(op));
        output
    }

    fn state(&mut self, name: &'static str, elements: usize) -> StateId {
        self.states.push(StateSpec { name, elements });
        StateId(self.states.len() - 1)
    }
}
