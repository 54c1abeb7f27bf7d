//! What passed between CPU and GPU, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// What passed between CPU and GPU since the device was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Command buffers submitted.
    pub submissions: u64,
    /// Times that the CPU blocked until the GPU was done with something.
    pub waits: u64,
    /// Bytes read back.
    pub read_bytes: u64,
    /// Dispatches of passes.
    pub dispatches: u64,
    /// Passes whose commands were recorded while the one before was computed.
    pub recorded_ahead: u64,
    /// Bytes of weights that crossed the bus since they are there: those of layers in the computer's memory.
    pub bus_bytes: u64,
}

/// The counts so far, which any thread may add to.
#[derive(Default)]
pub(super) struct Counters {
    pub submissions: Counter,
    pub waits: Counter,
    pub read_bytes: Counter,
    pub dispatches: Counter,
    pub recorded_ahead: Counter,
    pub bus_bytes: Counter,
    /// Bytes of buffers that were made.
    pub created_bytes: Counter,
}

impl Counters {
    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            submissions: self.submissions.get(),
            waits: self.waits.get(),
            read_bytes: self.read_bytes.get(),
            dispatches: self.dispatches.get(),
            recorded_ahead: self.recorded_ahead.get(),
            bus_bytes: self.bus_bytes.get(),
        }
    }
}

/// A number that only grows.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
