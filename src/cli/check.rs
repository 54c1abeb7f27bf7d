//! `check`: does this GPU compute what the reference computes?

use std::sync::Arc;

use serde::Serialize;

use super::arguments::{Check, source};
use super::error::CliError;
use super::outcome::Outcome;
use super::output::{Progress, print, print_json};
use super::{interrupt, model};
use crate::gpu::{AdapterInfo, Device, Engine};
use crate::model::batch::RowOutput;
use crate::model::{Batch, Fused, LanguageModel, ModelError, Op, Plan};
use crate::reference::Reference;
use crate::session::check::{Agreement, Comparison, OpReport};
use crate::session::command::SpecialTokens;
use crate::session::divergence::{Divergence, Summary, all_logits};
use crate::session::load::format_names;
use crate::session::{LoadError, Opened, Prompt, WeightsChoice};
use crate::trace::Phase;

/// Rows of the initiation that is checked.
const ROWS: usize = 24;

/// What the divergence is measured on, unless something else is asked for: the beginning of The Frog Prince
/// (Grimm, translated by Taylor and Edwardes).
const SENTENCE: &str = "One fine evening a young princess put on her bonnet and clogs, and went out to take a walk \
    by herself in a wood; and when she came to a cool spring of water, that rose in the midst of it, she sat \
    herself down to rest a while.";

/// The JSON object of `check --json`.
#[derive(Serialize)]
struct Answer<'a> {
    model: &'a str,
    adapter: &'a str,
    backend: &'a str,
    driver: &'a str,
    variants: Vec<String>,
    passed: bool,
    /// How many ops were compared, over both passes.
    ops: usize,
    /// The op with the largest share of its tolerance; where one differs, that one.
    worst: Option<OpAnswer>,
    /// Formats of the weights, most bytes first.
    weights: String,
    /// How far the logits are from the original weights'; `None` where these were checked.
    divergence: Option<&'a DivergenceAnswer>,
}

/// What the precision of the weights costs.
#[derive(Serialize)]
struct DivergenceAnswer {
    /// Formats of the original weights, most bytes first.
    original: String,
    prompt_ids: Vec<u32>,
    #[serde(flatten)]
    summary: Summary,
    /// One for each token of the prompt.
    positions: Vec<Divergence>,
}

#[derive(Clone, Serialize)]
struct OpAnswer {
    phase: Phase,
    op: usize,
    name: String,
    row: usize,
    column: usize,
    gpu: f32,
    reference: f32,
    /// The difference as a share of what rounding explains; above 1 the op is wrong.
    share: f32,
}

/// Runs the command.
pub fn run(arguments: &Check) -> Result<Outcome, CliError> {
    let options = &arguments.model;
    let choice = WeightsChoice::from(options.weights);
    let opened = Opened::open(&source(options.model.as_ref()), options.context, choice)?
        .with_cache(options.kv.map(Into::into));
    let device = Arc::new(model::open_device(options.adapter.as_deref())?);
    let info = device.info.clone();
    let mut line = Progress::new();
    let mut original = None;
    if choice != WeightsChoice::Original {
        original = Some(Original::measure(&opened, &device, arguments, &mut line)?);
        if interrupt::pressed() {
            return Ok(Outcome::Interrupted);
        }
    }
    let mut load = |part, share| model::report(&mut line, part, share);
    let mut engine = match opened.engine(device, &mut load) {
        Err(LoadError::Stopped) => return Ok(Outcome::Interrupted),
        engine => engine?,
    };
    line.show("reading the weights for the reference");
    let Fused { plan, weights } = opened.fused();
    let bound: Vec<usize> = (0..plan.tensors.len()).collect();
    let twin = Reference::new(plan.clone(), opened.context, &weights, &bound);
    let mut twin = twin.map_err(|error| LoadError::Engine(error.into()))?;

    let mut found = Found::default();
    let outcome = compare(&mut engine, &mut twin, &plan, &mut line, &mut found)?;
    line.show("running the converted weights");
    let divergence = original.map(|original| original.divergence(&mut engine)).transpose()?;
    line.clear();
    if outcome == Outcome::Interrupted {
        return Ok(outcome);
    }
    found.tell(&opened, &info, &engine, divergence.as_ref(), arguments)
}

/// The logits of the model with its own weights.
struct Original {
    formats: String,
    prompt_ids: Vec<u32>,
    /// Empty after Ctrl-C.
    logits: Vec<Vec<f32>>,
}

impl Original {
    /// Runs the original weights over the prompt, and takes them off the device again: both may not fit.
    fn measure(
        opened: &Opened,
        device: &Arc<Device>,
        arguments: &Check,
        line: &mut Progress,
    ) -> Result<Self, CliError> {
        let options = &arguments.model;
        let source = source(options.model.as_ref());
        // With the same cache, so that the weights alone differ.
        let original = Opened::open(&source, options.context, WeightsChoice::Original)?
            .with_cache(Some(opened.plan.cache_format));
        let formats = format_names(original.file.weights.tensors());
        let prompt_ids = prompt_ids(opened, arguments)?;
        let mut load = |part, share| model::report(line, part, share);
        let logits = match original.engine(Arc::clone(device), &mut load) {
            Err(LoadError::Stopped) => None,
            engine => {
                line.show("running the original weights");
                all_logits(&mut engine?, &prompt_ids, &mut || !interrupt::pressed())?
            }
        };
        Ok(Self { formats, prompt_ids, logits: logits.unwrap_or_default() })
    }

    fn divergence(self, engine: &mut Engine) -> Result<DivergenceAnswer, CliError> {
        let converted = all_logits(engine, &self.prompt_ids, &mut || !interrupt::pressed())?;
        let pairs = self.logits.iter().zip(converted.iter().flatten());
        let positions: Vec<_> = pairs.map(|(original, row)| Divergence::of(original, row)).collect();
        let summary = Summary::of(&positions);
        Ok(DivergenceAnswer { original: self.formats, prompt_ids: self.prompt_ids, summary, positions })
    }
}

/// The prompt that was given, or [`SENTENCE`]; tokens spread over the vocabulary where there is no tokenizer.
fn prompt_ids(opened: &Opened, arguments: &Check) -> Result<Vec<u32>, CliError> {
    let prompt = match (&arguments.prompt, &arguments.prompt_ids, &opened.tokenizer) {
        (None, Some(ids), _) => Prompt::Ids(ids.clone()),
        (None, None, None) => Prompt::Ids(model::spread_tokens(ROWS, opened.plan.vocabulary())),
        (text, _, _) => {
            let text = text.clone().unwrap_or_else(|| SENTENCE.to_owned());
            Prompt::Text { text, special: SpecialTokens::Add }
        }
    };
    let mut ids = opened.tokenise(&prompt).map_err(CliError::Begin)?;
    ids.truncate(opened.context);
    Ok(ids)
}

/// The ops compared so far.
#[derive(Default)]
struct Found {
    ops: usize,
    worst: Option<OpAnswer>,
    /// The worst one differs.
    broken: bool,
}

/// Compares a pass over some tokens and one over a single token after them: their kernels differ.
fn compare(
    engine: &mut Engine,
    twin: &mut Reference,
    plan: &Plan,
    line: &mut Progress,
    found: &mut Found,
) -> Result<Outcome, ModelError> {
    let (sequence, twins) = (engine.new_sequence(), twin.new_sequence());
    assert_eq!(sequence, twins, "both begin with the same handle, so one batch serves both");
    let (vocabulary, context) = (engine.vocabulary(), engine.context());
    let rows = ROWS.min(context.saturating_sub(1)).max(1);
    let tokens = model::spread_tokens(rows + 1, vocabulary);
    let mut passes = vec![(Phase::Initiation, 0, &tokens[..rows])];
    if rows < context {
        passes.push((Phase::Incremental, rows, &tokens[rows..]));
    }
    for (phase, start, tokens) in passes {
        if interrupt::pressed() {
            return Ok(Outcome::Interrupted);
        }
        let batch = Batch::chain(sequence, start, tokens, RowOutput::Logits);
        let agreement = Comparison::begin(engine, twin, &batch)?.run(&mut |report| {
            let answer = OpAnswer::new(phase, report, plan);
            line.show(&format!("{} {}", phase_name(phase), answer.name));
            found.ops += 1;
            if found.worst.as_ref().is_none_or(|worst| answer.share > worst.share) {
                found.worst = Some(answer);
            }
        })?;
        if let Agreement::Broken(report) = agreement {
            found.worst = Some(OpAnswer::new(phase, &report, plan));
            found.broken = true;
            break;
        }
    }
    Ok(Outcome::Done)
}

impl Found {
    fn tell(
        &self,
        opened: &Opened,
        info: &AdapterInfo,
        engine: &Engine,
        divergence: Option<&DivergenceAnswer>,
        arguments: &Check,
    ) -> Result<Outcome, CliError> {
        let AdapterInfo { name, backend, driver, .. } = info;
        let Self { ops, worst, broken } = self;
        let model = &opened.file.name;
        if arguments.json.json {
            let (variants, worst) = (engine.variants(), worst.clone());
            let (passed, adapter, ops) = (!broken, name, *ops);
            let weights = format_names(opened.file.weights.tensors());
            print_json(&Answer {
                model,
                adapter,
                backend,
                driver,
                variants,
                passed,
                ops,
                worst,
                weights,
                divergence,
            })?;
        }
        let Some(worst) = worst else { return Ok(Outcome::Done) };
        let OpAnswer { op, row, column, gpu, reference, .. } = *worst;
        let place = format!("{}, op {op} ({})", phase_name(worst.phase), worst.name);
        if *broken {
            return Err(CliError::Check(format!(
                "{place} on {name}: row {row}, column {column} is {gpu}, and the reference computes {reference}"
            )));
        }
        if !arguments.json.json {
            print(&format!(
                "{model}: all {ops} ops agree with the reference on {name} ({backend}, {driver})\n\
                 closest to its tolerance: {place}, at {:.0} % of it\n",
                100.0 * worst.share
            ))?;
            if let Some(divergence) = divergence {
                print(&divergence.text())?;
            }
        }
        Ok(Outcome::Done)
    }
}

impl DivergenceAnswer {
    /// The same for a person: a line for each position, then the summary.
    fn text(&self) -> String {
        let Self { original, prompt_ids, summary, positions } = self;
        let mut text =
            format!("logits against the original weights ({original}), after each token of the prompt:\n");
        text += "  position    token  relative error    KL (nats)  top token\n";
        for (index, (id, position)) in prompt_ids.iter().zip(positions).enumerate() {
            let Divergence { relative_error, kl_nats, top_agrees } = position;
            let top = if *top_agrees { "same" } else { "another" };
            let percent = 100.0 * relative_error;
            text += &format!("  {index:>8} {id:>8} {percent:>13.3} % {kl_nats:>12.2e}  {top}\n");
        }
        let Summary { mean_relative_error, largest_relative_error, mean_kl_nats, top_agreement } = summary;
        text + &format!(
            "relative error {:.3} % on average, {:.3} % at most; KL {mean_kl_nats:.2e} nats on average; \
             the same top token at {:.0} % of the positions\n",
            100.0 * mean_relative_error,
            100.0 * largest_relative_error,
            100.0 * top_agreement
        )
    }
}

impl OpAnswer {
    fn new(phase: Phase, report: &OpReport, plan: &Plan) -> Self {
        let worst = report.worst;
        Self {
            phase,
            op: report.index,
            name: name(&plan.ops[report.index], plan),
            row: worst.row,
            column: worst.column,
            gpu: worst.gpu,
            reference: worst.twin,
            share: worst.share,
        }
    }
}

/// The op's name with the tensor or layer that it works on.
fn name(op: &Op, plan: &Plan) -> String {
    match op {
        Op::Embed { table: id, .. }
        | Op::Norm { weight: id, .. }
        | Op::Linear { weight: id, .. }
        | Op::ExpertLinear { weight: id, .. } => {
            format!("{} {}", op.name(), plan.tensor(*id).name)
        }
        Op::CacheWrite { layer, .. } | Op::Attention { layer, .. } => {
            format!("{} layers.{layer}", op.name())
        }
        _ => op.name().to_owned(),
    }
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Initiation => "initiation",
        Phase::Incremental => "incremental step",
    }
}
