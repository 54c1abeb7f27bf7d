//! A part's process: started, watched, ended in time.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::parts::Part;
use crate::cli::interrupt;

/// Most bytes that are kept of what a process prints; the rest is read and dropped.
const MOST_BYTES: usize = 8 << 20;
/// How often it is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// A process under way, or at its end.
pub(super) struct Running {
    child: Child,
    begun: Instant,
    output: Caught,
    messages: Caught,
}

/// How it ended.
pub(super) enum Ended {
    /// By itself, with exit code 0.
    Well,
    /// With another one, or by a signal: what the system says of it.
    Badly(String),
    /// It was ended at its limit.
    OutOfTime,
    /// It was ended by Ctrl-C.
    Interrupted,
}

impl Running {
    /// Starts the part; `caches` is the folder for what drivers and program keep between runs.
    pub(super) fn start(part: &Part, caches: &Path) -> std::io::Result<Self> {
        let mut command = Command::new(&part.program);
        command.args(&part.arguments).envs(part.environment.iter().cloned());
        for variable in ["XDG_CACHE_HOME", "MESA_SHADER_CACHE_DIR", "__GL_SHADER_DISK_CACHE_PATH"] {
            command.env(variable, caches);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that the processes that it starts can be ended with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let output = Caught::of(child.stdout.take());
        let messages = Caught::of(child.stderr.take());
        Ok(Self { child, begun: Instant::now(), output, messages })
    }

    /// Waits a moment; `Some` when the process is at its end, which comes after `limit` at the latest.
    pub(super) fn ended(&mut self, limit: Duration) -> Option<Ended> {
        std::thread::sleep(GLANCE);
        let ended = match self.child.try_wait() {
            Ok(Some(status)) if status.success() => Ended::Well,
            Ok(Some(status)) => Ended::Badly(status.to_string()),
            Ok(None) if interrupt::pressed() => Ended::Interrupted,
            Ok(None) if self.begun.elapsed() > limit => Ended::OutOfTime,
            Ok(None) => return None,
            Err(error) => Ended::Badly(error.to_string()),
        };
        self.end();
        Some(ended)
    }

    /// Ends the process and all that it started, and takes the last of what they printed.
    fn end(&mut self) {
        #[cfg(unix)]
        {
            // The group is gone where all went well: then there is nothing to end, and `kill` says so to nobody.
            let group = format!("-{}", self.child.id());
            let mut kill = Command::new("kill");
            let _ = kill.args(["-KILL", "--", &group]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.output.finish();
        self.messages.finish();
    }

    /// Since it was started.
    pub(super) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// What it printed to stdout so far.
    pub(super) fn output(&self) -> String {
        self.output.text()
    }

    /// What it printed to stderr so far.
    pub(super) fn messages(&self) -> String {
        self.messages.text()
    }

    /// The line of stderr that says why it failed: the last one that calls itself an error, or else the last.
    pub(super) fn last_message(&self) -> Option<String> {
        let messages = self.messages();
        let lines = || messages.lines().map(str::trim).filter(|line| !line.is_empty());
        let error = lines().rfind(|line| line.starts_with("error") || line.contains("panicked at"));
        error.or_else(|| lines().next_back()).map(str::to_owned)
    }
}

/// What comes out of a pipe, read by a thread.
struct Caught {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Caught {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let reader = pipe.map(|mut pipe| {
            let bytes = Arc::clone(&bytes);
            std::thread::spawn(move || {
                let mut chunk = [0; 1 << 14];
                while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                    let mut bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
                    let room = MOST_BYTES.saturating_sub(bytes.len()).min(count);
                    bytes.extend_from_slice(&chunk[..room]);
                }
            })
        });
        Self { bytes, reader }
    }

    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            // A reader that panicked leaves what it had read.
            let _ = reader.join();
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::cli::report::parts::Output;

    fn run(script: &str, limit: Duration) -> (Ended, Running) {
        let part = Part {
            name: "a part".to_owned(),
            program: "sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: Vec::new(),
            limit,
            output: Output::Lines,
            missing: None,
            together: false,
        };
        let mut running = Running::start(&part, &std::env::temp_dir()).expect("a shell");
        loop {
            if let Some(ended) = running.ended(limit) {
                return (ended, running);
            }
        }
    }

    #[test]
    fn what_a_part_told_before_its_limit_is_kept_and_its_children_end_with_it() {
        let begun = Instant::now();
        let limit = Duration::from_millis(500);
        // The child holds the pipe open: it has to be ended too.
        let (ended, running) = run("echo '{\"kernel\": 1}'; sleep 60 & sleep 60", limit);
        assert!(matches!(ended, Ended::OutOfTime) && begun.elapsed() < Duration::from_secs(20));
        assert_eq!(Output::Lines.read(&running.output(), "")[0]["kernel"], 1);
    }

    #[test]
    fn a_part_that_crashes_tells_its_last_error() {
        let (ended, running) =
            run("echo 'error: device lost' >&2; echo bye >&2; kill -SEGV $$", Duration::from_secs(20));
        assert!(matches!(ended, Ended::Badly(status) if status.contains("signal")));
        assert_eq!(running.last_message().as_deref(), Some("error: device lost"));
    }
}
