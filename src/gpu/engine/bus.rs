//! How fast weights cross the bus: measured when a model is loaded of which some do, and remembered, so that the next one's
//! speed can be told before it is loaded.

use std::time::Instant;

use super::core::Engine;
use super::tuning_cache::{Trial, TuningCache, TuningKey};
use crate::gpu::device::AdapterInfo;
use crate::model::ModelError;

/// What was run, as it is remembered.
const WORK: &str = "weights over the bus";
/// What a time is for.
const UNIT: &str = "1 GB";
const UNIT_BYTES: f64 = 1e9;
/// Bytes that are too few to measure by, and those that are enough.
const LEAST_BYTES: u64 = 16 << 20;
const ENOUGH_BYTES: u64 = 256 << 20;
/// Measurements; the fastest counts.
const RUNS: usize = 3;

impl Engine {
    /// Measures the bus by the model's own weights, unless that is remembered.
    pub(super) fn measure_bus(&self, trials: &mut TuningCache) -> Result<(), ModelError> {
        let (device, host) = (&self.device, &self.resources.host);
        let (mut copies, mut bytes) = (Vec::new(), 0);
        for (number, copy) in host.copies.iter().enumerate() {
            if bytes < ENOUGH_BYTES {
                copies.push(number);
                bytes += copy.bytes;
            }
        }
        if bytes < LEAST_BYTES {
            return Ok(());
        }
        let key = TuningKey::of(&device.info, WORK.to_owned());
        if trials.known(&key, &[UNIT.to_owned()]).is_some() {
            return Ok(());
        }
        let mut best = f64::INFINITY;
        for _ in 0..=RUNS {
            let mut encoder = device.encoder();
            copies.iter().for_each(|&copy| host.copies[copy].record(&mut encoder));
            let begin = Instant::now();
            device.submit(encoder);
            host.brought(device, copies.iter().copied());
            device.wait()?;
            best = best.min(begin.elapsed().as_secs_f64());
        }
        let seconds = [(UNIT.to_owned(), best * UNIT_BYTES / bytes as f64)].into();
        trials.keep(vec![Trial { key, seconds }]);
        Ok(())
    }
}

/// Bytes a second at which weights crossed the bus to an adapter, where that was measured.
pub fn bus_rate(adapter: &AdapterInfo) -> Option<f64> {
    let trials = TuningCache::of_user();
    let of_adapter = trials.about(&adapter.full_name(), &adapter.driver).find(|trial| trial.key.work == WORK);
    Some(UNIT_BYTES / of_adapter?.seconds.get(UNIT)?)
}
