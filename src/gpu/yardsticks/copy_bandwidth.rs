//! The device's own copy bandwidth: the yardstick that decoding speed is measured against.

use std::time::Instant;

use wgpu::BufferUsages;

use crate::gpu::device::Device;
use crate::model::ModelError;

/// Bytes of the buffer that is copied: beyond every cache of today's GPUs, within every binding limit.
const BYTES: u64 = 128 << 20;
/// Bytes of the smallest.
const LEAST_BYTES: u64 = 4 << 20;

/// Bytes a second that the device reads and writes when it copies one large buffer to another: each copied
/// byte counts twice. The best of several runs, by the clock.
pub fn copy_bandwidth(device: &Device) -> Result<f64, ModelError> {
    let usage = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
    // Where memory is short, smaller ones: two of them are needed.
    let room = device.room().map_or(u64::MAX, |room| room.bytes);
    let bytes = BYTES.min((room / 2).next_multiple_of(4)).max(LEAST_BYTES);
    let from = device.buffer("the bandwidth test", bytes, usage)?;
    let to = device.buffer("the bandwidth test", bytes, usage)?;
    let copies = |count: usize| -> Result<f64, ModelError> {
        let mut encoder = device.encoder();
        for _ in 0..count {
            encoder.copy_buffer_to_buffer(&from, 0, &to, 0, bytes);
        }
        let begin = Instant::now();
        device.submit(encoder);
        device.wait()?;
        Ok(begin.elapsed().as_secs_f64())
    };
    // The first run pays for clearing the buffers. Two lengths in the difference cancel the cost of a wait.
    copies(1)?;
    let mut best = 0.0f64;
    for _ in 0..5 {
        let seconds = copies(5)? - copies(1)?;
        if seconds > 0.0 {
            best = best.max(4.0 * 2.0 * bytes as f64 / seconds);
        }
    }
    Ok(best)
}
