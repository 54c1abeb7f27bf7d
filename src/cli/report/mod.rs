//! `report`: what the GPU here computes and how fast, as one JSON file and one page of text.
//!
//! Each part is a process of its own with a time limit, so that a driver that crashes, hangs or loses its device takes
//! one part with it and the rest runs. The most telling parts come first, and both files are written anew whenever
//! there is something to tell: a report that is cut short has told what it had.

mod answer;
mod page;
mod parts;
mod process;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use self::answer::{Entry, ReportJson, State, System};
use self::parts::Part;
use super::arguments::Report;
use super::error::CliError;
use super::interrupt;
use super::outcome::Outcome;
use super::output::{StatusLine, print, print_json, status};
use crate::system_errors::words;
use crate::units::counted;
use crate::whole_file;

/// A part that has less time left than this is left out.
const LEAST_TIME: Duration = Duration::from_secs(3);
/// How often the files are written while a part tells what it found.
const BETWEEN_WRITES: Duration = Duration::from_secs(5);

/// Runs the command.
pub(super) fn run(arguments: &Report) -> Result<Outcome, CliError> {
    let program = std::env::current_exe().map_err(CliError::Program)?;
    let mut maker = Maker::new(arguments, program)?;
    maker.run_all()?;
    maker.line.clear();
    let summary = maker.summary();
    if arguments.json.json {
        print_json(&maker.answer)?;
    } else {
        print(&page::text(&maker.answer))?;
    }
    status(&summary);
    Ok(if interrupt::pressed() { Outcome::Interrupted } else { Outcome::Done })
}

/// Most parts that run beside each other.
const MOST_TOGETHER: usize = 4;

/// A part under way.
struct Active<'a> {
    index: usize,
    part: &'a Part,
    running: process::Running,
    limit: Duration,
    /// When the files were last written.
    written: Instant,
}

/// A report in the making.
struct Maker<'a> {
    arguments: &'a Report,
    program: PathBuf,
    /// Caches of the parts' own, empty at first, so that the first start is a cold one.
    caches: CacheFolder,
    begun: Instant,
    answer: ReportJson,
    line: StatusLine,
}

impl<'a> Maker<'a> {
    fn new(arguments: &'a Report, program: PathBuf) -> Result<Self, CliError> {
        std::fs::create_dir_all(&arguments.out)
            .map_err(|reason| CliError::Write { file: arguments.out.clone(), reason })?;
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Ok(Self {
            arguments,
            program,
            caches: CacheFolder::new()?,
            begun: Instant::now(),
            answer: ReportJson {
                program: env!("CARGO_PKG_VERSION"),
                system: System {
                    os: std::env::consts::OS,
                    architecture: std::env::consts::ARCH,
                    processors: std::thread::available_parallelism().map_or(1, usize::from),
                },
                began_unix_seconds: unix.map_or(0, |since| since.as_secs()),
                seconds: 0.0,
                quick: arguments.quick,
                parts: Vec::new(),
            },
            line: StatusLine::new(),
        })
    }

    fn run_all(&mut self) -> Result<(), CliError> {
        let first = parts::adapters(&self.program, self.arguments);
        self.answer.parts.push(Entry::waiting(&first));
        self.run_together(0, std::slice::from_ref(&first))?;
        let adapter = parts::chosen_adapter(&self.answer.parts[0].answer, self.arguments);
        self.answer.quick |= adapter["kind"] == "CPU";
        let rest = parts::after_adapters(&self.program, self.arguments, self.answer.quick, adapter);
        self.answer.parts.extend(rest.iter().map(Entry::waiting));
        let mut index = 1;
        for group in rest.chunk_by(|part, next| part.together && next.together) {
            self.run_together(index, group)?;
            index += group.len();
        }
        Ok(())
    }

    /// Runs parts, the first of which has this index, beside each other as far as there are processors.
    fn run_together(&mut self, first: usize, parts: &[Part]) -> Result<(), CliError> {
        let most = self.answer.system.processors.clamp(1, MOST_TOGETHER);
        let mut waiting = (first..).zip(parts).peekable();
        let mut active: Vec<Active<'_>> = Vec::new();
        while waiting.peek().is_some() || !active.is_empty() {
            if active.len() < most
                && let Some((index, part)) = waiting.next()
            {
                active.extend(self.start(index, part)?);
                continue;
            }
            let mut still = Vec::new();
            for mut one in active {
                if !self.watch(&mut one)? {
                    still.push(one);
                }
            }
            active = still;
        }
        Ok(())
    }

    /// Starts a part; `None` if it is left out, or could not be started.
    fn start<'p>(&mut self, index: usize, part: &'p Part) -> Result<Option<Active<'p>>, CliError> {
        let left = Duration::from_secs(self.arguments.seconds).saturating_sub(self.begun.elapsed());
        let missing = part.missing.clone().or_else(|| {
            let reason = if interrupt::pressed() { "the report was interrupted" } else { "no time was left" };
            (left < LEAST_TIME || interrupt::pressed()).then(|| reason.to_owned())
        });
        if missing.is_some() {
            let entry = &mut self.answer.parts[index];
            (entry.state, entry.error) = (State::LeftOut, missing);
            return self.write().map(|()| None);
        }
        let limit = part.limit.min(left);
        let entry = &mut self.answer.parts[index];
        (entry.state, entry.limit_seconds) = (State::Running, limit.as_secs_f64());
        self.write()?;
        self.line.show(&format!("{} of {}: {}", index + 1, self.answer.parts.len(), part.name));
        match process::Running::start(part, self.caches.path()) {
            Ok(running) => Ok(Some(Active { index, part, running, limit, written: Instant::now() })),
            Err(error) => {
                let entry = &mut self.answer.parts[index];
                (entry.state, entry.error) =
                    (State::Failed, Some(format!("it could not be started: {}", words(&error))));
                self.write().map(|()| None)
            }
        }
    }

    /// Waits a moment for a part, takes what it told, and says whether it is at its end.
    fn watch(&mut self, active: &mut Active<'_>) -> Result<bool, CliError> {
        let Active { index, part, running, limit, written } = active;
        let ended = running.ended(*limit);
        let is_over = ended.is_some();
        if is_over || written.elapsed() > BETWEEN_WRITES {
            self.answer.parts[*index].take(part, running, ended);
            if is_over {
                self.log(&part.name, &running.messages())?;
            }
            self.write()?;
            *written = Instant::now();
        }
        Ok(is_over)
    }

    /// Writes both files, each in place of the one before at once.
    fn write(&mut self) -> Result<(), CliError> {
        self.answer.seconds = self.begun.elapsed().as_secs_f64();
        let json =
            serde_json::to_string_pretty(&self.answer).map_err(|error| CliError::Print(error.into()))?;
        replace(&self.arguments.out.join("report.json"), &json)?;
        replace(&self.arguments.out.join("report.txt"), &page::text(&self.answer))
    }

    /// Appends what a part said beside its results.
    fn log(&self, name: &str, messages: &str) -> Result<(), CliError> {
        let file = self.arguments.out.join("report.log");
        let log = std::fs::File::options().create(true).append(true).open(&file);
        log.and_then(|mut log| writeln!(log, "==== {name}\n{messages}"))
            .map_err(|reason| CliError::Write { file, reason })
    }

    fn summary(&self) -> String {
        let count = |state| self.answer.parts.iter().filter(|entry| entry.state == state).count();
        format!(
            "{} done, {} failed, {} out of time, {} left out, in {:.0} s: {}",
            counted(count(State::Done), "part"),
            count(State::Failed),
            count(State::OutOfTime),
            count(State::LeftOut),
            self.answer.seconds,
            self.arguments.out.join("report.txt").display()
        )
    }
}

impl Entry {
    fn waiting(part: &Part) -> Self {
        Self {
            name: part.name.clone(),
            command: part.command(),
            state: State::Waiting,
            seconds: 0.0,
            limit_seconds: part.limit.as_secs_f64(),
            answer: Value::Null,
            error: None,
        }
    }

    /// Takes what the part has printed, and how it ended if it did.
    fn take(&mut self, part: &Part, running: &process::Running, ended: Option<process::Ended>) {
        self.seconds = running.seconds();
        self.answer = part.output.read(&running.output(), &running.messages());
        let Some(ended) = ended else { return };
        (self.state, self.error) = match ended {
            process::Ended::Well => (State::Done, None),
            process::Ended::Badly(status) => {
                let told = running.last_message().unwrap_or(status);
                (State::Failed, Some(told))
            }
            process::Ended::OutOfTime => {
                let limit = self.limit_seconds;
                (State::OutOfTime, Some(format!("ended after its {limit:.0} s; what it told is kept")))
            }
            process::Ended::Interrupted => (State::LeftOut, Some("the report was interrupted".to_owned())),
        };
    }
}

/// Writes it whole, so that a reader never sees half of it.
fn replace(file: &Path, text: &str) -> Result<(), CliError> {
    whole_file::write(file, |out| out.write_all(text.as_bytes()))
        .map_err(|reason| CliError::Write { file: file.to_owned(), reason })
}

/// A folder for the parts' caches that goes away with the report.
struct CacheFolder(PathBuf);

impl CacheFolder {
    fn new() -> Result<Self, CliError> {
        let folder = std::env::temp_dir().join(format!("logitscope-report-{}", std::process::id()));
        match std::fs::create_dir_all(&folder) {
            Ok(()) => Ok(Self(folder)),
            Err(reason) => Err(CliError::Write { file: folder, reason }),
        }
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for CacheFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            log::warn!("{}: {error}", self.0.display());
        }
    }
}
