//! Selection on the GPU against its twin, and what crosses between CPU and GPU a token.

use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use logitscope::decoding::{Control, DecodingSettings, EosRule, StageSettings, StrategyKind, begin};
use logitscope::gpu::{Device, Engine, KernelChoice, Traffic};
use logitscope::model::batch::{RowOutput, SequenceId};
use logitscope::model::language_model::CacheUsage;
use logitscope::model::plan::{BufferId, BufferSpec, Plan, RowSet};
use logitscope::model::selection::{MOST_CANDIDATES, PinnedLogit, RECENT_ROWS, RowHandle, SamplingParams};
use logitscope::model::{Batch, LanguageModel, ModelError, Outputs, Summary, WeightsChoice};
use logitscope::reference::selection::{pinned, summarise};
use logitscope::session::Opened;
use logitscope::session::command::ModelSource;
use logitscope::trace::{Node, NodeTiming, Run};

use super::support::{self, MadeWeights, Numbers};

static DEVICE: LazyLock<Arc<Device>> = LazyLock::new(support::device);

/// 1, around the number of candidates, not multiples of four, and those of real models.
const VOCABULARIES: [usize; 11] = [1, 3, 119, 120, 121, 500, 4097, 32_000, 49_152, 151_936, 300_007];

/// An engine whose logits are whatever the test writes into their buffer.
fn engine(vocabulary: usize, choice: KernelChoice) -> Engine {
    let logits = BufferId(0);
    let plan = Plan {
        tensors: Vec::new(),
        buffers: vec![BufferSpec { name: "logits", columns: vocabulary, rows: RowSet::Outputs }],
        rotary_tables: Vec::new(),
        cache_widths: Vec::new(),
        states: Vec::new(),
        cache_format: Default::default(),
        ops: Vec::new(),
        logits,
        hidden: None,
        carried: None,
    };
    let weights = MadeWeights::random(&plan, logitscope::model::WeightFormat::F32, 0);
    let go_on = &mut |_, _| ControlFlow::Continue(());
    Engine::load_with(Arc::clone(&DEVICE), plan, 128, &weights, go_on, choice).unwrap()
}

/// Summaries of rows that lie one after the other in `logits`.
fn summaries(engine: &mut Engine, logits: &[f32], params: &[SamplingParams]) -> Vec<Summary> {
    engine.write_buffer(BufferId(0), logits);
    let sequence = engine.new_sequence();
    let mut batch = Batch::chain(sequence, 0, &vec![0; params.len()], RowOutput::Nothing);
    for (row, &params) in batch.rows.iter_mut().zip(params) {
        row.output = RowOutput::Summary(params);
    }
    let outputs = engine.forward(&batch).unwrap();
    engine.release(sequence);
    assert!(outputs.logits.is_empty());
    outputs.summaries
}

fn assert_agrees(found: &Summary, logits: &[f32], params: &SamplingParams, what: &str) {
    let expected = summarise(found.row, logits, params);
    let bits = |logits: &[f32]| logits.iter().map(|logit| logit.to_bits()).collect::<Vec<_>>();
    assert_eq!(found.tokens, expected.tokens, "{what}: candidates");
    assert_eq!(bits(&found.logits), bits(&expected.logits), "{what}: their logits");
    let counts = |summary: &Summary| (summary.zeros, summary.extremes, summary.broken);
    assert_eq!(counts(found), counts(&expected), "{what}: zeros, extremes, broken");
    let sums = |summary: &Summary| [summary.sum, summary.weighted_sum, summary.tempered_sum];
    for (found, expected) in sums(found).into_iter().zip(sums(&expected)) {
        assert!(
            (found - expected).abs() <= 1e-5 * expected.abs().max(1.0),
            "{what}: {found}, not {expected}"
        );
    }
    assert_eq!(found.chosen, expected.chosen, "{what}: the token chosen with {params:?}");
}

/// Rows that are awkward to select from, with what they are.
fn rows(vocabulary: usize) -> Vec<(&'static str, Vec<f32>)> {
    let mut numbers = Numbers::new(vocabulary as u64);
    let random = numbers.take(vocabulary).into_iter().map(|number| 12.0 * number * number * number - 3.0);
    let random: Vec<f32> = random.collect();
    let made = |make: &dyn Fn(usize, f32) -> f32| -> Vec<f32> {
        random.iter().enumerate().map(|(id, &number)| make(id, number)).collect()
    };
    vec![
        ("all equal", vec![-2.5; vocabulary]),
        ("two heights", made(&|id, _| if id % 7 == 3 { 1.0 } else { -1.0 })),
        ("a few above ties", made(&|id, _| if id % 1009 == 5 { 4.0 } else { 0.25 })),
        ("rounded to ties", made(&|_, number| number.round())),
        ("descending", made(&|id, _| -(id as f32) / 1000.0)),
        ("ascending", made(&|id, _| id as f32 / 1000.0)),
        ("high ones side by side", made(&|id, number| if id / 3000 == 1 { number + 20.0 } else { number })),
        ("zeros of both signs", made(&|id, number| [0.0, -0.0, number.min(0.0)][id % 3])),
        ("far apart", made(&|id, number| if id % 2 == 0 { number * 1e29 } else { number * 1e-31 })),
        ("almost only -inf", made(&|id, number| if id % 501 == 0 { number } else { f32::NEG_INFINITY })),
        ("only -inf", vec![f32::NEG_INFINITY; vocabulary]),
        ("broken", made(&|id, number| [number, number, f32::NAN, f32::INFINITY][id % 4])),
        ("random", random.clone()),
    ]
}

fn sampling(temperature: f32, top_k: u32, top_p: f32, min_p: f32, uniform: f32) -> SamplingParams {
    SamplingParams { temperature, top_k, top_p, min_p, uniform }
}

#[test]
fn summaries_agree_with_the_twin_over_vocabularies_and_awkward_rows() {
    let params = [SamplingParams::GREEDY, sampling(0.7, 0, 1.0, 0.0, 0.3), sampling(1.5, 40, 0.9, 0.0, 0.0)];
    for vocabulary in VOCABULARIES {
        let mut engine = engine(vocabulary, KernelChoice::CPU);
        for (index, (name, logits)) in rows(vocabulary).iter().enumerate() {
            // The twin sorts: of the longest rows only those that go other ways through the kernels.
            if vocabulary > 50_000 && !["all equal", "high ones side by side", "random"].contains(name) {
                continue;
            }
            let params = params[index % params.len()];
            // The point of a choice among equals falls on a border; the highest is chosen without one.
            let params = if *name == "random" { params } else { SamplingParams { uniform: 0.0, ..params } };
            let found = summaries(&mut engine, logits, &[params]);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].tokens.len(), vocabulary.min(MOST_CANDIDATES));
            assert_agrees(&found[0], logits, &params, &format!("{name}, {vocabulary} entries"));
        }
    }
}

#[test]
fn pinned_tokens_stand_where_the_twin_has_them() {
    for (vocabulary, choice) in VOCABULARIES
        .map(|vocabulary| (vocabulary, KernelChoice::CPU))
        .into_iter()
        .chain([121, 4097, 49_152].map(|vocabulary| (vocabulary, KernelChoice::GPU)))
    {
        let mut engine = engine(vocabulary, choice);
        let last = vocabulary as u32 - 1;
        let mut tokens = vec![0, last, last / 2, last / 3, 1.min(last), 5.min(last)];
        tokens.extend((0..10).map(|index| (index * 7919 + 3) % (last + 1)));
        for (name, logits) in rows(vocabulary) {
            // Two rows of one pass; the second one is the first turned round.
            let turned: Vec<f32> = logits.iter().rev().copied().collect();
            let both = [&logits[..], &turned].concat();
            let params = [SamplingParams::GREEDY; 2];
            let what = format!("{name}, {vocabulary} entries");
            engine.pin(&tokens);
            let found = summaries(&mut engine, &both, &params);
            for (found, logits) in found.iter().zip([&logits, &turned]) {
                let bits = |pinned: &[PinnedLogit]| -> Vec<(u32, u32, usize)> {
                    pinned.iter().map(|one| (one.token, one.logit.to_bits(), one.rank)).collect()
                };
                assert_eq!(bits(&found.pinned), bits(&pinned(logits, &tokens)), "{what}");
                assert_agrees(found, logits, &params[0], &what);
            }
            engine.pin(&[]);
            assert!(summaries(&mut engine, &both, &params).iter().all(|found| found.pinned.is_empty()));
        }
    }
}

#[test]
fn summaries_agree_with_the_largest_workgroups() {
    for vocabulary in [121, 4097, 49_152] {
        let mut engine = engine(vocabulary, KernelChoice::GPU);
        for (name, logits) in rows(vocabulary) {
            let found = summaries(&mut engine, &logits, &[SamplingParams::GREEDY]);
            assert_agrees(
                &found[0],
                &logits,
                &SamplingParams::GREEDY,
                &format!("{name}, {vocabulary} entries"),
            );
        }
    }
}

#[test]
fn several_rows_are_summarised_each_in_its_own_way() {
    let vocabulary = 5003;
    let mut engine = engine(vocabulary, KernelChoice::CPU);
    let mut numbers = Numbers::new(5);
    let logits: Vec<f32> = numbers.take(7 * vocabulary).iter().map(|number| 9.0 * number).collect();
    let params: Vec<SamplingParams> =
        (0..7).map(|row| sampling(0.5 + row as f32 / 5.0, row % 3 * 9, 1.0, 0.0, 0.1)).collect();
    let found = summaries(&mut engine, &logits, &params);
    for (row, found) in found.iter().enumerate() {
        let logits = &logits[row * vocabulary..][..vocabulary];
        assert_agrees(found, logits, &params[row], &format!("row {row}"));
        let kept = engine.read_row(found.row).unwrap();
        let recent = row >= 7 - RECENT_ROWS;
        assert_eq!(kept.as_deref(), recent.then_some(logits), "row {row} of the newest {RECENT_ROWS}");
    }
    assert_eq!(engine.read_row(RowHandle(99)), Ok(None));
}

#[test]
fn the_gpu_chooses_what_the_twin_chooses() {
    let vocabulary = 3001;
    let mut engine = engine(vocabulary, KernelChoice::CPU);
    let mut numbers = Numbers::new(11);
    let mut different = 0;
    for round in 0..60 {
        let logits: Vec<f32> = numbers.take(vocabulary).iter().map(|number| 14.0 * number).collect();
        let params = sampling(
            [0.2, 0.7, 1.0, 1.3][round % 4],
            [0, 1, 5, 40][round / 4 % 4],
            [1.0, 0.9, 0.3][round % 3],
            [0.0, 0.05][round % 2],
            numbers.next().abs(),
        );
        let found = summaries(&mut engine, &logits, &[params]);
        assert_agrees(&found[0], &logits, &params, &format!("round {round}"));
        different += usize::from(found[0].chosen != found[0].tokens[0]);
    }
    assert!(different > 15, "only {different} choices beside the highest");
}

/// An engine that has to wait for every pass.
struct Waiting(Engine);

impl LanguageModel for Waiting {
    fn vocabulary(&self) -> usize {
        self.0.vocabulary()
    }

    fn context(&self) -> usize {
        self.0.context()
    }

    fn max_rows(&self) -> usize {
        self.0.max_rows()
    }

    fn new_sequence(&mut self) -> SequenceId {
        self.0.new_sequence()
    }

    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        self.0.fork(sequence)
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) {
        self.0.truncate(sequence, length);
    }

    fn release(&mut self, sequence: SequenceId) {
        self.0.release(sequence);
    }

    fn length(&self, sequence: SequenceId) -> usize {
        self.0.length(sequence)
    }

    fn forward(&mut self, batch: &Batch) -> Result<Outputs, ModelError> {
        self.0.forward(batch)
    }

    fn accept(&mut self, sequence: SequenceId, rows: &[usize]) -> Result<(), ModelError> {
        self.0.accept(sequence, rows)
    }

    fn read_row(&mut self, row: RowHandle) -> Result<Option<Vec<f32>>, ModelError> {
        self.0.read_row(row)
    }

    fn pin(&mut self, tokens: &[u32]) {
        self.0.pin(tokens);
    }

    fn cache_usage(&self) -> CacheUsage {
        self.0.cache_usage()
    }
}

/// The nodes of a run without their times, and what crossed between CPU and GPU after its first token.
fn decode(
    model: &mut dyn LanguageModel,
    device: &Device,
    settings: &DecodingSettings,
) -> (Vec<Node>, Traffic) {
    let mut strategy = begin(settings, &[], &[1, 50, 200], model).unwrap();
    let mut run = Run::default();
    let mut first = Traffic::default();
    while run.stop.is_none() {
        let mut control = Control { interrupt: &false.into(), progress: &mut |_, _| {} };
        run.stop = strategy.step(model, &mut run, &mut control).unwrap().stop;
        if run.nodes.len() == 1 {
            first = device.traffic();
        }
    }
    let last = device.traffic();
    strategy.release(model);
    assert_eq!(model.cache_usage().pages, 0);
    run.nodes.iter_mut().for_each(|node| node.timing = NodeTiming::default());
    let traffic = Traffic {
        submissions: last.submissions - first.submissions,
        waits: last.waits - first.waits,
        read_bytes: last.read_bytes - first.read_bytes,
        dispatches: last.dispatches - first.dispatches,
        recorded_ahead: last.recorded_ahead - first.recorded_ahead,
        bus_bytes: last.bus_bytes - first.bus_bytes,
    };
    (run.nodes, traffic)
}

#[test]
fn decoding_without_waiting_gives_what_waiting_gives_and_reads_a_kilobyte_a_token() {
    let opened = Opened::open(&ModelSource::BuiltIn, None, WeightsChoice::Original).unwrap();
    // A device of its own: other tests would add to its traffic.
    let device = support::device();
    let mut engine = opened.engine(Arc::clone(&device), &mut |_, _| ControlFlow::Continue(())).unwrap();
    engine.warm_up().unwrap();
    let mut settings = DecodingSettings::default();
    (settings.stop.max_tokens, settings.stop.eos) = (60, EosRule::Ignore);
    let sampling = |temperature, top_k| DecodingSettings {
        strategy: StrategyKind::Sample,
        stages: StageSettings { temperature, top_k, ..StageSettings::default() },
        seed: 3,
        ..settings.clone()
    };
    let all = [settings.clone(), sampling(0.8, 0), sampling(0.9, 20), sampling(3.0, 0)];
    let chained = all.clone().map(|settings| decode(&mut engine, &device, &settings));
    let mut engine = Waiting(engine);
    for (settings, (nodes, traffic)) in all.iter().zip(chained) {
        let (expected, waiting) = decode(&mut engine, &device, settings);
        assert_eq!(nodes, expected, "{settings:?}");
        // Pages of the cache are copied when it grows; that apart, one submission and one wait a token.
        let steps = 59;
        let read = |traffic: &Traffic| traffic.read_bytes / steps;
        if settings.strategy == StrategyKind::Greedy || settings.stages.top_k > 0 {
            assert_eq!((waiting.submissions, waiting.waits, read(&waiting)), (steps, steps, 1040));
            // The first step is unlike the prompt; the others find their commands.
            assert_eq!(waiting.recorded_ahead, steps - 1);
            assert_eq!((traffic.submissions, traffic.waits, read(&traffic)), (steps, steps, 1040));
        } else {
            // Draws that fall beyond the candidates read the whole row, and begin the next pass anew.
            assert_eq!((traffic.waits, traffic.read_bytes), (waiting.waits, waiting.read_bytes));
            let rows_read = traffic.waits - steps;
            let submissions = steps + rows_read..=steps + 2 * rows_read;
            assert!(rows_read > 0 && submissions.contains(&traffic.submissions), "{traffic:?}");
        }
    }
}

#[test]
fn commands_recorded_ahead_give_way_to_those_of_another_pass() {
    let opened = Opened::open(&ModelSource::BuiltIn, None, WeightsChoice::Original).unwrap();
    let device = support::device();
    let mut engine = opened.engine(Arc::clone(&device), &mut |_, _| ControlFlow::Continue(())).unwrap();
    let sequence = engine.new_sequence();
    let highest = RowOutput::Summary(SamplingParams::GREEDY);
    let mut ahead = 0;
    // Beyond what the cache begins with: when it grows, commands that were recorded for it are worth nothing.
    for position in 0..300 {
        let step = |output| Batch::chain(sequence, position, &[position as u32 % 200], output);
        let first = engine.forward(&step(highest)).unwrap().summaries[0].row;
        engine.truncate(sequence, position);
        let logits = engine.forward(&step(RowOutput::Logits)).unwrap().logits.remove(0);
        engine.truncate(sequence, position);
        let second = engine.forward(&step(highest)).unwrap().summaries[0].row;
        for row in [first, second] {
            let kept = engine.read_row(row).unwrap();
            assert_eq!(kept.as_ref(), Some(&logits), "position {position}");
        }
        let so_far = device.traffic().recorded_ahead;
        // The attention of 256 positions may be split, and of one more the cache grows.
        assert!(so_far == ahead + 1 || [0, 255, 256].contains(&position), "position {position}");
        ahead = so_far;
    }
}
