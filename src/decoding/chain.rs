//! The stages of a run in their order, and the record of what they did to a row.

use super::row::{Row, Softmax, finite};
use super::settings::{StageSettings, StrategyChoice};
use super::stages::{History, Stage};
use crate::trace::{Candidate, Node, Others, StageRecord};

/// Which stages run, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// The stages; those at their neutral value are left out.
    pub stages: Vec<Stage>,
    /// How many candidates a record lists by raw logit, besides the chosen one.
    pub recorded_candidates: usize,
}

/// A row after the chain, and what each stage did.
#[derive(Clone, Debug, PartialEq)]
pub struct Filtered {
    /// The raw logits, finite.
    pub raw: Row,
    /// Their softmax.
    pub before: Softmax,
    /// The values that the strategy chooses from.
    pub row: Row,
    /// Their softmax.
    pub after: Softmax,
    /// What each stage did.
    pub stages: Vec<StageRecord>,
    /// The ids with the highest raw logits, descending.
    listed: Vec<Trail>,
}

/// One id on its way through the chain.
#[derive(Clone, Debug, PartialEq)]
struct Trail {
    token: u32,
    after: Vec<f32>,
    cut_by: Option<usize>,
}

impl Chain {
    /// The chain for a strategy: greedy decoding uses bias and penalties alone.
    pub fn new(settings: &StageSettings, strategy: StrategyChoice, recorded_candidates: usize) -> Self {
        let s = settings;
        let penalties = [
            (!s.logit_bias.is_empty()).then(|| Stage::LogitBias(s.logit_bias.clone())),
            (s.repetition_penalty != 1.0).then_some(Stage::RepetitionPenalty(s.repetition_penalty)),
            (s.presence_penalty != 0.0).then_some(Stage::PresencePenalty(s.presence_penalty)),
            (s.frequency_penalty != 0.0).then_some(Stage::FrequencyPenalty(s.frequency_penalty)),
            (s.no_repeat_ngram != 0).then_some(Stage::NoRepeatNgram(s.no_repeat_ngram)),
        ];
        let warpers = [
            (s.temperature != 1.0).then_some(Stage::Temperature(s.temperature)),
            (s.top_k != 0).then_some(Stage::TopK(s.top_k)),
            (s.top_p != 1.0).then_some(Stage::TopP(s.top_p)),
            (s.min_p != 0.0).then_some(Stage::MinP(s.min_p)),
        ];
        let warpers = warpers.into_iter().filter(|_| strategy == StrategyChoice::Sample);
        Self { stages: penalties.into_iter().chain(warpers).flatten().collect(), recorded_candidates }
    }

    /// Runs all stages over raw logits, which hold neither NaN nor +∞.
    pub fn run(&self, logits: &[f32], history: History<'_>) -> Filtered {
        let raw = Row::new(logits);
        let mut row = raw.clone();
        let mut listed: Vec<Trail> = raw.top(self.recorded_candidates).into_iter().map(Trail::new).collect();
        let stages = self.pass(&mut row, history, &mut listed);
        let before = raw.softmax();
        let after = if stages.is_empty() { before } else { row.softmax() };
        Filtered { raw, before, row, after, stages, listed }
    }

    fn pass(&self, row: &mut Row, history: History<'_>, trails: &mut [Trail]) -> Vec<StageRecord> {
        let mut records = Vec::with_capacity(self.stages.len());
        for (index, stage) in self.stages.iter().enumerate() {
            let changed = stage.apply(row, history);
            for trail in trails.iter_mut().filter(|trail| trail.cut_by.is_none()) {
                if row.keeps(trail.token) {
                    trail.after.push(row.value(trail.token));
                } else {
                    trail.cut_by = Some(index);
                }
            }
            records.push(StageRecord {
                name: stage.name().to_owned(),
                setting: stage.setting(),
                kept: row.kept.len(),
                changed,
            });
        }
        records
    }

    /// The node for `token`, chosen from `filtered`: everything but its place in the run, its texts, the
    /// draw, timing and counters.
    pub fn record(&self, filtered: Filtered, token: u32, history: History<'_>) -> Node {
        let Filtered { raw, before, row, after, stages, mut listed } = filtered;
        if !listed.iter().any(|trail| trail.token == token) {
            // Values of every id after every stage are not kept: the chosen one is followed in a second pass.
            let mut chosen = [Trail::new(token)];
            self.pass(&mut raw.clone(), history, &mut chosen);
            listed.extend(chosen);
        }
        let candidates: Vec<Candidate> =
            listed.into_iter().map(|trail| trail.candidate(&raw, &before, &row, &after)).collect();
        let logit = raw.value(token);
        Node {
            token,
            logit,
            log_probability: (f64::from(logit) - before.log_sum_exp) as f32,
            rank: raw.rank(token),
            entropy: before.entropy as f32,
            log_sum_exp: finite(before.log_sum_exp as f32),
            stages,
            others: others(&candidates, &row),
            candidates,
            ..Node::default()
        }
    }
}

impl Trail {
    fn new(token: u32) -> Self {
        Self { token, after: Vec::new(), cut_by: None }
    }

    fn candidate(self, raw: &Row, before: &Softmax, row: &Row, after: &Softmax) -> Candidate {
        Candidate {
            token: self.token,
            piece: String::new(),
            logit: raw.value(self.token),
            after: self.after,
            cut_by: self.cut_by,
            probability: row.probability(after, self.token) as f32,
            raw_probability: raw.probability(before, self.token) as f32,
        }
    }
}

fn others(candidates: &[Candidate], row: &Row) -> Others {
    let rest = |share: fn(&Candidate) -> f32| {
        let listed: f64 = candidates.iter().map(|candidate| f64::from(share(candidate))).sum();
        (1.0 - listed).max(0.0) as f32
    };
    let listed_kept = candidates.iter().filter(|candidate| candidate.cut_by.is_none()).count();
    let (count, kept) = (row.values.len() - candidates.len(), row.kept.len() - listed_kept);
    Others {
        count,
        kept,
        probability: if kept == 0 { 0.0 } else { rest(|candidate| candidate.probability) },
        raw_probability: if count == 0 { 0.0 } else { rest(|candidate| candidate.raw_probability) },
    }
}
