//! A model whose logits are a plain function of the tokens so far: strategies can be tested exactly, and
//! every row that they ask for is counted and checked.

use std::collections::BTreeMap;

use logitscope::model::batch::{RowOutput, SequenceId};
use logitscope::model::language_model::{CacheUsage, PassId, PassTiming};
use logitscope::model::selection::{RowHandle, SamplingParams, Unlisted};
use logitscope::model::{Batch, ChainedModel, LanguageModel, ModelError, Outputs, RowsTold, Summary};
use logitscope::reference::selection::RecentRows;

use super::support;

/// Bytes that a position takes in the pretended cache.
pub const BYTES_PER_POSITION: u64 = 10;

/// A model without weights.
pub struct FakeModel {
    pub vocabulary: usize,
    pub context: usize,
    pub max_rows: usize,
    /// Rows of each pass so far.
    pub passes: Vec<usize>,
    /// Passes that succeed before the device is lost.
    pub passes_left: usize,
    /// Whether it goes on by itself, and how well it forecasts.
    pub chaining: Chaining,
    /// Passes that were submitted and forgotten.
    pub discarded: usize,
    /// Passes that were collected while no other was under way.
    pub collected_alone: usize,
    /// Results of passes that were submitted, with their sequence.
    flights: Vec<(PassId, SequenceId, Outputs)>,
    logits: Box<Logits>,
    /// How many of the highest log-probabilities it tells, as a server does; `None` where it tells rows whole.
    pub told: Option<usize>,
    /// Final hidden states as a function of the tokens up to and with a row's.
    pub hidden: Box<Logits>,
    /// The tokens up to and with each row of the last pass.
    last: Vec<Vec<u32>>,
    sequences: BTreeMap<SequenceId, Vec<u32>>,
    next: u32,
    recent: RecentRows,
}

/// How a fake model goes on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chaining {
    /// It does not.
    Never,
    /// Its forecasts are right, but for every so many-th.
    WrongEvery(usize),
}

/// Numbers as a function of the tokens up to and with a row's.
type Logits = dyn Fn(&[u32]) -> Vec<f32>;

impl FakeModel {
    /// A model that gives `logits(tokens up to and with the row's)`.
    pub fn new(vocabulary: usize, logits: impl Fn(&[u32]) -> Vec<f32> + 'static) -> Self {
        Self {
            vocabulary,
            context: 1000,
            max_rows: 64,
            passes: Vec::new(),
            passes_left: usize::MAX,
            chaining: Chaining::Never,
            discarded: 0,
            collected_alone: 0,
            flights: Vec::new(),
            logits: Box::new(logits),
            sequences: BTreeMap::new(),
            next: support::handles(),
            recent: RecentRows::default(),
            last: Vec::new(),
            hidden: Box::new(|_| vec![1.0]),
            told: None,
        }
    }

    /// Logits that look random, differ everywhere and depend on every token of the history.
    pub fn scrambled(vocabulary: usize) -> Self {
        Self::new(vocabulary, move |tokens| scrambled_logits(vocabulary, tokens))
    }

    /// Rows of all passes.
    pub fn rows(&self) -> usize {
        self.passes.iter().sum()
    }

    /// Sequences that nobody released.
    pub fn live_sequences(&self) -> usize {
        self.sequences.len()
    }

    fn cached(&self, sequence: SequenceId) -> &Vec<u32> {
        self.sequences.get(&sequence).expect("the sequence was released or never made")
    }
}

/// The logits of [`FakeModel::scrambled`] after these tokens.
pub fn scrambled_logits(vocabulary: usize, tokens: &[u32]) -> Vec<f32> {
    let mix = |hash: u64, value: u64| (hash ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    let history = tokens.iter().fold(1, |hash, &token| mix(hash, u64::from(token) + 1));
    let logit = |id| (mix(mix(history, id), id) >> 40) as f32 / (1u32 << 24) as f32 * 8.0 - 4.0;
    (0..vocabulary as u64).map(logit).collect()
}

/// Log-probabilities, in f32 as servers send them.
pub fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
    logits.iter().map(|&logit| (f64::from(logit) - sum.ln()) as f32).collect()
}

/// What is left of a summary of log-probabilities where the highest alone are told.
fn told(summary: Summary, told: Option<usize>, params: &SamplingParams) -> Summary {
    let count = told.unwrap_or(usize::MAX).min(summary.tokens.len());
    let (tokens, logits) = (summary.tokens[..count].to_vec(), summary.logits[..count].to_vec());
    let below = || logits.iter().map(|&logit| f64::from(logit) - f64::from(logits[0]));
    Summary {
        sum: (-f64::from(logits[0])).exp(),
        weighted_sum: below().map(|below| below * below.exp()).sum(),
        tempered_sum: below().map(|below| (below / f64::from(params.temperature)).exp()).sum(),
        zeros: 0,
        extremes: 0,
        unlisted: Unlisted::Weighed,
        tokens,
        logits,
        ..summary
    }
}

impl LanguageModel for FakeModel {
    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn context(&self) -> usize {
        self.context
    }

    fn max_rows(&self) -> usize {
        self.max_rows
    }

    fn new_sequence(&mut self) -> SequenceId {
        self.next += 1;
        self.sequences.insert(SequenceId(self.next), Vec::new());
        SequenceId(self.next)
    }

    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        let tokens = self.cached(sequence).clone();
        let copy = self.new_sequence();
        self.sequences.insert(copy, tokens);
        Ok(copy)
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) {
        self.sequences.get_mut(&sequence).expect("a live sequence").truncate(length);
    }

    fn release(&mut self, sequence: SequenceId) {
        assert!(self.sequences.remove(&sequence).is_some(), "released twice");
    }

    fn length(&self, sequence: SequenceId) -> usize {
        self.cached(sequence).len()
    }

    fn forward(&mut self, batch: &Batch) -> Result<Outputs, ModelError> {
        assert!((1..=self.max_rows).contains(&batch.rows.len()), "{} rows in a pass", batch.rows.len());
        if self.passes.len() == self.passes_left {
            return Err(ModelError::DeviceLost { reason: "the test unplugged it".to_owned() });
        }
        let mut histories: Vec<Vec<u32>> = Vec::new();
        self.last.clear();
        let mut outputs = Outputs::default();
        for (index, row) in batch.rows.iter().enumerate() {
            assert!(row.position < self.context, "position {} is beyond the context", row.position);
            assert!((row.token as usize) < self.vocabulary);
            let mut history = match row.parent {
                Some(parent) => {
                    assert!(parent < index, "parents come before children");
                    assert_eq!(batch.rows[parent].sequence, row.sequence);
                    histories[parent].clone()
                }
                None => self.cached(row.sequence).clone(),
            };
            history.push(row.token);
            assert_eq!(history.len(), row.position + 1, "the row continues what it hangs on");
            match row.output {
                RowOutput::Nothing => {}
                RowOutput::Logits if self.told.is_some() => {
                    return Err(ModelError::NotSent { reason: "a whole row was wanted".to_owned() });
                }
                RowOutput::Logits => outputs.logits.push((self.logits)(&history)),
                RowOutput::Summary(params) if self.told.is_some() => {
                    let row = log_softmax(&(self.logits)(&history));
                    outputs.summaries.push(told(self.recent.summarise(row, &params), self.told, &params));
                }
                RowOutput::Summary(params) => {
                    outputs.summaries.push(self.recent.summarise((self.logits)(&history), &params));
                }
            }
            if batch.hidden.contains(&index) {
                outputs.hidden.push((self.hidden)(&history));
            }
            histories.push(history);
        }
        let kept = batch.kept(|sequence| self.cached(sequence).len());
        for (index, row) in batch.rows.iter().enumerate().filter(|(index, _)| kept[*index]) {
            self.sequences.get_mut(&row.sequence).expect("a live sequence").clone_from(&histories[index]);
        }
        self.passes.push(batch.rows.len());
        self.last = histories;
        outputs.timing = PassTiming {
            total_seconds: 0.003,
            encode_seconds: 0.001,
            wait_seconds: 0.002,
            ahead_seconds: 0.0,
            gpu_seconds: Some(0.002),
            bus_seconds: None,
            server_seconds: None,
        };
        Ok(outputs)
    }

    fn accept(&mut self, sequence: SequenceId, rows: &[usize]) -> Result<(), ModelError> {
        for &row in rows {
            let cached = self.sequences.get_mut(&sequence).expect("a live sequence");
            let (token, before) = self.last[row].split_last().expect("a row has a token");
            assert_eq!(cached, before, "row {row} does not go on where the sequence ends");
            cached.push(*token);
        }
        Ok(())
    }

    fn read_row(&mut self, row: RowHandle) -> Result<Option<Vec<f32>>, ModelError> {
        Ok(self.recent.read(row).filter(|_| self.told.is_none()))
    }

    fn tells(&self) -> RowsTold {
        match self.told {
            None => RowsTold::default(),
            told => RowsTold { highest: told, are_normalised: true, hides_states: true },
        }
    }

    fn chained(&mut self) -> Option<&mut dyn ChainedModel> {
        (self.chaining != Chaining::Never).then_some(self as &mut dyn ChainedModel)
    }

    fn pin(&mut self, tokens: &[u32]) {
        self.recent.pinned = tokens.to_vec();
    }

    fn cache_usage(&self) -> CacheUsage {
        let positions: usize = self.sequences.values().map(Vec::len).sum();
        let bytes = positions as u64 * BYTES_PER_POSITION;
        CacheUsage {
            pages: positions,
            page_positions: 1,
            bytes,
            allocated_bytes: 1 << 20,
            ..CacheUsage::default()
        }
    }
}

impl ChainedModel for FakeModel {
    fn submit(&mut self, batch: &Batch) -> Result<PassId, ModelError> {
        let mut outputs = self.forward(batch)?;
        let pass = PassId(self.passes.len() as u64);
        if let Chaining::WrongEvery(count) = self.chaining
            && self.passes.len().is_multiple_of(count)
        {
            for summary in &mut outputs.summaries {
                summary.chosen = (summary.chosen + 1) % self.vocabulary as u32;
            }
        }
        assert!(self.flights.len() < 2, "at most two passes are under way");
        self.flights.push((pass, batch.rows[0].sequence, outputs));
        Ok(pass)
    }

    fn follow(&mut self, pass: PassId, output: RowOutput) -> Result<PassId, ModelError> {
        let (newest, sequence, outputs) = self.flights.last().expect("a pass to follow");
        assert_eq!(*newest, pass, "only the newest pass can be followed");
        let token = outputs.summaries.last().expect("a summary").chosen;
        self.submit(&Batch::chain(*sequence, self.length(*sequence), &[token], output))
    }

    fn collect(&mut self, pass: PassId) -> Result<Outputs, ModelError> {
        assert_eq!(self.flights[0].0, pass, "passes are collected in their order");
        self.collected_alone += usize::from(self.flights.len() == 1);
        Ok(self.flights.remove(0).2)
    }

    fn discard(&mut self, pass: PassId) {
        let (newest, sequence, _) = self.flights.pop().expect("a pass to forget");
        assert_eq!(newest, pass, "the newest pass goes first");
        self.truncate(sequence, self.length(sequence) - 1);
        self.discarded += 1;
    }
}
