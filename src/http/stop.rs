//! The end of what is under way, from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ureq::Agent;

/// How long a wait goes on after the end.
const SLICE: Duration = Duration::from_millis(50);

/// Somebody ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

/// Ends what a client does.
#[derive(Clone, Debug)]
pub struct Stop {
    stopped: Arc<AtomicBool>,
    agent: Agent,
}

impl Stop {
    pub(crate) fn new(agent: Agent) -> Self {
        Self { stopped: Arc::new(AtomicBool::new(false)), agent }
    }

    /// Ends it: a read that waits for the network returns at once.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.agent.clone().shutdown();
    }

    /// Whether it was ended.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// An error if it was ended.
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.is_stopped() { Err(Stopped) } else { Ok(()) }
    }

    /// Waits, but not after the end.
    pub(crate) fn wait(&self, time: Duration) -> Result<(), Stopped> {
        let until = Instant::now() + time;
        loop {
            self.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(SLICE));
        }
    }
}
