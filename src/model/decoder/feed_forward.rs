//! The feed-forward block: gated, plain, or experts.

use super::Planner;
use crate::model::config::{
    Bias, ExpertKind, ExpertsConfig, FeedForwardConfig, FeedForwardKind, GateFunction, ShareUse, SharedGate,
};
use crate::model::plan::{BufferId, Columns, ExpertInput, Op, RowSet};

impl Planner {
    /// The block reads its input; experts apart from it read the residual stream.
    pub(super) fn feed_forward(
        &mut self,
        name: &str,
        config: &FeedForwardConfig,
        [residual, input]: [BufferId; 2],
        output: BufferId,
    ) {
        match &config.kind {
            FeedForwardKind::Plain => {
                let activation = config.activation;
                self.plain(name, config, input, output, |buffer| Op::Activate { activation, buffer })
            }
            &FeedForwardKind::Xielu(xielu) => {
                self.plain(name, config, input, output, |buffer| Op::Xielu { xielu, buffer })
            }
            FeedForwardKind::Gated => self.gated(name, config, input, output),
            FeedForwardKind::Experts(experts) => {
                self.experts(name, config, experts, [residual, input], output)
            }
        }
    }

    /// down(activation(up(x))).
    fn plain(
        &mut self,
        name: &str,
        config: &FeedForwardConfig,
        input: BufferId,
        output: BufferId,
        activate: impl Fn(BufferId) -> Op,
    ) {
        let up = self.buffer("feed-forward up", config.width, RowSet::Batch);
        self.linear(&format!("{name}.up"), config.bias, input, up);
        self.ops.push(activate(up));
        self.linear(&format!("{name}.down"), config.bias, up, output);
    }

    /// down(activation(gate(x)) · up(x)).
    fn gated(&mut self, name: &str, config: &FeedForwardConfig, input: BufferId, output: BufferId) {
        let up = self.buffer("feed-forward up", config.width, RowSet::Batch);
        let gate = self.buffer("feed-forward gate", config.width, RowSet::Batch);
        self.linear(&format!("{name}.up"), config.bias, input, up);
        self.linear(&format!("{name}.gate"), config.bias, input, gate);
        self.scale(self.factors.feed_forward_gate, gate);
        let up = Columns { buffer: up, first: 0 };
        self.ops.push(Op::Gate { activation: config.activation, up, output: gate });
        self.linear(&format!("{name}.down"), config.bias, gate, output);
    }

    /// The blocks that the router chooses, mixed by share, and the one that computes every row.
    fn experts(
        &mut self,
        name: &str,
        config: &FeedForwardConfig,
        experts: &ExpertsConfig,
        [residual, of_block]: [BufferId; 2],
        output: BufferId,
    ) {
        let ExpertsConfig { active, kind, share_use, apart, .. } = *experts;
        let width = self.buffers[output.0].columns;
        let input = match &apart {
            None => of_block,
            Some(apart) => {
                let normed = self.buffer("normed for experts", width, RowSet::Batch);
                self.norm(&format!("{name}.experts.norm"), &apart.norm, residual, normed);
                normed
            }
        };
        let routes = self.routes(name, config.bias, experts, [residual, of_block]);

        let (activation, bias) = (config.activation, config.bias);
        let up = self.buffer("experts up", active * config.width, RowSet::Batch);
        let down = self.buffer("experts down", active * width, RowSet::Batch);
        let part = |part: &str| format!("{name}.experts.{part}");
        let read = match share_use {
            ShareUse::OfResults => ExpertInput::Shared,
            ShareUse::OfInputs => ExpertInput::TimesShare,
        };
        self.expert_linear(&part("up"), bias, experts, [routes, input, up], read);
        let hidden = match kind {
            ExpertKind::Plain => {
                self.ops.push(Op::Activate { activation, buffer: up });
                up
            }
            ExpertKind::Gated => {
                let gate = self.buffer("experts gate", active * config.width, RowSet::Batch);
                self.expert_linear(&part("gate"), bias, experts, [routes, input, gate], read);
                let up = Columns { buffer: up, first: 0 };
                self.ops.push(Op::Gate { activation, up, output: gate });
                gate
            }
        };
        self.expert_linear(&part("down"), bias, experts, [routes, hidden, down], ExpertInput::PerExpert);
        let mixed = if apart.is_some() { self.buffer("experts mixed", width, RowSet::Batch) } else { output };
        self.ops.push(Op::Mix { share_use, routes, input: down, output: mixed });
        if let Some(apart) = &apart {
            self.norm(&part("update_norm"), &apart.norm, mixed, output);
        }
        if let Some(shared) = experts.shared {
            let bias = if bias == Bias::Present { bias } else { experts.shared_bias };
            let block = FeedForwardConfig { width: shared.width, bias, ..*config };
            self.shared_expert(name, &block, experts, shared.gate, [of_block, output]);
        }
    }

    /// The experts of each row, and their shares.
    fn routes(
        &mut self,
        name: &str,
        bias: Bias,
        experts: &ExpertsConfig,
        [residual, of_block]: [BufferId; 2],
    ) -> BufferId {
        let ExpertsConfig { count, active, router, apart, .. } = *experts;
        let scores = self.buffer("router scores", count, RowSet::Batch);
        let routes = self.buffer("routes", 2 * active, RowSet::Batch);
        let router_name = format!("{name}.router");
        match &apart {
            None => self.linear(&router_name, bias, of_block, scores),
            Some(apart) => {
                let width = self.buffers[residual.0].columns;
                let normed = self.buffer("normed for the router", width, RowSet::Batch);
                self.norm(&format!("{router_name}.norm"), &apart.norm, residual, normed);
                self.linear(&router_name, bias, normed, scores);
                self.scale(apart.router_factor, scores);
            }
        }
        let bias = self.bias(&format!("{name}.selection.bias"), count, experts.selection_bias);
        let factors = self.bias(&format!("{name}.experts.factors.weight"), count, experts.share_factors);
        self.ops.push(Op::Route { active, router, bias, factors, scores, output: routes });
        routes
    }

    /// Adds what the block that computes every row makes of the input.
    fn shared_expert(
        &mut self,
        name: &str,
        block: &FeedForwardConfig,
        experts: &ExpertsConfig,
        gate: SharedGate,
        [input, output]: [BufferId; 2],
    ) {
        let width = self.buffers[output.0].columns;
        let update = self.buffer("shared expert", width, RowSet::Batch);
        let part = format!("{name}.shared");
        match experts.kind {
            ExpertKind::Gated => self.gated(&part, block, input, update),
            ExpertKind::Plain => {
                let activation = block.activation;
                self.plain(&part, block, input, update, |buffer| Op::Activate { activation, buffer });
            }
        }
        if gate == SharedGate::Sigmoid {
            let gate = self.buffer("shared expert's gate", 1, RowSet::Batch);
            self.linear(&format!("{name}.shared_gate"), Bias::Absent, input, gate);
            let gate = Columns { buffer: gate, first: 0 };
            self.ops.push(Op::GateRows { function: GateFunction::Sigmoid, width, gate, output: update });
        }
        let input = match &experts.apart {
            None => update,
            Some(apart) => {
                let normed = self.buffer("normed shared expert", width, RowSet::Batch);
                self.norm(&format!("{part}.update_norm"), &apart.norm, update, normed);
                normed
            }
        };
        self.ops.push(Op::Add { input, output });
    }

    fn expert_linear(
        &mut self,
        name: &str,
        bias: Bias,
        experts: &ExpertsConfig,
        [routes, input, output]: [BufferId; 3],
        expert_input: ExpertInput,
    ) {
        let ExpertsConfig { count, active, .. } = *experts;
        let (inputs, outputs) = (self.buffers[input.0].columns, self.buffers[output.0].columns);
        let columns = match expert_input {
            ExpertInput::Shared | ExpertInput::TimesShare => inputs,
            ExpertInput::PerExpert => inputs / active,
        };
        let rows = count * (outputs / active);
        let weight = self.tensor(&format!("{name}.weight"), rows, columns);
        let bias = self.bias(&format!("{name}.bias"), rows, bias);
        self.ops.push(Op::ExpertLinear { weight, bias, experts: count, routes, input, expert_input, output });
    }
}
