//! The fused plan against the plain one: fewer ops, the same numbers, by both interpreters.

use std::ops::ControlFlow;

use logitscope::gpu::Engine;
use logitscope::model::batch::RowOutput;
use logitscope::model::config::{
    Activation, AttentionConfig, Bias, BlockFactors, BlockNorms, EmbeddingConfig, ExpertKind, ExpertsApart,
    ExpertsConfig, FeedForwardConfig, FeedForwardKind, GateExtent, GateFunction, HeadNormConfig,
    HeadNormExtent, HeadNormPlace, HeadWeights, KeysValues, KeysValuesConfig, Latent, LayerConfig,
    LogitsConfig, ModelConfig, NormConfig, NormKind, OutputGate, Positions, Residual, ResidualConfig,
    RouterConfig, ScoresConfig, SharedExpert, SharedGate, Sinks, StoredPairs, StreamFactor,
};
use logitscope::model::orders::order_name;
use logitscope::model::plan::{Epilogue, TensorSpec};
use logitscope::model::rotary::{RotaryConfig, RotaryScaling};
use logitscope::model::weights::TensorInfo;
use logitscope::model::{Batch, LanguageModel, Op, Plan, WeightFormat, Weights, fuse, plan_decoder};
use logitscope::reference::Reference;
use logitscope::synthetic::{SyntheticWeights, shapes};

use super::support::{MadeWeights, device};

const VOCABULARY: usize = 61;
const CONTEXT: usize = 64;

/// What the rules look at.
#[derive(Clone, Copy)]
pub struct Shape {
    head_width: usize,
    feed_forward: usize,
    kind: FeedForwardKind,
    norm: NormKind,
    head_norm: Option<HeadNormExtent>,
    clip: Option<f32>,
    gate: Option<OutputGate>,
    keys_values: KeysValuesConfig,
    bias: Bias,
    residual: ResidualConfig,
    attention_norms: fn(NormConfig) -> BlockNorms,
    feed_forward_norms: fn(NormConfig) -> BlockNorms,
}

const LLAMA: Shape = Shape {
    head_width: 8,
    feed_forward: 44,
    kind: FeedForwardKind::Gated,
    norm: NormKind::Rms,
    head_norm: None,
    clip: None,
    gate: None,
    keys_values: KeysValuesConfig { source: KeysValues::Projected, value_norm: None },
    bias: Bias::Absent,
    residual: ResidualConfig {
        kind: Residual::Sequential,
        scale: 1.0,
        factors: BlockFactors::NONE,
        stream: StreamFactor::Absent,
    },
    attention_norms: BlockNorms::before,
    feed_forward_norms: BlockNorms::before,
};
const QWEN3: Shape = Shape { head_norm: Some(HeadNormExtent::Head), bias: Bias::Present, ..LLAMA };
const GPT2: Shape =
    Shape { kind: FeedForwardKind::Plain, norm: NormKind::Layer, bias: Bias::Present, ..LLAMA };
/// Both blocks read what one norm, or a norm each, makes of the same residual stream.
const SIDE_BY_SIDE: Shape = Shape {
    residual: ResidualConfig { kind: Residual::Parallel, ..LLAMA.residual },
    feed_forward_norms: |_| BlockNorms::NONE,
    ..LLAMA
};
const TWO_NORMS: Shape =
    Shape { feed_forward_norms: BlockNorms::before, norm: NormKind::Layer, ..SIDE_BY_SIDE };
/// Blocks that read the residual stream itself, and rows of queries and keys that are normalised whole.
const NORMED_RESULTS: Shape = Shape {
    attention_norms: BlockNorms::after,
    feed_forward_norms: BlockNorms::after,
    head_norm: Some(HeadNormExtent::Row),
    ..LLAMA
};
const NORMED_TWICE: Shape = Shape {
    attention_norms: BlockNorms::around,
    feed_forward_norms: BlockNorms::around,
    head_norm: Some(HeadNormExtent::OwnWeights),
    residual: ResidualConfig { scale: 0.3, ..LLAMA.residual },
    ..LLAMA
};
const EXPERTS: Shape = Shape {
    kind: FeedForwardKind::Experts(ExpertsConfig {
        shared: Some(SharedExpert { width: 24, gate: SharedGate::Sigmoid }),
        ..ExpertsConfig::new(6, 2, RouterConfig::SOFTMAX_OF_CHOSEN)
    }),
    feed_forward: 48,
    ..LLAMA
};
/// Experts without gates, of which a bias decides which are chosen, and a shared one like them.
const PLAIN_EXPERTS: Shape = Shape {
    kind: FeedForwardKind::Experts(ExpertsConfig {
        selection_bias: Bias::Present,
        kind: ExpertKind::Plain,
        shared: Some(SharedExpert { width: 24, gate: SharedGate::Absent }),
        ..ExpertsConfig::new(6, 2, RouterConfig::SIGMOID)
    }),
    ..EXPERTS
};
/// Experts with norms and factors of their own beside a block.
const EXPERTS_APART: Shape = Shape {
    kind: FeedForwardKind::Experts(ExpertsConfig {
        shared: Some(SharedExpert { width: 24, gate: SharedGate::Absent }),
        share_factors: Bias::Present,
        apart: Some(ExpertsApart {
            norm: NormConfig { kind: NormKind::Rms, epsilon: 1e-5, bias: Bias::Absent },
            router_factor: 0.4,
        }),
        ..ExpertsConfig::new(6, 2, RouterConfig::SOFTMAX_OF_CHOSEN)
    }),
    ..EXPERTS
};
/// Queries, keys and values within a limit that some exceed, alone, and before norms.
const CLIPPED: Shape = Shape { clip: Some(0.4), ..LLAMA };
const CLIPPED_AND_NORMED: Shape = Shape { clip: Some(0.4), ..QWEN3 };
const CLIPPED_ODD: Shape = Shape { clip: Some(0.4), ..ODD };
/// A gate for each element of the attention's output, or for each head's.
const GATED: Shape = Shape {
    gate: Some(OutputGate { extent: GateExtent::Element, function: GateFunction::Sigmoid }),
    head_norm: Some(HeadNormExtent::Head),
    ..LLAMA
};
const GATED_HEADS: Shape =
    Shape { gate: Some(OutputGate { extent: GateExtent::Head, function: GateFunction::Softplus }), ..LLAMA };
/// Gates that cannot be made with queries, keys and values: by biases, by a limit, and by heads that fit nothing.
const GATED_WITH_BIASES: Shape = Shape { bias: Bias::Present, ..GATED };
const GATED_AND_CLIPPED: Shape = Shape { clip: Some(0.4), ..GATED_HEADS };
const GATED_ODD: Shape = Shape { gate: GATED_HEADS.gate, ..ODD };
/// Values that are normalised, and those that are also made by the keys' projection, in layers with a factor.
const NORMED_VALUES: Shape = Shape {
    keys_values: KeysValuesConfig { source: KeysValues::Projected, value_norm: Some(1e-6) },
    ..QWEN3
};
const VALUES_OF_KEYS: Shape = Shape {
    keys_values: KeysValuesConfig { source: KeysValues::OneProjection, value_norm: Some(1e-6) },
    residual: ResidualConfig { stream: StreamFactor::Present, ..LLAMA.residual },
    ..QWEN3
};
const ODD_VALUES_OF_KEYS: Shape = Shape { head_width: 6, feed_forward: 30, ..VALUES_OF_KEYS };
/// Latent keys and values, and queries: the head of the cache is what rotates, 8, and the rank, 16.
const LATENT: Shape = Shape {
    head_width: 24,
    keys_values: KeysValuesConfig {
        source: KeysValues::Latent(Latent {
            rank: 16,
            plain_width: 12,
            value_width: 4,
            query_rank: Some(20),
            epsilon: 1e-6,
            stored_pairs: StoredPairs::Neighbours,
        }),
        value_norm: None,
    },
    ..LLAMA
};
/// Neither heads nor gate fit blocks of four.
const ODD: Shape = Shape { head_width: 6, feed_forward: 30, ..LLAMA };

/// All of them: name, shape, and ops of a layer once they are fused.
pub const SHAPES: [(&str, Shape, usize); 23] = [
    ("llama", LLAMA, 5),
    ("qwen3", QWEN3, 5),
    ("gpt2", GPT2, 7),
    ("side by side", SIDE_BY_SIDE, 6),
    ("two norms", TWO_NORMS, 7),
    ("normed results", NORMED_RESULTS, 16),
    ("normed twice", NORMED_TWICE, 18),
    ("experts", EXPERTS, 17),
    ("plain experts", PLAIN_EXPERTS, 13),
    ("experts apart", EXPERTS_APART, 18),
    ("odd", ODD, 12),
    ("clipped", CLIPPED, 6),
    ("clipped and normed", CLIPPED_AND_NORMED, 6),
    ("clipped, odd", CLIPPED_ODD, 15),
    ("gated", GATED, 6),
    ("gated heads", GATED_HEADS, 6),
    ("gated, with biases", GATED_WITH_BIASES, 7),
    ("gated and clipped", GATED_AND_CLIPPED, 8),
    ("gated, odd", GATED_ODD, 14),
    ("normed values", NORMED_VALUES, 5),
    ("values of keys", VALUES_OF_KEYS, 6),
    ("values of keys, odd", ODD_VALUES_OF_KEYS, 16),
    ("latent", LATENT, 13),
];

/// A tiny plan of each shape.
pub fn plans() -> impl Iterator<Item = Plan> {
    SHAPES.into_iter().map(|(_, shape, _)| plan(shape))
}

/// A llama's plan of which every matrix has its columns in an order of its own.
pub fn ordered() -> Plan {
    let plain = plan(LLAMA);
    let of_matrix = |spec: &TensorSpec| TensorInfo {
        name: order_name(&spec.name),
        rows: 1,
        columns: spec.columns,
        format: WeightFormat::F32,
    };
    let orders: Vec<TensorInfo> = plain.tensors.iter().map(of_matrix).collect();
    plain.with_orders(&orders)
}

fn plan(shape: Shape) -> Plan {
    let norm = NormConfig {
        kind: shape.norm,
        epsilon: 1e-5,
        bias: if shape.norm == NormKind::Layer { shape.bias } else { Bias::Absent },
    };
    let (key_value_heads, rotating) = match shape.keys_values.source {
        KeysValues::Latent(latent) => (1, shape.head_width - latent.rank),
        _ => (2, shape.head_width),
    };
    let rotary = RotaryConfig { width: rotating, theta: 10_000.0, scaling: RotaryScaling::Plain };
    let layer = LayerConfig {
        residual: shape.residual,
        attention_norms: (shape.attention_norms)(norm),
        attention: Some(AttentionConfig {
            heads: 4,
            key_value_heads,
            head_width: shape.head_width,
            clip: shape.clip,
            head_norm: shape.head_norm.map(|extent| HeadNormConfig {
                kind: NormKind::Rms,
                epsilon: 1e-6,
                extent,
                place: HeadNormPlace::BeforeRotary,
            }),
            rotary: Some(rotary),
            scale: 0.3,
            scores: ScoresConfig::default(),
            keys_values: shape.keys_values,
            sinks: Sinks::default(),
            output_gate: shape.gate,
            query_key_value_bias: shape.bias,
            output_bias: Bias::Absent,
        }),
        recurrent: None,
        feed_forward_norms: (shape.feed_forward_norms)(norm),
        feed_forward: Some(FeedForwardConfig {
            width: shape.feed_forward,
            kind: shape.kind,
            activation: Activation::Silu,
            bias: shape.bias,
        }),
    };
    plan_decoder(&ModelConfig {
        vocabulary: VOCABULARY,
        width: 36,
        context: CONTEXT,
        positions: Positions::InLayers,
        embedding: EmbeddingConfig::default(),
        layers: vec![layer.clone(), layer],
        final_norm: norm,
        head: HeadWeights::Tied,
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    })
}

/// The logits after a prompt and after one more token.
fn logits(model: &mut dyn LanguageModel) -> Vec<Vec<f32>> {
    let sequence = model.new_sequence();
    let tokens: Vec<u32> = (0..21).map(|index| index * 7 % VOCABULARY as u32).collect();
    let mut pass = |start: usize, tokens: &[u32]| {
        let batch = Batch::chain(sequence, start, tokens, RowOutput::Logits);
        model.forward(&batch).expect("tokens and positions in range").logits
    };
    let mut logits = pass(0, &tokens[..12]);
    logits.extend(pass(12, &tokens[12..13]));
    logits.extend(pass(13, &tokens[13..17]));
    logits
}

fn assert_close(found: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 2e-5 * largest, "{what}: {found} for {expected}");
        }
    }
}

#[test]
fn the_fused_plan_computes_what_the_plain_one_does() {
    let device = device();
    for (name, shape, ops) in SHAPES {
        let plain = plan(shape);
        let source = MadeWeights::random(&plain, WeightFormat::F16, 5);
        let expected = logits(&mut Reference::new(plain.clone(), CONTEXT, &source).expect("readable"));

        let fused = fuse(&plain, &source);
        let names: Vec<&str> = fused.plan.ops.iter().map(Op::name).collect();
        assert_eq!(fused.plan.ops.len(), 2 * ops + 4, "{name}: {names:?}");
        let mut twin = Reference::new(fused.plan.clone(), CONTEXT, &fused.weights).expect("readable");
        assert_close(&logits(&mut twin), &expected, &format!("{name}, twin"));
        let progress = &mut |_, _| ControlFlow::Continue(());
        let mut engine =
            Engine::load(device.clone(), fused.plan, CONTEXT, &fused.weights, progress).expect("loads");
        assert_close(&logits(&mut engine), &expected, &format!("{name}, GPU"));
    }
}

#[test]
fn a_llama_layer_becomes_five_ops_and_keeps_every_weight_once() {
    let plain = plan_decoder(&shapes::config("smollm2-135m").expect("a known name"));
    let weights = SyntheticWeights::new(&plain, WeightFormat::F16).expect("f16 fits every row");
    let fused = fuse(&plain, &weights);
    let names: Vec<&str> = fused.plan.ops[1..6].iter().map(Op::name).collect();
    assert_eq!(names, ["linear", "attention", "linear", "linear", "linear"]);
    let elements = |plan: &Plan| plan.tensors.iter().map(|spec| spec.rows * spec.columns).sum::<usize>();
    assert_eq!(elements(&fused.plan), elements(&plain));
    assert_eq!(fused.weights.tensors().len(), fused.plan.tensors.len());
}

#[test]
fn what_is_in_an_order_is_not_brought_into_it_again() {
    let device = device();
    let count = |plan: &Plan, name: &str| plan.ops.iter().filter(|op| op.name() == name).count();
    let plain = ordered();
    let mut source = MadeWeights::random(&plain, WeightFormat::F16, 5);
    // Seven matrices in each of two layers, and the head.
    assert_eq!(count(&plain, "reorder"), 15);
    let expected = logits(&mut Reference::new(plain.clone(), CONTEXT, &source).unwrap());
    let fused = fuse(&plain, &source);
    assert_eq!((count(&fused.plan, "reorder"), count(&fused.plan, "linear")), (9, 9));
    let mut twin = Reference::new(fused.plan.clone(), CONTEXT, &fused.weights).unwrap();
    assert_close(&logits(&mut twin), &expected, "twin");
    let progress = &mut |_, _| ControlFlow::Continue(());
    let mut engine = Engine::load(device, fused.plan, CONTEXT, &fused.weights, progress).unwrap();
    assert_close(&logits(&mut engine), &expected, "GPU");

    // The first layer's keys are in another order, which the rows of an unordered map would not see.
    let keys = plain.tensors.iter().position(|spec| spec.name == "layers.0.attention.key.order").unwrap();
    source.set(keys, 0, 3.0);
    source.set(keys, plain.tensors[keys].columns - 1, 2.0);
    let expected = logits(&mut Reference::new(plain.clone(), CONTEXT, &source).unwrap());
    let fused = fuse(&plain, &source);
    assert_eq!((count(&fused.plan, "reorder"), count(&fused.plan, "linear")), (11, 11));
    let mut twin = Reference::new(fused.plan.clone(), CONTEXT, &fused.weights).unwrap();
    assert_close(&logits(&mut twin), &expected, "another order");
}

#[test]
fn what_does_not_fit_together_stays_apart() {
    let plain = plan(LLAMA);
    let mut source = MadeWeights::random(&plain, WeightFormat::F16, 5);
    let gate = plain.tensors.iter().position(|spec| spec.name == "layers.0.feed_forward.gate.weight");
    source.store(gate.expect("the layer has a gate"), WeightFormat::F32);
    let fused = fuse(&plain, &source);
    let gates = |op: &&Op| matches!(op, Op::Linear { epilogue: Epilogue::Gate(_), .. });
    assert_eq!(fused.plan.ops.iter().filter(gates).count(), 1, "only the second layer's formats agree");
    assert_eq!(fused.plan.ops.iter().filter(|op| matches!(op, Op::Gate { .. })).count(), 1);
}

#[test]
fn gates_of_another_format_leave_queries_keys_and_values_together() {
    let plain = plan(GATED);
    let mut source = MadeWeights::random(&plain, WeightFormat::F16, 5);
    let gate = plain.tensors.iter().position(|spec| spec.name == "layers.0.attention.gate.weight");
    source.store(gate.expect("the layer has gates"), WeightFormat::F32);
    let fused = fuse(&plain, &source);
    let names: Vec<&str> = fused.plan.ops.iter().map(Op::name).collect();
    assert_eq!(names[1..8], ["linear", "linear", "attention", "gate rows", "linear", "linear", "linear"]);
    // The second layer's formats agree.
    assert_eq!(names[8..11], ["linear", "attention", "gate rows"]);
    let normed = |op: &Op| matches!(op, Op::Linear { norm: Some(_), .. });
    assert!(fused.plan.ops[1..3].iter().all(normed), "both make the norm themselves");
}
