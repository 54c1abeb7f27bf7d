//! The JSON object of `generate --json`: a contract.

use serde::Serialize;

use super::compare::ComparisonJson;
use crate::trace::{
    Candidate, LongRope, Node, Phase, ReturnedSequence, Run, ServedBy, StateCounters, StopReason,
};
use crate::units::Streaming;

/// The JSON object of `generate --json`.
#[derive(Serialize)]
pub(super) struct GenerateJson<'a> {
    model: ModelJson<'a>,
    adapter: AdapterJson<'a>,
    prompt_ids: Vec<u32>,
    ids: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    stop: &'a str,
    /// Left out where the model has one set of rotary frequencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    long_rope: Option<LongRopeJson>,
    phases: PhasesJson,
    /// Left out where the model keeps no states.
    #[serde(skip_serializing_if = "Option::is_none")]
    states: Option<StateCounters>,
    steps: Vec<StepJson>,
    /// Beam search's sequences; empty for strategies with one.
    sequences: Vec<SequenceJson>,
    /// Left out where no other model was to read the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<ComparisonJson>,
}

#[derive(Serialize)]
struct ModelJson<'a> {
    path: &'a str,
    family: &'a str,
    parameters: u64,
    weights: &'a str,
    /// Left out where all layers are on the GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    streaming: Option<Streaming>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'a ServedBy>,
}

#[derive(Serialize)]
struct AdapterJson<'a> {
    name: &'a str,
    backend: &'a str,
}

#[derive(Serialize)]
struct LongRopeJson {
    short_texts: usize,
    longest: usize,
    frequencies: &'static str,
}

#[derive(Serialize)]
struct PhasesJson {
    load: LoadJson,
    tokenise: TokeniseJson,
    initiation: InitiationJson,
    incremental: IncrementalJson,
    detokenise: DetokeniseJson,
}

#[derive(Serialize)]
struct LoadJson {
    seconds: f64,
    bytes: u64,
}

#[derive(Serialize)]
struct TokeniseJson {
    seconds: f64,
    tokens: u64,
}

#[derive(Serialize)]
struct InitiationJson {
    seconds: f64,
    rows: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bus_seconds: Option<f64>,
}

#[derive(Serialize)]
struct IncrementalJson {
    seconds: f64,
    rows: u64,
    steps: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    bus_seconds: Option<f64>,
}

#[derive(Serialize)]
struct DetokeniseJson {
    seconds: f64,
}

#[derive(Serialize)]
struct SequenceJson {
    ids: Vec<u32>,
    score: f64,
}

#[derive(Serialize)]
struct StepJson {
    id: u32,
    logit: f32,
    logprob: f32,
    rank: usize,
    entropy: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    entropy_at_most: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_seconds: Option<f64>,
    top: Vec<(u32, f32)>,
}

impl LongRopeJson {
    fn of(rope: LongRope) -> Self {
        let LongRope { short_texts, longest } = rope;
        Self { short_texts, longest, frequencies: if rope.is_long() { "long" } else { "short" } }
    }
}

impl<'a> GenerateJson<'a> {
    /// What a run has come to.
    pub(super) fn new(run: &'a Run, has_text: bool, top: usize, comparison: Option<ComparisonJson>) -> Self {
        Self {
            model: ModelJson {
                path: &run.model.path,
                family: &run.model.family,
                parameters: run.model.parameters,
                weights: &run.model.weights,
                streaming: run.model.streaming,
                server: run.model.server.as_ref(),
            },
            adapter: AdapterJson { name: &run.adapter.name, backend: &run.adapter.backend },
            prompt_ids: run.prompt_ids(),
            ids: run.generated_ids(),
            text: has_text.then(|| run.text()),
            stop: run.stop.map_or("", stop_name),
            long_rope: run.long_rope.map(LongRopeJson::of),
            phases: PhasesJson::new(run),
            states: run.states(),
            steps: run.line_nodes().map(|node| StepJson::new(node, top)).collect(),
            sequences: run.sequences.iter().map(|one| SequenceJson::new(run, one)).collect(),
            comparison,
        }
    }
}

impl PhasesJson {
    fn new(run: &Run) -> Self {
        let phases = &run.phases;
        Self {
            load: LoadJson { seconds: phases.load.seconds, bytes: phases.load.amount },
            tokenise: TokeniseJson { seconds: phases.tokenise.seconds, tokens: phases.tokenise.amount },
            initiation: InitiationJson {
                seconds: phases.initiation.seconds,
                rows: phases.initiation.amount,
                bus_seconds: run.bus_seconds(Phase::Initiation),
            },
            incremental: IncrementalJson {
                seconds: phases.incremental.seconds,
                rows: phases.incremental.amount,
                steps: phases.incremental_steps,
                bus_seconds: run.bus_seconds(Phase::Incremental),
            },
            detokenise: DetokeniseJson { seconds: phases.detokenise.seconds },
        }
    }
}

impl SequenceJson {
    fn new(run: &Run, sequence: &ReturnedSequence) -> Self {
        let path = run.path(Some(sequence.node));
        Self { ids: path.into_iter().map(|node| run.nodes[node].token).collect(), score: sequence.score }
    }
}

impl StepJson {
    fn new(node: &Node, top: usize) -> Self {
        let pair = |candidate: &Candidate| (candidate.token, candidate.logit);
        Self {
            id: node.token,
            logit: node.logit,
            logprob: node.log_probability,
            rank: node.rank,
            entropy: node.entropy,
            entropy_at_most: node.entropy_at_most,
            server_seconds: node.timing.server_seconds,
            top: node.candidates.iter().take(top).map(pair).collect(),
        }
    }
}

/// The name of a reason.
pub(super) fn stop_name(stop: StopReason) -> &'static str {
    match stop {
        StopReason::Eos => "eos",
        StopReason::Grammar => "grammar",
        StopReason::StopText => "stop_text",
        StopReason::MaxTokens => "max_tokens",
        StopReason::ContextFull => "context_full",
        StopReason::Cancelled => "cancelled",
        StopReason::Failed => "failed",
    }
}
