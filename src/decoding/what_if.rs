//! What other settings would have chosen at the steps of a run, from its record alone: the same rows, the same random
//! numbers, the text as it was.
//!
//! A record lists the highest logits exactly and the others by their sum and their highest. Where the others' single
//! values could matter, what follows from every row that fits the record is certain, and all else is left open.

mod partial_row;
mod record;
mod would_be;

use super::chain::{Chain, StageContext};
use super::random::uniform;
use super::settings::{DecodingSettings, GrammarKind};
use super::stages::{History, Stage};
use super::strategy_settings::Picking;
use crate::trace::{ChosenBy, Node, Run, StepDetail, StrategyKind};
use record::Record;
pub use would_be::WouldBe;

/// Why a record says nothing of other settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoWhatIf {
    /// The strategy weighs more than each row alone.
    Strategy,
    /// A grammar cuts by texts.
    Grammar,
    /// DRY's breakers are texts.
    Dry,
    /// Which tokens end a text is not known without the model.
    Ends,
    /// A server sent log-probabilities, and the repetition penalty goes by the signs of logits.
    NoLogits,
}

/// Other settings for the steps of a run.
pub struct WhatIf {
    chain: Chain,
    picking: Picking,
}

impl WhatIf {
    /// These settings' stages for a run as it was drawn; `eos` are the tokens that end its texts, where they are known.
    pub fn new(run: &Run, settings: &DecodingSettings, eos: Option<&[u32]>) -> Result<Self, NoWhatIf> {
        let picking = picking_of(run).ok_or(NoWhatIf::Strategy)?;
        let stages = &settings.stages;
        if stages.grammar.kind != GrammarKind::None {
            return Err(NoWhatIf::Grammar);
        }
        if stages.dry.multiplier != 0.0 {
            return Err(NoWhatIf::Dry);
        }
        if stages.min_new_tokens > 0 && eos.is_none() {
            return Err(NoWhatIf::Ends);
        }
        if stages.repetition_penalty != 1.0 && run.model.server.is_some() {
            return Err(NoWhatIf::NoLogits);
        }
        let eos = eos.map(|eos| settings.stop.eos.tokens(eos)).unwrap_or_default();
        let context = StageContext { eos, ..StageContext::default() };
        Ok(Self { chain: Chain::new(stages, picking, &context, 0), picking })
    }

    /// What would have been chosen at a node of the line; `tokens` are those before it, the prompt's first. Asked of
    /// one node after the other, as stages with a state follow the line.
    pub fn at(&mut self, run: &Run, node: &Node, tokens: &[u32]) -> WouldBe {
        if node.chosen_by == ChosenBy::Hand {
            return WouldBe::ByHand;
        }
        if self.is_as_recorded(node) {
            return WouldBe::Same;
        }
        if self.chain.stages.iter().any(|stage| matches!(stage, Stage::Mirostat(_))) {
            // Its limit follows from all choices before, each with the probability that it would have had.
            return WouldBe::Open;
        }
        let history = History { tokens, prompt: run.prompt.len() };
        let stages = &self.chain.stages;
        let (processors, warpers) =
            stages.split_at(stages.iter().position(looks_at_values).unwrap_or(stages.len()));
        let row = Record::of(node).and_then(|record| record.process(processors, history));
        let Some(mut row) = row else { return WouldBe::Open };
        if warpers.iter().try_for_each(|stage| row.warp(stage)).is_none() {
            return WouldBe::Open;
        }
        let value = match self.picking {
            Picking::Argmax => None,
            Picking::Sample => {
                Some(node.draw.map_or_else(|| uniform(run.seed, node.step as u64), |draw| draw.value))
            }
        };
        row.choose(value, node.token)
    }

    /// Whether the record was made by these very stages. Stages whose setting is a list are not told apart by it.
    fn is_as_recorded(&self, node: &Node) -> bool {
        let lists = |stage: &Stage| {
            matches!(
                stage,
                Stage::LogitBias(_) | Stage::BadWords(_) | Stage::ForcedTokens(_) | Stage::SuppressTokens(_)
            )
        };
        let (stages, records) = (&self.chain.stages, &node.stages);
        stages.len() == records.len()
            && !stages.iter().any(lists)
            && stages
                .iter()
                .zip(records)
                .all(|(stage, record)| stage.name() == record.name && stage.setting() == record.setting)
    }
}

/// Whether a stage looks at nothing but values; all after it do the same.
fn looks_at_values(stage: &Stage) -> bool {
    matches!(
        stage,
        Stage::Temperature(_)
            | Stage::TopK(_)
            | Stage::TopP(_)
            | Stage::MinP(_)
            | Stage::TopA(_)
            | Stage::TypicalP(_)
            | Stage::EpsilonCutoff(_)
            | Stage::EtaCutoff(_)
    )
}

/// How the tokens of a run were picked from their rows; `None` where more than the row decided.
fn picking_of(run: &Run) -> Option<Picking> {
    let drawn = |detail: &StepDetail| match detail {
        StepDetail::Speculative(step) => step.drafted.iter().any(|drafted| drafted.draw.is_some()),
        _ => false,
    };
    match run.strategy {
        StrategyKind::Greedy | StrategyKind::Lookahead => Some(Picking::Argmax),
        StrategyKind::Sample => Some(Picking::Sample),
        StrategyKind::Speculative => {
            let by_draws = run.nodes.iter().any(|node| node.draw.is_some())
                || run.steps.iter().any(|step| drawn(&step.detail));
            (!by_draws).then_some(Picking::Argmax)
        }
        StrategyKind::Beam | StrategyKind::Contrastive | StrategyKind::Server => None,
    }
}
