//! The ops that change a state, as dispatches.

use super::compiler::Compiler;
use super::spec::{Binding, DispatchSpec, Grid, Height, numbered};
use crate::gpu::kernels::{Kernel, KernelUse, Override, RecurrenceKernel};
use crate::model::config::{Activation, HeadOrder};
use crate::model::plan::{Columns, ConvolutionOp, RecurrenceOp, RecurrenceRule};

/// Lanes of a workgroup of `recurrence.wgsl`.
const LANES: u32 = 64;
/// Blocks of four of a key that one of its lanes keeps.
const LANE_BLOCKS: u32 = 8;
/// The same of `recurrence_whole.wgsl`: one vector of what software drivers compute with.
const WHOLE_LANES: u32 = 8;
const WHOLE_BLOCKS: u32 = 32;

impl Compiler<'_> {
    pub(super) fn convolution(&self, op: ConvolutionOp) -> DispatchSpec {
        let ConvolutionOp { kernel, weight, bias, activation, state, input, output } = op;
        let channels = self.plan.buffer(input).columns as u32;
        let overrides = [
            Override::Taps(kernel as u32),
            Override::Columns(channels),
            Override::Stride(self.stride(input)),
            Override::HasBias(bias.is_some()),
            Override::Activation(activation.unwrap_or(Activation::Identity)),
        ];
        let bindings = numbered([
            Binding::Pass,
            Binding::Vector(Some(weight)),
            Binding::Vector(bias),
            Binding::Activation(input),
            Binding::State(state),
            Binding::Activation(output),
        ]);
        self.elementwise(self.variant(Kernel::Convolution), channels, overrides, bindings)
    }

    /// What a recurrence multiplies by, and the recurrence.
    pub(super) fn recurrence(&self, op: RecurrenceOp) -> Vec<DispatchSpec> {
        vec![self.prepare(op), self.walk(op)]
    }

    fn prepare(&self, op: RecurrenceOp) -> DispatchSpec {
        let RecurrenceOp { rule, heads, rate, query, key, time_step, prepared, .. } = op;
        let mut overrides = self.prepared_overrides(op).to_vec();
        overrides.extend(self.column_overrides(query));
        overrides.extend(self.sum_overrides());
        let (strength, range, [least, most]) = match rule {
            // No strength is read where there is none.
            RecurrenceRule::Mamba2 { limits, .. } => (time_step, 1.0, limits),
            RecurrenceRule::GatedDelta { strength, range } => (strength, range, [0.0, f32::MAX]),
        };
        overrides.extend([
            Override::FirstKey(key.first as u32),
            Override::KeyWidth(heads.key_width as u32),
            Override::StepStride(self.stride(time_step)),
            Override::Delta(is_delta(rule)),
            Override::Range(range),
            Override::LeastStep(least),
            Override::MostStep(most.min(f32::MAX)),
            Override::Epsilon(RecurrenceOp::LENGTH_EPSILON),
        ]);
        let bindings = numbered([
            Binding::Activation(query.buffer),
            Binding::Activation(time_step),
            Binding::Activation(strength),
            Binding::Vector(Some(rate)),
            Binding::Activation(prepared),
        ]);
        let kernel = KernelUse { variant: self.variant(Kernel::RecurrencePrepare), overrides };
        DispatchSpec { kernel, bindings, grid: Grid::of_rows(heads.groups as u32) }
    }

    fn walk(&self, op: RecurrenceOp) -> DispatchSpec {
        let RecurrenceOp { rule, heads, state, value, prepared, output, .. } = op;
        let Columns { buffer: source, first: first_value } = value;
        let key4 = RecurrenceOp::padded_key(&heads) as u32 / 4;
        let is_whole = self.choice.recurrence == RecurrenceKernel::Whole && key4 <= WHOLE_BLOCKS;
        let (kernel, parts, lanes) = if is_whole {
            (Kernel::RecurrenceWhole, 1, WHOLE_LANES)
        } else {
            // A power of two, so that it divides the lanes.
            let parts = key4.div_ceil(LANE_BLOCKS).next_power_of_two();
            (Kernel::Recurrence, parts, LANES.max(parts))
        };
        let slices = (heads.value_width as u32).div_ceil(lanes / parts);
        let mut overrides = self.prepared_overrides(op).to_vec();
        overrides.extend([
            Override::Workgroup(lanes),
            Override::KeyParts(parts),
            Override::PartialSums(2 * lanes),
            Override::ValueWidth(heads.value_width as u32),
            Override::Stride(self.stride(source)),
            Override::FirstValue(first_value as u32),
            Override::OutputStride(self.stride(output)),
            Override::Turns(heads.order == HeadOrder::Turns),
            Override::Delta(is_delta(rule)),
        ]);
        let skip = match rule {
            RecurrenceRule::GatedDelta { .. } => None,
            RecurrenceRule::Mamba2 { skip, .. } => Some(skip),
        };
        let bindings = numbered([
            Binding::Pass,
            Binding::Activation(source),
            Binding::Activation(prepared),
            Binding::Vector(skip),
            Binding::State(state),
            Binding::Activation(output),
        ]);
        let kernel = KernelUse { variant: self.variant(kernel), overrides };
        let grid = Grid { columns: heads.heads as u32 * slices, height: Height::Walks };
        DispatchSpec { kernel, bindings, grid }
    }

    /// What `shaders/lib/recurrence.wgsl` needs to know.
    fn prepared_overrides(&self, op: RecurrenceOp) -> [Override; 4] {
        let RecurrenceOp { heads, prepared, .. } = op;
        [
            Override::Heads(heads.heads as u32),
            Override::Groups(heads.groups as u32),
            Override::Key4(RecurrenceOp::padded_key(&heads) as u32 / 4),
            Override::PreparedStride4(self.stride_blocks(prepared)),
        ]
    }
}

fn is_delta(rule: RecurrenceRule) -> bool {
    matches!(rule, RecurrenceRule::GatedDelta { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::kernels::shader_text;

    #[test]
    fn a_lane_keeps_as_many_blocks_as_the_shader_has() {
        for (file, blocks) in [("recurrence.wgsl", LANE_BLOCKS), ("recurrence_whole.wgsl", WHOLE_BLOCKS)] {
            assert_eq!(shader_text::constants(file)["LANE_BLOCKS"], f64::from(blocks), "{file}");
        }
    }
}
