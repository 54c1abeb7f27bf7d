//! The stages on a row that the model has summarised: the highest logits exactly, the others by their sums.
//!
//! A stage is applied only where the others' single values do not matter; otherwise the whole row has to be
//! read. So what a trace records is the same as from the whole row, to the precision of the model's sums.

use super::chain::{Chain, Filtered};
use super::row::{Row, Tail};
use super::stages::{self, Stage};
use crate::model::selection::{MOST_CANDIDATES, SamplingParams, Summary, Unlisted};

/// Temperatures for which the model's arithmetic keeps its range, and divides every value to another one.
const COLDEST: f32 = 1e-4;
const HOTTEST: f32 = 1e4;
const CLOSEST_TO_ONE: f32 = 1e-5;

/// The least and the most that what is not listed can weigh: places among a summary's bounds.
const LEAST: usize = 0;
const MOST: usize = 1;

impl Chain {
    /// What to ask of the model so that this chain may be run on its summaries; `uniform` is where the choice
    /// lies on 0–1. `None` if only whole rows of `vocabulary` logits will do.
    pub fn sampling_params(&self, vocabulary: usize, uniform: f32) -> Option<SamplingParams> {
        if self.stages.iter().any(Stage::looks_beyond_the_highest) {
            return None;
        }
        let listed = MOST_CANDIDATES.min(vocabulary);
        if self.recorded_candidates > listed && listed < vocabulary {
            return None;
        }
        let mut params = SamplingParams { top_k: 0, uniform, ..SamplingParams::GREEDY };
        for stage in &self.stages {
            match *stage {
                Stage::Temperature(divisor) => {
                    let fits =
                        (COLDEST..=HOTTEST).contains(&divisor) && (divisor - 1.0).abs() > CLOSEST_TO_ONE;
                    params.temperature = Some(divisor).filter(|_| fits)?;
                }
                Stage::TopK(count) => {
                    let decides = count < listed || count >= vocabulary;
                    params.top_k = u32::try_from(count).ok().filter(|_| decides)?;
                }
                Stage::TopP(share) => params.top_p = share,
                Stage::MinP(share) => params.min_p = share,
                // It shifts all values alike: the choice is the same.
                Stage::LogSoftmax => {}
                // They were asked for above.
                _ => {}
            }
        }
        Some(params)
    }

    /// Runs all stages over a summary without broken logits, made for [`Self::sampling_params`]. `None` if a stage's
    /// work depends on single values of what is not listed.
    pub fn run_summary(&self, summary: &Summary) -> Option<Filtered> {
        let most = self.run_weighing(summary, MOST)?;
        let pinned = self.pins.in_summary(summary);
        if summary.unlisted == Unlisted::Summed {
            return Some(Filtered { pinned, ..most });
        }
        let least = self.run_weighing(summary, LEAST)?;
        let same = least.row.kept == most.row.kept && least.row.tail.count == most.row.tail.count;
        same.then_some(Filtered { pinned, after_least: least.after, ..most })
    }

    /// The same with one bound of what is not listed.
    fn run_weighing(&self, summary: &Summary, bound: usize) -> Option<Filtered> {
        let mut raw = Row::new(&summary.logits);
        raw.tail = tail(&raw, summary.others(), summary.sum);
        let apply = |stage: &Stage, row: &mut Row| apply(stage, row, summary, bound);
        self.run_with(raw, summary.entropy(), Some(summary.tokens.clone()), apply).ok()
    }
}

impl Stage {
    /// Whether its work depends on single values that are not among the highest.
    pub(super) fn looks_beyond_the_highest(&self) -> bool {
        match self {
            Self::LogSoftmax | Self::Temperature(_) | Self::TopK(_) | Self::TopP(_) | Self::MinP(_) => false,
            Self::Grammar { .. }
            | Self::LogitBias(_)
            | Self::RepetitionPenalty(_)
            | Self::PresencePenalty(_)
            | Self::FrequencyPenalty(_)
            | Self::Dry(_)
            | Self::NoRepeatNgram(_)
            | Self::BadWords(_)
            | Self::MinNewTokens { .. }
            | Self::ForcedTokens(_)
            | Self::SuppressTokens(_)
            | Self::TopA(_)
            | Self::TypicalP(_)
            | Self::EpsilonCutoff(_)
            | Self::EtaCutoff(_)
            | Self::Mirostat(_) => true,
        }
    }
}

/// Applies a stage to the values listed and to what is known of the tail, which weighs as much as `bound` says, if that is enough.
fn apply(stage: &Stage, row: &mut Row, summary: &Summary, bound: usize) -> Option<usize> {
    let lowest = *row.values.last()?;
    match *stage {
        Stage::LogSoftmax => Some(stages::log_softmax(row) + row.tail.count),
        Stage::Temperature(divisor) => {
            if summary.extremes > 0 {
                return None;
            }
            let shifted = row.values.first() != summary.logits.first();
            // Only zeros stay what they are.
            let changed = stages::temperature(row, divisor);
            let listed_zeros = summary.logits.iter().filter(|&&logit| logit == 0.0).count();
            let tail_zeros = if shifted { 0 } else { summary.zeros - listed_zeros };
            row.tail = tail(row, row.tail.count, summary.tempered(f64::from(divisor))[bound]);
            Some(changed + row.tail.count - tail_zeros)
        }
        _ if row.tail.count == 0 => match *stage {
            Stage::TopK(count) => Some(stages::top_k(row, count)),
            Stage::TopP(share) => Some(stages::top_p(row, share)),
            Stage::MinP(share) => Some(stages::min_p(row, share)),
            _ => None,
        },
        Stage::TopK(count) if count == 0 || count >= row.kept_count() => Some(0),
        Stage::TopK(count) => {
            // Ties with the last one listed may go on in the tail.
            row.values.get(count - 1).filter(|&&value| value > lowest)?;
            row.tail = Tail::default();
            Some(stages::top_k(row, count))
        }
        Stage::TopP(share) => {
            let changed = stages::top_p(row, share);
            // Where the last one listed is cut, so is all that follows.
            (row.kept.len() < row.values.len()).then(|| row.tail = Tail::default())?;
            Some(changed)
        }
        Stage::MinP(share) => {
            let changed = stages::min_p(row, share);
            (row.kept.len() < row.values.len()).then(|| row.tail = Tail::default())?;
            Some(changed)
        }
        _ => None,
    }
}

/// What the sum over a whole row leaves for the entries that are not listed.
fn tail(row: &Row, count: usize, sum: f64) -> Tail {
    let highest = f64::from(row.values.first().copied().unwrap_or_default());
    let listed: f64 = row.values.iter().map(|&value| (f64::from(value) - highest).exp()).sum();
    Tail { count, weight: if count == 0 { 0.0 } else { (sum - listed).max(0.0) } }
}
