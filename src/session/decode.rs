//! One run, driven synchronously: tokenise, checks, then one step a call, with texts put on the nodes.
//!
//! Used by the worker's thread and by the command line; knows neither.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::break_when::{Break, BreakWhen};
use super::command::Prompt;
use super::guide::Guide;
use super::load::ReadyModel;
use super::run_error::RunError;
use crate::decoding::chain::Chain;
use crate::decoding::settings::CacheUse;
use crate::decoding::stages::History;
use crate::decoding::strategy::longest;
use crate::decoding::{
    Branched, Control, DecodingError, DecodingSettings, Pins, StageContext, StopTexts, Strategy,
    StrategyInputs, begin_with,
};
use crate::model::{ModelError, SequenceId};
use crate::tokenizer::{AddSpecial, Detokenised, Detokeniser, Tokenizer};
use crate::trace::{LongRope, Node, PhaseFigures, PromptToken, Run, StepInput, StopReason};

/// A run in progress. To be ended by [`Decode::end`], unless the model goes as well.
pub struct Decode {
    /// What happened so far.
    pub run: Run,
    /// Positions that its text may get.
    longest: usize,
    /// What chooses on each branch of the run, the one that went on last at the end.
    branches: Vec<Branch>,
    /// The lines that came to an end, by their last nodes.
    ended: Vec<(usize, StopReason)>,
    /// Where the line paused within what a pass brought, by node, and the last node of what it brought.
    withheld: BTreeMap<usize, usize>,
    /// The text's state after the prompt.
    prompt_text: TextState,
    /// The text's state after each node.
    texts: Vec<TextState>,
    /// The grammar that the new text has to fit.
    guide: Option<Guide>,
    /// Tokens of which the nodes tell where they stood.
    pins: Pins,
    /// What the stages do to a row.
    chain: Chain,
}

/// A line of the run and who chooses its next token.
struct Branch {
    strategy: Box<dyn Strategy>,
    /// Where the line ends.
    tip: Option<usize>,
}

/// Where a text stands after a token.
#[derive(Clone)]
struct TextState {
    detokeniser: Detokeniser,
    /// How far the stop texts are matched by the text.
    stop_texts: StopTexts,
    /// The same for the text with its special tokens written out.
    written_out: StopTexts,
}

impl Decode {
    /// Tokenises and checks; nothing is computed yet.
    pub fn begin(ready: &ReadyModel, prompt: &Prompt, settings: &DecodingSettings) -> Result<Self, RunError> {
        Self::begin_with(ready, StrategyInputs::default(), prompt, settings)
    }

    /// As [`Self::begin`], with what the strategy may use beside the model.
    pub fn begin_with(
        ready: &ReadyModel,
        aids: StrategyInputs,
        prompt: &Prompt,
        settings: &DecodingSettings,
    ) -> Result<Self, RunError> {
        let start = Instant::now();
        // What the model's files say never to choose, no setting lets through.
        let settings = &settings.suppressing(&ready.loaded.defaults.suppress_tokens);
        let ids = ready.tokenise(prompt)?;
        let seconds = start.elapsed().as_secs_f64();
        let eos = settings.stop.eos.tokens(&ready.loaded.eos);
        let guide = Guide::new(ready, &settings.stages.grammar, &eos, &ids)?;
        let pins = Pins::default();
        let stages = StageContext { pins: pins.clone(), ..stage_context(ready, settings, guide.as_ref())? };
        let chain = Chain::of(settings, &StageContext { eos, ..stages.clone() });
        let aids = StrategyInputs { stages, ..aids };
        let strategy = begin_with(settings, &ready.loaded.eos, &ids, &*ready.model, &aids)?;

        let longest = longest(ids.len(), settings.stop.max_tokens, ready.model.context());
        let mut run = Run {
            model: ready.loaded.model.clone(),
            adapter: ready.loaded.adapter.clone(),
            strategy: settings.strategy,
            seed: settings.seed,
            step_input: step_input(settings.cache),
            long_rope: ready.model.short_texts().map(|short_texts| LongRope { short_texts, longest }),
            ..Run::default()
        };
        run.phases.load =
            PhaseFigures { seconds: ready.loaded.seconds, amount: ready.loaded.model.weight_bytes };
        run.phases.tokenise = PhaseFigures { seconds, amount: ids.len() as u64 };
        // The text goes on where the prompt's ends, so one detokeniser takes both.
        let mut detokeniser = Detokeniser::default();
        let tokenizer = ready.tokenizer.as_ref();
        if let Some(tokenizer) = tokenizer {
            tokenizer.learn(&ids);
        }
        run.prompt = ids.iter().map(|&id| prompt_token(tokenizer, &mut detokeniser, id)).collect();
        let stop_texts = StopTexts::new(&settings.stop.texts);
        let prompt_text = TextState { detokeniser, written_out: stop_texts.clone(), stop_texts };
        let branches = vec![Branch { strategy, tip: None }];
        let (ended, withheld, texts) = (Vec::new(), BTreeMap::new(), Vec::new());
        Ok(Self { run, longest, branches, ended, withheld, prompt_text, texts, guide, pins, chain })
    }

    /// Lets the nodes from now on tell where these tokens stand, and no others.
    pub fn pin(&self, ready: &mut ReadyModel, tokens: &[u32]) {
        ready.model.pin(tokens);
        self.pins.set(tokens);
    }

    /// Positions that the text may get: those of the prompt and of the most new tokens, at most the context.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Prepares for other runs that make steps in between. To be called before the first step.
    pub(super) fn take_turns(&mut self) {
        self.branches.iter_mut().for_each(|branch| branch.strategy.take_turns());
    }

    /// Makes one step. When the run is over, [`Run::stop`] says why.
    ///
    /// After [`DecodingError::Interrupted`] the next call goes on where this one stopped.
    pub fn advance(&mut self, ready: &mut ReadyModel, control: &mut Control<'_>) -> Result<(), RunError> {
        self.take_up_line(ready)?;
        if self.run.stop.is_none() && self.run.line.is_empty() {
            // A grammar may describe nothing but the empty text.
            self.run.stop = self.end_of_grammar();
        }
        if self.run.stop.is_some() {
            return Ok(());
        }
        let branch = self.branches.last_mut().expect("a run has a strategy");
        let steps = self.run.steps.len();
        let stepped = branch.strategy.step(&mut *ready.model, &mut self.run, control);
        let stepped = stepped.map_err(|error| self.explained(error))?;
        self.run.stop = stepped.stop;
        self.run.stop = self.run.stop.or_else(|| self.end_of_grammar());
        if let Some(tokenizer) = &ready.tokenizer {
            let tokens = self.run.steps[steps..].iter_mut().flat_map(|step| step.detail.tokens_mut());
            tokens.for_each(|token| token.piece = tokenizer.readable_piece(token.id).unwrap_or_default());
        }
        self.put_texts(stepped.nodes, ready.tokenizer.as_ref());
        if let Some(branch) = self.branches.last_mut() {
            branch.tip = self.run.tip();
        }
        self.note_end();
        Ok(())
    }

    /// As [`Self::advance`], but the line ends at the first new token at which a condition holds. What the pass
    /// brought beyond it is kept: the next call adds that before anything is computed, so that the text is the same.
    pub fn advance_until(
        &mut self,
        ready: &mut ReadyModel,
        control: &mut Control<'_>,
        when: &BreakWhen,
    ) -> Result<Option<Break>, RunError> {
        let withheld = self.run.tip().and_then(|tip| self.withheld.remove(&tip));
        let new = match withheld {
            Some(tip) => {
                let place = self.run.line.len();
                self.follow(tip)?;
                place
            }
            None => {
                let first = self.run.nodes.len();
                self.advance(ready, control)?;
                self.run.line.partition_point(|&index| index < first)
            }
        };
        let broke = (new..self.run.line.len()).find_map(|place| when.at(&self.run, place));
        if let (Some(Break { node, .. }), Some(tip)) = (&broke, self.run.tip())
            && *node != tip
        {
            self.withheld.insert(*node, tip);
            self.run.follow(Some(*node));
            self.run.stop = None;
        }
        Ok(broke)
    }

    /// Lets the run go on from a node of its with another of the node's candidates. The branch shares the cached
    /// positions of the line that has most in common with it.
    pub fn branch(&mut self, ready: &mut ReadyModel, node: usize, token: u32) -> Result<(), RunError> {
        let step = self.run.nodes.get(node).map_or(0, |node| node.step);
        let chosen = self.run.nodes.get(node).and_then(|node| node.chosen_by_hand(token));
        let Some(chosen) = chosen else { return Err(RunError::NoCandidate { step, token }) };
        let path = self.run.path(chosen.parent);
        let branched = self.fork_strategy(ready, &path, Some(token))?;

        let index = self.run.nodes.len();
        self.run.nodes.push(chosen);
        self.run.follow(Some(index));
        self.run.stop = branched.stop.or_else(|| self.end_of_grammar());
        self.run.sequences.clear();
        self.branches.push(Branch { strategy: branched.strategy, tip: Some(index) });
        self.put_texts(index..index + 1, ready.tokenizer.as_ref());
        self.note_end();
        Ok(())
    }

    /// The error of a step. Where it was the grammar that left nothing, that says more about why.
    fn explained(&self, error: DecodingError) -> RunError {
        let grammar = self.guide.as_ref().filter(|_| matches!(error, DecodingError::NothingLeft { .. }));
        match grammar.and_then(|guide| guide.problem(&self.run.generated_ids())) {
            Some(problem) => problem.into(),
            None => error.into(),
        }
    }

    /// Whether the grammar lets nothing follow; what it cannot say it says at the next step.
    fn end_of_grammar(&self) -> Option<StopReason> {
        let guide = self.guide.as_ref()?;
        let complete = guide.is_complete(&self.run.generated_ids());
        complete.is_ok_and(|complete| complete).then_some(StopReason::Grammar)
    }

    /// Turns to the line that ends in this node: [`Run::stop`] says why it ended, if it did, and the next step goes
    /// on from there.
    pub fn follow(&mut self, tip: usize) -> Result<(), RunError> {
        let nodes = self.run.nodes.len();
        if tip >= nodes {
            return Err(RunError::NoNode { node: tip, nodes });
        }
        self.run.follow(Some(tip));
        self.run.stop = self.ended.iter().rev().find(|(node, _)| *node == tip).map(|&(_, stop)| stop);
        Ok(())
    }

    /// Lets the strategy that made the line go on last. A line that none made, such as one that beam search gave up,
    /// gets a strategy of its own.
    fn take_up_line(&mut self, ready: &mut ReadyModel) -> Result<(), RunError> {
        let tip = self.run.tip();
        match self.branches.iter().rposition(|branch| branch.tip == tip) {
            Some(index) if index + 1 == self.branches.len() => {}
            Some(index) => {
                self.rest(ready);
                let branch = self.branches.remove(index);
                self.branches.push(branch);
            }
            None => {
                let path = self.run.path(tip);
                let branched = self.fork_strategy(ready, &path, None)?;
                self.run.stop = branched.stop;
                self.branches.push(Branch { strategy: branched.strategy, tip });
                self.note_end();
            }
        }
        Ok(())
    }

    /// Lets the strategy that went on last give up what it has under way.
    pub(super) fn rest(&mut self, ready: &mut ReadyModel) {
        if let Some(branch) = self.branches.last_mut() {
            branch.strategy.rest(&mut *ready.model);
        }
    }

    /// A strategy for the text of these nodes and one more token, in a fork of the sequence that has most in common
    /// with them.
    fn fork_strategy(
        &mut self,
        ready: &mut ReadyModel,
        path: &[usize],
        token: Option<u32>,
    ) -> Result<Branched, RunError> {
        self.rest(ready);
        let mut tokens = self.text_of(path);
        tokens.extend(token);
        let nearest = self.nearest(path);
        Ok(self.branches[nearest].strategy.branch(&mut *ready.model, &tokens)?)
    }

    /// A sequence of its own for a text that begins with these nodes, which shares the cached positions of the line
    /// that has most in common with it. What was begun ahead of the next step is given up; whoever takes the sequence
    /// releases it.
    pub(super) fn fork_sequence(
        &mut self,
        ready: &mut ReadyModel,
        path: &[usize],
        text: &[u32],
    ) -> Result<SequenceId, ModelError> {
        self.rest(ready);
        let nearest = self.nearest(path);
        let fork = self.branches[nearest].strategy.fork(&mut *ready.model, text)?;
        Ok(fork.unwrap_or_else(|| self.new_sequence(ready)))
    }

    /// Prompt and tokens of these nodes.
    pub(super) fn text_of(&self, path: &[usize]) -> Vec<u32> {
        let mut tokens = self.run.prompt_ids();
        tokens.extend(path.iter().map(|&index| self.run.nodes[index].token));
        tokens
    }

    /// For each id the stage that cuts it from a row behind this text; `before` is the text's last node.
    pub(super) fn cut_by(&self, logits: &[f32], before: Option<usize>, text: &[u32]) -> Vec<Option<u8>> {
        let mut chain = self.chain.clone();
        chain.follow(before.map(|node| &self.run.nodes[node]));
        chain.cut_by(logits, History { tokens: text, prompt: self.run.prompt.len() })
    }

    /// The branch whose line has most in common with these nodes.
    fn nearest(&self, path: &[usize]) -> usize {
        let common = |branch: &Branch| {
            let line = self.run.path(branch.tip);
            line.iter().zip(path).take_while(|(one, other)| one == other).count()
        };
        let nearest = (0..self.branches.len()).max_by_key(|&index| common(&self.branches[index]));
        nearest.expect("a run has a strategy")
    }

    /// Remembers why the line ended, and with it the other sequences that the strategy returned.
    fn note_end(&mut self) {
        let Some(stop) = self.run.stop else { return };
        let returned = self.run.sequences.iter().map(|sequence| sequence.node);
        self.ended.extend(returned.chain(self.run.tip()).map(|node| (node, stop)));
    }

    /// Puts texts on new nodes, and ends the line where a stop text does.
    fn put_texts(&mut self, nodes: Range<usize>, tokenizer: Option<&Tokenizer>) {
        let Some(tokenizer) = tokenizer else { return };
        let start = Instant::now();
        let first = nodes.start;
        self.run.phases.detokenise.amount += nodes.len() as u64;
        let mut stopped = Vec::new();
        let told = |node: &Node| node.candidates.iter().map(|candidate| candidate.token).collect::<Vec<_>>();
        tokenizer.learn(&self.run.nodes[nodes.clone()].iter().flat_map(told).collect::<Vec<_>>());
        for index in nodes {
            let node = &mut self.run.nodes[index];
            let before = node.parent.map_or(&self.prompt_text, |parent| &self.texts[parent]);
            let mut text = before.clone();
            let detokenised = text.detokeniser.push(tokenizer, node.token);
            node.piece = tokenizer.readable_piece(node.token).unwrap_or_default();
            node.text = detokenised.text;
            node.held = detokenised.held;
            for candidate in &mut node.candidates {
                candidate.piece = tokenizer.readable_piece(candidate.token).unwrap_or_default();
            }
            let special = tokenizer.is_special(node.token);
            if text.stops(&node.text, if special { &node.piece } else { &node.text }) {
                stopped.push(index);
            }
            self.texts.push(text);
        }
        // Nodes come after their parents, so a line ascends.
        let new = self.run.line.partition_point(|&index| index < first);
        let stop = self.run.line[new..].iter().position(|index| stopped.contains(index));
        if let Some(place) = stop.map(|place| new + place) {
            let ends_by_eos = place + 1 == self.run.line.len() && self.run.stop == Some(StopReason::Eos);
            self.run.line.truncate(place + 1);
            self.run.stop = Some(if ends_by_eos { StopReason::Eos } else { StopReason::StopText });
        }
        if let (Some(_), Some(tip)) = (self.run.stop, self.run.tip()) {
            self.run.nodes[tip].text += &self.texts[tip].detokeniser.clone().finish(tokenizer);
        }
        self.run.phases.detokenise.seconds += start.elapsed().as_secs_f64();
    }

    /// A fork of what the run has cached, as far as it is the beginning of other tokens as well; it belongs to whoever asked.
    pub(super) fn lend(
        &mut self,
        ready: &mut ReadyModel,
        tokens: &[u32],
    ) -> Result<Option<SequenceId>, RunError> {
        self.rest(ready);
        let Some(branch) = self.branches.last() else { return Ok(None) };
        Ok(branch.strategy.fork(&mut *ready.model, tokens).map_err(DecodingError::from)?)
    }

    /// Lets a run that has not begun begin in a sequence that holds the beginning of its prompt.
    pub(super) fn adopt(&mut self, ready: &mut ReadyModel, sequence: SequenceId) {
        let cached = ready.model.length(sequence);
        let refused =
            self.branches.last_mut().map_or(Some(sequence), |branch| branch.strategy.adopt(sequence));
        match refused {
            Some(sequence) => ready.model.release(sequence),
            None => self.run.continued_positions = cached,
        }
    }

    /// Frees what the run holds in the model, and gives the run.
    pub fn end(mut self, ready: &mut ReadyModel) -> Run {
        for branch in &mut self.branches {
            branch.strategy.release(&mut *ready.model);
        }
        self.run
    }
}

impl TextState {
    /// Whether a stop text ends with the newest token, which adds `text`, and `written_out` where special tokens
    /// have a text as well.
    fn stops(&mut self, text: &str, written_out: &str) -> bool {
        // Both take their part, whatever the first one finds.
        let found = [self.stop_texts.push(text), self.written_out.push(written_out)];
        found.iter().any(Option::is_some)
    }
}

/// Calls `step` with a control that nobody interrupts and whose progress nobody watches.
pub fn uninterrupted<T>(step: impl FnOnce(&mut Control<'_>) -> T) -> T {
    step(&mut Control { interrupt: &AtomicBool::new(false), progress: &mut |_, _| {} })
}

/// What a step feeds to the model where the KV cache is used so.
fn step_input(cache: CacheUse) -> StepInput {
    match cache {
        CacheUse::Reuse => StepInput::NewTokens,
        CacheUse::Recompute => StepInput::WholeText,
    }
}

/// What the stages know of texts. A text breaks repetitions by the last token that it
/// has behind a letter, as DRY's inventor has it.
fn stage_context(
    ready: &ReadyModel,
    settings: &DecodingSettings,
    guide: Option<&Guide>,
) -> Result<StageContext, RunError> {
    let mut context = StageContext { constraint: guide.map(Guide::constraint), ..StageContext::default() };
    let dry = &settings.stages.dry;
    if let (true, Some(tokenizer)) = (dry.multiplier != 0.0, &ready.tokenizer) {
        for text in &dry.breakers {
            context.dry_breakers.extend(tokenizer.encode(&format!("a{text}"), AddSpecial::Never)?.last());
        }
    }
    Ok(context)
}

fn prompt_token(tokenizer: Option<&Tokenizer>, detokeniser: &mut Detokeniser, id: u32) -> PromptToken {
    match tokenizer {
        None => PromptToken { token: id, ..PromptToken::default() },
        Some(tokenizer) => {
            let Detokenised { text, held } = detokeniser.push(tokenizer, id);
            let piece = tokenizer.readable_piece(id).unwrap_or_default();
            PromptToken { token: id, piece, text, held, expectation: None }
        }
    }
}
