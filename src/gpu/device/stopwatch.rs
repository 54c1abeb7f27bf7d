//! Times dispatches by the GPU's own clock.
//!
//! For measurements alone: a timestamp after each dispatch drains the GPU, and the normal path has none.

use wgpu::{ComputePass, ComputePassDescriptor, Features};

use super::handle::Device;
use super::timestamps::Timestamps;
use crate::model::ModelError;

/// Most pieces of work in one submission: two timestamps each stay far below what a query set holds, and a
/// submission far below what a watchdog allows.
const MOST_AT_ONCE: usize = 256;

/// A device and its clock.
pub(crate) struct Stopwatch<'a> {
    device: &'a Device,
    timestamps: Timestamps,
    place: Place,
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
    pub(crate) fn new(device: &'a Device) -> Result<Option<Self>, ModelError> {
        let Some(timestamps) = Timestamps::new(device, 2 * MOST_AT_ONCE as u32)? else { return Ok(None) };
        let inside = device.device.features().contains(Features::TIMESTAMP_QUERY_INSIDE_PASSES);
        let place = if inside { Place::InPasses } else { Place::AroundPasses };
        Ok(Some(Self { device, timestamps, place }))
    }

    /// Runs the pieces of work in order, and tells how many seconds each took on the GPU.
    pub(crate) fn time(&self, work: &[impl Fn(&mut ComputePass<'_>)]) -> Result<Vec<f64>, ModelError> {
        let mut seconds = Vec::with_capacity(work.len());
        for work in work.chunks(MOST_AT_ONCE) {
            seconds.extend(match self.place {
                Place::InPasses => self.in_one_pass(work)?,
                Place::AroundPasses => self.in_a_pass_each(work)?,
            });
        }
        Ok(seconds)
    }

    fn in_one_pass(&self, work: &[impl Fn(&mut ComputePass<'_>)]) -> Result<Vec<f64>, ModelError> {
        let mut encoder = self.device.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
            self.timestamps.within_pass(&mut pass, 0);
            for (number, work) in (1..).zip(work) {
                work(&mut pass);
                self.timestamps.within_pass(&mut pass, number);
            }
        }
        let ticks = self.timestamps.read(self.device, encoder, work.len() + 1)?;
        Ok(ticks.windows(2).map(|pair| self.timestamps.seconds(pair[0], pair[1])).collect())
    }

    fn in_a_pass_each(&self, work: &[impl Fn(&mut ComputePass<'_>)]) -> Result<Vec<f64>, ModelError> {
        let mut encoder = self.device.encoder();
        for (first, work) in (0..).step_by(2).zip(work) {
            work(&mut encoder.begin_compute_pass(&self.timestamps.around_pass(first)));
        }
        let ticks = self.timestamps.read(self.device, encoder, 2 * work.len())?;
        let pairs = ticks.as_chunks::<2>().0.iter();
        Ok(pairs.map(|&[begin, end]| self.timestamps.seconds(begin, end)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::gpu::kernels::{Kernel, KernelUse, Override};

    /// Multiply-adds to run: every lane of 64 workgroups makes so many turns.
    struct Arithmetic {
        pipeline: wgpu::ComputePipeline,
        group: wgpu::BindGroup,
    }

    impl Arithmetic {
        fn new(device: &Device, turns: u32) -> Self {
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
            let work = device.buffer("work", 12, usage).unwrap();
            let results = device.buffer("results", 4 * 64 * 64, usage).unwrap();
            let words = [turns, 0.5_f32.to_bits(), 0.5_f32.to_bits()];
            device.queue.write_buffer(&work, 0, bytemuck::cast_slice(&words));
            let (variant, overrides) = (Kernel::Arithmetic.into(), vec![Override::Workgroup(64)]);
            let pipeline = device.pipeline(&KernelUse { variant, overrides }).unwrap();
            let group = device.bind_group(&pipeline, &[(0, &work), (1, &results)]);
            Self { pipeline, group }
        }

        fn encode(&self, pass: &mut ComputePass<'_>) {
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &self.group, &[]);
            pass.dispatch_workgroups(64, 1, 1);
        }
    }

    #[test]
    fn times_grow_with_the_work_and_stay_below_the_clocks_in_both_places() {
        let device = Device::open(None).unwrap();
        let Some(mut stopwatch) = Stopwatch::new(&device).unwrap() else { return };
        let (short, long) = (Arithmetic::new(&device, 8), Arithmetic::new(&device, 256));
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
