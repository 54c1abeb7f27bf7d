//! Multiply-adds as work for a device, as much as is wanted.

use std::time::Instant;

use wgpu::{BufferUsages, ComputePass};

use crate::gpu::device::Device;
use crate::gpu::kernels::{AdapterClass, Kernel, KernelUse, Override};
use crate::model::ModelError;

/// Lanes of a workgroup.
const WORKGROUP: u32 = 64;
/// Multiplications and additions of a lane in a turn: eight times eight blocks of four.
const OPERATIONS: f64 = 2.0 * 256.0;
/// What each sum is multiplied by, and what is added then: all sums go to addend / (1 − factor) = 1.
const FACTOR: f32 = 0.5;
const ADDEND: f32 = 0.5;

/// Multiply-adds to run.
pub(super) struct Arithmetic<'a> {
    device: &'a Device,
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    groups: u32,
    /// How many turns each lane makes, and with which numbers.
    work: wgpu::Buffer,
    #[cfg_attr(not(test), expect(dead_code, reason = "bound for the kernel; a test reads it"))]
    results: wgpu::Buffer,
}

impl<'a> Arithmetic<'a> {
    pub(super) fn new(device: &'a Device) -> Result<Self, ModelError> {
        let groups = match device.capabilities.class {
            // More lanes than any GPU holds at once.
            AdapterClass::Gpu => 16_384,
            AdapterClass::Cpu => 64,
        };
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let work = device.buffer("the arithmetic test", 12, usage)?;
        let results = device.buffer("the arithmetic test", 4 * u64::from(groups * WORKGROUP), usage)?;
        let (variant, overrides) = (Kernel::Arithmetic.into(), vec![Override::Workgroup(WORKGROUP)]);
        let pipeline = device.pipeline(&KernelUse { variant, overrides })?;
        let group = device.bind_group(&pipeline, &[(0, &work), (1, &results)]);
        Ok(Self { device, pipeline, group, groups, work, results })
    }

    /// Operations of a turn of every lane, a multiply-add counting as two.
    pub(super) fn operations(&self) -> f64 {
        f64::from(self.groups * WORKGROUP) * OPERATIONS
    }

    /// Encodes so many workgroups.
    pub(super) fn encode(&self, pass: &mut ComputePass<'_>, groups: u32) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups(groups, 1, 1);
    }

    /// Seconds of so many turns of every lane, by the clock.
    pub(super) fn run(&self, turns: u32) -> Result<f64, ModelError> {
        let words = [turns, FACTOR.to_bits(), ADDEND.to_bits()];
        self.device.queue.write_buffer(&self.work, 0, bytemuck::cast_slice(&words));
        let mut encoder = self.device.encoder();
        self.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()), self.groups);
        let begin = Instant::now();
        self.device.submit(encoder);
        self.device.wait()?;
        Ok(begin.elapsed().as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lane_does_the_sums_that_are_counted() {
        let device = Device::open(None).unwrap();
        let work = Arithmetic::new(&device).unwrap();
        work.run(1).unwrap();
        let bytes = device.submit_and_read(device.encoder(), &work.results, 0, work.results.size()).unwrap();
        let results: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        // A sum that begins with x is 1 + (x − 1) · factor^8 after eight multiply-adds.
        let one = |start: f64| 1.0 + (start - 1.0) * f64::from(FACTOR).powi(8);
        let expected: f64 = (0..8).map(|index| one(0.5 * f64::from(index))).sum();
        assert_eq!(results.len(), (work.groups * WORKGROUP) as usize);
        assert!(results.iter().all(|result| (f64::from(*result) - expected).abs() < 1e-5), "{}", results[0]);
    }
}
