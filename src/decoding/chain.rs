//! The stages of a run in their order, and the record of what they did to a row.

use std::collections::BTreeSet;

use super::constraint::SharedConstraint;
use super::error::DecodingError;
use super::pins::Pins;
use super::row::{Row, Softmax, finite};
use super::settings::{DecodingSettings, StageSettings};
use super::stages::{Dry, History, Mirostat, Stage};
use super::strategy_settings::Picking;
use crate::model::selection::PinnedLogit;
use crate::trace::{Candidate, Node, Others, Pinned, StageRecord, StrategyKind};

/// Which stages run, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// The stages; those at their neutral value are left out.
    pub stages: Vec<Stage>,
    /// How many candidates a record lists by raw logit, besides the chosen one.
    pub recorded_candidates: usize,
    /// Tokens that a record has in any case.
    pub pins: Pins,
}

/// What the stages of a run know besides their settings: what follows from the model's files and from texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageContext {
    /// Tokens that end a text.
    pub eos: Vec<u32>,
    /// Tokens that no repetition goes across, for DRY.
    pub dry_breakers: BTreeSet<u32>,
    /// Which tokens a grammar lets follow.
    pub constraint: Option<SharedConstraint>,
    /// Tokens that records have in any case.
    pub pins: Pins,
}

/// A row after the chain, and what each stage did.
#[derive(Clone, Debug, PartialEq)]
pub struct Filtered {
    /// The raw logits, finite.
    pub raw: Row,
    /// Their softmax.
    pub before: Softmax,
    /// Its entropy, in nats: the least and the most that it can be, by what is known of the row.
    pub entropy: [f64; 2],
    /// The values that the strategy chooses from.
    pub row: Row,
    /// Their softmax, with what is not listed weighing the most that it can.
    pub after: Softmax,
    /// The same, with what is not listed weighing the least that it can.
    pub(super) after_least: Softmax,
    /// What each stage did.
    pub stages: Vec<StageRecord>,
    /// The tokens that the rows' ids stand for, where they are places among candidates.
    pub(super) candidates: Option<Vec<u32>>,
    /// The ids with the highest raw logits, descending.
    pub(super) listed: Vec<Trail>,
    /// The two ids that come next.
    pub(super) next: Vec<u32>,
    /// Where the pinned tokens stand by raw logit.
    pub(super) pinned: Vec<PinnedLogit>,
}

/// Why a chain did not get to its end.
pub(super) enum Halt {
    /// A stage needs more than what is listed.
    Undecided,
    /// This stage has left nothing.
    Empty(usize),
}

/// One id on its way through the chain.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trail {
    id: u32,
    after: Vec<f32>,
    cut_by: Option<usize>,
}

impl Chain {
    /// The chain for a way of picking: the highest is picked by what comes before temperature alone. Processors and
    /// warpers are in the order in which transformers' `generate` applies them; the grammar comes first, so that
    /// what all others leave fits it; DRY is beside the other penalties, top-a beside min-p, and mirostat chooses from
    /// what all others leave.
    pub fn new(
        settings: &StageSettings,
        picking: Picking,
        context: &StageContext,
        recorded_candidates: usize,
    ) -> Self {
        let s = settings;
        let dry = || Dry {
            multiplier: s.dry.multiplier,
            base: s.dry.base,
            allowed_length: s.dry.allowed_length,
            range: s.dry.range,
            breakers: context.dry_breakers.clone(),
        };
        let min_new_tokens = || Stage::MinNewTokens { count: s.min_new_tokens, eos: context.eos.clone() };
        let grammar = |constraint| Stage::Grammar { kind: s.grammar.kind, constraint };
        let processors = [
            context.constraint.clone().map(grammar),
            (!s.logit_bias.is_empty()).then(|| Stage::LogitBias(s.logit_bias.clone())),
            (s.repetition_penalty != 1.0).then_some(Stage::RepetitionPenalty(s.repetition_penalty)),
            (s.presence_penalty != 0.0).then_some(Stage::PresencePenalty(s.presence_penalty)),
            (s.frequency_penalty != 0.0).then_some(Stage::FrequencyPenalty(s.frequency_penalty)),
            (s.dry.multiplier != 0.0).then(|| Stage::Dry(dry())),
            (s.no_repeat_ngram != 0).then_some(Stage::NoRepeatNgram(s.no_repeat_ngram)),
            (!s.bad_words.is_empty()).then(|| Stage::BadWords(s.bad_words.clone())),
            (s.min_new_tokens != 0).then(min_new_tokens),
            (!s.forced_tokens.is_empty()).then(|| Stage::ForcedTokens(s.forced_tokens.clone())),
            (!s.suppress_tokens.is_empty()).then(|| Stage::SuppressTokens(s.suppress_tokens.clone())),
        ];
        let mirostat = || Mirostat::new(s.mirostat.target, s.mirostat.rate);
        let warpers = [
            (s.temperature != 1.0).then_some(Stage::Temperature(s.temperature)),
            (s.top_k != 0).then_some(Stage::TopK(s.top_k)),
            (s.top_p != 1.0).then_some(Stage::TopP(s.top_p)),
            (s.min_p != 0.0).then_some(Stage::MinP(s.min_p)),
            (s.top_a != 0.0).then_some(Stage::TopA(s.top_a)),
            (s.typical_p != 1.0).then_some(Stage::TypicalP(s.typical_p)),
            (s.epsilon_cutoff != 0.0).then_some(Stage::EpsilonCutoff(s.epsilon_cutoff)),
            (s.eta_cutoff != 0.0).then_some(Stage::EtaCutoff(s.eta_cutoff)),
            (s.mirostat.target != 0.0).then(|| Stage::Mirostat(mirostat())),
        ];
        let warpers = warpers.into_iter().filter(|_| picking == Picking::Sample);
        let stages = processors.into_iter().chain(warpers).flatten().collect();
        Self { stages, recorded_candidates, pins: context.pins.clone() }
    }

    /// The stages that a run with these settings records at its steps, whatever its strategy.
    pub fn of(settings: &DecodingSettings, context: &StageContext) -> Self {
        let mut chain = Self::new(&settings.stages, settings.picks(), context, settings.recorded_candidates);
        match settings.strategy {
            StrategyKind::Contrastive => chain.stages.retain(Stage::is_for_contrastive),
            StrategyKind::Beam if settings.beam.beams > 1 => chain.stages.insert(0, Stage::LogSoftmax),
            _ => {}
        }
        chain
    }

    /// For each id of a row of logits the stage that cuts it, by its place in the chain; `None` where it is kept.
    pub fn cut_by(&self, logits: &[f32], history: History<'_>) -> Vec<Option<u8>> {
        let mut row = Row::new(logits);
        let mut cut_by = vec![None; logits.len()];
        for (stage, place) in self.stages.iter().zip(0..) {
            let before = row.kept.clone();
            stage.apply(&mut row, history);
            let mut kept = row.kept.iter().peekable();
            for id in before {
                if kept.next_if_eq(&&id).is_none() {
                    cut_by[id as usize] = Some(place);
                }
            }
        }
        cut_by
    }

    /// Puts the stages that carry a state where they are after a node; `None` is the beginning of a text. All that
    /// they need is in the trace: any step replays alone, and branches go on from where they begin.
    pub fn follow(&mut self, before: Option<&Node>) {
        let probability = before.and_then(Node::chosen).map(|chosen| f64::from(chosen.probability));
        for stage in &mut self.stages {
            let record =
                before.and_then(|node| node.stages.iter().find(|record| record.name == stage.name()));
            stage.follow(record.and_then(|record| record.state), probability);
        }
    }

    /// Runs all stages over raw logits, which hold neither NaN nor +∞. An error where one of them leaves nothing.
    pub fn run(&self, logits: &[f32], history: History<'_>) -> Result<Filtered, DecodingError> {
        let raw = Row::new(logits);
        let apply = |stage: &Stage, row: &mut Row| Some(stage.apply(row, history));
        let filtered =
            self.run_with(raw.clone(), [raw.entropy(); 2], None, apply).map_err(|halt| match halt {
                Halt::Undecided => unreachable!("a whole row decides everything"),
                Halt::Empty(index) => {
                    let (stage, step) = (&self.stages[index], history.generated().len() + 1);
                    DecodingError::NothingLeft { step, stage: stage.name(), reason: stage.why_nothing() }
                }
            })?;
        Ok(Filtered { pinned: self.pins.in_row(&raw), ..filtered })
    }

    /// Runs all stages over a row by way of `apply`, which gives `None` where it cannot tell.
    pub(super) fn run_with(
        &self,
        raw: Row,
        entropy: [f64; 2],
        candidates: Option<Vec<u32>>,
        apply: impl FnMut(&Stage, &mut Row) -> Option<usize>,
    ) -> Result<Filtered, Halt> {
        let mut row = raw.clone();
        // What a summary lists is followed whole: it cannot be followed again without its tail.
        let followed = if candidates.is_some() { raw.values.len() } else { self.recorded_candidates };
        let mut listed = raw.top(followed + 2);
        let next = listed.split_off(followed.min(listed.len()));
        let mut listed: Vec<Trail> = listed.into_iter().map(Trail::new).collect();
        let stages = self.pass(&mut row, &mut listed, apply)?;
        let before = raw.softmax();
        let after = if stages.is_empty() { before } else { row.softmax() };
        let (after_least, pinned) = (after, Vec::new());
        Ok(Filtered {
            raw,
            before,
            entropy,
            row,
            after,
            after_least,
            stages,
            candidates,
            listed,
            next,
            pinned,
        })
    }

    fn pass(
        &self,
        row: &mut Row,
        trails: &mut [Trail],
        mut apply: impl FnMut(&Stage, &mut Row) -> Option<usize>,
    ) -> Result<Vec<StageRecord>, Halt> {
        let mut records = Vec::with_capacity(self.stages.len());
        for (index, stage) in self.stages.iter().enumerate() {
            let changed = apply(stage, row).ok_or(Halt::Undecided)?;
            if row.kept_count() == 0 {
                return Err(Halt::Empty(index));
            }
            for trail in trails.iter_mut().filter(|trail| trail.cut_by.is_none()) {
                trail.take(row, index);
            }
            records.push(StageRecord {
                name: stage.name().to_owned(),
                setting: stage.setting(),
                kept: row.kept_count(),
                changed,
                state: stage.state(),
            });
        }
        Ok(records)
    }

    /// The node for `id`, chosen from `filtered`: everything but its place in the run, its texts, the draw,
    /// timing and counters.
    pub fn record(&self, filtered: Filtered, id: u32, history: History<'_>) -> Node {
        let rank = filtered.raw.rank(id);
        let token = filtered.token(id);
        let pinned = filtered.pinned.iter().map(|pinned| self.record_pinned(&filtered, pinned)).collect();
        let highest = filtered.highest_of_others(self.recorded_candidates, id);
        let Filtered { raw, before, entropy, row, after, stages, candidates: tokens, mut listed, .. } =
            filtered;
        if !listed.iter().any(|trail| trail.id == id) {
            // Values of every id after every stage are not kept: the chosen one is followed in a second pass.
            let mut chosen = [Trail::new(id)];
            let apply = |stage: &Stage, row: &mut Row| Some(stage.apply(row, history));
            // It ends well, as it did before.
            let _ = self.pass(&mut raw.clone(), &mut chosen, apply);
            // What came after the chain left its values in the row.
            chosen[0].after.resize(stages.len(), row.value(id));
            listed.extend(chosen);
        }
        let listed = listed.into_iter().enumerate();
        let recorded = listed.filter(|(place, trail)| *place < self.recorded_candidates || trail.id == id);
        let candidates: Vec<Candidate> = recorded
            .map(|(_, trail)| {
                let token = tokens.as_ref().map_or(trail.id, |tokens| tokens[trail.id as usize]);
                trail.candidate(token, &raw, &before, &row, &after)
            })
            .collect();
        let (logit, [least, most]) = (raw.value(id), entropy);
        Node {
            token,
            logit,
            log_probability: (f64::from(logit) - before.log_sum_exp) as f32,
            rank,
            entropy: least as f32,
            entropy_at_most: (most > least).then_some(most as f32),
            log_sum_exp: finite(before.log_sum_exp as f32),
            stages,
            others: Others { highest, ..others(&candidates, raw.kept_count(), row.kept_count()) },
            candidates,
            pinned,
            ..Node::default()
        }
    }
}

/// Pinned tokens.
impl Chain {
    /// What a row that went through the chain has of a pinned token.
    fn record_pinned(&self, filtered: &Filtered, pinned: &PinnedLogit) -> Pinned {
        let probability = match filtered.id(pinned.token) {
            Some(id) => filtered.row.probability(&filtered.after, id),
            // What a summary does not list is kept whole or cut whole.
            None if filtered.row.tail.count == 0 => 0.0,
            None => filtered.after.probability(self.unlisted(filtered, pinned.logit)),
        };
        let logit = finite(pinned.logit);
        Pinned { token: pinned.token, logit, rank: pinned.rank, probability: probability as f32 }
    }

    /// What the stages that a summary goes through leave of a logit that it does not list.
    fn unlisted(&self, filtered: &Filtered, logit: f32) -> f32 {
        self.stages.iter().fold(finite(logit), |value, stage| match *stage {
            Stage::LogSoftmax => (f64::from(value) - filtered.before.log_sum_exp) as f32,
            Stage::Temperature(divisor) => value / divisor,
            _ => value,
        })
    }
}

impl Filtered {
    /// Lets the strategy itself change or cut what the chain has left, and records it as a last stage. `apply` says
    /// how many kept ids have another value then.
    pub(super) fn then(&mut self, name: &str, setting: String, apply: impl FnOnce(&mut Row) -> usize) {
        let changed = apply(&mut self.row);
        let index = self.stages.len();
        for trail in self.listed.iter_mut().filter(|trail| trail.cut_by.is_none()) {
            trail.take(&self.row, index);
        }
        let (name, kept) = (name.to_owned(), self.row.kept_count());
        self.stages.push(StageRecord { name, setting, kept, changed, state: None });
        self.after = self.row.softmax();
        self.after_least = self.after;
    }

    /// The highest raw logit that a record of so many candidates and this id does not list.
    fn highest_of_others(&self, recorded: usize, id: u32) -> Option<f32> {
        let order = self.listed.iter().map(|trail| trail.id).chain(self.next.iter().copied());
        order.skip(recorded).find(|&other| other != id).map(|other| self.raw.value(other))
    }

    /// The rows' id of a token; `None` for one that is not listed.
    pub(super) fn id(&self, token: u32) -> Option<u32> {
        match &self.candidates {
            None => ((token as usize) < self.row.values.len()).then_some(token),
            Some(tokens) => tokens.iter().position(|&listed| listed == token).map(|place| place as u32),
        }
    }

    /// The probability of a token in what the strategy chooses from; 0 for one that is cut, or not listed.
    pub(super) fn probability(&self, token: u32) -> f64 {
        self.id(token).map_or(0.0, |id| self.row.probability(&self.after, id))
    }

    /// The kept tokens with their probabilities.
    pub(super) fn distribution(&self) -> impl Iterator<Item = (u32, f64)> + '_ {
        self.row.kept.iter().map(|&id| (self.token(id), self.after.probability(self.row.value(id))))
    }

    /// The token that an id of the rows stands for.
    pub fn token(&self, id: u32) -> u32 {
        self.candidates.as_ref().map_or(id, |tokens| tokens[id as usize])
    }
}

impl Trail {
    fn new(id: u32) -> Self {
        Self { id, after: Vec::new(), cut_by: None }
    }

    /// Notes what a stage, the `index`-th, made of it.
    fn take(&mut self, row: &Row, index: usize) {
        if row.keeps(self.id) {
            self.after.push(row.value(self.id));
        } else {
            self.cut_by = Some(index);
        }
    }

    fn candidate(self, token: u32, raw: &Row, before: &Softmax, row: &Row, after: &Softmax) -> Candidate {
        Candidate {
            token,
            piece: String::new(),
            logit: raw.value(self.id),
            after: self.after,
            cut_by: self.cut_by,
            probability: row.probability(after, self.id) as f32,
            raw_probability: raw.probability(before, self.id) as f32,
        }
    }
}

/// What a row of V entries, of which `kept` are left, holds besides the candidates.
fn others(candidates: &[Candidate], vocabulary: usize, kept: usize) -> Others {
    let rest = |share: fn(&Candidate) -> f32| {
        let listed: f64 = candidates.iter().map(|candidate| f64::from(share(candidate))).sum();
        (1.0 - listed).max(0.0) as f32
    };
    let listed_kept = candidates.iter().filter(|candidate| candidate.cut_by.is_none()).count();
    let (count, kept) = (vocabulary - candidates.len(), kept - listed_kept);
    Others {
        count,
        kept,
        probability: if kept == 0 { 0.0 } else { rest(|candidate| candidate.probability) },
        raw_probability: if count == 0 { 0.0 } else { rest(|candidate| candidate.raw_probability) },
        highest: None,
    }
}
