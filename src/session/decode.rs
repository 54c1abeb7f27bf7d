//! One run, driven synchronously: tokenise, checks, then one step a call, with texts put on the nodes.
//!
//! Used by the worker's thread and by the command line; knows neither.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::command::{Prompt, SpecialTokens};
use super::load::ReadyModel;
use crate::decoding::{Control, DecodingError, DecodingSettings, StopTexts, Strategy, StrategyChoice, begin};
use crate::tokenizer::{AddSpecial, Detokeniser, Tokenizer, TokenizerError};
use crate::trace::{PhaseFigures, PromptToken, Run, StopReason};

/// A run in progress. To be ended by [`Decode::end`], unless the model goes as well.
pub struct Decode {
    /// What happened so far.
    pub run: Run,
    strategy: Box<dyn Strategy>,
    detokeniser: Detokeniser,
    stop_texts: StopTexts,
}

/// Why a run cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A text for a model without a tokenizer.
    #[error("{model} has no tokenizer (tokenizer.json), so a text cannot become ids: give token ids instead")]
    NoTokenizer {
        /// The model's name.
        model: String,
    },
    /// The tokenizer failed on the prompt.
    #[error("the prompt could not be tokenised: {0}")]
    Tokenizer(#[from] TokenizerError),
    /// The strategy cannot begin or go on.
    #[error(transparent)]
    Decoding(#[from] DecodingError),
}

impl Decode {
    /// Tokenises and checks; nothing is computed yet.
    pub fn begin(ready: &ReadyModel, prompt: &Prompt, settings: &DecodingSettings) -> Result<Self, RunError> {
        let start = Instant::now();
        let ids = tokenise(&ready.loaded.model.name, ready.tokenizer.as_ref(), prompt)?;
        let seconds = start.elapsed().as_secs_f64();
        let strategy = begin(settings, &ready.loaded.eos, &ids, &*ready.model)?;

        let mut run = Run {
            model: ready.loaded.model.clone(),
            adapter: ready.loaded.adapter.clone(),
            strategy: strategy_name(settings.strategy).to_owned(),
            seed: settings.seed,
            ..Run::default()
        };
        run.phases.load =
            PhaseFigures { seconds: ready.loaded.seconds, amount: ready.loaded.model.weight_bytes };
        run.phases.tokenise = PhaseFigures { seconds, amount: ids.len() as u64 };
        // The text goes on where the prompt's ends, so one detokeniser takes both.
        let mut detokeniser = Detokeniser::default();
        let tokenizer = ready.tokenizer.as_ref();
        run.prompt = ids.iter().map(|&id| prompt_token(tokenizer, &mut detokeniser, id)).collect();
        Ok(Self { run, strategy, detokeniser, stop_texts: StopTexts::new(&settings.stop.texts) })
    }

    /// Makes one step. When the run is over, [`Run::stop`] says why.
    ///
    /// After [`DecodingError::Interrupted`] the next call goes on where this one stopped.
    pub fn advance(&mut self, ready: &mut ReadyModel, control: &mut Control<'_>) -> Result<(), RunError> {
        let stepped = self.strategy.step(&mut *ready.model, &mut self.run, control)?;
        self.run.stop = stepped.stop;
        let Some(tokenizer) = &ready.tokenizer else { return Ok(()) };

        let start = Instant::now();
        let count = stepped.nodes.len() as u64;
        for node in &mut self.run.nodes[stepped.nodes] {
            let detokenised = self.detokeniser.push(tokenizer, node.token);
            node.piece = tokenizer.piece(node.token).unwrap_or_default();
            node.text = detokenised.text;
            node.held = detokenised.held;
            for candidate in &mut node.candidates {
                candidate.piece = tokenizer.piece(candidate.token).unwrap_or_default();
            }
            if self.stop_texts.push(&node.text).is_some() && self.run.stop != Some(StopReason::Eos) {
                self.run.stop = Some(StopReason::StopText);
            }
        }
        if let (Some(_), Some(last)) = (self.run.stop, self.run.nodes.last_mut()) {
            last.text += &self.detokeniser.finish(tokenizer);
        }
        self.run.phases.detokenise.seconds += start.elapsed().as_secs_f64();
        self.run.phases.detokenise.amount += count;
        Ok(())
    }

    /// Frees what the run holds in the model, and gives the run.
    pub fn end(mut self, ready: &mut ReadyModel) -> Run {
        self.strategy.release(&mut *ready.model);
        self.run
    }
}

/// Calls `step` with a control that nobody interrupts and whose progress nobody watches.
pub fn steadily<T>(step: impl FnOnce(&mut Control<'_>) -> T) -> T {
    step(&mut Control { interrupt: &AtomicBool::new(false), progress: &mut |_, _| {} })
}

/// The strategy's name, as the command line has it.
pub fn strategy_name(choice: StrategyChoice) -> &'static str {
    match choice {
        StrategyChoice::Greedy => "greedy",
        StrategyChoice::Sample => "sample",
    }
}

/// The ids of a prompt. `model` is the model's name, for the error.
pub fn tokenise(model: &str, tokenizer: Option<&Tokenizer>, prompt: &Prompt) -> Result<Vec<u32>, RunError> {
    let tokenizer = || tokenizer.ok_or_else(|| RunError::NoTokenizer { model: model.to_owned() });
    match prompt {
        Prompt::Ids(ids) => Ok(ids.clone()),
        Prompt::Chat(text) => Ok(tokenizer()?.encode_chat(text)?),
        Prompt::Text { text, special } => {
            let special = match special {
                SpecialTokens::Add => AddSpecial::AsFileSays,
                SpecialTokens::Omit => AddSpecial::Never,
            };
            Ok(tokenizer()?.encode(text, special)?)
        }
    }
}

fn prompt_token(tokenizer: Option<&Tokenizer>, detokeniser: &mut Detokeniser, id: u32) -> PromptToken {
    match tokenizer {
        None => PromptToken { token: id, ..PromptToken::default() },
        Some(tokenizer) => PromptToken {
            token: id,
            piece: tokenizer.piece(id).unwrap_or_default(),
            text: detokeniser.push(tokenizer, id).text,
        },
    }
}
