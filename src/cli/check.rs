//! `check`: does this GPU compute what the reference computes?

use serde::Serialize;

use super::arguments::{Check, source};
use super::output::{Progress, print, print_json};
use super::{CliError, Outcome, interrupt, model};
use crate::gpu::{AdapterInfo, Device, Engine};
use crate::model::batch::RowOutput;
use crate::model::{Batch, LanguageModel, ModelError, Op, Plan};
use crate::reference::Reference;
use crate::session::check::{Agreement, Comparison, OpReport};
use crate::session::{LoadError, Opened};
use crate::trace::Phase;

/// Rows of the initiation that is checked.
const ROWS: usize = 24;

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
    let opened = Opened::open(&source(options.model.as_ref()), options.context)?;
    let device = Device::open(options.adapter.as_deref())?;
    let info = device.info.clone();
    let mut line = Progress::new();
    let mut engine = match opened.engine(device, &mut |done, total| model::report(&mut line, done, total)) {
        Err(LoadError::Stopped) => return Ok(Outcome::Interrupted),
        engine => engine?,
    };
    line.show("reading the weights for the reference");
    let weights = &*opened.file.weights;
    let twin = Reference::new(opened.plan.clone(), opened.context, weights, &opened.bound);
    let mut twin = twin.map_err(|error| LoadError::Engine(error.into()))?;

    let mut found = Found::default();
    let outcome = compare(&mut engine, &mut twin, &opened.plan, &mut line, &mut found)?;
    line.clear();
    if outcome == Outcome::Interrupted {
        return Ok(outcome);
    }
    found.tell(&opened, &info, &engine, arguments)
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
    // Spread over the vocabulary, the same each time.
    let tokens: Vec<u32> = (0..=rows).map(|index| (index * 7919 % vocabulary) as u32).collect();
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
        arguments: &Check,
    ) -> Result<Outcome, CliError> {
        let AdapterInfo { name, backend, driver, .. } = info;
        let Self { ops, worst, broken } = self;
        let model = &opened.file.name;
        if arguments.json.json {
            let (variants, worst) = (engine.variants(), worst.clone());
            let (passed, adapter, ops) = (!broken, name, *ops);
            print_json(&Answer { model, adapter, backend, driver, variants, passed, ops, worst })?;
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
        }
        Ok(Outcome::Done)
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
        Op::Embed { table: id, .. } | Op::Norm { weight: id, .. } | Op::Linear { weight: id, .. } => {
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
