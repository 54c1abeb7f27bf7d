//! The commands that find models and fetch them.

use std::path::PathBuf;

use clap::Args;

use super::shared::JsonOption;

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
