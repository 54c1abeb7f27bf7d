//! How much of a device's memory models may take: a limit, and what each of them was promised.
//!
//! Models share a device: a draft model gets what is left beside the model.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wgpu::Features;

use super::adapter_info::AdapterInfo;

/// Buffers in the computer's memory that the GPU copies to and from: weights that do not fit its own stay there.
pub(super) const HOST_COPIES: Features = Features::MAPPABLE_PRIMARY_BUFFERS;

/// No limit.
const NONE: u64 = u64::MAX;

/// The limit of a device, and what is promised of it.
pub(super) struct MemoryLimit {
    bytes: AtomicU64,
    promised: Arc<AtomicU64>,
}

impl Default for MemoryLimit {
    fn default() -> Self {
        Self { bytes: AtomicU64::new(NONE), promised: Arc::default() }
    }
}

impl MemoryLimit {
    /// Sets it; `None` is no limit.
    pub(super) fn set(&self, bytes: Option<u64>) {
        self.bytes.store(bytes.unwrap_or(NONE), Ordering::Relaxed);
    }

    /// The limit.
    pub(super) fn bytes(&self) -> Option<u64> {
        Some(self.bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes != NONE)
    }

    /// What was promised, and not given back.
    pub(super) fn promised(&self) -> u64 {
        self.promised.load(Ordering::Relaxed)
    }

    /// Promises so much.
    pub(super) fn promise(&self, bytes: u64) -> Promise {
        self.promised.fetch_add(bytes, Ordering::Relaxed);
        Promise { bytes, promised: Arc::clone(&self.promised) }
    }
}

/// What a device has left for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub bytes: u64,
    pub from: RoomFrom,
}

/// Where the size of a room comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoomFrom {
    /// A person asked for it: nothing may go beyond.
    Limit,
    /// The driver reports so much memory, of which others may have some.
    Driver,
}

/// Memory that a model was promised, until it is dropped.
pub(crate) struct Promise {
    bytes: u64,
    promised: Arc<AtomicU64>,
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.promised.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl AdapterInfo {
    /// What the adapter has for models, of which a person may have set a limit; `None` where nothing is known of it, and where all
    /// memory is the computer's, so that nothing is gained by keeping layers there.
    pub(crate) fn room(&self, limit: Option<u64>) -> Option<Room> {
        let of_driver = self.memory_bytes.filter(|_| self.has_own_memory());
        let asked = limit.map(|bytes| Room { bytes, from: RoomFrom::Limit });
        asked.or_else(|| of_driver.map(|bytes| Room { bytes, from: RoomFrom::Driver }))
    }
}

/// Bytes of the computer's memory that are free for a program; `None` where the system was not asked.
pub(crate) fn free_host_memory() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let known = std::fs::read_to_string("/proc/meminfo").ok()?;
    available(&known)
}

/// What the kernel says is available, in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_counts_in_kibibytes() {
        assert_eq!(available("MemTotal:  100 kB\nMemAvailable:   24 kB\n"), Some(24 * 1024));
        assert_eq!(available("MemTotal:  100 kB\n"), None);
    }
}
