//! Prompts become ids.

use super::command::{Prompt, SpecialTokens};
use super::load::ReadyModel;
use super::opened::Opened;
use super::run_error::{MissingTokenizer, RunError};
use crate::tokenizer::{AddSpecial, Tokenizer};

impl ReadyModel {
    /// The ids of a prompt.
    pub fn tokenise(&self, prompt: &Prompt) -> Result<Vec<u32>, RunError> {
        tokenise(&self.loaded.model.name, self.tokenizer.as_ref(), &self.loaded.tokenizer_problem, prompt)
    }
}

impl Opened {
    /// The ids of a prompt.
    pub fn tokenise(&self, prompt: &Prompt) -> Result<Vec<u32>, RunError> {
        tokenise(&self.file.name, self.tokenizer.as_ref(), &self.tokenizer_problem, prompt)
    }
}

fn tokenise(
    model: &str,
    tokenizer: Option<&Tokenizer>,
    problem: &Option<String>,
    prompt: &Prompt,
) -> Result<Vec<u32>, RunError> {
    let missing =
        || RunError::NoTokenizer { model: model.to_owned(), missing: MissingTokenizer(problem.clone()) };
    let tokenizer = || tokenizer.ok_or_else(missing);
    match prompt {
        Prompt::Ids(ids) => Ok(ids.clone()),
        Prompt::Chat(conversation) => Ok(tokenizer()?.encode_chat(conversation)?),
        Prompt::Text { text, special } => {
            let special = match special {
                SpecialTokens::Add => AddSpecial::AsFileSays,
                SpecialTokens::Omit => AddSpecial::Never,
            };
            Ok(tokenizer()?.encode(text, special)?)
        }
    }
}
