//! The time of incremental steps, in the two ways that a program can make them.

use std::time::Instant;

use crate::cli::interrupt;
use crate::gpu::Engine;
use crate::model::batch::RowOutput;
use crate::model::selection::SamplingParams;
use crate::model::{Batch, ChainedModel, LanguageModel, ModelError, SequenceId};
use crate::synthetic::spread_tokens;

/// When a step begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// With the token that the GPU chose itself, while the CPU takes the summary of the step before.
    Chained,
    /// When the CPU has the summary of the step before.
    Waited,
}

const OUTPUT: RowOutput = RowOutput::Summary(SamplingParams::GREEDY);

/// A sequence with so many made-up tokens in the KV cache.
pub(super) fn filled(engine: &mut Engine, positions: usize) -> Result<SequenceId, ModelError> {
    let sequence = engine.new_sequence();
    for chunk in spread_tokens(positions, engine.vocabulary()).chunks(engine.max_rows()) {
        engine.forward(&Batch::chain(sequence, engine.length(sequence), chunk, RowOutput::Nothing))?;
    }
    Ok(sequence)
}

/// Seconds of so many steps after the first `depth` positions of a sequence and a first token; `None` after Ctrl-C.
pub(super) fn seconds(
    engine: &mut Engine,
    sequence: SequenceId,
    depth: usize,
    steps: usize,
    way: Way,
) -> Result<Option<f64>, ModelError> {
    engine.truncate(sequence, depth);
    let first = engine.forward(&Batch::chain(sequence, depth, &[0], OUTPUT))?.summaries[0].chosen;
    let start = Instant::now();
    let done = match way {
        Way::Chained => chained(engine, sequence, first, steps)?,
        Way::Waited => waited(engine, sequence, first, steps)?,
    };
    Ok(done.then_some(start.elapsed().as_secs_f64()))
}

/// Whether the steps were made: not after Ctrl-C.
fn chained(engine: &mut Engine, sequence: SequenceId, first: u32, steps: usize) -> Result<bool, ModelError> {
    let mut pass = engine.submit(&Batch::chain(sequence, engine.length(sequence), &[first], OUTPUT))?;
    for _ in 1..steps {
        if interrupt::pressed() {
            engine.discard(pass);
            return Ok(false);
        }
        let next = engine.follow(pass, OUTPUT)?;
        engine.collect(pass)?;
        pass = next;
    }
    engine.collect(pass)?;
    Ok(true)
}

fn waited(engine: &mut Engine, sequence: SequenceId, first: u32, steps: usize) -> Result<bool, ModelError> {
    let mut token = first;
    for _ in 0..steps {
        if interrupt::pressed() {
            return Ok(false);
        }
        let batch = Batch::chain(sequence, engine.length(sequence), &[token], OUTPUT);
        token = engine.forward(&batch)?.summaries[0].chosen;
    }
    Ok(true)
}
