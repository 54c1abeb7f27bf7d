//! What a report says: the object that its JSON file holds.

use serde::Serialize;
use serde_json::Value;

/// The JSON file.
#[derive(Serialize)]
pub(super) struct ReportJson {
    /// The program's version.
    pub program: &'static str,
    pub system: System,
    pub began_unix_seconds: u64,
    /// Since it began.
    pub seconds: f64,
    /// Shapes of few layers and short prompts: asked for, or because the adapter is a software driver.
    pub quick: bool,
    pub parts: Vec<Entry>,
}

/// Where the report was made.
#[derive(Serialize)]
pub(super) struct System {
    pub os: &'static str,
    pub architecture: &'static str,
    pub processors: usize,
}

/// What became of a part.
#[derive(Clone, Serialize)]
pub(super) struct Entry {
    pub name: String,
    /// The arguments, without the folders that they name.
    pub command: String,
    pub state: State,
    /// By the clock, the start of the process included.
    pub seconds: f64,
    pub limit_seconds: f64,
    /// What it printed: the JSON object of the command, a list of objects of those parts that print a line for each
    /// result, or of the tests how many passed and which did not.
    pub answer: Value,
    /// Why it did not end well.
    pub error: Option<String>,
}

/// How a part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Its turn has not come.
    Waiting,
    /// It runs as this is written.
    Running,
    /// It ended well.
    Done,
    /// It said that something is wrong, or it crashed.
    Failed,
    /// It took longer than its limit, and was ended; what it had told is kept.
    OutOfTime,
    /// There was no time left, or what it needs is not there.
    LeftOut,
}
