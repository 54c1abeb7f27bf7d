//! The loop canary: the software driver of Mesa 22.3 and 24.0 silently ends every loop after 65,535 turns,
//! which gives wrong results and no error. A driver that cannot count to 100,000 is refused.

use super::failures::Problem;
use super::handle::Device;
use crate::gpu::kernels::Kernel;
use crate::model::ModelError;

/// Turns that the canary's loop makes.
const TURNS: u32 = 100_000;

/// Runs the loop on the device and refuses the device if it miscounts.
pub(super) fn run(device: &Device) -> Result<(), Problem> {
    let counted = count(device).map_err(|error| device.problem(error))?;
    judge(counted, &device.info.driver)
}

/// How many turns the device makes.
fn count(device: &Device) -> Result<u32, ModelError> {
    let pipeline = device.pipeline(&Kernel::LoopCanary.into())?;
    let turns =
        device.buffer("canary turns", 4, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST)?;
    let counted =
        device.buffer("canary count", 4, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC)?;
    device.queue.write_buffer(&turns, 0, bytemuck::bytes_of(&TURNS));
    let group = device.bind_group(&pipeline, &[(0, &turns), (1, &counted)]);
    let mut encoder = device.encoder();
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
    }
    let bytes = device.submit_and_read(encoder, &counted, 0, 4)?;
    Ok(bytemuck::pod_read_unaligned(&bytes))
}

fn judge(counted: u32, driver: &str) -> Result<(), Problem> {
    if counted == TURNS {
        return Ok(());
    }
    Err(Problem::Miscounts { driver: driver.to_owned(), counted, turns: TURNS })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::super::waiting::PATIENCE;
    use super::*;

    #[test]
    fn a_driver_that_stops_at_65535_is_refused_with_the_remedy() {
        let error = judge(65_535, "llvmpipe Mesa 22.3").unwrap_err().to_string();
        assert!(
            error.contains("65535") && error.contains("Mesa 22.3") && error.contains("Mesa 25"),
            "{error}"
        );
        assert!(judge(100_000, "any").is_ok());
    }

    #[test]
    fn a_device_that_is_lost_before_its_first_work_is_a_problem_and_no_panic() {
        let device = Device::open(None).unwrap();
        device.destroy();
        let problem = run(&device).unwrap_err();
        assert!(matches!(&problem, Problem::FailedAtOnce(reason) if !reason.is_empty()), "{problem:?}");
        device.silent.store(true, Ordering::Relaxed);
        let problem = run(&device).unwrap_err();
        assert_eq!(problem, Problem::Silent { seconds: PATIENCE.as_secs() });
    }
}
