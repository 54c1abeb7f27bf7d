//! The GPU's own clock: timestamps that passes write and that are read when they are done.

use wgpu::{
    BufferUsages, CommandEncoder, ComputePass, ComputePassDescriptor, ComputePassTimestampWrites, Features,
};

use super::handle::Device;
use crate::model::ModelError;

/// Bytes of a timestamp.
const TIMESTAMP_BYTES: u64 = 8;

/// Room for some timestamps, which go by their numbers.
pub(crate) struct Timestamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    seconds_per_tick: f64,
}

impl Timestamps {
    /// Bytes of the two timestamps of a pass.
    pub(crate) const PAIR_BYTES: u64 = 2 * TIMESTAMP_BYTES;

    /// Room for so many; `None` where the adapter has none.
    pub(crate) fn new(device: &Device, count: u32) -> Result<Option<Self>, ModelError> {
        if !device.device.features().contains(Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let queries = device.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count,
        });
        let usage = BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC;
        let resolved = device.buffer("timestamps", TIMESTAMP_BYTES * u64::from(count), usage)?;
        let seconds_per_tick = f64::from(device.queue.get_timestamp_period()) * 1e-9;
        Ok(Some(Self { queries, resolved, seconds_per_tick }))
    }

    /// A pass between the timestamps `first` and `first + 1`.
    pub(crate) fn around_pass(&self, first: u32) -> ComputePassDescriptor<'_> {
        let timestamp_writes = Some(ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        });
        ComputePassDescriptor { label: None, timestamp_writes }
    }

    /// Takes a timestamp within a pass, where the adapter can.
    pub(crate) fn within_pass(&self, pass: &mut ComputePass<'_>, number: u32) {
        pass.write_timestamp(&self.queries, number);
    }

    /// Copies the first two to the start of a buffer.
    pub(crate) fn copy_pair(&self, encoder: &mut CommandEncoder, target: &wgpu::Buffer) {
        encoder.resolve_query_set(&self.queries, 0..2, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, target, 0, Self::PAIR_BYTES);
    }

    /// Seconds between the two that were copied to the start of these bytes.
    pub(crate) fn pair_seconds(&self, bytes: &[u8]) -> f64 {
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&bytes[..Self::PAIR_BYTES as usize]);
        self.seconds(ticks[0], ticks[1])
    }

    /// Submits, waits, and returns the first `count` in ticks.
    pub(crate) fn read(
        &self,
        device: &Device,
        mut encoder: CommandEncoder,
        count: usize,
    ) -> Result<Vec<u64>, ModelError> {
        encoder.resolve_query_set(&self.queries, 0..count as u32, &self.resolved, 0);
        let bytes = device.submit_and_read(encoder, &self.resolved, 0, TIMESTAMP_BYTES * count as u64)?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// Seconds between two of them in ticks.
    pub(crate) fn seconds(&self, begin: u64, end: u64) -> f64 {
        end.saturating_sub(begin) as f64 * self.seconds_per_tick
    }
}
