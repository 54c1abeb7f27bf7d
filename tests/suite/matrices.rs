//! Linear maps by matrix units against their twin: by those that the adapter lists, and by emulated ones, which have the
//! kernel's text but for what multiplies a square.

use std::ops::ControlFlow;
use std::sync::Arc;

use half::f16;
use logitscope::gpu::{
    Engine, KernelChoice, LinearKernel, LinearVariant, Matrices, MatrixTile, MatrixUnits, TuningCache,
};
use logitscope::model::batch::RowOutput;
use logitscope::model::config::Activation;
use logitscope::model::plan::{BufferId, Epilogue, InputNorm, Op, TensorId};
use logitscope::model::weight_format::BlockFormat;
use logitscope::model::{Batch, LanguageModel, WeightFormat};

use super::kernels::{DEVICE, Pair, batch_buffer, linear_plan, plan, tensor};
use super::support::MadeWeights;

/// Outputs and columns: less than a square and more than a tile, columns that end within a turn and a square.
const MATRICES: [(usize, usize); 6] = [(5, 3), (66, 7), (259, 9), (7, 65), (136, 96), (64, 576)];
/// More than few: less than a tile, a row more than a square, more than a tile.
const ROWS: [usize; 3] = [9, 33, 70];

/// The adapter's kernels with matrix units.
fn choices() -> impl Iterator<Item = (Matrices, KernelChoice)> {
    DEVICE.capabilities.matrix_variants().into_iter().map(|many_rows| match many_rows {
        LinearVariant::GemmCooperative { matrices, .. } => {
            (matrices, KernelChoice { many_rows, ..KernelChoice::CPU })
        }
        other => panic!("{other:?} is no variant with matrix units"),
    })
}

/// Lanes of a workgroup of emulated units, where the adapter has what these take.
pub fn lanes_of_emulated_units() -> Option<u32> {
    let subgroups = DEVICE.capabilities.subgroup_lanes.clone().filter(|lanes| *lanes.start() >= 8);
    let Some(subgroups) = subgroups.filter(|_| DEVICE.computes_f16()) else {
        println!("skipped: {} has no subgroups of eight lanes, or no f16", DEVICE.info.full_name());
        return None;
    };
    Some(MatrixUnits::lanes(*subgroups.end()))
}

/// The kernel with emulated units.
fn emulated(tile: MatrixTile) -> Option<KernelChoice> {
    let lanes = lanes_of_emulated_units()?;
    let matrices = Matrices { units: MatrixUnits::Emulated8, tile };
    let many_rows = LinearVariant::GemmCooperative { matrices, lanes };
    Some(KernelChoice { many_rows, ..KernelChoice::CPU })
}

/// A linear map of a prompt.
struct Case {
    format: WeightFormat,
    /// Rows and columns of the weight.
    matrix: (usize, usize),
    rows: usize,
    epilogue: Epilogue,
    has_bias: bool,
}

impl Case {
    /// Holds it to its twin. Where factors are f16, they are multiplied exactly.
    fn compare(&self, choice: KernelChoice) {
        let Self { format, matrix: (outputs, columns), rows, epilogue, has_bias } = *self;
        let tensors = vec![tensor("weight", outputs, columns), tensor("bias", 1, outputs)];
        let bias = has_bias.then_some(TensorId(1));
        let mut pair = Pair::new(&linear_plan(tensors, None, bias, outputs, epilogue), format, choice);
        let rounds = pair.engine.rounds_inputs(0, rows);
        if format == WeightFormat::F16 {
            pair.contents = halves;
        }
        let (name, kernel) = (format.name(), choice.describe_prefill());
        let what = format!("{kernel}: {outputs} × {columns} {name} {epilogue:?}, bias {has_bias}");
        let share = pair.compare_rows(rows, &what);
        let is_exact = rounds && format == WeightFormat::F16 && epilogue == Epilogue::Store;
        assert!(!is_exact || share < 0.1, "{what}: {share} of the tolerance, which is for rounded factors");
    }
}

/// Emulated units' tiles are half as large as those of 16 by 16: 32, 64 and 64 rows of the weight by 32, 32 and 64 of the
/// batch, in turns of 64, 32 and 32 columns. Parts of the columns have four turns or more, so that there are one to four
/// of them. Every case takes seconds to compile.
#[test]
fn tiles_of_emulated_units_agree_at_their_edges_and_in_every_part() {
    use MatrixTile::{Large, Medium, Small};
    use WeightFormat::{Bf16, F16, Q4_0, Q8_0};

    let blocks = WeightFormat::Blocks;
    let (store, gate) = (Epilogue::Store, Epilogue::Gate(Activation::Silu));
    let activate = Epilogue::Activate(Activation::GeluTanh);
    for (tile, format, matrix, rows, epilogue, has_bias) in [
        // Less than a square.
        (Small, F16, (5, 3), 9, store, false),
        // A row and a few weights beyond the tile; columns that end within a turn.
        (Large, F16, (131, 136), 65, store, false),
        (Medium, F16, (70, 276), 33, Epilogue::Add, true),
        // Two parts, four and three.
        (Small, Q8_0, (72, 544), 35, gate, true),
        (Medium, blocks(BlockFormat::Q4K), (144, 512), 9, gate, false),
        (Large, Q4_0, (70, 416), 66, Epilogue::Add, true),
        // Other readers, two of them with a table.
        (Small, Bf16, (36, 65), 9, activate, true),
        (Small, blocks(BlockFormat::Iq4Xs), (9, 256), 33, store, false),
        (Small, blocks(BlockFormat::Mxfp4), (33, 96), 9, store, true),
    ] {
        let Some(choice) = emulated(tile) else { return };
        Case { format, matrix, rows, epilogue, has_bias }.compare(choice);
    }
}

/// Tiles have 64 rows of either factor, turns 32 columns.
#[test]
fn tiles_in_workgroup_memory_agree_at_their_edges_and_in_every_part() {
    use WeightFormat::{F16, Q4_0};

    let gate = Epilogue::Gate(Activation::Silu);
    for (format, matrix, rows, epilogue, has_bias) in [
        (F16, (131, 136), 65, Epilogue::Add, true),
        (Q4_0, (72, 416), 9, gate, true),
        (WeightFormat::Blocks(BlockFormat::Q4K), (66, 512), 70, Epilogue::Add, true),
        // Rows of the output that follow one another without padding.
        (F16, (64, 256), 9, Epilogue::Add, false),
    ] {
        Case { format, matrix, rows, epilogue, has_bias }.compare(KernelChoice::GPU);
    }
}

/// Sixteen parts, then two: what the others have left is no part of the second map.
#[test]
fn sums_of_an_earlier_map_are_not_added() {
    let map = |weight, input, output| {
        let [input, output] = [input, output].map(BufferId);
        let (norm, bias, epilogue) = (None, None, Epilogue::Store);
        Op::Linear { norm, weight: TensorId(weight), bias, input, output, epilogue }
    };
    let buffers = [("wide", 2048), ("narrow", 256), ("first", 40), ("second", 40), ("logits", 8)];
    let buffers = buffers.map(|(name, columns)| batch_buffer(name, columns)).to_vec();
    let tensors = vec![tensor("long", 40, 2048), tensor("short", 40, 256)];
    let plan = plan(vec![map(0, 0, 2), map(1, 1, 3)], buffers, tensors);
    Pair::new(&plan, WeightFormat::F16, KernelChoice::GPU).compare_rows(9, "two maps");
}

/// Numbers that f16 holds.
fn halves(number: f32) -> f32 {
    f16::from_f32(6.0 * number).to_f32()
}

#[test]
fn factors_that_f16_holds_are_multiplied_exactly() {
    for (matrices, choice) in choices() {
        for (place, &(outputs, columns)) in MATRICES.iter().enumerate() {
            let plan =
                linear_plan(vec![tensor("weight", outputs, columns)], None, None, outputs, Epilogue::Store);
            let mut pair = Pair::new(&plan, WeightFormat::F16, choice);
            pair.contents = halves;
            let what = format!("{outputs} × {columns} {matrices:?}");
            let share = pair.compare_rows(ROWS[place % ROWS.len()], &what);
            assert!(
                pair.engine.rounds_inputs(0, 9) == matrices.units.rounds()
                    && !pair.engine.rounds_inputs(0, 8)
            );
            // The tolerance leaves room for rounded factors, of which there are none here.
            let most = if matrices.units.rounds() { 0.1 } else { 1.0 };
            assert!(share < most, "{what}: {share} of the tolerance");
        }
    }
}

#[test]
fn linear_by_matrix_units_agrees_in_every_format() {
    for (matrices, choice) in choices() {
        for (place, format) in WeightFormat::ALL.into_iter().enumerate() {
            // Two blocks and one more, where a row is so long.
            let shapes = MATRICES.into_iter().chain([(21, 3 * format.block_elements())]);
            let fitting = shapes.filter(|(_, columns)| columns.is_multiple_of(format.block_elements()));
            let fitting: Vec<_> = fitting.collect();
            for turn in [place, place + fitting.len() / 2] {
                let (outputs, columns) = fitting[turn % fitting.len()];
                let tensors = vec![tensor("weight", outputs, columns), tensor("bias", 1, outputs)];
                let plan = linear_plan(tensors, None, Some(TensorId(1)), outputs, Epilogue::Store);
                let mut pair = Pair::new(&plan, format, choice);
                let rows = ROWS[turn / 2 % ROWS.len()];
                pair.compare_rows(rows, &format!("{outputs} × {columns} {} {matrices:?}", format.name()));
            }
        }
    }
}

#[test]
fn linear_by_matrix_units_agrees_with_every_norm_and_finish() {
    let epilogues = [
        Epilogue::Store,
        Epilogue::Add,
        Epilogue::Activate(Activation::GeluTanh),
        Epilogue::Gate(Activation::Silu),
        Epilogue::Gate(Activation::ClampedGelu),
    ];
    for (matrices, choice) in choices() {
        for (place, epilogue) in epilogues.into_iter().enumerate() {
            for turn in [place, place + 1] {
                let (outputs, columns) = [(8, 4), (24, 65), (136, 576)][turn % 3];
                let bias = (columns == 65).then_some(TensorId(1));
                let mut tensors = vec![tensor("weight", outputs, columns)];
                tensors.extend(bias.map(|_| tensor("bias", 1, outputs)));
                tensors.push(tensor("norm", 1, columns));
                let weight = TensorId(tensors.len() - 1);
                let norm = Some(InputNorm { epsilon: 1e-5, weight, normed: BufferId(2) });
                let plan = linear_plan(tensors, norm, bias, outputs, epilogue);
                let mut pair = Pair::new(&plan, WeightFormat::F16, choice);
                let rows = ROWS[(turn + place / 3) % ROWS.len()];
                pair.compare_rows(rows, &format!("{epilogue:?} {outputs} × {columns} {matrices:?}"));
            }
        }
    }
}

#[test]
fn inputs_beyond_f16_stay_finite() {
    for choice in choices().map(|(_, choice)| choice).chain(emulated(MatrixTile::Small)) {
        let plan = linear_plan(vec![tensor("weight", 8, 32)], None, None, 8, Epilogue::Store);
        let mut pair = Pair::new(&plan, WeightFormat::F16, choice);
        let sequence = pair.engine.new_sequence();
        let batch = Batch::chain(sequence, 0, &[0; 9], RowOutput::Nothing);
        let pass = pair.engine.begin(&batch).unwrap();
        pair.engine.write_buffer(BufferId(0), &[1e6; 9 * 32]);
        pair.engine.run_op(&pass, 0, 9).unwrap();
        let results = pair.engine.read_buffer(BufferId(1), 9).unwrap();
        assert!(
            results.iter().all(|result| result.is_finite()),
            "{}: {results:?}",
            choice.describe_prefill()
        );
    }
}

#[test]
fn weights_in_f32_keep_inputs_in_f32() {
    for choice in choices().map(|(_, choice)| choice).chain(emulated(MatrixTile::Small)) {
        let plan = linear_plan(vec![tensor("weight", 64, 96)], None, None, 64, Epilogue::Store);
        let mut pair = Pair::new(&plan, WeightFormat::F32, choice);
        assert!(!pair.engine.rounds_inputs(0, 33), "{}", choice.describe_prefill());
        pair.compare_rows(33, "f32");
    }
}

/// A driver that compiles a kernel wrongly, or weights that it cannot hold: a trial finds out before it is used.
#[test]
fn a_candidate_that_computes_something_else_is_not_chosen() {
    let (outputs, columns) = (24, 32);
    let plan = linear_plan(vec![tensor("weight", outputs, columns)], None, None, outputs, Epilogue::Store);
    let Some(choice) = emulated(MatrixTile::Small) else { return };
    let kernels =
        [LinearVariant::GemmRegisters, choice.many_rows].map(|variant| LinearKernel { variant, lanes: 16 });
    // A weight beyond f16 is its largest number there.
    for (weight, agrees) in [(1e4, true), (1e6, false)] {
        let mut weights = MadeWeights::random(&plan, WeightFormat::F32, 7);
        weights.set(0, 5 * columns + 3, weight);
        weights.store(0, WeightFormat::Bf16);
        let mut progress = |_, _| ControlFlow::Continue(());
        let device = Arc::clone(&DEVICE);
        let mut engine =
            Engine::load_with(device, plan.clone(), 64, &weights, &mut progress, KernelChoice::CPU).unwrap();
        let mut trials = TuningCache::default();
        engine.choose(16, &kernels, &mut trials).unwrap();
        let info = &engine.device.info;
        let made: Vec<_> = trials.about(&info.full_name(), &info.driver).collect();
        let [trial] = made[..] else { panic!("one kind, one trial: {made:?}") };
        let wrong: Vec<&str> = trial.wrong().collect();
        assert_eq!(wrong.is_empty(), agrees, "{trial:?} with {weight}");
        if !agrees {
            assert_eq!(wrong, [kernels[1].id()]);
            assert_eq!(trial.fastest(), Some(kernels[0].id().as_str()));
        }
    }
}
