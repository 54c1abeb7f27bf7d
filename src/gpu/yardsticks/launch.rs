//! What a dispatch takes that does nothing: no op takes less.

use wgpu::ComputePass;

use super::arithmetic::Arithmetic;
use super::wake::wake;
use crate::gpu::device::{Device, Stopwatch};
use crate::model::ModelError;

/// Dispatches; the fastest counts.
const RUNS: usize = 64;

/// Seconds of a dispatch of one workgroup without work, by the device's own clock; `None` where it has none.
pub fn launch_seconds(device: &Device) -> Result<Option<f64>, ModelError> {
    let Some(stopwatch) = Stopwatch::new(device)? else { return Ok(None) };
    let work = Arithmetic::new(device)?;
    wake(device)?;
    // Its lanes make no turns from now on.
    work.run(0)?;
    let dispatch = |pass: &mut ComputePass<'_>| work.encode(pass, 1);
    let seconds = stopwatch.time(&[dispatch; RUNS])?;
    Ok(seconds.into_iter().min_by(f64::total_cmp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_takes_some_time_and_not_much() {
        let device = Device::open(None).unwrap();
        let Some(seconds) = launch_seconds(&device).unwrap() else { return };
        assert!((1e-8..1e-2).contains(&seconds), "{seconds}");
    }
}
