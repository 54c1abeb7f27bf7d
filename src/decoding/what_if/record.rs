//! What the trace has of a step's row, through the stages that look at tokens.
//!
//! Those run as they are, over the tokens that count alone, numbered anew in the order of their ids. A token that is
//! named by a stage or the text and not on record stands as high as it can be, and what becomes of it is a bound.

use std::collections::BTreeSet;

use super::partial_row::{Others, PartialRow, SLACK};
use crate::decoding::row::{Row, Tail, finite};
use crate::decoding::stages::{History, Stage};
use crate::trace::Node;

/// A step's row as it was recorded.
pub(super) struct Record {
    /// What is known exactly, by ascending token.
    known: Vec<(u32, f32)>,
    vocabulary: usize,
    others: Others,
}

impl Record {
    /// Of a step; `None` if it lists nothing.
    pub(super) fn of(node: &Node) -> Option<Self> {
        let listed = node.candidates.iter().map(|candidate| (candidate.token, candidate.logit));
        let pinned = node.pinned.iter().map(|pinned| (pinned.token, pinned.logit));
        let mut known: Vec<(u32, f32)> = listed.chain(pinned).collect();
        known.sort_by_key(|(token, _)| *token);
        known.dedup_by_key(|(token, _)| *token);
        let vocabulary = node.candidates.len() + node.others.count;
        let count = vocabulary - known.len();
        let reference = f64::from(node.candidates.first()?.logit);
        let whole = (f64::from(node.log_sum_exp) - reference).exp();
        let listed: f64 = known.iter().map(|(_, logit)| (f64::from(*logit) - reference).exp()).sum();
        let highest = f64::from(highest_of_others(node)?);
        let most = count as f64 * (highest - reference).exp();
        let rest = [-SLACK, SLACK].map(|slack| (whole - listed + slack * whole).clamp(0.0, most));
        Some(Self { known, vocabulary, others: Others { count, highest, sum: rest, reference } })
    }

    /// Runs the stages that look at tokens; `None` where nothing is left.
    pub(super) fn process(self, processors: &[Stage], history: History<'_>) -> Option<PartialRow> {
        let named: BTreeSet<u32> = match processors {
            [] => BTreeSet::new(),
            _ => processors.iter().flat_map(named).chain(history.tokens.iter().copied()).collect(),
        };
        let known = self.known.iter().map(|(token, _)| *token);
        let tokens: BTreeSet<u32> = named.into_iter().chain(known).collect();
        let tokens: Vec<u32> =
            tokens.into_iter().filter(|&token| (token as usize) < self.vocabulary).collect();
        let place = |token: &u32| self.known.binary_search_by_key(token, |(token, _)| *token).ok();
        let unknown: Vec<u32> =
            (0..).zip(&tokens).filter(|(_, token)| place(token).is_none()).map(|(id, _)| id).collect();
        let highest = finite(self.others.highest as f32);
        let values =
            tokens.iter().map(|token| place(token).map_or(highest, |place| finite(self.known[place].1)));
        let mut row =
            Row { values: values.collect(), kept: (0..tokens.len() as u32).collect(), tail: Tail::default() };
        let number = |token: &u32| tokens.binary_search(token).ok().map(|id| id as u32);
        let text: Vec<u32> = history.tokens.iter().map(number).collect::<Option<_>>().unwrap_or_default();
        let numbered = History { tokens: &text, prompt: history.prompt.min(text.len()) };
        for stage in processors {
            self::numbered(stage, number).apply(&mut row, numbered);
        }
        let step = history.generated().len() + 1;
        let forced = processors
            .iter()
            .any(|stage| matches!(stage, Stage::ForcedTokens(forced) if forced.contains_key(&step)));
        if row.kept.is_empty() {
            return None;
        }
        let mut partial = PartialRow { tokens, row, others: self.others, left: None };
        if forced {
            // One is left, whatever its value.
            partial.others = Others { count: 0, sum: [0.0; 2], highest: f64::NEG_INFINITY, ..self.others };
            return Some(partial);
        }
        let changes = processors.iter().filter(|stage| changes_values(stage)).count();
        bound(&mut partial, &unknown, changes > 1);
        Some(partial)
    }
}

/// Takes what is not known from the row into the others, with what the stages can have made of it. `several` of them
/// may have raised what together they seem to lower.
fn bound(partial: &mut PartialRow, unknown: &[u32], several: bool) {
    let PartialRow { row, others, .. } = partial;
    let before = others.highest;
    let weight = |value: f64| (value - others.reference).exp();
    // Entries that no stage can have looked at.
    let untouched = others.count > unknown.len();
    let mut highest = if untouched { before } else { f64::NEG_INFINITY };
    let ([mut low, mut high], mut gone) = (others.sum, 0);
    for &id in unknown {
        let kept = row.keeps(id);
        let value = f64::from(row.value(id));
        let touched = !kept || value != before || before == 0.0;
        if touched {
            low -= weight(before);
            if kept && (value > before || several || before == 0.0) {
                high += weight(value);
            }
        }
        if kept {
            highest = highest.max(value);
        } else {
            gone += 1;
        }
    }
    others.count -= gone;
    others.highest = highest;
    others.sum = if others.count == 0 { [0.0; 2] } else { [low.max(0.0), high.max(0.0)] };
    row.kept.retain(|id| unknown.binary_search(id).is_err());
}

/// No logit that the record does not list is higher.
fn highest_of_others(node: &Node) -> Option<f32> {
    if let Some(highest) = node.others.highest {
        return Some(highest);
    }
    // Records from before it was kept: the last one listed, without a chosen one from below the list.
    let below = |(place, candidate): &(usize, &crate::trace::Candidate)| {
        candidate.token == node.token && node.rank > place + 1
    };
    node.candidates.iter().enumerate().rev().find(|one| !below(one)).map(|(_, candidate)| candidate.logit)
}

/// Whether a stage gives tokens other values by their ids.
fn changes_values(stage: &Stage) -> bool {
    matches!(
        stage,
        Stage::LogitBias(_)
            | Stage::RepetitionPenalty(_)
            | Stage::PresencePenalty(_)
            | Stage::FrequencyPenalty(_)
    )
}

/// The tokens that a stage's setting names.
fn named(stage: &Stage) -> Vec<u32> {
    match stage {
        Stage::LogitBias(biases) => biases.keys().copied().collect(),
        Stage::BadWords(words) => words.concat(),
        Stage::MinNewTokens { eos, .. } => eos.clone(),
        Stage::ForcedTokens(forced) => forced.values().copied().collect(),
        Stage::SuppressTokens(banned) => banned.iter().copied().collect(),
        _ => Vec::new(),
    }
}

/// The stage with the tokens that it names numbered anew; without those that have no number.
fn numbered(stage: &Stage, number: impl Fn(&u32) -> Option<u32>) -> Stage {
    match stage {
        Stage::LogitBias(biases) => {
            let biases = biases.iter().filter_map(|(token, bias)| Some((number(token)?, *bias)));
            Stage::LogitBias(biases.collect())
        }
        Stage::BadWords(words) => {
            let numbers = |word: &Vec<u32>| word.iter().map(&number).collect::<Option<Vec<u32>>>();
            Stage::BadWords(words.iter().filter_map(numbers).collect())
        }
        Stage::MinNewTokens { count, eos } => {
            Stage::MinNewTokens { count: *count, eos: eos.iter().filter_map(number).collect() }
        }
        Stage::ForcedTokens(forced) => {
            let forced = forced.iter().filter_map(|(step, token)| Some((*step, number(token)?)));
            Stage::ForcedTokens(forced.collect())
        }
        Stage::SuppressTokens(banned) => Stage::SuppressTokens(banned.iter().filter_map(number).collect()),
        other => other.clone(),
    }
}
