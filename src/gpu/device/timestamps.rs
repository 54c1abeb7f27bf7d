//! The GPU's own clock: timestamps that passes write and that are read when they are done.

use wgpu::{
    BufferUsages, CommandEncoder, ComputePass, ComputePassDescriptor, ComputePassTimestampWrites, Features,
};

use super::handle::Device;
use crate::model::ModelError;

/// Bytes of a timestamp.
const TIMESTAMP_BYTES: u64 = 8;

/// Seconds that compute passes took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PassSeconds {
    /// In them.
    pub within: f64,
    /// From the end of each to the beginning of the next.
    pub between: f64,
}

/// Room for some timestamps, which go by their numbers.
pub(crate) struct Timestamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    seconds_per_tick: f64,
}

impl Device {
    /// Whether the adapter has any.
    pub(crate) fn has_timestamps(&self) -> bool {
        self.device.features().contains(Features::TIMESTAMP_QUERY)
    }
}

impl Timestamps {
    /// Bytes of the two timestamps of a compute pass.
    pub(crate) const PAIR_BYTES: u64 = 2 * TIMESTAMP_BYTES;

    /// Room for so many; `None` where the adapter has none.
    pub(crate) fn new(device: &Device, count: u32) -> Result<Option<Self>, ModelError> {
        if !device.has_timestamps() {
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

    /// Copies those of the first compute passes to the start of a buffer.
    pub(crate) fn copy_pairs(&self, encoder: &mut CommandEncoder, passes: usize, target: &wgpu::Buffer) {
        encoder.resolve_query_set(&self.queries, 0..2 * passes as u32, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, target, 0, passes as u64 * Self::PAIR_BYTES);
    }

    /// How long the compute passes took whose timestamps were copied to the start of these bytes.
    pub(crate) fn pass_seconds(&self, bytes: &[u8], passes: usize) -> PassSeconds {
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&bytes[..passes * Self::PAIR_BYTES as usize]);
        let pairs = ticks.as_chunks::<2>().0;
        PassSeconds {
            within: pairs.iter().map(|&[begin, end]| self.seconds(begin, end)).sum(),
            between: pairs.windows(2).map(|two| self.seconds(two[0][1], two[1][0])).sum(),
        }
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
