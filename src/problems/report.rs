//! One report: its text, and its file.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;

/// How many reports are kept, the newest ones.
const MOST: usize = 20;
/// How many one start of the program writes: whatever breaks again and again is told often enough by then.
const MOST_OF_ONE_START: usize = 5;
/// Lines of a backtrace that are kept.
const MOST_LINES: usize = 120;
const BEGINNING: &str = "problem-";

static WRITTEN: AtomicUsize = AtomicUsize::new(0);

/// What broke.
pub(super) struct Report {
    text: String,
    stamp: String,
}

/// A report that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its file.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

impl Report {
    /// A report of what broke just now.
    pub(super) fn now(what: &str, backtrace: &str, adapter: Option<String>) -> Self {
        let now = Timestamp::now();
        let mut text = format!(
            "what: {what}\nwhen: {}\nprogram: Logitscope {}\nsystem: {} {}\nadapter: {}\n",
            now.strftime("%Y-%m-%d %H:%M:%S UTC"),
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH,
            adapter.unwrap_or_else(|| "none in use".to_owned()),
        );
        if !backtrace.is_empty() {
            text.push_str("where:\n");
            backtrace.lines().take(MOST_LINES).for_each(|line| {
                text.push_str(line);
                text.push('\n');
            });
        }
        Self { text, stamp: now.strftime("%Y%m%d-%H%M%S").to_string() }
    }

    /// Writes it into a folder, and lets the oldest ones there go. `None` if that cannot be: nobody is left to tell.
    pub(super) fn write(&self, folder: &Path) -> Option<PathBuf> {
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        if number >= MOST_OF_ONE_START {
            return None;
        }
        fs::create_dir_all(folder).ok()?;
        let path = folder.join(format!("{BEGINNING}{}-{}-{number}.txt", self.stamp, std::process::id()));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path).ok()?;
        file.write_all(self.text.as_bytes()).ok()?;
        let reports = reports(folder);
        for old in reports.iter().rev().skip(MOST) {
            // One that stays does no harm.
            let _ = fs::remove_file(old);
        }
        Some(path)
    }
}

/// The reports of a folder, the oldest first.
fn reports(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.path());
    let is_report = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(BEGINNING) && name.ends_with(".txt")
    };
    let mut reports: Vec<PathBuf> = names.filter(is_report).collect();
    reports.sort();
    reports
}

/// The newest report of a folder that can be read.
pub(super) fn newest(folder: &Path) -> Option<Written> {
    let mut reports = reports(folder);
    reports.reverse();
    reports.into_iter().find_map(|path| Some(Written { text: fs::read_to_string(&path).ok()?, path }))
}

/// The first line of a message, without what stands in quotes: that may be somebody's text.
pub(super) fn without_quotes(message: &str) -> String {
    /// What Rust itself puts in quotes.
    const KNOWN: [&str; 5] = ["Option::unwrap()", "Result::unwrap()", "None", "Err", "Ok"];
    let line = message.lines().next().unwrap_or_default();
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['`', '"', '\'']) {
        let (before, quoted) = rest.split_at(at);
        text.push_str(before);
        let mark = quoted.chars().next().unwrap_or_default();
        text.push(mark);
        let (inside, after) = inside_quotes(&quoted[1..], mark);
        text.push_str(if KNOWN.contains(&inside) { inside } else { "…" });
        let Some(after) = after else { return text };
        text.push(mark);
        rest = after;
    }
    text.push_str(rest);
    text
}

/// What stands before the next mark that nothing escapes, and what stands after it.
fn inside_quotes(text: &str, mark: char) -> (&str, Option<&str>) {
    let mut is_escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            character if character == mark => return (&text[..at], Some(&text[at + 1..])),
            _ => {}
        }
    }
    (text, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebodys_text_is_left_out() {
        for (message, kept) in [
            (
                "index out of bounds: the len is 3 but the index is 7",
                "index out of bounds: the len is 3 but the index is 7",
            ),
            ("called `Option::unwrap()` on a `None` value", "called `Option::unwrap()` on a `None` value"),
            (
                "byte index 1 is not a char boundary; it is inside 'é' (bytes 0..2) of `été à moi`",
                "byte index 1 is not a char boundary; it is inside '…' (bytes 0..2) of `…`",
            ),
            (
                r#"called `Result::unwrap()` on an `Err` value: Parse("a \"secret\" word", 3)"#,
                r#"called `Result::unwrap()` on an `Err` value: Parse("…", 3)"#,
            ),
            ("a `mark that never ends: secret", "a `…"),
            ("assertion failed\n  left: [secret]", "assertion failed"),
            ("", ""),
        ] {
            assert_eq!(without_quotes(message), kept);
        }
    }

    #[test]
    fn the_newest_reports_stay_and_a_flood_ends() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("not there yet");
        for day in 1..30 {
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join(format!("{BEGINNING}202001{day:02}-000000-1-0.txt")), "old").unwrap();
        }
        fs::write(place.join("notes.txt"), "mine").unwrap();
        let report = Report::now("it broke", "0: main\n1: start", Some("GPU, Vulkan, driver 1".to_owned()));
        let first = report.write(&place).unwrap();
        assert_eq!(reports(&place).len(), MOST);
        assert!(place.join("notes.txt").exists(), "other files stay");
        let found = newest(&place).unwrap();
        assert_eq!(found.path, first);
        for part in
            ["what: it broke\n", "adapter: GPU, Vulkan, driver 1\n", env!("CARGO_PKG_VERSION"), "1: start\n"]
        {
            assert!(found.text.contains(part), "{part}: {}", found.text);
        }
        let written = (0..10).filter(|_| report.write(&place).is_some()).count();
        assert!(written < MOST_OF_ONE_START, "{written} of ten");
    }
}
