//! A run's grammar: the tokenizer's, as the constraint of the decoding's stages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::load::ReadyModel;
use super::run_error::{MissingTokenizer, RunError};
use crate::decoding::settings::{GrammarKind, GrammarSettings};
use crate::decoding::{Constraint, SharedConstraint};
use crate::tokenizer::grammar::{self, Grammar, GrammarError, GrammarLanguage};
use crate::tokenizer::guided::AnswerGrammar;

/// What is wrong with a grammar whatever the model, in one sentence; `None` for a good one and for none.
pub fn grammar_problem(settings: &GrammarSettings) -> Option<String> {
    let problem = grammar::check(language(settings.kind)?, &settings.text).err()?;
    Some(problem.to_string())
}

fn language(kind: GrammarKind) -> Option<GrammarLanguage> {
    match kind {
        GrammarKind::None => None,
        GrammarKind::Gbnf => Some(GrammarLanguage::Gbnf),
        GrammarKind::JsonSchema => Some(GrammarLanguage::JsonSchema),
        GrammarKind::Regex => Some(GrammarLanguage::Regex),
    }
}

/// A grammar that stages look at.
#[derive(Clone)]
pub(super) struct Guide(Arc<Mutex<Inner>>);

enum Inner {
    /// Of the whole text.
    Text(Grammar),
    /// Of the answer, behind thinking.
    Answer(AnswerGrammar),
}

impl Inner {
    fn allowed(&mut self, generated: &[u32]) -> Result<&[bool], GrammarError> {
        match self {
            Self::Text(grammar) => grammar.allowed(generated),
            Self::Answer(grammar) => grammar.allowed(generated),
        }
    }

    fn is_complete(&mut self, generated: &[u32]) -> Result<bool, GrammarError> {
        match self {
            Self::Text(grammar) => grammar.is_complete(generated),
            Self::Answer(grammar) => grammar.is_complete(generated),
        }
    }
}

impl Constraint for Inner {
    fn allowed(&mut self, generated: &[u32]) -> Option<&[bool]> {
        self.allowed(generated).ok()
    }
}

impl Guide {
    /// The grammar that the settings ask for, if they do; `eos` are the tokens that end the run's text behind `prompt`.
    pub(super) fn new(
        ready: &ReadyModel,
        settings: &GrammarSettings,
        eos: &[u32],
        prompt: &[u32],
    ) -> Result<Option<Self>, RunError> {
        let Some(language) = language(settings.kind) else { return Ok(None) };
        let Some(tokenizer) = &ready.tokenizer else {
            let missing = MissingTokenizer(ready.loaded.tokenizer_problem.clone());
            return Err(RunError::GrammarWithoutTokenizer {
                model: ready.loaded.model.name.clone(),
                missing,
            });
        };
        let vocabulary = ready.model.vocabulary();
        let grammar = Grammar::new(language, &settings.text, tokenizer, vocabulary, eos)?;
        let inner = match settings.after_thinking {
            true => Inner::Answer(AnswerGrammar::new(grammar, tokenizer, vocabulary, eos, prompt)?),
            false => Inner::Text(grammar),
        };
        Ok(Some(Self(Arc::new(Mutex::new(inner)))))
    }

    /// For the stages.
    pub(super) fn constraint(&self) -> SharedConstraint {
        SharedConstraint::new(self.0.clone())
    }

    /// Why the grammar lets nothing follow these new tokens, if it is at fault.
    pub(super) fn problem(&self, generated: &[u32]) -> Option<GrammarError> {
        self.lock().allowed(generated).err()
    }

    /// Whether nothing but the end can follow.
    pub(super) fn is_complete(&self, generated: &[u32]) -> Result<bool, GrammarError> {
        self.lock().is_complete(generated)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
