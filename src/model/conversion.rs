//! Weights in another precision than the file's: a source of tensors that wraps another one.
//!
//! Twin and GPU read weights through [`Weights`] alone, so both compute with the same rounded numbers.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::plan::{Op, Plan};
use super::weight_format::Encoding;
use super::weights::{TensorInfo, Weights, WeightsError};

/// The precision that weights are loaded in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightsChoice {
    /// As in the file.
    #[default]
    Original,
    /// Matrices in f16.
    F16,
    /// Matrices in q8_0, about 8.5 bits a weight.
    Q8_0,
    /// Matrices in q4_0, about 4.5 bits a weight; token embeddings and the LM head in q8_0.
    Q4_0,
}

/// Tensors of another source, the matrices in the precision of a [`WeightsChoice`]; vectors stay as they are.
pub struct Converted<W> {
    inner: W,
    tensors: Vec<TensorInfo>,
    /// What each tensor is converted to; `None` if it stays as it is.
    encodings: Vec<Option<Encoding>>,
    /// Matrices that stay in f16, because their rows are not a whole number of blocks.
    unblocked: Vec<String>,
}

impl WeightsChoice {
    /// Every choice.
    pub const ALL: [Self; 4] = [Self::Original, Self::F16, Self::Q8_0, Self::Q4_0];

    /// As `--weights` spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
        }
    }

    /// Weights in this precision, tensor i of them the plan's, with a warning about those that could not be converted.
    pub fn convert<W: Weights + Send + 'static>(
        self,
        weights: W,
        plan: &Plan,
    ) -> (Box<dyn Weights + Send>, Option<String>) {
        if self == Self::Original {
            return (Box::new(weights), None);
        }
        let converted = Converted::new(weights, plan, self);
        let warning = converted.warning();
        (Box::new(converted), warning)
    }

    /// What a matrix in that role is converted to; `None` if it stays as it is.
    fn encoding(self, role: Role) -> Option<Encoding> {
        match (self, role) {
            (Self::Original, _) | (_, Role::Vector) => None,
            (Self::F16, _) => Some(Encoding::F16),
            // Measured on the built-in model: with these in q4_0 too, the logits' relative error grows from 3.6 to
            // 5.3 %.
            (Self::Q8_0, _) | (Self::Q4_0, Role::Vocabulary) => Some(Encoding::Q8_0),
            (Self::Q4_0, Role::Inner) => Some(Encoding::Q4_0),
        }
    }
}

impl<W: Weights> Converted<W> {
    /// Tensor i of `inner` is the plan's tensor i.
    pub fn new(inner: W, plan: &Plan, choice: WeightsChoice) -> Self {
        let mut tensors = inner.tensors().to_vec();
        let mut encodings = vec![None; tensors.len()];
        let mut unblocked = Vec::new();
        for ((role, info), encoding) in roles(plan).into_iter().zip(&mut tensors).zip(&mut encodings) {
            let Some(mut wanted) = choice.encoding(role) else { continue };
            if !info.columns.is_multiple_of(wanted.format().block_elements()) {
                wanted = Encoding::F16;
                unblocked.push(info.name.clone());
            }
            if info.format != wanted.format() {
                info.format = wanted.format();
                *encoding = Some(wanted);
            }
        }
        Self { inner, tensors, encodings, unblocked }
    }

    /// A warning about matrices that could not be quantised, if there are any.
    pub fn warning(&self) -> Option<String> {
        let first = self.unblocked.first()?;
        let info = self.tensors.iter().find(|info| info.name == *first)?;
        let count = self.unblocked.len();
        let are = if count == 1 { "matrix stays" } else { "matrices stay" };
        Some(format!(
            "{count} {are} in f16, because rows of {} columns are no whole number of 32-weight blocks: {first}{}",
            info.columns,
            if count == 1 { "" } else { ", …" }
        ))
    }
}

impl<W: Weights> Weights for Converted<W> {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn read(&self, index: usize, rows: Range<usize>) -> Result<Cow<'_, [u8]>, WeightsError> {
        let stored = self.inner.read(index, rows)?;
        Ok(match self.encodings[index] {
            None => stored,
            Some(to) => Cow::Owned(self.inner.tensors()[index].format.convert(&stored, to)),
        })
    }
}

/// What a plan does with a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Norm weights, biases, position tables.
    Vector,
    /// A row for each entry of the vocabulary: token embeddings, the LM head.
    Vocabulary,
    /// Any other linear map.
    Inner,
}

/// The role of each of the plan's tensors.
fn roles(plan: &Plan) -> Vec<Role> {
    let mut roles = vec![Role::Vector; plan.tensors.len()];
    for op in &plan.ops {
        match *op {
            Op::Embed { table, .. } => roles[table.0] = Role::Vocabulary,
            Op::Linear { weight, output, .. } if output == plan.logits => roles[weight.0] = Role::Vocabulary,
            Op::Linear { weight, .. } | Op::ExpertLinear { weight, .. } | Op::HeadLinear { weight, .. } => {
                roles[weight.0] = Role::Inner;
            }
            _ => {}
        }
    }
    roles
}
