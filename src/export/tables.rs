//! The tables of a run.

pub use super::step_tables::steps;
use super::table::{Cell, Column, SHARE, Table};
use crate::trace::{Node, Run};

/// The candidates of a step: raw logit, the value after each stage, and the probability. The last row holds all entries
/// that were not recorded one by one.
pub fn pipeline(run: &Run, node: &Node) -> Table {
    let served = run.model.server.is_some();
    let mut table = Table::new(
        &format!("Candidates of step {}", node.step),
        &[
            ("Rank", "from 1"),
            ("Token id", ""),
            ("Piece", ""),
            ("Entries", "tokens"),
            if served { ("Log-probability", "nats") } else { ("Raw logit", "") },
            ("Raw probability", SHARE),
        ],
    );
    let unit = if served { "nats" } else { "logit" };
    let after = |stage: &crate::trace::StageRecord| format!("After {} {}", stage.name, stage.setting);
    table.columns.extend(node.stages.iter().map(|stage| Column(after(stage).trim_end().to_owned(), unit)));
    let last = [("Cut by", ""), ("Probability", SHARE), ("Chosen", "")];
    table.columns.extend(last.map(|(title, unit)| Column(title.to_owned(), unit)));
    for (place, candidate) in node.candidates.iter().enumerate() {
        let chosen = candidate.token == node.token;
        let mut row: Vec<Cell> = vec![
            match run.below_sent(node).filter(|_| chosen) {
                Some(sent) => Cell::Text(format!("> {sent}")),
                None => (if chosen { node.rank } else { place + 1 }).into(),
            },
            candidate.token.into(),
            candidate.piece.as_str().into(),
            Cell::Count(1),
            candidate.logit.into(),
            candidate.raw_probability.into(),
        ];
        row.extend((0..node.stages.len()).map(|stage| candidate.after.get(stage).copied().into()));
        let cutter = candidate.cut_by.and_then(|stage| node.stages.get(stage));
        row.push(cutter.map(|stage| stage.name.as_str()).into());
        row.push(candidate.probability.into());
        row.push(chosen.then_some("chosen").into());
        table.rows.push(row);
    }
    let others = node.others;
    let name = if run.others_are_unsent(node) { "not sent" } else { "all others" };
    let mut row = vec![Cell::Empty, Cell::Empty, name.into(), others.count.into(), Cell::Empty];
    row.push(others.raw_probability.into());
    row.extend(node.stages.iter().map(|_| Cell::Empty).chain([Cell::Empty]));
    row.extend([others.probability.into(), Cell::Empty]);
    table.rows.push(row);
    table
}

/// The pinned tokens along the line on show: a row for each token at each step that told of it.
pub fn pinned(run: &Run) -> Table {
    let mut table = Table::new(
        "Pinned tokens",
        &[
            ("Step", "from 1"),
            ("Token id", ""),
            ("Piece", ""),
            ("Raw logit", ""),
            ("Log-probability", "nats"),
            ("Rank", "from 1"),
            ("Probability", SHARE),
        ],
    );
    let piece = |id: u32| run.pinned.iter().find(|token| token.id == id).map(|token| token.piece.as_str());
    for node in run.line_nodes() {
        table.rows.extend(node.pinned.iter().map(|pinned| -> Vec<Cell> {
            vec![
                node.step.into(),
                pinned.token.into(),
                piece(pinned.token).into(),
                pinned.logit.into(),
                (pinned.logit - node.log_sum_exp).into(),
                pinned.rank.into(),
                pinned.probability.into(),
            ]
        }));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Candidate, Others, StageRecord};

    #[test]
    fn every_row_has_a_cell_for_every_column() {
        let stages =
            vec![StageRecord { name: "top-k".into(), setting: "1".into(), ..StageRecord::default() }];
        let kept = Candidate { token: 3, after: vec![2.5], probability: 1.0, ..Candidate::default() };
        let cut = Candidate { token: 4, cut_by: Some(0), ..Candidate::default() };
        let node = Node {
            token: 3,
            rank: 1,
            stages,
            candidates: vec![kept, cut],
            others: Others { count: 7, ..Others::default() },
            ..Node::default()
        };
        let table = pipeline(&Run::default(), &node);
        assert_eq!(table.columns[6], Column("After top-k 1".into(), "logit"));
        assert_eq!(table.rows[0][6..], [2.5_f32.into(), Cell::Empty, 1.0_f32.into(), "chosen".into()]);
        assert_eq!(table.rows[1][6..8], [Cell::Empty, "top-k".into()]);
        assert_eq!(table.rows[2][2..4], ["all others".into(), Cell::Count(7)]);
        let run = Run { nodes: vec![node], line: vec![0], ..Run::default() };
        for table in [table, steps(&run), pinned(&run)] {
            assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{}", table.title);
        }
    }
}
