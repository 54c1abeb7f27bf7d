//! Work with the hub on a thread of its own, while this one tells how far it is and listens for Ctrl-C.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::cli::interrupt;
use crate::cli::output::StatusLine;
use crate::hub::{Client, Doing, HubError, Pace, Progress, duration};
use crate::units::bytes;

/// How often the line is written.
const BEAT: Duration = Duration::from_millis(100);

/// Does the work; Ctrl-C ends it, with [`HubError::Stopped`].
pub(super) fn watched<T: Send>(
    client: &Client,
    first: &str,
    work: impl FnOnce(&Client, &mut dyn FnMut(Progress)) -> Result<T, HubError> + Send,
) -> Result<T, HubError> {
    let (sender, news) = channel();
    let stop = client.stop();
    let mut line = StatusLine::new();
    if !first.is_empty() {
        line.show(&format!("{first} …"));
    }
    let result = std::thread::scope(|scope| {
        let worker = scope.spawn(move || {
            // The other end listens until this one is gone.
            work(client, &mut |progress| drop(sender.send(progress)))
        });
        let (mut pace, mut shown) = (Pace::default(), Instant::now());
        loop {
            match news.recv_timeout(BEAT) {
                Ok(progress) => {
                    let now = Instant::now();
                    if progress.doing == Doing::Receiving {
                        pace.see(now, progress.done);
                    }
                    if now - shown >= BEAT || progress.doing != Doing::Receiving {
                        shown = now;
                        line.show(&text(&progress, &pace));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if interrupt::pressed() {
                stop.stop();
            }
        }
        worker.join()
    });
    line.clear();
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// How far it is, in a line.
fn text(progress: &Progress, pace: &Pace) -> String {
    let Progress { file, done, total, doing } = progress;
    let percent = 100.0 * *done as f64 / (*total).max(1) as f64;
    let far = format!("{percent:3.0} %  {} of {}", bytes(*done), bytes(*total));
    match doing {
        Doing::Asking => format!("asking for {file} …"),
        Doing::Checking => format!("{far}  reading what came before"),
        Doing::WaitingForAnother => format!("{far}  another program downloads it: waiting"),
        Doing::WaitingToRetry(reason) => format!("{far}  {reason}: trying again"),
        Doing::Receiving => {
            let rate = pace.rate().map(|rate| format!("  {}/s", bytes(rate as u64))).unwrap_or_default();
            let left = pace.seconds_for(total - done);
            let left = left.map(|left| format!("  {} left", duration(left))).unwrap_or_default();
            format!("{far}{rate}{left}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_how_far_how_fast_and_how_long() {
        let mut pace = Pace::default();
        let begun = Instant::now();
        pace.see(begun, 0);
        pace.see(begun + Duration::from_secs(2), 50_000_000);
        let progress =
            |doing| Progress { file: "a.gguf".to_owned(), done: 50_000_000, total: 200_000_000, doing };
        assert_eq!(text(&progress(Doing::Receiving), &pace), " 25 %  50.0 MB of 200 MB  25.0 MB/s  6 s left");
        assert_eq!(
            text(&progress(Doing::WaitingToRetry("it ended too early".to_owned())), &pace),
            " 25 %  50.0 MB of 200 MB  it ended too early: trying again"
        );
    }
}
