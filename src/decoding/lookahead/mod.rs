//! Lookahead decoding (Fu et al. 2023): greedy decoding whose every pass also guesses ahead, and verifies guesses
//! of earlier passes.
//!
//! A pass computes one tree of rows below the newest token: the window, where the model answers to its own earlier
//! guesses (Jacobi iteration), and n-grams from the pool that begin with the newest token. Of the latter those stay
//! that are what greedy decoding would choose, token by token. The pool takes the window's finished trajectories,
//! and the n-grams of prompt and text.

mod pool;
mod window;

use std::time::Instant;

use pool::{Pool, Tree};
use window::Window;

use super::chain::StageContext;
use super::error::DecodingError;
use super::row_logits::RowLogits;
use super::settings::DecodingSettings;
use super::strategy::{Branched, Control, Ending, Stepped, Strategy, common_prefix};
use super::strategy_settings::LookaheadSettings;
use super::text::{Emitted, Text};
use crate::model::batch::RowOutput;
use crate::model::{Batch, LanguageModel, ModelError, Row, SequenceId};
use crate::trace::strategies::{Guess, LookaheadStep, NgramSource, Token};
use crate::trace::{Node, Run, StepDetail};

/// Lookahead decoding of one text.
pub struct Lookahead {
    text: Text,
    settings: LookaheadSettings,
    window: Window,
    pool: Pool,
}

/// The rows of a pass and what they are.
struct Pass {
    batch: Batch,
    tree: Tree,
    /// The batch's row of the tree's first node.
    tree_from: usize,
}

/// What the rows of the newest token and of the guesses say.
struct Choices {
    nodes: Vec<Node>,
    /// The tree's nodes that joined the text and that it went on from.
    accepted: Vec<usize>,
}

impl Lookahead {
    /// For a prompt and settings that were checked.
    pub(super) fn new(
        settings: &DecodingSettings,
        stages: &StageContext,
        ending: Ending,
        prompt: &[u32],
    ) -> Self {
        let lookahead = settings.lookahead;
        let mut pool = Pool::new(lookahead.guesses.max(1));
        pool.insert_text(prompt, 0, lookahead.ngram);
        Self {
            text: Text::new(settings, stages, ending, prompt),
            settings: lookahead,
            window: Window::new(prompt, lookahead.window, lookahead.ngram),
            pool,
        }
    }

    /// Plans a pass of at most `most_rows` rows. The window shrinks, for good, where the context ends; guesses are
    /// cut to what may still join the text, and take half of the rows at most.
    fn plan(&mut self, sequence: SequenceId, output: RowOutput, context: usize, most_rows: usize) -> Pass {
        let newest = self.text.tokens.len() - 1;
        let LookaheadSettings { ngram, guesses, .. } = self.settings;
        let most_guessed = (guesses * (ngram - 1)).min((most_rows - 1) / 2);
        let columns = (most_rows - 1 - most_guessed) / (ngram - 1);
        self.window.shrink(columns);
        let beyond = self.window.end(newest).saturating_sub(context);
        self.window.shrink(self.window.columns().saturating_sub(beyond));

        let token = self.text.tokens[newest];
        let mut rows = vec![Row { token, position: newest, sequence, parent: None, output }];
        self.window.append_rows(&mut rows, sequence);
        let tree_from = rows.len();
        let mut tree = Tree::default();
        let depth = self.text.room(context) - 1;
        for ngram in self.pool.with_first(token) {
            if tree.guesses.len() < guesses {
                tree.add(ngram, depth, most_guessed);
            }
        }
        for &(token, parent) in &tree.nodes {
            let parent = parent.map_or(0, |parent| tree_from + parent);
            let position = rows[parent].position + 1;
            rows.push(Row { token, position, sequence, parent: Some(parent), output });
        }
        Pass { batch: rows.into(), tree, tree_from }
    }

    /// Goes down the tree as far as the guesses are what greedy decoding chooses. `None` if that takes whole rows.
    fn choose(
        &self,
        rows: &[&RowLogits],
        tree: &Tree,
        context: usize,
    ) -> Result<Option<Choices>, DecodingError> {
        let mut choices = Choices { nodes: Vec::new(), accepted: Vec::new() };
        let mut tokens = self.text.tokens.clone();
        let mut at = None;
        loop {
            let (step, history) = (self.text.step_after(&tokens), self.text.history(&tokens));
            let seen = rows[at.map_or(0, |node: usize| node + 1)];
            let filtered = self.text.filtered_behind(&choices.nodes, seen, step, history)?;
            let Some(filtered) = filtered else { return Ok(Some(choices)) };
            let Some(filtered) = filtered else { return Ok(None) };
            let id = filtered.row.best().unwrap_or_default();
            let node = self.text.chain.record(filtered, id, history);
            let token = node.token;
            tokens.push(token);
            choices.nodes.push(node);
            at = tree.child(at, token);
            match at {
                Some(node) if self.text.reason(&tokens, context).is_none() => choices.accepted.push(node),
                _ => return Ok(Some(choices)),
            }
        }
    }

    /// The rows of a pass of which something was asked: the answers to the window, and the rows that are judged, the
    /// newest token's before the tree's.
    fn sorted<'a>(&self, seen: &'a [RowLogits]) -> (&'a [RowLogits], Vec<&'a RowLogits>) {
        let (answers, guessed) = seen[1..].split_at(self.window.columns());
        (answers, std::iter::once(&seen[0]).chain(guessed).collect())
    }

    /// Lets the cache hold the newest token and the accepted guesses behind it.
    fn keep(
        &self,
        pass: &Pass,
        accepted: &[usize],
        model: &mut dyn LanguageModel,
    ) -> Result<(), DecodingError> {
        let (sequence, newest) = (pass.batch.rows[0].sequence, pass.batch.rows[0].position);
        let rows: Vec<usize> = accepted.iter().map(|node| pass.tree_from + node).collect();
        // A guess that is the only one is cached already.
        let kept = pass.batch.kept(|_| newest);
        let cached = model.length(sequence) - newest - 1;
        let there = rows.iter().take(cached).take_while(|&&row| kept[row]).count();
        model.truncate(sequence, newest + 1 + there);
        model.accept(sequence, &rows[there..])?;
        Ok(())
    }

    /// The first step: the prompt's pass, without a window.
    fn initiate(
        &mut self,
        start: Instant,
        model: &mut dyn LanguageModel,
        run: &mut Run,
        control: &mut Control<'_>,
    ) -> Result<Stepped, DecodingError> {
        let (output, context) = (self.text.output(model.vocabulary()), model.context());
        let seen = self.text.initiate(output, model, control)?;
        let mut choosing = Instant::now();
        let choices = match self.choose(&[&seen], &Tree::default(), context)? {
            Some(choices) => choices,
            None => {
                let seen = self.text.initiate(RowOutput::Logits, model, control)?;
                choosing = Instant::now();
                let choices = self.choose(&[&seen], &Tree::default(), context)?;
                choices.expect("whole rows decide everything")
            }
        };
        Ok(self.take(choices, LookaheadStep::default(), (start, choosing), model, run))
    }

    /// Appends what was chosen, and puts the text's new n-grams into the pool.
    fn take(
        &mut self,
        choices: Choices,
        mut record: LookaheadStep,
        (start, choosing): (Instant, Instant),
        model: &mut dyn LanguageModel,
        run: &mut Run,
    ) -> Stepped {
        let mut tokens = self.text.tokens.clone();
        tokens.extend(choices.nodes.iter().map(|node| node.token));
        let new = self.pool.insert_text(&tokens, self.text.tokens.len(), self.settings.ngram);
        record.collected.extend(new.iter().map(|ngram| spelled(ngram)));
        record.pool = self.pool.len();
        let detail = StepDetail::Lookahead(record);
        self.text.take(Emitted { nodes: choices.nodes, detail, start, choosing }, model, run)
    }
}

impl Strategy for Lookahead {
    fn step(
        &mut self,
        model: &mut dyn LanguageModel,
        run: &mut Run,
        control: &mut Control<'_>,
    ) -> Result<Stepped, DecodingError> {
        let start = Instant::now();
        control.check()?;
        if self.text.generated() == 0 {
            return self.initiate(start, model, run, control);
        }
        let context = model.context();
        let mut output = self.text.output(model.vocabulary());
        let (pass, seen, choosing, choices) = loop {
            let sequence = self.text.catch_up(model, control)?;
            let pass = self.plan(sequence, output, context, model.max_rows());
            let seen = self.text.try_out(&pass.batch, model, control)?;
            let choosing = Instant::now();
            let (_, guessed) = self.sorted(&seen);
            if let Some(choices) = self.choose(&guessed, &pass.tree, context)? {
                break (pass, seen, choosing, choices);
            }
            // Whole rows decide everything, or tell what is wrong with them.
            output = RowOutput::Logits;
        };
        self.keep(&pass, &choices.accepted, model)?;

        let chosen: Vec<u32> = choices.nodes.iter().map(|node| node.token).collect();
        let guess = |(path, source): &(Vec<usize>, NgramSource)| {
            let tokens: Vec<u32> = path.iter().map(|&node| pass.tree.nodes[node].0).collect();
            Guess { accepted: common_prefix(&tokens, &chosen), tokens: spelled(&tokens), source: *source }
        };
        let mut record = LookaheadStep {
            window: self.window.levels.iter().map(|level| spelled(level)).collect(),
            guesses: pass.tree.guesses.iter().map(guess).collect(),
            ..LookaheadStep::default()
        };
        let (answers, _) = self.sorted(&seen);
        let answers = answers.iter().map(RowLogits::highest).collect();
        let found = self.window.advance(answers, chosen.len());
        let new = found.into_iter().filter(|ngram| self.pool.insert(ngram, NgramSource::Window));
        record.collected = new.map(|ngram| spelled(&ngram)).collect();
        Ok(self.take(choices, record, (start, choosing), model, run))
    }

    fn branch(&mut self, model: &mut dyn LanguageModel, tokens: &[u32]) -> Result<Branched, DecodingError> {
        let text = self.text.branch(model, tokens)?;
        let stop = text.reason(tokens, model.context());
        let (window, pool) = (self.window.clone(), self.pool.clone());
        Ok(Branched { strategy: Box::new(Self { text, settings: self.settings, window, pool }), stop })
    }

    fn fork(&self, model: &mut dyn LanguageModel, tokens: &[u32]) -> Result<Option<SequenceId>, ModelError> {
        self.text.fork(model, tokens)
    }

    fn release(&mut self, model: &mut dyn LanguageModel) {
        self.text.release(model);
    }
}

/// Tokens as the trace has them.
fn spelled(tokens: &[u32]) -> Vec<Token> {
    tokens.iter().copied().map(Token::from).collect()
}
