//! A source of tensors brought into a plan's order.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::plan::Plan;
use super::weights::{TensorInfo, Weights, WeightsError};

/// A file whose tensors do not fit the plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// A tensor that an op needs is not there.
    #[error("tensor {name} ({rows} × {columns}) is missing")]
    Missing {
        /// Canonical name.
        name: String,
        /// Rows needed.
        rows: usize,
        /// Columns needed.
        columns: usize,
    },
    /// A tensor has another shape than the configuration says.
    #[error("tensor {name} is {found}, but the configuration makes it {needed} (rows × columns)")]
    Shape {
        /// Canonical name.
        name: String,
        /// Shape in the file.
        found: String,
        /// Shape in the plan.
        needed: String,
    },
    /// A tensor that no op reads: the file holds something that we would silently ignore.
    #[error("tensor {name} is in the file, but nothing in this architecture reads it")]
    Unread {
        /// Canonical name.
        name: String,
    },
}

/// The tensors of a source in a plan's order: tensor i is the plan's tensor i.
pub struct BoundWeights<W> {
    source: W,
    tensors: Vec<TensorInfo>,
    /// For each tensor its index in the source.
    indices: Vec<usize>,
}

impl Plan {
    /// The source's tensors in the plan's order; refuses missing, misshapen and unread ones.
    pub fn bind<W: Weights>(&self, source: W) -> Result<BoundWeights<W>, BindError> {
        let found = source.tensors();
        let by_name: HashMap<&str, usize> =
            found.iter().enumerate().map(|(index, info)| (info.name.as_str(), index)).collect();
        let mut read = vec![false; found.len()];
        let mut indices = Vec::with_capacity(self.tensors.len());
        for spec in &self.tensors {
            let &index = by_name.get(spec.name.as_str()).ok_or_else(|| BindError::Missing {
                name: spec.name.clone(),
                rows: spec.rows,
                columns: spec.columns,
            })?;
            let info = &found[index];
            if (info.rows, info.columns) != (spec.rows, spec.columns) {
                return Err(BindError::Shape {
                    name: spec.name.clone(),
                    found: format!("{} × {}", info.rows, info.columns),
                    needed: format!("{} × {}", spec.rows, spec.columns),
                });
            }
            read[index] = true;
            indices.push(index);
        }
        if let Some(index) = read.iter().position(|read| !read) {
            return Err(BindError::Unread { name: found[index].name.clone() });
        }
        let tensors = indices.iter().map(|&index| found[index].clone()).collect();
        Ok(BoundWeights { source, tensors, indices })
    }
}

impl<W: Weights> Weights for BoundWeights<W> {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn read(&self, index: usize, rows: Range<usize>) -> Result<Cow<'_, [u8]>, WeightsError> {
        self.source.read(self.indices[index], rows)
    }
}
