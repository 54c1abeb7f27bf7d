//! Matrices whose columns come in an order of their own: their input is brought into it first.

use super::plan::{BufferId, BufferSpec, Op, Plan, TensorId, TensorSpec};
use super::weights::TensorInfo;

/// What the tensor is called that has the order of a matrix' columns, as many whole numbers in f32: each says which element
/// of the input a column multiplies.
pub fn order_name(weight: &str) -> String {
    format!("{}.order", weight.strip_suffix(".weight").unwrap_or(weight))
}

impl Plan {
    /// The same, where linear maps whose columns have an order among these tensors get their input in it.
    pub fn with_orders(mut self, tensors: &[TensorInfo]) -> Self {
        let ops = std::mem::take(&mut self.ops);
        for mut op in ops {
            if let Op::Linear { weight, input, .. } = &mut op {
                let name = order_name(&self.tensor(*weight).name);
                if tensors.iter().any(|tensor| tensor.name == name) {
                    let (order, output) = (self.order(name, *weight), self.reordered(*input));
                    self.ops.push(Op::Reorder { order, input: *input, output });
                    *input = output;
                }
            }
            self.ops.push(op);
        }
        self
    }

    fn order(&mut self, name: String, weight: TensorId) -> TensorId {
        let columns = self.tensor(weight).columns;
        self.tensors.push(TensorSpec { name, rows: 1, columns });
        TensorId(self.tensors.len() - 1)
    }

    /// A buffer for what is in another one.
    fn reordered(&mut self, input: BufferId) -> BufferId {
        let spec = BufferSpec { name: "reordered", ..self.buffer(input).clone() };
        let known = self.buffers.iter().position(|buffer| *buffer == spec);
        BufferId(known.unwrap_or_else(|| {
            self.buffers.push(spec);
            self.buffers.len() - 1
        }))
    }
}
