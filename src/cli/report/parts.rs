//! The parts of the report, the most telling first.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::arguments::Report;
use crate::synthetic::shapes::{SMALL_TO_LARGE, WITH_STATES};

/// A process to run.
pub(super) struct Part {
    pub name: String,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, PathBuf)>,
    pub limit: Duration,
    pub output: Output,
    /// What it needs and is not there.
    pub missing: Option<String>,
    /// Whether it may run beside its neighbours that may: it measures no time.
    pub together: bool,
}

/// What a process prints to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// One JSON object.
    Object,
    /// A JSON object a line, each a result.
    Lines,
    /// What Rust's test harness prints.
    Tests,
}

/// In the folder of checkpoints, the names of those that are tested, one a line: their plans have every op and their
/// weights every format between them.
const CHECKPOINTS: &str = "gpu_report.txt";

/// The themes of the test suite that hold single ops to their twins.
const OP_THEMES: [&str; 3] = ["kernels", "attention", "matrices"];
/// Those that run whole models on the GPU.
const MODEL_THEMES: [&str; 12] = [
    "engine",
    "fused",
    "selection",
    "families",
    "chained",
    "weights",
    "measuring",
    "gguf::",
    "gguf_families",
    "quantised::the_gpu",
    "branches",
    "drafts",
];
/// Likewise those for software drivers, where compiling the kernels of all takes minutes.
const QUICK_THEMES: [&str; 3] = ["engine", "fused", "chained"];

/// Before the name of a shape of which one layer is measured.
pub(super) const ONE_LAYER: &str = "one layer of ";

/// Most lines and letters of a failed test's message that are kept.
const MOST_LINES: usize = 30;
const MOST_LETTERS: usize = 600;

/// The adapters, with their limits: first, because the rest depends on them.
pub(super) fn adapters(program: &Path, arguments: &Report) -> Part {
    Maker { program, options: arguments, quick: arguments.quick }.own(
        "adapters",
        &["adapters", "--json", "-v"],
        20,
    )
}

/// The adapter that the parts will use, in the answer of `adapters`; null where there is none.
pub(super) fn chosen_adapter<'a>(answer: &'a Value, arguments: &Report) -> &'a Value {
    let adapters = answer["adapters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_chosen = |adapter: &&Value| match &arguments.adapter {
        None => adapter["problem"].is_null(),
        Some(choice) => match choice.parse::<u64>() {
            Ok(index) => adapter["index"] == index,
            Err(_) => {
                let name = adapter["name"].as_str().unwrap_or_default().to_lowercase();
                name.contains(&choice.to_lowercase())
            }
        },
    };
    adapters.iter().find(is_chosen).unwrap_or(&Value::Null)
}

/// All other parts.
pub(super) fn after_adapters(program: &Path, options: &Report, quick: bool, adapter: &Value) -> Vec<Part> {
    let maker = Maker { program, options, quick };
    let [small, middle, large] = SMALL_TO_LARGE;
    let has_matrix_units =
        adapter["details"]["cooperative matrices"].as_str().is_some_and(|told| told != "no");
    let mut parts = vec![maker.start("start, cold"), maker.check("self-test of the built-in model", &[])];
    parts.push(maker.speed(small, "f16", Depth::Short));
    parts.push(maker.speed(small, "q4_0", Depth::Short));
    parts.push(maker.torch(small));
    if !quick {
        // Software drivers get the kernels of a small model.
        parts.push(maker.kernels(large));
        parts.push(maker.speed(large, "f16", Depth::Both));
    }
    parts.extend(maker.checkpoints());
    if !quick {
        parts.push(maker.suite("of ops ", &OP_THEMES));
    }
    parts.push(maker.suite("of models ", if quick { &QUICK_THEMES } else { &MODEL_THEMES }));
    parts.push(maker.speed(small, "f16", Depth::Long));
    parts.push(maker.speed(small, "q4_0", Depth::Long));
    parts.push(maker.matrices(small, "f16", has_matrix_units));
    parts.push(maker.matrices(small, "q4_0", has_matrix_units));
    parts.push(maker.speed(small, "q8_0", Depth::Short));
    parts.push(maker.speed(small, "q4_k", Depth::Short));
    parts.push(maker.start("start, warm"));
    parts.push(maker.kernels(small));
    parts.push(maker.compiled());
    parts.push(maker.submission());
    parts.push(maker.speed(WITH_STATES, "q4_0", Depth::Short));
    for shape in [middle, large] {
        for weights in ["q4_0", "f16", "q4_k", "q8_0"] {
            if quick || (shape, weights) != (large, "f16") {
                parts.push(maker.speed(shape, weights, Depth::Both));
            }
        }
        parts.push(maker.torch(shape));
    }
    let is_asked_for = |part: &Part| options.only.iter().any(|text| part.name.contains(text.as_str()));
    parts.retain(|part| options.only.is_empty() || is_asked_for(part));
    parts
}

/// Positions in the cache before the steps that are measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Few; prompts of all lengths are measured too.
    Short,
    /// Many; prompts go through the kernels without matrix units.
    Long,
    /// Few and many, and prompts.
    Both,
}

struct Maker<'a> {
    program: &'a Path,
    options: &'a Report,
    quick: bool,
}

impl Maker<'_> {
    /// A command of this program, on the adapter that was chosen.
    fn own(&self, name: &str, arguments: &[&str], seconds: u64) -> Part {
        let mut arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        if arguments[0] != "adapters" {
            arguments.extend(self.adapter());
        }
        Part {
            name: name.to_owned(),
            program: self.program.to_owned(),
            arguments,
            environment: Vec::new(),
            limit: Duration::from_secs(seconds),
            output: Output::Object,
            missing: None,
            together: false,
        }
    }

    /// The option that chooses the adapter, where one was chosen.
    fn adapter(&self) -> impl Iterator<Item = String> {
        self.options.adapter.iter().flat_map(|adapter| ["--adapter".to_owned(), adapter.clone()])
    }

    /// From nothing to eight tokens of the built-in model's tale.
    fn start(&self, name: &str) -> Part {
        self.own(name, &["generate", "-p", "Once upon a time", "-n", "8", "--json"], 60)
    }

    fn check(&self, name: &str, model: &[&str]) -> Part {
        self.own(name, &[&["check", "--json"], model].concat(), 30)
    }

    fn checkpoints(&self) -> Vec<Part> {
        let left_out = |reason: String| {
            vec![Part { missing: Some(reason), ..self.check("self-test of small checkpoints", &[]) }]
        };
        let Some(folder) = &self.options.checkpoints else { return left_out("no --checkpoints".to_owned()) };
        let names = match std::fs::read_to_string(folder.join(CHECKPOINTS)) {
            Ok(names) => names,
            Err(error) => return left_out(format!("{CHECKPOINTS} in --checkpoints: {error}")),
        };
        let check = |name: &str| {
            let part = format!("self-test of {}", name.rsplit('/').next().unwrap_or(name));
            let check = self.check(&part, &["-m", &folder.join(name).to_string_lossy()]);
            Part { together: true, ..check }
        };
        names.lines().map(check).collect()
    }

    /// What is measured of a shape, in words: a quick report takes one of its layers.
    fn of(&self, shape: &str) -> String {
        if self.quick { format!("{ONE_LAYER}{shape}") } else { shape.to_owned() }
    }

    fn speed(&self, shape: &str, weights: &str, depth: Depth) -> Part {
        let of = self.of(shape);
        let (pp, tg) = if self.quick { ("32,64", "4") } else { ("128,512,2048", "64") };
        let (few, many) = if self.quick { ("16", "64") } else { ("64", "2048") };
        let both = format!("{few},{many}");
        let mut arguments = vec!["--repeat", "2", "--tg", tg];
        // The formats that the program makes itself are made as it would; the others come stored so.
        arguments.extend([if weights.ends_with("_k") { "--stored" } else { "--weights" }, weights]);
        let (name, seconds) = match depth {
            Depth::Short => {
                arguments.extend(["--pp", pp, "--depth", few]);
                (format!("{of} {weights}"), 45)
            }
            Depth::Long => {
                let one = if self.quick { "32" } else { "512" };
                arguments.extend(["--pp", one, "--prompt-kernels", "plain", "--depth", many]);
                (format!("{of} {weights}, {many} positions, prompts without matrix units"), 45)
            }
            Depth::Both => {
                arguments.extend(["--pp", pp, "--depth", &both]);
                (format!("{of} {weights}"), 60)
            }
        };
        self.bench(&name, shape, &arguments, seconds)
    }

    /// A bench of a shape; of one of its layers where there is no time for more.
    fn bench(&self, name: &str, shape: &str, options: &[&str], seconds: u64) -> Part {
        let layers: &[&str] = if self.quick { &["--layers", "1"] } else { &[] };
        self.own(name, &[&["bench", "--json", "--shape", shape], options, layers].concat(), seconds)
    }

    fn matrices(&self, shape: &str, weights: &str, has_units: bool) -> Part {
        let pp = if self.quick { "32" } else { "512,2048" };
        let name = format!("{} {weights}, prompts by matrix units", self.of(shape));
        let options = ["--weights", weights, "--pp", pp, "--tg", "4", "--prompt-kernels", "matrices"];
        let part = self.bench(&name, shape, &options, 30);
        Part { missing: (!has_units).then(|| "the adapter has no matrix units".to_owned()), ..part }
    }

    /// Another program that was given, with what it needs.
    fn other(&self, name: &str, program: Option<&PathBuf>, option: &str, seconds: u64) -> Part {
        Part {
            name: name.to_owned(),
            program: program.cloned().unwrap_or_default(),
            arguments: Vec::new(),
            environment: Vec::new(),
            limit: Duration::from_secs(seconds),
            output: Output::Lines,
            missing: program.is_none().then(|| format!("no {option}")),
            together: false,
        }
    }

    fn suite(&self, of: &str, themes: &[&str]) -> Part {
        let name = format!("the project's tests {of}on the GPU");
        let mut part = self.other(&name, self.options.suite.as_ref(), "--suite", 75);
        part.arguments = themes.iter().map(|theme| format!("suite::{theme}")).collect();
        // A test that fails tells why at once: what the harness keeps for its end is lost at the limit.
        part.arguments.push("--nocapture".to_owned());
        part.environment.push(("RUST_BACKTRACE".to_owned(), "0".into()));
        part.environment.push(("LOGITSCOPE".to_owned(), self.program.to_owned()));
        // The fixtures are in tests/fixtures of this folder.
        let root = self.options.checkpoints.as_deref().and_then(Path::parent).and_then(Path::parent);
        part.environment.extend(root.map(|root| ("CARGO_MANIFEST_DIR".to_owned(), root.to_owned())));
        part.output = Output::Tests;
        part
    }

    fn kernels(&self, shape: &str) -> Part {
        // Software drivers get the layer of a small model.
        let shape = if self.quick { "stories15m" } else { shape };
        let name = format!("kernels of {shape}");
        let mut part = self.other(&name, self.options.kernels.as_ref(), "--kernels", 60);
        part.arguments = ["--json", "--filter", shape].map(str::to_owned).to_vec();
        part.arguments.extend(self.adapter());
        part
    }

    /// What the driver's compiler makes of every kernel.
    fn compiled(&self) -> Part {
        let mut part = self.other("compiled kernels", self.options.compiled.as_ref(), "--compiled", 45);
        part.arguments = ["--here", "--json"].map(str::to_owned).to_vec();
        part
    }

    fn submission(&self) -> Part {
        let mut part =
            self.other("what a step costs the CPU", self.options.submission.as_ref(), "--submission", 30);
        part.arguments.push("--json".to_owned());
        part.arguments.extend(self.adapter());
        part
    }

    /// The same shape in PyTorch.
    fn torch(&self, shape: &str) -> Part {
        let name = format!("{} in PyTorch", self.of(shape));
        let mut part = self.other(&name, self.options.pytorch.as_ref(), "--pytorch", 75);
        let script = std::mem::replace(&mut part.program, self.options.python.clone());
        part.arguments = vec![script.to_string_lossy().into_owned(), shape.to_owned()];
        if self.quick {
            part.arguments.push("--quick".to_owned());
        }
        part
    }
}

impl Part {
    /// The arguments for a reader: of paths the last name alone, which says nothing about this machine.
    pub(super) fn command(&self) -> String {
        let name = |argument: &String| match argument.rsplit_once(std::path::is_separator) {
            Some((_, name)) => name.to_owned(),
            None => argument.clone(),
        };
        self.arguments.iter().map(name).collect::<Vec<_>>().join(" ")
    }
}

impl Output {
    /// What was printed so far to stdout, and to stderr, as JSON.
    pub(super) fn read(self, printed: &str, messages: &str) -> Value {
        let object = |line: &str| serde_json::from_str::<Value>(line).ok().filter(Value::is_object);
        match self {
            Self::Object => object(printed.trim()).unwrap_or(Value::Null),
            Self::Lines => printed.lines().filter_map(object).collect(),
            Self::Tests => {
                let ended = |how: &str| -> Vec<&str> {
                    printed.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(how)).collect()
                };
                let (passed, failed) = (ended(" ... ok"), ended(" ... FAILED"));
                let reasons: Vec<Value> = panics(messages)
                    .filter(|(test, _)| !passed.contains(test))
                    .map(|(test, reason)| json!({ "test": test, "reason": reason }))
                    .collect();
                json!({ "passed": passed.len(), "failed": failed, "reasons": reasons })
            }
        }
    }
}

/// The panics in what Rust's runtime prints to stderr: the name of the thread, which is its test's, then place and message.
fn panics(messages: &str) -> impl Iterator<Item = (&str, String)> {
    // `thread 'NAME' (ID) panicked at PLACE:` and lines of the message.
    messages.split("\nthread '").filter_map(|part| {
        let (name, rest) = part.trim_start().trim_start_matches("thread '").split_once('\'')?;
        let (_, told) = rest.split_once("panicked at ")?;
        let lines = told.lines().take_while(|line| !line.is_empty() && !line.starts_with("note: "));
        let told = lines.take(MOST_LINES).map(str::trim).collect::<Vec<_>>().join(" ");
        Some((name, told.chars().take(MOST_LETTERS).collect()))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::WeightFormat;
    use crate::session::{ModelSource, Opened, WeightsChoice};

    #[test]
    fn the_checkpoints_have_every_op_and_every_format_of_weights() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let names = std::fs::read_to_string(fixtures.join(CHECKPOINTS)).expect("the list");
        let (mut ops, mut formats) = (BTreeSet::new(), BTreeSet::new());
        for name in names.lines() {
            let source = ModelSource::Path(fixtures.join(name));
            let opened =
                Opened::open(&source, None, WeightsChoice::Original).expect("a checkpoint of the tests");
            let fused = opened.fused();
            ops.extend(fused.plan.ops.iter().chain(&opened.plan.ops).map(|op| op.name()));
            formats.extend(opened.file.weights.tensors().iter().map(|tensor| tensor.format));
        }
        // Of groups each kind of codes and of factors: the largest do not fit into rows of tests.
        let parts = |format: &WeightFormat| match format {
            WeightFormat::Groups(format) => {
                vec![format!("groups of {:?}", format.codes), format!("groups with {:?}", format.factors)]
            }
            _ => vec![format.name().to_owned()],
        };
        let found: BTreeSet<String> = formats.iter().flat_map(parts).collect();
        let expected: BTreeSet<String> = WeightFormat::ALL.iter().flat_map(parts).collect();
        assert_eq!(found, expected);
        // Every op that has a kernel; the plan names them.
        let all = [
            "embed",
            "norm",
            "head norm",
            "head linear",
            "linear",
            "rotary",
            "cache write",
            "attention",
            "activate",
            "xielu",
            "gate",
            "add",
            "scale",
            "soft cap",
            "route",
            "expert linear",
            "mix",
            "gate rows",
            "pick",
            "clamp",
            "reorder",
        ];
        assert_eq!(ops, BTreeSet::from(all));
    }

    #[test]
    fn the_adapter_is_the_chosen_one_or_the_first_that_works() {
        use clap::Parser;
        let chosen = |adapter: &[&str]| {
            let typed = crate::cli::Arguments::parse_from([&["logitscope", "report"], adapter].concat());
            let Some(crate::cli::Command::Report(report)) = typed.command else {
                unreachable!("typed above")
            };
            let adapters = json!({"adapters": [
                {"index": 0, "name": "Null 12", "kind": "integrated GPU", "problem": "lost"},
                {"index": 1, "name": "llvmpipe 15", "kind": "CPU"},
                {"index": 2, "name": "Voodoo 12", "kind": "discrete GPU"},
            ]});
            chosen_adapter(&adapters, &report)["index"].clone()
        };
        assert_eq!(chosen(&[]), 1);
        assert_eq!(chosen(&["--adapter", "2"]), 2);
        assert_eq!(chosen(&["--adapter", "0"]), 0);
        assert_eq!(chosen(&["--adapter", "voodoo"]), 2);
        assert_eq!(chosen(&["--adapter", "3"]), Value::Null);
    }

    #[test]
    fn what_the_test_harness_prints_is_counted_while_it_prints() {
        let printed = "\nrunning 3 tests\ntest suite::a ... ok\ntest suite::b ... FAILED\ntest suite::c ... ok\n\
            ";
        let messages = "\nthread 'suite::b' (71) panicked at tests/suite/b.rs:3:5:\nassertion failed\n  left: 1\n\
            note: run with `RUST_BACKTRACE=1`\n\nthread 'suite::c' (72) panicked at tests/suite/c.rs:1:1:\nmeant to\n\
            \nthread 'suite::d' (73) panicked at tests/suite/d.rs:9:9:\nstill running";
        let read = Output::Tests.read(printed, messages);
        assert_eq!((&read["passed"], &read["failed"]), (&json!(2), &json!(["suite::b"])));
        let reason = |test, reason| json!({"test": test, "reason": reason});
        let expected = [
            reason("suite::b", "tests/suite/b.rs:3:5: assertion failed left: 1"),
            reason("suite::d", "tests/suite/d.rs:9:9: still running"),
        ];
        assert_eq!(read["reasons"], json!(expected), "of those that failed, in the order that they did");
    }
}
