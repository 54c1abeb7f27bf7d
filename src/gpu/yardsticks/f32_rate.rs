//! The device's own f32 rate: the yardstick that matrix products are measured against.

use super::arithmetic::Arithmetic;
use super::turns::turns_a_second;
use super::wake::wake;
use crate::gpu::device::Device;
use crate::model::ModelError;

/// Floating-point operations a second that the device does in f32, a multiply-add counting as two. The best of
/// several runs, by the clock.
pub fn f32_rate(device: &Device) -> Result<f64, ModelError> {
    wake(device)?;
    let work = Arithmetic::new(device)?;
    let turns = turns_a_second(|turns| work.run(turns))?;
    Ok(turns * work.operations())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_what_a_device_can_have() {
        let rate = f32_rate(&Device::open(None).unwrap()).unwrap();
        assert!((1e8..1e16).contains(&rate), "{rate}");
    }
}
