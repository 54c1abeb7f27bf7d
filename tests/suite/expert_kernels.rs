//! The kernels of experts, their routers and gates against their twins.

use logitscope::gpu::KernelChoice;
use logitscope::model::WeightFormat;
use logitscope::model::config::{
    ExpertGroups, GateFunction, GroupRank, RouterConfig, RouterScores, ShareUse,
};
use logitscope::model::plan::{BufferId, Columns, ExpertInput, Op, Plan, TensorId};
use logitscope::model::weight_format::{Encoding, GridFormat};

use super::kernels::{Pair, ROWS, batch_buffer, choices, plan, tensor};

const INPUT: BufferId = BufferId(0);
const OUTPUT: BufferId = BufferId(1);

#[test]
fn experts_agree_in_every_format_and_shape() {
    // Of the formats of files those of grids are read differently here: the grid is copied first.
    let grids = [WeightFormat::Grids(GridFormat::Iq3Xxs), WeightFormat::Grids(GridFormat::Iq2S)];
    let formats = Encoding::ALL.map(Encoding::format).into_iter().chain(grids);
    let formats = || formats.clone().map(|format| (format, KernelChoice::CPU));
    let choices = || choices().map(|choice| (WeightFormat::F16, choice));
    // Experts, active ones, the block's width and theirs: fewer and more experts than lanes.
    for (experts, active, router, width, own) in [
        (2, 2, RouterConfig::SOFTMAX_OF_ALL, 32, 32),
        (5, 3, RouterConfig::SOFTMAX_OF_ALL, 8, 40),
        (70, 6, RouterConfig::SOFTMAX_OF_CHOSEN, 64, 96),
        (3, 2, RouterConfig::SOFTMAX_OF_CHOSEN, 512, 256),
    ] {
        let mut plan = experts_plan(experts, active, router, width, own);
        if experts == 5 {
            // All scores are equal.
            plan.ops.insert(0, Op::Scale { factor: 0.0, buffer: BufferId(1) });
            add_biases(&mut plan);
        }
        if experts != 70 {
            put_shares_on_inputs(&mut plan);
        }
        for (format, choice) in formats().chain(choices()) {
            if [width, own].iter().any(|columns| !columns.is_multiple_of(format.block_elements())) {
                continue;
            }
            let mut pair = Pair::new(&plan, format, choice);
            for rows in [1, 33] {
                pair.compare_rows(
                    rows,
                    &format!("{active} of {experts} experts {} {choice:?}", format.name()),
                );
            }
        }
    }
}

/// Fewer and more experts than lanes, with and without a bias, in one group and in several.
#[test]
fn routers_agree_in_every_kind() {
    let sigmoid = RouterConfig { renormalised: Some(1e-6), factor: 2.5, ..RouterConfig::SIGMOID };
    let softmax = RouterConfig { renormalised: Some(1e-3), ..RouterConfig::SOFTMAX_OF_ALL };
    let ranked = |router, count, kept, rank| RouterConfig {
        groups: Some(ExpertGroups { count, kept, rank }),
        ..router
    };
    let mixer = |spread| RouterConfig {
        scores: RouterScores::SparseMixer { spread },
        ..RouterConfig::SOFTMAX_OF_ALL
    };
    let grouped = |router, count, kept| ranked(router, count, kept, GroupRank::TwoLargest);
    for (experts, active, router) in [
        (3, 2, RouterConfig::SIGMOID),
        (70, 6, sigmoid),
        (512, 10, sigmoid),
        (70, 6, softmax),
        (512, 10, RouterConfig::SOFTMAX_OF_ALL),
        (512, 10, RouterConfig::SOFTMAX_OF_CHOSEN),
        (6, 2, grouped(sigmoid, 3, 1)),
        (256, 8, grouped(RouterConfig::SOFTMAX_OF_CHOSEN, 8, 4)),
        (210, 32, grouped(sigmoid, 42, 20)),
        (160, 6, ranked(RouterConfig::SOFTMAX_OF_ALL, 8, 3, GroupRank::Largest)),
        (12, 2, ranked(sigmoid, 12, 5, GroupRank::Largest)),
        (16, 2, mixer(0.02)),
        (200, 3, RouterConfig { renormalised: Some(1e-6), factor: 1.5, ..mixer(0.9) }),
    ] {
        let is_mixer = matches!(router.scores, RouterScores::SparseMixer { .. });
        for bias in [None, Some(TensorId(0)).filter(|_| !is_mixer)] {
            // With a bias, shares have factors too.
            let factors = bias.map(|_| TensorId(1));
            let op = Op::Route { active, router, bias, factors, scores: INPUT, output: OUTPUT };
            let buffers = vec![batch_buffer("scores", experts), batch_buffer("routes", 2 * active)];
            let names = ["bias", "factors"].into_iter().filter(|_| bias.is_some());
            let tensors = names.map(|name| tensor(name, 1, experts)).collect();
            let plan = plan(vec![op], buffers, tensors);
            for choice in choices() {
                let mut pair = Pair::new(&plan, WeightFormat::F32, choice);
                for rows in [1, 33] {
                    pair.compare_rows(
                        rows,
                        &format!("{active} of {experts} by {router:?} {bias:?} {choice:?}"),
                    );
                }
                // Only the bias tells experts of equal scores apart, or the index does.
                pair.contents = |_| 0.0;
                pair.compare_rows(
                    2,
                    &format!("{active} of {experts} equal ones by {router:?} {bias:?} {choice:?}"),
                );
            }
        }
    }
}

/// Lets shares multiply what experts read.
fn put_shares_on_inputs(plan: &mut Plan) {
    for op in &mut plan.ops {
        match op {
            Op::ExpertLinear { expert_input: input @ ExpertInput::Shared, .. } => {
                *input = ExpertInput::TimesShare
            }
            Op::Mix { share_use, .. } => *share_use = ShareUse::OfInputs,
            _ => {}
        }
    }
}

/// Gives the experts biases.
fn add_biases(plan: &mut Plan) {
    for op in &mut plan.ops {
        if let Op::ExpertLinear { weight, bias, .. } = op {
            *bias = Some(TensorId(plan.tensors.len()));
            plan.tensors.push(tensor("bias", 1, plan.tensors[weight.0].rows));
        }
    }
}

/// What follows a router's scores, for a gated block with experts.
fn experts_plan(experts: usize, active: usize, router: RouterConfig, width: usize, own: usize) -> Plan {
    let [input, scores, routes, hidden, gate, down, mixed] = std::array::from_fn(BufferId);
    let buffers = vec![
        batch_buffer("input", width),
        batch_buffer("scores", experts),
        batch_buffer("routes", 2 * active),
        batch_buffer("hidden", active * own),
        batch_buffer("gate", 1),
        batch_buffer("down", active * width),
        batch_buffer("mixed", width),
        batch_buffer("logits", 4),
    ];
    let tensors = vec![tensor("up", experts * own, width), tensor("down", experts * width, own)];
    let linear = |weight, input, expert_input, output| Op::ExpertLinear {
        weight: TensorId(weight),
        bias: None,
        experts,
        routes,
        input,
        expert_input,
        output,
    };
    let ops = vec![
        Op::Route { active, router, bias: None, factors: None, scores, output: routes },
        linear(0, input, ExpertInput::Shared, hidden),
        linear(1, hidden, ExpertInput::PerExpert, down),
        Op::Mix { share_use: ShareUse::OfResults, routes, input: down, output: mixed },
        Op::GateRows {
            function: GateFunction::Sigmoid,
            width,
            gate: Columns { buffer: gate, first: 0 },
            output: mixed,
        },
    ];
    plan(ops, buffers, tensors)
}

#[test]
fn gates_agree_in_every_width() {
    // Gates, the columns that each multiplies, and the column of their buffer that they begin at.
    for (gates, width, first) in
        [(1, 9, 0), (9, 1, 0), (65, 1, 12), (5, 3, 7), (32, 64, 2048), (6, 80, 4), (576, 1, 0)]
    {
        for function in [GateFunction::Sigmoid, GateFunction::Softplus] {
            let gate = Columns { buffer: INPUT, first };
            let op = Op::GateRows { function, width, gate, output: OUTPUT };
            let buffers = vec![batch_buffer("gates", first + gates), batch_buffer("output", gates * width)];
            let plan = plan(vec![op], buffers, Vec::new());
            for choice in choices() {
                let mut pair = Pair::new(&plan, WeightFormat::F32, choice);
                for scale in [|number| 6.0 * number, |number| 60.0 * number] {
                    pair.contents = scale;
                    for rows in ROWS {
                        pair.compare_rows(
                            rows,
                            &format!("{gates} {function:?} of {width} from {first} {choice:?}"),
                        );
                    }
                }
            }
        }
    }
}
