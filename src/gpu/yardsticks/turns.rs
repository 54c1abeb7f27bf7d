//! How fast a device makes turns of some work, by the clock.

use crate::model::ModelError;

/// Shortest run that counts: what it takes to submit a run and to wait for it is little beside this.
const LONG_ENOUGH_SECONDS: f64 = 0.02;
/// What a longer run aims at.
const AIM_SECONDS: f64 = 0.025;
/// Most turns of a run.
const MOST_TURNS: u32 = 1 << 20;
/// Runs that are long enough; the fastest counts.
const RUNS: usize = 3;

/// Turns a second. `run` makes so many turns and tells how many seconds they took.
pub(super) fn turns_a_second(mut run: impl FnMut(u32) -> Result<f64, ModelError>) -> Result<f64, ModelError> {
    // The first run pays for the driver's compiler, and for clearing buffers.
    run(1)?;
    let mut turns = 1;
    let mut seconds = run(turns)?;
    while seconds < LONG_ENOUGH_SECONDS && turns < MOST_TURNS {
        // A short run is mostly waiting: it does not tell how many turns will be enough.
        let more = (AIM_SECONDS / seconds).clamp(2.0, 16.0);
        turns = (f64::from(turns) * more).ceil().min(f64::from(MOST_TURNS)) as u32;
        seconds = run(turns)?;
    }
    for _ in 1..RUNS {
        seconds = seconds.min(run(turns)?);
    }
    Ok(f64::from(turns) / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that makes a turn in so many seconds, takes 0.3 ms more a run and 50 ms more for the first one.
    fn measured(turn: f64) -> (f64, f64) {
        let mut total = 0.0;
        let rate = turns_a_second(|turns| {
            let seconds = if total == 0.0 { 0.05 } else { 3e-4 } + f64::from(turns) * turn;
            total += seconds;
            Ok(seconds)
        });
        (rate.unwrap(), total)
    }

    #[test]
    fn slow_and_fast_devices_are_measured_alike_and_soon() {
        for turn in [1e-7, 1e-6, 2.2e-4, 1e-3, 0.03, 0.1] {
            let (rate, total) = measured(turn);
            let share = rate * turn;
            assert!((0.98..=1.0).contains(&share), "{share} of the rate at {turn} s a turn");
            assert!(total < 0.2 + 5.0 * turn, "{total} s at {turn} s a turn");
        }
    }

    #[test]
    fn an_error_of_a_run_ends_the_measurement() {
        let lost = ModelError::DeviceLost { reason: "gone".to_owned() };
        assert_eq!(turns_a_second(|_| Err(lost.clone())), Err(lost));
    }
}
