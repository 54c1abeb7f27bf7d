//! Conditions under which a run pauses by itself, and what held where one did.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::trace::{Candidate, Node, Run, Token};

/// When a run pauses by itself. Each condition is asked once of each token that the strategy adds to the line on show;
/// of beam search that is the newest token of the best text. Entropy, probability and rank are those of the raw logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BreakWhen {
    /// The entropy is above so many nats.
    pub entropy: Limit<f32>,
    /// The chosen token's probability is below this.
    pub probability: Limit<f32>,
    /// The chosen token's rank is beyond this.
    pub rank: Limit<usize>,
    /// One of these tokens is chosen.
    pub tokens: BTreeSet<u32>,
    /// This text appears in the new text, with special tokens written out; an empty one never does.
    pub text: String,
    /// The two highest logits are equal.
    pub tie: bool,
    /// A token that the stages leave more probable than the chosen one was passed over.
    pub passed_over: bool,
}

/// A limit that may be off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit<T> {
    /// Whether it counts.
    pub on: bool,
    /// Where it lies.
    pub at: T,
}

impl Default for BreakWhen {
    /// All off; where the limits begin.
    fn default() -> Self {
        Self {
            entropy: Limit { on: false, at: 3.0 },
            probability: Limit { on: false, at: 0.05 },
            rank: Limit { on: false, at: 10 },
            tokens: BTreeSet::new(),
            text: String::new(),
            tie: false,
            passed_over: false,
        }
    }
}

/// Where a run paused by itself, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Break {
    /// The node: an index in [`Run::nodes`].
    pub node: usize,
    /// All that held there, at least one.
    pub reasons: Vec<BreakReason>,
}

/// A condition that held, with what was found.
#[derive(Clone, Debug, PartialEq)]
pub enum BreakReason {
    /// The entropy was above the limit.
    Entropy {
        /// It, in nats.
        nats: f32,
        /// The limit, in nats.
        limit: f32,
    },
    /// The chosen token's probability was below the limit.
    Probability {
        /// It.
        probability: f32,
        /// The limit.
        limit: f32,
    },
    /// The chosen token's rank was beyond the limit.
    Rank {
        /// It, from 1.
        rank: usize,
        /// The limit.
        limit: usize,
    },
    /// A token of the list was chosen.
    Token(Token),
    /// The text appeared.
    Text(String),
    /// The two highest logits were equal.
    Tie {
        /// The tokens that they belong to.
        tokens: [Token; 2],
        /// The logit.
        logit: f32,
    },
    /// A more probable token was passed over.
    PassedOver {
        /// The most probable one.
        token: Token,
        /// Its probability under the raw softmax.
        raw_probability: f32,
    },
}

impl BreakWhen {
    /// Whether any condition is on.
    pub fn is_on(&self) -> bool {
        self.entropy.on
            || self.probability.on
            || self.rank.on
            || !self.tokens.is_empty()
            || !self.text.is_empty()
            || self.tie
            || self.passed_over
    }

    /// What holds at a place of the run's line; `None` if nothing does.
    pub(super) fn at(&self, run: &Run, place: usize) -> Option<Break> {
        let (node, index) = (run.at(place)?, run.line[place]);
        let reasons: Vec<BreakReason> = [
            self.entropy_of(node),
            self.probability_of(node),
            self.rank_of(node),
            self.tokens.contains(&node.token).then(|| BreakReason::Token(chosen(node))),
            self.text_ends(run, place).then(|| BreakReason::Text(self.text.clone())),
            self.tie.then(|| tie(node)).flatten(),
            self.passed_over.then(|| passed_over(node)).flatten(),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!reasons.is_empty()).then_some(Break { node: index, reasons })
    }

    fn entropy_of(&self, node: &Node) -> Option<BreakReason> {
        let (nats, limit) = (node.entropy, self.entropy.at);
        (self.entropy.on && nats > limit).then_some(BreakReason::Entropy { nats, limit })
    }

    fn probability_of(&self, node: &Node) -> Option<BreakReason> {
        let (probability, limit) = (node.log_probability.exp(), self.probability.at);
        let below = self.probability.on && probability < limit;
        below.then_some(BreakReason::Probability { probability, limit })
    }

    fn rank_of(&self, node: &Node) -> Option<BreakReason> {
        let (rank, limit) = (node.rank, self.rank.at);
        (self.rank.on && rank > limit).then_some(BreakReason::Rank { rank, limit })
    }

    /// Whether the text ends within what the node at this place added.
    fn text_ends(&self, run: &Run, place: usize) -> bool {
        let wanted = self.text.as_bytes();
        let new = written(&run.nodes[run.line[place]]).as_bytes();
        if wanted.is_empty() || new.is_empty() {
            return false;
        }
        // The pieces before it, from the newest back, as far as the text may reach.
        let mut before: Vec<&[u8]> = Vec::new();
        let mut length = 0;
        for &index in run.line[..place].iter().rev() {
            if length + 1 >= wanted.len() {
                break;
            }
            before.push(written(&run.nodes[index]).as_bytes());
            length += before.last().map_or(0, |piece| piece.len());
        }
        before.reverse();
        before.push(new);
        let all = before.concat();
        all.windows(wanted.len()).enumerate().any(|(at, part)| part == wanted && at + wanted.len() > length)
    }
}

/// What a node adds to the text, special tokens written out.
fn written(node: &Node) -> &str {
    let silent = node.text.is_empty() && node.held.is_empty();
    if silent { &node.piece } else { &node.text }
}

fn chosen(node: &Node) -> Token {
    Token { id: node.token, piece: node.piece.clone() }
}

fn token(candidate: &Candidate) -> Token {
    Token { id: candidate.token, piece: candidate.piece.clone() }
}

fn tie(node: &Node) -> Option<BreakReason> {
    let [first, second, ..] = &node.candidates[..] else { return None };
    let tokens = || [token(first), token(second)];
    (first.logit == second.logit).then(|| BreakReason::Tie { tokens: tokens(), logit: first.logit })
}

/// The most probable of the recorded candidates, where that is another one than was chosen and strictly higher.
fn passed_over(node: &Node) -> Option<BreakReason> {
    // What a draft leaves of a distribution says nothing of what was likely in it.
    let stages = node.stages.iter().take_while(|stage| stage.name != "minus draft").count();
    let value = |candidate: &Candidate| {
        let cut = candidate.cut_by.is_some_and(|stage| stage < stages);
        let last = stages.checked_sub(1).and_then(|last| candidate.after.get(last)).copied();
        (!cut).then(|| last.unwrap_or(candidate.logit))
    };
    let chosen = value(node.chosen()?)?;
    let kept = node.candidates.iter().filter_map(|candidate| Some((value(candidate)?, candidate)));
    let (highest, best) = kept.reduce(|best, other| if other.0 > best.0 { other } else { best })?;
    let raw_probability = best.raw_probability;
    (highest > chosen).then(|| BreakReason::PassedOver { token: token(best), raw_probability })
}
