//! `generate`, with the strategies' own options, and `page` for what it saved.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::shared::{JsonOption, ModelOptions, PromptOptions, SpecialOption};
use crate::cli::parsers::{logit_bias, token_id};
use crate::cli::stage_options::StageOptions;
use crate::decoding::{BeamSettings, Drafter, LookaheadSettings, SpeculativeSettings};
use crate::session::WeightsChoice;
use crate::trace::StrategyKind;

/// `generate`.
#[derive(Debug, Args)]
pub struct Generate {
    #[command(flatten)]
    pub model: ModelOptions,
    #[command(flatten)]
    pub prompt: PromptOptions,
    #[command(flatten)]
    pub special: SpecialOption,
    #[command(flatten)]
    pub json: JsonOption,
    /// Most tokens to generate
    #[arg(short = 'n', long, value_name = "N", default_value_t = 128)]
    pub max_tokens: usize,
    /// Who chooses the next token
    #[arg(long, value_enum, default_value_t = StrategyKind::Greedy)]
    pub strategy: StrategyKind,
    #[command(flatten)]
    pub beam: BeamOptions,
    #[command(flatten)]
    pub speculative: SpeculativeOptions,
    #[command(flatten)]
    pub compare: CompareOptions,
    #[command(flatten)]
    pub lookahead: LookaheadOptions,
    /// Divide the logits by X: below 1 bolder about the likely, above 1 more even; left out, 1 (sample; with beam and
    /// speculative it makes draws of the highest)
    #[arg(long, value_name = "X")]
    pub temperature: Option<f32>,
    /// Keep the K most likely tokens; 0 keeps all (sample only)
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub top_k: usize,
    /// Keep the fewest tokens whose probabilities reach P together; 1 keeps all (sample only)
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    pub top_p: f32,
    /// Keep tokens with at least P times the highest probability; 0 keeps all (sample only)
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub min_p: f32,
    /// Contrastive search: how many of the most likely tokens are tried
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub contrastive_k: usize,
    /// Contrastive search: weight of the likeness to earlier positions, from 0 (greedy) to 1
    #[arg(long, value_name = "X", default_value_t = 0.6)]
    pub penalty_alpha: f32,
    /// Key of the random draws: the same seed gives the same text (sample only)
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Make tokens of prompt and text less likely; 1 is off
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub repetition_penalty: f32,
    /// Subtract X once from the logit of every generated token; 0 is off
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    pub presence_penalty: f32,
    /// Subtract X for every time a token was generated; 0 is off
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    pub frequency_penalty: f32,
    /// Never repeat a sequence of N tokens; 0 is off
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub no_repeat_ngram: usize,
    /// Add X to the logit of token ID (repeatable)
    #[arg(long, value_name = "ID=X", value_parser = logit_bias)]
    pub logit_bias: Vec<(u32, f32)>,
    #[command(flatten)]
    pub stages: StageOptions,
    /// End when this text appears, special tokens as they are written; the text keeps it (repeatable)
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub stop: Vec<String>,
    /// Go on after end-of-sequence tokens
    #[arg(long, conflicts_with = "eos")]
    pub ignore_eos: bool,
    /// Token that ends the text, instead of the model's own (repeatable)
    #[arg(long, value_name = "ID", value_parser = token_id)]
    pub eos: Vec<u32>,
    /// Compute the whole sequence again at every step: the same tokens for more work
    #[arg(long)]
    pub no_kv_cache: bool,
    /// Candidates for each step in the JSON
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    /// Write the run to a trace file, which the window opens without the model
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Write the run to an HTML page, which any browser opens without a network
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Another model that reads the text that came.
#[derive(Debug, Args)]
pub struct CompareOptions {
    /// Then let another model with the same vocabulary read the text, and tell step by step how far its distribution is
    /// from the model's (KL divergence, most likely token); a folder or file as for --model, `built-in` for the one that
    /// drafts for the built-in model
    #[arg(long, value_name = "FOLDER|FILE")]
    pub compare_with: Option<PathBuf>,
    /// Precision of that model's weights; without --compare-with, the same model in this precision
    #[arg(long, value_enum, value_name = "WEIGHTS")]
    pub compare_weights: Option<WeightsChoice>,
}

/// What `--strategy beam` takes.
#[derive(Debug, Args)]
pub struct BeamOptions {
    /// How many texts go on at every step (beam only); with --temperature or another sampling option their tokens are
    /// drawn
    #[arg(long, value_name = "N", default_value_t = BeamSettings::default().beams)]
    pub beams: usize,
    /// Divide a text's score by its length to the power of X: above 0 for longer texts, below 0 for shorter ones
    /// (beam only)
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_negative_numbers = true)]
    pub length_penalty: f32,
    /// End as soon as there are as many finished texts as beams, or, with =never, only when no other can catch up any
    /// more; left out, when the best one under way falls short (beam only)
    #[arg(long, value_enum, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "at-once")]
    pub early_stopping: Option<EarlyStoppingOption>,
    /// How many texts are returned; left out, all (beam only)
    #[arg(long, value_name = "N")]
    pub returned_sequences: Option<usize>,
}

/// When beam search ends although texts go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EarlyStoppingOption {
    /// As soon as there are as many finished texts as beams
    AtOnce,
    /// When no text can catch up any more, however long it gets
    Never,
}

/// What `--strategy speculative` takes.
#[derive(Debug, Args)]
pub struct SpeculativeOptions {
    /// Who drafts; left out, the draft model if one is given, otherwise the model's own head where its files have one,
    /// otherwise lookup (speculative only)
    #[arg(long, value_name = "WHO")]
    pub drafter: Option<Drafter>,
    /// Smaller model that drafts, with the same vocabulary, a folder, file or name as for --model; `built-in` for the one that
    /// drafts for the built-in model (speculative only)
    #[arg(long, value_name = "FOLDER|FILE|NAME")]
    pub draft_model: Option<PathBuf>,
    /// Most tokens of a draft (speculative only)
    #[arg(long, value_name = "N", default_value_t = SpeculativeSettings::default().draft_tokens)]
    pub draft_tokens: usize,
}

/// What `--strategy lookahead` takes.
#[derive(Debug, Args)]
pub struct LookaheadOptions {
    /// Trajectories that guess ahead side by side (lookahead only)
    #[arg(long, value_name = "N", default_value_t = LookaheadSettings::default().window)]
    pub window: usize,
    /// Tokens of an n-gram (lookahead only)
    #[arg(long, value_name = "N", default_value_t = LookaheadSettings::default().ngram)]
    pub ngram: usize,
    /// Most n-grams that a pass verifies (lookahead only)
    #[arg(long, value_name = "N", default_value_t = LookaheadSettings::default().guesses)]
    pub guesses: usize,
}

/// A saved run as a page.
#[derive(Debug, Args)]
pub struct Page {
    /// A trace file, from `generate --trace` or saved in the window
    #[arg(value_name = "TRACE")]
    pub trace: PathBuf,
    /// The HTML file to write
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub json: JsonOption,
}
