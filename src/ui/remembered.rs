//! What is kept between sessions.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::downloads::Unfinished;
use super::lanes::Lane;
use super::talk::Talk;
use crate::decoding::{DecodingSettings, StageSettings, StrategyKind};
use crate::session::event::Loaded;
use crate::session::{BreakWhen, CacheFormat, WeightsChoice};

/// Most models that are remembered.
const RECENT: usize = 8;

/// Most servers that are remembered.
const SERVERS: usize = 6;

/// The prompt of a first start.
const FIRST_PROMPT: &str = "Once upon a time";

/// The seed of a first start: with it the built-in model's tale begins well.
const FIRST_SEED: u64 = 22;

/// What is kept between sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// Light or dark.
    pub theme: ThemeChoice,
    /// Models opened before, newest first.
    pub recent: Vec<PathBuf>,
    /// Models on servers opened before, by their addresses, newest first. Keys are never here.
    pub servers: Vec<String>,
    /// Folders that models are looked for in, beside those of the programs.
    pub library_folders: Vec<PathBuf>,
    /// Whether the person allowed to go online for models.
    pub goes_online: bool,
    /// Downloads that are not whole.
    pub downloads: Vec<Unfinished>,
    /// The adapter asked for; `None` is the best.
    pub adapter: Option<String>,
    /// The precision that weights are loaded in.
    pub weights: WeightsChoice,
    /// The precision of the KV cache; `None` follows the weights.
    pub cache: Option<CacheFormat>,
    /// Bytes of GPU memory that models may take; `None` is all that there is.
    pub gpu_memory: Option<u64>,
    /// The prompt's text.
    pub prompt: String,
    /// Whether the tokenizer adds its special tokens.
    pub add_special: bool,
    /// Whether the prompt is put as a user's message into the model's chat template, where it has one.
    pub chat: bool,
    /// The conversation in Chat.
    pub talk: Talk,
    /// How to decode.
    pub decoding: DecodingSettings,
    /// Ways to decode side by side.
    pub lanes: Vec<Lane>,
    /// Where runs pause by themselves.
    pub break_when: BreakWhen,
    /// What the chips' colour means.
    pub colouring: Colouring,
    /// Whether the prompt's chips are coloured, too: that takes another pass over it.
    pub prompt_scores: bool,
    /// Whether the inspector is shown.
    pub inspector: bool,
}

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThemeChoice {
    /// As the system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// What the chips' colour means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Colouring {
    /// Probability of the chosen token under the raw softmax.
    #[default]
    Probability,
    /// −ln of it.
    Surprisal,
    /// Entropy of the raw softmax.
    Entropy,
    /// Rank of the chosen token.
    Rank,
    /// Time of the step.
    Milliseconds,
    /// None.
    None,
}

impl Colouring {
    /// Whether it shows what the model made of a token, which a token of the prompt has as well.
    pub fn is_of_logits(self) -> bool {
        match self {
            Self::Probability | Self::Surprisal | Self::Entropy | Self::Rank => true,
            Self::Milliseconds | Self::None => false,
        }
    }
}

impl Default for Remembered {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::default(),
            recent: Vec::new(),
            servers: Vec::new(),
            library_folders: Vec::new(),
            goes_online: false,
            downloads: Vec::new(),
            adapter: None,
            weights: WeightsChoice::default(),
            cache: None,
            gpu_memory: None,
            prompt: FIRST_PROMPT.to_owned(),
            add_special: true,
            chat: false,
            talk: Talk::default(),
            // Greedy decoding of so small a model as the built-in one soon repeats itself.
            decoding: first_settings(StrategyKind::Sample),
            lanes: Vec::new(),
            break_when: BreakWhen::default(),
            colouring: Colouring::default(),
            prompt_scores: false,
            inspector: true,
        }
    }
}

/// The settings of a first start. Sampling begins with stages that tame it, not with the neutral values of the
/// command line: there is something to see in the pipeline, and a small model stays readable.
pub fn first_settings(strategy: StrategyKind) -> DecodingSettings {
    let stages = StageSettings { temperature: 0.8, top_k: 40, top_p: 0.95, ..StageSettings::default() };
    DecodingSettings { strategy, stages, seed: FIRST_SEED, ..DecodingSettings::default() }
}

impl Remembered {
    /// Whether prompts are put as chats: where it is wanted, and the model has a template.
    pub fn chats(&self, loaded: Option<&Loaded>) -> bool {
        self.chat && loaded.is_some_and(|loaded| loaded.chat_problem.is_none())
    }

    /// Puts a model at the head of the recent ones, if its path can be written down: in no file of settings can one
    /// that is no UTF-8.
    pub fn remember_model(&mut self, path: PathBuf) {
        if path.to_str().is_none() {
            return;
        }
        self.recent.retain(|known| *known != path);
        self.recent.insert(0, path);
        self.recent.truncate(RECENT);
    }

    /// Puts a model on a server at the head of those opened before.
    pub fn remember_server(&mut self, address: String) {
        self.servers.retain(|known| *known != address);
        self.servers.insert(0, address);
        self.servers.truncate(SERVERS);
    }

    /// Takes in a folder to look for models in, if its path can be written down.
    pub fn add_library_folder(&mut self, folder: PathBuf) {
        if folder.to_str().is_some() && !self.library_folders.contains(&folder) {
            self.library_folders.push(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_models_are_few_and_unique() {
        let mut remembered = Remembered::default();
        for index in 0..20 {
            remembered.remember_model(format!("model-{}", index % 12).into());
        }
        assert_eq!(remembered.recent.len(), RECENT);
        assert_eq!(remembered.recent[0], PathBuf::from("model-7"));
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt;
            remembered.remember_model(std::ffi::OsStr::from_bytes(b"m\xff.gguf").into());
            assert!(serde_json::to_string(&remembered).is_ok(), "what is remembered can be written down");
        }
    }
}
