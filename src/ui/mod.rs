//! The window: reads a [`crate::session::View`], sends [`crate::session::Command`]s. One file a panel.
