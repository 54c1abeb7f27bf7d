//! A browser without a window, for tests of pages.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names of browsers of one family that can all print what became of a page.
const NAMES: [&str; 7] = [
    "chromium-headless-shell",
    "chrome-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
];

/// Set where a browser has to be there, as on machines that test every change; scripts/setup.sh then installs one.
const REQUIRED: &str = "LOGITSCOPE_WITH_BROWSER";

/// The browser of this machine. Where there is none, says that `test` is skipped, or fails where that is not allowed.
pub fn find(test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = NAMES
        .iter()
        .find_map(|name| std::env::split_paths(&path).map(|at| at.join(name)).find(|at| at.is_file()));
    if found.is_none() {
        let names = NAMES.join(", ");
        assert!(
            std::env::var_os(REQUIRED).is_none(),
            "{REQUIRED} is set, and no browser is in PATH: none of {names}"
        );
        // Past the captured output of the test: one that did nothing must not look as if it passed.
        let note =
            format!("SKIPPED {test}: no browser is in PATH; {REQUIRED}=1 scripts/test.sh installs one\n");
        let _ = std::io::stderr().write_all(note.as_bytes());
    }
    found
}

/// The document that a browser makes of a page, with its scripts run; `hash` is what follows the `#` of the address.
pub fn document(browser: &Path, page: &Path, hash: &str) -> String {
    let profile = tempfile::tempdir().expect("a folder");
    let output = Command::new(browser)
        // Where tests run as root, or in a container, the browser's own sandbox cannot begin. The page is ours.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}#{hash}", page.display()))
        .stdin(Stdio::null())
        .output()
        .expect("the browser starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the browser failed: {complaint}");
    String::from_utf8(output.stdout).expect("UTF-8")
}
