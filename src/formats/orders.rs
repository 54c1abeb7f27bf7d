//! The orders of the columns of matrices that have one of their own, as tensors beside those of the plan.

use super::checkpoint::Checkpoint;
use super::error::FormatError;
use super::source::Source;
use crate::model::WeightFormat;
use crate::model::orders::order_name;
use crate::model::plan::{Op, Plan};
use crate::model::weights::TensorInfo;

/// For each tensor of a plan whose stored ones have their columns in an order of their own, that order. `sources` are those of the
/// plan's tensors. Matrices of experts and those of several orders are refused.
pub(super) fn orders(
    plan: &Plan,
    checkpoint: &Checkpoint,
    sources: &[Source],
) -> Result<Vec<(TensorInfo, Source)>, FormatError> {
    let mut is_plain = vec![false; plan.tensors.len()];
    for op in &plan.ops {
        if let Op::Linear { weight, .. } = op {
            is_plain[weight.0] = true;
        }
    }
    for op in &plan.ops {
        if let Op::Embed { table, .. } = op {
            is_plain[table.0] = false;
        }
    }
    let mut orders = Vec::new();
    for ((spec, source), is_plain) in plan.tensors.iter().zip(sources).zip(is_plain) {
        let found = source.all_stored().find_map(|index| Some((index, checkpoint.order(index)?)));
        let Some((index, order)) = found else { continue };
        if is_plain && source.all_stored().all(|other| checkpoint.order(other) == Some(order)) {
            let (name, columns) = (order_name(&spec.name), spec.columns);
            let info = TensorInfo { name, rows: 1, columns, format: WeightFormat::F32 };
            orders.push((info, Source::of_order(order.clone())));
            continue;
        }
        let reason = "its columns are in an order of their own (act-order), which can be read of matrices that stand \
                      alone, and not of experts; use a model that is quantised without";
        let name = &checkpoint.tensors[index].stored.name;
        return Err(FormatError::tensor(checkpoint.place(index), name, reason));
    }
    Ok(orders)
}
