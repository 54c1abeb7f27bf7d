//! What the target's rows say of a draft: which tokens are accepted, and which one it adds itself.
//!
//! By the highest value: a drafted token is accepted if it is the target's own choice. By draws, after Leviathan,
//! Kalman and Matias 2023 (section 2.3) and Chen et al. 2023 (algorithm 2): token x, drafted with the probability
//! q(x), is accepted with min(1, p(x) / q(x)); in place of the first rejected one a token is drawn from
//! norm(max(p − q, 0)), and after a draft that was accepted whole one from p. So each token has the distribution
//! p, whatever was drafted.

use std::collections::HashMap;

use super::drafter::{Draft, DraftToken};
use crate::decoding::chain::Filtered;
use crate::decoding::draw::draw;
use crate::decoding::error::DecodingError;
use crate::decoding::random::{Purpose, uniform_for};
use crate::decoding::row::Row;
use crate::decoding::row_logits::RowLogits;
use crate::decoding::strategy_settings::Picking;
use crate::decoding::text::Text;
use crate::trace::strategies::{Added, Drafted, Verdict};
use crate::trace::{Draw, Node};

/// What a pass brought.
pub(super) struct Judged {
    /// The tokens that join the text.
    pub nodes: Vec<Node>,
    /// The draft with its verdicts.
    pub drafted: Vec<Drafted>,
    /// What the last node is.
    pub added: Added,
    /// How many drafted tokens were accepted.
    pub accepted: usize,
}

/// Judges a draft by the rows of the newest token and of each drafted one. `None` if that takes whole rows.
pub(super) fn judge(
    text: &Text,
    draft: &Draft,
    rows: &[RowLogits],
    context: usize,
) -> Result<Option<Judged>, DecodingError> {
    let mut drafted: Vec<Drafted> = draft.tokens.iter().map(unreached).collect();
    let (mut nodes, mut accepted) = (Vec::new(), 0);
    let mut tokens = text.tokens.clone();
    for (index, seen) in rows.iter().enumerate() {
        let (step, history) = (text.step_after(&tokens), text.history(&tokens));
        let Some(filtered) = text.filtered_behind(&nodes, seen, step, history)? else { break };
        let Some(filtered) = filtered else { return Ok(None) };
        let Some(choice) = choose(text, filtered, draft.tokens.get(index), step) else { return Ok(None) };
        let Choice { filtered, id, draw, of_draft } = choice;
        let node = Node { draw, ..text.chain.record(filtered, id, history) };
        tokens.push(node.token);
        nodes.push(node);
        let stop = text.reason(&tokens, context);
        let Some(OfDraft { probability, draw, verdict }) = of_draft else { break };
        drafted[index].target_probability = probability as f32;
        (drafted[index].draw, drafted[index].verdict) = (draw, verdict);
        accepted += usize::from(verdict == Verdict::Accepted);
        if verdict == Verdict::Rejected || stop.is_some() {
            break;
        }
    }
    let added = if nodes.len() == accepted {
        Added::Nothing
    } else if accepted == drafted.len() {
        Added::Bonus
    } else {
        Added::Correction
    };
    Ok(Some(Judged { nodes, drafted, added, accepted }))
}

/// A token and how it was found.
struct Choice {
    filtered: Filtered,
    id: u32,
    draw: Option<Draw>,
    of_draft: Option<OfDraft>,
}

/// What became of the drafted token.
struct OfDraft {
    probability: f64,
    draw: Option<f64>,
    verdict: Verdict,
}

/// `None` if it takes the whole row.
fn choose(text: &Text, filtered: Filtered, drafted: Option<&DraftToken>, step: usize) -> Option<Choice> {
    match text.picking {
        Picking::Argmax => Some(highest(filtered, drafted)),
        Picking::Sample if filtered.row.tail.count > 0 => None,
        Picking::Sample => Some(drawn(filtered, drafted, text.seed, step as u64)),
    }
}

fn highest(filtered: Filtered, drafted: Option<&DraftToken>) -> Choice {
    let id = filtered.row.best().unwrap_or_default();
    let of_draft = drafted.map(|drafted| {
        let same = filtered.token(id) == drafted.token;
        let verdict = if same { Verdict::Accepted } else { Verdict::Rejected };
        OfDraft { probability: filtered.probability(drafted.token), draw: None, verdict }
    });
    Choice { filtered, id, draw: None, of_draft }
}

fn drawn(mut filtered: Filtered, drafted: Option<&DraftToken>, seed: u64, step: u64) -> Choice {
    let mut of_draft = None;
    if let Some(drafted) = drafted {
        let probability = filtered.probability(drafted.token);
        let value = uniform_for(Purpose::Acceptance, seed, step);
        let accepted = value * drafted.probability < probability;
        let verdict = if accepted { Verdict::Accepted } else { Verdict::Rejected };
        of_draft = Some(OfDraft { probability, draw: Some(value), verdict });
        if let (true, Some(id)) = (accepted, filtered.id(drafted.token)) {
            return Choice { filtered, id, draw: None, of_draft };
        }
        subtract(&mut filtered, drafted);
    }
    let (id, draw) = draw(&filtered.row, &filtered.after, seed, step);
    Choice { filtered, id, draw: Some(draw), of_draft }
}

/// Leaves max(p − q, 0) of p, as a last stage: the values become its logarithms. Where rounding leaves nothing, p
/// stays.
fn subtract(filtered: &mut Filtered, drafted: &DraftToken) {
    let places: Option<HashMap<u32, u32>> =
        filtered.candidates.as_ref().map(|tokens| tokens.iter().copied().zip(0..).collect());
    let place = |token| places.as_ref().map_or(Some(token), |places| places.get(&token).copied());
    let mut left: HashMap<u32, f64> = HashMap::new();
    let mut take = |token, probability| {
        if let Some(id) = place(token) {
            left.insert(id, filtered.row.probability(&filtered.after, id) - probability);
        }
    };
    let setting = match &drafted.drawn_from {
        None => {
            take(drafted.token, 1.0);
            "1 token".to_owned()
        }
        Some(row) => {
            row.distribution().for_each(|(token, probability)| take(token, probability));
            format!("{} tokens", row.row.kept_count())
        }
    };
    let after = filtered.after;
    filtered.then("minus draft", setting, |row: &mut Row| {
        let rest = |row: &Row, id| left.get(&id).copied().unwrap_or_else(|| row.probability(&after, id));
        if !row.kept.iter().any(|&id| rest(row, id) > 0.0) {
            return 0;
        }
        let kept: Vec<(u32, f64)> =
            row.kept.iter().map(|&id| (id, rest(row, id))).filter(|(_, rest)| *rest > 0.0).collect();
        let mut changed = 0;
        for &(id, rest) in &kept {
            let before = std::mem::replace(&mut row.values[id as usize], rest.ln() as f32);
            changed += usize::from(before != row.values[id as usize]);
        }
        row.kept = kept.into_iter().map(|(id, _)| id).collect();
        changed
    });
}

fn unreached(drafted: &DraftToken) -> Drafted {
    let draft_probability = drafted.probability as f32;
    Drafted { token: drafted.token.into(), draft_probability, ..Drafted::default() }
}
