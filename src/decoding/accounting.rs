//! What a step has cost: written on its first node, and added to the figures of the run's phases.

use std::ops::Range;
use std::time::Instant;

use super::initiation::PassCost;
use crate::model::language_model::CacheUsage;
use crate::model::{LanguageModel, SequenceId};
use crate::trace::{Counters, Node, NodeTiming, Phase, Run, StateCounters};

/// What the cache holds after a step.
#[derive(Clone, Copy, Default)]
pub(super) struct Cached {
    pub positions: usize,
    pub bytes: u64,
    pub states: usize,
    pub state_bytes: u64,
}

impl Cached {
    /// What the cache holds now: of this sequence the positions, of all the bytes and the states.
    pub(super) fn now(model: &dyn LanguageModel, sequence: Option<SequenceId>) -> Self {
        let CacheUsage { bytes, states, state_bytes, .. } = model.cache_usage();
        let positions = sequence.map_or(0, |sequence| model.length(sequence));
        Self { positions, bytes, states, state_bytes }
    }

    /// The counters of a step after which this is kept.
    fn counters(self, cost: PassCost) -> Counters {
        let Self { positions, bytes, states, state_bytes } = self;
        let any = states > 0 || cost.recomputed > 0;
        let states = any.then_some(StateCounters {
            stored: states,
            bytes: state_bytes,
            recomputed_positions: cost.recomputed,
        });
        Counters { rows: cost.rows, cached_positions: positions, cache_bytes: bytes, states }
    }
}

/// A step's two moments: when it began, and when its results were there to choose from.
#[derive(Clone, Copy)]
pub(super) struct Moments {
    pub start: Instant,
    pub choosing: Instant,
}

/// Writes phase, counters and timing on a node whose step is set, and adds them to the run's figures. The first step
/// of a run is initiation.
pub(super) fn account(node: &mut Node, run: &mut Run, moments: Moments, cost: PassCost, cached: Cached) {
    let Moments { start, choosing } = moments;
    node.counters = cached.counters(cost);
    let on_gpu = cost.gpu_seconds.unwrap_or_default() + cost.bus_seconds.unwrap_or_default();
    node.timing = NodeTiming {
        total_seconds: start.elapsed().as_secs_f64().max(on_gpu),
        encode_seconds: cost.encode_seconds,
        wait_seconds: cost.wait_seconds,
        gpu_seconds: cost.gpu_seconds,
        bus_seconds: cost.bus_seconds,
        server_seconds: cost.server_seconds,
        choose_seconds: choosing.elapsed().as_secs_f64(),
    };
    let figures = if node.step == 1 {
        node.phase = Phase::Initiation;
        &mut run.phases.initiation
    } else {
        node.phase = Phase::Incremental;
        run.phases.incremental_steps += 1;
        &mut run.phases.incremental
    };
    figures.seconds += node.timing.total_seconds;
    figures.amount += cost.rows as u64;
}

/// Appends a step's only node, whose step is set, to the line of the run, with what it cost. Gives its place.
pub(super) fn append(
    mut node: Node,
    run: &mut Run,
    moments: Moments,
    cost: PassCost,
    cached: Cached,
) -> Range<usize> {
    account(&mut node, run, moments, cost, cached);
    run.push(node);
    run.nodes.len() - 1..run.nodes.len()
}
