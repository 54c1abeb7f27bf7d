//! The linear maps of a program for trials: of which kinds they are, and which kernels differ for them.

use super::compiled::Program;
use super::compiler::Compiler;
use super::linear::LinearMap;
use super::resources::Resources;
use super::spec::DispatchSpec;
use crate::gpu::kernels::{LinearKernel, LinearKind, RowCount, TunedKernels};

impl Program {
    /// The plan's linear maps by a matrix: the index of each op, and its kind.
    pub(crate) fn linear_kinds(&self, resources: &Resources) -> Vec<(usize, LinearKind)> {
        let shapes = resources.shapes();
        let compiler = self.compiler(&shapes, &self.tuned);
        let kind = |op| LinearMap::of(op).and_then(|map| compiler.linear_kind(&map));
        let ops = self.plan.ops.iter().enumerate();
        ops.filter_map(|(index, op)| Some((index, kind(op)?))).collect()
    }

    /// Those of the kernels that are worth trying for a linear map, by its index.
    pub(crate) fn distinct_kernels(
        &self,
        resources: &Resources,
        op: usize,
        row_count: RowCount,
        kernels: &[LinearKernel],
    ) -> Vec<LinearKernel> {
        let shapes = resources.shapes();
        let map = LinearMap::of(&self.plan.ops[op]);
        let compiler = self.compiler(&shapes, &self.tuned);
        map.map_or_else(Vec::new, |map| compiler.distinct_kernels(&map, row_count, kernels))
    }

    /// The kernel of a linear map, by its index; `None` for other ops.
    pub(crate) fn linear_kernel(
        &self,
        resources: &Resources,
        op: usize,
        row_count: RowCount,
    ) -> Option<LinearKernel> {
        let shapes = resources.shapes();
        let map = LinearMap::of(&self.plan.ops[op])?;
        Some(self.compiler(&shapes, &self.tuned).linear_kernel(&map, row_count))
    }
}

impl Compiler<'_> {
    /// Those of the kernels that are worth trying for a linear map; of those that come down to the same dispatches the first.
    fn distinct_kernels(
        &self,
        map: &LinearMap,
        row_count: RowCount,
        kernels: &[LinearKernel],
    ) -> Vec<LinearKernel> {
        let Some(kind) = self.linear_kind(map) else { return Vec::new() };
        let units = self.units(map.weight);
        let mut distinct: Vec<(LinearKernel, Vec<DispatchSpec>)> = Vec::new();
        for &kernel in kernels {
            if kernel.variant.suits(kind.format) && kernel.suits_rows_of(units) {
                let tuned = TunedKernels::of(kind, row_count, kernel);
                let specs = Compiler { tuned: &tuned, ..*self }.linear(map, row_count);
                if !distinct.iter().any(|(_, known)| *known == specs) {
                    distinct.push((kernel, specs));
                }
            }
        }
        distinct.into_iter().map(|(kernel, _)| kernel).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::kernels::{AdapterClass, Capabilities, KernelChoice, LinearVariant, MatrixUnits};
    use crate::gpu::weights::{GpuLayout, TensorShape};
    use crate::model::weights::TensorInfo;
    use crate::model::{Op, WeightFormat, Weights, fuse, plan_decoder};
    use crate::synthetic::{SyntheticWeights, shapes};

    /// For each linear map of a layer of Llama 3.1 8B and its head: the end of its kind's name, and the lanes and rows of the
    /// weight of each workgroup that is tried.
    fn tried(row_count: RowCount) -> Vec<(String, Vec<(u32, u32)>)> {
        let capabilities = Capabilities {
            class: AdapterClass::Gpu,
            subgroup_lanes: Some(32..=32),
            has_int64: true,
            matrix_units: vec![MatrixUnits::Half16],
            workgroup_lanes: 1024,
            workgroup_bytes: 48 << 10,
        };
        let mut config = shapes::config("llama-3.1-8b").unwrap();
        config.layers.truncate(1);
        let plain = plan_decoder(&config);
        let weights = SyntheticWeights::new(&plain, WeightFormat::F16).unwrap();
        let fused = fuse(&plain, &weights);
        let (plan, tensors): (_, &[TensorInfo]) = (&fused.plan, fused.weights.tensors());
        let layouts = GpuLayout::of_all(plan, tensors);
        let shapes: Vec<TensorShape> = tensors
            .iter()
            .zip(layouts)
            .map(|(info, layout)| TensorShape::of(info, layout, 4 << 30).unwrap())
            .collect();
        let (choice, tuned) = (KernelChoice::candidates(&capabilities)[0], TunedKernels::default());
        let compiler = Compiler { plan, tensors: &shapes, choice, tuned: &tuned };
        let kernels = KernelChoice::linear_candidates(&capabilities, row_count);
        let shape = |kernel: LinearKernel| match kernel.variant {
            LinearVariant::GemvPerWorkgroup { blocks } => (kernel.lanes, 4 * blocks),
            _ => (0, 0),
        };
        let tried = |op: &Op| {
            let map = LinearMap::of(op)?;
            let distinct = compiler.distinct_kernels(&map, row_count, &kernels).into_iter();
            Some((compiler.linear_kind(&map)?.name(), distinct.map(shape).collect()))
        };
        plan.ops.iter().filter_map(tried).collect()
    }

    #[test]
    fn what_comes_down_to_the_same_is_tried_once() {
        let lanes = [(128, 4), (64, 4), (256, 4)];
        let both = [&lanes[..], &[(128, 8), (64, 8)]].concat();
        let lines: Vec<(&str, &[(u32, u32)])> = vec![
            // Large normed maps and gates take eight rows in any case.
            ("f16 6144 × 4096, normed", &lanes),
            ("f16 4096 × 4096, added", &both),
            ("f16 28672 × 4096, normed, gate", &lanes),
            ("f16 4096 × 14336, added", &both),
            ("f16 128256 × 4096", &both),
        ];
        let expected: Vec<(String, Vec<(u32, u32)>)> =
            lines.into_iter().map(|(name, shapes)| (name.to_owned(), shapes.to_vec())).collect();
        assert_eq!(tried(RowCount::One), expected);
        assert!(
            tried(RowCount::Few).iter().all(|(_, shapes)| *shapes == lanes),
            "{:?}",
            tried(RowCount::Few)
        );
        assert!(tried(RowCount::Many).iter().all(|(_, shapes)| shapes.len() >= 2));
    }
}
