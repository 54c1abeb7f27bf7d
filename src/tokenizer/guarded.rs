//! Calls into libraries that panic on some malformed files: the panic becomes an error, and nothing of it is printed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether this thread is within [`guarded`].
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs a call into the `tokenizers` crate. What it says, or that it panicked, is the error.
pub(super) fn guarded<T>(call: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    leave_out_quiet_panics();
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    QUIET.set(before);
    match result {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the tokenizers library failed on it".to_owned()),
    }
}

/// Has panics of quiet threads left out of what is printed; those of others are told as before.
fn leave_out_quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                before(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_quietness_ends_with_the_call() {
        let failed = guarded::<()>(|| {
            assert!(QUIET.get());
            assert_eq!(guarded(|| Ok(1)), Ok(1));
            assert!(QUIET.get());
            panic!("odd file");
        });
        assert_eq!(failed, Err("the tokenizers library failed on it".to_owned()));
        assert_eq!(guarded::<()>(|| Err("odd".into())), Err("odd".to_owned()));
        assert!(!QUIET.get());
    }
}
