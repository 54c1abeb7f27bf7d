//! A probe pass: the ops of a plan, with a look at what lies between them.
//!
//! Whatever computes the ops ([`Dissected`]), here is decided where to look and what is made of it. What a block added is the
//! difference of the residual stream before and after it: so it is what was added in truth, after all norms and factors, in
//! plain and in fused plans alike, and the parts of a logit add up. Where layers multiply the stream by a factor, a block's part
//! of the logit counts with those of its own layer and all later ones.

mod attribution;
mod dissected;
mod landmarks;
mod lens;
mod walk;

use attribution::Direction;
pub(crate) use dissected::Dissected;
use landmarks::{Block, Landmarks};
use lens::Lenses;
use walk::Walk;

use super::error::ModelError;
use super::probe::{LayerProbe, Probe, ProbeRequest};

/// Goes through a pass that was begun for the request's row.
pub(crate) fn dissect(dissected: &mut dyn Dissected, request: &ProbeRequest) -> Result<Probe, ModelError> {
    let vocabulary = dissected.plan().vocabulary();
    if let Some(token) = request.token.filter(|token| *token as usize >= vocabulary) {
        return Err(ModelError::TokenOutsideVocabulary { token, vocabulary });
    }
    let landmarks = Landmarks::of(dissected.plan()).ok_or(ModelError::NoLayers)?;
    let walk = Walk::through(dissected, &landmarks, request.position)?;
    let (lenses, last) = Lenses::of(dissected, &landmarks, &walk, request)?;
    let direction = Direction::of(dissected, &landmarks.head, walk.last(), lenses.token)?;

    let nothing = vec![0.0; walk.embedding.len()];
    let mut before = walk.embedding.as_slice();
    let mut layers = Vec::with_capacity(walk.layers.len());
    let factors = walk.factors();
    for ((seen, lens), &factor) in walk.layers.iter().zip(lenses.of_layers).zip(&factors) {
        let (mut mixer, mut feed_forward) = (None, None);
        for (block, after) in &seen.streams {
            let added = Some(direction.addition(before, after).multiplied(factor));
            match block {
                Block::Mixer => mixer = added,
                Block::FeedForward => feed_forward = added,
            }
            before = after;
        }
        before = seen.stream().unwrap_or(before);
        let residual_norm = direction.addition(&nothing, before).norm;
        let inside = seen.inside.clone();
        layers.push(LayerProbe { layer: seen.layer, lens, residual_norm, mixer, feed_forward, inside });
    }
    Ok(Probe {
        position: request.position,
        input: request.input,
        token: lenses.token,
        embedding: direction
            .addition(&nothing, &walk.embedding)
            .multiplied(factors.first().copied().unwrap_or(1.0)),
        layers,
        bias_logit: direction.biases,
        uncapped_logit: lenses.uncapped,
        last,
    })
}
