//! What a panic leaves behind: a report without anybody's text; and the mode for when something breaks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use logitscope::problems;

use super::support;
use super::window::{sees, window};

const BREAKS: &str = "LOGITSCOPE_TEST_BREAKS";

/// The program that breaks, if it is asked to: started by the test below, in a process of its own.
#[test]
fn breaks() {
    if std::env::var_os(BREAKS).is_none() {
        return;
    }
    assert_eq!(problems::newest(), None, "nothing is looked at before");
    problems::install();
    problems::use_adapter("GPU 7 (Vulkan), driver 1.2".to_owned());
    let text = "some secret prompt";
    let broken = std::thread::Builder::new().name("worker".to_owned()).spawn(move || {
        let end: usize = text.len() + 1;
        assert!(!text[..end].is_empty());
    });
    assert!(broken.unwrap().join().is_err());
    problems::record("the GPU was lost: it said `secret`");
    let newest = problems::newest().unwrap();
    assert!(newest.text.starts_with("what: the GPU was lost: it said `…`\n"), "{}", newest.text);
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| self::files(folder)));
    files.sort();
    files
}

#[test]
fn a_panic_leaves_a_report_without_anybodys_text() {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "suite::problems::breaks", "--nocapture"]).env(BREAKS, "1");
    for variable in ["HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_DATA_HOME"] {
        child.env(variable, home.path());
    }
    let output = child.env_remove("RUST_BACKTRACE").stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let reports = files(home.path());
    let [panic, lost] = &reports[..] else { panic!("two reports: {reports:?}") };
    assert!(told.contains("Logitscope broke: ") && told.contains(&panic.display().to_string()), "{told}");
    for (report, what) in [(panic, "thread worker: "), (lost, "the GPU was lost")] {
        let text = fs::read_to_string(report).unwrap();
        for part in [what, "adapter: GPU 7 (Vulkan), driver 1.2\n", env!("CARGO_PKG_VERSION")] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("secret"), "{text}");
    }
    let text = fs::read_to_string(panic).unwrap();
    assert!(text.contains("problems.rs:") && text.contains("where:\n"), "{text}");
}

#[test]
fn the_safe_mode_computes_the_same_with_less() {
    let run = |arguments: &[&str]| {
        let output = support::program().args(arguments).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let tale = ["generate", "-p", "Once upon a time", "-n", "12"];
    assert_eq!(run(&tale), run(&[&tale[..], &["--safe-mode"]].concat()));
}

#[test]
fn the_window_shows_what_to_send() {
    let (mut window, _) = window();
    window.key_press_modifiers(Modifiers::COMMAND, Key::K);
    window.run();
    window.get_by_label("Command").type_text("report");
    window.run();
    window.key_press(Key::Enter);
    window.run();
    assert!(sees(&window, "Report a problem"));
    let report = window.query_by_label_contains("Nothing broke so far.\n");
    let report = report.and_then(|node| node.value()).unwrap_or_default();
    assert!(report.contains("Adapters:\n0: a GPU\n   kernels: fast\n"), "{report}");
    window.get_by_label("Copy").click();
    window.run();
    window.key_press(Key::Escape);
    window.run();
    assert!(!sees(&window, "Report a problem"));
}
