//! The CPU twin: interprets a [`crate::model::Plan`] in plain loops with f64 accumulation, one file an op.
//!
//! Between ops values are f32, rounded once an op, so that each op's output can be compared with the same
//! op's output on the GPU. Slow and plain on purpose; it knows nothing of files, devices or threads.
//!
//! Two ways in. As a [`crate::model::LanguageModel`] it computes whole passes. Op by op it goes through
//! [`Reference::begin`], [`Reference::run`] and [`Reference::finish`], with [`Reference::buffers`] open to be
//! read and overwritten in between:
//!
//! ```
//! use logitscope::model::{Batch, Op, Plan, SequenceId, LanguageModel};
//! use logitscope::model::batch::RowOutput;
//! use logitscope::model::plan::{BufferId, BufferSpec, RowSet};
//! use logitscope::reference::Reference;
//!
//! // A plan of one op, as a kernel's test makes it: output += input, on rows of two elements.
//! let buffer = |name| BufferSpec { name, columns: 2, rows: RowSet::Batch };
//! let op = Op::Add { input: BufferId(0), output: BufferId(1) };
//! let plan = Plan {
//!     tensors: vec![],
//!     buffers: vec![buffer("input"), buffer("output")],
//!     rotary_tables: vec![],
//!     cache_widths: vec![],
//!     states: vec![],
//!     cache_format: Default::default(),
//!     ops: vec![op.clone()],
//!     logits: BufferId(1),
//!     hidden: None,
//!     carried: None,
//! };
//! let mut twin = Reference::from_values(plan, 10, vec![]);
//! let sequence = twin.new_sequence();
//! let batch = Batch::chain(sequence, 0, &[0], RowOutput::Logits);
//! let mut pass = twin.begin(&batch)?;
//! twin.buffers[0] = vec![1.0, 2.0];
//! twin.buffers[1] = vec![10.0, 20.0];
//! twin.run(&op, &mut pass);
//! assert_eq!(twin.buffers[1], [11.0, 22.0]);
//! # Ok::<(), logitscope::model::ModelError>(())
//! ```

mod activate;
mod activation;
mod add;
mod attend;
mod attention;
mod cache;
mod clamp;
mod convolution;
mod embed;
mod expert_linear;
mod gate;
mod gate_rows;
mod head_linear;
mod head_norm;
mod interpreter;
mod language_model;
mod linear;
mod mix;
mod norm;
mod pick;
mod probe;
mod recurrence;
mod reorder;
mod rotary;
mod route;
mod scale;
pub mod selection;
#[cfg(test)]
mod sequence_tests;
mod soft_cap;
mod states;
mod xielu;

pub use interpreter::{Pass, Reference};
