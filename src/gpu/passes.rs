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
use super::pages::{PageCopy, PagesMissing};
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
    /// What the rows that were picked asked for.
    wanted: Vec<Wanted>,
    /// Handles of the rows summarised.
    handles: Vec<RowHandle>,
    /// Sequence and position of its last row.
    last: (SequenceId, usize),
    /// Where its rows went, to forget them.
    placement: Placement,
}

/// What is wanted of a row that is picked.
#[derive(Clone, Copy)]
struct Wanted {
    output: RowOutput,
    /// Its place among the rows whose hidden states are wanted.
    hidden: Option<usize>,
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

/// The rows of a pass that branched off, as long as they may be accepted.
#[derive(Default)]
pub(super) struct Branches {
    /// For each row of the pass the slot of its key and value.
    slots: Vec<u32>,
    /// For each row of the pass its position.
    positions: Vec<usize>,
    /// The pages that hold them.
    pub scratch: Vec<u32>,
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
        let mut results = Outputs { hidden: vec![Vec::new(); batch.hidden.len()], ..Outputs::default() };
        let groups = picked_in_groups(batch, self.rows.outputs);
        let mut sets = [RowSet::Batch, RowSet::Outputs].as_slice();
        let ran = groups.iter().try_for_each(|group| {
            self.write_pass(batch, &placement, group)?;
            let flight = self.encode(batch, placement.work, sets, group, Tokens::Given, begin)?;
            self.finish(flight, &mut results)?;
            (sets, begin) = (&[RowSet::Outputs], Instant::now());
            Ok(())
        });
        match ran {
            Ok(()) => {
                let positions = batch.rows.iter().map(|row| row.position).collect();
                let Placement { slots, scratch, .. } = placement;
                self.branches = Branches { slots, positions, scratch };
            }
            Err(_) => placement.undo(&mut self.cache.pages),
        }
        ran.map(|()| results)
    }

    /// Copies rows of the last pass behind a sequence's cached positions.
    pub(super) fn accept_rows(&mut self, sequence: SequenceId, rows: &[usize]) -> Result<(), ModelError> {
        if rows.is_empty() {
            return Ok(());
        }
        let length = self.cache.pages.length(sequence);
        for (index, &row) in rows.iter().enumerate() {
            let position = self.branches.positions[row];
            assert_eq!(position, length + index, "row {row} does not go on where the sequence ends");
        }
        let extension = loop {
            match self.cache.pages.extend(sequence, rows.len()) {
                Ok(extension) => break extension,
                Err(PagesMissing(missing)) => self.grow_cache(missing)?,
            }
        };
        extension.copy.into_iter().for_each(|copy| self.cache.copy_page(&self.device, copy));
        let slots = &self.branches.slots;
        let copies = rows.iter().enumerate().map(|(index, &row)| {
            let to = self.cache.pages.slot(sequence, length + index);
            PageCopy { from: slots[row], to }
        });
        self.cache.copy_slots(&self.device, copies);
        Ok(())
    }

    /// Frees the pages of rows that branched off.
    pub(super) fn forget_branches(&mut self) {
        let Branches { scratch, .. } = std::mem::take(&mut self.branches);
        self.cache.pages.give_back(&scratch);
    }

    /// Submits a pass, and keeps it among those on their way.
    fn launch(&mut self, batch: &Batch, tokens: Tokens) -> Result<PassId, ModelError> {
        let begin = Instant::now();
        self.device.check()?;
        let mut placement = self.place(batch)?;
        assert!(batch.hidden.is_empty(), "hidden states come from passes that are waited for");
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
        picked: &[usize],
        tokens: Tokens,
        begin: Instant,
    ) -> Result<Flight, ModelError> {
        let wanted: Vec<Wanted> = picked.iter().map(|&row| Wanted::of(batch, row)).collect();
        if wanted.iter().any(Wanted::summary) && self.selection.is_none() {
            self.make_selection()?;
        }
        let layout = Layout::new(&wanted, self.logits_bytes(), self.hidden_bytes());
        // Rows of which only the hidden state is wanted need no logits.
        let ends = if layout.heads { self.steps.len() } else { self.head_from };
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
            for step in self.steps[..ends].iter().filter(|step| sets.contains(&step.rows)) {
                let work = match step.rows {
                    RowSet::Batch => work,
                    RowSet::Outputs if picked.is_empty() => continue,
                    RowSet::Outputs => Work::of_rows(picked.len()),
                };
                step.encode(&mut pass, work);
                dispatches += step.dispatches(work);
            }
            if layout.summaries > 0
                && let Some(selection) = &self.selection
            {
                dispatches += selection.encode(&mut pass, picked.len() as u32);
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
            let rows = (0..wanted.len()).filter(|&row| wanted[row].summary());
            handles.extend(rows.map(|row| selection.keep(&mut encoder, logits, row)));
        }
        if let (1.., Some(hidden)) = (layout.hidden, self.plan.hidden) {
            let states = &self.buffers[hidden.0];
            encoder.copy_buffer_to_buffer(states, 0, &readback, layout.hidden_at, layout.hidden);
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
            wanted,
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
        let hidden_bytes = self.hidden_bytes();
        let width = self.plan.hidden.map_or(0, |hidden| self.plan.buffer(hidden).columns);
        let layout = Layout::new(&flight.wanted, row_bytes, hidden_bytes);
        let (timestamps, selection) = (&self.timestamps, &self.selection);
        let mut handles = flight.handles.iter();
        let device = &self.device;
        let read = device.read_mapped(&flight.readback, layout.bytes, flight.submission, |bytes| {
            let part = |first: u64, row: usize, stride: u64, length: usize| {
                &bytes[(first + row as u64 * stride) as usize..][..length]
            };
            for (row, wanted) in flight.wanted.iter().enumerate() {
                match (wanted.output, selection) {
                    (RowOutput::Nothing, _) => {}
                    (RowOutput::Summary(_), Some(selection)) => {
                        let bytes = part(TIMESTAMP_BYTES, row, SUMMARY_BYTES, SUMMARY_BYTES as usize);
                        let &handle = handles.next().expect("each summary has its handle");
                        results.summaries.push(selection.summary(handle, bytes));
                    }
                    (RowOutput::Summary(_) | RowOutput::Logits, _) => {
                        let bytes = part(layout.logits_at, row, row_bytes, 4 * columns);
                        results.logits.push(bytemuck::pod_collect_to_vec(bytes));
                    }
                }
                if let Some(place) = wanted.hidden {
                    let bytes = part(layout.hidden_at, row, hidden_bytes, 4 * width);
                    results.hidden[place] = bytemuck::pod_collect_to_vec(bytes);
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

    /// Bytes of a final hidden state with its padding.
    fn hidden_bytes(&self) -> u64 {
        self.plan.hidden.map_or(0, |hidden| 4 * padded(self.plan.buffer(hidden).columns) as u64)
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
        assert!(before.wanted.last().is_some_and(Wanted::summary), "the row to follow asks for a summary");
        let row = before.wanted.len() as u64 - 1;
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

/// How the results of a pass lie in a readback: timestamps, summaries, hidden states, logits. Of each kind all
/// picked rows', or none.
struct Layout {
    /// Whether any row goes through the LM head.
    heads: bool,
    /// Rows of summaries.
    summaries: u64,
    hidden_at: u64,
    /// Bytes of hidden states.
    hidden: u64,
    logits_at: u64,
    /// Bytes of logits.
    logits: u64,
    bytes: u64,
}

impl Layout {
    fn new(wanted: &[Wanted], logits_bytes: u64, hidden_bytes: u64) -> Self {
        let of_all = |any: bool, each: u64| if any { wanted.len() as u64 * each } else { 0 };
        let summaries = of_all(wanted.iter().any(Wanted::summary), 1);
        let hidden = of_all(wanted.iter().any(|row| row.hidden.is_some()), hidden_bytes);
        let logits = of_all(wanted.iter().any(|row| row.output == RowOutput::Logits), logits_bytes);
        let hidden_at = TIMESTAMP_BYTES + summaries * SUMMARY_BYTES;
        let logits_at = hidden_at + hidden;
        let heads = wanted.iter().any(|row| row.output != RowOutput::Nothing);
        Self { heads, summaries, hidden_at, hidden, logits_at, logits, bytes: logits_at + logits }
    }
}

impl Wanted {
    fn of(batch: &Batch, row: usize) -> Self {
        Self { output: batch.rows[row].output, hidden: batch.hidden.binary_search(&row).ok() }
    }

    fn summary(&self) -> bool {
        matches!(self.output, RowOutput::Summary(_))
    }
}

/// The rows of which anything is wanted, at most `most` together; those that need logits first, then those of
/// which only the hidden state is wanted. At least one group, if an empty one.
fn picked_in_groups(batch: &Batch, most: usize) -> Vec<Vec<usize>> {
    let needs_logits = |row: &usize| batch.rows[*row].output != RowOutput::Nothing;
    let (heads, hidden): (Vec<usize>, Vec<usize>) = batch.picked().partition(needs_logits);
    let groups = heads.chunks(most).chain(hidden.chunks(most)).map(<[usize]>::to_vec);
    let groups: Vec<_> = groups.collect();
    if groups.is_empty() { vec![Vec::new()] } else { groups }
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
