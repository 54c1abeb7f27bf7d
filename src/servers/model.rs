//! A decoder on a server as a model of this program: sequences are texts that are kept here, and a pass asks for the rows after
//! them. What the server keeps of a text is its own matter.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::asking::Top;
use super::error::ServerError;
use super::known::KnownPieces;
use super::passes::Passes;
use super::row::SentRow;
use super::sequences::Sequences;
use super::server::Server;
use super::stream::TokenStream;
use super::summaries::summary;
use crate::model::batch::{RowOutput, chain};
use crate::model::language_model::{CacheUsage, PassTiming};
use crate::model::selection::{MOST_CANDIDATES, RECENT_ROWS, RowHandle};
use crate::model::{Batch, ChainedModel, LanguageModel, ModelError, Outputs, RowsTold, Sampler, SequenceId};

/// A connected server, which its model and its tokenizer ask in turn.
pub(super) type Shared = Arc<Mutex<Server>>;

/// A decoder on a server.
pub struct ServerModel {
    pub(super) server: Shared,
    pub(super) known: KnownPieces,
    pub(super) sequences: Sequences,
    pub(super) vocabulary: usize,
    pub(super) context: usize,
    /// Most log-probabilities of a row that the server sends.
    most_listed: usize,
    whole_rows: bool,
    prompt_rows: bool,
    host: String,
    /// The texts of the rows that were summarised last.
    recent: VecDeque<(RowHandle, Vec<u32>)>,
    next_row: u64,
    /// The batch of the pass before, whose rows may be accepted.
    last: Batch,
    /// Passes that were begun, and what the server goes on with for them.
    pub(super) going: Passes,
    /// What the server chooses by itself.
    pub(super) sampled: Option<TokenStream>,
}

impl ServerModel {
    /// The model of a server that knows tokens by their ids, with V entries.
    pub(super) fn new(server: Shared, known: KnownPieces, vocabulary: usize, host: String) -> Self {
        let facts = locked(&server).facts().clone();
        Self {
            server,
            known,
            sequences: Sequences::default(),
            vocabulary,
            context: facts.context,
            most_listed: facts.most_listed.min(vocabulary),
            whole_rows: facts.whole_rows,
            prompt_rows: facts.prompt_rows,
            host,
            recent: VecDeque::new(),
            next_row: 0,
            last: Batch::default(),
            going: Passes::default(),
            sampled: None,
        }
    }

    /// Lets texts get no longer than this; `None` leaves the server's own context.
    pub fn limit_context(&mut self, context: Option<usize>) {
        self.context = context.unwrap_or(self.context).min(self.context);
    }

    /// How much of a row is asked for where a summary will do.
    pub(super) fn top(&self) -> Top {
        Top::Highest(MOST_CANDIDATES.min(self.most_listed))
    }

    fn compute(&mut self, batch: &Batch, interrupt: &AtomicBool) -> Result<Outputs, ModelError> {
        let start = Instant::now();
        batch.check(self.vocabulary, self.context, |sequence| self.sequences.length(sequence))?;
        if !batch.hidden.is_empty() {
            return Err(not_sent(format!("{} sends no hidden states: choose another strategy", self.host)));
        }
        let asked: Vec<usize> = batch.outputs().collect();
        let mut outputs = Outputs::default();
        let mut server_seconds = None;
        for (&row, sent) in asked.iter().zip(self.rows(batch, &asked, interrupt)?) {
            if let Some(seconds) = sent.server_seconds {
                *server_seconds.get_or_insert(0.0) += seconds;
            }
            match batch.rows[row].output {
                RowOutput::Nothing => {}
                RowOutput::Logits => outputs.logits.push(whole(&sent, self.vocabulary)),
                RowOutput::Summary(params) => {
                    let text = self.text(batch, row);
                    let summary = summary(self.remember(text), &sent, self.vocabulary, &params);
                    outputs.summaries.push(summary);
                }
            }
        }
        self.keep(batch);
        outputs.timing = waited(start, server_seconds);
        Ok(outputs)
    }

    /// The rows after these rows of a batch, in one request where the server can do that.
    fn rows(
        &self,
        batch: &Batch,
        asked: &[usize],
        interrupt: &AtomicBool,
    ) -> Result<Vec<SentRow>, ModelError> {
        let whole = asked.iter().any(|&row| batch.rows[row].output == RowOutput::Logits);
        if whole && !self.whole_rows {
            return Err(self.needs_whole_rows());
        }
        let top = if whole { Top::All } else { self.top() };
        let Some(&last) = asked.last() else { return Ok(Vec::new()) };
        let mut server = locked(&self.server);
        let chain = chain(&batch.rows, last);
        let rows = if asked.len() > 1 && !whole && self.prompt_rows && chain.ends_with(asked) {
            // One text has them all.
            let text = self.text(batch, last);
            server.prompt_rows(&text, text.len() - asked.len(), top, interrupt)
        } else {
            let texts: Vec<Vec<u32>> = asked.iter().map(|&row| self.text(batch, row)).collect();
            server.rows(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>(), top, interrupt)
        };
        let rows = rows.map_err(model_error)?;
        rows.iter().for_each(|row| self.known.take(&row.pieces));
        Ok(rows)
    }

    /// The text up to a row of a batch.
    fn text(&self, batch: &Batch, row: usize) -> Vec<u32> {
        let chain = chain(&batch.rows, row);
        let first = &batch.rows[chain[0]];
        let mut text = self.sequences.text(first.sequence)[..first.position].to_vec();
        text.extend(chain.iter().map(|&row| batch.rows[row].token));
        text
    }

    /// Lets sequences have the rows that extend them.
    fn keep(&mut self, batch: &Batch) {
        let kept = batch.kept(|sequence| self.sequences.length(sequence));
        for (row, _) in batch.rows.iter().zip(kept).filter(|(_, kept)| *kept) {
            self.sequences.push(row.sequence, row.token);
        }
        self.last = batch.clone();
    }

    /// A handle for the row after a text.
    pub(super) fn remember(&mut self, text: Vec<u32>) -> RowHandle {
        let handle = RowHandle(self.next_row);
        self.next_row += 1;
        self.recent.push_back((handle, text));
        if self.recent.len() > RECENT_ROWS {
            self.recent.pop_front();
        }
        handle
    }

    fn needs_whole_rows(&self) -> ModelError {
        let (host, count) = (&self.host, self.most_listed);
        not_sent(format!(
            "{host} sends the {count} highest log-probabilities of a row, and this step depends on the others: set top-k to {} or less, or let the server send more (vLLM: --max-logprobs -1)",
            count.saturating_sub(1)
        ))
    }
}

impl LanguageModel for ServerModel {
    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn context(&self) -> usize {
        self.context
    }

    fn max_rows(&self) -> usize {
        self.context
    }

    fn tells(&self) -> RowsTold {
        let highest = (!self.whole_rows).then_some(self.most_listed);
        RowsTold { highest, are_normalised: true, hides_states: true }
    }

    fn new_sequence(&mut self) -> SequenceId {
        self.new_sequence_for(self.context)
    }

    fn new_sequence_for(&mut self, longest: usize) -> SequenceId {
        self.sequences.add(Vec::new(), longest)
    }

    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        Ok(self.sequences.fork(sequence))
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) {
        self.sequences.truncate(sequence, length);
    }

    fn release(&mut self, sequence: SequenceId) {
        self.sequences.release(sequence);
    }

    fn length(&self, sequence: SequenceId) -> usize {
        self.sequences.length(sequence)
    }

    fn forward(&mut self, batch: &Batch) -> Result<Outputs, ModelError> {
        self.compute(batch, &AtomicBool::new(false))
    }

    fn forward_unless(&mut self, batch: &Batch, interrupt: &AtomicBool) -> Result<Outputs, ModelError> {
        self.compute(batch, interrupt)
    }

    fn accept(&mut self, sequence: SequenceId, rows: &[usize]) -> Result<(), ModelError> {
        for &row in rows {
            let token = self.last.rows[row].token;
            self.sequences.push(sequence, token);
        }
        Ok(())
    }

    /// Asks for the row once more, whole.
    fn read_row(&mut self, row: RowHandle) -> Result<Option<Vec<f32>>, ModelError> {
        let text = self.recent.iter().find(|(handle, _)| *handle == row).map(|(_, text)| text);
        let (Some(text), true) = (text, self.whole_rows) else { return Ok(None) };
        let rows = locked(&self.server).rows(&[text], Top::All, &AtomicBool::new(false));
        Ok(rows.map_err(model_error)?.first().map(|row| whole(row, self.vocabulary)))
    }

    /// The cache is the server's.
    fn cache_usage(&self) -> CacheUsage {
        CacheUsage::default()
    }

    fn chained(&mut self) -> Option<&mut dyn ChainedModel> {
        Some(self)
    }

    fn sampler(&mut self) -> Option<&mut dyn Sampler> {
        Some(self)
    }
}

/// The V values of a whole row.
fn whole(row: &SentRow, vocabulary: usize) -> Vec<f32> {
    let mut logits = vec![f32::NEG_INFINITY; vocabulary];
    for (&token, &value) in row.tokens.iter().zip(&row.log_probabilities) {
        logits[token as usize] = value;
    }
    logits
}

/// Whoever panicked while asking left nothing half done.
pub(super) fn locked(server: &Shared) -> std::sync::MutexGuard<'_, Server> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn model_error(error: ServerError) -> ModelError {
    match error {
        ServerError::Stopped => ModelError::Interrupted,
        error => ModelError::Server { reason: error.to_string() },
    }
}

fn not_sent(reason: String) -> ModelError {
    ModelError::NotSent { reason }
}

/// Summaries of rows are asked for by their form: what a greedy step wants is what a server that is greedy goes on with.
pub(super) fn is_greedy(output: RowOutput) -> bool {
    matches!(output, RowOutput::Summary(params) if params.top_k == 1)
}

/// What a pass took that began then: all of it was waiting for the server, which says that it took so long itself.
pub(super) fn waited(start: Instant, server_seconds: Option<f64>) -> PassTiming {
    let seconds = start.elapsed().as_secs_f64();
    PassTiming { total_seconds: seconds, wait_seconds: seconds, server_seconds, ..PassTiming::default() }
}
