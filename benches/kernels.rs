//! Every kernel of a decoder: held to its twin, then timed by the GPU's own clock.
//!
//! The kernels are those of one layer and the LM head of real models' shapes, fused as the engine runs them, in
//! each weight format and with each candidate of the adapter; matrix units with prompts alone, which are all they
//! compute. Passes of up to eight rows are bound by memory and told as a share of the device's copy bandwidth, longer
//! ones as a share of its f32 rate.
//!
//! The first line tells what a dispatch takes that does nothing: no op takes less.
//!
//!     cargo bench --bench kernels -- [--filter TEXT] [--format NAME,NAME…] [--unchecked] [--adapter INDEX|NAME] [--json]
//!
//! A filter is a part of a line, such as `llama-7b q8_0` or `attention`. Each format and candidate is held to the twin
//! once, in a shape of small layers if the one that is timed has large ones; with `--unchecked` not at all. With `--json` each
//! result is one line for `benches/runs/`.

#[path = "shared/mod.rs"]
mod shared;

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use logitscope::gpu::{
    BegunPass, Device, Engine, KernelChoice, copy_bandwidth, f32_rate, launch_seconds, wake,
};
use logitscope::model::batch::RowOutput;
use logitscope::model::conversion::Converted;
use logitscope::model::plan::{AttentionOp, Op, Plan, RecurrenceOp};
use logitscope::model::{Batch, Fused, LanguageModel, WeightFormat, WeightsChoice, fuse, plan_decoder};
use logitscope::reference::Reference;
use logitscope::synthetic::{SyntheticWeights, shapes};
use logitscope::verify::{Agreement, Comparison};
use serde_json::json;

/// Names of the weights' formats: as the program converts to them, the last one as files bring it.
const FORMATS: [&str; 5] = ["f32", "f16", "q8_0", "q4_0", "q4_k"];
/// Rows of a pass, and positions in the cache before it: steps, drafts and beams, prompts.
const PASSES: [(usize, usize); 5] = [(1, 128), (1, 2048), (4, 128), (128, 0), (512, 0)];
/// Most rows of a pass that reads the weights once.
const FEW_ROWS: usize = 8;
/// Entries of the vocabulary in the check: the twin is slow, and the kernels have the same widths.
const CHECKED_VOCABULARY: usize = 1024;
/// The shape in which kernels are checked where the timed one has larger layers.
const CHECKED_SHAPE: &str = "qwen3-0.6b";
/// Most weights of a layer that is checked and that software drivers get, and most multiplications of an op.
const SMALL_WEIGHTS: usize = 3 << 23;
const SOFTWARE_WORK: f64 = 3e9;
/// Seconds that the runs of an op are to fill.
const ENOUGH_SECONDS: f64 = 0.1;

const NO_TIMESTAMPS: &str = "this adapter has no timestamps: its kernels cannot be timed";

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read()?;
    let device = Arc::new(Device::open(options.adapter.as_deref())?);
    let bench = Bench {
        copy_bandwidth: copy_bandwidth(&device)?,
        f32_rate: f32_rate(&device)?,
        launch: launch_seconds(&device)?.ok_or(NO_TIMESTAMPS)?,
        commit: shared::commit(),
        device,
        options,
    };
    bench.run()
}

/// What was asked for.
#[derive(Default)]
struct Options {
    filter: Vec<String>,
    formats: Vec<String>,
    unchecked: bool,
    adapter: Option<String>,
    json: bool,
}

struct Bench {
    device: Arc<Device>,
    copy_bandwidth: f64,
    f32_rate: f64,
    /// Seconds of a dispatch that does nothing.
    launch: f64,
    commit: String,
    options: Options,
}

/// One layer and the head of a shape, in one format.
#[derive(Clone, Copy)]
struct Subject<'a> {
    shape: &'a str,
    format: WeightFormat,
    choice: KernelChoice,
    /// Whether the choice differs from another one for prompts alone.
    prompts_only: bool,
}

impl Options {
    fn read() -> Result<Self, String> {
        let mut options = Self::default();
        let known = "--filter TEXT, --format NAME,NAME…, --unchecked, --adapter INDEX|NAME, --json";
        shared::read_options(known, |option, value| {
            match option {
                "--filter" => options.filter = value()?.split_whitespace().map(str::to_owned).collect(),
                "--format" => options.formats = value()?.split(',').map(str::to_owned).collect(),
                "--unchecked" => options.unchecked = true,
                "--adapter" => options.adapter = Some(value()?),
                "--json" => options.json = true,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        match options.formats.iter().find(|format| !FORMATS.contains(&format.as_str())) {
            Some(unknown) => Err(format!("{unknown} is not one of the formats: {}", FORMATS.join(", "))),
            None => Ok(options),
        }
    }

    /// Whether a line with these words may be asked for: each word of the filter that is in `known` is in it.
    fn wants(&self, line: &str) -> bool {
        self.filter.iter().all(|word| line.contains(word.as_str()))
    }

    /// Whether a format was asked for.
    fn wants_format(&self, format: &str) -> bool {
        let is_listed = self.formats.is_empty() || self.formats.iter().any(|name| name == format);
        is_listed && !self.excludes(FORMATS.into_iter(), format)
    }

    /// Whether the filter names another of these than `own`.
    fn excludes<'a>(&self, mut all: impl Iterator<Item = &'a str>, own: &str) -> bool {
        all.any(|name| name != own && self.filter.iter().any(|word| word == name))
    }
}

impl Bench {
    fn run(&self) -> Result<(), Box<dyn Error>> {
        let info = &self.device.info;
        if !self.options.json {
            println!("{} ({}), {}", info.name, info.backend, info.driver);
            println!("copy {:.1} GB/s, f32 {:.1} GFLOP/s", self.copy_bandwidth / 1e9, self.f32_rate / 1e9);
        }
        self.tell_launch();
        let formats = WeightFormat::ALL.into_iter().filter(|format| FORMATS.contains(&format.name()));
        let formats: Vec<_> = formats.filter(|format| self.options.wants_format(format.name())).collect();
        let mut checked: Vec<(&str, WeightFormat, String, f32)> = Vec::new();
        for shape in shapes::names() {
            if self.options.excludes(shapes::names(), shape) || self.is_software() && !is_small(shape) {
                continue;
            }
            // f32 is for shapes that are published so; rows of others may be no whole blocks.
            let is_published = |format: WeightFormat| {
                format != WeightFormat::F32 || shapes::format(shape) == Some(WeightFormat::F32)
            };
            for &format in formats.iter().filter(|format| is_published(**format)) {
                for (choice, prompts_only) in self.choices(format) {
                    let subject = Subject { shape, format, choice, prompts_only };
                    if !subject.fits() {
                        continue;
                    }
                    let small = if is_small(shape) { shape } else { CHECKED_SHAPE };
                    let check = Subject { shape: small, ..subject };
                    let of_check = |known: &&(&str, WeightFormat, String, f32)| {
                        (known.0, known.1, known.2.as_str()) == (small, format, check.name().as_str())
                    };
                    let worst = match checked.iter().find(of_check) {
                        _ if self.options.unchecked => None,
                        Some(known) => Some(known.3),
                        None => {
                            let worst = self.check(&check)?;
                            checked.push((small, format, check.name(), worst));
                            Some(worst)
                        }
                    };
                    self.time(&subject, worst)?;
                }
            }
        }
        Ok(())
    }

    /// The candidates of the adapter, and whether they differ from the first one for prompts alone.
    fn choices(&self, weights: WeightFormat) -> impl Iterator<Item = (KernelChoice, bool)> {
        let steps = KernelChoice::candidates(&self.device.capabilities);
        let first = steps[0];
        let prompts = first.prefill_candidates(&self.device.capabilities).into_iter().skip(1);
        let suited = prompts.filter(move |many_rows| many_rows.suits(weights));
        let prompts = suited.map(move |many_rows| (KernelChoice { many_rows, ..first }, true));
        steps.into_iter().map(|choice| (choice, false)).chain(prompts)
    }

    fn is_software(&self) -> bool {
        self.device.info.kind == "CPU"
    }

    /// Holds every op to its twin, in each regime of rows; returns the largest share of the tolerance.
    fn check(&self, subject: &Subject<'_>) -> Result<f32, Box<dyn Error>> {
        let mut worst = 0.0f32;
        let plan = plan(subject.shape, CHECKED_VOCABULARY);
        subject.with_engine(&self.device, &plan, 64, |engine, fused| {
            let mut twin = Reference::new(fused.plan.clone(), 64, &fused.weights)?;
            let (sequence, twins) = (engine.new_sequence(), twin.new_sequence());
            let mut length = 0;
            for rows in [12, 1, 4] {
                let tokens: Vec<u32> = (0..rows).map(|row| (row * 79) as u32 % 1000).collect();
                let batch = Batch::chain(sequence, length, &tokens, RowOutput::Logits);
                length += rows;
                let mut report = |op: &logitscope::verify::OpReport| worst = worst.max(op.worst.share);
                if let Agreement::Broken(op) =
                    Comparison::begin(engine, &mut twin, &batch, |_| twins)?.run(&mut report)?
                {
                    return Err(format!("{}, {rows} rows: {op:#?}", subject.name()).into());
                }
            }
            Ok(())
        })?;
        Ok(worst)
    }

    /// Times every op in each of [`PASSES`].
    fn time(&self, subject: &Subject<'_>, worst: Option<f32>) -> Result<(), Box<dyn Error>> {
        let plan = plan(subject.shape, usize::MAX);
        let most = PASSES.iter().map(|(rows, past)| rows + past).max().unwrap_or(1);
        subject.with_engine(&self.device, &plan, most, |engine, fused| {
            for (rows, past) in PASSES {
                if rows > engine.max_rows() || rows + past > engine.context() {
                    continue;
                }
                let sequence = engine.new_sequence();
                for chunk in vec![0; past].chunks(engine.max_rows()) {
                    let length = engine.length(sequence);
                    engine.forward(&Batch::chain(sequence, length, chunk, RowOutput::Nothing))?;
                }
                let pass = engine.begin(&Batch::chain(sequence, past, &vec![0; rows], RowOutput::Logits))?;
                wake(&self.device)?;
                for (index, op) in fused.plan.ops.iter().enumerate() {
                    let work = Work::of(op, index, engine, rows, past);
                    let line = format!("{} {} {rows} rows after {past}", subject.name(), work.name);
                    let is_long = self.is_software() && work.operations > SOFTWARE_WORK;
                    let is_prompt = matches!(op, Op::Linear { .. }) && work.rows > FEW_ROWS;
                    if is_long || subject.prompts_only && !is_prompt || !self.options.wants(&line) {
                        continue;
                    }
                    let once = fastest(engine, &pass, index, work.rows, 2)?;
                    let times = (ENOUGH_SECONDS / once).clamp(3.0, 100.0) as usize;
                    self.tell(&line, subject, &work, fastest(engine, &pass, index, work.rows, times)?, worst);
                }
                engine.release(sequence);
            }
            Ok(())
        })
    }

    fn tell_launch(&self) {
        if self.options.json {
            let info = &self.device.info;
            let row = json!({
                "commit": self.commit, "adapter": info.full_name(), "driver": info.driver,
                "kernel": "launch", "rows": 0, "seconds": self.launch,
            });
            println!("{row}");
        } else {
            println!("{:<100} {:10.1} µs", "launch", self.launch * 1e6);
        }
    }

    fn tell(&self, line: &str, subject: &Subject<'_>, work: &Work, seconds: f64, worst: Option<f32>) {
        let (bytes, operations) = (work.bytes / seconds, work.operations / seconds);
        let (of_copy, of_f32) = (bytes / self.copy_bandwidth, operations / self.f32_rate);
        if self.options.json {
            let info = &self.device.info;
            let row = json!({
                "commit": self.commit, "adapter": info.full_name(), "driver": info.driver,
                "copy_bandwidth_bytes_per_s": self.copy_bandwidth, "f32_operations_per_s": self.f32_rate,
                "kernel": line, "rows": work.rows, "variants": subject.choice.describe(), "share_of_tolerance": worst,
                "seconds": seconds, "bytes_per_s": bytes, "bandwidth_share": of_copy,
                "operations_per_s": operations, "f32_share": of_f32,
            });
            println!("{row}");
        } else {
            let speed = if work.rows <= FEW_ROWS {
                format!("{:8.2} GB/s    {:5.1} % of copy", bytes / 1e9, 100.0 * of_copy)
            } else {
                format!("{:8.2} GFLOP/s {:5.1} % of f32", operations / 1e9, 100.0 * of_f32)
            };
            println!("{line:<100} {:10.1} µs {speed}", seconds * 1e6);
        }
    }
}

impl Subject<'_> {
    fn name(&self) -> String {
        let kernel =
            if self.prompts_only { self.choice.describe_prefill() } else { self.choice.describe_step() };
        format!("{} {} [{kernel}]", self.shape, self.format.name())
    }

    /// The format that the weights are stored in, and what they are converted to.
    fn weights(&self) -> (WeightFormat, WeightsChoice) {
        let published = shapes::format(self.shape).unwrap_or(WeightFormat::F16);
        match self.format {
            WeightFormat::F16 => (published, WeightsChoice::F16),
            WeightFormat::Q8_0 => (published, WeightsChoice::Q8_0),
            WeightFormat::Q4_0 => (published, WeightsChoice::Q4_0),
            stored => (stored, WeightsChoice::Original),
        }
    }

    /// Whether the rows of the shape's matrices are whole blocks of the format that they are stored in.
    fn fits(&self) -> bool {
        SyntheticWeights::new(&plan(self.shape, usize::MAX), self.weights().0).is_ok()
    }

    /// Runs `work` on an engine with this plan, in this format and with these kernels.
    fn with_engine(
        &self,
        device: &Arc<Device>,
        plan: &Plan,
        context: usize,
        work: impl FnOnce(&mut Engine, &Fused<'_>) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let (stored, choice) = self.weights();
        let weights = Converted::new(SyntheticWeights::new(plan, stored)?, plan, choice);
        let fused = fuse(plan, &weights);
        let mut progress = |_, _| ControlFlow::Continue(());
        let device = Arc::clone(device);
        let (plan, weights) = (fused.plan.clone(), &fused.weights);
        let mut engine = Engine::load_with(device, plan, context, weights, &mut progress, self.choice)?;
        work(&mut engine, &fused)
    }
}

/// What an op does, for the rates.
struct Work {
    name: String,
    /// Rows of its set.
    rows: usize,
    /// Weights, cached keys and values, inputs and outputs.
    bytes: f64,
    /// Multiplications and additions.
    operations: f64,
}

impl Work {
    fn of(op: &Op, index: usize, engine: &Engine, rows: usize, past: usize) -> Self {
        let plan = engine.plan();
        let columns = |op: &Op| op.output().map_or(0, |buffer| plan.buffer(buffer).columns);
        let is_last = op
            .output()
            .is_some_and(|buffer| plan.buffer(buffer).rows == logitscope::model::plan::RowSet::Outputs);
        let rows = if is_last { 1 } else { rows };
        let own = (engine.weight_bytes(index) + 4 * (rows * columns(op)) as u64) as f64;
        let (name, bytes, operations) = match op {
            Op::Linear { weight, input, .. } => {
                let spec = plan.tensor(*weight);
                let input = 4 * rows * plan.buffer(*input).columns;
                let operations = 2.0 * (spec.rows * spec.columns * rows) as f64;
                (format!("linear {}×{}", spec.rows, spec.columns), own + input as f64, operations)
            }
            Op::Attention(AttentionOp { heads, key_value_heads, head_width, .. }) => {
                // One layer: a page's bytes are those of its positions here.
                let usage = engine.cache_usage();
                let position = usage.bytes as f64 / (usage.pages * usage.page_positions).max(1) as f64;
                let seen = rows as f64 * (past as f64 + (rows as f64 + 1.0) / 2.0);
                let operations = 4.0 * (heads * head_width) as f64 * seen;
                let name = format!("attention {heads}/{key_value_heads}×{head_width}");
                (name, own + position * (past + rows) as f64, operations)
            }
            Op::Recurrence(RecurrenceOp { heads, state, .. }) => {
                // Read once and written once by a chain of rows; decayed, read twice and added to by each of them.
                let elements = plan.states[state.0].elements as f64;
                let name = format!("recurrence {}×{}×{}", heads.heads, heads.key_width, heads.value_width);
                (name, own + 8.0 * elements, 7.0 * elements * rows as f64)
            }
            _ => (op.name().to_owned(), own, 0.0),
        };
        Self { name, rows, bytes, operations }
    }
}

/// The shape with one layer, and with a vocabulary of at most so many entries.
fn plan(shape: &str, vocabulary: usize) -> Plan {
    let mut config = shapes::config(shape).expect("a name from the list");
    config.layers.truncate(1);
    config.vocabulary = config.vocabulary.min(vocabulary);
    plan_decoder(&config)
}

/// Whether a layer of the shape is soon computed by the twin.
fn is_small(shape: &str) -> bool {
    let weights: usize = plan(shape, 1).tensors.iter().map(|spec| spec.rows * spec.columns).sum();
    weights <= SMALL_WEIGHTS
}

fn fastest(
    engine: &Engine,
    pass: &BegunPass,
    op: usize,
    rows: usize,
    times: usize,
) -> Result<f64, Box<dyn Error>> {
    let seconds = engine.op_seconds(pass, op, rows, times)?;
    let seconds = seconds.ok_or(NO_TIMESTAMPS)?;
    Ok(seconds.into_iter().fold(f64::INFINITY, f64::min))
}
