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
