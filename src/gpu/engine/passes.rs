//! Passes on their way: commands submitted, results in buffers that the CPU maps when it asks for them.
//!
//! A pass costs one write of what varies, one compute pass and one submission (where layers cross the bus, one for each of
//! those), and nothing waits but [`Engine::finish`], for its own pass alone, and [`hand_over`], where experts cross the bus as
//! routers choose them; before it does, the next step's commands are recorded. A pass whose
//! token the GPU chose itself gets it by a copy of four bytes.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::command_key::{CommandKey, Head, Part, ReadbackLayout, Tokens, Wanted};
use super::core::Engine;
use super::in_flight::{Branches, InFlightPass, Submitted};
use super::recorder::Commands;
use super::submission::{Handed, hand_over};
use crate::gpu::cache::{PageCopy, PagesMissing};
use crate::gpu::kernels::FEW_ROWS;
use crate::gpu::pass::Placement;
use crate::gpu::program::{PINNED_BYTES, SUMMARY_BYTES, read_pinned};
use crate::model::batch::RowOutput;
use crate::model::language_model::PassId;
use crate::model::selection::RowHandle;
use crate::model::{Batch, ChainedModel, ModelError, Outputs, SequenceId};

impl Engine {
    /// Computes a pass, in as many submissions as its outputs need, and waits for each. Ends it between two layers that
    /// cross the bus once `interrupt` is set.
    pub(crate) fn run(
        &mut self,
        batch: &Batch,
        interrupt: Option<&AtomicBool>,
    ) -> Result<Outputs, ModelError> {
        let mut begin = Instant::now();
        self.device.check()?;
        let placement = self.place(batch)?;
        let mut results = Outputs { hidden: vec![Vec::new(); batch.hidden.len()], ..Outputs::default() };
        let groups = picked_in_groups(batch, self.rows.outputs);
        let mut part = Part::Whole;
        let ran = groups.iter().try_for_each(|group| {
            self.write_pass(batch, &placement, group)?;
            let wanted = group.iter().map(|&row| Wanted::of(batch, row)).collect();
            let (shape, pinned) = (placement.shape, self.pinned.len());
            let key = CommandKey { shape, part, tokens: Tokens::Given, wanted, pinned };
            let submitted = self.submit_pass(key.clone(), begin, interrupt)?;
            let waiting = Instant::now();
            // A step is likely to be followed by another one like it.
            if groups.len() == 1 && batch.rows.len() <= FEW_ROWS {
                self.recorder.prerecord(&self.device, &self.program, &self.resources, key);
                results.timing.ahead_seconds = waiting.elapsed().as_secs_f64();
            }
            self.finish(submitted, waiting, &mut results)?;
            (part, begin) = (Part::MoreOutputs, Instant::now());
            Ok(())
        });
        match ran {
            Ok(()) => {
                let positions = batch.rows.iter().map(|row| row.position).collect();
                let tokens = batch.rows.iter().map(|row| row.token).collect();
                let Placement { slots, scratch, states, .. } = placement;
                let states = states.branches;
                self.passes.branches = Branches { slots, positions, tokens, scratch, states };
            }
            Err(_) => placement.roll_back(&mut self.resources.cache),
        }
        ran.map(|()| results)
    }

    /// Copies rows of the last pass behind a sequence's cached positions.
    pub(super) fn accept_rows(&mut self, sequence: SequenceId, rows: &[usize]) -> Result<(), ModelError> {
        if rows.is_empty() {
            return Ok(());
        }
        let length = self.resources.cache.pages.length(sequence);
        for (index, &row) in rows.iter().enumerate() {
            let position = self.passes.branches.positions[row];
            assert_eq!(position, length + index, "row {row} does not go on where the sequence ends");
        }
        let extension = loop {
            match self.resources.cache.pages.extend(sequence, rows.len()) {
                Ok(extension) => break extension,
                Err(PagesMissing(missing)) => self.grow_cache(missing)?,
            }
        };
        extension.copy.into_iter().for_each(|copy| self.resources.cache.copy_page(&self.device, copy));
        let slots = &self.passes.branches.slots;
        let copies = rows.iter().enumerate().map(|(index, &row)| {
            let to = self.resources.cache.pages.slot(sequence, length + index);
            PageCopy { from: slots[row], to }
        });
        self.resources.cache.copy_slots(&self.device, copies);
        self.accept_states(sequence, length, rows);
        Ok(())
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
        let (shape, part, pinned) = (placement.shape, Part::Whole, self.pinned.len());
        let key = CommandKey { shape, part, tokens, wanted, pinned };
        let written = self.write_pass(batch, &placement, &outputs);
        match written.and_then(|()| self.submit_pass(key, begin, None)) {
            Ok(submitted) => {
                // Later passes may use the pages at once: they come later on the GPU as well.
                let cache = &mut self.resources.cache;
                cache.pages.give_back(&std::mem::take(&mut placement.scratch));
                let branches = std::mem::take(&mut placement.states.branches);
                branches.into_iter().for_each(|(_, slot)| cache.states.table.give_back(slot));
                let id = submitted.id;
                let last = batch.rows.last().map_or((SequenceId(0), 0), |row| (row.sequence, row.position));
                self.passes.keep(InFlightPass { submitted, last, placement });
                Ok(id)
            }
            Err(error) => {
                placement.roll_back(&mut self.resources.cache);
                Err(error)
            }
        }
    }

    /// Submits the commands of this key: those recorded before, if they are the ones.
    fn submit_pass(
        &mut self,
        key: CommandKey,
        begin: Instant,
        interrupt: Option<&AtomicBool>,
    ) -> Result<Submitted, ModelError> {
        let Self { device, program, resources, recorder, passes, .. } = self;
        let Commands { key, stages, readback, routes, handles, passes: compute_passes, dispatches } =
            recorder.commands(device, program, resources, key)?;
        let handed = hand_over(device, &resources.host, stages, routes.as_ref(), interrupt);
        let Handed { submission, waited } = match handed {
            Ok(handed) => handed,
            Err(error) => {
                resources.host.forget_held();
                recorder.readbacks.give_back([readback]);
                return Err(error);
            }
        };
        recorder.readbacks.give_back(routes.map(|routes| routes.buffer));
        device.count_dispatches(dispatches);
        if let Some(selection) = &mut recorder.selection {
            selection.kept(handles.len());
        }
        Ok(Submitted {
            id: passes.next_id(),
            begin,
            encode_seconds: (begin.elapsed() - waited).as_secs_f64(),
            waited_seconds: waited.as_secs_f64(),
            submission,
            readback,
            compute_passes,
            wanted: key.wanted,
            handles,
            pinned: self.pinned.clone(),
        })
    }

    /// Waits for a pass and adds its results; measures the wait from `waiting`.
    fn finish(
        &mut self,
        submitted: Submitted,
        waiting: Instant,
        results: &mut Outputs,
    ) -> Result<(), ModelError> {
        let Submitted {
            begin,
            encode_seconds,
            waited_seconds,
            submission,
            readback,
            compute_passes,
            wanted,
            handles,
            pinned,
            ..
        } = submitted;
        let layout = ReadbackLayout::new(&wanted, pinned.len(), &self.program);
        let seconds = self.device.read_mapped(&readback, layout.bytes, submission, |bytes| {
            self.add_results(bytes, &layout, &wanted, &handles, results);
            add_pinned(bytes, &layout, &wanted, &pinned, results);
            let timestamps = self.recorder.timestamps.as_ref();
            timestamps.map(|timestamps| timestamps.pass_seconds(bytes, compute_passes))
        });
        let timing = &mut results.timing;
        timing.encode_seconds += encode_seconds;
        timing.wait_seconds += waited_seconds + waiting.elapsed().as_secs_f64();
        timing.total_seconds += begin.elapsed().as_secs_f64();
        if let Some(seconds) = seconds? {
            *timing.gpu_seconds.get_or_insert(0.0) += seconds.within;
            if self.streaming.is_some() {
                *timing.bus_seconds.get_or_insert(0.0) += seconds.between;
            }
        }
        self.recorder.readbacks.give_back([readback]);
        Ok(())
    }

    /// Adds what lies in the bytes of a readback.
    fn add_results(
        &self,
        bytes: &[u8],
        layout: &ReadbackLayout,
        wanted: &[Wanted],
        handles: &[RowHandle],
        results: &mut Outputs,
    ) {
        let (logits_bytes, hidden_bytes) = (self.program.logits_bytes(), self.program.hidden_bytes());
        let part = |first: u64, row: usize, stride: u64, length: usize| {
            &bytes[(first + row as u64 * stride) as usize..][..length]
        };
        let mut handles = handles.iter();
        for (row, wanted) in wanted.iter().enumerate() {
            match (wanted.head, &self.recorder.selection) {
                (Head::Nothing, _) => {}
                (Head::Summary, Some(selection)) => {
                    let first = layout.summaries_at;
                    let bytes = part(first, row, SUMMARY_BYTES, SUMMARY_BYTES as usize);
                    let &handle = handles.next().expect("each summary has its handle");
                    results.summaries.push(selection.summary(handle, bytes));
                }
                (Head::Summary | Head::Logits, _) => {
                    let bytes = part(layout.logits_at, row, logits_bytes, 4 * self.program.vocabulary());
                    results.logits.push(bytemuck::pod_collect_to_vec(bytes));
                }
            }
            if let Some(place) = wanted.hidden {
                let bytes = part(layout.hidden_at, row, hidden_bytes, 4 * self.program.hidden_width());
                results.hidden[place] = bytemuck::pod_collect_to_vec(bytes);
            }
        }
    }
}

/// Adds what the summaries that were added last have to tell of pinned tokens.
fn add_pinned(
    bytes: &[u8],
    layout: &ReadbackLayout,
    wanted: &[Wanted],
    pinned: &[u32],
    results: &mut Outputs,
) {
    if layout.pinned == 0 {
        return;
    }
    let rows = (0..wanted.len()).filter(|&row| wanted[row].summary());
    let first = results.summaries.len() - rows.clone().count();
    for (row, summary) in rows.zip(&mut results.summaries[first..]) {
        let at = (layout.pinned_at + row as u64 * PINNED_BYTES) as usize;
        summary.pinned = read_pinned(pinned, &bytes[at..][..PINNED_BYTES as usize]);
    }
}

impl ChainedModel for Engine {
    fn submit(&mut self, batch: &Batch) -> Result<PassId, ModelError> {
        self.launch(batch, Tokens::Given)
    }

    fn follow(&mut self, pass: PassId, output: RowOutput) -> Result<PassId, ModelError> {
        assert!(self.passes.is_newest(pass), "a pass follows the newest one");
        let before = self.passes.get(pass);
        let (sequence, position) = before.last;
        let wanted = &before.submitted.wanted;
        assert!(wanted.last().is_some_and(Wanted::summary), "the row to follow asks for a summary");
        let row = wanted.len() as u64 - 1;
        // The token is overwritten on the GPU.
        let batch = Batch::chain(sequence, position + 1, &[0], output);
        let id = self.launch(&batch, Tokens::Chosen(row))?;
        self.resources.cache.states.table.forget_newest_token(sequence);
        Ok(id)
    }

    fn collect(&mut self, pass: PassId) -> Result<Outputs, ModelError> {
        let InFlightPass { submitted, placement, last: (_, position) } = self.passes.take(pass);
        let mut results = Outputs::default();
        match self.finish(submitted, Instant::now(), &mut results) {
            Ok(()) => {
                if let Some(summary) = results.summaries.last() {
                    self.resources.cache.states.table.set_unread(position + 1, summary.chosen);
                }
                Ok(results)
            }
            Err(error) => {
                placement.roll_back(&mut self.resources.cache);
                Err(error)
            }
        }
    }

    fn discard(&mut self, pass: PassId) {
        let InFlightPass { submitted, placement, .. } = self.passes.take(pass);
        placement.roll_back(&mut self.resources.cache);
        // It was never mapped, and what is copied to it later comes later on the GPU as well.
        self.recorder.readbacks.give_back([submitted.readback]);
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
