//! What broke: a panic or a lost GPU leaves a report in the user's data folder, without anything that was typed or
//! decoded, to be sent to the developers.
//!
//! Nothing is written before [`install`], which only the program itself calls, and nothing is ever sent.

mod report;

use std::backtrace::Backtrace;
use std::panic::{self, PanicHookInfo};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

pub use report::Written;
use report::{Report, without_quotes};

use crate::user_folders::UserFolders;

/// Where reports go, once they are kept.
static FOLDER: OnceLock<PathBuf> = OnceLock::new();
/// The GPU in use, for reports.
static ADAPTER: Mutex<Option<String>> = Mutex::new(None);

/// Keeps a report of every panic from now on, in the user's data folder.
pub fn install() {
    if let Some(folder) = UserFolders::of_process().own_data() {
        install_in(folder.join("problems"));
    }
}

fn install_in(folder: PathBuf) {
    if FOLDER.set(folder).is_err() {
        return;
    }
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            usual(panic);
        }
        match keep(&of_panic(panic)) {
            Some(path) => eprintln!(
                "error: Logitscope broke: {}. This is a bug; a report of it, without any of your text, is in {}",
                place(panic),
                path.display()
            ),
            None => usual(panic),
        }
    }));
}

/// Says which GPU is in use: its name, interface and driver.
pub fn use_adapter(description: String) {
    *ADAPTER.lock().unwrap_or_else(PoisonError::into_inner) = Some(description);
}

/// Keeps a report of something else than a panic that should never happen.
pub fn record(what: &str) {
    keep(&Report::now(&without_quotes(what), "", adapter()));
}

/// The report that was kept last, of this start or an earlier one; none before [`install`].
pub fn newest() -> Option<Written> {
    report::newest(FOLDER.get()?)
}

fn adapter() -> Option<String> {
    ADAPTER.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn keep(report: &Report) -> Option<PathBuf> {
    report.write(FOLDER.get()?)
}

fn place(panic: &PanicHookInfo<'_>) -> String {
    panic
        .location()
        .map_or_else(|| "somewhere".to_owned(), |place| format!("{}:{}", place.file(), place.line()))
}

fn of_panic(panic: &PanicHookInfo<'_>) -> Report {
    let payload = panic.payload();
    let message = payload.downcast_ref::<&str>().copied();
    let message =
        message.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    let thread = std::thread::current().name().unwrap_or("without a name").to_owned();
    let what = format!("panic in {}, thread {thread}: {}", place(panic), without_quotes(message));
    Report::now(&what, &Backtrace::force_capture().to_string(), adapter())
}
