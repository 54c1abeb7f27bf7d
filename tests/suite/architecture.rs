//! The house's walls: who may know whom, and which names belong in which room. `docs/architecture.md` says why.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each room and the rooms that it may use, itself apart.
const DIRECTIONS: [(&str, &[&str]); 18] = [
    ("formats", &["model"]),
    ("http", &[]),
    ("hub", &["formats", "http", "library"]),
    ("library", &["formats"]),
    ("tokenizer", &[]),
    ("model", &[]),
    ("reference", &["model"]),
    ("gpu", &["model", "problems"]),
    ("decoding", &["model", "trace"]),
    ("problems", &[]),
    ("trace", &[]),
    ("export", &["trace"]),
    ("servers", &["http", "model", "tokenizer"]),
    ("session", &["decoding", "formats", "gpu", "library", "model", "servers", "tokenizer", "trace"]),
    ("synthetic", &["model"]),
    ("verify", &["gpu", "model", "reference", "session", "synthetic", "trace"]),
    ("ui", &["decoding", "export", "hub", "library", "problems", "session", "trace"]),
    (
        "cli",
        &[
            "decoding",
            "export",
            "formats",
            "gpu",
            "hub",
            "library",
            "model",
            "session",
            "synthetic",
            "tokenizer",
            "trace",
            "verify",
        ],
    ),
];

/// Crates that belong to one room. `main.rs` may parse arguments and hold errors.
const CRATES: [(&str, &[&str]); 16] = [
    ("anyhow", &["main.rs"]),
    ("clap", &["cli", "main.rs"]),
    ("ctrlc", &["cli"]),
    ("eframe", &["ui"]),
    ("egui", &["ui"]),
    ("egui_tiles", &["ui"]),
    ("fs4", &["hub"]),
    ("keyring", &["servers"]),
    ("libm", &["reference"]),
    ("llguidance", &["tokenizer"]),
    ("memmap2", &["formats"]),
    ("rfd", &["ui"]),
    ("ring", &["hub"]),
    ("tokenizers", &["tokenizer"]),
    ("ureq", &["http", "hub", "servers"]),
    ("wgpu", &["gpu"]),
];

/// The only place that names families of models.
const FAMILIES_ROOM: &str = "formats/architectures/";
/// Sizes of real models go by the models' names.
const SHAPES: &str = "synthetic/shapes/";
/// Files call kinds and classes of tokenizers by the models that had them first.
const TOKENIZER_KINDS: [&str; 4] =
    ["tokenizer/gguf.rs", "tokenizer/sentencepiece.rs", "tokenizer/merges.rs", "tokenizer/splitting.rs"];
/// Some of them, as their files call them.
const FAMILIES: [&str; 8] = ["falcon", "gemma", "gpt2", "gptneox", "llama", "mistral", "mixtral", "qwen"];
/// Programs whose names have a family's in them, in small letters and without underlines.
const PROGRAMS: [&str; 6] = ["ollama", "llama.cpp", "llamacpp", "llamacache", "llamaserver", "llama-server"];
/// A way of scaling rotary embeddings that goes by the name of the model it was published with.
const SCALING_NAME: &str = "Llama3";

/// Files with `unsafe` code: memory-mapped files, shaders without runtime checks, drivers asked past wgpu.
const UNSAFE_FILES: [&str; 4] =
    ["formats/folder.rs", "gpu/device/heap.rs", "gpu/device/open.rs", "gpu/device/pipelines.rs"];

/// One file of `src/`: its path there, and its lines without comments.
struct Source {
    path: String,
    lines: Vec<(usize, String)>,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
        let lines = (1..).zip(text.lines().map(code)).collect();
        Self { path: path.to_owned(), lines }
    }

    /// The first part of the path: `gpu`, or `main.rs`.
    fn room(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// Everything in the file that a wall forbids, a line each.
    fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (number, line) in &self.lines {
            let mut report = |what: String| found.push(format!("src/{}:{number}: {what}", self.path));
            let (room, words) = (self.room(), words(line));
            if let Some((_, allowed)) = DIRECTIONS.iter().find(|(name, _)| *name == room) {
                for used in used_rooms(line) {
                    if used != room && !allowed.contains(&used.as_str()) {
                        report(format!("{room} uses {used}"));
                    }
                }
            }
            for (name, rooms) in CRATES {
                if words.contains(name) && !rooms.contains(&room) && names_crate(line, name) {
                    report(format!("{room} uses the crate {name}"));
                }
            }
            let lowered = line.replace(SCALING_NAME, "").replace('_', "").to_lowercase();
            let lowered = PROGRAMS.iter().fold(lowered, |line, program| line.replace(program, ""));
            for family in FAMILIES.iter().filter(|family| lowered.contains(**family)) {
                let path = self.path.as_str();
                if !path.starts_with(FAMILIES_ROOM)
                    && !TOKENIZER_KINDS.contains(&path)
                    && !path.starts_with(SHAPES)
                {
                    report(format!("the family {family} is named"));
                }
            }
            if words.contains("unsafe") && !UNSAFE_FILES.contains(&self.path.as_str()) {
                report("unsafe code".to_owned());
            }
            if words.contains("allow") && line.trim_start().starts_with("#[allow") {
                report("#[allow]: say #[expect(…, reason = …)]".to_owned());
            }
        }
        found
    }
}

fn words(line: &str) -> BTreeSet<&str> {
    line.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect()
}

/// The rooms that follow a `crate::` in the line.
fn used_rooms(line: &str) -> Vec<String> {
    let name = |rest: &str| -> String {
        rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    };
    let rooms: Vec<String> = line.split("crate::").skip(1).map(name).collect();
    // A path to a macro or an item of the root has no room.
    rooms.into_iter().filter(|used| DIRECTIONS.iter().any(|(room, _)| room == used)).collect()
}

/// Whether a path of the line begins with the crate's name.
fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        let begins = !before.ends_with(|letter: char| letter.is_alphanumeric() || "_:\"".contains(letter));
        begins && (after.starts_with("::") || after.starts_with(';'))
    })
}

fn sources() -> Vec<Source> {
    files().iter().map(|(path, text)| Source::new(path, text)).collect()
}

/// Every file of `src/`: its path there, and its text.
pub fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).expect("a readable folder");
        let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("UTF-8");
                let inside = path.strip_prefix(&root).expect("inside src");
                files.push((inside.to_string_lossy().replace('\\', "/"), text));
            }
        }
    }
    files
}

#[test]
fn every_room_keeps_to_its_walls() {
    let sources = sources();
    for (room, _) in DIRECTIONS {
        assert!(sources.iter().any(|source| source.room() == room), "there is no src/{room}");
    }
    let violations: Vec<String> = sources.iter().flat_map(Source::violations).collect();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn every_file_says_what_it_owns() {
    for (path, text) in files() {
        assert!(text.starts_with("//! "), "src/{path} does not open with a //! line");
    }
}

#[test]
fn each_kind_of_breach_is_seen() {
    let breaches = [
        ("model/plan.rs", "use crate::gpu::Engine;", "model uses gpu"),
        ("ui/app.rs", "let engine = crate::gpu::adapters();", "ui uses gpu"),
        ("decoding/mod.rs", "use crate::tokenizer::Tokenizer;", "decoding uses tokenizer"),
        ("ui/app.rs", "use wgpu::Device;", "the crate wgpu"),
        ("session/load.rs", "fn load() -> anyhow::Result<()> {", "the crate anyhow"),
        ("cli/bench.rs", "let shape = \"llama-7b\";", "the family llama"),
        ("model/decoder.rs", "enum Kind { Gpt2 }", "the family gpt2"),
        ("trace/file.rs", "unsafe { read() }", "unsafe"),
        ("gpu/mod.rs", "#[allow(dead_code)]", "#[allow]"),
    ];
    for (path, line, complaint) in breaches {
        let violations = Source::new(path, line).violations();
        assert_eq!(violations.len(), 1, "{path}: {line}: {violations:?}");
        assert!(violations[0].contains(complaint), "{violations:?}");
    }
    let harmless = [
        ("session/load.rs", "use crate::gpu::Engine; // ui is not known here: crate::ui"),
        ("gpu/device/handle.rs", "pub(super) device: wgpu::Device,"),
        ("gpu/engine/core.rs", "use crate::gpu::device::Device;"),
        ("model/rotary.rs", "RotaryScaling::Llama3 { factor } => factor,"),
        ("formats/architectures/llama.rs", "name: \"llama\","),
        ("library/place.rs", "Self::LlamaCpp => \"~/.cache/llama.cpp\","),
        ("session/decode.rs", "use crate::tokenizer::Tokenizer;"),
    ];
    for (path, line) in harmless {
        assert_eq!(Source::new(path, line).violations(), [""; 0], "{path}: {line}");
    }
}
