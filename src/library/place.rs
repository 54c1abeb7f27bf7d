//! The folders that programs keep models in.
//!
//! Verified on 2026-11-28 against the programs' own sources and documents:
//!
//! - Hugging Face: `huggingface_hub/constants.py` (version 2.4) and "Hub Local Cache" of its documentation:
//!   `HF_HUB_CACHE`, the older `HUGGINGFACE_HUB_CACHE`, `HF_HOME/hub`, `XDG_CACHE_HOME/huggingface/hub`,
//!   `~/.cache/huggingface/hub`, on every system.
//! - LM Studio: `findLMStudioHome.ts` of its SDK: the file `~/.lmstudio-home-pointer`, else `~/.cache/lm-studio`, else
//!   `~/.lmstudio`; the models are in `models`. That `settings.json` there may name another folder as
//!   `downloadsFolder` is from programs that read it, not from its own sources, which are closed.
//! - Ollama: `envconfig/config.go` (`OLLAMA_MODELS`, `~/.ollama/models`) and `server/modelpath.go` (manifests). The
//!   service that its Linux installer sets up has its home in `/usr/share/ollama`.
//! - llama.cpp: `fs_get_cache_directory` in `common/common.cpp`; newer versions download into the cache of Hugging Face
//!   (`common/hf-cache.cpp`), which `LLAMA_CACHE` may name as well.
//! - Jan: `src-tauri/src/core/app/commands.rs`: `JAN_DATA_FOLDER`, `data_folder` in `settings.json`, else `Jan/data` in
//!   the user's data folder, in which models are below `llamacpp/models`. `~/jan/models` is said to be
//!   of older versions; that was not looked up.
//! - GPT4All: `defaultLocalModelsPath` in `gpt4all-chat/src/mysettings.cpp`: Qt's `AppLocalDataLocation` of the
//!   organisation `nomic.ai`.
//! - text-generation-webui: `models` where the program lies (`modules/shared.py`); newer versions are said to have it below
//!   `user_data`, which was not looked up.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::environment::Environment;
use crate::user_folders::System;

/// Most bytes of a settings file that are read.
const LARGEST_SETTINGS: u64 = 1 << 20;

/// Where a model comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The cache of Hugging Face's libraries.
    HuggingFace,
    /// LM Studio.
    LmStudio,
    /// Ollama.
    Ollama,
    /// The cache of llama.cpp's programs.
    LlamaCpp,
    /// Jan.
    Jan,
    /// GPT4All.
    Gpt4All,
    /// A folder that a person named.
    Folder,
}

impl Origin {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::HuggingFace => "Hugging Face",
            Self::LmStudio => "LM Studio",
            Self::Ollama => "Ollama",
            Self::LlamaCpp => "llama.cpp",
            Self::Jan => "Jan",
            Self::Gpt4All => "GPT4All",
            Self::Folder => "your folder",
        }
    }
}

/// A folder to look into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose it is.
    pub origin: Origin,
    /// The folder.
    pub folder: PathBuf,
}

/// A folder that was looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedInto {
    /// The folder.
    pub place: Place,
    /// What was seen.
    pub seen: Seen,
}

/// What was seen in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is no such folder.
    Absent,
    /// It cannot be read.
    Unreadable(String),
    /// So many models, and what belongs to models.
    Found(usize),
}

/// The folders of the programs, then those that the person added; each once, whether it is there or not.
pub fn places(environment: &Environment, added: &[PathBuf]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let mut add = |origin, folder: Option<PathBuf>| {
        if let Some(folder) = folder
            && places.iter().all(|place| place.folder != folder)
        {
            places.push(Place { origin, folder });
        }
    };
    let folders = environment.folders();
    // A variable may be set for some programs only, so that the usual folder counts as well.
    add(Origin::HuggingFace, hub_cache(environment));
    add(Origin::HuggingFace, environment.at_home(".cache/huggingface/hub"));
    for home in lm_studio_homes(environment) {
        add(Origin::LmStudio, text_in_settings(&home, "downloadsFolder").map(|to| environment.expanded(to)));
        add(Origin::LmStudio, Some(home.join("models")));
    }
    add(Origin::Ollama, environment.folder("OLLAMA_MODELS"));
    add(Origin::Ollama, environment.at_home(".ollama/models"));
    if environment.system == System::Linux && environment.home.is_some() {
        add(Origin::Ollama, Some(PathBuf::from("/usr/share/ollama/.ollama/models")));
    }
    add(Origin::LlamaCpp, environment.folder("LLAMA_CACHE"));
    add(Origin::LlamaCpp, folders.caches.map(|caches| caches.join("llama.cpp")));
    for data in jan_data(environment) {
        for below in ["llamacpp/models", "mlx/models", "models"] {
            add(Origin::Jan, Some(data.join(below)));
        }
    }
    add(Origin::Jan, environment.at_home("jan/models"));
    add(Origin::Gpt4All, folders.local_data.map(|data| data.join("nomic.ai/GPT4All")));
    for folder in added {
        add(Origin::Folder, Some(environment.expanded(folder.clone())));
    }
    places
}

/// The cache of Hugging Face's libraries.
pub fn hub_cache(environment: &Environment) -> Option<PathBuf> {
    let named = environment.folder("HF_HUB_CACHE").or_else(|| environment.folder("HUGGINGFACE_HUB_CACHE"));
    named.or_else(|| Some(hub_home(environment)?.join("hub")))
}

/// The folder of Hugging Face's libraries, with the cache and the token. They take `XDG_CACHE_HOME` as it stands, on
/// every system.
pub fn hub_home(environment: &Environment) -> Option<PathBuf> {
    let caches = || environment.folder("XDG_CACHE_HOME").or_else(|| environment.at_home(".cache"));
    environment.folder("HF_HOME").or_else(|| Some(caches()?.join("huggingface")))
}

/// Where LM Studio may have its home.
fn lm_studio_homes(environment: &Environment) -> Vec<PathBuf> {
    let pointer = environment.at_home(".lmstudio-home-pointer");
    let named = pointer.and_then(|file| small_text(&file)).map(|text| PathBuf::from(text.trim()));
    let named = named.filter(|home| home.is_absolute());
    let usual = [".lmstudio", ".cache/lm-studio"].into_iter().filter_map(|below| environment.at_home(below));
    named.into_iter().chain(usual).collect()
}

/// Where Jan may have its data.
fn jan_data(environment: &Environment) -> Vec<PathBuf> {
    let folders = environment.folders();
    let own = folders.data.map(|data| data.join("Jan"));
    let settings = own.as_deref().and_then(|own| text_in_settings(own, "data_folder"));
    let older = folders.settings.map(|settings| settings.join("Jan"));
    let usual = own.into_iter().chain(older).map(|jan| jan.join("data"));
    environment.folder("JAN_DATA_FOLDER").into_iter().chain(settings).chain(usual).collect()
}

/// A path in a folder's `settings.json`.
fn text_in_settings(folder: &Path, key: &str) -> Option<PathBuf> {
    let settings: serde_json::Value =
        serde_json::from_str(&small_text(&folder.join("settings.json"))?).ok()?;
    let path = settings.get(key)?.as_str().filter(|path| !path.is_empty())?;
    Some(PathBuf::from(path))
}

/// The text of a small file; nothing where it cannot be read: opening a pipe would wait for whoever writes to it.
fn small_text(file: &Path) -> Option<String> {
    if !file.is_file() {
        return None;
    }
    let mut text = String::new();
    File::open(file).ok()?.take(LARGEST_SETTINGS).read_to_string(&mut text).ok()?;
    Some(text)
}
