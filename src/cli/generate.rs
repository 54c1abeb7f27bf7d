//! `generate`: decodes in the terminal.

use serde::Serialize;

use super::arguments::{Generate, Strategy};
use super::interrupt::INTERRUPTED;
use super::output::{Progress, Reader, bytes, print, print_json, rate, seconds, tell};
use super::{CliError, Outcome, model};
use crate::decoding::{
    CacheUse, ContrastiveSettings, Control, DecodingError, DecodingSettings, EosRule, StageSettings,
    StopSettings, StrategyChoice,
};
use crate::session::{Decode, LoadError, ReadyModel, RunError};
use crate::trace::{Candidate, Node, PhaseFigures, Phases, Run, StopReason, file};

/// Runs the command.
pub fn run(arguments: &Generate) -> Result<Outcome, CliError> {
    let prompt = model::prompt(&arguments.prompt, &arguments.special)?;
    let settings = settings(arguments)?;
    let mut ready = match model::load(&arguments.model) {
        Err(CliError::Load(LoadError::Stopped)) => return Ok(Outcome::Interrupted),
        ready => ready?,
    };
    if let Some(note) = note_unused(arguments) {
        tell(&note);
    }
    let mut decode = Decode::begin(&ready, &prompt, &settings).map_err(CliError::Begin)?;
    let result = decode_all(&mut decode, &mut ready, arguments);
    let has_text = ready.tokenizer.is_some();
    let run = decode.end(&mut ready);
    // The trace is written after a failure as well: it is what one wants to see then.
    if let Some(path) = &arguments.trace {
        file::write(path, &run)?;
    }
    result?;
    if arguments.json.json {
        print_json(&Answer::new(&run, has_text, arguments.top))?;
    } else {
        tell_figures(&run);
    }
    let interrupted = run.stop == Some(StopReason::Cancelled) && super::interrupt::pressed();
    Ok(if interrupted { Outcome::Interrupted } else { Outcome::Done })
}

/// Steps until the run ends, printing its text; Ctrl-C and a reader that went away end it as cancelled.
fn decode_all(decode: &mut Decode, ready: &mut ReadyModel, arguments: &Generate) -> Result<(), CliError> {
    let streams = !arguments.json.json;
    let mut line = Progress::new();
    while decode.run.stop.is_none() {
        let mut progress = |done, total| line.show(&format!("initiation: {done} of {total} tokens"));
        let mut control = Control { interrupt: &INTERRUPTED, progress: &mut progress };
        let printed = decode.run.line.len();
        let step = decode.advance(ready, &mut control);
        line.clear();
        match step {
            Ok(()) if streams => {
                let text: String = decode.run.line_nodes().skip(printed).map(shown).collect();
                if print(&text)? == Reader::Gone {
                    decode.run.stop = Some(StopReason::Cancelled);
                }
            }
            Ok(()) => {}
            Err(RunError::Decoding(DecodingError::Interrupted)) => {
                decode.run.stop = Some(StopReason::Cancelled);
            }
            Err(error) => {
                decode.run.stop = Some(StopReason::Failed);
                return Err(CliError::Run(error));
            }
        }
    }
    if streams {
        print("\n")?;
    }
    Ok(())
}

/// What a token looks like in the terminal: its text, or its id where there is no tokenizer.
fn shown(node: &Node) -> String {
    if node.piece.is_empty() { format!("{} ", node.token) } else { node.text.clone() }
}

fn settings(arguments: &Generate) -> Result<DecodingSettings, CliError> {
    Ok(DecodingSettings {
        strategy: match arguments.strategy {
            Strategy::Greedy => StrategyChoice::Greedy,
            Strategy::Sample => StrategyChoice::Sample,
            Strategy::Contrastive => StrategyChoice::Contrastive,
        },
        contrastive: ContrastiveSettings {
            candidates: arguments.contrastive_k,
            penalty_alpha: arguments.penalty_alpha,
        },
        stages: arguments.stages.complete(StageSettings {
            logit_bias: arguments.logit_bias.iter().copied().collect(),
            repetition_penalty: arguments.repetition_penalty,
            presence_penalty: arguments.presence_penalty,
            frequency_penalty: arguments.frequency_penalty,
            no_repeat_ngram: arguments.no_repeat_ngram,
            temperature: arguments.temperature,
            top_k: arguments.top_k,
            top_p: arguments.top_p,
            min_p: arguments.min_p,
            ..StageSettings::default()
        })?,
        stop: StopSettings {
            max_tokens: arguments.max_tokens,
            eos: match (arguments.ignore_eos, arguments.eos.as_slice()) {
                (true, _) => EosRule::Ignore,
                (false, []) => EosRule::Model,
                (false, tokens) => EosRule::Tokens(tokens.to_vec()),
            },
            texts: arguments.stop.clone(),
        },
        seed: arguments.seed,
        cache: if arguments.no_kv_cache { CacheUse::Recompute } else { CacheUse::Reuse },
        recorded_candidates: arguments.top.max(DecodingSettings::default().recorded_candidates),
        ..DecodingSettings::default()
    })
}

/// Tells of settings that greedy decoding does not look at.
fn note_unused(arguments: &Generate) -> Option<String> {
    let set = [
        ("--temperature", arguments.temperature != 1.0),
        ("--top-k", arguments.top_k != 0),
        ("--top-p", arguments.top_p != 1.0),
        ("--min-p", arguments.min_p != 0.0),
    ];
    let mut names: Vec<&str> = set.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect();
    names.extend(arguments.stages.for_sampling());
    let unused = arguments.strategy == Strategy::Greedy && !names.is_empty();
    unused.then(|| format!("note: greedy decoding ignores {}; add --strategy sample", names.join(", ")))
}

fn tell_figures(run: &Run) {
    let phases = &run.phases;
    let stop = run.stop.map_or("", stop_name);
    let speed = |rows: u64, figures: &PhaseFigures| rate(rows as f64, figures.seconds);
    tell(&format!("{} on {} ({})", run.model.name, run.adapter.name, run.adapter.backend));
    tell(&format!("  load         {:>9}  {}", seconds(phases.load.seconds), bytes(phases.load.amount)));
    tell(&format!(
        "  tokenise     {:>9}  {} tokens",
        seconds(phases.tokenise.seconds),
        phases.tokenise.amount
    ));
    tell(&format!(
        "  initiation   {:>9}  {} rows, {:.1} tokens/s",
        seconds(phases.initiation.seconds),
        phases.initiation.amount,
        speed(run.prompt.len() as u64, &phases.initiation)
    ));
    tell(&format!(
        "  incremental  {:>9}  {} steps, {} rows, {:.1} tokens/s",
        seconds(phases.incremental.seconds),
        phases.incremental_steps,
        phases.incremental.amount,
        speed(phases.incremental_steps as u64, &phases.incremental)
    ));
    tell(&format!("  detokenise   {:>9}  stopped: {stop}", seconds(phases.detokenise.seconds)));
}

fn stop_name(stop: StopReason) -> &'static str {
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

/// The JSON object of `generate --json`.
#[derive(Serialize)]
struct Answer<'a> {
    model: ModelAnswer<'a>,
    adapter: AdapterAnswer<'a>,
    prompt_ids: Vec<u32>,
    ids: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    stop: &'a str,
    phases: PhasesAnswer,
    steps: Vec<StepAnswer>,
    /// Beam search's sequences; empty for strategies with one.
    sequences: [(); 0],
}

#[derive(Serialize)]
struct ModelAnswer<'a> {
    path: &'a str,
    family: &'a str,
    parameters: u64,
    weights: &'a str,
}

#[derive(Serialize)]
struct AdapterAnswer<'a> {
    name: &'a str,
    backend: &'a str,
}

#[derive(Serialize)]
struct PhasesAnswer {
    load: LoadAnswer,
    tokenise: TokeniseAnswer,
    initiation: InitiationAnswer,
    incremental: IncrementalAnswer,
    detokenise: DetokeniseAnswer,
}

#[derive(Serialize)]
struct LoadAnswer {
    seconds: f64,
    bytes: u64,
}

#[derive(Serialize)]
struct TokeniseAnswer {
    seconds: f64,
    tokens: u64,
}

#[derive(Serialize)]
struct InitiationAnswer {
    seconds: f64,
    rows: u64,
}

#[derive(Serialize)]
struct IncrementalAnswer {
    seconds: f64,
    rows: u64,
    steps: usize,
}

#[derive(Serialize)]
struct DetokeniseAnswer {
    seconds: f64,
}

#[derive(Serialize)]
struct StepAnswer {
    id: u32,
    logit: f32,
    logprob: f32,
    rank: usize,
    entropy: f32,
    top: Vec<(u32, f32)>,
}

impl<'a> Answer<'a> {
    fn new(run: &'a Run, has_text: bool, top: usize) -> Self {
        Self {
            model: ModelAnswer {
                path: &run.model.path,
                family: &run.model.family,
                parameters: run.model.parameters,
                weights: &run.model.weights,
            },
            adapter: AdapterAnswer { name: &run.adapter.name, backend: &run.adapter.backend },
            prompt_ids: run.prompt_ids(),
            ids: run.generated_ids(),
            text: has_text.then(|| run.text()),
            stop: run.stop.map_or("", stop_name),
            phases: PhasesAnswer::new(&run.phases),
            steps: run.line_nodes().map(|node| StepAnswer::new(node, top)).collect(),
            sequences: [],
        }
    }
}

impl PhasesAnswer {
    fn new(phases: &Phases) -> Self {
        Self {
            load: LoadAnswer { seconds: phases.load.seconds, bytes: phases.load.amount },
            tokenise: TokeniseAnswer { seconds: phases.tokenise.seconds, tokens: phases.tokenise.amount },
            initiation: InitiationAnswer {
                seconds: phases.initiation.seconds,
                rows: phases.initiation.amount,
            },
            incremental: IncrementalAnswer {
                seconds: phases.incremental.seconds,
                rows: phases.incremental.amount,
                steps: phases.incremental_steps,
            },
            detokenise: DetokeniseAnswer { seconds: phases.detokenise.seconds },
        }
    }
}

impl StepAnswer {
    fn new(node: &Node, top: usize) -> Self {
        let pair = |candidate: &Candidate| (candidate.token, candidate.logit);
        Self {
            id: node.token,
            logit: node.logit,
            logprob: node.log_probability,
            rank: node.rank,
            entropy: node.entropy,
            top: node.candidates.iter().take(top).map(pair).collect(),
        }
    }
}
