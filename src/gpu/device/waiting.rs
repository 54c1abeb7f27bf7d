//! Waiting for a device, and keeping the errors that arrive outside of any call.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wgpu::{PollError, PollType};

use crate::model::ModelError;
use crate::problems;

/// Longest that a submission may take before the device counts as lost. Submissions are cut to tens of
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

/// Waits for a device. wgpu panics where a driver loses its device meanwhile.
pub(super) fn poll(device: &wgpu::Device, poll: PollType) -> Result<(), Unfinished> {
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
