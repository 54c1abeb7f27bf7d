//! The options that several commands have: which model, what prompt, for whom the answer is.

use std::path::PathBuf;

use clap::Args;

use crate::cli::parsers::{template_argument, token_id};
use crate::session::{CacheFormat, WeightsChoice};
use crate::units::parse_bytes;

/// Which model, where.
#[derive(Debug, Args)]
pub struct ModelOptions {
    /// A Hugging Face folder, a .safetensors file in one, a .safetensors.index.json, a GGUF file, a name from
    /// `logitscope models` or a part of it, or a server: http://HOST:PORT[/v1][#MODEL], its key in LOGITSCOPE_API_KEY; left
    /// out, the built-in demonstration model
    #[arg(short, long, value_name = "FOLDER|FILE|NAME|SERVER")]
    pub model: Option<PathBuf>,
    /// GPU by its number in `logitscope adapters` or by a part of its name; left out, the best one that
    /// works
    #[arg(long, value_name = "INDEX|NAME")]
    pub adapter: Option<String>,
    /// Precision of the weights on the GPU; a smaller one is faster and takes less memory, and `check` tells what
    /// it costs
    #[arg(long, value_enum, default_value_t = WeightsChoice::Original)]
    pub weights: WeightsChoice,
    /// Precision of the cached keys and values; left out, f16, or f32 where the weights are f32
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub kv: Option<CacheFormat>,
    /// Longest sequence to allow, in tokens, the prompt's and the new ones together; left out, the model's own context
    #[arg(long, value_name = "N")]
    pub context: Option<usize>,
    /// Most GPU memory that the model may take, with those beside it: layers that do not fit stay in the computer's memory and
    /// cross the bus in every pass. Left out, all that the GPU has
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    pub gpu_memory: Option<u64>,
}

/// What to continue, measure or tokenise.
#[derive(Debug, Args)]
#[group(required = true, multiple = false, id = "prompt_source")]
pub struct PromptOptions {
    /// The prompt
    #[arg(short, long, value_name = "TEXT", group = "prompt_source", allow_hyphen_values = true)]
    pub prompt: Option<String>,
    /// File with the prompt, UTF-8, taken as it is but for a byte order mark
    #[arg(long, value_name = "FILE", group = "prompt_source")]
    pub prompt_file: Option<PathBuf>,
    /// Token ids, taken exactly as they are; needs no tokenizer
    #[arg(long, value_name = "IDS", value_delimiter = ',', value_parser = token_id, group = "prompt_source")]
    pub prompt_ids: Option<Vec<u32>>,
}

/// What goes around the prompt.
#[derive(Debug, Args)]
pub struct SpecialOption {
    /// Put the prompt as a user's message into the model's chat template, which brings its own special tokens
    #[arg(long, conflicts_with_all = ["prompt_ids", "no_special"])]
    pub chat: bool,
    #[command(flatten)]
    pub conversation: ConversationOptions,
    /// Add no beginning-of-text token to a text; ids are always taken as they are
    #[arg(long)]
    pub no_special: bool,
}

/// What a chat template is given beside the prompt.
#[derive(Debug, Args)]
pub struct ConversationOptions {
    /// What the system says before all others (with --chat)
    #[arg(long, value_name = "TEXT", requires = "chat", allow_hyphen_values = true)]
    pub system: Option<String>,
    /// File with what was said before the prompt: a JSON list of messages, each with a `role` and a `content` (with --chat)
    #[arg(long, value_name = "FILE", requires = "chat")]
    pub turns: Option<PathBuf>,
    /// Give the template a value that it reads, such as enable_thinking=false (with --chat; may be repeated)
    #[arg(long, value_name = "NAME=JSON", requires = "chat", value_parser = template_argument)]
    pub template_arg: Vec<(String, serde_json::Value)>,
}

/// Whether the answer is for a program.
#[derive(Debug, Args)]
pub struct JsonOption {
    /// Print one JSON object on stdout, and nothing else there
    #[arg(long)]
    pub json: bool,
}
