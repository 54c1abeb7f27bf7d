//! What is measured when a run's text goes through the decoder with the KV cache and without it, pass by pass, and what
//! the ops of one step take.

use crate::model::profiling::{OpTime, PassWork};

/// The same text with and without the KV cache.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// The text's last token: an index in [`crate::trace::Run::nodes`].
    pub tip: usize,
    /// P: prompt tokens.
    pub prompt: usize,
    /// N: new tokens.
    pub tokens: usize,
    /// The passes that led to the new tokens, as far as they were made: the first one is initiation.
    pub steps: Vec<ComparedStep>,
    /// Whether no more come: all were made, or a person ended it.
    pub ended: bool,
}

/// The pass that leads to a new token, in both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ComparedStep {
    /// Over what is not in the KV cache.
    pub cached: MeasuredPass,
    /// Over the whole text so far.
    pub uncached: MeasuredPass,
}

/// What a pass took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MeasuredPass {
    /// Token rows computed (counted).
    pub rows: usize,
    /// Chunks that they were cut into (counted).
    pub chunks: usize,
    /// Seconds (measured by the clock).
    pub seconds: f64,
    /// What it had to move and to compute; `None` where the model does not tell.
    pub work: Option<PassWork>,
}

impl MeasuredPass {
    /// Adds a chunk.
    pub(super) fn add(&mut self, rows: usize, seconds: f64, work: Option<PassWork>) {
        let before = if self.chunks == 0 { Some(PassWork::default()) } else { self.work };
        self.work = before.zip(work).map(|(before, work)| before.and(work));
        self.rows += rows;
        self.chunks += 1;
        self.seconds += seconds;
    }
}

/// What the device can do at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceLimits {
    /// Bytes a second that it reads and writes when it copies a large buffer (measured).
    pub copy_bandwidth: f64,
    /// Floating-point operations a second in f32, a multiply-add counting as two (measured).
    pub f32_rate: f64,
}

/// What the ops took of the pass that led to a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Profiled {
    /// The token: an index in [`crate::trace::Run::nodes`].
    pub node: usize,
    /// What they took, or why that is not known, in words for a person.
    pub found: Result<StepProfile, String>,
}

/// The ops of a pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepProfile {
    /// Token rows computed.
    pub rows: usize,
    /// Chunks that they were cut into; each runs all ops.
    pub chunks: usize,
    /// How often the pass was timed: the fastest time is told.
    pub times: usize,
    /// The ops in the order in which they run.
    pub ops: Vec<OpTime>,
}

impl StepProfile {
    /// Seconds of all ops together.
    pub fn seconds(&self) -> f64 {
        self.ops.iter().map(|op| op.seconds).sum()
    }

    /// Adds the ops of another chunk.
    pub(super) fn add(&mut self, rows: usize, ops: Vec<OpTime>) {
        self.rows += rows;
        self.chunks += 1;
        // A chunk without a row of logits ends before the ops that make them.
        for (index, op) in ops.into_iter().enumerate() {
            match self.ops.get_mut(index) {
                Some(before) => {
                    before.seconds += op.seconds;
                    before.dispatches += op.dispatches;
                }
                None => self.ops.push(op),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_add_up_op_by_op() {
        let op = |kind: &str, seconds| OpTime {
            kind: kind.to_owned(),
            layer: None,
            seconds,
            dispatches: 2,
            weight_bytes: 8,
        };
        let mut profile = StepProfile::default();
        profile.add(16, vec![op("embed", 1.0), op("linear", 2.0)]);
        profile.add(3, vec![op("embed", 0.5), op("linear", 0.25), op("head", 4.0)]);
        let seconds: Vec<f64> = profile.ops.iter().map(|op| op.seconds).collect();
        assert_eq!(seconds, [1.5, 2.25, 4.0]);
        assert_eq!((profile.rows, profile.chunks, profile.seconds()), (19, 2, 7.75));
        assert_eq!((profile.ops[0].dispatches, profile.ops[0].weight_bytes), (4, 8));
    }

    #[test]
    fn the_work_of_a_pass_is_known_if_that_of_each_chunk_is() {
        let work = PassWork { weight_bytes: 10, cache_bytes: 2, multiply_adds: 5.0 };
        let mut pass = MeasuredPass::default();
        pass.add(4, 0.5, Some(work));
        pass.add(2, 0.25, Some(work));
        assert_eq!((pass.rows, pass.chunks, pass.seconds), (6, 2, 0.75));
        assert_eq!(pass.work, Some(PassWork { weight_bytes: 20, cache_bytes: 4, multiply_adds: 10.0 }));
        pass.add(1, 0.25, None);
        assert_eq!(pass.work, None);
    }
}
