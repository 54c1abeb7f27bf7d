//! Attention against its twin: every variant, both precisions of the cache, chains, trees and many sequences.

use std::ops::ControlFlow;
use std::sync::Arc;

use logitscope::gpu::{
    AttentionChoice, AttentionUnits, Engine, KernelChoice, MatrixUnits, PrefillAttention, TuningCache,
};
use logitscope::model::batch::{Row, RowOutput};
use logitscope::model::config::{HeadNormPlace, ScoreGrowth, ScoresConfig};
use logitscope::model::plan::{
    AttentionOp, AttentionPrologue, AttentionValues, BufferId, CacheWidths, Columns, HeadNorms, Op, Plan,
    RotaryId, TensorId,
};
use logitscope::model::rotary::RotaryTable;
use logitscope::model::{Batch, CacheFormat, LanguageModel, WeightFormat};

use logitscope::session::{ModelSource, Opened, WeightsChoice};

use super::kernels::{DEVICE, Pair, batch_buffer, plan, tensor};
use super::matrices::lanes_of_emulated_units;
use super::support::{self, MadeWeights};

use CacheFormat::{F16, F32};

const CPU: KernelChoice = KernelChoice::CPU;
const GPU: KernelChoice = KernelChoice::GPU;
const SHUFFLE: KernelChoice = KernelChoice::CPU_SHUFFLE;
/// Several streams of lanes, splits soon, and no tiles.
pub const SPLITTING: KernelChoice = KernelChoice {
    attention: AttentionChoice {
        lanes: 32,
        at_once: 4,
        least_split: 64,
        split_step: 32,
        ..AttentionChoice::CPU
    },
    ..KernelChoice::CPU
};

/// Tiles by emulated matrix units, where the adapter has what these take.
fn emulated() -> Option<KernelChoice> {
    let lanes = lanes_of_emulated_units()?;
    let (units, workgroup_bytes) = (MatrixUnits::Emulated8, DEVICE.capabilities.workgroup_bytes);
    let prefill = PrefillAttention::MatrixUnits(AttentionUnits { units, lanes, workgroup_bytes });
    Some(KernelChoice { attention: AttentionChoice { prefill, ..CPU.attention }, ..CPU })
}

/// The adapter's own matrix units, and emulated ones; each with the narrowest heads that they take.
fn units() -> impl Iterator<Item = (KernelChoice, usize)> {
    let choice = |prefill| KernelChoice { attention: AttentionChoice { prefill, ..CPU.attention }, ..CPU };
    let own = DEVICE.capabilities.attention_units().into_iter().map(move |units| {
        let width = if units.units == MatrixUnits::Half16 { 32 } else { 16 };
        (choice(PrefillAttention::MatrixUnits(units)), width)
    });
    own.chain(emulated().map(|choice| (choice, 16)))
}

/// No window, cap, linear bias or growth.
const SCORES: ScoresConfig =
    ScoresConfig { window: None, chunk: None, cap: None, linear_bias: None, growth: None };
const NORMS: HeadNorms =
    HeadNorms { place: HeadNormPlace::BeforeRotary, epsilon: 1e-6, query: TensorId(0), key: TensorId(1) };
const NORMS_AFTER: HeadNorms = HeadNorms { place: HeadNormPlace::AfterRotary, ..NORMS };

/// Attention over queries, keys and values that are ready.
fn plain_plan([heads, key_value_heads, head_width]: [usize; 3], format: CacheFormat) -> Plan {
    let (query, key, value, output) = (BufferId(0), BufferId(1), BufferId(2), BufferId(3));
    let scale = 1.0 / (head_width as f32).sqrt();
    let ops = vec![
        Op::CacheWrite { layer: 0, key, value: Some(value) },
        Op::Attention(AttentionOp {
            layer: 0,
            heads,
            key_value_heads,
            head_width,
            values: AttentionValues::Cached,
            scale,
            scores: SCORES,
            sinks: None,
            query: Columns { buffer: query, first: 0 },
            output,
            prologue: None,
        }),
    ];
    let width = key_value_heads * head_width;
    let buffers = vec![
        batch_buffer("queries", heads * head_width),
        batch_buffer("keys", width),
        batch_buffer("values", width),
        batch_buffer("mixed", heads * head_width),
    ];
    let mut plan = plan(ops, buffers, Vec::new());
    plan.cache_format = format;
    plan.cache_widths.push(CacheWidths::alike(width));
    plan
}

/// The same where values are normalised, and made of the keys' columns.
fn with_values_of_keys(mut plan: Plan) -> Plan {
    for op in &mut plan.ops {
        if let Op::Attention(AttentionOp { prologue: Some(prologue), .. }) = op {
            (prologue.value, prologue.value_norm) = (prologue.key, Some(1e-6));
        }
    }
    plan
}

/// Attention that norms, turns and stores queries, keys and values itself, from one buffer.
fn fresh_plan(
    [heads, key_value_heads, head_width]: [usize; 3],
    norms: Option<HeadNorms>,
    format: CacheFormat,
) -> Plan {
    let (projected, output) = (BufferId(0), BufferId(1));
    let width = key_value_heads * head_width;
    let columns = |first| Columns { buffer: projected, first };
    let op = Op::Attention(AttentionOp {
        layer: 0,
        heads,
        key_value_heads,
        head_width,
        values: AttentionValues::Cached,
        scale: 1.0 / (head_width as f32).sqrt(),
        scores: SCORES,
        sinks: None,
        query: columns(0),
        output,
        prologue: Some(AttentionPrologue {
            key: columns(heads * head_width),
            value: columns(heads * head_width + width),
            norms,
            value_norm: None,
            rotary: Some(RotaryId(0)),
        }),
    });
    let buffers = vec![
        batch_buffer("queries, keys and values", heads * head_width + 2 * width),
        batch_buffer("mixed", heads * head_width),
    ];
    let tensors = vec![tensor("query norm", 1, head_width), tensor("key norm", 1, head_width)];
    let mut plan = plan(vec![op], buffers, tensors);
    let inverse_frequencies = (0..head_width / 4).map(|pair| 0.37f32.powi(pair as i32)).collect();
    plan.rotary_tables.push(RotaryTable { inverse_frequencies, long: None, amplitude: 1.0 });
    plan.cache_format = format;
    plan.cache_widths.push(CacheWidths::alike(width));
    plan
}

/// Chains of these lengths, one after the other in one sequence.
pub fn compare_chains(plan: &Plan, choice: KernelChoice, chains: &[usize], what: &str) {
    let mut pair = Pair::new(plan, WeightFormat::F32, choice);
    let sequence = pair.new_sequence();
    let mut length = 0;
    for &rows in chains {
        let batch = Batch::chain(sequence, length, &vec![0; rows], RowOutput::Nothing);
        pair.compare(&batch, &format!("{what}, {rows} rows at {length}, {choice:?}"));
        length += rows;
    }
}

// Each kernel in each variant and format, each shape once, rather than all products of them: software drivers
// take seconds to compile a shape's kernels. Shapes are query heads, key/value heads and head width.

#[test]
fn attention_agrees_over_pages_tiles_and_growing_caches() {
    for (shape, format, choice) in [
        ([1, 1, 1], F32, CPU),
        ([4, 2, 10], F16, SPLITTING),
        ([2, 1, 64], F32, GPU),
        ([2, 1, 64], F16, GPU),
        ([2, 1, 8], F32, SHUFFLE),
        ([3, 3, 48], F16, SHUFFLE),
        // Wider than what the kernel for tiles mixes.
        ([1, 1, 136], F16, SHUFFLE),
    ] {
        let what = format!("attention {shape:?} in {}", format.name());
        compare_chains(&plain_plan(shape, format), choice, &[1, 14, 1, 1, 30, 65, 1], &what);
    }
}

#[test]
fn attention_by_matrix_units_agrees() {
    let growth = Some(ScoreGrowth { rate: 0.8, interval: 7, offset: 1 });
    let windowed = ScoresConfig { window: Some(20), cap: Some(2.0), linear_bias: Some(1.5), ..SCORES };
    let chunked = ScoresConfig { chunk: Some(24), growth, ..SCORES };
    for (choice, width) in units() {
        // Half of the width is one square, two, and three.
        for plan in [
            with_sinks(fresh_plan([4, 1, width], Some(NORMS), F16)),
            with_scores(plain_plan([6, 3, 2 * width], F16), windowed),
            with_scores(plain_plan([2, 2, 3 * width], F16), chunked),
        ] {
            compare_chains(&plan, choice, &[1, 14, 1, 40, 70, 1], "attention by matrix units");
            compare_tree(&plan, choice);
        }
    }
}

/// Neither queries nor weights are rounded to f16: results are as near as those of f32.
#[test]
fn attention_by_matrix_units_is_as_exact_as_without() {
    type Contents = fn(f32) -> f32;
    let usual: Contents = |number| number;
    let (small, large): (Contents, Contents) = (|number| 1e-3 * number, |number| 300.0 * number);
    for (contents, what) in [(usual, "usual"), (small, "small"), (large, "large")] {
        let share = |choice| {
            let mut pair = Pair::new(&plain_plan([2, 1, 32], F16), WeightFormat::F32, choice);
            pair.contents = contents;
            pair.compare_rows(70, what)
        };
        let plain = share(KernelChoice { attention: GPU.attention, ..CPU });
        for (choice, _) in units() {
            let by_units = share(choice);
            assert!(
                by_units < 3.0 * plain.max(0.01),
                "{what}: {by_units} of the tolerance, {plain} without units"
            );
        }
    }
}

/// Of layers with two shapes of attention, of which units take one: that one is tried.
#[test]
fn a_trial_chooses_the_attention_of_prompts() {
    let Some(choice) = emulated() else { return };
    let mut plan = fresh_plan([4, 2, 16], Some(NORMS), F16);
    let Op::Attention(first) = plan.ops[0] else { unreachable!() };
    plan.ops.push(Op::Attention(AttentionOp { layer: 1, heads: 8, head_width: 8, ..first }));
    plan.ops.push(Op::Attention(AttentionOp { layer: 2, ..first }));
    plan.cache_widths = [32, 16, 32].map(CacheWidths::alike).to_vec();
    let weights = MadeWeights::random(&plan, WeightFormat::F32, 7);
    let progress = &mut |_, _| ControlFlow::Continue(());
    let mut engine = Engine::load_with(Arc::clone(&DEVICE), plan, 64, &weights, progress, CPU).unwrap();
    let kernels = [PrefillAttention::Tiles, choice.attention.prefill];

    let told = |engine: &Engine| engine.variants().pop().unwrap();
    assert_eq!(told(&engine), "attention of a prompt: row by row");
    let mut trials = TuningCache::default();
    engine.choose_attention(40, &kernels[..1], &mut trials).unwrap();
    engine.choose_attention(8, &kernels, &mut trials).unwrap();
    let info = engine.device.info.clone();
    assert_eq!(trials.about(&info.full_name(), &info.driver).count(), 0, "one kernel, and few rows");
    engine.choose_attention(40, &kernels, &mut trials).unwrap();
    let made: Vec<_> = trials.about(&info.full_name(), &info.driver).cloned().collect();
    let [trial] = &made[..] else { panic!("one trial: {made:?}") };
    assert_eq!(trial.key.work, "attention of a prompt, 40 rows: 2 × 4 / 2 heads of 16");
    let names: Vec<&String> = trial.seconds.keys().collect();
    assert_eq!(names, ["attention-cooperative-emulated-8-128", "attention-tiles"]);
    assert!(trial.wrong().count() == 0 && trial.seconds.values().all(|&seconds| seconds > 0.0), "{trial:?}");
    let is_plain = trial.fastest() == Some("attention-tiles");
    let units = if is_plain { "" } else { " by matrix units of 8 by 8, f16 to f32" };
    assert_eq!(told(&engine), format!("attention of a prompt: tiles of 32 rows{units}"));

    // What is remembered is not tried again, and followed.
    let mut other = trial.clone();
    let sum: f64 = other.seconds.values().sum();
    other.seconds.values_mut().for_each(|seconds| *seconds = sum - *seconds);
    trials.keep(vec![other.clone()]);
    engine.choose_attention(40, &kernels, &mut trials).unwrap();
    assert!(told(&engine).contains("matrix units") == is_plain, "{}", told(&engine));
    assert_eq!(trials.about(&info.full_name(), &info.driver).collect::<Vec<_>>(), [&other]);
}

#[test]
fn attention_that_stores_its_own_keys_agrees() {
    for (shape, norms, format, choice) in [
        ([3, 3, 20], None, F32, GPU),
        ([9, 3, 64], None, F16, CPU),
        ([4, 1, 80], Some(NORMS), F16, GPU),
        ([4, 2, 24], Some(NORMS_AFTER), F32, CPU),
        ([18, 2, 128], Some(NORMS), F32, CPU),
        ([4, 2, 80], Some(NORMS), F32, SHUFFLE),
        ([2, 1, 128], None, F16, SHUFFLE),
        ([3, 3, 20], None, F16, SHUFFLE),
    ] {
        let what = format!("fresh attention {shape:?} in {}", format.name());
        compare_chains(&fresh_plan(shape, norms, format), choice, &[1, 14, 1, 5, 70, 1, 1], &what);
    }
}

#[test]
fn values_made_of_keys_agree() {
    for (shape, norms, format, choice) in [
        ([4, 2, 20], Some(NORMS), F32, GPU),
        ([4, 2, 12], Some(NORMS_AFTER), F32, GPU),
        ([2, 1, 64], None, F16, CPU),
        ([4, 1, 512], Some(NORMS), F16, GPU),
    ] {
        let what = format!("attention with values of keys {shape:?} in {}", format.name());
        let plan = with_values_of_keys(fresh_plan(shape, norms, format));
        compare_chains(&plan, choice, &[1, 14, 1, 5, 1], &what);
    }
}

#[test]
fn attention_agrees_over_contexts_that_are_split() {
    for (format, choice) in [(F16, SPLITTING), (F32, GPU)] {
        let plan = fresh_plan([9, 3, 64], None, format);
        let what = format!("long attention in {}", format.name());
        // One position less than two splits of 128, exactly as many, one more; the same of three and four; then splits of
        // two steps, as eight rows share what splits there may be.
        compare_chains(&plan, choice, &[254, 1, 1, 1, 126, 1, 1, 126, 1, 1, 99, 3, 8, 1], &what);
    }
}

/// The plan with sinks.
fn with_sinks(mut plan: Plan) -> Plan {
    for op in &mut plan.ops {
        if let Op::Attention(attention) = op {
            attention.sinks = Some(TensorId(plan.tensors.len()));
            plan.tensors.push(tensor("sinks", 1, attention.heads));
        }
    }
    plan
}

#[test]
fn attention_agrees_with_sinks() {
    for (shape, format, choice) in [
        ([4, 2, 10], F16, SPLITTING),
        ([2, 1, 64], F16, GPU),
        ([3, 1, 8], F32, CPU),
        ([3, 1, 16], F16, SHUFFLE),
    ] {
        let what = format!("attention {shape:?} with sinks in {}", format.name());
        let plan = with_sinks(plain_plan(shape, format));
        compare_chains(&plan, choice, &[1, 14, 1, 70, 1, 5, 1], &what);
    }
}

/// The plan with another way of making scores.
fn with_scores(mut plan: Plan, changed: ScoresConfig) -> Plan {
    for op in &mut plan.ops {
        if let Op::Attention(attention) = op {
            attention.scores = changed;
        }
    }
    plan
}

#[test]
fn windows_caps_and_linear_biases_agree() {
    // Few kernels, since software drivers take seconds for each: fewer positions than a split has, several splits, and tiles.
    let scores = ScoresConfig { window: Some(20), cap: Some(2.0), linear_bias: Some(1.5), ..SCORES };
    for (choice, window) in [(GPU, 20), (SPLITTING, 20), (SHUFFLE, 20), (SPLITTING, 100)] {
        let plan = with_scores(plain_plan([6, 3, 8], F32), ScoresConfig { window: Some(window), ..scores });
        // Two rows leave four splits each, and the longer one after them more splits than it needs for its window.
        let chains = [1, 14, 1, 5, 97, 2, 71, 1, 1];
        compare_chains(&plan, choice, &chains, "attention with a window, a cap and biases");
        compare_tree(&plan, choice);
    }
}

#[test]
fn chunks_agree() {
    // Chunks that begin within tiles, splits and passes, and one that a window cuts short.
    let (shape, chunked) = ([6, 3, 8], ScoresConfig { chunk: Some(24), ..SCORES });
    for (plan, choice, scores) in [
        (plain_plan(shape, F16), GPU, chunked),
        (plain_plan(shape, F32), SPLITTING, chunked),
        (plain_plan(shape, F32), SHUFFLE, ScoresConfig { window: Some(9), ..chunked }),
        (fresh_plan(shape, Some(NORMS), F32), CPU, chunked),
    ] {
        let plan = with_scores(plan, scores);
        compare_chains(&plan, choice, &[1, 14, 1, 8, 1, 5, 170, 1, 1], "attention in chunks");
        compare_tree(&plan, choice);
    }
}

#[test]
fn scores_that_grow_with_the_position_agree() {
    // Each kernel, with queries that are ready and with those that it makes ready itself; much growth, often.
    let growth = Some(ScoreGrowth { rate: 0.8, interval: 7, offset: 1 });
    let (shape, grown) = ([6, 3, 8], ScoresConfig { growth, ..SCORES });
    for (plan, choice, scores) in [
        (plain_plan(shape, F16), GPU, ScoresConfig { window: Some(20), cap: Some(2.0), ..grown }),
        (plain_plan(shape, F32), SPLITTING, grown),
        (fresh_plan(shape, Some(NORMS), F32), GPU, grown),
        (fresh_plan(shape, Some(NORMS), F32), SHUFFLE, grown),
    ] {
        let plan = with_scores(plan, scores);
        compare_chains(&plan, choice, &[1, 14, 1, 5, 170, 1, 1], "attention with growing scores");
        compare_tree(&plan, choice);
    }
}

#[test]
fn attention_of_trees_and_of_several_sequences_agrees() {
    compare_tree(&plain_plan([4, 2, 8], F32), GPU);
    compare_tree(&plain_plan([4, 2, 8], F16), SPLITTING);
    compare_tree(&fresh_plan([4, 2, 8], Some(NORMS), F16), GPU);
    compare_tree(&fresh_plan([4, 2, 8], Some(NORMS), F32), CPU);
    compare_tree(&plain_plan([4, 2, 16], F16), SHUFFLE);
    compare_tree(&fresh_plan([2, 2, 8], Some(NORMS), F32), SHUFFLE);
}

pub fn compare_tree(plan: &Plan, choice: KernelChoice) {
    let mut pair = Pair::new(plan, WeightFormat::F32, choice);
    let first = pair.new_sequence();
    pair.compare(&Batch::chain(first, 0, &[0; 21], RowOutput::Nothing), "the trunk");
    let second = pair.fork(first);
    let row =
        |sequence, position, parent| Row { token: 0, position, sequence, parent, output: RowOutput::Nothing };
    // A kept chain of two with two branches, a branch below a branch, one beside the cache, and a second sequence.
    let rows = vec![
        row(first, 21, None),
        row(first, 22, Some(0)),
        row(first, 22, Some(0)),
        row(first, 23, Some(2)),
        row(second, 21, None),
        row(first, 21, None),
        row(first, 22, Some(5)),
        row(second, 22, Some(4)),
    ];
    pair.compare(&rows.into(), "the tree");
    assert_eq!((pair.engine.length(first), pair.engine.length(second)), (23, 23));
    // The branches left nothing behind: both sequences go on as if they had not been.
    let rows = vec![row(first, 23, None), row(second, 23, None)];
    pair.compare(&rows.into(), "after the tree");
    // A tree of many rows: two chains from one root, and one of another sequence between them.
    let mut rows = vec![row(first, 24, None), row(second, 24, None)];
    for position in 25..65 {
        let parent = rows.len() - 2;
        rows.push(row(first, position, Some(if position == 25 { 0 } else { parent })));
        rows.push(row(first, position, Some(if position == 25 { 0 } else { parent + 1 })));
    }
    pair.compare(&rows.into(), "a large tree");
    // One row of each, of very different lengths.
    let rows = vec![row(first, 65, None), row(second, 3, None), row(second, 25, None)];
    pair.compare(&rows.into(), "rows of their own");
}

#[test]
fn a_cache_in_half_precision_halves_its_memory_and_moves_the_logits_a_little() {
    let tokens: Vec<u32> = (0..120).map(|index| 5 + index * 37 % 300).collect();
    let run = |format| {
        let opened = Opened::open(&ModelSource::BuiltIn, None, WeightsChoice::Original).unwrap();
        let opened = opened.with_cache(Some(format));
        let mut engine = opened.engine(support::device(), &mut |_, _| ControlFlow::Continue(())).unwrap();
        let sequence = engine.new_sequence();
        let mut batch = Batch::chain(sequence, 0, &tokens[..100], RowOutput::Logits);
        let mut logits = engine.forward(&batch).unwrap().logits;
        for (index, &token) in tokens[100..].iter().enumerate() {
            batch = Batch::chain(sequence, 100 + index, &[token], RowOutput::Logits);
            logits.extend(engine.forward(&batch).unwrap().logits);
        }
        (logits, engine.memory().cache_bytes)
    };
    let (exact, exact_bytes) = run(F32);
    let (halves, halves_bytes) = run(F16);
    assert_eq!(exact_bytes, 2 * halves_bytes);
    let norm = |row: &[f32]| row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let share = |(exact, halves): (&Vec<f32>, &Vec<f32>)| {
        let difference: Vec<f32> = exact.iter().zip(halves).map(|(exact, halves)| exact - halves).collect();
        norm(&difference) / norm(exact)
    };
    let shares: Vec<f64> = exact.iter().zip(&halves).map(share).collect();
    let worst = shares.iter().copied().fold(0.0, f64::max);
    println!("an f16 cache moves the logits by at most {worst:.2e} of their norm");
    assert!(worst > 0.0 && worst < 1e-3, "{worst}");
}
