//! The house's stairs: no files import each other in a circle, and within a room imports run one way.
//!
//! Reads the paths in the code, `use` and others, and follows names through faces (`pub use`) to the file that
//! defines them. Modules named `tests` are left out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::architecture::files;

/// The parts of a room, files and folders alike: each imports only from those before it. What stands on one line
/// could change places. The room's own `mod.rs` is its face, from which nothing inside imports.
const ORDERS: [(&str, &[&str]); 12] = [
    (
        "decoding",
        &[
            "constraint",
            "error",
            "random",
            "stop_text",
            "row",
            "strategy",
            "strategy_settings",
            "draw",
            "initiation",
            "row_logits",
            "settings",
            "accounting",
            "stages",
            "pins",
            "chain",
            "summary",
            "text",
            "single_token",
            "contrastive",
            "beam",
            "lookahead",
            "speculative",
            "server_sampling",
            "told",
            "begin",
            "what_if",
        ],
    ),
    (
        "formats",
        &[
            "error",
            "json",
            "rewrite",
            "fields",
            "folder",
            "safetensors",
            "gguf",
            "special",
            "quantised",
            "checkpoint",
            "source",
            "generation",
            "architectures",
            "location",
            "built_in",
            "names",
            "text",
            "tensor_recipes",
            "orders",
            "import",
            "inspect",
            "open",
        ],
    ),
    ("http", &["address", "agent", "stop", "words"]),
    (
        "hub",
        &[
            "pace",
            "error",
            "names",
            "settings",
            "http",
            "quantisation",
            "order",
            "offers",
            "suggestion",
            "listing",
            "layout",
            "lock",
            "digest",
            "blob",
            "download",
            "curated",
        ],
    ),
    (
        "library",
        &[
            "environment",
            "place",
            "naming",
            "entries",
            "found",
            "facts",
            "cache",
            "hub",
            "manifests",
            "walk",
            "by_name",
            "search",
        ],
    ),
    (
        "model",
        &[
            "error",
            "divergence",
            "quant",
            "group_format",
            "weight_format",
            "rotary",
            "blocks",
            "grids",
            "groups",
            "codec",
            "weights",
            "cache",
            "concat",
            "config",
            "selection",
            "batch",
            "probe",
            "profiling",
            "language_model",
            "plan",
            "dissection",
            "binding",
            "orders",
            "conversion",
            "decoder",
            "fuse",
        ],
    ),
    (
        "reference",
        &[
            "cache",
            "selection",
            "add",
            "clamp",
            "embed",
            "gate_rows",
            "mix",
            "pick",
            "reorder",
            "rotary",
            "route",
            "scale",
            "soft_cap",
            "norm",
            "head_norm",
            "activation",
            "activate",
            "xielu",
            "gate",
            "linear",
            "head_linear",
            "expert_linear",
            "attention",
            "convolution",
            "recurrence",
            "interpreter",
            "attend",
            "states",
            "probe",
            "language_model",
            "sequence_tests",
        ],
    ),
    (
        "servers",
        &[
            "error",
            "address",
            "key",
            "key_store",
            "asking",
            "facts",
            "row",
            "known",
            "refusal",
            "exchange",
            "client",
            "cards",
            "open_ai",
            "vllm",
            "llama_server",
            "stream",
            "server",
            "pieces",
            "ends",
            "probe",
            "sequences",
            "summaries",
            "passes",
            "model",
            "going",
            "sampling",
            "tokens",
            "open",
        ],
    ),
    (
        "session",
        &[
            "break_when",
            "segments",
            "command",
            "comparison",
            "inbox",
            "loading_beside",
            "opinion",
            "second",
            "event",
            "outbox",
            "load",
            "library",
            "run_error",
            "tokenizer_files",
            "drafting_head",
            "opened",
            "lane_runs",
            "view",
            "vocabularies",
            "draft",
            "served",
            "gpu_loader",
            "guide",
            "inspect",
            "own_settings",
            "prompt_scores",
            "tokenise",
            "decode",
            "long_rope",
            "probing",
            "profiling",
            "comparing",
            "reading",
            "second_model",
            "live_run",
            "lanes",
            "peek",
            "worker",
            "pinning",
            "worker_starting",
            "worker_lanes",
            "worker_beside",
            "worker_loading",
            "worker_second",
            "worker_probing",
            "worker_peek",
            "worker_row",
            "worker_scoring",
            "worker_branching",
            "worker_comparing",
            "worker_profiling",
        ],
    ),
    (
        "tokenizer",
        &[
            "base64",
            "byte_order_mark",
            "markers",
            "chat",
            "gbnf",
            "guarded",
            "schema",
            "spelling",
            "token_bytes",
            "error",
            "added",
            "remote",
            "codec",
            "splitting",
            "detokeniser",
            "grammar",
            "guided",
            "merges",
            "troubles",
            "tokenizer_json",
            "gguf",
            "sentencepiece",
        ],
    ),
    (
        "ui",
        &[
            "theme",
            "colours",
            "icons",
            "cursor",
            "pacing",
            "talk",
            "lanes",
            "earlier",
            "lane_names",
            "downloads",
            "get_card",
            "connect_card",
            "keys",
            "remembered",
            "format",
            "token_text",
            "pane",
            "arrangement",
            "exports",
            "dialog",
            "what_if",
            "measuring",
            "lessons",
            "following",
            "trace_files",
            "worker",
            "tree_rows",
            "action",
            "chips",
            "segments",
            "inside",
            "definitions",
            "sent",
            "axes",
            "inspecting",
            "shelf",
            "cards",
            "state",
            "widgets",
            "loading",
            "token_job",
            "scene",
            "typed",
            "keyboard",
            "table",
            "controls",
            "panels",
            "dock",
            "layout",
            "picture",
            "looking",
            "fetching",
            "asking",
            "app",
            "exporting",
            "shelving",
            "getting",
            "connecting",
            "opening",
            "performing",
            "running",
            "bringing_back",
            "branching",
            "laning",
            "pinning",
            "timing",
            "teaching",
        ],
    ),
    (
        "gpu",
        &[
            "error",
            "progress",
            "kernels",
            "device",
            "cache",
            "weights",
            "pass",
            "program",
            "yardsticks",
            "sizing",
            "engine",
        ],
    ),
];

/// A path as it stands in the code, such as `super::row::Row`.
type Path = Vec<String>;

/// One file: what it imports, and by which names.
#[derive(Default)]
struct File {
    path: String,
    /// Paths of `use`, with the name that each gives.
    uses: Vec<(Path, String)>,
    /// Other paths.
    others: Vec<Path>,
}

/// All files by their modules, such as `["decoding", "row"]`.
struct House {
    files: BTreeMap<Path, File>,
}

impl House {
    fn of(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let module = |path: &str| -> Path {
            let path = path.trim_end_matches(".rs");
            let path = path.strip_suffix("/mod").unwrap_or(path);
            path.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
        };
        let files = files.into_iter().map(|(path, text)| (module(&path), File::new(&path, &text)));
        Self { files: files.collect() }
    }

    /// Where a path of a module leads: the module of the file that defines its name. `None` outside of the crate.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<Path> {
        /// Faces of faces.
        const DEEPEST: usize = 8;
        let mut at = from.to_vec();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => (at, rest) = (Vec::new(), &rest[1..]),
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    (rest, _) = (&rest[1..], at.pop());
                }
            }
            first if self.files.contains_key(&joined(from, first)) => {}
            first => {
                // A module or an item that a `use` has named.
                let (used, _) = self.files.get(from)?.uses.iter().find(|(_, name)| name == first)?;
                if used.as_slice() == path || depth == DEEPEST {
                    return None;
                }
                return self.resolve(from, &[used, &rest[1..]].concat(), depth + 1);
            }
        }
        while let Some(next) = rest.first().map(|part| joined(&at, part))
            && self.files.contains_key(&next)
        {
            (at, rest) = (next, &rest[1..]);
        }
        if let (Some(name), true) = (rest.first(), depth < DEEPEST) {
            let uses = self.files.get(&at).map(|file| file.uses.as_slice()).unwrap_or_default();
            let behind = uses.iter().filter(|(used, given)| given == name && used.as_slice() != path);
            let mut found = behind.filter_map(|(used, _)| self.resolve(&at, used, depth + 1));
            if let Some(found) = found.next() {
                return Some(found);
            }
        }
        self.files.contains_key(&at).then_some(at)
    }

    /// The modules that a module imports from.
    fn imports(&self, module: &Path) -> BTreeSet<Path> {
        let file = &self.files[module];
        let paths = file.uses.iter().map(|(path, _)| path).chain(&file.others);
        paths
            .filter_map(|path| self.resolve(module, path, 0))
            .filter(|to| to != module && !to.is_empty())
            .collect()
    }

    /// The circles of files outside of the unfinished rooms, one a line.
    fn circles(&self) -> Vec<String> {
        let imports: BTreeMap<&Path, BTreeSet<Path>> =
            self.files.keys().map(|module| (module, self.imports(module))).collect();
        let (mut circles, mut told) = (Vec::new(), BTreeSet::new());
        for module in self.files.keys() {
            let Some(circle) = shortest_way_back(module, &imports) else { continue };
            if circle.iter().any(|part| told.contains(part)) {
                continue;
            }
            let names: Vec<&str> = circle.iter().map(|part| self.files[*part].path.as_str()).collect();
            circles.push(format!("{} -> {}", names.join(" -> "), names[0]));
            told.extend(circle);
        }
        circles
    }

    /// The imports within a room that run against its order, and parts that have no place in it.
    fn upward(&self, room: &str, order: &[&str]) -> Vec<String> {
        let place = |module: &Path| match module.get(1) {
            Some(part) => order.iter().position(|known| known == part),
            None => Some(order.len()),
        };
        let mut wrong = Vec::new();
        for (module, file) in
            self.files.iter().filter(|(module, _)| module.first().is_some_and(|at| at == room))
        {
            let Some(from) = place(module) else {
                wrong.push(format!("{} has no place in the order of {room}", file.path));
                continue;
            };
            for to in self.imports(module).into_iter().filter(|to| to[0] == room) {
                if place(&to).is_some_and(|to| to > from) {
                    wrong.push(format!(
                        "{} imports from {}, which comes after it",
                        file.path, self.files[&to].path
                    ));
                }
            }
        }
        wrong
    }
}

fn joined(module: &[String], part: &str) -> Path {
    module.iter().cloned().chain([part.to_owned()]).collect()
}

/// The shortest circle of imports through a module, which comes first in it.
fn shortest_way_back<'a>(
    start: &'a Path,
    imports: &'a BTreeMap<&Path, BTreeSet<Path>>,
) -> Option<Vec<&'a Path>> {
    let mut before: BTreeMap<&Path, &Path> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in &imports[at] {
            if next == start {
                let mut way = vec![at];
                while let Some(&earlier) = before.get(way[way.len() - 1]) {
                    way.push(earlier);
                }
                way.reverse();
                return Some(way);
            }
            if !before.contains_key(next) {
                before.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let mut file = Self { path: path.to_owned(), ..Self::default() };
        let tokens = tokens(text);
        let mut at = 0;
        while at < tokens.len() {
            match tokens[at].as_str() {
                "use" => {
                    at += 1;
                    file.take_tree(&tokens, &mut at, &[]);
                }
                // Who may see something is no import.
                "in" if at > 1 && tokens[at - 2..at] == ["pub", "("] => {
                    at += tokens[at..].iter().take_while(|token| *token != ")").count();
                }
                "mod" if tokens.get(at + 1).is_some_and(|name| name == "tests") => {
                    at = after_block(&tokens, at)
                }
                word if is_word(word) => {
                    let mut path = vec![word.to_owned()];
                    while tokens.get(at + 1).is_some_and(|next| next == "::")
                        && tokens.get(at + 2).is_some_and(|part| is_word(part))
                    {
                        path.push(tokens[at + 2].clone());
                        at += 2;
                    }
                    if path.len() > 1 {
                        file.others.push(path);
                    }
                    at += 1;
                }
                _ => at += 1,
            }
        }
        file
    }

    /// Takes one branch of a `use`, behind `before`.
    fn take_tree(&mut self, tokens: &[String], at: &mut usize, before: &[String]) {
        let mut path = before.to_vec();
        while let Some(token) = tokens.get(*at) {
            *at += 1;
            match token.as_str() {
                "::" => {}
                "{" => {
                    while tokens.get(*at).is_some_and(|token| token != "}") {
                        self.take_tree(tokens, at, &path);
                        *at += usize::from(tokens.get(*at).is_some_and(|token| token == ","));
                    }
                    *at += 1;
                    return;
                }
                word if is_word(word) && word != "as" => path.push(word.to_owned()),
                "as" => {
                    let name = tokens.get(*at).cloned().unwrap_or_default();
                    *at += 1;
                    self.uses.push((path, name));
                    return;
                }
                "*" => {
                    self.others.push(path);
                    return;
                }
                _ => {
                    *at -= 1;
                    break;
                }
            }
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = path.last().cloned().unwrap_or_default();
        self.uses.push((path, name));
    }
}

/// The index behind the block that begins after `at`.
fn after_block(tokens: &[String], at: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => return index + 1,
            "}" => depth -= 1,
            ";" if depth == 0 => return index + 1,
            _ => {}
        }
    }
    tokens.len()
}

fn is_word(token: &str) -> bool {
    token.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_')
}

/// Words, `::` and single marks; comments and the contents of strings left out.
fn tokens(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let letter = |at: usize| letters.get(at).copied().unwrap_or_default();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let begin = at;
        match letters[at] {
            '/' if letter(at + 1) == '/' => at += letters[at..].iter().take_while(|c| **c != '\n').count(),
            '"' => {
                at += 1;
                while at < letters.len() && letters[at] != '"' {
                    at += if letters[at] == '\\' { 2 } else { 1 };
                }
                at += 1;
            }
            '\'' if letter(at + 1) == '\\' => {
                at += 3;
                at += letters[at.min(letters.len())..].iter().take_while(|c| **c != '\'').count() + 1;
            }
            '\'' if letter(at + 2) == '\'' => at += 3,
            'r' if letter(at + 1) == '"' || letter(at + 1) == '#' && matches!(letter(at + 2), '"' | '#') => {
                let marks = letters[at + 1..].iter().take_while(|c| **c == '#').count();
                let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', marks)).collect();
                at += marks + 2;
                at += letters[at..].windows(end.len()).position(|part| part == end).unwrap_or_default();
                at += end.len();
            }
            ':' if letter(at + 1) == ':' => {
                at += 2;
                tokens.push("::".to_owned());
            }
            first if is_word(&first.to_string()) => {
                while at < letters.len() && is_word(&letters[at].to_string()) {
                    at += 1;
                }
                tokens.push(letters[begin..at].iter().collect());
            }
            other => {
                at += 1;
                if !other.is_whitespace() {
                    tokens.push(other.to_string());
                }
            }
        }
    }
    tokens
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = House::of(files()).circles();
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}

#[test]
fn within_a_room_imports_run_one_way() {
    let house = House::of(files());
    let wrong: Vec<String> = ORDERS.iter().flat_map(|(room, order)| house.upward(room, order)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    for (room, order) in ORDERS {
        let is_there = |part: &&str| house.files.contains_key(&[room.to_owned(), (*part).to_owned()][..]);
        let gone: Vec<&&str> = order.iter().filter(|part| !is_there(part)).collect();
        assert!(gone.is_empty(), "the order of {room} names what is not there: {gone:?}");
    }
}

/// The house with a line more in one of its files.
fn with_line(file: &str, line: &str) -> House {
    let mut files = files();
    let (_, text) = files.iter_mut().find(|(path, _)| path == file).expect("a file of the house");
    *text = format!("{line}\n{text}");
    House::of(files)
}

#[test]
fn each_kind_of_circle_and_of_upward_import_is_seen() {
    let (decoding, order) = ORDERS[0];
    // By a whole path, through a face, from a parent, inside of code, by a name of a module.
    for line in [
        "use crate::decoding::begin::begin;",
        "use crate::decoding::{DecodingError, begin_with};",
        "use super::begin;",
        "use super::{\n    error, begin as first,\n};",
        "fn first() { crate::decoding::check_prompt(&[]) }",
        "fn first() { super::begin::begin() }",
        "use super::begin::*;",
    ] {
        let house = with_line("decoding/row.rs", line);
        let circles = house.circles();
        assert_eq!(circles.len(), 1, "{line}: {circles:?}");
        assert!(
            circles[0].contains("decoding/row.rs") && circles[0].contains("decoding/begin.rs"),
            "{circles:?}"
        );
        let wrong = house.upward(decoding, order);
        assert_eq!(wrong, ["decoding/row.rs imports from decoding/begin.rs, which comes after it"], "{line}");
    }
    let (gpu, rooms) = ORDERS.into_iter().find(|(room, _)| *room == "gpu").expect("a room");
    let wrong = with_line("gpu/kernels/choice.rs", "use crate::gpu::device::Device;").upward(gpu, rooms);
    assert_eq!(wrong, ["gpu/kernels/choice.rs imports from gpu/device/handle.rs, which comes after it"]);
    // Upward although there is no circle.
    let house = with_line("decoding/constraint.rs", "use super::random::uniform;");
    assert_eq!(house.circles(), [""; 0]);
    assert_eq!(house.upward(decoding, order).len(), 1);
    // From the face itself.
    let line = "use super::FacesOwn;";
    let wrong = with_line("decoding/row.rs", line).upward(decoding, order);
    assert_eq!(wrong, ["decoding/row.rs imports from decoding/mod.rs, which comes after it"]);
    // A file without a place.
    let mut files = files();
    files.push(("decoding/attic.rs".to_owned(), String::new()));
    assert_eq!(
        House::of(files).upward(decoding, order),
        ["decoding/attic.rs has no place in the order of decoding"]
    );

    for line in [
        "// use super::begin;",
        "const TEXT: &str = \"crate::decoding::begin\";",
        "const TEXT: &str = r#\"use \"super::begin\";\"#;",
        "mod tests { use crate::decoding::begin::begin; }",
        "use super::error::DecodingError;",
        "const MARK: char = '\"'; // crate::decoding::begin",
        "pub(in crate::decoding) fn first() {}",
        "use std::begin;",
    ] {
        let house = with_line("decoding/row.rs", line);
        assert_eq!(house.circles(), [""; 0], "{line}");
        assert_eq!(house.upward(decoding, order), [""; 0], "{line}");
    }
}
