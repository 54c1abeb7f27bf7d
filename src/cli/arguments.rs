//! What can be typed, with the help that a newcomer reads.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::parsers::{at_least_one, logit_bias, shape_names, stored_format, template_argument, token_id};
use super::stage_options::StageOptions;
use crate::decoding::{BeamSettings, Drafter, LookaheadSettings, SpeculativeSettings};
use crate::model::WeightFormat;
use crate::session::{CacheFormat, WeightsChoice};
use crate::trace::StrategyKind;
use crate::units::parse_bytes;

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

/// `models`.
#[derive(Debug, Args)]
pub struct Models {
    /// Another folder to look into, such as that of text-generation-webui (repeatable)
    #[arg(long, value_name = "DIR")]
    pub folder: Vec<PathBuf>,
    #[command(flatten)]
    pub json: JsonOption,
}

/// `get`.
#[derive(Debug, Args)]
#[command(after_help = GET_HELP)]
pub struct Get {
    /// The model's repository, as its page names it; OWNER/NAME:FORMAT takes its file in that format, such as Q4_K_M
    #[arg(value_name = "OWNER/NAME")]
    pub repository: Option<String>,
    /// Its file, or the format of one, or `safetensors` for the repository as a folder; left out, the one that suits this
    /// computer, after a question
    #[arg(value_name = "FILE|FORMAT", requires = "repository")]
    pub file: Option<String>,
    /// List what the repository has, and download nothing
    #[arg(long, requires = "repository")]
    pub list: bool,
    /// Take the one that suits this computer without a question
    #[arg(short, long, conflicts_with_all = ["file", "list"])]
    pub yes: bool,
    /// Branch, tag or commit
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub revision: String,
    #[command(flatten)]
    pub json: JsonOption,
}

const GET_HELP: &str = "It goes into the hub's own cache, where other programs find it, and its name does for -m. A download that was
stopped or broke goes on where it was. What is set for the hub's own programs counts here as well: HF_TOKEN (or
`hf auth login`) for models whose terms you accepted, HF_HOME and HF_HUB_CACHE, HF_ENDPOINT for a mirror,
HF_HUB_OFFLINE, HTTPS_PROXY and NO_PROXY.";

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

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub model: ModelOptions,
    /// Text on which the divergence from the original weights is measured; left out, a sentence of a fairy tale
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with = "prompt_ids")]
    pub prompt: Option<String>,
    /// The same by token ids
    #[arg(long, value_name = "IDS", value_delimiter = ',', value_parser = token_id)]
    pub prompt_ids: Option<Vec<u32>>,
    #[command(flatten)]
    pub json: JsonOption,
}

/// `bench`.
#[derive(Debug, Args)]
pub struct Bench {
    #[command(flatten)]
    pub model: ModelOptions,
    /// Instead of a model: random weights of a real model's shape, so that no download is needed
    #[arg(long, value_name = "NAME", conflicts_with = "model", value_parser = shape_names())]
    pub shape: Option<String>,
    /// How a shape's matrices are stored; left out, as the real model's. It takes the formats of GGUF files too, which
    /// --weights cannot make
    #[arg(long, value_name = "FORMAT", requires = "shape", value_parser = stored_format)]
    pub stored: Option<WeightFormat>,
    /// Only this many of a shape's layers
    #[arg(long, value_name = "N", requires = "shape", value_parser = at_least_one)]
    pub layers: Option<usize>,
    /// Prompt lengths to measure initiation with [default: 128,512 where the context is so long]
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = at_least_one)]
    pub pp: Option<Vec<usize>>,
    /// Numbers of incremental steps to measure [default: 64]
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = at_least_one)]
    pub tg: Option<Vec<usize>>,
    /// Positions in the KV cache before those steps [default: 0]
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    pub depth: Option<Vec<usize>>,
    /// Kernels for the linear maps of prompts
    #[arg(long, value_enum, value_name = "KERNELS", default_value_t = PromptKernels::Trial)]
    pub prompt_kernels: PromptKernels,
    /// Measure this many times and take the fastest
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    #[command(flatten)]
    pub json: JsonOption,
}

/// Kernels for the linear maps of prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PromptKernels {
    /// The fastest by a trial, as for every other command
    Trial,
    /// Those without matrix units
    Plain,
    /// Those on matrix units (cooperative matrices), an error where the adapter or the weights have none
    Matrices,
}

/// `adapters`.
#[derive(Debug, Args)]
pub struct Adapters {
    #[command(flatten)]
    pub json: JsonOption,
}

/// `report`.
#[derive(Debug, Args)]
pub struct Report {
    /// Folder for report.json, report.txt and report.log
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub out: PathBuf,
    /// GPU by its number in `logitscope adapters` or by a part of its name; left out, the best one
    #[arg(long, value_name = "INDEX|NAME")]
    pub adapter: Option<String>,
    /// One layer of each shape and short prompts; software drivers get that anyway
    #[arg(long)]
    pub quick: bool,
    /// Longest that the report may take
    #[arg(long, value_name = "SECONDS", default_value_t = 400)]
    pub seconds: u64,
    /// Only the parts with this text in their name, after the adapters (repeatable)
    #[arg(long, value_name = "TEXT")]
    pub only: Vec<String>,
    /// The folder tests/fixtures of the project's repository: its checkpoints are tested too
    #[arg(long, value_name = "FOLDER")]
    pub checkpoints: Option<PathBuf>,
    /// The project's test suite as a program: its tests of the GPU are run
    #[arg(long, value_name = "FILE")]
    pub suite: Option<PathBuf>,
    /// The bench `kernels` as a program
    #[arg(long, value_name = "FILE")]
    pub kernels: Option<PathBuf>,
    /// The bench `compiled` as a program: what the driver's compiler makes of the kernels
    #[arg(long, value_name = "PROGRAM")]
    pub compiled: Option<PathBuf>,
    /// The bench `submission` as a program
    #[arg(long, value_name = "FILE")]
    pub submission: Option<PathBuf>,
    /// The script scripts/gpu_report_torch.py: the same shapes in PyTorch
    #[arg(long, value_name = "FILE")]
    pub pytorch: Option<PathBuf>,
    /// Python for that script
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    pub python: PathBuf,
    #[command(flatten)]
    pub json: JsonOption,
}

impl Bench {
    /// Positions in the KV cache before the steps that are measured.
    pub fn depth(&self) -> &[usize] {
        self.depth.as_deref().unwrap_or(&[0])
    }
}
