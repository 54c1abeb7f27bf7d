//! The way through the layers: what is read on it.

use super::dissected::Dissected;
use super::landmarks::{Block, Landmark, Landmarks};
use crate::model::config::RouterScores;
use crate::model::error::ModelError;
use crate::model::plan::{AttentionOp, BufferId, RecurrenceOp, RecurrenceRule};
use crate::model::probe::{AttentionProbe, ExpertsProbe, Inside, StateProbe, StateRule};

/// What was seen on the way.
#[derive(Default)]
pub(super) struct Walk {
    /// The residual stream before the first layer.
    pub embedding: Vec<f32>,
    pub layers: Vec<SeenLayer>,
}

/// What was seen of a layer.
pub(super) struct SeenLayer {
    pub layer: usize,
    /// The residual stream after each of its blocks.
    pub streams: Vec<(Block, Vec<f32>)>,
    /// What it multiplied the stream by in the end, and what that gave; `None` where it has no factor.
    pub multiplied: Option<(f64, Vec<f32>)>,
    pub inside: Inside,
}

impl SeenLayer {
    /// The residual stream after it.
    pub(super) fn stream(&self) -> Option<&[f32]> {
        let blocks = self.streams.last().map(|(_, stream)| stream);
        self.multiplied.as_ref().map(|(_, stream)| stream).or(blocks).map(Vec::as_slice)
    }
}

impl Walk {
    /// Runs the ops of all layers, and looks at each landmark.
    pub(super) fn through(
        dissected: &mut dyn Dissected,
        landmarks: &Landmarks,
        position: usize,
    ) -> Result<Self, ModelError> {
        let mut walk = Self::default();
        let mut inside = Inside::default();
        let mut next = 0;
        for (op, landmark) in &landmarks.places {
            dissected.run(next..op + 1)?;
            next = op + 1;
            match *landmark {
                Landmark::Embedded => walk.embedding = dissected.read(landmarks.stream)?,
                Landmark::Added { layer, block } => {
                    let stream = dissected.read(landmarks.stream)?;
                    walk.add(layer, block, stream, std::mem::take(&mut inside));
                }
                Landmark::Multiplied { factor } => {
                    let factor = dissected.vector(factor)?.first().map_or(1.0, |&factor| f64::from(factor));
                    let stream = dissected.read(landmarks.stream)?;
                    if let Some(last) = walk.layers.last_mut() {
                        last.multiplied = Some((factor, stream));
                    }
                }
                Landmark::Attention(op) => inside.attention = Some(attention(dissected, &op, position)?),
                Landmark::Routed { scores, kind, routes } => {
                    inside.experts = Some(experts(dissected, scores, kind, routes)?);
                }
                Landmark::Recurred(op) => inside.state = Some(state(dissected, &op)?),
            }
        }
        Ok(walk)
    }

    fn add(&mut self, layer: usize, block: Block, stream: Vec<f32>, inside: Inside) {
        if self.layers.last().is_none_or(|last| last.layer != layer) {
            let (streams, inside) = (Vec::new(), Inside::default());
            self.layers.push(SeenLayer { layer, streams, multiplied: None, inside });
        }
        let Some(last) = self.layers.last_mut() else { return };
        // What a block adds in two goes counts as one.
        last.streams.pop_if(|(before, _)| *before == block);
        last.streams.push((block, stream));
        last.inside.attention = inside.attention.or(last.inside.attention.take());
        last.inside.experts = inside.experts.or(last.inside.experts.take());
        last.inside.state = inside.state.or(last.inside.state.take());
    }

    /// The residual stream after each layer.
    pub(super) fn after_layers(&self) -> impl Iterator<Item = &[f32]> {
        self.layers.iter().filter_map(SeenLayer::stream)
    }

    /// For each layer what the stream after its blocks is multiplied by, by its own factor and those of all later ones.
    pub(super) fn factors(&self) -> Vec<f64> {
        let mut product = 1.0;
        let mut factors: Vec<f64> = self
            .layers
            .iter()
            .rev()
            .map(|layer| {
                product *= layer.multiplied.as_ref().map_or(1.0, |(factor, _)| *factor);
                product
            })
            .collect();
        factors.reverse();
        factors
    }

    /// The residual stream after the last layer.
    pub(super) fn last(&self) -> &[f32] {
        self.after_layers().last().unwrap_or(&self.embedding)
    }
}

/// The weights of each head: the softmax of its scores, and of its sink's if there are sinks.
fn attention(
    dissected: &mut dyn Dissected,
    op: &AttentionOp,
    position: usize,
) -> Result<AttentionProbe, ModelError> {
    let scores = dissected.scores(op)?;
    let sink_scores = op.sinks.map(|sinks| dissected.vector(sinks)).transpose()?;
    let in_chunk = op.scores.chunk.map(|_| position + 1 - op.scores.first_seen(position + 1));
    let mut probe = AttentionProbe {
        heads: Vec::with_capacity(scores.len()),
        groups: op.key_value_heads,
        window: op.scores.window.or(in_chunk),
        sinks: Vec::new(),
    };
    for (head, scores) in scores.iter().enumerate() {
        let sink = sink_scores.as_ref().map(|sinks| f64::from(sinks[head]));
        let scores = scores.iter().map(|&score| f64::from(score));
        let highest = scores.clone().chain(sink).fold(f64::MIN, f64::max);
        let exponential = |score: f64| (score - highest).exp();
        let total: f64 = scores.clone().chain(sink).map(exponential).sum();
        let hidden = std::iter::repeat_n(0.0, position + 1 - scores.len());
        probe.heads.push(hidden.chain(scores.map(|score| (exponential(score) / total) as f32)).collect());
        probe.sinks.extend(sink.map(|sink| (exponential(sink) / total) as f32));
    }
    Ok(probe)
}

fn experts(
    dissected: &mut dyn Dissected,
    scores: BufferId,
    kind: RouterScores,
    routes: BufferId,
) -> Result<ExpertsProbe, ModelError> {
    let results: Vec<f64> = dissected.read(scores)?.into_iter().map(f64::from).collect();
    let routes = dissected.read(routes)?;
    let scores = match kind {
        RouterScores::Sigmoid => {
            results.iter().map(|result| (1.0 / (1.0 + (-result).exp())) as f32).collect()
        }
        RouterScores::Softmax | RouterScores::SparseMixer { .. } => {
            let highest = results.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = results.iter().map(|result| (result - highest).exp()).sum();
            results.iter().map(|result| ((result - highest).exp() / sum) as f32).collect()
        }
    };
    // The indices, as numbers, and then the shares.
    let (indices, shares) = routes.split_at(routes.len() / 2);
    let chosen = indices.iter().zip(shares).map(|(&index, &share)| (index as usize, share)).collect();
    Ok(ExpertsProbe { scores, chosen })
}

/// What [`RecurrenceRule`] makes of a row's numbers: decay and strength of each head.
fn state(dissected: &mut dyn Dissected, op: &RecurrenceOp) -> Result<StateProbe, ModelError> {
    let steps = dissected.read(op.time_step)?.into_iter().map(|step| softplus(f64::from(step)));
    let rates = dissected.vector(op.rate)?;
    let (rule, steps, wrote): (_, Vec<f64>, Vec<f64>) = match op.rule {
        RecurrenceRule::GatedDelta { strength, range } => {
            let strengths = dissected.read(strength)?.into_iter();
            let wrote = strengths.map(|strength| f64::from(range) / (1.0 + (-f64::from(strength)).exp()));
            (StateRule::Delta, steps.collect(), wrote.collect())
        }
        RecurrenceRule::Mamba2 { limits: [least, most], .. } => {
            let steps: Vec<f64> = steps.map(|step| step.clamp(f64::from(least), f64::from(most))).collect();
            (StateRule::TimeStep, steps.clone(), steps)
        }
    };
    let kept = steps.iter().zip(rates).map(|(step, rate)| (f64::from(rate) * step).exp() as f32).collect();
    Ok(StateProbe { rule, kept, wrote: wrote.into_iter().map(|strength| strength as f32).collect() })
}

/// ln(1 + eˣ), without an overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
