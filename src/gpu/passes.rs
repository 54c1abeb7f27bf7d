//! Passes on their way: commands submitted, results in buffers that the CPU maps when it asks for them.
//!
//! A pass costs one write of what varies, one compute pass and one submission, and nothing waits but
//! [`Engine::finish`], for its own pass alone. A pass whose token the GPU chose itself gets it by a copy of
//! four bytes.

use std::time::Instant;

use wgpu::{BufferUsages, SubmissionIndex};

use super::device::Device;
use super::engine::Engine;
use super::layout::padded;
use super::pass::{FIRST_TOKEN, Placement, Work};
use super::selection::{SUMMARY_BYTES, Selection};
use crate::model::batch::RowOutput;
use crate::model::language_model::PassId;
use crate::model::plan::RowSet;
use crate::model::selection::RowHandle;
use crate::model::{Batch, ChainedModel, ModelError, Outputs, SequenceId};

/// Bytes of the two timestamps at the start of a readback.
const TIMESTAMP_BYTES: u64 = 16;

/// A pass that was submitted and whose results nobody has read.
pub(super) struct Flight {
    id: PassId,
    begin: Instant,
    encode_seconds: f64,
    submission: SubmissionIndex,
    readback: wgpu::Buffer,
    /// What its output rows asked for.
    outputs: Vec<RowOutput>,
    /// Handles of the rows summarised.
    handles: Vec<RowHandle>,
    /// Sequence and position of its last row.
    last: (SequenceId, usize),
    /// Where its rows went, to forget them.
    placement: Placement,
}

/// Where a pass gets its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tokens {
    /// From the batch.
    Given,
    /// The one token is what the last pass chose for this one of its output rows.
    Chosen(u64),
}

/// Buffers that are not in use and that results can be copied to.
#[derive(Default)]
pub(super) struct Readbacks {
    free: Vec<wgpu::Buffer>,
}

/// The clock of the GPU.
pub(super) struct Timestamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    seconds_per_tick: f64,
}

impl Engine {
    /// Computes a pass, in as many submissions as its outputs need, and waits for each.
    pub(super) fn run(&mut self, batch: &Batch) -> Result<Outputs, ModelError> {
        let mut begin = Instant::now();
        self.device.check()?;
        let placement = self.place(batch)?;
        let outputs: Vec<usize> = batch.outputs().collect();
        let mut results = Outputs::default();
        let (first, rest) = outputs.split_at(outputs.len().min(self.rows.outputs));
        let groups = std::iter::once(first).chain(rest.chunks(self.rows.outputs));
        let mut sets = [RowSet::Batch, RowSet::Outputs].as_slice();
        let ran = groups.into_iter().try_for_each(|group| {
            self.write_pass(batch, &placement, group)?;
            let flight = self.encode(batch, placement.work, sets, group, Tokens::Given, begin)?;
            self.finish(flight, &mut results)?;
            (sets, begin) = (&[RowSet::Outputs], Instant::now());
            Ok(())
        });
        match ran {
            Ok(()) => self.cache.pages.give_back(&placement.scratch),
            Err(_) => placement.undo(&mut self.cache.pages),
        }
        ran.map(|()| results)
    }

    /// Submits a pass, and keeps it among those on their way.
    fn launch(&mut self, batch: &Batch, tokens: Tokens) -> Result<PassId, ModelError> {
        let begin = Instant::now();
        self.device.check()?;
        let mut placement = self.place(batch)?;
        let outputs: Vec<usize> = batch.outputs().collect();
        assert!(outputs.len() <= self.rows.outputs, "at most {} outputs a submission", self.rows.outputs);
        let sets = [RowSet::Batch, RowSet::Outputs];
        let written = self.write_pass(batch, &placement, &outputs);
        match written.and_then(|()| self.encode(batch, placement.work, &sets, &outputs, tokens, begin)) {
            Ok(mut flight) => {
                // Later passes may use the pages at once: they come later on the GPU as well.
                self.cache.pages.give_back(&std::mem::take(&mut placement.scratch));
                flight.placement = placement;
                let id = flight.id;
                self.flights.push(flight);
                Ok(id)
            }
            Err(error) => {
                placement.undo(&mut self.cache.pages);
                Err(error)
            }
        }
    }

    /// Encodes and submits the steps of these row sets.
    fn encode(
        &mut self,
        batch: &Batch,
        work: Work,
        sets: &[RowSet],
        outputs: &[usize],
        tokens: Tokens,
        begin: Instant,
    ) -> Result<Flight, ModelError> {
        let wanted: Vec<RowOutput> = outputs.iter().map(|&row| batch.rows[row].output).collect();
        if wanted.iter().any(summarised) && self.selection.is_none() {
            self.make_selection()?;
        }
        let layout = Layout::new(&wanted, self.logits_bytes());
        let readback = self.readbacks.take(&self.device, layout.bytes)?;
        let mut encoder = self.device.encoder();
        if let (Tokens::Chosen(row), Some(selection)) = (tokens, &self.selection) {
            selection.copy_chosen(&mut encoder, row, &self.pass_words, FIRST_TOKEN);
        }
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: self.timestamps.as_ref().map(Timestamps::writes),
            });
            let mut dispatches = 0;
            for step in self.steps.iter().filter(|step| sets.contains(&step.rows)) {
                let work = match step.rows {
                    RowSet::Batch => work,
                    RowSet::Outputs if outputs.is_empty() => continue,
                    RowSet::Outputs => Work::of_rows(outputs.len()),
                };
                step.encode(&mut pass, work);
                dispatches += step.dispatches(work);
            }
            if layout.summaries > 0
                && let Some(selection) = &self.selection
            {
                dispatches += selection.encode(&mut pass, outputs.len() as u32);
            }
            self.device.count_dispatches(dispatches);
        }
        if let Some(timestamps) = &self.timestamps {
            timestamps.resolve(&mut encoder, &readback);
        }
        let logits = &self.buffers[self.plan.logits.0];
        let mut handles = Vec::new();
        if layout.summaries > 0
            && let Some(selection) = &mut self.selection
        {
            selection.copy_summaries(&mut encoder, layout.summaries, &readback, TIMESTAMP_BYTES);
            let rows = (0..wanted.len()).filter(|&row| summarised(&wanted[row]));
            handles.extend(rows.map(|row| selection.keep(&mut encoder, logits, row)));
        }
        if layout.logits > 0 {
            encoder.copy_buffer_to_buffer(logits, 0, &readback, layout.logits_at, layout.logits);
        }
        let submission = self.device.submit(encoder);
        let last = batch.rows.last().map_or((SequenceId(0), 0), |row| (row.sequence, row.position));
        let id = PassId(self.next_pass);
        self.next_pass += 1;
        let encode_seconds = begin.elapsed().as_secs_f64();
        Ok(Flight {
            id,
            begin,
            encode_seconds,
            submission,
            readback,
            outputs: wanted,
            handles,
            last,
            placement: Placement::default(),
        })
    }

    /// Waits for a pass and adds its results. After an error its rows are forgotten.
    pub(super) fn finish(&mut self, flight: Flight, results: &mut Outputs) -> Result<(), ModelError> {
        let waiting = Instant::now();
        let columns = self.plan.buffer(self.plan.logits).columns;
        let row_bytes = self.logits_bytes();
        let layout = Layout::new(&flight.outputs, row_bytes);
        let (timestamps, selection) = (&self.timestamps, &self.selection);
        let mut handles = flight.handles.iter();
        let device = &self.device;
        let read = device.read_mapped(&flight.readback, layout.bytes, flight.submission, |bytes| {
            for (row, output) in flight.outputs.iter().enumerate() {
                if let (true, Some(selection), Some(&handle)) =
                    (summarised(output), selection, handles.next())
                {
                    let at = (TIMESTAMP_BYTES + row as u64 * SUMMARY_BYTES) as usize;
                    let bytes = &bytes[at..][..SUMMARY_BYTES as usize];
                    results.summaries.push(selection.summary(handle, bytes));
                } else {
                    let at = (layout.logits_at + row as u64 * row_bytes) as usize;
                    results.logits.push(bytemuck::pod_collect_to_vec(&bytes[at..][..4 * columns]));
                }
            }
            timestamps.as_ref().map(|timestamps| timestamps.seconds(bytes))
        });
        results.timing.encode_seconds += flight.encode_seconds;
        results.timing.wait_seconds += waiting.elapsed().as_secs_f64();
        results.timing.total_seconds += flight.begin.elapsed().as_secs_f64();
        match read {
            Ok(seconds) => {
                if let Some(seconds) = seconds {
                    *results.timing.gpu_seconds.get_or_insert(0.0) += seconds;
                }
                self.readbacks.free.push(flight.readback);
                Ok(())
            }
            Err(error) => {
                flight.placement.undo(&mut self.cache.pages);
                Err(error)
            }
        }
    }

    fn make_selection(&mut self) -> Result<(), ModelError> {
        let vocabulary = self.plan.buffer(self.plan.logits).columns;
        let mut selection = Selection::new(&self.device, vocabulary, self.rows.outputs, self.choice)?;
        selection.bind(&self.device, &self.pass_words, &self.buffers[self.plan.logits.0])?;
        self.selection = Some(selection);
        Ok(())
    }

    /// Bytes of a row of logits with its padding.
    fn logits_bytes(&self) -> u64 {
        4 * padded(self.plan.buffer(self.plan.logits).columns) as u64
    }
}

impl ChainedModel for Engine {
    fn submit(&mut self, batch: &Batch) -> Result<PassId, ModelError> {
        self.launch(batch, Tokens::Given)
    }

    fn follow(&mut self, pass: PassId, output: RowOutput) -> Result<PassId, ModelError> {
        assert_eq!(pass.0 + 1, self.next_pass, "a pass follows the newest one");
        let before = self.flights.iter().find(|flight| flight.id == pass).expect("the pass is on its way");
        let (sequence, position) = before.last;
        assert!(before.outputs.last().is_some_and(summarised), "the row to follow asks for a summary");
        let row = before.outputs.len() as u64 - 1;
        // The token is overwritten on the GPU.
        self.launch(&Batch::chain(sequence, position + 1, &[0], output), Tokens::Chosen(row))
    }

    fn collect(&mut self, pass: PassId) -> Result<Outputs, ModelError> {
        let flight = self.take_flight(pass);
        let mut results = Outputs::default();
        self.finish(flight, &mut results)?;
        Ok(results)
    }

    fn discard(&mut self, pass: PassId) {
        let flight = self.take_flight(pass);
        flight.placement.undo(&mut self.cache.pages);
        // It was never mapped, and what is copied to it later comes later on the GPU as well.
        self.readbacks.free.push(flight.readback);
    }
}

impl Engine {
    fn take_flight(&mut self, pass: PassId) -> Flight {
        let index = self.flights.iter().position(|flight| flight.id == pass);
        self.flights.remove(index.expect("a pass is collected or discarded once"))
    }
}

/// How the results of a pass lie in a readback: timestamps, summaries, logits.
struct Layout {
    /// Rows of summaries: all output rows, or none.
    summaries: u64,
    logits_at: u64,
    /// Bytes of logits: all output rows', or none.
    logits: u64,
    bytes: u64,
}

impl Layout {
    fn new(outputs: &[RowOutput], row_bytes: u64) -> Self {
        let rows = outputs.len() as u64;
        let summaries = if outputs.iter().any(summarised) { rows } else { 0 };
        let logits = if outputs.iter().all(summarised) { 0 } else { rows * row_bytes };
        let logits_at = TIMESTAMP_BYTES + summaries * SUMMARY_BYTES;
        Self { summaries, logits_at, logits, bytes: logits_at + logits }
    }
}

fn summarised(output: &RowOutput) -> bool {
    matches!(output, RowOutput::Summary(_))
}

impl Readbacks {
    /// A buffer of at least so many bytes.
    fn take(&mut self, device: &Device, bytes: u64) -> Result<wgpu::Buffer, ModelError> {
        match self.free.iter().position(|buffer| buffer.size() >= bytes) {
            Some(index) => Ok(self.free.swap_remove(index)),
            None => device.buffer("the readback", bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST),
        }
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

    fn seconds(&self, readback: &[u8]) -> f64 {
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&readback[..TIMESTAMP_BYTES as usize]);
        ticks[1].saturating_sub(ticks[0]) as f64 * self.seconds_per_tick
    }
}
