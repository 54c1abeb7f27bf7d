//! A model that caches nothing: of every row it computes the whole text, from an empty sequence on.

use std::collections::BTreeMap;

use logitscope::model::batch::RowOutput;
use logitscope::model::language_model::CacheUsage;
use logitscope::model::selection::RowHandle;
use logitscope::model::{Batch, LanguageModel, ModelError, Outputs, Row, SequenceId};

pub struct Uncached {
    model: Box<dyn LanguageModel>,
    texts: BTreeMap<SequenceId, Vec<u32>>,
    next: u32,
    /// The rows of the last pass.
    last: Vec<Row>,
}

impl Uncached {
    pub fn new(model: impl LanguageModel + 'static) -> Self {
        Self { model: Box::new(model), texts: BTreeMap::new(), next: 0, last: Vec::new() }
    }

    fn text(&self, sequence: SequenceId) -> &[u32] {
        &self.texts[&sequence]
    }

    fn insert(&mut self, text: Vec<u32>) -> SequenceId {
        self.next += 1;
        self.texts.insert(SequenceId(self.next), text);
        SequenceId(self.next)
    }

    /// The text that ends with a row.
    fn path(&self, rows: &[Row], index: usize) -> Vec<u32> {
        let Row { token, position, sequence, parent, .. } = rows[index];
        let mut path = match parent {
            Some(parent) => self.path(rows, parent),
            None => self.text(sequence)[..position].to_vec(),
        };
        path.push(token);
        path
    }

    /// What a text's last row gives.
    fn compute(&mut self, text: &[u32], output: RowOutput, hidden: bool) -> Result<Outputs, ModelError> {
        let sequence = self.model.new_sequence();
        let rows = self.model.max_rows();
        let mut outputs = Outputs::default();
        for (chunk, start) in text.chunks(rows).zip((0..).step_by(rows)) {
            let is_last = start + chunk.len() == text.len();
            let wanted = if is_last { output } else { RowOutput::Nothing };
            let mut batch = Batch::chain(sequence, start, chunk, wanted);
            batch.hidden.extend((is_last && hidden).then(|| chunk.len() - 1));
            outputs = self.model.forward(&batch)?;
        }
        self.model.release(sequence);
        Ok(outputs)
    }
}

impl LanguageModel for Uncached {
    fn vocabulary(&self) -> usize {
        self.model.vocabulary()
    }

    fn context(&self) -> usize {
        self.model.context()
    }

    fn max_rows(&self) -> usize {
        self.model.max_rows()
    }

    fn new_sequence(&mut self) -> SequenceId {
        self.insert(Vec::new())
    }

    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        Ok(self.insert(self.text(sequence).to_vec()))
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) {
        self.texts.get_mut(&sequence).expect("a sequence").truncate(length);
    }

    fn release(&mut self, sequence: SequenceId) {
        self.texts.remove(&sequence).expect("released once");
    }

    fn length(&self, sequence: SequenceId) -> usize {
        self.text(sequence).len()
    }

    fn forward(&mut self, batch: &Batch) -> Result<Outputs, ModelError> {
        batch.check(self.vocabulary(), self.context(), |sequence| self.length(sequence))?;
        let mut outputs = Outputs::default();
        for row in batch.picked() {
            let hidden = batch.hidden.binary_search(&row).is_ok();
            let of_row = self.compute(&self.path(&batch.rows, row), batch.rows[row].output, hidden)?;
            outputs.logits.extend(of_row.logits);
            outputs.summaries.extend(of_row.summaries);
            outputs.hidden.extend(of_row.hidden);
        }
        let kept = batch.kept(|sequence| self.length(sequence));
        for (row, _) in batch.rows.iter().zip(kept).filter(|(_, kept)| *kept) {
            self.texts.get_mut(&row.sequence).expect("a sequence").push(row.token);
        }
        self.last.clone_from(&batch.rows);
        Ok(outputs)
    }

    fn accept(&mut self, sequence: SequenceId, rows: &[usize]) -> Result<(), ModelError> {
        let tokens = rows.iter().map(|&row| self.last[row].token);
        self.texts.get_mut(&sequence).expect("a sequence").extend(tokens);
        Ok(())
    }

    fn read_row(&mut self, row: RowHandle) -> Result<Option<Vec<f32>>, ModelError> {
        self.model.read_row(row)
    }

    /// A page is a position of a sequence.
    fn cache_usage(&self) -> CacheUsage {
        let pages = self.texts.values().map(Vec::len).sum();
        CacheUsage { pages, page_positions: 1, ..CacheUsage::default() }
    }
}
