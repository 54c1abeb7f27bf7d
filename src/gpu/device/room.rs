//! What a device has left for a model, and buffers in the computer's memory for what it has not.

use wgpu::BufferUsages;

use super::handle::Device;
use super::memory::{HOST_COPIES, Promise, Room};
use crate::model::ModelError;

impl Device {
    /// Lets models that are loaded from now on take so much of the device's memory together; `None` is no limit.
    pub fn limit_memory(&self, bytes: Option<u64>) {
        self.memory.set(bytes);
    }

    /// Whether nobody limited it.
    pub(crate) fn has_no_limit(&self) -> bool {
        self.memory.bytes().is_none()
    }

    /// Limits it to so much beside what models have.
    pub(crate) fn limit_to(&self, bytes: u64) {
        self.memory.set(Some(self.memory.promised().saturating_add(bytes)));
    }

    /// What is left for a model; `None` where nothing is known of it.
    pub(crate) fn room(&self) -> Option<Room> {
        let Room { bytes, from } = self.info.room(self.memory.bytes())?;
        Some(Room { bytes: bytes.saturating_sub(self.memory.promised()), from })
    }

    /// Keeps so much for a model.
    pub(crate) fn promise(&self, bytes: u64) -> Promise {
        self.memory.promise(bytes)
    }

    /// Keeps so much for models that are loaded once this is dropped.
    #[must_use]
    pub fn keep_free(&self, bytes: u64) -> impl Drop + use<> {
        self.promise(bytes)
    }

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

#[cfg(test)]
mod tests {
    use super::super::memory::RoomFrom;
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
}
