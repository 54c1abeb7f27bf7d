//! The self-test of a model: a pass over some tokens and one over a single token after them, op by op; with converted
//! weights also how far the logits are from the original weights'. A head that drafts is tested after its decoder.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;

use super::all_logits::all_logits;
use super::op_by_op::{Agreement, Comparison, OpReport};
use crate::gpu::{self, AdapterInfo, Device, Engine, LoadPart, Share};
use crate::model::batch::RowOutput;
use crate::model::decoder::drafting::SHARED_WITH_HEAD;
use crate::model::plan::AttentionOp;
use crate::model::{
    Batch, Divergence, DivergenceSummary, Fused, LanguageModel, ModelError, Op, Plan, WeightsChoice, fuse,
};
use crate::reference::Reference;
use crate::session::command::SpecialTokens;
use crate::session::opened::format_names;
use crate::session::{LoadError, LoadRequest, Opened, Prompt, RunError};
use crate::synthetic::spread_tokens;
use crate::trace::Phase;

/// Rows of the initiation that is checked.
const ROWS: usize = 24;

/// What the divergence is measured on, unless something else is asked for: the beginning of The Frog Prince
/// (Grimm, translated by Taylor and Edwardes).
const SENTENCE: &str = "One fine evening a young princess put on her bonnet and clogs, and went out to take a walk \
    by herself in a wood; and when she came to a cool spring of water, that rose in the midst of it, she sat \
    herself down to rest a while.";

/// A self-test to make.
pub struct SelfTest<'a> {
    /// The model, and the precision that it is tested in.
    pub request: &'a LoadRequest,
    /// The device that is tested.
    pub device: Arc<Device>,
    /// What the divergence from the original weights is measured on; `None` is a sentence of a fairy tale.
    pub prompt: Option<Prompt>,
}

/// Who watches a self-test, and may end it.
pub trait Watcher {
    /// Hears how far loading is.
    fn loading(&mut self, part: LoadPart, share: Share) -> ControlFlow<()>;

    /// Hears what is being done.
    fn doing(&mut self, what: &str);

    /// Whether to end the test.
    fn is_over(&self) -> bool;
}

/// What a self-test found.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// The model's name.
    pub model: String,
    /// The adapter that was tested.
    pub adapter: AdapterInfo,
    /// The kernels that the model got.
    pub variants: Vec<String>,
    /// Formats of the weights, most bytes first.
    pub weights: String,
    /// Whether every op agrees.
    pub passed: bool,
    /// How many ops were compared, over both passes.
    pub ops: usize,
    /// The op with the largest share of its tolerance; if one differs, that one.
    pub worst: Option<OpFinding>,
    /// How far the logits are from the original weights'; `None` if these were tested.
    pub divergence: Option<PrecisionCost>,
}

/// The worst element of an op, on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpFinding {
    /// The pass.
    pub phase: Phase,
    /// The op's index in the plan.
    pub op: usize,
    /// Its name, with the tensor or layer that it works on.
    pub name: String,
    /// The element's row.
    pub row: usize,
    /// The element's column.
    pub column: usize,
    /// What the GPU computed.
    pub gpu: f32,
    /// What the reference computed.
    pub reference: f32,
    /// The difference as a share of what rounding explains; above 1 the op is wrong.
    pub share: f32,
}

/// What the precision of the weights costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PrecisionCost {
    /// Formats of the original weights, most bytes first.
    pub original: String,
    /// The prompt.
    pub prompt_ids: Vec<u32>,
    /// Over all positions.
    #[serde(flatten)]
    pub summary: DivergenceSummary,
    /// One for each token of the prompt.
    pub positions: Vec<Divergence>,
}

/// Why a self-test has no findings.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// The watcher ended it.
    #[error("the test was stopped")]
    Stopped,
    /// The model could not be loaded.
    #[error(transparent)]
    Load(LoadError),
    /// The prompt has no ids.
    #[error(transparent)]
    Prompt(#[from] RunError),
    /// The model could not compute.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl From<LoadError> for SelfTestError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Stopped => Self::Stopped,
            error => Self::Load(error),
        }
    }
}

impl SelfTest<'_> {
    /// Makes the test.
    pub fn run(&self, watcher: &mut dyn Watcher) -> Result<Findings, SelfTestError> {
        let request = self.request;
        let opened =
            Opened::open(&request.source, request.context, request.weights)?.with_cache(request.cache);
        let original = match request.weights {
            WeightsChoice::Original => None,
            _ => Some(self.original(&opened, watcher)?),
        };
        let mut engine =
            opened.engine(Arc::clone(&self.device), &mut |part, share| watcher.loading(part, share))?;
        let mut compared = Compared { ops: 0, worst: None, passed: true };
        compared.add("", &opened.fused(), &mut engine, watcher)?;
        if let Some(files) = opened.drafting_head().filter(|_| compared.passed) {
            let shared = engine.shared(&SHARED_WITH_HEAD);
            let loading = &mut |part, share| watcher.loading(part, share);
            let mut head = files.engine(Arc::clone(&self.device), &shared, loading)?;
            let (plan, weights) = files.open()?;
            compared.add("drafting head, ", &fuse(&plan, &*weights), &mut head, watcher)?;
        }
        watcher.doing("running the converted weights");
        let divergence = original.map(|original| original.cost_of(&mut engine, watcher)).transpose()?;
        Ok(Findings {
            variants: engine.variants(),
            weights: format_names(opened.file.weights.tensors()),
            model: opened.file.name,
            adapter: self.device.info.clone(),
            passed: compared.passed,
            ops: compared.ops,
            worst: compared.worst,
            divergence,
        })
    }

    /// Runs the original weights over the prompt, and takes them off the device again: both may not fit.
    fn original(&self, tested: &Opened, watcher: &mut dyn Watcher) -> Result<Original, SelfTestError> {
        let LoadRequest { source, context, .. } = self.request;
        // With the same cache, so that the weights alone differ.
        let opened = Opened::open(source, *context, WeightsChoice::Original)?
            .with_cache(Some(tested.plan.cache_format));
        let formats = format_names(opened.file.weights.tensors());
        let prompt_ids = self.prompt_ids(tested)?;
        let mut engine =
            opened.engine(Arc::clone(&self.device), &mut |part, share| watcher.loading(part, share))?;
        watcher.doing("running the original weights");
        let logits = logits(&mut engine, &prompt_ids, watcher)?;
        Ok(Original { formats, prompt_ids, logits })
    }

    /// The prompt that was given, or [`SENTENCE`]; tokens spread over the vocabulary if there is no tokenizer.
    fn prompt_ids(&self, tested: &Opened) -> Result<Vec<u32>, RunError> {
        let prompt = match (&self.prompt, &tested.tokenizer) {
            (Some(prompt), _) => prompt.clone(),
            (None, None) => Prompt::Ids(spread_tokens(ROWS, tested.plan.vocabulary())),
            (None, Some(_)) => Prompt::Text { text: SENTENCE.to_owned(), special: SpecialTokens::Add },
        };
        let mut ids = tested.tokenise(&prompt)?;
        ids.truncate(tested.context);
        Ok(ids)
    }
}

/// The logits of the model with its own weights.
struct Original {
    formats: String,
    prompt_ids: Vec<u32>,
    logits: Vec<Vec<f32>>,
}

impl Original {
    /// What it costs to compute the same with the engine's weights.
    fn cost_of(self, engine: &mut Engine, watcher: &mut dyn Watcher) -> Result<PrecisionCost, SelfTestError> {
        let converted = logits(engine, &self.prompt_ids, watcher)?;
        let pairs = self.logits.iter().zip(&converted);
        let positions: Vec<_> = pairs.map(|(original, row)| Divergence::of(original, row)).collect();
        let summary = DivergenceSummary::of(&positions);
        Ok(PrecisionCost { original: self.formats, prompt_ids: self.prompt_ids, summary, positions })
    }
}

fn logits(
    engine: &mut Engine,
    ids: &[u32],
    watcher: &mut dyn Watcher,
) -> Result<Vec<Vec<f32>>, SelfTestError> {
    let logits = all_logits(engine, ids, &mut || !watcher.is_over())?;
    logits.ok_or(SelfTestError::Stopped)
}

/// The ops compared so far.
struct Compared {
    ops: usize,
    worst: Option<OpFinding>,
    passed: bool,
}

impl Compared {
    /// Compares a pass over some tokens and one over a single token after them: their kernels differ. `part` says of which
    /// part of the model.
    fn add(
        &mut self,
        part: &str,
        fused: &Fused<'_>,
        engine: &mut Engine,
        watcher: &mut dyn Watcher,
    ) -> Result<(), SelfTestError> {
        watcher.doing("reading the weights for the reference");
        let Fused { plan, weights } = fused;
        let twin = Reference::new(plan.clone(), engine.context(), weights);
        let mut twin = twin.map_err(|error| LoadError::from(gpu::LoadError::from(error)))?;

        let (sequence, twins) = (engine.new_sequence(), twin.new_sequence());
        let (vocabulary, context) = (engine.vocabulary(), engine.context());
        let rows = ROWS.min(context.saturating_sub(1)).max(1);
        let tokens = spread_tokens(rows + 1, vocabulary);
        let mut passes = vec![(Phase::Initiation, 0, &tokens[..rows])];
        if rows < context {
            passes.push((Phase::Incremental, rows, &tokens[rows..]));
        }
        for (phase, start, tokens) in passes {
            if watcher.is_over() {
                return Err(SelfTestError::Stopped);
            }
            let batch = Batch::chain(sequence, start, tokens, RowOutput::Logits);
            let batch = batch.with_carried(carried(plan, tokens.len()));
            let agreement = Comparison::begin(engine, &mut twin, &batch, |_| twins)?.run(&mut |report| {
                let finding = OpFinding::new(phase, part, report, plan);
                watcher.doing(&finding.place());
                self.ops += 1;
                if self.worst.as_ref().is_none_or(|worst| finding.share > worst.share) {
                    self.worst = Some(finding);
                }
            })?;
            if let Agreement::Broken(report) = agreement {
                self.worst = Some(OpFinding::new(phase, part, &report, plan));
                self.passed = false;
                break;
            }
        }
        Ok(())
    }
}

/// What rows begin with in a plan that needs something beside tokens: numbers spread between −1 and 1.
fn carried(plan: &Plan, rows: usize) -> Vec<Vec<f32>> {
    let Some(buffer) = plan.carried else { return Vec::new() };
    let number = |row: usize, column: usize| ((31 * row + 17 * column) % 23) as f32 / 11.0 - 1.0;
    let columns = plan.buffer(buffer).columns;
    (0..rows).map(|row| (0..columns).map(|column| number(row, column)).collect()).collect()
}

impl OpFinding {
    fn new(phase: Phase, part: &str, report: &OpReport, plan: &Plan) -> Self {
        let worst = report.worst;
        Self {
            phase,
            op: report.index,
            name: format!("{part}{}", name(&plan.ops[report.index], plan)),
            row: worst.row,
            column: worst.column,
            gpu: worst.gpu,
            reference: worst.twin,
            share: worst.share,
        }
    }

    /// The pass and the op, in words.
    pub fn place(&self) -> String {
        let phase = match self.phase {
            Phase::Initiation => "initiation",
            Phase::Incremental => "incremental step",
        };
        format!("{phase}, op {} ({})", self.op, self.name)
    }
}

/// The op's name with the tensor or layer that it works on.
fn name(op: &Op, plan: &Plan) -> String {
    match op {
        Op::Embed { table: id, .. }
        | Op::Norm { weight: id, .. }
        | Op::Linear { weight: id, .. }
        | Op::ExpertLinear { weight: id, .. }
        | Op::HeadLinear { weight: id, .. } => {
            format!("{} {}", op.name(), plan.tensor(*id).name)
        }
        Op::CacheWrite { layer, .. } | Op::Attention(AttentionOp { layer, .. }) => {
            format!("{} layers.{layer}", op.name())
        }
        _ => op.name().to_owned(),
    }
}
