//! Where things are printed: results to stdout, which may be closed by its reader at any time, and everything
//! else to stderr.

use std::io::{ErrorKind, IsTerminal, Write};

use serde::Serialize;

use super::error::CliError;

/// Whether the reader of stdout is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    /// It takes more.
    Listening,
    /// It went away, as `head` does: no error, but nothing more to print.
    Gone,
}

/// Prints to stdout at once.
pub(super) fn print(text: &str) -> Result<Listener, CliError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Listener::Listening),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Listener::Gone),
        Err(error) => Err(CliError::Print(error)),
    }
}

/// Prints one JSON object and a line's end.
pub(super) fn print_json(value: &impl Serialize) -> Result<Listener, CliError> {
    let text = serde_json::to_string(value).map_err(|error| CliError::Print(error.into()))?;
    print(&(text + "\n"))
}

/// Prints a line to stderr.
pub(super) fn status(line: &str) {
    // Where stderr is closed, nobody wants to know.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A line on stderr that is written over and over; silent where stderr is no terminal.
pub(super) struct StatusLine {
    shown: bool,
}

impl StatusLine {
    /// With nothing on it.
    pub(super) fn new() -> Self {
        Self { shown: false }
    }

    /// Replaces the line.
    pub(super) fn show(&mut self, line: &str) {
        let mut stderr = std::io::stderr();
        if stderr.is_terminal() {
            self.shown = true;
            let _ = write!(stderr, "\r\x1b[K{line}");
            let _ = stderr.flush();
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// Seconds as a person reads them.
pub(super) fn seconds(value: f64) -> String {
    if value < 1.0 { format!("{:.1} ms", value * 1e3) } else { format!("{value:.2} s") }
}

/// Amount by seconds; 0 where no time passed.
pub(super) fn rate(amount: f64, seconds: f64) -> f64 {
    if seconds > 0.0 { amount / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        assert_eq!([seconds(0.0123), seconds(2.0)], ["12.3 ms", "2.00 s"]);
    }
}
