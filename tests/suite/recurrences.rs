//! Convolutions and recurrences against their twins: shapes, rules, chains, trees, many sequences, pass after pass.

use logitscope::gpu::KernelChoice;
use logitscope::model::batch::{Row, RowOutput};
use logitscope::model::config::{Activation, HeadOrder, StateHeads};
use logitscope::model::plan::{
    BufferId, Columns, ConvolutionOp, Op, Plan, RecurrenceOp, RecurrenceRule, StateId, StateSpec, TensorId,
};
use logitscope::model::{Batch, WeightFormat};

use super::kernels::{Pair, batch_buffer, plan, tensor};

const CHOICES: [KernelChoice; 2] = [KernelChoice::CPU, KernelChoice::GPU];

fn convolution_plan(kernel: usize, channels: usize, bias: bool, activation: Option<Activation>) -> Plan {
    let op = Op::Convolution(ConvolutionOp {
        kernel,
        weight: TensorId(0),
        bias: bias.then_some(TensorId(1)),
        activation,
        state: StateId(0),
        input: BufferId(0),
        output: BufferId(1),
    });
    let mut tensors = vec![tensor("convolution.weight", 1, channels * kernel)];
    tensors.extend(bias.then(|| tensor("convolution.bias", 1, channels)));
    let buffers = vec![batch_buffer("input", channels), batch_buffer("output", channels)];
    let mut plan = plan(vec![op], buffers, tensors);
    plan.states = vec![StateSpec { name: "inputs", elements: (kernel - 1) * channels }];
    plan
}

fn recurrence_plan(heads: StateHeads, is_delta: bool) -> Plan {
    let [source, time_step, prepared, output, strength] = [0, 1, 2, 3, 4].map(BufferId);
    let (keys, values) = (heads.keys(), heads.values());
    let columns = |first| Columns { buffer: source, first };
    let (rule, [query, key, value]) = if is_delta {
        (RecurrenceRule::GatedDelta { strength, range: 2.0 }, [0, keys, 2 * keys])
    } else {
        let limits = [0.1, 2.0];
        (RecurrenceRule::Mamba2 { limits, skip: TensorId(1) }, [values + keys, values, 0])
    };
    let op = Op::Recurrence(RecurrenceOp {
        rule,
        heads,
        rate: TensorId(0),
        state: StateId(0),
        query: columns(query),
        key: columns(key),
        value: columns(value),
        time_step,
        prepared,
        output,
    });
    let buffers = vec![
        batch_buffer("source", heads.channels()),
        batch_buffer("time steps", heads.heads),
        batch_buffer("prepared", RecurrenceOp::prepared_columns(&heads)),
        batch_buffer("output", heads.values()),
        batch_buffer("strength", heads.heads),
    ];
    let mut plan =
        plan(vec![op], buffers, vec![tensor("rate.weight", 1, heads.heads), tensor("skip", 1, heads.heads)]);
    plan.states = vec![StateSpec { name: "matrices", elements: RecurrenceOp::state_elements(&heads) }];
    plan
}

fn heads([heads, groups, key_width, value_width]: [usize; 4], order: HeadOrder) -> StateHeads {
    StateHeads { heads, groups, order, key_width, value_width }
}

impl Pair {
    /// Chains of several lengths one after the other, each of which goes on from the state before.
    fn compare_chains(&mut self, what: &str) {
        // Beyond ±1 a recurrence of many rows gets large.
        self.contents = |number| number;
        let sequence = self.new_sequence();
        let mut start = 0;
        for rows in [1, 2, 1, 9, 33, 1, 64] {
            let batch = Batch::chain(sequence, start, &vec![0; rows], RowOutput::Logits);
            self.compare(&batch, &format!("{what}, {rows} rows after {start}"));
            start += rows;
        }
    }

    /// A tree of rows of one sequence and a chain of another, which share a pass, and then a row for each.
    fn compare_tree(&mut self, what: &str) {
        self.contents = |number| number;
        let (first, second) = (self.new_sequence(), self.new_sequence());
        for sequence in [first, second] {
            self.compare(&Batch::chain(sequence, 0, &[0; 3], RowOutput::Logits), what);
        }
        let row = |sequence, position, parent| Row {
            token: 0,
            position,
            sequence,
            parent,
            output: RowOutput::Logits,
        };
        let rows = vec![
            row(first, 3, None),
            row(second, 3, None),
            row(first, 4, Some(0)),
            row(first, 4, Some(0)),
            row(first, 3, None),
            row(first, 5, Some(3)),
            row(second, 4, Some(1)),
        ];
        self.compare(&Batch::from(rows), &format!("{what}, a tree"));
        let rows = vec![row(second, 5, None), row(first, 5, None)];
        self.compare(&Batch::from(rows), &format!("{what}, after the tree"));
    }
}

#[test]
fn convolutions_agree_in_every_shape() {
    for choice in CHOICES {
        for (kernel, channels) in [(2, 5), (3, 64), (4, 130), (7, 33)] {
            for (bias, activation) in
                [(true, None), (false, Some(Activation::Silu)), (true, Some(Activation::Silu))]
            {
                let plan = convolution_plan(kernel, channels, bias, activation);
                let mut pair = Pair::new(&plan, WeightFormat::F32, choice);
                let what = format!("{kernel} rows, {channels} channels, bias {bias}, {activation:?}");
                pair.compare_chains(&what);
                pair.compare_tree(&what);
            }
        }
    }
}

#[test]
fn recurrences_agree_in_every_shape_rule_and_order() {
    // Heads, groups, key width, value width: alone, odd, shared keys, several parts of a key, more than a slice.
    let shapes =
        [[1, 1, 1, 1], [4, 2, 6, 5], [6, 3, 33, 17], [2, 2, 128, 70], [3, 1, 200, 9], [4, 4, 32, 64]];
    for choice in CHOICES {
        for shape in shapes {
            for (is_delta, order) in
                [(true, HeadOrder::Neighbours), (true, HeadOrder::Turns), (false, HeadOrder::Neighbours)]
            {
                let mut pair =
                    Pair::new(&recurrence_plan(heads(shape, order), is_delta), WeightFormat::F32, choice);
                let what = format!("{shape:?}, delta {is_delta}, {order:?}");
                pair.compare_chains(&what);
                pair.compare_tree(&what);
            }
        }
    }
}
