//! One run: the prompt, the five phases with their figures, and the nodes.

use serde::{Deserialize, Serialize};

use super::{
    AdapterFacts, ChosenBy, ModelFacts, Node, Phase, StateCounters, StrategyKind, StrategyStep, Token,
};

/// Everything that is known of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The model.
    pub model: ModelFacts,
    /// The adapter that computed it.
    pub adapter: AdapterFacts,
    /// Who chose.
    pub strategy: StrategyKind,
    /// The seed of the draws.
    pub seed: u64,
    /// What each incremental step feeds to the model.
    #[serde(default)]
    pub step_input: StepInput,
    /// The tokens that went in, special ones included.
    pub prompt: Vec<PromptToken>,
    /// How many of them, from the first on, were in the KV cache before: those of a conversation that goes on, or those
    /// that were computed once for several runs side by side.
    #[serde(default)]
    pub continued_positions: usize,
    /// Which of the model's rotary frequencies it was computed with; `None` where the model has but one set of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_rope: Option<LongRope>,
    /// What each phase took.
    pub phases: Phases,
    /// The decisions, in the order they were made: a tree, whose nodes come after their parents.
    pub nodes: Vec<Node>,
    /// The line through the tree that is the run's text: indices of nodes, each the child of the one before, the
    /// first one without a parent.
    #[serde(default)]
    pub line: Vec<usize>,
    /// What strategies that weigh more than one row of logits add, step by step.
    #[serde(default)]
    pub steps: Vec<StrategyStep>,
    /// What beam search returned, the best first; empty for strategies with one text.
    #[serde(default)]
    pub sequences: Vec<ReturnedSequence>,
    /// The tokens that were pinned at some time, with their spellings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<Token>,
    /// Why it ended; `None` while it goes on.
    pub stop: Option<StopReason>,
}

/// What an incremental step feeds to the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepInput {
    /// What is new in the text; keys and values of the rest are in the KV cache.
    #[default]
    NewTokens,
    /// The whole text again, as without a KV cache.
    WholeText,
}

/// How long a run may get in a model with rotary frequencies of their own for long texts (LongRoPE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongRope {
    /// Positions up to which a text is short: those of the context that the model was trained on first.
    pub short_texts: usize,
    /// Positions that the run may get: its prompt and the most new tokens, at most the context.
    pub longest: usize,
}

impl LongRope {
    /// Whether the run was computed with the frequencies of long texts.
    pub fn is_long(self) -> bool {
        self.longest > self.short_texts
    }

    /// How many positions fit without other frequencies, in a model of this context.
    pub fn room(self, context: usize) -> usize {
        if self.is_long() { context } else { self.short_texts }
    }
}

/// A sequence that beam search returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReturnedSequence {
    /// Its last node.
    pub node: usize,
    /// Sum of its log-probabilities, in nats, divided by length^penalty (computed).
    pub score: f64,
}

/// One token of the prompt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PromptToken {
    /// Its id.
    pub token: u32,
    /// The token as the vocabulary spells it; empty without a tokenizer.
    pub piece: String,
    /// The text it stands for; empty for special tokens, held bytes, and without a tokenizer.
    pub text: String,
    /// Bytes held back after this token, because they do not make a whole character yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<u8>,
    /// What the model expected in its place; `None` where that was not computed, and for the first token, before which
    /// there is nothing to go by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectation: Option<Expectation>,
}

/// What the model makes of a token that was given, from the tokens before it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// The token's raw logit.
    pub logit: f32,
    /// Its log-probability under the raw softmax, in nats (computed: logit − log-sum-exp).
    pub log_probability: f32,
    /// Its rank by raw logit, from 1.
    pub rank: usize,
    /// Entropy of the raw softmax, in nats (computed).
    pub entropy: f32,
    /// The likeliest tokens in that place, the highest first.
    pub likeliest: Vec<Expected>,
}

/// A token that the model expected, and how much.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// The token.
    pub token: Token,
    /// Its probability under the raw softmax.
    pub probability: f32,
}

/// Figures of the five phases; those not reached yet are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// The weights went to the GPU; `amount` is bytes.
    pub load: PhaseFigures,
    /// The prompt became ids; `amount` is tokens.
    pub tokenise: PhaseFigures,
    /// One pass over the prompt; `amount` is token rows computed.
    pub initiation: PhaseFigures,
    /// The passes after it, each for one token or several; `amount` is token rows computed.
    pub incremental: PhaseFigures,
    /// Incremental steps made.
    pub incremental_steps: usize,
    /// Ids became text; `amount` is tokens.
    pub detokenise: PhaseFigures,
}

/// Time and work of one phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseFigures {
    /// Seconds (measured by the clock).
    pub seconds: f64,
    /// Work done, in the phase's unit (counted).
    pub amount: u64,
}

/// What the incremental passes took that gave the tokens of one line; those of other lines are not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LineFigures {
    /// Tokens that the strategy chose in the incremental phase: neither the first one nor those chosen by hand.
    pub tokens: usize,
    /// The passes that gave them.
    pub passes: usize,
    /// Seconds that these passes took (measured by the clock).
    pub seconds: f64,
    /// Token rows that they computed (counted), those of other hypotheses in the same passes among them.
    pub rows: u64,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model chose an end-of-sequence token.
    Eos,
    /// The grammar lets nothing follow.
    Grammar,
    /// A stop text appeared.
    StopText,
    /// The number of new tokens asked for is reached.
    MaxTokens,
    /// The sequence fills the context.
    ContextFull,
    /// The user stopped it.
    Cancelled,
    /// The model could not go on; the message was shown.
    Failed,
}

impl Run {
    /// The decisions along the line.
    pub fn line_nodes(&self) -> impl DoubleEndedIterator<Item = &Node> + ExactSizeIterator {
        self.line.iter().map(|&index| &self.nodes[index])
    }

    /// The states that are stored after the newest decision, and all positions that the run computed once more for
    /// them; `None` where none are stored.
    pub fn states(&self) -> Option<StateCounters> {
        let newest = self.nodes.last()?.counters.states?;
        let again = self.nodes.iter().filter_map(|node| node.counters.states);
        Some(StateCounters {
            recomputed_positions: again.map(|states| states.recomputed_positions).sum(),
            ..newest
        })
    }

    /// Seconds of a phase in which the GPU waited for weights that crossed the bus (measured); `None` where none did, or no
    /// clock told.
    pub fn bus_seconds(&self, phase: Phase) -> Option<f64> {
        let nodes = self.nodes.iter().filter(|node| node.phase == phase);
        nodes.filter_map(|node| node.timing.bus_seconds).reduce(|sum, more| sum + more)
    }

    /// The node at a place of the line, from 0.
    pub fn at(&self, place: usize) -> Option<&Node> {
        self.line.get(place).map(|&index| &self.nodes[index])
    }

    /// The newest node of the line.
    pub fn tip(&self) -> Option<usize> {
        self.line.last().copied()
    }

    /// Appends the next decision of the line.
    pub fn push(&mut self, node: Node) {
        let parent = self.tip();
        self.line.push(self.nodes.len());
        self.nodes.push(Node { parent, ..node });
    }

    /// Lets the line end in this node.
    pub fn follow(&mut self, tip: Option<usize>) {
        let parent = tip.and_then(|tip| self.nodes[tip].parent);
        match tip {
            Some(tip) if parent.is_some() && parent == self.tip() => self.line.push(tip),
            _ => self.line = self.path(tip),
        }
    }

    /// The nodes from the first to this one.
    pub fn path(&self, tip: Option<usize>) -> Vec<usize> {
        let mut path: Vec<usize> =
            std::iter::successors(tip, |&node: &usize| self.nodes[node].parent).collect();
        path.reverse();
        path
    }

    /// The step of the strategy that appended this node, where it left a record.
    pub fn step_of(&self, node: usize) -> Option<&StrategyStep> {
        let next = self.steps.partition_point(|step| step.nodes.start <= node);
        let step = self.steps.get(next.checked_sub(1)?)?;
        step.nodes.contains(&node).then_some(step)
    }

    /// Whether a node's token was guessed ahead, by a draft or from a pool of n-grams, and verified by a pass.
    pub fn was_guessed(&self, node: usize) -> bool {
        self.step_of(node).is_some_and(|step| node - step.nodes.start < step.detail.guessed())
    }

    /// What the incremental passes of the line took.
    pub fn incremental_of_line(&self) -> LineFigures {
        let mut figures = LineFigures::default();
        let chosen = |node: &&Node| node.phase == Phase::Incremental && node.chosen_by == ChosenBy::Strategy;
        for node in self.line_nodes().filter(chosen) {
            figures.tokens += 1;
            // Of the tokens that one pass brought, the first on a line has what it cost.
            if node.timing.total_seconds > 0.0 {
                figures.passes += 1;
                figures.seconds += node.timing.total_seconds;
                figures.rows += node.counters.rows as u64;
            }
        }
        figures
    }

    /// Ids of the generated tokens.
    pub fn generated_ids(&self) -> Vec<u32> {
        self.line_nodes().map(|node| node.token).collect()
    }

    /// Ids of the prompt.
    pub fn prompt_ids(&self) -> Vec<u32> {
        self.prompt.iter().map(|token| token.token).collect()
    }

    /// The generated text so far.
    pub fn text(&self) -> String {
        self.line_nodes().map(|node| node.text.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Counters, NodeTiming};

    fn node(parent: Option<usize>, seconds: f64, rows: usize) -> Node {
        let phase = if parent.is_none() { Phase::Initiation } else { Phase::Incremental };
        let timing = NodeTiming { total_seconds: seconds, ..NodeTiming::default() };
        Node { parent, phase, timing, counters: Counters { rows, ..Counters::default() }, ..Node::default() }
    }

    #[test]
    fn a_line_is_measured_by_its_own_passes() {
        let mut run = Run {
            // A first line of four tokens, of which one pass gave the last two; a token by hand and two more.
            nodes: vec![
                node(None, 0.5, 9),
                node(Some(0), 0.2, 1),
                node(Some(1), 0.4, 3),
                node(Some(2), 0.0, 0),
                Node { chosen_by: ChosenBy::Hand, ..node(Some(0), 0.0, 0) },
                node(Some(4), 0.1, 1),
                node(Some(5), 0.3, 1),
            ],
            ..Run::default()
        };
        run.follow(Some(6));
        let branch = run.incremental_of_line();
        assert_eq!((branch.tokens, branch.passes, branch.rows), (2, 2, 2));
        assert!((branch.seconds - 0.4).abs() < 1e-12, "{branch:?}");
        run.follow(Some(3));
        let first = run.incremental_of_line();
        assert_eq!((first.tokens, first.passes, first.rows), (3, 2, 4));
        assert!((first.seconds - 0.6).abs() < 1e-12, "{first:?}");
    }
}
