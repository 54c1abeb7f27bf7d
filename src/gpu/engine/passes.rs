//! Passes on their way: commands submitted, results in buffers that the CPU maps when it asks for them.
//!
//! A pass costs one write of what varies, one compute pass and one submission, and nothing waits but
//! [`Engine::finish`], for its own pass alone; before it does, the next step's commands are recorded. A pass whose
//! token the GPU chose itself gets it by a copy of four bytes.

use std::time::Instant;

use wgpu::SubmissionIndex;

use super::core::Engine;
use super::recording::{Commands, Head, Layout, Outline, Part, TIMESTAMP_BYTES, Tokens, Wanted};
use crate::gpu::cache::{PageCopy, PagesMissing};
use crate::gpu::kernels::FEW_ROWS;
use crate::gpu::pass::Placement;
use crate::gpu::program::SUMMARY_BYTES;
use crate::model::batch::RowOutput;
use crate::model::language_model::PassId;
use crate::model::selection::RowHandle;
use crate::model::{Batch, ChainedModel, ModelError, Outputs, SequenceId};

/// A pass that was submitted and whose results nobody has read.
pub(crate) struct Flight {
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

/// The rows of a pass that branched off, as long as they may be accepted.
#[derive(Default)]
pub(crate) struct Branches {
    /// For each row of the pass the slot of its key and value.
    slots: Vec<u32>,
    /// For each row of the pass its position.
    positions: Vec<usize>,
    /// The pages that hold them.
    pub scratch: Vec<u32>,
}

impl Engine {
    /// Computes a pass, in as many submissions as its outputs need, and waits for each.
    pub(crate) fn run(&mut self, batch: &Batch) -> Result<Outputs, ModelError> {
        let mut begin = Instant::now();
        self.device.check()?;
        let placement = self.place(batch)?;
        let mut results = Outputs { hidden: vec![Vec::new(); batch.hidden.len()], ..Outputs::default() };
        let groups = picked_in_groups(batch, self.rows.outputs);
        let mut part = Part::Whole;
        let ran = groups.iter().try_for_each(|group| {
            self.write_pass(batch, &placement, group)?;
            let wanted = group.iter().map(|&row| Wanted::of(batch, row)).collect();
            let outline = Outline { work: placement.work, part, tokens: Tokens::Given, wanted };
            let flight = self.submit_pass(batch, outline.clone(), begin)?;
            let submitted = Instant::now();
            // A step is likely to be followed by another one like it.
            if groups.len() == 1 && batch.rows.len() <= FEW_ROWS {
                self.record_ahead(outline);
                results.timing.ahead_seconds = submitted.elapsed().as_secs_f64();
            }
            self.finish(flight, submitted, &mut results)?;
            (part, begin) = (Part::MoreOutputs, Instant::now());
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
    pub(crate) fn accept_rows(&mut self, sequence: SequenceId, rows: &[usize]) -> Result<(), ModelError> {
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
    pub(crate) fn forget_branches(&mut self) {
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
        let wanted = outputs.iter().map(|&row| Wanted::of(batch, row)).collect();
        let outline = Outline { work: placement.work, part: Part::Whole, tokens, wanted };
        let written = self.write_pass(batch, &placement, &outputs);
        match written.and_then(|()| self.submit_pass(batch, outline, begin)) {
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

    /// Submits the commands of this outline: those recorded ahead, if they are the ones.
    fn submit_pass(&mut self, batch: &Batch, outline: Outline, begin: Instant) -> Result<Flight, ModelError> {
        let Commands { outline, buffer, readback, handles, dispatches } = self.commands(outline)?;
        let submission = self.device.submit_commands(buffer);
        self.device.count_dispatches(dispatches);
        if let Some(selection) = &mut self.selection {
            selection.kept(handles.len());
        }
        let last = batch.rows.last().map_or((SequenceId(0), 0), |row| (row.sequence, row.position));
        let id = PassId(self.next_pass);
        self.next_pass += 1;
        Ok(Flight {
            id,
            begin,
            encode_seconds: begin.elapsed().as_secs_f64(),
            submission,
            readback,
            wanted: outline.wanted,
            handles,
            last,
            placement: Placement::default(),
        })
    }

    /// Waits for a pass and adds its results; tells the waiting from `waiting` on. After an error its rows are
    /// forgotten.
    fn finish(&mut self, flight: Flight, waiting: Instant, results: &mut Outputs) -> Result<(), ModelError> {
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
                match (wanted.head, selection) {
                    (Head::Nothing, _) => {}
                    (Head::Summary, Some(selection)) => {
                        let bytes = part(TIMESTAMP_BYTES, row, SUMMARY_BYTES, SUMMARY_BYTES as usize);
                        let &handle = handles.next().expect("each summary has its handle");
                        results.summaries.push(selection.summary(handle, bytes));
                    }
                    (Head::Summary | Head::Logits, _) => {
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
                self.readbacks.give_back([flight.readback]);
                Ok(())
            }
            Err(error) => {
                flight.placement.undo(&mut self.cache.pages);
                Err(error)
            }
        }
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
        self.finish(flight, Instant::now(), &mut results)?;
        Ok(results)
    }

    fn discard(&mut self, pass: PassId) {
        let flight = self.take_flight(pass);
        flight.placement.undo(&mut self.cache.pages);
        // It was never mapped, and what is copied to it later comes later on the GPU as well.
        self.readbacks.give_back([flight.readback]);
    }
}

impl Engine {
    fn take_flight(&mut self, pass: PassId) -> Flight {
        let index = self.flights.iter().position(|flight| flight.id == pass);
        self.flights.remove(index.expect("a pass is collected or discarded once"))
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
