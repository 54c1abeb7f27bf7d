//! The device's own copy bandwidth: the yardstick that decoding speed is measured against.

use std::time::Instant;

use wgpu::{BufferUsages, CommandEncoder, ComputePassDescriptor};

use super::turns::turns_a_second;
use super::wake::wake;
use crate::gpu::device::Device;
use crate::gpu::kernels::{AdapterClass, Kernel, KernelUse, Override};
use crate::model::ModelError;

/// Bytes of the buffer that is copied: many times what the caches of such devices hold.
const DISCRETE_BYTES: u64 = 1 << 30;
const SHARED_BYTES: u64 = 256 << 20;
const SOFTWARE_BYTES: u64 = 128 << 20;
/// Bytes of the smallest.
const LEAST_BYTES: u64 = 4 << 20;
/// The part of the device's memory that a buffer may take, of which there are two.
const PART_OF_ROOM: u64 = 4;

/// Lanes of a workgroup, and bytes that it copies, as `shaders/copy.wgsl` has them.
const WORKGROUP: u32 = 256;
const GROUP_BYTES: u64 = WORKGROUP as u64 * 8 * 16;

/// Bytes a second that the device reads and writes when it copies one large buffer to another: each copied
/// byte counts twice. By the clock; the faster of the driver's own copies and of a kernel's.
pub fn copy_bandwidth(device: &Device) -> Result<f64, ModelError> {
    wake(device)?;
    let copy = Copy::new(device)?;
    let mut fastest = 0.0f64;
    for by in [By::Driver, By::Kernel] {
        fastest = fastest.max(turns_a_second(|turns| copy.run(by, turns))?);
    }
    Ok(2.0 * copy.bytes as f64 * fastest)
}

/// What copies.
#[derive(Clone, Copy)]
enum By {
    Driver,
    Kernel,
}

/// Two buffers, one of which is copied to the other.
struct Copy<'a> {
    device: &'a Device,
    from: wgpu::Buffer,
    to: wgpu::Buffer,
    bytes: u64,
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
}

impl<'a> Copy<'a> {
    fn new(device: &'a Device) -> Result<Self, ModelError> {
        let (from, to, bytes) = buffers(device)?;
        let (variant, overrides) = (Kernel::Copy.into(), vec![Override::Workgroup(WORKGROUP)]);
        let pipeline = device.pipeline(&KernelUse { variant, overrides })?;
        let group = device.bind_group(&pipeline, &[(0, &from), (1, &to)]);
        Ok(Self { device, from, to, bytes, pipeline, group })
    }

    /// Seconds of so many copies, by the clock.
    fn run(&self, by: By, turns: u32) -> Result<f64, ModelError> {
        let mut encoder = self.device.encoder();
        match by {
            By::Driver => {
                (0..turns)
                    .for_each(|_| encoder.copy_buffer_to_buffer(&self.from, 0, &self.to, 0, self.bytes));
            }
            By::Kernel => self.dispatch(&mut encoder, turns),
        }
        let begin = Instant::now();
        self.device.submit(encoder);
        self.device.wait()?;
        Ok(begin.elapsed().as_secs_f64())
    }

    fn dispatch(&self, encoder: &mut CommandEncoder, turns: u32) {
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        (0..turns).for_each(|_| pass.dispatch_workgroups((self.bytes / GROUP_BYTES) as u32, 1, 1));
    }
}

/// Bytes of each buffer on a device with so much room for both, where it is known.
fn wanted_bytes(class: AdapterClass, has_own_memory: bool, room: Option<u64>, binding: u64) -> u64 {
    let usual = match class {
        AdapterClass::Cpu => SOFTWARE_BYTES,
        AdapterClass::Gpu if has_own_memory => DISCRETE_BYTES,
        AdapterClass::Gpu => SHARED_BYTES,
    };
    let most = room.map_or(u64::MAX, |room| room / PART_OF_ROOM).min(binding);
    let bytes = usual.min(most).max(LEAST_BYTES);
    bytes / GROUP_BYTES * GROUP_BYTES
}

/// The two buffers and their size: smaller ones where there is no memory for those that were wanted.
fn buffers(device: &Device) -> Result<(wgpu::Buffer, wgpu::Buffer, u64), ModelError> {
    let usage = BufferUsages::COPY_SRC | BufferUsages::COPY_DST | BufferUsages::STORAGE;
    let room = device.room().map(|room| room.bytes);
    let (class, has_own_memory) = (device.capabilities.class, device.info.has_own_memory());
    let mut bytes = wanted_bytes(class, has_own_memory, room, device.binding_limit());
    loop {
        let buffer = || device.buffer("the bandwidth test", bytes, usage);
        match buffer().and_then(|from| Ok((from, buffer()?, bytes))) {
            Err(ModelError::OutOfMemory { .. }) if bytes > LEAST_BYTES => bytes /= 2,
            made => return made,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::kernels::MOST_WORKGROUPS;

    #[test]
    fn both_ways_copy_every_byte() {
        let device = Device::open(None).unwrap();
        device.limit_memory(Some(4 * LEAST_BYTES));
        let copy = Copy::new(&device).unwrap();
        assert_eq!(copy.bytes, LEAST_BYTES);
        for (number, by) in (0u32..).zip([By::Driver, By::Kernel]) {
            let words: Vec<u32> = (0..copy.bytes as u32 / 4).map(|word| word ^ number << 31).collect();
            device.queue.write_buffer(&copy.from, 0, bytemuck::cast_slice(&words));
            copy.run(by, 1).unwrap();
            let bytes = device.submit_and_read(device.encoder(), &copy.to, 0, copy.bytes).unwrap();
            assert!(bytemuck::pod_collect_to_vec::<u8, u32>(&bytes) == words);
        }
    }

    #[test]
    fn buffers_are_larger_than_caches_where_there_is_room() {
        let (gpu, mib) = (AdapterClass::Gpu, 1u64 << 20);
        assert_eq!(wanted_bytes(gpu, true, Some(140 << 30), 2 << 30), 1024 * mib);
        assert_eq!(wanted_bytes(gpu, true, Some(1 << 30), 2 << 30), 256 * mib);
        assert_eq!(
            wanted_bytes(gpu, true, Some(140 << 30), 128 << 20),
            128 * mib,
            "one binding shows no more"
        );
        assert_eq!(wanted_bytes(gpu, false, None, u64::MAX), 256 * mib);
        assert_eq!(wanted_bytes(AdapterClass::Cpu, false, None, u64::MAX), 128 * mib);
        assert_eq!(wanted_bytes(gpu, true, Some(0), u64::MAX), LEAST_BYTES);
        let odd = wanted_bytes(gpu, true, Some((1 << 30) + 12_345_678), u64::MAX);
        assert!(odd.is_multiple_of(GROUP_BYTES) && odd > 256 * mib, "whole workgroups: {odd}");
        assert!(DISCRETE_BYTES / GROUP_BYTES <= u64::from(MOST_WORKGROUPS), "in one dimension");
    }

    #[test]
    fn the_bandwidth_is_what_a_device_can_have() {
        let bandwidth = copy_bandwidth(&Device::open(None).unwrap()).unwrap();
        assert!((1e8..1e14).contains(&bandwidth), "{bandwidth}");
    }
}
