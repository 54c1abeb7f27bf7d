//! Where in a plan's ops the residual stream, attention, routers and states can be seen.

use crate::model::config::{NormKind, RouterScores};
use crate::model::plan::{AttentionOp, BufferId, Epilogue, Op, Plan, RecurrenceOp, TensorId};

/// What there is to see in a plan.
pub(super) struct Landmarks {
    /// The residual stream.
    pub stream: BufferId,
    /// Each with the op after which it is seen, in the order of the ops.
    pub places: Vec<(usize, Landmark)>,
    pub head: Head,
}

/// What is seen after an op.
pub(super) enum Landmark {
    /// The stream holds the embedding.
    Embedded,
    /// The stream holds what a block has added to it.
    Added { layer: usize, block: Block },
    /// A layer has multiplied the stream by its factor.
    Multiplied { factor: TensorId },
    /// A row's attention.
    Attention(AttentionOp),
    /// What the router gave, and the experts that follow from it.
    Routed { scores: BufferId, kind: RouterScores, routes: BufferId },
    /// A row has changed a state of matrices.
    Recurred(RecurrenceOp),
}

/// A block of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Attention, a block with a state, or both.
    Mixer,
    FeedForward,
}

/// What comes after the layers.
#[derive(Clone, Copy)]
pub(super) struct Head {
    /// The rows that go through it, and the first op that reads them.
    pub picked: BufferId,
    pub start: usize,
    /// The op after the last one before the cap.
    pub end: usize,
    pub norm: FinalNorm,
    pub weight: TensorId,
    pub bias: Option<TensorId>,
    /// Factor on the logits.
    pub scale: f32,
    /// The cap on them after that.
    pub cap: Option<f32>,
}

/// The norm between the last layer and the LM head.
#[derive(Clone, Copy)]
pub(super) struct FinalNorm {
    pub kind: NormKind,
    pub epsilon: f32,
    pub weight: TensorId,
    pub bias: Option<TensorId>,
}

impl Landmarks {
    /// Those of a decoder's plan, plain or fused; `None` for another plan.
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        let pick = plan.ops.iter().position(|op| matches!(op, Op::Pick { .. }))?;
        let Op::Pick { input: stream, output: picked } = plan.ops[pick] else { return None };
        let layers = &plan.ops[..pick];
        let first = layers.iter().position(|op| adds_to(op, stream)).unwrap_or(pick);
        let embedded = layers[..first].iter().rposition(|op| op.output() == Some(stream))?;
        let mut places = vec![(embedded, Landmark::Embedded)];
        for (index, op) in layers.iter().enumerate() {
            match *op {
                Op::Attention(attention) => places.push((index, Landmark::Attention(attention))),
                Op::Recurrence(recurrence) => places.push((index, Landmark::Recurred(recurrence))),
                Op::Route { router, scores, output: routes, .. } => {
                    places.push((index, Landmark::Routed { scores, kind: router.scores, routes }));
                }
                Op::ScaleBy { factor, buffer } if buffer == stream => {
                    places.push((index, Landmark::Multiplied { factor }));
                }
                ref op if adds_to(op, stream) => {
                    let (layer, block) = layers[..=index].iter().rev().find_map(|op| block_of(plan, op))?;
                    places.push((index, Landmark::Added { layer, block }));
                }
                _ => {}
            }
        }
        Some(Self { stream, places, head: Head::of(plan, pick + 1, picked)? })
    }
}

impl Head {
    fn of(plan: &Plan, start: usize, picked: BufferId) -> Option<Self> {
        let (mut norm, mut linear, mut scale, mut cap) = (None, None, 1.0, None);
        let mut end = plan.ops.len();
        for (index, op) in plan.ops.iter().enumerate().skip(start) {
            match *op {
                Op::Norm { kind, epsilon, weight, bias, input, .. } if input == picked => {
                    norm = Some(FinalNorm { kind, epsilon, weight, bias });
                }
                Op::Linear { weight, bias, output, .. } if output == plan.logits => {
                    linear = Some((weight, bias))
                }
                Op::Scale { factor, .. } => scale *= factor,
                Op::SoftCap { cap: found, .. } => (cap, end) = (Some(found), index),
                _ => return None,
            }
        }
        let (norm, (weight, bias)) = (norm?, linear?);
        Some(Self { picked, start, end, norm, weight, bias, scale, cap })
    }
}

/// Whether an op adds to the buffer.
fn adds_to(op: &Op, buffer: BufferId) -> bool {
    match *op {
        Op::Add { output, .. } | Op::Linear { epilogue: Epilogue::Add, output, .. } => output == buffer,
        _ => false,
    }
}

/// The layer and the block that an op belongs to, by the canonical name of a tensor that it reads.
fn block_of(plan: &Plan, op: &Op) -> Option<(usize, Block)> {
    op.tensors().find_map(|tensor| {
        let mut parts = plan.tensor(tensor).name.strip_prefix("layers.")?.split('.');
        let layer = parts.next()?.parse().ok()?;
        let block = if parts.next()? == "feed_forward" { Block::FeedForward } else { Block::Mixer };
        Some((layer, block))
    })
}
