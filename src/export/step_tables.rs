//! The steps of a run: what the model computed and what that took; where it was on a server, what that sent, what was computed
//! here from it, and what was measured here.

use super::table::{Cell, SHARE, Table};
use crate::trace::{ChosenBy, Node, Phase, Run};

/// A column: its title, its unit, and a step's cell.
type StepColumn = (&'static str, &'static str, fn(&Run, &Node) -> Cell);

/// The steps of the line on show, a row each.
pub fn steps(run: &Run) -> Table {
    let columns: Vec<StepColumn> = match run.model.server {
        Some(_) => [&TOKEN[..], &SENT, &CHANCES, &SERVED].concat(),
        None => [&TOKEN[..], &COMPUTED, &CHANCES, &LOCAL].concat(),
    };
    let names: Vec<(&str, &'static str)> = columns.iter().map(|(title, unit, _)| (*title, *unit)).collect();
    let row = |node| columns.iter().map(|(.., cell)| cell(run, node)).collect();
    Table { rows: run.line_nodes().map(row).collect(), ..Table::new("Steps", &names) }
}

/// What was chosen, when and by whom.
const TOKEN: [StepColumn; 6] = [
    ("Step", "from 1", |_, node| node.step.into()),
    ("Token id", "", |_, node| node.token.into()),
    ("Piece", "", |_, node| node.piece.as_str().into()),
    ("Text", "", |_, node| node.text.as_str().into()),
    ("Phase", "", |_, node| phase(node).into()),
    ("Chosen by", "", |_, node| chosen_by(node).into()),
];

/// What the model on this computer says of it.
const COMPUTED: [StepColumn; 2] = [
    ("Raw logit", "", |_, node| node.logit.into()),
    ("Log-probability", "nats", |_, node| node.log_probability.into()),
];

/// What the server says of it.
const SENT: [StepColumn; 1] = [("Log-probability, sent", "nats", |_, node| node.log_probability.into())];

/// How likely it was, before all stages and after them.
const CHANCES: [StepColumn; 2] = [
    ("Raw probability", SHARE, |_, node| node.log_probability.exp().into()),
    ("Chosen with probability", SHARE, |_, node| node.chosen().map(|chosen| chosen.probability).into()),
];

/// The row of a model on this computer, and the pass.
const LOCAL: [StepColumn; 13] = [
    ("Rank", "from 1", |_, node| node.rank.into()),
    ("Entropy", "nats", |_, node| node.entropy.into()),
    ("Log-sum-exp", "nats", |_, node| node.log_sum_exp.into()),
    ("Random number", SHARE, |_, node| node.draw.map(|draw| draw.value).into()),
    ("Step time", "s", |_, node| node.timing.total_seconds.into()),
    ("Encode time", "s", |_, node| node.timing.encode_seconds.into()),
    ("Wait time", "s", |_, node| node.timing.wait_seconds.into()),
    ("GPU time", "s", |_, node| node.timing.gpu_seconds.into()),
    ("Bus wait", "s", |_, node| node.timing.bus_seconds.into()),
    ("Choose time", "s", |_, node| node.timing.choose_seconds.into()),
    ("Rows", "token rows", |_, node| node.counters.rows.into()),
    ("KV cache", "positions", |_, node| node.counters.cached_positions.into()),
    ("KV memory", "bytes", |_, node| node.counters.cache_bytes.into()),
];

/// The row that a server sent, as far as it is known, and the waiting.
const SERVED: [StepColumn; 7] = [
    ("Rank", "from 1", |run, node| match run.below_sent(node) {
        Some(sent) => Cell::Text(format!("> {sent}")),
        None => node.rank.into(),
    }),
    ("Entropy, at least", "nats", |_, node| node.entropy.into()),
    ("Entropy, at most", "nats", |_, node| node.entropy_at_most.unwrap_or(node.entropy).into()),
    ("Random number", SHARE, |_, node| node.draw.map(|draw| draw.value).into()),
    ("Step time", "s", |_, node| node.timing.total_seconds.into()),
    ("Server time, sent", "s", |_, node| node.timing.server_seconds.into()),
    ("Choose time", "s", |_, node| node.timing.choose_seconds.into()),
];

/// The pass that a step is of.
fn phase(node: &Node) -> &'static str {
    match node.phase {
        Phase::Initiation => "initiation",
        Phase::Incremental => "incremental",
    }
}

/// Who chose its token.
fn chosen_by(node: &Node) -> &'static str {
    match node.chosen_by {
        ChosenBy::Strategy => "strategy",
        ChosenBy::Hand => "hand",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{ModelFacts, NodeTiming, ServedBy, StrategyKind};

    #[test]
    fn a_step_has_a_cell_for_every_column_and_says_what_is_not_known() {
        let server = ServedBy { most_listed: 20, ..ServedBy::default() };
        let model = ModelFacts { vocabulary: 512, server: Some(server), ..ModelFacts::default() };
        let timing = NodeTiming { server_seconds: Some(0.25), ..NodeTiming::default() };
        let node = Node { rank: 21, entropy: 1.0, entropy_at_most: Some(1.5), timing, ..Node::default() };
        let run =
            Run { model, nodes: vec![node], line: vec![0], strategy: StrategyKind::Server, ..Run::default() };
        let table = steps(&run);
        assert_eq!(table.rows[0].len(), table.columns.len());
        assert_eq!(table.rows[0][9..12], [Cell::Text("> 20".into()), 1.0_f32.into(), 1.5_f32.into()]);
        assert_eq!(table.rows[0][14], Cell::from(Some(0.25)));
    }
}
