//! An op as a step of a program: its dispatches for every kind of pass, of which each pass takes some.

use super::dispatch::Dispatch;
use crate::gpu::kernels::RowCount;
use crate::gpu::pass::PassShape;
use crate::model::plan::RowSet;

/// One op: ready to run, or with [`super::spec::DispatchSpec`]s as it is compiled.
pub(crate) struct Step<D = Dispatch> {
    /// Which rows it computes.
    pub rows: RowSet,
    pub dispatches: Dispatches<D>,
}

/// An op's dispatches.
pub(crate) enum Dispatches<D> {
    /// The same for every pass.
    Always(Vec<D>),
    /// By [`RowCount`].
    ByRows([Vec<D>; 4]),
    /// Those of an attention.
    Attention(AttentionDispatches<D>),
}

/// The dispatches of an attention, for each kind of pass.
pub(crate) struct AttentionDispatches<D> {
    /// Every row is the only new one of its sequence: not split, and split.
    pub alone: [Vec<D>; 2],
    /// Few rows, some of which see others of the pass: not split, and split.
    pub chained: [Vec<D>; 2],
    /// More of those.
    pub many: Vec<D>,
    /// Fewest rows that are many.
    pub fewest: usize,
}

impl<D> Step<D> {
    /// The dispatches for a pass.
    pub(crate) fn chosen(&self, shape: PassShape) -> &[D] {
        match &self.dispatches {
            Dispatches::Always(dispatches) => dispatches,
            Dispatches::ByRows(dispatches) => &dispatches[RowCount::of(shape.rows) as usize],
            Dispatches::Attention(attention) => attention.chosen(shape),
        }
    }

    /// All dispatches, for whatever pass.
    pub(crate) fn all(&self) -> impl Iterator<Item = &D> {
        let lists: Vec<&Vec<D>> = match &self.dispatches {
            Dispatches::Always(dispatches) => vec![dispatches],
            Dispatches::ByRows(dispatches) => dispatches.iter().collect(),
            Dispatches::Attention(AttentionDispatches { alone, chained, many, .. }) => {
                alone.iter().chain(chained).chain([many]).collect()
            }
        };
        lists.into_iter().flatten()
    }

    /// The step with other dispatches in place of each.
    pub(crate) fn try_map<T, E>(&self, mut map: impl FnMut(&D) -> Result<T, E>) -> Result<Step<T>, E> {
        let mut list = |dispatches: &Vec<D>| dispatches.iter().map(&mut map).collect::<Result<Vec<T>, E>>();
        let dispatches = match &self.dispatches {
            Dispatches::Always(dispatches) => Dispatches::Always(list(dispatches)?),
            Dispatches::ByRows([one, few, several, many]) => {
                Dispatches::ByRows([list(one)?, list(few)?, list(several)?, list(many)?])
            }
            Dispatches::Attention(AttentionDispatches { alone, chained, many, fewest }) => {
                Dispatches::Attention(AttentionDispatches {
                    alone: [list(&alone[0])?, list(&alone[1])?],
                    chained: [list(&chained[0])?, list(&chained[1])?],
                    many: list(many)?,
                    fewest: *fewest,
                })
            }
        };
        Ok(Step { rows: self.rows, dispatches })
    }
}

impl<D> AttentionDispatches<D> {
    fn chosen(&self, shape: PassShape) -> &[D] {
        let split = usize::from(shape.splits > 1);
        match (shape.independent_rows, shape.rows >= self.fewest) {
            (true, _) => &self.alone[split],
            (false, false) => &self.chained[split],
            (false, true) => &self.many,
        }
    }
}

impl Step {
    /// How many dispatches the op is for a pass.
    pub(crate) fn dispatches(&self, shape: PassShape) -> usize {
        self.chosen(shape).len()
    }

    /// Encodes the op for a pass.
    pub(crate) fn encode(&self, pass: &mut wgpu::ComputePass<'_>, shape: PassShape) {
        self.chosen(shape).iter().for_each(|dispatch| dispatch.encode(pass, shape));
    }

    /// Encodes one of the op's dispatches for a pass, by its place among [`Self::pipelines`].
    pub(crate) fn encode_one(&self, pass: &mut wgpu::ComputePass<'_>, shape: PassShape, dispatch: usize) {
        self.chosen(shape)[dispatch].encode(pass, shape);
    }

    /// The pipelines of the op's dispatches for a pass.
    pub(crate) fn pipelines(&self, shape: PassShape) -> impl Iterator<Item = &wgpu::ComputePipeline> {
        self.chosen(shape).iter().map(|dispatch| &dispatch.pipeline)
    }
}
