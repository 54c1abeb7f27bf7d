//! Experts and their routers against what transformers' own modules compute, by both interpreters.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use logitscope::gpu::Engine;
use logitscope::model::batch::RowOutput;
use logitscope::model::config::{
    Activation, Bias, BlockNorms, EmbeddingConfig, ExpertGroups, ExpertKind, ExpertsConfig,
    FeedForwardConfig, FeedForwardKind, GroupRank, HeadWeights, LogitsConfig, ModelConfig, NormConfig,
    NormKind, Positions, RouterConfig, RouterScores, SharedExpert, SharedGate,
};
use logitscope::model::plan::{BufferId, Op, Plan};
use logitscope::model::{Batch, LanguageModel, WeightFormat, plan_decoder};
use logitscope::reference::Reference;
use logitscope::synthetic::shapes;
use logitscope::verify::{Agreement, Comparison};
use serde::Deserialize;

use super::kernels::DEVICE;
use super::support::MadeWeights;

// As tests/fixtures/modules/make_experts.py has them.
pub const WIDTH: usize = 16;
const OWN: usize = 8;
const SHARED: usize = 24;
const EXPERTS: usize = 12;
const ACTIVE: usize = 3;
pub const ROWS: usize = 7;
const NAMES: [&str; 10] = [
    "router.weight",
    "selection.bias",
    "experts.up.weight",
    "experts.gate.weight",
    "experts.down.weight",
    "shared.up.weight",
    "shared.gate.weight",
    "shared.down.weight",
    "shared_gate.weight",
    "input",
];

/// The numbers of tests/fixtures/modules/numbers_by_name.py for the name at this place.
pub fn numbers(salt: usize, count: usize) -> Vec<f32> {
    let remainder = |i: usize| (i * i * 31 + i * (17 + 6 * salt) + 29 * salt + 11) % 509;
    (0..count).map(|i| (remainder(i) as f32 - 254.0) / 512.0).collect()
}

/// What a family's module makes of the rows of the input.
#[derive(Deserialize)]
struct Expected {
    /// In rising order.
    experts: Vec<Vec<usize>>,
    shares: Vec<Vec<f32>>,
    output: Vec<Vec<f32>>,
}

/// The experts of a family: a configuration of each kind.
pub fn experts(family: &str) -> ExpertsConfig {
    let shared = |gate| Some(SharedExpert { width: SHARED, gate });
    let with = |router| ExpertsConfig::new(EXPERTS, ACTIVE, router);
    let sigmoid = RouterConfig { renormalised: Some(1e-20), factor: 2.5, ..RouterConfig::SIGMOID };
    let biased = |router| ExpertsConfig { selection_bias: Bias::Present, ..with(router) };
    match family {
        "deepseek_v3" => {
            let groups = Some(ExpertGroups { count: 4, kept: 2, rank: GroupRank::TwoLargest });
            let router = RouterConfig { groups, ..sigmoid };
            ExpertsConfig { shared: shared(SharedGate::Absent), ..biased(router) }
        }
        "deepseek_v2" => {
            let groups = Some(ExpertGroups { count: 4, kept: 2, rank: GroupRank::Largest });
            let router = RouterConfig { groups, factor: 2.5, ..RouterConfig::SOFTMAX_OF_ALL };
            ExpertsConfig { shared: shared(SharedGate::Absent), ..with(router) }
        }
        "deepseek_v2, in one group" => {
            let router = RouterConfig { factor: 2.5, ..RouterConfig::SOFTMAX_OF_ALL };
            ExpertsConfig { shared: shared(SharedGate::Absent), ..with(router) }
        }
        "nemotron_h" => {
            let (kind, shared) = (ExpertKind::Plain, shared(SharedGate::Absent));
            ExpertsConfig { kind, shared, ..biased(sigmoid) }
        }
        "lfm2_moe" => biased(RouterConfig { renormalised: Some(1e-6), ..RouterConfig::SIGMOID }),
        "lfm2_moe, shares as they are" => with(RouterConfig { factor: 0.5, ..RouterConfig::SIGMOID }),
        "granitemoehybrid" => {
            ExpertsConfig { shared: shared(SharedGate::Absent), ..with(RouterConfig::SOFTMAX_OF_CHOSEN) }
        }
        "qwen3_next" => {
            ExpertsConfig { shared: shared(SharedGate::Sigmoid), ..with(RouterConfig::SOFTMAX_OF_CHOSEN) }
        }
        "qwen3_next, shares as they are" => {
            ExpertsConfig { shared: shared(SharedGate::Sigmoid), ..with(RouterConfig::SOFTMAX_OF_ALL) }
        }
        "ernie4_5_moe" => {
            ExpertsConfig { shared: shared(SharedGate::Absent), ..biased(RouterConfig::SOFTMAX_OF_CHOSEN) }
        }
        other => panic!("{other} is not described"),
    }
}

/// A model whose only layer has these experts.
pub fn model(experts: ExpertsConfig) -> ModelConfig {
    let norm = NormConfig { kind: NormKind::Rms, epsilon: 1e-5, bias: Bias::Absent };
    let mut layer = shapes::config("smollm2-135m").expect("a known name").layers.swap_remove(0);
    let activation = match experts.kind {
        ExpertKind::Gated => Activation::Silu,
        ExpertKind::Plain => Activation::ReluSquared,
    };
    let kind = FeedForwardKind::Experts(experts);
    layer.feed_forward_norms = BlockNorms::before(norm);
    layer.feed_forward = Some(FeedForwardConfig { width: OWN, kind, activation, bias: Bias::Absent });
    ModelConfig {
        vocabulary: 5,
        width: WIDTH,
        context: 32,
        positions: Positions::InLayers,
        embedding: EmbeddingConfig::default(),
        layers: vec![layer],
        final_norm: norm,
        head: HeadWeights::Tied,
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    }
}

/// The plan of such a model cut to its experts, with their input, their routes and what they make.
fn plan(experts: ExpertsConfig) -> (Plan, [BufferId; 3]) {
    let mut plan = plan_decoder(&model(experts));
    let is_router = |op: &Op| matches!(op, Op::Linear { weight, .. } if plan.tensor(*weight).name.ends_with(".router.weight"));
    let first = plan.ops.iter().position(is_router).expect("a router");
    let pick = plan.ops.iter().position(|op| matches!(op, Op::Pick { .. })).expect("the end of the layer");
    // The last of the layer's ops adds its result to the residual stream.
    let (Op::Linear { input, .. }, Op::Route { output: routes, .. }, Op::Add { input: made, .. }) =
        (&plan.ops[first], &plan.ops[first + 1], &plan.ops[pick - 1])
    else {
        panic!("{:#?}", plan.ops)
    };
    let buffers = [*input, *routes, *made];
    plan.ops = plan.ops[first..pick - 1].to_vec();
    // No attention is left that would fill a cache.
    plan.cache_widths.clear();
    (plan, buffers)
}

fn weights(plan: &Plan) -> MadeWeights {
    let mut weights = MadeWeights::random(plan, WeightFormat::F32, 3);
    for (index, spec) in plan.tensors.iter().enumerate() {
        let Some(part) = spec.name.strip_prefix("layers.0.feed_forward.") else { continue };
        let Some(salt) = NAMES.iter().position(|name| *name == part) else { continue };
        for (element, value) in numbers(salt, spec.rows * spec.columns).into_iter().enumerate() {
            let value = if part == "router.weight" { 4.0 * value } else { value };
            weights.set(index, element, value);
        }
    }
    weights
}

pub fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 2e-6, "{what}: {found} for {expected}");
    }
}

#[test]
fn experts_compute_what_transformers_modules_do() {
    let text = include_str!("../fixtures/modules/experts.json");
    let cases: BTreeMap<String, Expected> = serde_json::from_str(text).expect("results by family");
    assert_eq!(cases.len(), 10);
    for (family, expected) in cases {
        let config = experts(&family);
        model(config).check().unwrap_or_else(|error| panic!("{family}: {error}"));
        let (plan, [input, routes, made]) = plan(config);
        let weights = weights(&plan);
        let mut twin = Reference::new(plan.clone(), 32, &weights).expect("readable");
        let progress = &mut |_, _| ControlFlow::Continue(());
        let mut engine =
            Engine::load(Arc::clone(&DEVICE), plan.clone(), 32, &weights, progress).expect("loads");

        let (sequence, twins) = (engine.new_sequence(), twin.new_sequence());
        let batch = Batch::chain(sequence, 0, &[0; ROWS], RowOutput::Nothing);
        let rows = numbers(NAMES.len() - 1, ROWS * WIDTH);
        let mut comparison = Comparison::begin(&mut engine, &mut twin, &batch, |_| twins).expect("begins");
        comparison.set(input, &rows);
        let agreement = comparison.run(&mut |_| {}).expect("runs");
        assert_eq!(agreement, Agreement::Whole, "{family}");

        for (row, routes) in twin.buffers[routes.0].chunks_exact(2 * ACTIVE).enumerate() {
            let what = format!("{family}, row {row}");
            let (indices, shares) = routes.split_at(ACTIVE);
            let mut chosen: Vec<(usize, f32)> =
                indices.iter().zip(shares).map(|(index, share)| (*index as usize, *share)).collect();
            chosen.sort_by_key(|(expert, _)| *expert);
            let (indices, shares): (Vec<usize>, Vec<f32>) = chosen.into_iter().unzip();
            assert_eq!(indices, expected.experts[row], "{what}");
            assert_close(&shares, &expected.shares[row], &what);
        }
        let output = twin.buffers[made.0].chunks_exact(WIDTH);
        for (row, output) in output.enumerate() {
            assert_close(output, &expected.output[row], &format!("{family}, row {row}"));
        }
    }
}

#[test]
fn experts_that_cannot_be_chosen_are_refused() {
    let refusal = |experts| model(experts).check().expect_err("refused").to_string();
    let with = |count, active, router| ExpertsConfig::new(count, active, router);
    let ranked = |count, kept, rank| RouterConfig {
        groups: Some(ExpertGroups { count, kept, rank }),
        ..RouterConfig::SIGMOID
    };
    let grouped = |count, kept| ranked(count, kept, GroupRank::TwoLargest);
    for (experts, text) in [
        (
            with(12, 33, RouterConfig::SIGMOID),
            "the number of experts for a token is 33, but it has to be 1 to 12",
        ),
        (
            with(12, 3, grouped(5, 1)),
            "the number of groups of experts is 5, but the 12 experts have to fall into groups of equal size, of two or more",
        ),
        (
            with(12, 3, grouped(12, 4)),
            "the number of groups of experts is 12, but the 12 experts have to fall into groups of equal size, of two or more",
        ),
        (
            with(12, 3, ranked(5, 1, GroupRank::Largest)),
            "the number of groups of experts is 5, but the 12 experts have to fall into groups of equal size",
        ),
        (
            with(12, 3, grouped(4, 5)),
            "the number of groups that a token's experts come from is 5, but it has to be 1 to 4",
        ),
        (
            with(12, 4, grouped(4, 1)),
            "the number of experts for a token is 4, but the groups that they come from have only 3",
        ),
        (
            with(
                12,
                3,
                RouterConfig { scores: RouterScores::SparseMixer { spread: f32::NAN }, ..grouped(4, 2) },
            ),
            "the spread of the router's results is NaN, but it has to be 0 or a small positive number",
        ),
        (
            with(12, 3, RouterConfig { scores: RouterScores::SparseMixer { spread: 0.1 }, ..grouped(4, 2) }),
            "the router is a sparse mixer, but it chooses without groups, and without a bias",
        ),
        (
            with(12, 3, RouterConfig { factor: 0.0, ..RouterConfig::SIGMOID }),
            "the factor on the experts' shares is 0, but it has to be finite, and not 0",
        ),
        (
            with(12, 3, RouterConfig { renormalised: Some(-1.0), ..RouterConfig::SIGMOID }),
            "what is added to the sum of the experts' shares is -1, but it has to be 0 or a small positive number",
        ),
    ] {
        assert_eq!(refusal(experts), text);
    }
}

#[test]
fn the_experts_of_published_models_are_within_the_limits() {
    let sigmoid = RouterConfig { renormalised: Some(1e-20), factor: 2.5, ..RouterConfig::SIGMOID };
    let of_chosen = RouterConfig::SOFTMAX_OF_CHOSEN;
    let groups = Some(ExpertGroups { count: 8, kept: 4, rank: GroupRank::TwoLargest });
    // The model's width, the experts' own, how many there are, how many are active, and the shared one's width.
    for (name, width, own, count, active, shared, router) in [
        ("Nemotron 3 Nano 30B-A3B", 2688, 1856, 128, 6, Some(3712), sigmoid),
        ("Qwen3.5-35B-A3B", 2048, 512, 256, 8, Some(512), of_chosen),
        ("Qwen3-Next-80B-A3B", 2048, 512, 512, 10, Some(512), of_chosen),
        ("Granite 4.0 H tiny", 1536, 512, 64, 6, Some(1024), of_chosen),
        ("LFM2-8B-A1B", 2048, 1792, 32, 4, None, sigmoid),
        ("DeepSeek-V3", 7168, 2048, 256, 8, Some(2048), RouterConfig { groups, ..sigmoid }),
    ] {
        let shared = shared.map(|width| SharedExpert { width, gate: SharedGate::Absent });
        let experts = ExpertsConfig { shared, ..ExpertsConfig::new(count, active, router) };
        let mut config = model(experts);
        config.width = width;
        config.feed_forwards().for_each(|block| block.width = own);
        assert_eq!(config.check(), Ok(()), "{name}");
    }
}
