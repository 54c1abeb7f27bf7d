//! The commands that check and measure a GPU.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::shared::{JsonOption, ModelOptions};
use crate::cli::parsers::{at_least_one, shape_names, stored_format, token_id};
use crate::model::WeightFormat;

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

impl Bench {
    /// Positions in the KV cache before the steps that are measured.
    pub fn depth(&self) -> &[usize] {
        self.depth.as_deref().unwrap_or(&[0])
    }
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
