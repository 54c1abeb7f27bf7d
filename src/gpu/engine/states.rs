//! The states of sequences: where a pass needs one that is not there, it is computed again.

use super::core::Engine;
use crate::gpu::cache::{Checkpoint, SlotsMissing};
use crate::gpu::pass::{BatchShape, Placement};
use crate::model::batch::RowOutput;
use crate::model::language_model::LanguageModel;
use crate::model::{Batch, ModelError, SequenceId};

impl Engine {
    /// Makes the states that the batch's rows go on from.
    pub(super) fn recompute_states(&mut self, batch: &Batch) -> Result<(), ModelError> {
        if !self.resources.cache.states.exists() {
            return Ok(());
        }
        let first = batch.rows.iter().filter(|row| row.parent.is_none());
        let needed: Vec<(SequenceId, usize)> = first.map(|row| (row.sequence, row.position)).collect();
        let states = &mut self.resources.cache.states.table;
        if needed.iter().all(|&(sequence, length)| states.nearest(sequence, length).length == length) {
            return Ok(());
        }
        // What one row needs must not cost another row its state.
        states.need(needed.clone());
        let made = needed.into_iter().try_for_each(|(sequence, length)| {
            let nearest = self.resources.cache.states.table.nearest(sequence, length);
            if nearest.length < length { self.recompute_state(sequence, nearest, length) } else { Ok(()) }
        });
        self.resources.cache.states.table.need(Vec::new());
        made
    }

    /// The state of a sequence after `length` positions, from a checkpoint on: a fork goes the same way again.
    fn recompute_state(
        &mut self,
        sequence: SequenceId,
        from: Checkpoint,
        length: usize,
    ) -> Result<(), ModelError> {
        let tokens = self.resources.cache.states.table.tokens(sequence, from.length..length);
        let again = self.fork(sequence)?;
        self.truncate(again, from.length);
        let rows = self.max_rows();
        let ran = tokens.chunks(rows).zip((from.length..).step_by(rows)).try_for_each(|(chunk, start)| {
            self.run(&Batch::chain(again, start, chunk, RowOutput::Nothing), None).map(drop)
        });
        if ran.is_ok() {
            let states = &mut self.resources.cache.states.table;
            let Checkpoint { slot, .. } = states.nearest(again, length);
            states.keep(sequence, length, slot);
            self.recomputed += tokens.len() as u64;
        }
        self.release(again);
        ran
    }

    /// The sequence, until now of `length` positions, goes on by these rows of the last pass.
    pub(super) fn accept_states(&mut self, sequence: SequenceId, length: usize, rows: &[usize]) {
        let states = &mut self.resources.cache.states;
        if !states.exists() {
            return;
        }
        for (after, &row) in (length + 1..).zip(rows) {
            states.table.push_token(sequence, self.passes.branches.tokens[row]);
            let stored = self.passes.branches.states.iter().find(|(stored, _)| *stored == row);
            if let Some(&(_, slot)) = stored {
                states.table.keep(sequence, after, slot);
            }
        }
    }

    /// Gives the rows of a pass their states; grows the room for states when it is full.
    pub(super) fn place_states(
        &mut self,
        batch: &Batch,
        shape: &BatchShape,
        placement: &mut Placement,
    ) -> Result<(), ModelError> {
        if !self.resources.cache.states.exists() {
            return Ok(());
        }
        while let Err(SlotsMissing { total }) =
            placement.place_states(batch, shape, &mut self.resources.cache.states.table)
        {
            self.grow_states(total)?;
        }
        Ok(())
    }

    fn grow_states(&mut self, total: usize) -> Result<(), ModelError> {
        // Commands and bind groups keep the buffers alive that are about to be replaced.
        self.recorder.forget_prerecorded();
        self.program.steps.clear();
        let grown = self.resources.cache.states.grow(&self.device, total);
        self.recompile()?;
        grown
    }
}
