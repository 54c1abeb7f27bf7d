//! The JSON object of `probe --json`; `docs/json.md` says what each key is.

use serde::Serialize;

use crate::model::Probe;
use crate::model::probe::{
    Addition, AttentionProbe, ExpertsProbe, Inside, LayerProbe, Lens, StateProbe, StateRule,
};

#[derive(Serialize)]
pub(super) struct ProbeJson<'a> {
    position: usize,
    input: u32,
    token: u32,
    embedding_norm: f64,
    embedding_logit: f64,
    layers: Vec<LayerJson<'a>>,
    bias_logit: f64,
    #[serde(rename = "final")]
    last: FinalJson,
}

#[derive(Serialize)]
struct FinalJson {
    logit: f32,
    logprob: f64,
    rank: usize,
    uncapped_logit: f32,
    sum: f64,
}

#[derive(Serialize)]
struct LayerJson<'a> {
    layer: usize,
    lens: LensJson<'a>,
    residual_norm: f64,
    attention_norm: Option<f64>,
    feed_forward_norm: Option<f64>,
    attention_logit: Option<f64>,
    feed_forward_logit: Option<f64>,
    heads: Option<&'a [Vec<f32>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sinks: Option<&'a [f32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    experts: Option<ExpertsJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<StateJson<'a>>,
}

#[derive(Serialize)]
struct LensJson<'a> {
    top: &'a [(u32, f32)],
    logit: f32,
    rank: usize,
    logprob: f64,
}

#[derive(Serialize)]
struct ExpertsJson<'a> {
    scores: &'a [f32],
    chosen: &'a [(usize, f32)],
}

#[derive(Serialize)]
struct StateJson<'a> {
    rule: &'static str,
    kept: &'a [f32],
    wrote: &'a [f32],
}

impl<'a> ProbeJson<'a> {
    pub(super) fn of(probe: &'a Probe) -> Self {
        let Probe { position, input, token, bias_logit, uncapped_logit, last, .. } = probe;
        Self {
            position: *position,
            input: *input,
            token: *token,
            embedding_norm: probe.embedding.norm,
            embedding_logit: probe.embedding.logit,
            layers: probe.layers.iter().map(LayerJson::of).collect(),
            bias_logit: *bias_logit,
            last: FinalJson {
                logit: last.logit,
                logprob: last.log_probability,
                rank: last.rank,
                uncapped_logit: *uncapped_logit,
                sum: probe.sum_of_parts(),
            },
        }
    }
}

impl<'a> LayerJson<'a> {
    fn of(layer: &'a LayerProbe) -> Self {
        let LayerProbe { mixer, feed_forward, inside: Inside { attention, experts, state }, .. } = layer;
        let Lens { top, logit, log_probability, rank, .. } = &layer.lens;
        let (norm, part) = (|block: Addition| block.norm, |block: Addition| block.logit);
        let sinks = attention.as_ref().map(|attention| attention.sinks.as_slice());
        Self {
            layer: layer.layer,
            lens: LensJson { top, logit: *logit, rank: *rank, logprob: *log_probability },
            residual_norm: layer.residual_norm,
            attention_norm: mixer.map(norm),
            feed_forward_norm: feed_forward.map(norm),
            attention_logit: mixer.map(part),
            feed_forward_logit: feed_forward.map(part),
            heads: attention.as_ref().map(|AttentionProbe { heads, .. }| heads.as_slice()),
            sinks: sinks.filter(|sinks| !sinks.is_empty()),
            window: attention.as_ref().and_then(|attention| attention.window),
            experts: experts.as_ref().map(|ExpertsProbe { scores, chosen }| ExpertsJson { scores, chosen }),
            state: state.as_ref().map(|StateProbe { rule, kept, wrote }| {
                let rule = match rule {
                    StateRule::Delta => "delta",
                    StateRule::TimeStep => "time_step",
                };
                StateJson { rule, kept, wrote }
            }),
        }
    }
}
