//! Trace files: a [`super::Run`] as JSON, readable without the model.
//!
//! The file is one JSON object, `{"logitscope_trace": 1, "run": {..}}`; the number is the version of the
//! format. A reader takes its own version and older ones.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::{Node, Run, StrategyKind};
use crate::system_errors::words;
use crate::whole_file;

/// The version that [`write()`] writes.
pub const VERSION: u64 = 2;

/// Bytes at a file's beginning among which the version stands.
const HEAD: u64 = 4096;

/// Why a trace could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TraceFileError {
    /// The file could not be opened or read.
    #[error("{} cannot be read: {}", path.display(), words(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be written; one that was there before is untouched.
    #[error("{} cannot be written: {}", path.display(), words(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is not a trace of Logitscope ({reason}): choose a file that Logitscope saved", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// How that shows.
        reason: String,
    },
    /// The file was written by a later version of the program.
    #[error("{} has trace format {version}, but this program reads up to {VERSION}: use a newer Logitscope", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// A strategy of a later version of the program.
    #[error("{} is a run of the strategy `{strategy}`, which this program does not know: use a newer Logitscope", path.display())]
    UnknownStrategy {
        /// The file.
        path: PathBuf,
        /// The strategy's name, shortened.
        strategy: String,
    },
    /// The file ends early.
    #[error("{} ends in the middle (line {line}, column {column}): save or copy it again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Last line, from 1.
        line: usize,
        /// Last column of it.
        column: usize,
    },
    /// The file is a trace, but a part of it is not as it should be.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
}

/// The file's outermost object.
#[derive(Serialize, Deserialize)]
struct Envelope<R> {
    logitscope_trace: u64,
    run: R,
}

/// The same, read for its version alone.
#[derive(Deserialize)]
struct Header {
    logitscope_trace: Option<u64>,
    #[expect(dead_code, reason = "read past, so that the end of the file is seen")]
    run: Option<IgnoredAny>,
}

/// A run, read for its strategy alone.
#[derive(Deserialize)]
struct RunHeader {
    strategy: String,
}

/// Whether a file is a trace, by its first bytes and whatever its name.
pub fn is_trace(path: &Path) -> bool {
    // Only a file: a pipe would keep the reader waiting.
    if !path.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    let key = b"\"logitscope_trace\"";
    read.is_ok()
        && head.trim_ascii_start().starts_with(b"{")
        && head.windows(key.len()).any(|window| window == key)
}

/// Whether a trace can be written there; see [`whole_file::check`].
pub fn check_place(path: &Path) -> Result<(), TraceFileError> {
    whole_file::check(path).map_err(|source| TraceFileError::Write { path: path.to_owned(), source })
}

/// Writes a run. The file appears whole or not at all.
pub fn write(path: &Path, run: &Run) -> Result<(), TraceFileError> {
    let written = whole_file::write(path, |file| {
        serde_json::to_writer(&mut *file, &Envelope { logitscope_trace: VERSION, run })?;
        file.write_all(b"\n")
    });
    written.map_err(|source| TraceFileError::Write { path: path.to_owned(), source })
}

/// Reads a run.
pub fn read(path: &Path) -> Result<Run, TraceFileError> {
    let header: Header = parse(path)?;
    match header.logitscope_trace {
        None => Err(foreign(path, "it has no `logitscope_trace` version")),
        Some(version) if version > VERSION => Err(TraceFileError::Newer { path: path.to_owned(), version }),
        Some(0) => Err(foreign(path, "there is no trace format 0")),
        Some(version) => {
            let whole = parse::<Envelope<Run>>(path);
            let mut run = whole.map_err(|error| unknown_strategy(path).unwrap_or(error))?.run;
            if version == 1 {
                // Every node was the next one's parent.
                run.line = (0..run.nodes.len()).collect();
            }
            check(&run).map_err(|reason| TraceFileError::Damaged { path: path.to_owned(), reason })?;
            Ok(run)
        }
    }
}

/// Whether the file cannot be read because its strategy is one that this program does not know.
fn unknown_strategy(path: &Path) -> Option<TraceFileError> {
    const MOST_LETTERS: usize = 40;
    let name = parse::<Envelope<RunHeader>>(path).ok()?.run.strategy;
    let strategy = name.chars().take(MOST_LETTERS).collect();
    StrategyKind::of(&name)
        .is_none()
        .then(|| TraceFileError::UnknownStrategy { path: path.to_owned(), strategy })
}

/// Refuses nodes that refer to others that are not there, or come later.
fn check(run: &Run) -> Result<(), String> {
    let later = |(index, node): &(usize, &Node)| node.parent.is_some_and(|parent| parent >= *index);
    if let Some((index, _)) = run.nodes.iter().enumerate().find(later) {
        return Err(format!("node {index} comes before its parent"));
    }
    let ends = |node: Option<&usize>| node.copied().filter(|&node| node < run.nodes.len());
    if run.line != run.path(ends(run.line.last())) {
        return Err("its line is not a path through its nodes".to_owned());
    }
    let missing = |node: usize| node >= run.nodes.len();
    if run.sequences.iter().any(|sequence| missing(sequence.node)) {
        return Err("a sequence ends in a node that is not there".to_owned());
    }
    let mut end = 0;
    for (index, step) in run.steps.iter().enumerate() {
        if step.nodes.start < end || step.nodes.end < step.nodes.start || step.nodes.end > run.nodes.len() {
            return Err(format!("step {index} names nodes that are not there, or not its own"));
        }
        end = step.nodes.end;
        if step.detail.nodes().into_iter().any(missing) {
            return Err(format!("step {index} names a node that is not there"));
        }
    }
    Ok(())
}

fn parse<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, TraceFileError> {
    let read_error = |source| TraceFileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read_error)?;
    let bytes = file.metadata().map_err(read_error)?.len();
    serde_json::from_reader(BufReader::new(file)).map_err(|error| match error.classify() {
        serde_json::error::Category::Io => read_error(error.into()),
        serde_json::error::Category::Eof if error.line() <= 1 && error.column() == 0 => {
            foreign(path, "it is empty")
        }
        // A number that is cut off is none: at the very end of our own files, which have one line, that is what it was.
        serde_json::error::Category::Syntax
            if bytes > 1 && error.line() == 1 && error.column() as u64 >= bytes =>
        {
            TraceFileError::Truncated { path: path.to_owned(), line: 1, column: error.column() }
        }
        serde_json::error::Category::Eof => {
            let (line, column) = (error.line(), error.column());
            TraceFileError::Truncated { path: path.to_owned(), line, column }
        }
        serde_json::error::Category::Syntax => foreign(path, &format!("it is not JSON: {error}")),
        serde_json::error::Category::Data => {
            TraceFileError::Damaged { path: path.to_owned(), reason: error.to_string() }
        }
    })
}

fn foreign(path: &Path, reason: &str) -> TraceFileError {
    TraceFileError::Foreign { path: path.to_owned(), reason: reason.to_owned() }
}
