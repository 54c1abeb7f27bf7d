//! Waiting for a device, and keeping the errors that arrive outside of any call.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wgpu::{PollError, PollType};

use crate::model::ModelError;
use crate::problems;

/// Longest that a submission may take before the device counts as lost; the window says so in words. Submissions are cut to tens of
/// milliseconds on a GPU; the software driver on a busy machine needs the room.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The same for an adapter's first work, which takes milliseconds: another adapter may be waiting for its turn.
pub(super) const FIRST_PATIENCE: Duration = Duration::from_secs(20);

/// Why a wait came to nothing.
pub(super) enum Unfinished {
    /// The time was up, in wgpu's words.
    Silent(PollError),
    /// The driver lost the device.
    Lost,
}

impl Unfinished {
    /// The error that it is.
    pub(super) fn error(&self) -> ModelError {
        let reason = match self {
            Self::Silent(error) => error.to_string(),
            Self::Lost => "its driver lost it".to_owned(),
        };
        ModelError::DeviceLost { reason }
    }
}

/// When each wait that is under way began, whichever device it is for.
static WAITS: Mutex<Vec<Instant>> = Mutex::new(Vec::new());

/// A wait under way, which ends when this goes.
struct Wait(Instant);

impl Wait {
    fn begin() -> Self {
        let begun = Instant::now();
        WAITS.lock().unwrap_or_else(PoisonError::into_inner).push(begun);
        Self(begun)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waits = WAITS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = waits.iter().position(|begun| *begun == self.0) {
            waits.swap_remove(place);
        }
    }
}

/// For how long a GPU has not answered, if one is waited for: the longest of the waits under way.
pub fn gpu_silence() -> Option<Duration> {
    let waits = WAITS.lock().unwrap_or_else(PoisonError::into_inner);
    waits.iter().min().map(Instant::elapsed)
}

/// Waits for a device. wgpu panics where a driver loses its device meanwhile.
pub(super) fn poll(device: &wgpu::Device, poll: PollType) -> Result<(), Unfinished> {
    let _wait = matches!(poll, PollType::Wait { .. }).then(Wait::begin);
    match catch_unwind(AssertUnwindSafe(|| device.poll(poll))) {
        Ok(waited) => waited.map(drop).map_err(Unfinished::Silent),
        Err(_) => Err(Unfinished::Lost),
    }
}

/// The first error of a device that arrived outside of any call: without a handler wgpu panics on those.
#[derive(Clone, Default)]
pub(super) struct FirstFailure(Arc<Mutex<Option<ModelError>>>);

impl FirstFailure {
    /// Keeps the first error of a device from now on.
    pub(super) fn watch(device: &wgpu::Device) -> Self {
        let failure = Self::default();
        let slot = failure.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            slot.keep(match error {
                wgpu::Error::OutOfMemory { .. } => ModelError::OutOfMemory { what: "the model".to_owned() },
                other => ModelError::Device { reason: other.to_string() },
            });
        }));
        let slot = failure.clone();
        device.set_device_lost_callback(move |reason, message| {
            let is_meant = reason == wgpu::DeviceLostReason::Destroyed;
            let reason = if message.is_empty() { format!("{reason:?}") } else { message };
            if !is_meant {
                problems::record(&format!("the GPU was lost: {reason}"));
            }
            slot.keep(ModelError::DeviceLost { reason });
        });
        failure
    }

    /// That error, if there was one.
    pub(super) fn check(&self) -> Result<(), ModelError> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    fn keep(&self, error: ModelError) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_that_of_the_longest_wait() {
        // Other tests wait for devices meanwhile: longer waits than these there are not.
        let hour = Duration::from_secs(3600);
        let begun = Instant::now().checked_sub(hour).expect("the clock runs for longer");
        WAITS.lock().unwrap().push(begun);
        let newer = Wait::begin();
        assert!(gpu_silence() >= Some(hour));
        drop(newer);
        assert!(gpu_silence() >= Some(hour), "the older one goes on");
        drop(Wait(begun));
        assert!(gpu_silence() < Some(hour));
    }
}
