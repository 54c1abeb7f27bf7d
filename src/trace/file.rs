//! Trace files: a [`super::Run`] as JSON, readable without the model.
