//! The engine as a whole on a small random model: against the twin, over chunks, forks, shards and failures.

use std::ops::ControlFlow;
use std::sync::Arc;

use logitscope::gpu::{Device, Engine, LoadError};
use logitscope::model::batch::RowOutput;
use logitscope::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingByLayer, EmbeddingConfig, FeedForwardConfig,
    FeedForwardKind, HeadWeights, KeysValues, KeysValuesConfig, LayerConfig, LogitsConfig, ModelConfig,
    NormConfig, NormKind, Positions, ResidualConfig, ScoresConfig, Sinks,
};
use logitscope::model::plan::{BufferId, BufferSpec, Epilogue, Op, Plan, RowSet, TensorId, TensorSpec};
use logitscope::model::rotary::{RotaryConfig, RotaryScaling};
use logitscope::model::selection::SamplingParams;
use logitscope::model::{
    Batch, ChainedModel, LanguageModel, ModelError, SequenceId, WeightFormat, plan_decoder,
};
use logitscope::reference::Reference;

use super::support::{MadeWeights, device};

const CONTEXT: usize = 640;
pub const VOCABULARY: usize = 101;

pub fn small_model() -> Plan {
    plan_decoder(&small_config())
}

fn small_config() -> ModelConfig {
    let norm = NormConfig { kind: NormKind::Rms, epsilon: 1e-5, bias: Bias::Absent };
    let layer = LayerConfig {
        residual: ResidualConfig::default(),
        attention_norms: BlockNorms::before(norm),
        attention: Some(AttentionConfig {
            heads: 4,
            key_value_heads: 2,
            head_width: 10,
            clip: None,
            head_norm: None,
            rotary: Some(RotaryConfig { width: 10, theta: 10_000.0, scaling: RotaryScaling::Plain }),
            scale: 1.0 / 10f32.sqrt(),
            scores: ScoresConfig::default(),
            keys_values: KeysValuesConfig::default(),
            sinks: Sinks::default(),
            output_gate: None,
            query_key_value_bias: Bias::Present,
            output_bias: Bias::Absent,
        }),
        recurrent: None,
        feed_forward_norms: BlockNorms::before(norm),
        feed_forward: Some(FeedForwardConfig {
            width: 50,
            kind: FeedForwardKind::Gated,
            activation: Activation::Silu,
            bias: Bias::Absent,
        }),
    };
    ModelConfig {
        vocabulary: VOCABULARY,
        width: 38,
        context: CONTEXT,
        positions: Positions::InLayers,
        embedding: EmbeddingConfig::default(),
        layers: vec![layer.clone(), layer],
        final_norm: norm,
        head: HeadWeights::Separate,
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    }
}

pub fn load(plan: &Plan, device: Arc<Device>) -> (Engine, Reference) {
    let weights = MadeWeights::random(plan, WeightFormat::F32, 3);
    let progress = &mut |_, _| ControlFlow::Continue(());
    let engine = Engine::load(device, plan.clone(), CONTEXT, &weights, progress).unwrap();
    (engine, Reference::new(plan.clone(), CONTEXT, &weights).unwrap())
}

pub fn tokens(count: usize) -> Vec<u32> {
    (0..count).map(|index| (index * 37 % VOCABULARY) as u32).collect()
}

/// Feeds tokens in chunks that the model takes, and returns the logits of the last one.
fn feed(model: &mut dyn LanguageModel, sequence: SequenceId, tokens: &[u32]) -> Vec<f32> {
    let mut logits = Vec::new();
    for chunk in tokens.chunks(model.max_rows()) {
        let start = model.length(sequence);
        let outputs = model.forward(&Batch::chain(sequence, start, chunk, RowOutput::Logits)).unwrap();
        logits = outputs.logits.into_iter().next_back().unwrap();
    }
    logits
}

pub fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= 1e-4 * largest, "{what}: logit {index}: {found}, not {expected}");
    }
}

#[test]
fn prompts_beyond_a_page_a_chunk_and_up_to_the_context_agree_with_the_twin() {
    let (mut engine, mut twin) = load(&small_model(), device());
    assert!(engine.max_rows() < CONTEXT, "the longest prompt has to take several chunks");
    for length in [1, 15, 16, 17, 100, CONTEXT] {
        let (on_gpu, on_cpu) = (engine.new_sequence(), twin.new_sequence());
        let found = feed(&mut engine, on_gpu, &tokens(length));
        let expected = feed(&mut twin, on_cpu, &tokens(length));
        assert_close(&found, &expected, &format!("{length} tokens"));
        engine.release(on_gpu);
        twin.release(on_cpu);
    }
    let sequence = engine.new_sequence();
    feed(&mut engine, sequence, &tokens(CONTEXT));
    let beyond = engine.forward(&Batch::chain(sequence, CONTEXT, &[0], RowOutput::Logits));
    assert_eq!(beyond, Err(ModelError::BeyondContext { position: CONTEXT, context: CONTEXT }));
}

#[test]
fn a_fork_shares_pages_and_computes_what_a_fresh_sequence_does() {
    let (mut engine, _) = load(&small_model(), device());
    let trunk = engine.new_sequence();
    feed(&mut engine, trunk, &tokens(40));
    let page = engine.cache_usage().page_positions;
    let full = 40usize.div_ceil(page);
    assert_eq!(engine.cache_usage().pages, full);

    let fork = engine.fork(trunk).unwrap();
    assert_eq!(engine.cache_usage().pages, full + 1, "only the partial page is copied");
    let mut branch = tokens(40);
    branch.extend([5, 9]);
    let forked = feed(&mut engine, fork, &[5, 9]);
    feed(&mut engine, trunk, &[77, 78]);
    let fresh = engine.new_sequence();
    assert_close(&forked, &feed(&mut engine, fresh, &branch), "fork against fresh");

    engine.truncate(fork, 40);
    assert_close(&feed(&mut engine, fork, &[5, 9]), &forked, "after a truncation");
    for sequence in [trunk, fork, fresh] {
        engine.release(sequence);
    }
    assert_eq!(engine.cache_usage().pages, 0, "every page is free again");
}

#[test]
fn every_row_can_have_its_logits() {
    let (mut engine, mut twin) = load(&small_model(), device());
    let (on_gpu, on_cpu) = (engine.new_sequence(), twin.new_sequence());
    let batch = Batch::chain_of_outputs(on_gpu, 0, &tokens(23), RowOutput::Logits);
    let found = engine.forward(&batch).unwrap().logits;
    let expected = twin.forward(&batch.for_model(|_| on_cpu)).unwrap().logits;
    assert_eq!(found.len(), 23);
    found.iter().zip(&expected).for_each(|(found, expected)| assert_close(found, expected, "a row"));
}

#[test]
fn a_matrix_beyond_the_binding_limit_is_sharded_by_rows() {
    // 144 MiB in f32, as table and as head: two shards where a binding takes 128 MiB.
    let (rows, columns) = (9216, 4096);
    let (residual, logits) = (BufferId(0), BufferId(1));
    let buffer = |name, columns| BufferSpec { name, columns, rows: RowSet::Batch };
    let plan = Plan {
        tensors: vec![TensorSpec { name: "table".to_owned(), rows, columns }],
        buffers: vec![buffer("residual stream", columns), buffer("logits", rows)],
        rotary_tables: Vec::new(),
        cache_widths: Vec::new(),
        states: Vec::new(),
        cache_format: Default::default(),
        ops: vec![
            Op::Embed { table: TensorId(0), positions: None, output: residual },
            Op::Linear {
                norm: None,
                weight: TensorId(0),
                bias: None,
                input: residual,
                output: logits,
                epilogue: Epilogue::Store,
            },
        ],
        logits,
        hidden: None,
        carried: None,
    };
    let (mut engine, mut twin) = load(&plan, device());
    let (sequence, twins) = (engine.new_sequence(), twin.new_sequence());
    // First and last rows, and those at the border of the shards; one row, and more than a tile.
    let mut start = 0;
    for tokens in [&[8191u32][..], &[0, 9215, 8192, 8190, 4000]] {
        let batch = Batch::chain(sequence, start, tokens, RowOutput::Logits);
        start += tokens.len();
        let pass = engine.begin(&batch).unwrap();
        twin.forward(&batch.for_model(|_| twins)).unwrap();
        for op in 0..2 {
            engine.run_op(&pass, op, tokens.len()).unwrap();
        }
        let found = engine.read_buffer(logits, tokens.len()).unwrap();
        assert_close(&found, &twin.buffers[logits.0], "a sharded matrix");
    }
}

/// A table of vectors by layer is as a rule the largest tensor of its model. Tokens that the GPU chooses itself find theirs
/// too.
#[test]
fn embeddings_by_layer_beyond_the_binding_limit_are_sharded() {
    let mut config = small_config();
    // 144 MiB in f32: two shards where a binding takes 128 MiB.
    config.vocabulary = 9216;
    let norm = config.final_norm;
    config.embedding.by_layer =
        Some(EmbeddingByLayer { width: 2048, norm, activation: Activation::GeluTanh });
    if let Some(attention) = &mut config.layers[1].attention {
        attention.keys_values.source = KeysValues::OfLayer(0);
    }
    config.check().unwrap();
    let (mut engine, mut twin) = load(&plan_decoder(&config), device());
    let (on_gpu, on_cpu) = (engine.new_sequence(), twin.new_sequence());
    let output = RowOutput::Summary(SamplingParams::GREEDY);
    let first = engine.submit(&Batch::chain(on_gpu, 0, &[8191, 0, 9215], output)).unwrap();
    let second = engine.follow(first, output).unwrap();
    let chosen = [first, second].map(|pass| {
        let summary = engine.collect(pass).unwrap().summaries.pop().unwrap();
        (summary.chosen, summary.logits[0])
    });
    let mut logits = |start: usize, tokens: &[u32]| {
        let batch = Batch::chain(on_cpu, start, tokens, RowOutput::Logits);
        twin.forward(&batch).unwrap().logits.pop().unwrap()
    };
    let highest = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    let mut row = logits(0, &[8191, 0, 9215]);
    for (position, (token, logit)) in (3..).zip(chosen) {
        assert_eq!(token as usize, highest(&row), "position {position}");
        assert!((logit - row[token as usize]).abs() < 1e-4 * logit.abs().max(1.0), "{logit}");
        row = logits(position, &[token]);
    }
}

#[test]
fn weights_that_are_no_numbers_are_counted_by_tensor() {
    let plan = small_model();
    let mut weights = MadeWeights::random(&plan, WeightFormat::F32, 3);
    weights.set(2, 5, f32::NAN);
    weights.set(2, 6, f32::INFINITY);
    let progress = &mut |_, _| ControlFlow::Continue(());
    let engine = Engine::load(device(), plan.clone(), CONTEXT, &weights, progress).unwrap();
    assert_eq!(engine.non_finite, [(plan.tensors[2].name.clone(), 2)]);
}

#[test]
fn loading_stops_when_asked_to() {
    let plan = small_model();
    let weights = MadeWeights::random(&plan, WeightFormat::F32, 3);
    let mut slices = 0;
    let progress = &mut |_, _| {
        slices += 1;
        if slices == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let stopped = Engine::load(device(), plan, CONTEXT, &weights, progress);
    assert!(matches!(stopped, Err(LoadError::Stopped)));
    assert_eq!(slices, 2);
}

#[test]
fn a_lost_device_is_an_error_and_not_a_panic() {
    let (mut engine, _) = load(&small_model(), device());
    let sequence = engine.new_sequence();
    feed(&mut engine, sequence, &tokens(3));
    engine.device.destroy();
    let failed = engine.forward(&Batch::chain(sequence, 3, &[1], RowOutput::Logits)).unwrap_err();
    assert!(matches!(failed, ModelError::DeviceLost { .. }), "{failed:?}");
    assert_eq!(engine.length(sequence), 3, "nothing of a failed pass is kept");
}
