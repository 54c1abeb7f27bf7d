//! What a probe computes beside the plan: attention's scores, and a row of a matrix.

use super::attention_kernels::{Source, score_overrides};
use super::attention_shape::Shape;
use super::compiled::Program;
use super::compiler::Compiler;
use super::dispatch::Dispatch;
use super::resources::Resources;
use super::spec::{Binding, DispatchSpec, Grid, numbered};
use crate::gpu::device::Device;
use crate::gpu::kernels::{Kernel, KernelUse, Override};
use crate::model::ModelError;
use crate::model::plan::{AttentionOp, BufferId, TensorId};

impl Compiler<'_> {
    /// Attention's scores before the softmax. What attention itself makes ready is made so once more.
    pub(super) fn attention_scores(&self, op: AttentionOp) -> Vec<DispatchSpec> {
        let shape = Shape::from(op);
        match self.prologue_source(op) {
            None => {
                vec![self.scores_kernel(shape, Source::ready(self.rows(op.query.buffer), op.query.first))]
            }
            Some(source) => vec![
                self.write_cache(shape, source, shape.heads),
                self.scores_kernel(shape, Source::ready(self.ready_rows(shape), 0)),
            ],
        }
    }

    fn scores_kernel(&self, shape: Shape, source: Source) -> DispatchSpec {
        let mut overrides = self.cache_overrides(shape).to_vec();
        overrides.extend(score_overrides(shape));
        overrides.extend([
            Override::Workgroup(self.choice.plain_lanes),
            Override::First(source.first_query as u32),
            Override::HeadWidth(shape.head_width),
        ]);
        let bindings =
            numbered([Binding::Pass, source.rows.binding, Binding::Keys(shape.layer), Binding::Scores]);
        let kernel = KernelUse { variant: self.variant(Kernel::AttentionScores), overrides };
        DispatchSpec { kernel, bindings, grid: Grid::of_rows(shape.heads) }
    }
}

impl Program {
    /// An attention's scores, ready to run.
    pub(crate) fn attention_scores(
        &self,
        device: &Device,
        resources: &Resources,
        op: AttentionOp,
    ) -> Result<Vec<Dispatch>, ModelError> {
        self.ready(device, resources, |compiler| compiler.attention_scores(op))
    }

    /// The matrix' rows by the pass's tokens, ready to run.
    pub(crate) fn matrix_rows(
        &self,
        device: &Device,
        resources: &Resources,
        matrix: TensorId,
        output: BufferId,
    ) -> Result<Vec<Dispatch>, ModelError> {
        self.ready(device, resources, |compiler| compiler.embed(matrix, None, output))
    }

    fn ready(
        &self,
        device: &Device,
        resources: &Resources,
        specs: impl FnOnce(Compiler<'_>) -> Vec<DispatchSpec>,
    ) -> Result<Vec<Dispatch>, ModelError> {
        let shapes = resources.shapes();
        let specs = specs(self.compiler(&shapes, &self.tuned));
        specs.iter().map(|spec| Dispatch::new(device, resources, spec)).collect()
    }
}
