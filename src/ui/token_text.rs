//! Tokens as visible text.

pub(super) use crate::trace::spelling::*;
