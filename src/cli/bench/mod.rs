//! `bench`: how fast a model loads and decodes here, and what share of the device's bandwidth that is.

mod step;
mod subject;

use std::time::Instant;

use serde::Serialize;

use self::step::StepAnswer;
use self::subject::{Subject, USUAL_PROMPTS, USUAL_STEPS};
use super::arguments::Bench;
use super::output::{Progress, bytes, print, print_json, rate};
use super::{CliError, Outcome, interrupt, model};
use crate::gpu::{self, Device, Engine, copy_bandwidth};
use crate::model::batch::RowOutput;
use crate::model::selection::Choosing;
use crate::model::{Batch, ChainedModel, Fused, LanguageModel, ModelError, fuse};
use crate::session::LoadError;

/// The JSON object of `bench --json`.
#[derive(Serialize)]
struct Answer {
    model: String,
    adapter: String,
    backend: String,
    copy_bandwidth_bytes_per_s: f64,
    weight_bytes: u64,
    load_seconds: f64,
    pp: Vec<InitiationSpeed>,
    tg: Vec<IncrementalSpeed>,
    /// Null where no incremental steps were asked for.
    step: Option<StepAnswer>,
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
    tokens_per_s: f64,
    /// Bytes of weights that a step reads, a second, as a share of the copy bandwidth.
    bandwidth_share: f64,
}

/// Runs the command.
pub fn run(arguments: &Bench) -> Result<Outcome, CliError> {
    let subject = Subject::new(arguments)?;
    let device = Device::open(arguments.model.adapter.as_deref())?;
    let info = device.info.clone();
    let mut line = Progress::new();
    line.show("measuring the copy bandwidth");
    let copy_bandwidth = copy_bandwidth(&device)?;
    let start = Instant::now();
    let mut watch = |part, share| model::report(&mut line, part, share);
    let Fused { plan, weights } = fuse(&subject.plan, &*subject.weights, &subject.bound);
    let bound: Vec<usize> = (0..plan.tensors.len()).collect();
    let mut engine = match Engine::load(device, plan, subject.context, &weights, &bound, &mut watch) {
        Err(gpu::LoadError::Stopped) => return Ok(Outcome::Interrupted),
        engine => engine.map_err(LoadError::from)?,
    };
    let load_seconds = start.elapsed().as_secs_f64();
    let prompts = lengths(arguments.pp.as_deref(), &USUAL_PROMPTS, engine.context())?;
    let steps = lengths(arguments.tg.as_deref(), &USUAL_STEPS, engine.context() - 1)?;
    let touched = subject.bytes_a_step() as f64;
    let mut answer = Answer {
        model: subject.name,
        adapter: info.name,
        backend: info.backend,
        copy_bandwidth_bytes_per_s: copy_bandwidth,
        weight_bytes: engine.memory().weight_bytes,
        load_seconds,
        pp: Vec::new(),
        tg: Vec::new(),
        step: None,
    };
    for &tokens in &prompts {
        line.show(&format!("initiation with {tokens} tokens"));
        let fastest = fastest(arguments.repeat, || initiation_seconds(&mut engine, tokens))?;
        let Some(seconds) = fastest else { return Ok(Outcome::Interrupted) };
        answer.pp.push(InitiationSpeed { tokens, tokens_per_s: rate(tokens as f64, seconds) });
    }
    for &steps in &steps {
        line.show(&format!("{steps} incremental steps"));
        let fastest = fastest(arguments.repeat, || incremental_seconds(&mut engine, steps))?;
        let Some(seconds) = fastest else { return Ok(Outcome::Interrupted) };
        let tokens_per_s = rate(steps as f64, seconds);
        let bandwidth_share = rate(tokens_per_s * touched, copy_bandwidth);
        answer.tg.push(IncrementalSpeed { context: steps + 1, tokens_per_s, bandwidth_share });
    }
    if let Some(&steps) = steps.iter().max() {
        line.show("the parts of a step");
        answer.step = Some(StepAnswer::measure(&mut engine, steps, copy_bandwidth)?);
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
    let vocabulary = engine.vocabulary();
    let prompt: Vec<u32> = (0..tokens).map(|index| (index * 7919 % vocabulary) as u32).collect();
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

/// Seconds of so many steps after a first token, as `generate` takes them: each begins with the token that the
/// model chose itself, and its summary reaches the CPU while the next one runs. `None` after Ctrl-C.
fn incremental_seconds(engine: &mut Engine, steps: usize) -> Result<Option<f64>, ModelError> {
    let output = RowOutput::Summary(Choosing::HIGHEST);
    let sequence = engine.new_sequence();
    let first = engine.forward(&Batch::chain(sequence, 0, &[0], output))?.summaries[0].chosen;
    let start = Instant::now();
    let mut pass = engine.submit(&Batch::chain(sequence, 1, &[first], output))?;
    for _ in 1..steps {
        if interrupt::pressed() {
            engine.discard(pass);
            return Ok(None);
        }
        let next = engine.follow(pass, output)?;
        engine.collect(pass)?;
        pass = next;
    }
    engine.collect(pass)?;
    let seconds = start.elapsed().as_secs_f64();
    engine.release(sequence);
    Ok(Some(seconds))
}

impl Answer {
    /// The same figures for a person.
    fn text(&self) -> String {
        let copy = self.copy_bandwidth_bytes_per_s;
        let mut text = format!(
            "{} on {} ({})\n  copy bandwidth  {:>10.2} GB/s\n  load            {:>10.2} s   {}\n",
            self.model,
            self.adapter,
            self.backend,
            copy / 1e9,
            self.load_seconds,
            bytes(self.weight_bytes)
        );
        for InitiationSpeed { tokens, tokens_per_s } in &self.pp {
            text += &format!("  pp{tokens:<13} {tokens_per_s:>11.1} tokens/s\n");
        }
        for IncrementalSpeed { context, tokens_per_s, bandwidth_share } in &self.tg {
            let steps = context - 1;
            let percent = 100.0 * bandwidth_share;
            text += &format!(
                "  tg{steps:<13} {tokens_per_s:>11.1} tokens/s   {percent:.1} % of the copy bandwidth\n"
            );
        }
        text += &self.step.as_ref().map(StepAnswer::text).unwrap_or_default();
        text
    }
}
