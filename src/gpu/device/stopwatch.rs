//! Times dispatches by the GPU's own clock.
//!
//! For measurements alone: a timestamp after each dispatch drains the GPU, and the normal path has none.

use wgpu::{BufferUsages, ComputePass, ComputePassDescriptor, ComputePassTimestampWrites, Features};

use super::handle::Device;
use crate::model::ModelError;

/// Most pieces of work in one submission: two timestamps each stay far below what a query set holds, and a
/// submission far below what a watchdog allows.
const MOST_AT_ONCE: usize = 256;

/// A device's timestamps.
pub(crate) struct Stopwatch<'a> {
    device: &'a Device,
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    place: Place,
    seconds_per_tick: f64,
}

/// Where the adapter can take timestamps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// After each dispatch of one compute pass.
    InPasses,
    /// At the beginning and the end of a compute pass: each piece of work gets one of its own.
    AroundPasses,
}

impl<'a> Stopwatch<'a> {
    /// `None` where the adapter has no timestamps.
    pub fn new(device: &'a Device) -> Result<Option<Self>, ModelError> {
        let features = device.device.features();
        if !features.contains(Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let inside = features.contains(Features::TIMESTAMP_QUERY_INSIDE_PASSES);
        let queries = device.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count: 2 * MOST_AT_ONCE as u32,
        });
        let usage = BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC;
        Ok(Some(Self {
            device,
            queries,
            resolved: device.buffer("timestamps", 16 * MOST_AT_ONCE as u64, usage)?,
            place: if inside { Place::InPasses } else { Place::AroundPasses },
            seconds_per_tick: f64::from(device.queue.get_timestamp_period()) * 1e-9,
        }))
    }

    /// Runs the pieces of work in order, and tells how many seconds each took on the GPU.
    pub fn time(&self, work: &[impl Fn(&mut ComputePass<'_>)]) -> Result<Vec<f64>, ModelError> {
        let mut seconds = Vec::with_capacity(work.len());
        for work in work.chunks(MOST_AT_ONCE) {
            let ticks = match self.place {
                Place::InPasses => self.in_one_pass(work)?,
                Place::AroundPasses => self.in_a_pass_each(work)?,
            };
            seconds.extend(ticks.into_iter().map(|ticks| ticks as f64 * self.seconds_per_tick));
        }
        Ok(seconds)
    }

    fn in_one_pass(&self, work: &[impl Fn(&mut ComputePass<'_>)]) -> Result<Vec<u64>, ModelError> {
        let mut encoder = self.device.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
            pass.write_timestamp(&self.queries, 0);
            for (index, work) in (1..).zip(work) {
                work(&mut pass);
                pass.write_timestamp(&self.queries, index);
            }
        }
        let ticks = self.read(encoder, work.len() + 1)?;
        Ok(ticks.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect())
    }

    fn in_a_pass_each(&self, work: &[impl Fn(&mut ComputePass<'_>)]) -> Result<Vec<u64>, ModelError> {
        let mut encoder = self.device.encoder();
        for (index, work) in (0..).step_by(2).zip(work) {
            let timestamp_writes = Some(ComputePassTimestampWrites {
                query_set: &self.queries,
                beginning_of_pass_write_index: Some(index),
                end_of_pass_write_index: Some(index + 1),
            });
            work(&mut encoder.begin_compute_pass(&ComputePassDescriptor { label: None, timestamp_writes }));
        }
        let ticks = self.read(encoder, 2 * work.len())?;
        Ok(ticks.as_chunks::<2>().0.iter().map(|[begin, end]| end.saturating_sub(*begin)).collect())
    }

    fn read(&self, mut encoder: wgpu::CommandEncoder, count: usize) -> Result<Vec<u64>, ModelError> {
        encoder.resolve_query_set(&self.queries, 0..count as u32, &self.resolved, 0);
        let bytes = self.device.submit_and_read(encoder, &self.resolved, 0, 8 * count as u64)?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::gpu::yardsticks::Arithmetic;

    #[test]
    fn times_grow_with_the_work_and_stay_below_the_clocks_in_both_places() {
        let device = Device::open(None).unwrap();
        let Some(mut stopwatch) = Stopwatch::new(&device).unwrap() else { return };
        let (short, long) = (Arithmetic::new(&device, 8).unwrap(), Arithmetic::new(&device, 256).unwrap());
        let work = [&short, &long, &short].map(|work| |pass: &mut ComputePass<'_>| work.encode(pass));
        stopwatch.time(&work).unwrap();
        let inside = device.device.features().contains(Features::TIMESTAMP_QUERY_INSIDE_PASSES);
        for place in [Some(Place::AroundPasses), inside.then_some(Place::InPasses)].into_iter().flatten() {
            stopwatch.place = place;
            let begin = Instant::now();
            let seconds = stopwatch.time(&work).unwrap();
            let clock = begin.elapsed().as_secs_f64();
            assert_eq!(seconds.len(), 3);
            assert!(seconds.iter().all(|seconds| *seconds > 0.0), "{seconds:?}");
            // Thirty-two times the work; on a busy machine a clock sees less of that.
            assert!(seconds[1] > 1.5 * seconds[0].min(seconds[2]), "{seconds:?}");
            assert!(seconds.iter().sum::<f64>() <= clock, "{seconds:?} in {clock}");
        }
    }
}
