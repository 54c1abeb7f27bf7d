//! Every kernel against its twin, over a table of awkward shapes, in each variant and weight format.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use logitscope::gpu::{Device, Engine, KernelChoice, LinearVariant, MOST_LANES};
use logitscope::model::batch::RowOutput;
use logitscope::model::config::{Activation, NormKind, Xielu};
use logitscope::model::group_format::{GroupCodes, GroupFormat};
use logitscope::model::plan::{
    BufferId, BufferSpec, Columns, Epilogue, InputNorm, Op, Plan, RotaryId, RowSet, TensorId, TensorSpec,
};
use logitscope::model::rotary::RotaryTable;
use logitscope::model::weight_format::{BlockFormat, Encoding, GridFormat};
use logitscope::model::{Batch, LanguageModel, SequenceId, WeightFormat};
use logitscope::reference::Reference;
use logitscope::verify::{Agreement, Comparison};

use super::support::{self, MadeWeights, Numbers};

pub static DEVICE: LazyLock<Arc<Device>> = LazyLock::new(support::device);

/// 1, around workgroup sizes, not multiples of four, and the width of a real model.
const WIDTHS: [usize; 6] = [1, 3, 9, 63, 65, 576];
/// Outputs and columns of linear maps.
const MATRICES: [(usize, usize); 8] =
    [(1, 1), (5, 3), (66, 7), (259, 9), (7, 65), (64, 576), (5, 32), (67, 96)];
pub const ROWS: [usize; 4] = [1, 2, 5, 33];
/// What software drivers get.
const OF_SOFTWARE: [KernelChoice; 2] = [KernelChoice::CPU, KernelChoice::CPU_SHUFFLE];

/// What GPUs get: each variant of what the choices are made of, with subgroups (where there are any) and without.
/// Software drivers have small subgroups: these workgroups hold several.
static OF_GPUS: LazyLock<[KernelChoice; 4]> = LazyLock::new(|| {
    let gpu = KernelChoice::GPU;
    let (tiles, eight) = (LinearVariant::GemmRegisters, LinearVariant::GemvPerWorkgroup { blocks: 2 });
    let reduction = DEVICE.capabilities.reduction().unwrap_or(gpu.reduction);
    let of_tiles = KernelChoice { one_row: tiles, few_rows: tiles, many_rows: tiles, ..gpu };
    [
        gpu,
        KernelChoice { reduce_lanes: MOST_LANES, plain_lanes: 128, ..of_tiles },
        KernelChoice { reduction, ..gpu },
        KernelChoice { reduction, one_row: eight, few_rows: eight, reduce_lanes: 32, ..gpu },
    ]
});

/// Every choice of kernels.
pub fn choices() -> impl Iterator<Item = KernelChoice> {
    OF_SOFTWARE.into_iter().chain(OF_GPUS.iter().copied())
}

/// Positions that a sequence may have.
const CONTEXT: usize = 640;

const INPUT: BufferId = BufferId(0);
const OUTPUT: BufferId = BufferId(1);

pub fn batch_buffer(name: &'static str, columns: usize) -> BufferSpec {
    BufferSpec { name, columns, rows: RowSet::Batch }
}

pub fn tensor(name: &str, rows: usize, columns: usize) -> TensorSpec {
    TensorSpec { name: name.to_owned(), rows, columns }
}

/// A plan of these ops over these buffers and tensors; the last buffer stands for the logits.
pub fn plan(ops: Vec<Op>, buffers: Vec<BufferSpec>, tensors: Vec<TensorSpec>) -> Plan {
    let logits = BufferId(buffers.len() - 1);
    Plan {
        tensors,
        buffers,
        rotary_tables: Vec::new(),
        cache_widths: Vec::new(),
        states: Vec::new(),
        cache_format: Default::default(),
        ops,
        logits,
        hidden: None,
        carried: None,
    }
}

/// Both interpreters of a plan, with the same random weights.
pub struct Pair {
    pub engine: Engine,
    pub twin: Reference,
    plan: Plan,
    seed: u64,
    /// The twin's sequence for each of the engine's.
    twins: HashMap<SequenceId, SequenceId>,
    /// What buffers are filled with, from numbers in −1..1. Beyond ±1, so that activations reach their flat ends.
    pub contents: fn(f32) -> f32,
}

impl Pair {
    pub fn new(plan: &Plan, format: WeightFormat, choice: KernelChoice) -> Self {
        let weights = MadeWeights::random(plan, format, 7);
        let device = Arc::clone(&DEVICE);
        let engine = Engine::load_with(
            device,
            plan.clone(),
            CONTEXT,
            &weights,
            &mut |_, _| ControlFlow::Continue(()),
            choice,
        )
        .unwrap();
        let twin = Reference::new(plan.clone(), CONTEXT, &weights).unwrap();
        Self {
            engine,
            twin,
            plan: plan.clone(),
            seed: 1,
            twins: HashMap::new(),
            contents: |number| 6.0 * number,
        }
    }

    /// A new sequence on both sides, by the engine's handle.
    pub fn new_sequence(&mut self) -> SequenceId {
        let sequence = self.engine.new_sequence();
        self.twins.insert(sequence, self.twin.new_sequence());
        sequence
    }

    /// A fork on both sides.
    pub fn fork(&mut self, sequence: SequenceId) -> SequenceId {
        let fork = self.engine.fork(sequence).unwrap();
        self.twins.insert(fork, self.twin.fork(self.twins[&sequence]).unwrap());
        fork
    }

    fn release(&mut self, sequence: SequenceId) {
        self.engine.release(sequence);
        self.twin.release(self.twins[&sequence]);
    }

    /// Runs the plan over the batch with random contents in every buffer, and holds the two together. Returns the
    /// largest share of the tolerance.
    pub fn compare(&mut self, batch: &Batch, what: &str) -> f32 {
        self.seed += 1;
        let mut numbers = Numbers::new(self.seed);
        let outputs = batch.outputs().count();
        let Self { engine, twin, twins, .. } = self;
        let mut comparison = Comparison::begin(engine, twin, batch, |sequence| twins[&sequence]).unwrap();
        for (index, spec) in self.plan.buffers.iter().enumerate() {
            let rows = if spec.rows == RowSet::Batch { batch.rows.len() } else { outputs };
            let values: Vec<f32> = numbers.take(rows * spec.columns).into_iter().map(self.contents).collect();
            comparison.set(BufferId(index), &values);
        }
        let mut shares = Vec::new();
        let agreement = comparison.run(&mut |op| shares.push(op.worst.share)).unwrap();
        assert!(!shares.is_empty(), "{what}: nothing was compared");
        if let Agreement::Broken(report) = agreement {
            panic!("{what}: {report:#?}");
        }
        shares.into_iter().fold(0.0, f32::max)
    }

    /// A fresh chain of rows, all of whose logits are wanted, in a sequence of its own on both sides.
    pub fn compare_rows(&mut self, rows: usize, what: &str) -> f32 {
        let sequence = self.new_sequence();
        let batch = Batch::chain_of_outputs(sequence, 0, &vec![0; rows], RowOutput::Logits);
        let share = self.compare(&batch, &format!("{what}, {rows} rows"));
        self.release(sequence);
        share
    }
}

#[test]
fn linear_agrees_in_every_variant_format_and_shape() {
    for choice in OF_SOFTWARE {
        for format in Encoding::ALL.map(Encoding::format) {
            for shape in shapes_of(format) {
                compare_linear(choice, format, shape, &ROWS);
            }
        }
    }
}

/// All of a GPU's variants with all else would be minutes of compiling: of formats, shapes, choices and numbers of
/// rows, any two meet.
#[test]
fn linear_for_gpus_agrees_in_pairs_of_variants_formats_and_shapes() {
    for (place, format) in Encoding::ALL.map(Encoding::format).into_iter().enumerate() {
        let shapes = shapes_of(format);
        for (turn, &shape) in shapes.iter().cycle().take(shapes.len().max(6)).enumerate() {
            let choice = OF_GPUS[(turn + 2 * place + turn / 4) % OF_GPUS.len()];
            compare_linear(choice, format, shape, &[ROWS[(turn + place) % ROWS.len()]]);
        }
    }
}

/// The matrices that a format can store.
fn shapes_of(format: WeightFormat) -> Vec<(usize, usize)> {
    MATRICES.into_iter().filter(|(_, columns)| columns.is_multiple_of(format.block_elements())).collect()
}

/// Holds a plain linear map to its twin, with a bias if it has an odd number of outputs.
fn compare_linear(
    choice: KernelChoice,
    format: WeightFormat,
    (outputs, columns): (usize, usize),
    rows: &[usize],
) {
    let bias = (outputs % 2 == 1).then_some(TensorId(1));
    let mut tensors = vec![tensor("weight", outputs, columns)];
    tensors.extend(bias.map(|_| tensor("bias", 1, outputs)));
    let plan = linear_plan(tensors, None, bias, outputs, Epilogue::Store);
    let mut pair = Pair::new(&plan, format, choice);
    for &rows in rows {
        pair.compare_rows(rows, &format!("linear {outputs} × {columns} {} {choice:?}", format.name()));
    }
}

/// The formats that come from files alone.
fn formats_of_files() -> impl Iterator<Item = WeightFormat> {
    WeightFormat::ALL.into_iter().filter(|format| format.encoding().is_none())
}

#[test]
fn linear_agrees_in_the_formats_of_files() {
    for format in formats_of_files() {
        // More than a block, an odd number of them, and rows that are no whole number of fours.
        let shape = (21, 3 * format.block_elements());
        compare_linear(KernelChoice::CPU, format, shape, &[1, 5]);
        // Compiling them all for a software driver takes minutes; these have every way of unpacking.
        let of_blocks = [BlockFormat::Q6K, BlockFormat::Q3K, BlockFormat::Q2K, BlockFormat::Iq4Xs]
            .map(WeightFormat::Blocks);
        let of_grids = [GridFormat::Iq3S, GridFormat::Iq2Xs, GridFormat::Iq1M].map(WeightFormat::Grids);
        let is_of_groups = matches!(format, WeightFormat::Groups(GroupFormat { codes, .. })
            if matches!(codes, GroupCodes::Int6 | GroupCodes::E4m3));
        if of_blocks.contains(&format) || of_grids.contains(&format) || is_of_groups {
            compare_linear(KernelChoice::GPU, format, shape, &[1, 33]);
        }
    }
}

#[test]
fn embedding_agrees_in_the_formats_of_files() {
    for format in formats_of_files() {
        let columns = 3 * format.block_elements();
        let op = Op::Embed { table: TensorId(0), positions: None, output: BufferId(0) };
        let buffers = vec![batch_buffer("output", columns), batch_buffer("logits", 19)];
        let tensors = vec![tensor("table", 19, columns)];
        let mut pair = Pair::new(&plan(vec![op], buffers, tensors), format, KernelChoice::GPU);
        let sequence = pair.new_sequence();
        let tokens: Vec<u32> = (0..19).collect();
        let batch = Batch::chain(sequence, 0, &tokens, RowOutput::Nothing);
        pair.compare(&batch, &format!("embedding of {columns} in {}", format.name()));
    }
}

#[test]
fn linear_agrees_with_every_norm_and_finish() {
    let epilogues = [
        Epilogue::Store,
        Epilogue::Add,
        Epilogue::Activate(Activation::GeluTanh),
        Epilogue::Gate(Activation::Silu),
        Epilogue::Gate(Activation::Gelu),
    ];
    for (place, epilogue) in epilogues.into_iter().enumerate() {
        for (turn, shape) in [(8, 4), (24, 65), (136, 576)].into_iter().enumerate() {
            for choice in OF_SOFTWARE {
                compare_fused_linear(choice, epilogue, shape, &ROWS);
            }
            // Any two of these meet as well.
            let choice = OF_GPUS[(place + turn + place / 4) % OF_GPUS.len()];
            compare_fused_linear(choice, epilogue, shape, &[ROWS[(place + 2 * turn) % ROWS.len()]]);
        }
    }
}

/// Holds a linear map of a normalised input to its twin, with a bias if it has 65 columns.
fn compare_fused_linear(
    choice: KernelChoice,
    epilogue: Epilogue,
    (outputs, columns): (usize, usize),
    rows: &[usize],
) {
    let bias = (columns == 65).then_some(TensorId(1));
    let mut tensors = vec![tensor("weight", outputs, columns)];
    tensors.extend(bias.map(|_| tensor("bias", 1, outputs)));
    tensors.push(tensor("norm", 1, columns));
    let weight = TensorId(tensors.len() - 1);
    let norm = Some(InputNorm { epsilon: 1e-5, weight, normed: BufferId(2) });
    let plan = linear_plan(tensors, norm, bias, outputs, epilogue);
    let mut pair = Pair::new(&plan, WeightFormat::F16, choice);
    for &rows in rows {
        pair.compare_rows(rows, &format!("{epilogue:?} {outputs} × {columns} {choice:?}"));
    }
}

/// A plan of one linear map, whose input is buffer 0, whose output buffer 1, and whose normed input buffer 2.
pub fn linear_plan(
    tensors: Vec<TensorSpec>,
    norm: Option<InputNorm>,
    bias: Option<TensorId>,
    rows: usize,
    epilogue: Epilogue,
) -> Plan {
    let columns = tensors[0].columns;
    let outputs = if matches!(epilogue, Epilogue::Gate(_)) { rows / 2 } else { rows };
    let op = Op::Linear { norm, weight: TensorId(0), bias, input: INPUT, output: OUTPUT, epilogue };
    let buffers = vec![
        batch_buffer("input", columns),
        batch_buffer("output", outputs),
        batch_buffer("normed", columns),
        batch_buffer("logits", 8),
    ];
    plan(vec![op], buffers, tensors)
}

#[test]
fn norms_agree_in_every_shape() {
    for choice in choices() {
        for kind in [NormKind::Rms, NormKind::Layer] {
            for columns in WIDTHS {
                let bias = (kind == NormKind::Layer).then_some(TensorId(1));
                let (weight, epsilon) = (TensorId(0), 1e-5);
                let op = Op::Norm { kind, epsilon, weight, bias, input: INPUT, output: OUTPUT };
                let mut tensors = vec![tensor("weight", 1, columns)];
                tensors.extend(bias.map(|_| tensor("bias", 1, columns)));
                let buffers = vec![batch_buffer("input", columns), batch_buffer("output", columns)];
                let mut pair = Pair::new(&plan(vec![op], buffers, tensors), WeightFormat::F32, choice);
                for rows in ROWS {
                    pair.compare_rows(rows, &format!("{kind:?} norm of {columns} {choice:?}"));
                }
            }
        }
    }
}

#[test]
fn norms_of_heads_agree_in_every_shape() {
    for choice in choices() {
        for kind in [NormKind::Rms, NormKind::Layer] {
            // Single heads with one weight and with a weight each, and a row as one head.
            // And single heads without a weight.
            for (heads, head_width, columns) in [(3, 5, 5), (4, 8, 32), (2, 65, 130), (1, 96, 96), (3, 10, 0)]
            {
                let op = Op::HeadNorm {
                    kind,
                    epsilon: 1e-5,
                    weight: (columns > 0).then_some(TensorId(0)),
                    heads,
                    head_width,
                    columns: Columns { buffer: BufferId(0), first: 0 },
                };
                let buffers = vec![batch_buffer("heads", heads * head_width)];
                let tensors = if columns > 0 { vec![tensor("weight", 1, columns)] } else { Vec::new() };
                let mut pair = Pair::new(&plan(vec![op], buffers, tensors), WeightFormat::F32, choice);
                for rows in ROWS {
                    pair.compare_rows(rows, &format!("{kind:?} norm of {heads} × {head_width} {choice:?}"));
                }
            }
        }
    }
}

#[test]
fn elementwise_ops_agree_in_every_shape() {
    let activations = [
        Activation::Silu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Relu,
        Activation::ReluSquared,
        Activation::GeluSigmoid,
        Activation::ClampedGelu,
    ];
    for choice in choices() {
        for columns in WIDTHS {
            let mut ops = vec![Op::Add { input: INPUT, output: OUTPUT }];
            for activation in activations {
                ops.push(Op::Gate { activation, up: Columns { buffer: INPUT, first: 0 }, output: OUTPUT });
                ops.push(Op::Activate { activation, buffer: OUTPUT });
                // What squares grow to is brought back to where the next one is not flat.
                ops.push(Op::SoftCap { cap: 5.0, buffer: OUTPUT });
                ops.push(Op::Clamp { limit: 3.5, buffer: OUTPUT });
                ops.push(Op::Scale { factor: 0.7, buffer: OUTPUT });
                ops.push(Op::ScaleBy { factor: TensorId(0), buffer: OUTPUT });
                ops.push(Op::Add { input: INPUT, output: OUTPUT });
            }
            let xielu = Xielu { positive: 0.6, negative: 1.3, linear: 0.5, least: -1e-6 };
            ops.push(Op::Xielu { xielu, buffer: OUTPUT });
            let picked = BufferId(2);
            ops.push(Op::Pick { input: OUTPUT, output: picked });
            let mut buffers = vec![batch_buffer("input", columns), batch_buffer("output", columns)];
            buffers.push(BufferSpec { name: "picked", columns, rows: RowSet::Outputs });
            let tensors = vec![tensor("factor", 1, 1)];
            let mut pair = Pair::new(&plan(ops, buffers, tensors), WeightFormat::F32, choice);
            for rows in ROWS {
                pair.compare_rows(rows, &format!("elementwise over {columns} {choice:?}"));
            }
        }
    }
}

#[test]
fn columns_are_reordered_in_every_shape() {
    for choice in choices() {
        for columns in WIDTHS {
            let ops = vec![Op::Reorder { order: TensorId(0), input: INPUT, output: OUTPUT }];
            let buffers = vec![batch_buffer("input", columns), batch_buffer("output", columns)];
            let tensors = vec![tensor("matrix.order", 1, columns)];
            let mut pair = Pair::new(&plan(ops, buffers, tensors), WeightFormat::F32, choice);
            for rows in ROWS {
                pair.compare_rows(rows, &format!("reorder {columns} {choice:?}"));
            }
        }
    }
}

#[test]
fn picking_some_rows_takes_those_rows() {
    let outputs = BufferSpec { name: "picked", columns: 5, rows: RowSet::Outputs };
    let ops = vec![Op::Pick { input: INPUT, output: OUTPUT }];
    let plan = plan(ops, vec![batch_buffer("input", 5), outputs], Vec::new());
    let mut pair = Pair::new(&plan, WeightFormat::F32, KernelChoice::CPU);
    let sequence = pair.new_sequence();
    let mut batch = Batch::chain(sequence, 0, &[0; 9], RowOutput::Logits);
    batch.rows[2].output = RowOutput::Logits;
    batch.rows[5].output = RowOutput::Logits;
    pair.compare(&batch, "pick rows 2, 5 and 8");
}

#[test]
fn embedding_agrees_with_and_without_positions() {
    for format in Encoding::ALL.map(Encoding::format) {
        for columns in WIDTHS {
            if !columns.is_multiple_of(format.block_elements()) {
                continue;
            }
            let positions = (columns % 2 == 1).then_some(TensorId(1));
            let op = Op::Embed { table: TensorId(0), positions, output: BufferId(0) };
            let mut tensors = vec![tensor("table", 19, columns)];
            tensors.extend(positions.map(|_| tensor("positions", CONTEXT, columns)));
            // The number of logits is what bounds the tokens: as wide as the table is long.
            let buffers = vec![batch_buffer("output", columns), batch_buffer("logits", 19)];
            let mut pair = Pair::new(&plan(vec![op], buffers, tensors), format, KernelChoice::GPU);
            let sequence = pair.new_sequence();
            let tokens: Vec<u32> = (0..41).map(|index| index * 7 % 19).collect();
            let batch = Batch::chain(sequence, 0, &tokens, RowOutput::Nothing);
            pair.compare(&batch, &format!("embedding of {columns} in {}", format.name()));
        }
    }
}

#[test]
fn rotary_agrees_for_whole_and_partial_heads() {
    for (heads, head_width, pairs) in [(1, 2, 1), (3, 6, 3), (4, 64, 32), (5, 10, 2), (9, 64, 16)] {
        let frequency = |pair| 0.37f32.powi(pair);
        let table = RotaryTable {
            inverse_frequencies: (0..pairs).map(frequency).collect(),
            long: None,
            amplitude: 1.25,
        };
        let op = Op::Rotary { table: RotaryId(0), heads, head_width, buffer: BufferId(0) };
        let mut plan = plan(vec![op], vec![batch_buffer("queries", heads * head_width)], Vec::new());
        plan.rotary_tables.push(table);
        let mut pair = Pair::new(&plan, WeightFormat::F32, KernelChoice::CPU);
        for rows in [1, 7, 100] {
            let sequence = pair.new_sequence();
            let tokens = vec![0; rows];
            let batch = Batch::chain(sequence, 0, &tokens, RowOutput::Nothing);
            pair.compare(&batch, &format!("rotary of {heads} × {head_width}, {pairs} pairs, {rows} rows"));
            pair.release(sequence);
        }
    }
}
