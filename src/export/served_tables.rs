//! The tables of a run whose model was on a server: what it sent, what was computed here from it, and what was measured here.

use super::cells::{SHARE, chosen_by, phase};
use super::table::{Cell, Table};
use crate::trace::{Node, Run};

/// The steps of the line on show, a row each.
pub(super) fn steps(run: &Run) -> Table {
    let mut table = Table::new(
        "Steps",
        &[
            ("Step", "from 1"),
            ("Token id", ""),
            ("Piece", ""),
            ("Text", ""),
            ("Phase", ""),
            ("Chosen by", ""),
            ("Log-probability, sent", "nats"),
            ("Raw probability", SHARE),
            ("Chosen with probability", SHARE),
            ("Rank", "from 1"),
            ("Entropy, at least", "nats"),
            ("Entropy, at most", "nats"),
            ("Random number", SHARE),
            ("Step time", "s"),
            ("Server time, sent", "s"),
            ("Choose time", "s"),
        ],
    );
    table.rows = run.line_nodes().map(|node| step(run, node)).collect();
    table
}

fn step(run: &Run, node: &Node) -> Vec<Cell> {
    let timing = &node.timing;
    vec![
        node.step.into(),
        node.token.into(),
        node.piece.as_str().into(),
        node.text.as_str().into(),
        phase(node).into(),
        chosen_by(node).into(),
        node.log_probability.into(),
        node.log_probability.exp().into(),
        node.chosen().map(|chosen| chosen.probability).into(),
        match run.below_sent(node) {
            Some(sent) => Cell::Text(format!("> {sent}")),
            None => node.rank.into(),
        },
        node.entropy.into(),
        node.entropy_at_most.unwrap_or(node.entropy).into(),
        node.draw.map(|draw| draw.value).into(),
        timing.total_seconds.into(),
        timing.server_seconds.into(),
        timing.choose_seconds.into(),
    ]
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
