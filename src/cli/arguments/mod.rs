//! What can be typed, with the help that a newcomer reads.

mod generate;
mod insight;
mod measuring;
mod shared;
mod shelf;

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};

pub(super) use generate::{
    BeamOptions, CompareOptions, EarlyStoppingOption, Generate, Page, SpeculativeOptions,
};
pub(super) use insight::{Inspect, Logits, ProbeArguments, Tokenize};
pub(super) use measuring::{Adapters, Bench, Check, PromptKernels, Report};
pub(super) use shared::{ConversationOptions, ModelOptions, PromptOptions, SpecialOption};
pub(super) use shelf::{Get, Models};

/// Watch a language model decode: every step, every logit, on your own GPU.
///
/// Without a command it opens the window. The commands do the same work in the terminal.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Arguments {
    /// Model to open in the window: a Hugging Face folder, a .safetensors file in one, a GGUF file, a name from
    /// `logitscope models`, or a server, http://HOST:PORT[/v1][#MODEL]; left out, the built-in demonstration model
    pub model: Option<PathBuf>,
    /// What to do instead of opening the window
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Use only what every GPU has to offer, slowly, and begin with the first arrangement of panes: for when something breaks
    #[arg(long, global = true)]
    pub safe_mode: bool,
    /// Tell more on stderr; twice for even more
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
}

const EXAMPLES: &str = "Examples:
  logitscope                                           open the window with the built-in model
  logitscope generate -p \"Once upon a time\"            the same model in the terminal
  logitscope generate -m DIR -p Hello --strategy sample --temperature 0.8
  logitscope check                                     does this GPU compute right?";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Continue a prompt; the text goes to stdout, progress and figures to stderr
    Generate(Box<Generate>),
    /// Write a saved trace as one HTML page, which any browser opens without a network
    Page(Page),
    /// Write the logits of every prompt position to a safetensors file
    Logits(Logits),
    /// Look inside one position of a prompt: what each layer would say, what it added, where attention looked
    Probe(ProbeArguments),
    /// Show the token ids and pieces of a text
    Tokenize(Tokenize),
    /// Say what a model's headers tell, without loading it
    Inspect(Inspect),
    /// List the models that are on this computer already, in the folders of Hugging Face, LM Studio, Ollama, llama.cpp,
    /// Jan and GPT4All: their names do for -m
    Models(Models),
    /// Get a model from the Hugging Face hub; without a name, list a few that are good to begin with, offline
    Get(Get),
    /// Compare every op of the model on this GPU with the CPU reference, and stop at the first that differs;
    /// with --weights, also tell how far the logits are from the original weights'
    Check(Check),
    /// Measure loading, initiation (pp) and incremental (tg) speed against the device's copy bandwidth
    Bench(Bench),
    /// List the GPUs found, with their drivers, limits and features
    Adapters(Adapters),
    /// Check and measure this GPU in one go, for a bug report: writes report.json, report.txt and report.log
    Report(Report),
}
