//! Buffers that results are copied to and that the CPU maps.

use wgpu::BufferUsages;

use super::handle::Device;
use crate::model::ModelError;

/// Those that are not in use.
#[derive(Default)]
pub(crate) struct Readbacks {
    free: Vec<wgpu::Buffer>,
}

impl Readbacks {
    /// A buffer of at least so many bytes.
    pub(crate) fn take(&mut self, device: &Device, bytes: u64) -> Result<wgpu::Buffer, ModelError> {
        match self.free.iter().position(|buffer| buffer.size() >= bytes) {
            Some(index) => Ok(self.free.swap_remove(index)),
            None => device.buffer("the readback", bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST),
        }
    }

    /// Takes back what is not in use any more.
    pub(crate) fn give_back(&mut self, buffers: impl IntoIterator<Item = wgpu::Buffer>) {
        self.free.extend(buffers);
    }
}
