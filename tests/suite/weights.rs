//! Weights in another precision: what it costs, and that what cannot be quantised is said.

use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use logitscope::gpu::{Device, estimate_memory};
use logitscope::model::batch::RowOutput;
use logitscope::model::conversion::Converted;
use logitscope::model::plan::{BufferId, BufferSpec, Epilogue, Op, Plan, RowSet, TensorId, TensorSpec};
use logitscope::model::{
    Batch, Divergence, DivergenceSummary, Fused, LanguageModel, WeightFormat, Weights, WeightsChoice,
};
use logitscope::session::opened::format_names;
use logitscope::session::{ModelSource, Opened};
use logitscope::verify::all_logits;

use super::checkpoints;
use super::support::{self, MadeWeights, device, program};

static DEVICE: LazyLock<Arc<Device>> = LazyLock::new(device);

const TALE: &str = "One fine evening a young princess put on her bonnet and clogs, and went out to take a walk by \
    herself in a wood; and when she came to a cool spring of water, that rose in the midst of it, she sat herself \
    down to rest a while.";

/// The logits of the built-in model after each token of [`TALE`].
fn logits(weights: WeightsChoice) -> (Opened, Vec<Vec<f32>>) {
    let opened = Opened::open(&ModelSource::BuiltIn, None, weights).unwrap();
    let ids = opened.tokenizer.as_ref().unwrap().encode(TALE, logitscope::tokenizer::AddSpecial::AsFileSays);
    let mut engine = opened.engine(Arc::clone(&DEVICE), &mut |_, _| ControlFlow::Continue(())).unwrap();
    let logits = all_logits(&mut engine, &ids.unwrap(), &mut || true).unwrap().unwrap();
    (opened, logits)
}

#[test]
fn the_built_in_models_logits_stay_near_in_every_precision() {
    let (_, original) = logits(WeightsChoice::Original);
    assert!(original.len() > 50);
    let cases = [
        (WeightsChoice::F16, 0.0, 0.0, "f16"),
        (WeightsChoice::Q8_0, 1e-4, 0.006, "q8_0 + f16"),
        (WeightsChoice::Q4_0, 0.005, 0.06, "f16 + q4_0 + q8_0"),
    ];
    for (choice, least, most, formats) in cases {
        let (opened, converted) = logits(choice);
        let positions: Vec<_> = original.iter().zip(&converted).map(|(b, a)| Divergence::of(b, a)).collect();
        let summary = DivergenceSummary::of(&positions);
        let error = summary.mean_relative_error;
        assert!((least..=most).contains(&error), "{}: {summary:?}", choice.name());
        assert!(summary.largest_relative_error <= 2.0 * most, "{}: {summary:?}", choice.name());
        assert!(summary.top_agreement > 0.9, "{}: {summary:?}", choice.name());
        assert_eq!(format_names(opened.file.weights.tensors()), formats, "{}", choice.name());
        let said = opened.file.warnings.iter().filter(|warning| warning.contains("of 688 columns")).count();
        assert_eq!(said, usize::from(formats.contains('q')), "{:?}", opened.file.warnings);
    }
}

#[test]
fn matrices_are_converted_by_their_role_and_vectors_stay() {
    let tensor = |name: &str, rows, columns| TensorSpec { name: name.to_owned(), rows, columns };
    let buffer = |name, columns| BufferSpec { name, columns, rows: RowSet::Batch };
    let linear = |weight, input, output| Op::Linear {
        weight: TensorId(weight),
        norm: None,
        bias: None,
        input: BufferId(input),
        output: BufferId(output),
        epilogue: Epilogue::Store,
    };
    let table = Op::Embed { table: TensorId(0), positions: Some(TensorId(1)), output: BufferId(0) };
    let plan = Plan {
        tensors: vec![
            tensor("table", 7, 64),
            tensor("positions", 9, 64),
            tensor("wide", 40, 64),
            tensor("odd", 64, 40),
            tensor("head", 7, 64),
        ],
        buffers: vec![buffer("a", 64), buffer("b", 40), buffer("c", 64), buffer("logits", 7)],
        rotary_tables: Vec::new(),
        cache_widths: Vec::new(),
        states: Vec::new(),
        cache_format: Default::default(),
        ops: vec![table, linear(2, 0, 1), linear(3, 1, 2), linear(4, 2, 3)],
        logits: BufferId(3),
        hidden: None,
        carried: None,
    };
    let weights = MadeWeights::random(&plan, WeightFormat::F32, 11);
    let original: Vec<_> = (0..5).map(|index| weights.read(index, 2..5).unwrap().into_owned()).collect();
    let converted = Converted::new(weights, &plan, WeightsChoice::Q4_0);
    let formats: Vec<_> = converted.tensors().iter().map(|info| info.format).collect();
    let [q8, q4] = [WeightFormat::Q8_0, WeightFormat::Q4_0];
    assert_eq!(formats, [q8, WeightFormat::F32, q4, WeightFormat::F16, q8]);
    let warning = converted.warning().unwrap();
    assert!(warning.starts_with("1 matrix stays") && warning.ends_with("odd"), "{warning}");
    for (index, original) in original.iter().enumerate() {
        let (info, read) = (&converted.tensors()[index], converted.read(index, 2..5).unwrap());
        assert_eq!(read.len(), 3 * info.row_bytes());
        let (exact, rounded) = (WeightFormat::F32.decode(original), info.format.decode(&read));
        // A block's largest element is at most 1, so a step is 1/8 at most in q4_0; the largest of the other sign
        // may be off by a whole one.
        let most = if info.format == q4 { 0.126 } else { 0.005 };
        let worst = exact.iter().zip(&rounded).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= most && (worst > 0.0) == (index != 1), "{}: {worst}", info.name);
    }
}

#[test]
fn gpu_memory_is_as_predicted() {
    for choice in WeightsChoice::ALL {
        let opened = Opened::open(&ModelSource::BuiltIn, None, choice).unwrap();
        memory_is_as_predicted(&opened, choice.name());
    }
}

/// Bytes that selecting from rows of logits takes at most beyond what is predicted.
const LAST_BLOCKS: u64 = 128 << 10;

/// With a full context.
fn memory_is_as_predicted(opened: &Opened, name: &str) {
    let Fused { plan, weights } = opened.fused();
    let predicted = estimate_memory(&plan, weights.tensors(), opened.context);
    let mut engine = opened.engine(Arc::clone(&DEVICE), &mut |_, _| ControlFlow::Continue(())).unwrap();
    engine.warm_up().unwrap();
    let sequence = engine.new_sequence();
    while engine.length(sequence) < opened.context {
        let (start, tokens) = (engine.length(sequence), vec![0; engine.max_rows()]);
        let tokens = &tokens[..tokens.len().min(opened.context - start)];
        engine.forward(&Batch::chain(sequence, start, tokens, RowOutput::Nothing)).unwrap();
    }
    let allocated = engine.memory();
    assert_eq!(allocated.weight_bytes, predicted.weight_bytes, "{name}");
    let is_near = |allocated: u64, predicted: u64| allocated.abs_diff(predicted) <= predicted / 20;
    assert!(
        is_near(allocated.cache_bytes, predicted.cache_bytes),
        "{name}: {allocated:?}, not {predicted:?}"
    );
    assert_eq!(allocated.state_bytes, predicted.state_bytes, "{name}");
    // But for the last few blocks of rows of logits, which depend on the adapter: up to 64 of 20 bytes for each row.
    let scratch = allocated.scratch_bytes.saturating_sub(LAST_BLOCKS).max(predicted.scratch_bytes);
    assert!(is_near(scratch, predicted.scratch_bytes), "{name}: {allocated:?}, not {predicted:?}");
}

#[test]
fn a_cache_that_several_layers_read_is_counted_once() {
    let name = "gemma4_text-by-layer";
    let facts = logitscope::formats::inspect(&support::fixture("families").join(name)).unwrap();
    // Keys and values of two layers of 2 × 8 elements, and of one of 2 × 16; two more layers have none.
    assert_eq!(facts.cache_bytes_per_position, Some(4 * 2 * (16 + 32 + 16)));
    let keep = facts.layers_keep.unwrap();
    assert_eq!((keep.cache_only, keep.shared, keep.neither), (3, 2, 0));
    memory_is_as_predicted(&checkpoints::opened(&checkpoints::source(name)), name);
}

/// Peak resident memory of a run of the program, in bytes.
#[cfg(target_os = "linux")]
fn peak_bytes(arguments: &[&str]) -> u64 {
    let mut child =
        program().args(arguments).stdout(std::process::Stdio::null()).spawn().expect("the program starts");
    let mut peak = 0;
    while child.try_wait().expect("it runs").is_none() {
        // The system keeps the peak; a process that just ended has none to tell.
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = kibibytes.map_or(peak, |kibibytes| kibibytes << 10);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(child.wait().expect("it ended").success(), "{arguments:?}");
    peak
}

#[test]
#[cfg(target_os = "linux")]
fn loading_makes_no_second_copy_of_the_weights() {
    // 270 MB of weights that come from no file. On a software driver they lie in the same memory themselves, beside up
    // to 260 MiB of everything else (more where several threads compile); on a GPU the bound is wide.
    let bench = ["bench", "--shape", "smollm2-135m", "--pp", "1", "--tg", "1", "--repeat", "1", "--json"];
    let peak = peak_bytes(&bench);
    let weights = 270 << 20;
    assert!(peak < weights + (384 << 20), "{} MiB at the peak", peak >> 20);
}
