//! Waking a GPU: one that was idle computes several times slower until its clocks have risen.

use super::arithmetic::Arithmetic;
use crate::gpu::device::Device;
use crate::gpu::kernels::AdapterClass;
use crate::model::ModelError;

/// Seconds of a run, about.
const RUN_SECONDS: f64 = 1e-3;
/// Turns of the arithmetic that are surely too few at first, and most of a run.
const FIRST_TURNS: u32 = 16;
const MOST_TURNS: u32 = 1 << 14;
/// By how much less a run takes that is faster: clocks rise by steps.
const FASTER: f64 = 0.97;
/// Seconds without a faster run after which the clocks are up, and most seconds in all.
const STEADY_SECONDS: f64 = 0.06;
const MOST_SECONDS: f64 = 0.3;

/// Keeps the device busy until its clocks are up: some hundredths of a second. Software drivers have none.
pub fn wake(device: &Device) -> Result<(), ModelError> {
    if device.capabilities.class == AdapterClass::Cpu {
        return Ok(());
    }
    let work = Arithmetic::new(device)?;
    let mut turns = FIRST_TURNS;
    work.run(turns)?;
    while work.run(turns)? < RUN_SECONDS && turns < MOST_TURNS {
        turns *= 2;
    }
    until_steady(|| work.run(turns))
}

/// Makes runs, each of which tells its seconds, until none was faster for a while.
fn until_steady(mut run: impl FnMut() -> Result<f64, ModelError>) -> Result<(), ModelError> {
    let (mut fastest, mut since, mut total) = (f64::INFINITY, 0.0, 0.0);
    while since < STEADY_SECONDS && total < MOST_SECONDS {
        let seconds = run()?;
        total += seconds;
        since += seconds;
        if seconds < FASTER * fastest {
            (fastest, since) = (seconds, 0.0);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a device runs whose runs take so long after so many seconds of work, and its seconds.
    fn runs(seconds: impl Fn(f64) -> f64) -> (usize, f64) {
        let (mut runs, mut total) = (0, 0.0);
        until_steady(|| {
            let run = seconds(total);
            runs += 1;
            total += run;
            Ok(run)
        })
        .unwrap();
        (runs, total)
    }

    #[test]
    fn runs_go_on_until_the_clocks_are_up() {
        // Awake.
        let (_, total) = runs(|_| 1e-3);
        assert!((0.06..0.065).contains(&total), "{total}");
        // From 345 to 1980 MHz by steps within 60 ms.
        let ramp = |at: f64| 1e-3 * 1980.0 / (345.0 + 327.0 * (at / 0.012).floor()).min(1980.0);
        let (_, total) = runs(ramp);
        assert!((0.12..0.14).contains(&total), "{total}");
        // One that never settles.
        let falling = |at: f64| 5e-3 * (-10.0 * at).exp();
        let (_, total) = runs(falling);
        assert!((0.3..0.31).contains(&total), "{total}");
        // A slow device is not kept for long.
        assert_eq!(runs(|_| 0.1).0, 2);
    }

    #[test]
    fn a_software_driver_has_nothing_to_wake() {
        let device = Device::open(None).unwrap();
        let before = device.traffic();
        wake(&device).unwrap();
        if device.capabilities.class == AdapterClass::Cpu {
            assert_eq!(device.traffic(), before);
        }
    }
}
