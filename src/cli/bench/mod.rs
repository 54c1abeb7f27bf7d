//! `bench`: how fast a model loads and decodes here, and what share of the device's bandwidth that is.

mod step;
mod steps;
mod subject;

use std::time::Instant;

use serde::Serialize;

use self::step::StepCost;
use self::steps::Way;
use self::subject::{Subject, USUAL_PROMPTS, USUAL_STEPS};
use super::arguments::{Bench, PromptKernels};
use super::error::CliError;
use super::outcome::Outcome;
use super::output::{StatusLine, print, print_json, rate};
use super::{interrupt, model};
use crate::gpu::{Engine, LinearVariant, copy_bandwidth, f32_rate, wake};
use crate::model::batch::RowOutput;
use crate::model::{Batch, Fused, LanguageModel, ModelError, Weights, fuse};
use crate::session::LoadError;
use crate::session::opened::format_names;
use crate::synthetic::spread_tokens;
use crate::units::{bytes, counted};

/// The JSON object of `bench --json`.
#[derive(Serialize)]
struct BenchJson {
    model: String,
    /// Left out where there are all.
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<usize>,
    adapter: String,
    backend: String,
    driver: String,
    copy_bandwidth_bytes_per_s: f64,
    f32_operations_per_s: f64,
    /// Formats of the weights, most bytes first.
    weights: String,
    weight_bytes: u64,
    /// The kernels that the model got.
    variants: Vec<String>,
    load_seconds: f64,
    pp: Vec<InitiationSpeed>,
    tg: Vec<IncrementalSpeed>,
    /// Null where no incremental steps were asked for.
    step: Option<StepCost>,
}

/// Initiation with a prompt of so many tokens.
#[derive(Serialize)]
struct InitiationSpeed {
    tokens: usize,
    tokens_per_s: f64,
}

/// Incremental steps up to so many positions.
#[derive(Serialize)]
struct IncrementalSpeed {
    /// Positions in the KV cache after the last step.
    context: usize,
    /// Positions in the KV cache before the first one.
    depth: usize,
    /// As `generate` makes them: where the adapter gains by it, each begun while the CPU takes the results of the one before.
    tokens_per_s: f64,
    /// Each step begun when the CPU has the results of the one before.
    waited_tokens_per_s: f64,
    /// Bytes of weights that a step reads, a second, as a share of the copy bandwidth.
    bandwidth_share: f64,
}

/// Runs the command.
pub(super) fn run(arguments: &Bench) -> Result<Outcome, CliError> {
    let subject = Subject::new(arguments)?;
    let device = model::open_device(&arguments.model)?;
    let info = device.info.clone();
    let mut line = StatusLine::new();
    line.show("measuring the copy bandwidth");
    let copy_bandwidth = copy_bandwidth(&device)?;
    line.show("measuring the rate of f32 arithmetic");
    let f32_operations_per_s = f32_rate(&device)?;
    let start = Instant::now();
    let mut watch = |part, share| model::report(&mut line, part, share);
    let Fused { plan, weights } = fuse(&subject.plan, &*subject.weights);
    let engine = Engine::load(device, plan, subject.context, &weights, &mut watch).map_err(LoadError::from);
    let mut engine = match engine {
        Err(LoadError::Stopped) => return Ok(Outcome::Interrupted),
        engine => engine?,
    };
    set_prefill_kernels(&mut engine, arguments.prompt_kernels, &*subject.weights)?;
    let load_seconds = start.elapsed().as_secs_f64();
    let deepest = arguments.depth().iter().copied().max().unwrap_or_default();
    let prompts = lengths(arguments.pp.as_deref(), &USUAL_PROMPTS, engine.context())?;
    let room = (engine.context() - 1).saturating_sub(deepest);
    let steps = lengths(arguments.tg.as_deref(), &USUAL_STEPS, room)?;
    let touched = subject.bytes_a_step() as f64;
    let mut answer = BenchJson {
        model: subject.name,
        layers: arguments.layers,
        adapter: info.name,
        backend: info.backend,
        driver: info.driver,
        copy_bandwidth_bytes_per_s: copy_bandwidth,
        f32_operations_per_s,
        weights: format_names(subject.weights.tensors()),
        variants: engine.variants(),
        weight_bytes: engine.memory().weight_bytes,
        load_seconds,
        pp: Vec::new(),
        tg: Vec::new(),
        step: None,
    };
    for &tokens in &prompts {
        line.show(&format!("initiation with {}", counted(tokens, "token")));
        wake(&engine.device)?;
        let fastest = fastest(arguments.repeat, || initiation_seconds(&mut engine, tokens))?;
        let Some(seconds) = fastest else { return Ok(Outcome::Interrupted) };
        answer.pp.push(InitiationSpeed { tokens, tokens_per_s: rate(tokens as f64, seconds) });
    }
    for (depth, steps) in
        arguments.depth().iter().flat_map(|&depth| steps.iter().map(move |&steps| (depth, steps)))
    {
        line.show(&format!("{} after {}", counted(steps, "incremental step"), counted(depth, "position")));
        let is_chained = engine.chained().is_some();
        let sequence = steps::filled(&mut engine, depth)?;
        wake(&engine.device)?;
        let mut measure =
            |way: Way| fastest(arguments.repeat, || steps::seconds(&mut engine, sequence, depth, steps, way));
        let chained = if is_chained { measure(Way::Chained)? } else { None };
        let waited = if is_chained && chained.is_none() { None } else { measure(Way::Waited)? };
        let Some(waited) = waited else { return Ok(Outcome::Interrupted) };
        engine.release(sequence);
        let tokens_per_s = rate(steps as f64, chained.unwrap_or(waited));
        let waited_tokens_per_s = rate(steps as f64, waited);
        let bandwidth_share = rate(tokens_per_s * touched, copy_bandwidth);
        let context = depth + steps + 1;
        answer.tg.push(IncrementalSpeed {
            context,
            depth,
            tokens_per_s,
            waited_tokens_per_s,
            bandwidth_share,
        });
    }
    if let Some(&steps) = steps.iter().max() {
        line.show("the parts of a step");
        wake(&engine.device)?;
        answer.step = Some(StepCost::measure(&mut engine, deepest + steps, copy_bandwidth)?);
    }
    line.clear();
    if arguments.json.json {
        print_json(&answer)?;
    } else {
        print(&answer.text())?;
    }
    Ok(Outcome::Done)
}

/// The lengths asked for, which must fit, or else those usual ones that do.
fn lengths(asked: Option<&[usize]>, usual: &[usize], longest: usize) -> Result<Vec<usize>, CliError> {
    let fits = |length: &usize| *length <= longest;
    match asked {
        None => Ok(usual.iter().copied().filter(fits).collect()),
        Some(asked) => match asked.iter().find(|length| !fits(length)) {
            Some(&tokens) => Err(CliError::BenchTooLong { tokens, longest }),
            None => Ok(asked.to_vec()),
        },
    }
}

/// The shortest of several measurements; `None` after Ctrl-C.
fn fastest(
    repeat: u32,
    mut measure: impl FnMut() -> Result<Option<f64>, ModelError>,
) -> Result<Option<f64>, ModelError> {
    let mut fastest = f64::INFINITY;
    for _ in 0..repeat {
        let Some(seconds) = measure()? else { return Ok(None) };
        fastest = fastest.min(seconds);
    }
    Ok(Some(fastest))
}

/// Seconds from nothing to the logits after a prompt of made-up tokens; `None` after Ctrl-C.
fn initiation_seconds(engine: &mut Engine, tokens: usize) -> Result<Option<f64>, ModelError> {
    let prompt = spread_tokens(tokens, engine.vocabulary());
    let sequence = engine.new_sequence();
    let start = Instant::now();
    for chunk in prompt.chunks(engine.max_rows()) {
        if interrupt::pressed() {
            return Ok(None);
        }
        let done = engine.length(sequence);
        let last = if done + chunk.len() == tokens { RowOutput::Logits } else { RowOutput::Nothing };
        engine.forward(&Batch::chain(sequence, done, chunk, last))?;
    }
    let seconds = start.elapsed().as_secs_f64();
    engine.release(sequence);
    Ok(Some(seconds))
}

/// Gives the linear maps of prompts the kernels that were asked for instead of those that the trial chose.
fn set_prefill_kernels(
    engine: &mut Engine,
    kernels: PromptKernels,
    weights: &dyn Weights,
) -> Result<(), CliError> {
    let variant = match kernels {
        PromptKernels::Trial => return Ok(()),
        PromptKernels::Plain => engine.plain_prefill_kernels(),
        PromptKernels::Matrices => {
            let suits = |variant: &LinearVariant| {
                weights
                    .tensors()
                    .iter()
                    .filter(|tensor| tensor.rows > 1)
                    .all(|tensor| variant.suits(tensor.format))
            };
            let there = engine.device.capabilities.matrix_variants().into_iter().find(suits);
            there.ok_or_else(|| CliError::NoMatrixUnits {
                adapter: engine.device.info.name.clone(),
                weights: format_names(weights.tensors()),
            })?
        }
    };
    Ok(engine.set_prefill_kernels(variant)?)
}

impl BenchJson {
    /// The same figures for a person.
    fn text(&self) -> String {
        let copy = self.copy_bandwidth_bytes_per_s;
        let layers = self.layers.map(|layers| format!("{} of ", counted(layers, "layer")));
        let mut text = format!(
            "{}{} on {} ({})\n  copy bandwidth  {:>10.2} GB/s\n  f32 arithmetic  {:>10.2} GFLOP/s\n  load            \
             {:>10.2} s   {}, {}\n",
            layers.unwrap_or_default(),
            self.model,
            self.adapter,
            self.backend,
            copy / 1e9,
            self.f32_operations_per_s / 1e9,
            self.load_seconds,
            bytes(self.weight_bytes),
            self.weights
        );
        for InitiationSpeed { tokens, tokens_per_s } in &self.pp {
            text += &format!("  pp{tokens:<13} {tokens_per_s:>11.1} tokens/s\n");
        }
        for speed in &self.tg {
            let IncrementalSpeed { context, depth, tokens_per_s, waited_tokens_per_s, bandwidth_share } =
                speed;
            let steps = context - 1 - depth;
            let name = if *depth == 0 { format!("tg{steps}") } else { format!("tg{steps} after {depth}") };
            let percent = 100.0 * bandwidth_share;
            let waited = if tokens_per_s == waited_tokens_per_s {
                String::new()
            } else {
                format!("; {waited_tokens_per_s:.1} waiting for each")
            };
            text += &format!(
                "  {name:<15} {tokens_per_s:>11.1} tokens/s   {percent:.1} % of the copy bandwidth{waited}\n"
            );
        }
        text += &self.step.as_ref().map(StepCost::text).unwrap_or_default();
        text
    }
}
