//! A pass as commands: what they depend on, and how its results lie in the buffer that the CPU reads.
//!
//! Most of what tells one step from the next is in the buffer that is written for each pass; the commands are the
//! same as long as the [`Outline`] is. So those of the next step are recorded while the GPU computes this one.

use wgpu::BufferUsages;

use super::core::Engine;
use crate::gpu::device::Device;
use crate::gpu::pass::{FIRST_TOKEN, Work};
use crate::gpu::program::{SUMMARY_BYTES, Selection};
use crate::gpu::weights::padded;
use crate::model::batch::RowOutput;
use crate::model::plan::RowSet;
use crate::model::selection::RowHandle;
use crate::model::{Batch, ModelError};

/// Bytes of the two timestamps at the start of a readback.
pub(crate) const TIMESTAMP_BYTES: u64 = 16;

/// All that a pass's commands depend on, as long as buffers and kernels stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    pub work: Work,
    pub part: Part,
    pub tokens: Tokens,
    /// What the rows that were picked asked for.
    pub wanted: Vec<Wanted>,
}

/// Which ops of the plan run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Those of the whole batch, and then those of the rows picked.
    Whole,
    /// Those of more rows picked from the same batch.
    MoreOutputs,
}

/// Where a pass gets its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tokens {
    /// From the batch.
    Given,
    /// The one token is what the last pass chose for this one of its output rows.
    Chosen(u64),
}

/// What is wanted of a row that is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub head: Head,
    /// Its place among the rows whose hidden states are wanted.
    pub hidden: Option<usize>,
}

/// What is wanted of the LM head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    Nothing,
    Summary,
    Logits,
}

/// Commands that nobody has submitted.
pub(crate) struct Commands {
    pub outline: Outline,
    pub buffer: wgpu::CommandBuffer,
    /// Where the results go.
    pub readback: wgpu::Buffer,
    /// Handles of the rows summarised.
    pub handles: Vec<RowHandle>,
    pub dispatches: usize,
}

/// Buffers that are not in use and that results can be copied to.
#[derive(Default)]
pub(crate) struct Readbacks {
    free: Vec<wgpu::Buffer>,
}

/// The clock of the GPU.
pub(crate) struct Timestamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    seconds_per_tick: f64,
}

impl Engine {
    /// The commands of a pass: those recorded ahead, if they are of this outline.
    pub(crate) fn commands(&mut self, outline: Outline) -> Result<Commands, ModelError> {
        // Where its rows are kept is as true as it was: no pass came in between.
        if let Some(ahead) = self.ahead.take_if(|ahead| ahead.outline == outline) {
            self.device.count_recorded_ahead();
            return Ok(ahead);
        }
        self.forget_ahead();
        self.record(outline)
    }

    /// Records the commands of a pass that is likely to come next.
    pub(crate) fn record_ahead(&mut self, outline: Outline) {
        // Where that fails, the pass will tell, if it comes.
        self.ahead = self.record(outline).ok();
    }

    /// Forgets commands recorded ahead: what they work on is about to be replaced.
    pub(crate) fn forget_ahead(&mut self) {
        self.readbacks.give_back(self.ahead.take().map(|commands| commands.readback));
    }

    /// Records the commands of a pass.
    fn record(&mut self, outline: Outline) -> Result<Commands, ModelError> {
        let Outline { work, part, tokens, wanted } = &outline;
        if wanted.iter().any(Wanted::summary) {
            self.need_selection()?;
        }
        let layout = Layout::new(wanted, self.logits_bytes(), self.hidden_bytes());
        // Rows of which only the hidden state is wanted need no logits.
        let ends = if layout.heads { self.steps.len() } else { self.head_from };
        let readback = self.readbacks.take(&self.device, layout.bytes)?;
        let mut encoder = self.device.encoder();
        if let (Tokens::Chosen(row), Some(selection)) = (tokens, &self.selection) {
            selection.copy_chosen(&mut encoder, *row, &self.pass_words, FIRST_TOKEN);
        }
        let mut dispatches = 0;
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: self.timestamps.as_ref().map(Timestamps::writes),
            });
            for step in &self.steps[..ends] {
                let work = match (step.rows, part) {
                    (RowSet::Batch, Part::Whole) => *work,
                    (RowSet::Outputs, _) if !wanted.is_empty() => Work::of_rows(wanted.len()),
                    (RowSet::Batch, Part::MoreOutputs) | (RowSet::Outputs, _) => continue,
                };
                step.encode(&mut pass, work);
                dispatches += step.dispatches(work);
            }
            if let (1.., Some(selection)) = (layout.summaries, &self.selection) {
                dispatches += selection.encode(&mut pass, wanted.len() as u32);
            }
        }
        if let Some(timestamps) = &self.timestamps {
            timestamps.resolve(&mut encoder, &readback);
        }
        let logits = &self.buffers[self.plan.logits.0];
        let mut handles = Vec::new();
        if let (1.., Some(selection)) = (layout.summaries, &self.selection) {
            selection.copy_summaries(&mut encoder, layout.summaries, &readback, TIMESTAMP_BYTES);
            let rows = (0..wanted.len()).filter(|&row| wanted[row].summary());
            handles.extend(rows.zip(selection.next_row().0..).map(|(row, next)| {
                selection.keep(&mut encoder, logits, row, RowHandle(next));
                RowHandle(next)
            }));
        }
        if let (1.., Some(hidden)) = (layout.hidden, self.plan.hidden) {
            let states = &self.buffers[hidden.0];
            encoder.copy_buffer_to_buffer(states, 0, &readback, layout.hidden_at, layout.hidden);
        }
        if layout.logits > 0 {
            encoder.copy_buffer_to_buffer(logits, 0, &readback, layout.logits_at, layout.logits);
        }
        Ok(Commands { outline, buffer: encoder.finish(), readback, handles, dispatches })
    }

    /// Makes the selection, where there is none yet.
    pub(crate) fn need_selection(&mut self) -> Result<(), ModelError> {
        if self.selection.is_some() {
            return Ok(());
        }
        let vocabulary = self.plan.buffer(self.plan.logits).columns;
        let mut selection = Selection::new(&self.device, vocabulary, self.rows.outputs, self.choice)?;
        selection.bind(&self.device, &self.pass_words, &self.buffers[self.plan.logits.0])?;
        self.selection = Some(selection);
        Ok(())
    }

    /// Bytes of a row of logits with its padding.
    pub(crate) fn logits_bytes(&self) -> u64 {
        4 * padded(self.plan.buffer(self.plan.logits).columns) as u64
    }

    /// Bytes of a final hidden state with its padding.
    pub(crate) fn hidden_bytes(&self) -> u64 {
        self.plan.hidden.map_or(0, |hidden| 4 * padded(self.plan.buffer(hidden).columns) as u64)
    }
}

/// How the results of a pass lie in a readback: timestamps, summaries, hidden states, logits. Of each kind all
/// picked rows', or none.
pub(crate) struct Layout {
    /// Whether any row goes through the LM head.
    heads: bool,
    /// Rows of summaries.
    summaries: u64,
    pub hidden_at: u64,
    /// Bytes of hidden states.
    hidden: u64,
    pub logits_at: u64,
    /// Bytes of logits.
    logits: u64,
    pub bytes: u64,
}

impl Layout {
    pub fn new(wanted: &[Wanted], logits_bytes: u64, hidden_bytes: u64) -> Self {
        let of_all = |any: bool, each: u64| if any { wanted.len() as u64 * each } else { 0 };
        let summaries = of_all(wanted.iter().any(Wanted::summary), 1);
        let hidden = of_all(wanted.iter().any(|row| row.hidden.is_some()), hidden_bytes);
        let logits = of_all(wanted.iter().any(|row| row.head == Head::Logits), logits_bytes);
        let hidden_at = TIMESTAMP_BYTES + summaries * SUMMARY_BYTES;
        let logits_at = hidden_at + hidden;
        let heads = wanted.iter().any(|row| row.head != Head::Nothing);
        Self { heads, summaries, hidden_at, hidden, logits_at, logits, bytes: logits_at + logits }
    }
}

impl Wanted {
    /// Of a row of the batch.
    pub fn of(batch: &Batch, row: usize) -> Self {
        let head = match batch.rows[row].output {
            RowOutput::Nothing => Head::Nothing,
            RowOutput::Summary(_) => Head::Summary,
            RowOutput::Logits => Head::Logits,
        };
        Self { head, hidden: batch.hidden.binary_search(&row).ok() }
    }

    pub fn summary(&self) -> bool {
        self.head == Head::Summary
    }
}

impl Readbacks {
    /// A buffer of at least so many bytes.
    fn take(&mut self, device: &Device, bytes: u64) -> Result<wgpu::Buffer, ModelError> {
        match self.free.iter().position(|buffer| buffer.size() >= bytes) {
            Some(index) => Ok(self.free.swap_remove(index)),
            None => device.buffer("the readback", bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST),
        }
    }

    /// Takes back what is not in use any more.
    pub fn give_back(&mut self, buffers: impl IntoIterator<Item = wgpu::Buffer>) {
        self.free.extend(buffers);
    }
}

impl Timestamps {
    /// `None` where the adapter has none.
    pub fn new(device: &Device) -> Result<Option<Self>, ModelError> {
        if !device.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let queries = device.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        let usage = BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC;
        let resolved = device.buffer("timestamps", TIMESTAMP_BYTES, usage)?;
        let seconds_per_tick = f64::from(device.queue.get_timestamp_period()) * 1e-9;
        Ok(Some(Self { queries, resolved, seconds_per_tick }))
    }

    fn writes(&self) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }
    }

    fn resolve(&self, encoder: &mut wgpu::CommandEncoder, readback: &wgpu::Buffer) {
        encoder.resolve_query_set(&self.queries, 0..2, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, readback, 0, TIMESTAMP_BYTES);
    }

    /// Seconds between the timestamps of a readback.
    pub fn seconds(&self, readback: &[u8]) -> f64 {
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&readback[..TIMESTAMP_BYTES as usize]);
        ticks[1].saturating_sub(ticks[0]) as f64 * self.seconds_per_tick
    }
}
