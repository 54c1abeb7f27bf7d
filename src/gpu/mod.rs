//! The engine: interprets a [`crate::model::Plan`] with WGSL kernels on a wgpu device of its own.
//!
//! Only this module names wgpu compute types.
