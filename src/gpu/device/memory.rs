//! How much of a device's memory models may take: a limit, and what each of them was promised.
//!
//! Models share a device: a draft model gets what is left beside the model.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wgpu::BufferUsages;

use super::adapter_info::AdapterInfo;
use super::handle::Device;
use super::open::HOST_COPIES;
use crate::model::ModelError;

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

impl Device {
    /// Lets models that are loaded from now on take so much of the device's memory together; `None` is no limit.
    pub fn limit_memory(&self, bytes: Option<u64>) {
        self.memory.bytes.store(bytes.unwrap_or(NONE), Ordering::Relaxed);
    }

    /// Whether nobody limited it.
    pub(crate) fn has_no_limit(&self) -> bool {
        self.memory.bytes.load(Ordering::Relaxed) == NONE
    }

    /// Limits it to so much beside what models have.
    pub(crate) fn limit_to(&self, bytes: u64) {
        self.limit_memory(Some(self.memory.promised.load(Ordering::Relaxed).saturating_add(bytes)));
    }

    /// What is left for a model; `None` where nothing is known of it.
    pub(crate) fn room(&self) -> Option<Room> {
        let promised = self.memory.promised.load(Ordering::Relaxed);
        let limit = Some(self.memory.bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes != NONE);
        let Room { bytes, from } = self.info.room(limit)?;
        Some(Room { bytes: bytes.saturating_sub(promised), from })
    }

    /// Keeps so much for models that are loaded once this is dropped.
    #[must_use]
    pub fn keep_free(&self, bytes: u64) -> impl Drop + use<> {
        self.promise(bytes)
    }

    /// Keeps so much for a model.
    pub(crate) fn promise(&self, bytes: u64) -> Promise {
        let promised = Arc::clone(&self.memory.promised);
        promised.fetch_add(bytes, Ordering::Relaxed);
        Promise { bytes, promised }
    }
}

impl Device {
    /// Whether there can be buffers in the computer's memory that the GPU copies from.
    pub(crate) fn has_host_buffers(&self) -> bool {
        self.device.features().contains(HOST_COPIES)
    }

    /// A buffer in the computer's memory that the GPU copies to and from. Nobody maps it: that it could be read is what
    /// keeps it out of the GPU's own memory, where buffers that could be written may lie.
    pub(crate) fn host_buffer(&self, what: &str, bytes: u64) -> Result<wgpu::Buffer, ModelError> {
        self.buffer(what, bytes, BufferUsages::MAP_READ | BufferUsages::COPY_SRC | BufferUsages::COPY_DST)
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
    fn what_is_promised_is_gone_until_it_is_given_back() {
        let device = Device::open(None).unwrap();
        device.limit_memory(Some(1000));
        let first = device.promise(600);
        assert_eq!(device.room(), Some(Room { bytes: 400, from: RoomFrom::Limit }));
        let second = device.promise(900);
        assert_eq!(device.room().map(|room| room.bytes), Some(0));
        drop((first, second));
        assert_eq!(device.room().map(|room| room.bytes), Some(1000));
        device.limit_memory(None);
        assert_eq!(device.room(), None, "a software driver has no memory of its own");
    }

    #[test]
    fn the_kernel_counts_in_kibibytes() {
        assert_eq!(available("MemTotal:  100 kB\nMemAvailable:   24 kB\n"), Some(24 * 1024));
        assert_eq!(available("MemTotal:  100 kB\n"), None);
    }
}
