//! The newest run: whether it moves, and how much of its trace was sent.

use super::command::Pace;
use super::decode::Decode;
use super::event::RunUpdate;

/// The newest run. After its end it is kept, for branches.
pub(super) struct LiveRun {
    pub decode: Decode,
    pub motion: Motion,
    sent: Sent,
}

/// How much of a run's trace was sent.
#[derive(Clone, Copy, Default)]
struct Sent {
    nodes: usize,
    steps: usize,
}

impl LiveRun {
    /// A run of whose trace nothing was sent.
    pub(super) fn new(decode: Decode, motion: Motion) -> Self {
        Self { decode, motion, sent: Sent::default() }
    }

    /// Whether it makes steps.
    pub(super) fn moves(&self) -> bool {
        matches!(self.motion, Motion::Going | Motion::OneStep)
    }

    /// What came to the trace since the last call.
    pub(super) fn update(&mut self) -> RunUpdate {
        let run = &self.decode.run;
        let sent = std::mem::replace(&mut self.sent, Sent { nodes: run.nodes.len(), steps: run.steps.len() });
        RunUpdate {
            nodes: run.nodes[sent.nodes..].to_vec(),
            tip: run.tip(),
            steps: run.steps[sent.steps..].to_vec(),
            sequences: run.sequences.clone(),
            phases: run.phases,
        }
    }
}

impl Motion {
    /// That of a run which begins at this pace.
    pub(super) fn at(pace: Pace) -> Self {
        match pace {
            Pace::Continuous => Self::Going,
            Pace::SingleStep => Self::OneStep,
        }
    }
}

/// Whether a run moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Motion {
    /// Step follows step.
    Going,
    /// One step, then a pause.
    OneStep,
    /// It waits.
    Held,
    /// It has ended.
    Ended,
}
