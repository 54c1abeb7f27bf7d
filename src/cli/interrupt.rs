//! Ctrl-C: the first press ends the run in good order, a second one the program.

use std::sync::atomic::{AtomicBool, Ordering};

/// Raised by the first press.
pub(super) static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The exit code of a program that Ctrl-C ended.
pub const EXIT_CODE: u8 = 130;

/// Begins to listen.
pub(super) fn listen() {
    let pressed = || {
        if INTERRUPTED.swap(true, Ordering::Release) {
            std::process::exit(EXIT_CODE.into());
        }
    };
    if let Err(error) = ctrlc::set_handler(pressed) {
        log::warn!("Ctrl-C will end the program at once: {error}");
    }
}

/// Whether it was pressed.
pub(super) fn pressed() -> bool {
    INTERRUPTED.load(Ordering::Acquire)
}
