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
use logitscope::model::plan::{BufferId, Epilogue, InputNorm, TensorId};
use logitscope::model::weight_format::BlockFormat;
use logitscope::model::{Batch, LanguageModel, WeightFormat};

use super::kernels::{DEVICE, Pair, linear_plan, tensor};
use super::support::MadeWeights;

/// Outputs and columns: less than a square and more than a tile, columns that end within a turn and a square.
const MATRICES: [(usize, usize); 6] = [(5, 3), (66, 7), (259, 9), (7, 65), (136, 96), (64, 576)];
/// More than few: less than a tile, a row more than a square, more than a tile.
const ROWS: [usize; 3] = [9, 33, 70];

/// The adapter's kernels with matrix units, and those with emulated ones.
fn choices() -> Vec<(Matrices, KernelChoice)> {
    let subgroup = DEVICE.capabilities.subgroup_lanes.as_ref().map(|lanes| Matrices::lanes(*lanes.end()));
    let Some(lanes) = subgroup else {
        println!("skipped: {} has no subgroups", DEVICE.info.full_name());
        return Vec::new();
    };
    let emulated = Matrices::of(MatrixUnits::Emulated8)
        .filter(|_| DEVICE.computes_f16())
        .map(|matrices| LinearVariant::GemmCooperative { matrices, lanes });
    let choice = |many_rows| match many_rows {
        LinearVariant::GemmCooperative { matrices, .. } => {
            (matrices, KernelChoice { many_rows, ..KernelChoice::CPU })
        }
        other => panic!("{other:?} is no variant with matrix units"),
    };
    DEVICE.capabilities.matrix_variants().into_iter().chain(emulated).map(choice).collect()
}

/// Whether one of several cases is tried with a tile: emulated ones share them out, as each takes seconds to compile.
fn is_tried(matrices: Matrices, place: usize) -> bool {
    matrices.units != MatrixUnits::Emulated8 || MatrixTile::ALL[place % 3] == matrices.tile
}

/// Numbers that f16 holds.
fn halves(number: f32) -> f32 {
    f16::from_f32(6.0 * number).to_f32()
}

#[test]
fn factors_that_f16_holds_are_multiplied_exactly() {
    for (matrices, choice) in choices() {
        for (place, &(outputs, columns)) in MATRICES.iter().enumerate() {
            if !is_tried(matrices, place) {
                continue;
            }
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
    // Every format is decoded likewise by another kernel, which takes software drivers less time to compile.
    let of_tests = |format| {
        let k_quant = WeightFormat::Blocks(BlockFormat::Q4K);
        [WeightFormat::F16, WeightFormat::Q8_0, WeightFormat::Q4_0, k_quant].contains(&format)
    };
    for (matrices, choice) in choices() {
        for (place, format) in WeightFormat::ALL.into_iter().enumerate() {
            if matrices.units == MatrixUnits::Emulated8 && !(of_tests(format) && is_tried(matrices, place)) {
                continue;
            }
            // Two blocks and one more, where a row is so long.
            let shapes = MATRICES.into_iter().chain([(21, 3 * format.block_elements())]);
            let fitting = shapes.filter(|(_, columns)| columns.is_multiple_of(format.block_elements()));
            let fitting: Vec<_> = fitting.collect();
            // Compiling them all takes minutes on a software driver.
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
                if !is_tried(matrices, turn) {
                    continue;
                }
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
    for (matrices, choice) in choices() {
        let plan = linear_plan(vec![tensor("weight", 8, 32)], None, None, 8, Epilogue::Store);
        let mut pair = Pair::new(&plan, WeightFormat::F16, choice);
        let sequence = pair.engine.new_sequence();
        let batch = Batch::chain(sequence, 0, &[0; 9], RowOutput::Nothing);
        let pass = pair.engine.begin(&batch).unwrap();
        pair.engine.write_buffer(BufferId(0), &[1e6; 9 * 32]);
        pair.engine.run_op(&pass, 0, 9).unwrap();
        let results = pair.engine.read_buffer(BufferId(1), 9).unwrap();
        assert!(results.iter().all(|result| result.is_finite()), "{matrices:?}: {results:?}");
    }
}

#[test]
fn weights_in_f32_keep_inputs_in_f32() {
    for (matrices, choice) in choices() {
        let plan = linear_plan(vec![tensor("weight", 64, 96)], None, None, 64, Epilogue::Store);
        let mut pair = Pair::new(&plan, WeightFormat::F32, choice);
        assert!(!pair.engine.rounds_inputs(0, 33), "{matrices:?}");
        pair.compare_rows(33, &format!("f32 {matrices:?}"));
    }
}

/// A driver that compiles a kernel wrongly, or weights that it cannot hold: a trial finds out before it is used.
#[test]
fn a_candidate_that_computes_something_else_is_not_chosen() {
    let (outputs, columns) = (24, 32);
    let plan = linear_plan(vec![tensor("weight", outputs, columns)], None, None, outputs, Epilogue::Store);
    let small = |(matrices, _): &(Matrices, KernelChoice)| {
        matrices.tile == MatrixTile::Small && matrices.units == MatrixUnits::Emulated8
    };
    let Some((_, choice)) = choices().into_iter().find(small) else { return };
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
