//! What a strategy weighed at a step, as a table.

use super::table::{Cell, Table};
use crate::trace::spelling;
use crate::trace::strategies::{
    Added, BeamStep, ContrastiveStep, Hypothesis, LookaheadStep, NgramSource, SpeculativeStep, Token, Verdict,
};
use crate::trace::{Run, StepDetail, StrategyStep};

const SHARE: &str = "0 to 1";

/// What a step weighed.
pub fn weighed(run: &Run, step: &StrategyStep) -> Table {
    match &step.detail {
        StepDetail::Beam(beam) => beams(run, beam),
        StepDetail::Contrastive(contrastive) => candidates(contrastive),
        StepDetail::Speculative(speculative) => draft(run, step, speculative),
        StepDetail::Lookahead(lookahead) => guesses(lookahead),
    }
}

fn beams(run: &Run, beam: &BeamStep) -> Table {
    let mut table = Table::new(
        "Hypotheses",
        &[
            ("State", ""),
            ("Newest token", ""),
            ("Token id", ""),
            ("Tokens", ""),
            ("Log-probability", "nats"),
            ("Drawn value", "nats"),
            ("Score", ""),
            ("Displaced by", ""),
            ("Its score", ""),
        ],
    );
    let newest = |node: usize| -> [Cell; 3] {
        run.nodes.get(node).map_or([Cell::Empty, Cell::Empty, Cell::Empty], |node| {
            [spelling::of_node(node).into(), node.token.into(), node.step.into()]
        })
    };
    let kept = |state: &str, one: &Hypothesis| -> Vec<Cell> {
        let [token, id, count] = newest(one.node);
        let (sum, drawn, score) = (one.log_probability.into(), one.drawn.into(), one.score.into());
        vec![state.into(), token, id, count, sum, drawn, score, Cell::Empty, Cell::Empty]
    };
    table.rows.extend(beam.live.iter().map(|one| kept("goes on", one)));
    table.rows.extend(beam.finished.iter().map(|one| kept("ended", one)));
    table.rows.extend(beam.pruned.iter().map(|fallen| {
        let [token, id, count] = newest(fallen.node);
        let [rival, _, _] = newest(fallen.rival);
        let (score, rival_score) = (fallen.score.into(), fallen.rival_score.into());
        vec!["fell".into(), token, id, count, Cell::Empty, Cell::Empty, score, rival, rival_score]
    }));
    table
}

fn candidates(step: &ContrastiveStep) -> Table {
    let mut table = Table::new(
        "Contrastive candidates",
        &[
            ("Token", ""),
            ("Token id", ""),
            ("Raw probability", SHARE),
            ("Penalty", "cosine"),
            ("Most like position", "from 0"),
            ("Score", ""),
            ("Chosen", ""),
        ],
    );
    table.rows.extend(step.candidates.iter().enumerate().map(|(place, one)| -> Vec<Cell> {
        vec![
            spelling::of_token(&one.token).into(),
            one.token.id.into(),
            one.probability.into(),
            one.penalty.into(),
            one.similar_position.into(),
            one.score.into(),
            (place == step.chosen).then_some("chosen").into(),
        ]
    }));
    table
}

fn draft(run: &Run, step: &StrategyStep, speculative: &SpeculativeStep) -> Table {
    let mut table = Table::new(
        "Drafted tokens",
        &[
            ("Token", ""),
            ("Token id", ""),
            ("Draft's q", SHARE),
            ("Target's p", SHARE),
            ("Draw", SHARE),
            ("Verdict", ""),
        ],
    );
    table.rows.extend(speculative.drafted.iter().map(|one| -> Vec<Cell> {
        let reached = one.verdict != Verdict::Unreached;
        let verdict = match one.verdict {
            Verdict::Accepted => "accepted",
            Verdict::Rejected => "rejected",
            Verdict::Unreached => "not reached",
        };
        vec![
            spelling::of_token(&one.token).into(),
            one.token.id.into(),
            one.draft_probability.into(),
            reached.then_some(one.target_probability).into(),
            one.draw.into(),
            verdict.into(),
        ]
    }));
    let word = match speculative.added {
        Added::Correction => "correction by the target",
        Added::Bonus => "bonus of the target",
        Added::Nothing => return table,
    };
    if let Some(node) = step.nodes.clone().last().and_then(|node| run.nodes.get(node)) {
        let (token, id) = (spelling::of_node(node), node.token);
        table.rows.push(vec![token.into(), id.into(), Cell::Empty, Cell::Empty, Cell::Empty, word.into()]);
    }
    table
}

fn guesses(step: &LookaheadStep) -> Table {
    let columns = [("Tokens", ""), ("Token ids", ""), ("Accepted", "tokens"), ("From", "")];
    let mut table = Table::new("Guesses", &columns);
    table.rows.extend(step.guesses.iter().map(|guess| -> Vec<Cell> {
        let source = match guess.source {
            NgramSource::Window => "window",
            NgramSource::Prompt => "text",
        };
        let text: String = guess.tokens.iter().map(spelling::of_token).collect();
        vec![text.into(), ids(&guess.tokens).into(), guess.accepted.into(), source.into()]
    }));
    table
}

fn ids(tokens: &[Token]) -> String {
    tokens.iter().map(|token| token.id.to_string()).collect::<Vec<_>>().join(" ")
}
