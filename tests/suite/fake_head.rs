//! A target whose final hidden state is a fingerprint of the text, and a drafting head that computes with fingerprints: it
//! sees at once if it is given a state of another position, or keeps one of a token that is no part of the text.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use logitscope::model::batch::{RowOutput, SequenceId};
use logitscope::model::language_model::CacheUsage;
use logitscope::model::selection::RowHandle;
use logitscope::model::{Batch, LanguageModel, ModelError, Outputs};
use logitscope::reference::selection::RecentRows;

use super::fake_model::FakeModel;
use super::support;

/// The fingerprint of a text that goes on with a token: a whole number that f32 holds.
pub fn fingerprint(before: f32, token: u32) -> f32 {
    let mixed = (before as u64 ^ (u64::from(token) + 1) << 24).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 40).max(1) as f32
}

fn of_text(tokens: &[u32]) -> f32 {
    tokens.iter().fold(0.0, |before, &token| fingerprint(before, token))
}

/// Logits after a text with this fingerprint, of which the highest is the model's choice.
fn logits(vocabulary: usize, print: f32) -> Vec<f32> {
    (0..vocabulary as u32).map(|id| fingerprint(print, 1000 + id) / 2_f32.powi(21)).collect()
}

/// The target.
pub fn target(vocabulary: usize) -> FakeModel {
    let mut model = FakeModel::new(vocabulary, move |tokens| logits(vocabulary, of_text(tokens)));
    model.hidden = Box::new(|tokens| vec![of_text(tokens)]);
    model
}

/// A head, and what happens to its passes.
pub struct FakeHead {
    pub vocabulary: usize,
    pub max_rows: usize,
    /// It is wrong after texts whose fingerprints this divides.
    pub wrong_every: u64,
    /// The flag to raise, and after how many passes each.
    pub interrupts: Option<(Arc<AtomicBool>, usize)>,
    /// Each so many-th pass fails.
    pub fails_every: Option<usize>,
    /// Rows of each pass that succeeded.
    pub passes: Rc<RefCell<Vec<usize>>>,
    calls: usize,
    /// For each position the fingerprint that came with it and its token.
    sequences: BTreeMap<SequenceId, Vec<(f32, u32)>>,
    next: u32,
    recent: RecentRows,
}

impl FakeHead {
    pub fn new(vocabulary: usize, max_rows: usize) -> Self {
        Self {
            vocabulary,
            max_rows,
            wrong_every: u64::MAX,
            interrupts: None,
            fails_every: None,
            passes: Rc::default(),
            calls: 0,
            sequences: BTreeMap::new(),
            next: support::handles(),
            recent: RecentRows::default(),
        }
    }

    /// The same, wrong after texts whose fingerprints this divides.
    pub fn wrong_every(mut self, divisor: u64) -> Self {
        self.wrong_every = divisor;
        self
    }

    /// Whether it is wrong about what comes after a text.
    pub fn is_wrong(wrong_every: u64, print: f32) -> bool {
        (print as u64).is_multiple_of(wrong_every)
    }
}

impl LanguageModel for FakeHead {
    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn context(&self) -> usize {
        1000
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
        let copy = self.sequences[&sequence].clone();
        let id = self.new_sequence();
        self.sequences.insert(id, copy);
        Ok(id)
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) {
        self.sequences.get_mut(&sequence).expect("a live sequence").truncate(length);
    }

    fn release(&mut self, sequence: SequenceId) {
        assert!(self.sequences.remove(&sequence).is_some(), "released twice");
    }

    fn length(&self, sequence: SequenceId) -> usize {
        self.sequences[&sequence].len()
    }

    fn forward(&mut self, batch: &Batch) -> Result<Outputs, ModelError> {
        assert!((1..=self.max_rows).contains(&batch.rows.len()), "{} rows in a pass", batch.rows.len());
        assert_eq!(batch.carried.len(), batch.rows.len(), "each row begins with a state");
        self.calls += 1;
        if let Some((flag, every)) = &self.interrupts
            && self.calls.is_multiple_of(*every)
        {
            flag.store(true, Ordering::Relaxed);
        }
        if self.fails_every.is_some_and(|every| self.calls.is_multiple_of(every)) {
            return Err(ModelError::Device { reason: "the test said so".to_owned() });
        }
        let mut outputs = Outputs::default();
        for (index, (row, carried)) in batch.rows.iter().zip(&batch.carried).enumerate() {
            let cached = self.sequences.get_mut(&row.sequence).expect("a live sequence");
            assert_eq!(cached.len(), row.position, "a chain goes on where its sequence ends");
            let is_own = carried[0] < 0.0;
            assert!(is_own || cached.iter().all(|(state, _)| *state >= 0.0), "a guess stayed in the cache");
            cached.push((carried[0], row.token));
            // The first position has the first token's state; each further one has that of its own text.
            for pair in cached.windows(2) {
                assert_eq!(
                    fingerprint(pair[0].0.abs(), pair[0].1),
                    pair[1].0.abs(),
                    "a state of another text"
                );
            }
            let print = fingerprint(carried[0].abs(), row.token);
            let mut logits = logits(self.vocabulary, print);
            if Self::is_wrong(self.wrong_every, print) {
                logits.iter_mut().for_each(|logit| *logit = -*logit);
            }
            match row.output {
                RowOutput::Nothing => {}
                RowOutput::Logits => outputs.logits.push(logits),
                RowOutput::Summary(params) => outputs.summaries.push(self.recent.summarise(logits, &params)),
            }
            if batch.hidden.contains(&index) {
                // Its own state is told from the target's by the sign.
                outputs.hidden.push(vec![-print]);
            }
        }
        self.passes.borrow_mut().push(batch.rows.len());
        Ok(outputs)
    }

    fn accept(&mut self, _: SequenceId, _: &[usize]) -> Result<(), ModelError> {
        panic!("a head keeps no branches")
    }

    fn read_row(&mut self, row: RowHandle) -> Result<Option<Vec<f32>>, ModelError> {
        Ok(self.recent.read(row))
    }

    fn cache_usage(&self) -> CacheUsage {
        let pages = self.sequences.values().map(Vec::len).sum();
        CacheUsage { pages, page_positions: 1, ..CacheUsage::default() }
    }
}
