//! Recording a pass as commands.
//!
//! Most of what tells one step from the next is in the buffer that is written for each pass; the commands are the
//! same as long as the [`CommandKey`] is. So those of the next step are recorded while the GPU computes this one.

use std::collections::BTreeSet;
use std::ops::Range;

use wgpu::{CommandEncoder, ComputePass, SubmissionIndex};

use super::command_key::{CommandKey, Part, ReadbackLayout, Tokens, Wanted};
use super::stages::{Stage, Staging};
use crate::gpu::device::{Device, Readbacks, Timestamps};
use crate::gpu::pass::{FIRST_TOKEN, PassShape};
use crate::gpu::program::{Program, Resources, Schedule, Segment, Selection};
use crate::gpu::weights::Choice;
use crate::model::ModelError;
use crate::model::plan::RowSet;
use crate::model::selection::RowHandle;

/// Commands that nobody has submitted.
pub(super) struct Commands {
    pub key: CommandKey,
    /// To be submitted one after the other: where layers are in the computer's memory, each of them begins one.
    pub stages: Vec<Stage>,
    /// Where the results go.
    pub readback: wgpu::Buffer,
    /// Where the CPU gets what routers choose, if it has to know.
    pub routes: Option<Routes>,
    /// Handles of the rows summarised.
    pub handles: Vec<RowHandle>,
    /// Compute passes.
    pub passes: usize,
    pub dispatches: usize,
}

/// What a router chose for the rows of a pass, on its way to the CPU; one router's after the other.
pub(super) struct Routes {
    pub buffer: wgpu::Buffer,
    rows: usize,
}

/// Records passes, and owns what their results pass through.
pub(super) struct Recorder {
    /// Most rows of a pass that want logits.
    most_outputs: usize,
    /// Made by the first pass that needs it.
    pub selection: Option<Selection>,
    pub readbacks: Readbacks,
    pub timestamps: Option<Timestamps>,
    /// The commands of the next pass, if its key is that of the last one.
    prerecorded: Option<Commands>,
}

/// Where the results of a pass go.
struct Results {
    layout: ReadbackLayout,
    buffer: wgpu::Buffer,
}

impl Recorder {
    /// For passes with at most so many rows that want logits, in so many compute passes.
    pub(super) fn new(device: &Device, most_outputs: usize, passes: usize) -> Result<Self, ModelError> {
        Ok(Self {
            most_outputs,
            selection: None,
            readbacks: Readbacks::default(),
            timestamps: Timestamps::new(device, 2 * passes as u32)?,
            prerecorded: None,
        })
    }

    /// The commands of a pass: those recorded before, if they have this key.
    pub(super) fn commands(
        &mut self,
        device: &Device,
        program: &Program,
        resources: &Resources,
        key: CommandKey,
    ) -> Result<Commands, ModelError> {
        // No pass came in between, so the handles of the rows that they keep still hold.
        if let Some(commands) = self.prerecorded.take_if(|commands| commands.key == key) {
            device.count_recorded_ahead();
            return Ok(commands);
        }
        self.forget_prerecorded();
        self.record(device, program, resources, key)
    }

    /// Records the commands of a pass that is likely to come next.
    pub(super) fn prerecord(
        &mut self,
        device: &Device,
        program: &Program,
        resources: &Resources,
        key: CommandKey,
    ) {
        // If that fails, the pass reports it, should it come.
        self.prerecorded = self.record(device, program, resources, key).ok();
    }

    /// Forgets commands recorded before: what they work on is about to be replaced.
    pub(super) fn forget_prerecorded(&mut self) {
        if let Some(Commands { readback, routes, .. }) = self.prerecorded.take() {
            self.readbacks.give_back(routes.map(|routes| routes.buffer).into_iter().chain([readback]));
        }
    }

    /// Binds the selection to buffers that were replaced.
    pub(super) fn rebind(
        &mut self,
        device: &Device,
        program: &Program,
        resources: &Resources,
    ) -> Result<(), ModelError> {
        self.forget_prerecorded();
        match &mut self.selection {
            Some(selection) => selection.rebind(device, program, resources),
            None => Ok(()),
        }
    }

    /// Makes the selection, if there is none yet.
    pub(super) fn need_selection(
        &mut self,
        device: &Device,
        program: &Program,
        resources: &Resources,
    ) -> Result<(), ModelError> {
        if self.selection.is_none() {
            self.selection = Some(Selection::new(device, program, resources, self.most_outputs)?);
        }
        Ok(())
    }

    /// Records the commands of a pass.
    fn record(
        &mut self,
        device: &Device,
        program: &Program,
        resources: &Resources,
        key: CommandKey,
    ) -> Result<Commands, ModelError> {
        if key.wanted.iter().any(Wanted::summary) {
            self.need_selection(device, program, resources)?;
        }
        let layout = ReadbackLayout::new(&key.wanted, key.pinned, program);
        let results = Results { buffer: self.readbacks.take(device, layout.bytes)?, layout };
        let mut staging = Staging::new(device, resources);
        if let (Tokens::Chosen(row), Some(selection)) = (key.tokens, &self.selection) {
            selection.copy_chosen(&mut staging.encoder, row, &resources.pass, FIRST_TOKEN);
        }
        if let (1.., Some(selection)) = (results.layout.pinned, &self.selection) {
            selection.clear_pinned(&mut staging.encoder);
        }
        // What all rows need is computed already where more of them are picked: nothing crosses the bus for it.
        let ops = Segment { ops: 0..program.steps.len(), ..Segment::default() };
        let one = Schedule { segments: vec![ops], copies: Vec::new() };
        let rows = key.shape.rows;
        let Schedule { segments, copies } =
            if key.part == Part::Whole { program.crossing.schedule(rows) } else { &one };
        let routes = self.routes_of(device, resources, segments, rows)?;
        let mut dispatches = 0;
        for (number, segment) in segments.iter().enumerate() {
            match segment.needs_experts {
                Some(place) => staging.need_experts(place),
                None if segment.submits => staging.cut(),
                None => {}
            }
            staging.copy(&copies[segment.before.clone()]);
            segment.frees.iter().for_each(|&place| resources.host.free_slot(&mut staging.encoder, place));
            let mut pass = self.timed_pass(&mut staging.encoder, number);
            dispatches += encode_ops(&mut pass, program, segment.ops.clone(), &key, &results.layout);
            if let (1.., true, Some(selection)) =
                (results.layout.summaries, number + 1 == segments.len(), &self.selection)
            {
                dispatches += selection.encode(&mut pass, key.wanted.len() as u32, key.pinned);
            }
            drop(pass);
            if let (Some(choice), Some(routes)) = (choice_after(resources, segments, number), &routes) {
                staging.tell_routes(choice, rows, &routes.buffer);
            }
            staging.copy(&copies[segment.then.clone()]);
        }
        let passes = segments.len();
        let encoder = &mut staging.encoder;
        if let Some(timestamps) = &self.timestamps {
            timestamps.copy_pairs(encoder, passes, &results.buffer);
        }
        let handles = self.record_results(encoder, program, resources, &key.wanted, &results);
        let (stages, readback) = (staging.finish(), results.buffer);
        Ok(Commands { key, stages, readback, routes, handles, passes, dispatches })
    }

    /// Room for what each router chooses for so many rows, where some of these segments need its experts.
    fn routes_of(
        &mut self,
        device: &Device,
        resources: &Resources,
        segments: &[Segment],
        rows: usize,
    ) -> Result<Option<Routes>, ModelError> {
        let choices = (0..segments.len()).filter_map(|number| choice_after(resources, segments, number));
        let Some(bytes) = choices.map(|choice| choice.routes_bytes(rows)).max() else { return Ok(None) };
        Ok(Some(Routes { buffer: self.readbacks.take(device, bytes)?, rows }))
    }

    /// Begins a compute pass, by its number among those of a pass.
    fn timed_pass<'a>(&self, encoder: &'a mut CommandEncoder, number: usize) -> ComputePass<'a> {
        let timed = self.timestamps.as_ref().map(|timestamps| timestamps.around_pass(2 * number as u32));
        encoder.begin_compute_pass(&timed.unwrap_or_default())
    }

    /// Records the copies of a pass's results, and returns the handles of the rows summarised.
    fn record_results(
        &self,
        encoder: &mut CommandEncoder,
        program: &Program,
        resources: &Resources,
        wanted: &[Wanted],
        Results { layout, buffer }: &Results,
    ) -> Vec<RowHandle> {
        let logits = resources.activation(program.plan.logits);
        let mut handles = Vec::new();
        if let (1.., Some(selection)) = (layout.summaries, &self.selection) {
            selection.copy_summaries(encoder, layout.summaries, buffer, layout.summaries_at);
            if layout.pinned > 0 {
                selection.copy_pinned(encoder, layout.summaries, buffer, layout.pinned_at);
            }
            let rows = (0..wanted.len()).filter(|&row| wanted[row].summary());
            handles.extend(rows.zip(selection.next_row().0..).map(|(row, next)| {
                selection.keep(encoder, logits, row, RowHandle(next));
                RowHandle(next)
            }));
        }
        if let (1.., Some(hidden)) = (layout.hidden, program.plan.hidden) {
            let states = resources.activation(hidden);
            encoder.copy_buffer_to_buffer(states, 0, buffer, layout.hidden_at, layout.hidden);
        }
        if layout.logits > 0 {
            encoder.copy_buffer_to_buffer(logits, 0, buffer, layout.logits_at, layout.logits);
        }
        handles
    }
}

impl Routes {
    /// Waits for the submission that told what the router of a layer chose, and reads its experts.
    pub(super) fn read(
        &self,
        device: &Device,
        choice: Choice,
        told: SubmissionIndex,
    ) -> Result<BTreeSet<usize>, ModelError> {
        let bytes = choice.routes_bytes(self.rows);
        device.read_mapped(&self.buffer, bytes, told, |bytes| choice.experts_of(bytes))
    }
}

/// What chooses the experts that the segment after this one needs.
fn choice_after(resources: &Resources, segments: &[Segment], number: usize) -> Option<Choice> {
    let place = segments.get(number + 1)?.needs_experts?;
    resources.host.layers[place].choice
}

/// Encodes those of some ops that a pass runs, and returns how many dispatches they are.
fn encode_ops(
    pass: &mut ComputePass<'_>,
    program: &Program,
    ops: Range<usize>,
    key: &CommandKey,
    layout: &ReadbackLayout,
) -> usize {
    let CommandKey { shape, part, wanted, .. } = key;
    // Rows of which only the hidden state is wanted need no logits.
    let end = if layout.heads { ops.end } else { ops.end.min(program.head_start) };
    let mut dispatches = 0;
    for step in &program.steps[ops.start..end] {
        let shape = match (step.rows, part) {
            (RowSet::Batch, Part::Whole) => *shape,
            (RowSet::Outputs, _) if !wanted.is_empty() => PassShape::of_rows(wanted.len()),
            (RowSet::Batch, Part::MoreOutputs) | (RowSet::Outputs, _) => continue,
        };
        step.encode(pass, shape);
        dispatches += step.dispatches(shape);
    }
    dispatches
}
