//! The page of text: the same figures for a person. What each number means and should be is in `docs/gpu-report.md`.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::answer::{Entry, ReportJson, State};
use super::parts::ONE_LAYER;
use crate::cli::output::{rate, seconds};
use crate::units::{bytes, counted};

/// Ops of a step that are told, the costliest first.
const MOST_OPS: usize = 8;
/// Kernels that are told of each regime, those with the smallest share first.
const MOST_KERNELS: usize = 8;
/// Most rows of a pass that memory bounds: its kernels are told as shares of the bandwidth.
const FEW_ROWS: usize = 8;

/// The page.
pub(super) fn text(answer: &ReportJson) -> String {
    let mut page = Page(String::new());
    let system = &answer.system;
    page.line(&format!(
        "Logitscope {}: GPU report, after {:.0} s{}",
        answer.program,
        answer.seconds,
        if answer.quick { ", quick: one layer of each shape, short prompts" } else { "" }
    ));
    page.line(&format!("{} {}, {} processors", system.os, system.architecture, system.processors));
    page.adapters(answer);
    page.troubles(answer);
    page.checks(answer);
    page.starts(answer);
    page.speeds(answer);
    page.torch(answer);
    page.steps(answer);
    page.suite(answer);
    page.kernels(answer);
    page.compiled(answer);
    page.submission(answer);
    page.not_done(answer);
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, line: &str) {
        self.0 += line.trim_end();
        self.0.push('\n');
    }

    fn title(&mut self, title: &str) {
        self.line("");
        self.line(title);
    }

    fn adapters(&mut self, answer: &ReportJson) {
        for adapter in list(&answer.parts[0].answer["adapters"]) {
            self.title(&format!("{}: {}", adapter["index"], words(&adapter["name"])));
            self.line(&format!(
                "  {}, {}, driver {}",
                words(&adapter["backend"]),
                words(&adapter["kind"]),
                words(&adapter["driver"])
            ));
            for (what, much) in adapter["details"].as_object().into_iter().flatten() {
                self.line(&format!("  {what:<26} {}", words(much)));
            }
            if let Some(problem) = adapter["problem"].as_str() {
                self.line(&format!("  cannot be used: {problem}"));
            }
            for variant in list(&adapter["variants"]) {
                self.line(&format!("  kernels: {}", words(variant)));
            }
        }
    }

    /// What went wrong, before any figure.
    fn troubles(&mut self, answer: &ReportJson) {
        let troubled = |entry: &&Entry| matches!(entry.state, State::Failed | State::OutOfTime);
        let troubles: Vec<&Entry> = answer.parts.iter().filter(troubled).collect();
        if troubles.is_empty() {
            return;
        }
        self.title("WHAT WENT WRONG");
        for entry in troubles {
            self.line(&format!(
                "  {}: {}",
                entry.name,
                entry.error.as_deref().unwrap_or("no reason was told")
            ));
        }
    }

    fn checks(&mut self, answer: &ReportJson) {
        let checks: Vec<&Entry> = named(answer, |name| name.starts_with("self-test")).collect();
        if checks.is_empty() {
            return;
        }
        self.title("Self-test: every op on the GPU against its twin on the CPU; the share of the tolerance that the worst op takes");
        for entry in checks {
            let share = entry.answer["worst"]["share"].as_f64();
            let verdict = match (entry.answer["passed"].as_bool(), share) {
                (Some(true), Some(share)) => {
                    format!("all {} agree, {:.0} %", entry.answer["ops"], 100.0 * share)
                }
                (Some(false), Some(share)) => format!(
                    "WRONG: {} at {share:.1} times the tolerance",
                    words(&entry.answer["worst"]["name"])
                ),
                _ => unfinished(entry).to_owned(),
            };
            self.line(&format!("  {:<34} {verdict}", entry.name.trim_start_matches("self-test of ")));
        }
    }

    fn starts(&mut self, answer: &ReportJson) {
        for entry in named(answer, |name| name.starts_with("start, ")) {
            if entry.name.ends_with("cold") {
                self.title("Start of the program to eight tokens of the built-in model, by the clock");
            }
            let load = entry.answer["phases"]["load"]["seconds"].as_f64();
            let load = load.map_or_else(
                || unfinished(entry).to_owned(),
                |load| format!("of these loading {}", seconds(load)),
            );
            self.line(&format!(
                "  {:<12} {:>9}   {load}",
                entry.name.trim_start_matches("start, "),
                seconds(entry.seconds)
            ));
        }
    }

    fn speeds(&mut self, answer: &ReportJson) {
        let speeds: Vec<&Entry> = benches(answer).collect();
        let Some(first) = speeds.first() else { return };
        self.title(&format!(
            "Speed, random weights of real shapes. Copy bandwidth {:.1} GB/s, f32 arithmetic {:.2} TFLOP/s",
            number(&first.answer["copy_bandwidth_bytes_per_s"]) / 1e9,
            number(&first.answer["f32_operations_per_s"]) / 1e12
        ));
        for entry in speeds {
            let found = &entry.answer;
            self.line(&format!(
                "  {}: load {}, {}",
                entry.name,
                seconds(number(&found["load_seconds"])),
                bytes(number(&found["weight_bytes"]) as u64)
            ));
            let prompts = list(&found["pp"])
                .iter()
                .map(|speed| format!("pp{} {:.0}", speed["tokens"], number(&speed["tokens_per_s"])));
            // Of the whole model it would be less.
            let of = if entry.name.starts_with(ONE_LAYER) { ", one layer" } else { "" };
            self.line(&format!("    {} tokens/s{of}", prompts.collect::<Vec<_>>().join("   ")));
            for speed in list(&found["tg"]) {
                let waited = match number(&speed["waited_tokens_per_s"]) {
                    waited if waited == number(&speed["tokens_per_s"]) => String::new(),
                    waited => format!("; {waited:.1} waiting for each"),
                };
                self.line(&format!(
                    "    steps after {}: {:.1} tokens/s{of}, {:.1} % of the copy bandwidth{waited}",
                    counted(number(&speed["depth"]) as usize, "position"),
                    number(&speed["tokens_per_s"]),
                    100.0 * number(&speed["bandwidth_share"]),
                ));
            }
        }
    }

    fn torch(&mut self, answer: &ReportJson) {
        for entry in named(answer, |name| name.ends_with("in PyTorch")).filter(|entry| is_told(entry)) {
            self.title(&entry.name);
            let of = if entry.name.starts_with(ONE_LAYER) { ", one layer" } else { "" };
            for row in list(&entry.answer) {
                match (row["tokens_per_s"].as_f64(), row["what"].as_str()) {
                    (Some(speed), Some(what)) => {
                        self.line(&format!("  {what:<44} {speed:>10.1} tokens/s{of}"))
                    }
                    (None, Some(what)) => self.line(&format!("  {what:<44} {}", words(&row["told"]))),
                    _ => {}
                }
            }
        }
    }

    /// Where the time of a step goes, for the first shape that was measured.
    fn steps(&mut self, answer: &ReportJson) {
        for entry in benches(answer).filter(|entry| !entry.answer["step"].is_null()).take(2) {
            let step = &entry.answer["step"];
            self.title(&format!(
                "A step of {} at {}",
                entry.name,
                counted(number(&step["context"]) as usize, "position")
            ));
            let gpu = step["gpu_seconds"].as_f64();
            self.line(&format!(
                "  {} from call to logits, {} until the GPU has its commands, {} of the GPU; {} dispatches",
                seconds(number(&step["seconds"])),
                seconds(number(&step["encode_seconds"])),
                gpu.map_or_else(|| "an unknown time".to_owned(), seconds),
                step["dispatches"]
            ));
            let sum: f64 = list(&step["ops"]).iter().map(|op| number(&op["gpu_seconds"])).sum();
            for op in list(&step["ops"]).iter().take(MOST_OPS) {
                let spent = number(&op["gpu_seconds"]);
                let mut line = format!(
                    "    {:>3} × {:<44} {:>9} {:>5.1} %",
                    op["count"].to_string(),
                    words(&op["op"]),
                    seconds(spent),
                    100.0 * rate(spent, sum)
                );
                if number(&op["weight_bytes"]) > 0.0 {
                    let _ = write!(
                        line,
                        "   {:.0} % of the copy bandwidth",
                        100.0 * number(&op["bandwidth_share"])
                    );
                }
                self.line(&line);
            }
        }
    }

    fn suite(&mut self, answer: &ReportJson) {
        let is_suite = |name: &str| name.starts_with("the project's tests");
        for entry in named(answer, is_suite).filter(|entry| is_told(entry)) {
            let failed = list(&entry.answer["failed"]);
            self.title(&format!(
                "{}: {} passed, {} failed",
                entry.name,
                entry.answer["passed"],
                failed.len()
            ));
            failed.iter().for_each(|name| self.line(&format!("  {}", words(name))));
            for panic in list(&entry.answer["reasons"]) {
                self.line(&format!("    {}: {}", words(&panic["test"]), words(&panic["reason"])));
            }
        }
    }

    fn kernels(&mut self, answer: &ReportJson) {
        for entry in named(answer, |name| name.starts_with("kernels of")).filter(|entry| is_told(entry)) {
            // The others hardly read or compute anything.
            let counts =
                |row: &&Value| ["linear", "attention"].iter().any(|op| words(&row["kernel"]).contains(op));
            let rows: Vec<&Value> = list(&entry.answer).iter().filter(counts).collect();
            self.title(&format!(
                "{}: {} of linear maps and attention; those that reach least",
                entry.name,
                rows.len()
            ));
            let is_few = |row: &&Value| number(&row["rows"]) <= FEW_ROWS as f64;
            let (few, many) = rows.into_iter().partition(is_few);
            self.least(few, "bandwidth_share", "of the copy bandwidth");
            self.least(many, "f32_share", "of the f32 rate");
        }
    }

    fn least(&mut self, mut rows: Vec<&Value>, share: &str, of: &str) {
        rows.sort_by(|one, other| number(&one[share]).total_cmp(&number(&other[share])));
        for row in rows.into_iter().take(MOST_KERNELS) {
            let percent = 100.0 * number(&row[share]);
            let time = 1e6 * number(&row["seconds"]);
            self.line(&format!("  {:<100} {time:>9.1} µs {percent:>6.1} % {of}", words(&row["kernel"])));
        }
    }

    /// What the driver counts of each kernel, under the driver's own names: the largest of each count.
    fn compiled(&mut self, answer: &ReportJson) {
        for entry in named(answer, |name| name == "compiled kernels").filter(|entry| is_told(entry)) {
            let rows: Vec<&Value> =
                list(&entry.answer).iter().filter(|row| row["compiled"].is_string()).collect();
            self.title(&format!(
                "What the driver's compiler made of {} kernels, the largest of each count",
                rows.len()
            ));
            let counts = |row: &&Value| {
                row["here"].as_object().map(|counts| counts.keys().cloned().collect::<Vec<_>>())
            };
            let names: BTreeSet<String> = rows.iter().filter_map(counts).flatten().collect();
            for name in names {
                let of = |row: &&&Value| number(&row["here"][&name]) as u64;
                if let Some(most) = rows.iter().max_by_key(of) {
                    self.line(&format!("  {name:<30} {:>10}   {}", of(&most), words(&most["compiled"])));
                }
            }
        }
    }

    fn submission(&mut self, answer: &ReportJson) {
        let is_submission = |name: &str| name == "what a step costs the CPU";
        for row in named(answer, is_submission).flat_map(|entry| list(&entry.answer)) {
            self.title("What a step of 28 layers costs the CPU: least, median");
            for (key, what) in [
                ("encode", "until the GPU has commands recorded ahead"),
                ("ahead", "recording them while it computes"),
                ("encode_anew", "until the GPU has commands recorded anew"),
            ] {
                let told = |place: usize| 1e3 * number(&row[key][place]);
                self.line(&format!("  {what:<44} {:.3} ms, {:.3} ms", told(0), told(1)));
            }
        }
    }

    fn not_done(&mut self, answer: &ReportJson) {
        let left: Vec<&Entry> = answer.parts.iter().filter(|entry| entry.state == State::LeftOut).collect();
        let waiting: Vec<&str> = answer
            .parts
            .iter()
            .filter(|entry| matches!(entry.state, State::Waiting | State::Running))
            .map(|entry| entry.name.as_str())
            .collect();
        if !left.is_empty() {
            self.title("Left out");
            for entry in left {
                self.line(&format!("  {}: {}", entry.name, entry.error.as_deref().unwrap_or_default()));
            }
        }
        if !waiting.is_empty() {
            self.title("Not done when this was written");
            waiting.iter().for_each(|name| self.line(&format!("  {name}")));
        }
    }
}

fn named<'a>(answer: &'a ReportJson, is: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = &'a Entry> {
    answer.parts.iter().filter(move |entry| is(&entry.name) && !is_ahead(entry))
}

/// The parts that `bench` made and that told something.
fn benches(answer: &ReportJson) -> impl Iterator<Item = &Entry> {
    answer.parts.iter().filter(|entry| entry.answer["tg"].is_array())
}

fn is_ahead(entry: &Entry) -> bool {
    matches!(entry.state, State::Waiting | State::LeftOut)
}

fn is_told(entry: &Entry) -> bool {
    !entry.answer.is_null()
}

fn unfinished(entry: &Entry) -> &'static str {
    if entry.state == State::Running { "under way" } else { "no answer, see above" }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn words(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}
