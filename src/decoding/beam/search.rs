//! Which continuations beam search takes, which texts it keeps as ended, and when it is over. The rules, down to
//! what counts as the length, are those of Hugging Face transformers 5 (`generate` with `num_beams`).
//!
//! Plain arithmetic: knows neither model nor run, and names hypotheses by their places and nodes.

use crate::decoding::strategy_settings::EarlyStopping;
use crate::trace::strategies::{Hypothesis, Pruned};

/// What beam search was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Most live hypotheses, and most ended ones.
    pub beams: usize,
    /// Exponent of the length by which sums of log-probabilities are divided.
    pub length_penalty: f64,
    /// When to end although hypotheses go on.
    pub early_stopping: EarlyStopping,
    /// Tokens that can end a text.
    pub end_tokens: usize,
    /// Most tokens of a hypothesis.
    pub most_tokens: usize,
}

/// A live hypothesis with one more token.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Continuation {
    /// The hypothesis: its place among the live ones.
    pub beam: usize,
    /// The token's id in that hypothesis's row.
    pub id: u32,
    /// The token.
    pub token: u32,
    /// Sum of all tokens' log-probabilities, in nats.
    pub log_probability: f64,
    /// The sum with the noise by which it was drawn; `None` where the highest are taken.
    pub drawn: Option<f64>,
}

/// What becomes of the continuations of a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taken {
    /// Those that go on, the most probable first.
    pub live: Vec<Continuation>,
    /// Those that ended in a place where they count, in the order of their ranks.
    pub ended: Vec<Continuation>,
}

impl Rules {
    /// How many continuations are weighed: enough that as many as there are beams go on even if every hypothesis's
    /// best tokens end it. A single beam decodes greedily: it ends with the first token that ends a text.
    pub fn weighed(&self) -> usize {
        match self.beams {
            1 => 1,
            beams => beams * (1 + self.end_tokens).max(2),
        }
    }

    /// Takes continuations by rank: by their drawn values where there are any, by their sums else; then by
    /// hypothesis and token. An ended one counts only among the first `beams`; of the others the most probable
    /// go on.
    pub fn take(&self, mut all: Vec<Continuation>, ends: impl Fn(&Continuation) -> bool) -> Taken {
        all.sort_unstable_by(|one, other| {
            let place = |continuation: &Continuation| (continuation.beam, continuation.token);
            other.rank_value().total_cmp(&one.rank_value()).then_with(|| place(one).cmp(&place(other)))
        });
        all.truncate(self.weighed());
        let ended = all.iter().take(self.beams).filter(|continuation| ends(continuation)).copied().collect();
        let mut live: Vec<Continuation> =
            all.into_iter().filter(|continuation| !ends(continuation)).collect();
        live.sort_by(|one, other| other.log_probability.total_cmp(&one.log_probability));
        live.truncate(self.beams);
        Taken { live, ended }
    }

    /// What hypotheses of different lengths are compared by: the sum divided by length^penalty (Wu et al. 2016,
    /// section 7, in the simpler form of transformers). `length` counts generated tokens, an end token included.
    pub fn score(&self, log_probability: f64, length: usize) -> f64 {
        log_probability / (length as f64).powf(self.length_penalty)
    }

    /// Adds ended hypotheses to those kept so far, which are the best first; those that are one too many fall by
    /// the lowest that stays.
    pub fn keep(
        &self,
        kept: &mut Vec<Hypothesis>,
        ended: impl IntoIterator<Item = Hypothesis>,
    ) -> Vec<Pruned> {
        kept.extend(ended);
        // Stable: an earlier one stays before an equal later one.
        kept.sort_by(|one, other| other.score.total_cmp(&one.score));
        let fallen = kept.split_off(kept.len().min(self.beams));
        let Some(rival) = kept.last() else { return Vec::new() };
        let fall = |fallen: Hypothesis| Pruned {
            node: fallen.node,
            score: fallen.score,
            rival: rival.node,
            rival_score: rival.score,
        };
        fallen.into_iter().map(fall).collect()
    }

    /// Whether the search is over, given the sum of the best live hypothesis, if one goes on, their length, and the
    /// ended ones, the best first.
    pub fn is_done(&self, best_live: Option<f64>, length: usize, ended: &[Hypothesis]) -> bool {
        let Some(best) = best_live else { return true };
        let Some(worst) = ended.last().filter(|_| ended.len() == self.beams) else { return false };
        let best_attainable = match self.early_stopping {
            _ if self.beams == 1 => return true,
            EarlyStopping::AtOnce => return true,
            EarlyStopping::Never if self.length_penalty > 0.0 => self.most_tokens,
            EarlyStopping::Heuristic | EarlyStopping::Never => length,
        };
        self.score(best, best_attainable) <= worst.score
    }
}

impl Continuation {
    fn rank_value(&self) -> f64 {
        self.drawn.unwrap_or(self.log_probability)
    }
}
