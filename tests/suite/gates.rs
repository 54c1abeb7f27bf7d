//! Gates on attention's output against what transformers' own modules compute, by both interpreters.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use logitscope::gpu::Engine;
use logitscope::model::batch::RowOutput;
use logitscope::model::config::{
    AttentionConfig, Bias, GateExtent, GateFunction, HeadNormConfig, HeadNormExtent, HeadNormPlace,
    KeysValuesConfig, NormKind, OutputGate, ScoresConfig, Sinks,
};
use logitscope::model::plan::{BufferId, Op, Plan};
use logitscope::model::{Batch, LanguageModel, WeightFormat, plan_decoder};
use logitscope::reference::Reference;
use logitscope::verify::{Agreement, Comparison};

use super::kernels::DEVICE;
use super::routers::{ROWS, WIDTH, assert_close, experts, model, numbers};
use super::support::MadeWeights;

/// As tests/fixtures/modules/make_gates.py has them.
const NAMES: [&str; 8] = [
    "query.weight",
    "key.weight",
    "value.weight",
    "query_norm.weight",
    "key_norm.weight",
    "gate.weight",
    "output.weight",
    "input",
];

/// The attention of a model cut to it, with its input and what it makes.
fn plan(gate: OutputGate) -> (Plan, [BufferId; 2]) {
    let mut config = model(experts("lfm2_moe"));
    config.layers[0].attention = Some(AttentionConfig {
        heads: 4,
        key_value_heads: 2,
        head_width: 8,
        clip: None,
        head_norm: Some(HeadNormConfig {
            kind: NormKind::Rms,
            epsilon: 1e-6,
            extent: HeadNormExtent::Head,
            place: HeadNormPlace::BeforeRotary,
        }),
        rotary: None,
        scale: 1.0 / 8f32.sqrt(),
        scores: ScoresConfig::default(),
        keys_values: KeysValuesConfig::default(),
        sinks: Sinks::default(),
        output_gate: Some(gate),
        query_key_value_bias: Bias::Absent,
        output_bias: Bias::Absent,
    });
    let mut plan = plan_decoder(&config);
    let makes = |part: &str| {
        let ending = format!("attention.{part}.weight");
        let found =
            |op: &Op| matches!(op, Op::Linear { weight, .. } if plan.tensor(*weight).name.ends_with(&ending));
        plan.ops.iter().position(found).expect("a linear map")
    };
    let (first, last) = (makes("gate"), makes("output"));
    let (Op::Linear { input, .. }, Op::Linear { output, .. }) = (&plan.ops[first], &plan.ops[last]) else {
        panic!("{:#?}", plan.ops)
    };
    let buffers = [*input, *output];
    plan.ops = plan.ops[first..=last].to_vec();
    (plan, buffers)
}

fn weights(plan: &Plan) -> MadeWeights {
    let mut weights = MadeWeights::random(plan, WeightFormat::F32, 3);
    for (index, spec) in plan.tensors.iter().enumerate() {
        let Some(part) = spec.name.strip_prefix("layers.0.attention.") else { continue };
        let Some(salt) = NAMES.iter().position(|name| *name == part) else { continue };
        for (element, value) in numbers(salt, spec.rows * spec.columns).into_iter().enumerate() {
            let value = match part {
                "gate.weight" => 4.0 * value,
                "query_norm.weight" | "key_norm.weight" => value + 1.0,
                _ => value,
            };
            weights.set(index, element, value);
        }
    }
    weights
}

#[test]
fn gated_attention_computes_what_transformers_modules_do() {
    let text = include_str!("../fixtures/modules/gates.json");
    let expected: BTreeMap<String, Vec<Vec<f32>>> = serde_json::from_str(text).expect("results by family");
    let kinds = [
        ("qwen3_next", GateExtent::Element, GateFunction::Sigmoid),
        ("lfm3", GateExtent::Head, GateFunction::Sigmoid),
        ("laguna, by head", GateExtent::Head, GateFunction::Softplus),
        ("laguna, by element", GateExtent::Element, GateFunction::Softplus),
    ];
    assert_eq!(expected.len(), kinds.len());
    for (family, extent, function) in kinds {
        let (plan, [input, made]) = plan(OutputGate { extent, function });
        let weights = weights(&plan);
        let mut twin = Reference::new(plan.clone(), 32, &weights).expect("readable");
        let progress = &mut |_, _| ControlFlow::Continue(());
        let mut engine = Engine::load(Arc::clone(&DEVICE), plan, 32, &weights, progress).expect("loads");

        let (sequence, twins) = (engine.new_sequence(), twin.new_sequence());
        let batch = Batch::chain(sequence, 0, &[0; ROWS], RowOutput::Nothing);
        let mut comparison = Comparison::begin(&mut engine, &mut twin, &batch, |_| twins).expect("begins");
        comparison.set(input, &numbers(NAMES.len() - 1, ROWS * WIDTH));
        let agreement = comparison.run(&mut |_| {}).expect("runs");
        assert_eq!(agreement, Agreement::Whole, "{family}");
        for (row, output) in twin.buffers[made.0].chunks_exact(WIDTH).enumerate() {
            assert_close(output, &expected[family][row], &format!("{family}, row {row}"));
        }
    }
}
