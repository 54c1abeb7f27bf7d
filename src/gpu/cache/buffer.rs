//! Buffers that grow with what sequences keep.

use wgpu::BufferUsages;

use crate::gpu::device::Device;
use crate::model::ModelError;

/// A buffer of what sequences keep, which can be enlarged.
pub(super) fn buffer(device: &Device, what: &str, bytes: u64) -> Result<wgpu::Buffer, ModelError> {
    let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
    device.buffer(what, bytes, usage)
}

/// Replaces such a buffer by one of so many bytes with what the first `kept` hold, and waits until the old one can go.
pub(super) fn enlarge(
    device: &Device,
    buffer: &mut wgpu::Buffer,
    what: &str,
    bytes: u64,
    kept: u64,
) -> Result<(), ModelError> {
    let grown = self::buffer(device, what, bytes)?;
    let mut encoder = device.encoder();
    encoder.copy_buffer_to_buffer(buffer, 0, &grown, 0, kept);
    device.submit(encoder);
    *buffer = grown;
    device.wait()
}
