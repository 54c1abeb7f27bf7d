//! The commands that show what is in a model: its logits, its layers, its tokens, its headers.

use std::path::PathBuf;

use clap::Args;

use super::shared::{JsonOption, ModelOptions, PromptOptions, SpecialOption};
use crate::cli::parsers::token_id;
use crate::session::{CacheFormat, WeightsChoice};
use crate::units::parse_bytes;

/// `logits`.
#[derive(Debug, Args)]
pub struct Logits {
    #[command(flatten)]
    pub model: ModelOptions,
    #[command(flatten)]
    pub prompt: PromptOptions,
    #[command(flatten)]
    pub special: SpecialOption,
    #[command(flatten)]
    pub json: JsonOption,
    /// File to write: tensor `logits`, f32, prompt tokens × vocabulary
    #[arg(short, long, value_name = "FILE.safetensors", required_unless_present = "json")]
    pub out: Option<PathBuf>,
    /// Candidates for each position in the JSON
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
}

/// `probe`.
#[derive(Debug, Args)]
pub struct ProbeArguments {
    #[command(flatten)]
    pub model: ModelOptions,
    #[command(flatten)]
    pub prompt: PromptOptions,
    #[command(flatten)]
    pub special: SpecialOption,
    #[command(flatten)]
    pub json: JsonOption,
    /// Position in the prompt to look into, from 0; left out, the last one
    #[arg(long, value_name = "N")]
    pub position: Option<usize>,
    /// Token whose logit is followed from layer to layer; left out, the most likely one
    #[arg(long, value_name = "ID", value_parser = token_id)]
    pub token: Option<u32>,
    /// Most likely tokens for each layer in the JSON
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
}

/// `tokenize`.
#[derive(Debug, Args)]
pub struct Tokenize {
    /// Model whose tokenizer is used, a folder, file or name as for `generate`; left out, the built-in demonstration
    /// model
    #[arg(short, long, value_name = "FOLDER|FILE|NAME")]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub prompt: PromptOptions,
    #[command(flatten)]
    pub special: SpecialOption,
    #[command(flatten)]
    pub json: JsonOption,
}

/// `inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// A Hugging Face folder, a .safetensors file in one, a .safetensors.index.json, a GGUF file, or a name from
    /// `logitscope models`; left out, the built-in demonstration model
    pub model: Option<PathBuf>,
    /// GPU to compare the memory with, by its number in `logitscope adapters` or by a part of its name; left out, the
    /// best one. It is not opened: whether it works is not found out
    #[arg(long, value_name = "INDEX|NAME")]
    pub adapter: Option<String>,
    /// Precision to predict the memory for
    #[arg(long, value_enum, default_value_t = WeightsChoice::Original)]
    pub weights: WeightsChoice,
    /// Precision of the KV cache to predict the memory for; left out, f16, or f32 where the weights are f32
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub kv: Option<CacheFormat>,
    /// Longest sequence to predict the memory for, in tokens; left out, the model's own context
    #[arg(long, value_name = "N")]
    pub context: Option<usize>,
    /// GPU memory that the model would be allowed; left out, all that the GPU has
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    pub gpu_memory: Option<u64>,
    #[command(flatten)]
    pub json: JsonOption,
}
