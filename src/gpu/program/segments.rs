//! A program in segments: ops that run in one compute pass, and what crosses the bus after each of them.
//!
//! Copies of a layer are spread over the ops that come before it, by the weights that these read: a driver waits for all
//! that it was told before when an op needs the results of another, so a copy can run beside one op, and no longer. Where a
//! pass waits for a router, what the next layer needs in any case is copied meanwhile.

use std::ops::Range;

use crate::gpu::weights::HostLayers;
use crate::model::plan::{Op, Plan, TensorId};

/// Most segments: their timestamps, two each, have to fit one query set.
const MOST_SEGMENTS: usize = 1500;
/// Bytes that cross the bus in a submission before the next layer begins another one: some milliseconds.
const SUBMISSION_BYTES: u64 = 16 << 20;

/// Ops that run in one compute pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    pub ops: Range<usize>,
    /// Whether the GPU gets what was recorded before it.
    pub submits: bool,
    /// The place of the layer whose slot can be filled from here on.
    pub frees: Option<usize>,
    /// The place of the layer whose experts the ops read: those that its router chose have to be brought before.
    pub needs_experts: Option<usize>,
    /// The copies that are recorded before the ops: of a layer with which the plan begins.
    pub before: Range<usize>,
    /// The copies that are recorded after the ops, by their numbers among those that are brought ahead.
    pub then: Range<usize>,
}

/// What is brought ahead of a layer in the computer's memory.
#[derive(Clone, Debug)]
pub(super) struct Brought {
    /// Which of [`HostLayers::copies`].
    pub copies: Range<usize>,
    /// Whether the layer has experts that are not among them: they come when they are chosen.
    pub on_demand: bool,
}

/// A layer in the computer's memory, among a plan's ops.
#[derive(Default)]
struct Layer {
    /// The first op that reads it.
    start: usize,
    /// The first op that reads its experts, where it has to wait for them.
    stop: Option<usize>,
    /// The bytes of each copy that is made ahead.
    copies: Vec<u64>,
}

impl Segment {
    /// The segments of a plan, where layers in the computer's memory are brought by these copies of [`HostLayers`]; `bytes`
    /// tells how large a tensor is.
    pub(super) fn of(
        plan: &Plan,
        host: &HostLayers,
        bytes: impl Fn(TensorId) -> u64,
        brought: &[Brought],
    ) -> Vec<Self> {
        let op_bytes: Vec<u64> = plan.ops.iter().map(|op| op.tensors().map(&bytes).sum()).collect();
        let mut layers = Vec::with_capacity(brought.len());
        for (place, brought) in brought.iter().enumerate() {
            let reads = |op: &Op| host.streamed.place_of(op) == Some(place);
            let reads_experts = |op: &Op| reads(op) && matches!(op, Op::ExpertLinear { .. });
            layers.push(Layer {
                start: plan.ops.iter().position(reads).unwrap_or_default(),
                stop: plan.ops.iter().position(reads_experts).filter(|_| brought.on_demand),
                copies: host.copies[brought.copies.clone()].iter().map(|copy| copy.bytes).collect(),
            });
        }
        cut(&op_bytes, &layers)
    }
}

/// Cuts ops, which read so many bytes of weights each, into segments.
fn cut(op_bytes: &[u64], layers: &[Layer]) -> Vec<Segment> {
    let most_of_layer = MOST_SEGMENTS / layers.len().max(1);
    // By the end of each op so many copies are recorded.
    let mut recorded = vec![0; op_bytes.len()];
    let (mut first, mut before, mut begin) = (0, 0, 0);
    let mut stop_before = None;
    for Layer { start, stop, copies } in layers {
        let ops = &mut recorded[begin..*start];
        match stop_before {
            // While the CPU reads what the router chose, the bus is free.
            Some(stop) => {
                let (until, after) = ops.split_at_mut(usize::saturating_sub(stop, begin + 1));
                until.fill(first);
                after.fill(first + copies.len());
            }
            None => {
                let shares = shares(&op_bytes[begin..*start], copies, most_of_layer);
                ops.iter_mut().zip(shares).for_each(|(recorded, share)| *recorded = first + share);
            }
        }
        if *start == 0 {
            before = copies.len();
        }
        (first, begin, stop_before) = (first + copies.len(), *start, *stop);
    }
    let mut segments = Vec::new();
    let bytes: Vec<u64> = layers.iter().flat_map(|layer| &layer.copies).copied().collect();
    let place_at = |op: usize| layers.iter().position(|layer| layer.start == op);
    let stop_at = |op: usize| layers.iter().position(|layer| layer.stop == Some(op));
    let (mut begin, mut done, mut submitted) = (0, before, 0);
    for (op, recorded) in recorded.into_iter().enumerate() {
        let end = op + 1;
        let goes_on = recorded <= done && place_at(end).is_none() && stop_at(end).is_none();
        if goes_on && end < op_bytes.len() {
            continue;
        }
        let place = place_at(begin);
        let submits = place.is_some() && bytes[submitted..done].iter().sum::<u64>() >= SUBMISSION_BYTES;
        if submits {
            submitted = done;
        }
        let next = place.map_or((begin == 0).then_some(0), |place| Some(place + 1));
        segments.push(Segment {
            ops: begin..end,
            submits,
            frees: next.filter(|next| *next < layers.len()),
            needs_experts: stop_at(begin),
            before: if begin == 0 { 0..before } else { 0..0 },
            then: done..recorded.max(done),
        });
        (begin, done) = (end, recorded.max(done));
    }
    if segments.is_empty() {
        // Rows are summarised even where no op makes them.
        segments.push(Segment::default());
    }
    segments
}

/// How many of a layer's copies are recorded by the end of each op before it: as large a share of their bytes as the ops
/// read of theirs. If that is after more than `most` ops, all of them at the end.
fn shares(op_bytes: &[u64], copies: &[u64], most: usize) -> Vec<usize> {
    let sum = |bytes: &[u64]| bytes.iter().map(|&bytes| u128::from(bytes)).sum::<u128>();
    let (all_read, all_copied) = (sum(op_bytes), sum(copies));
    let share = |op: usize| {
        let read = sum(&op_bytes[..=op]);
        // A copy is recorded as soon as the ops are half-way through its share.
        let by_now = |copy: &usize| {
            let middle = 2 * sum(&copies[..*copy]) + u128::from(copies[*copy]);
            middle * all_read <= 2 * read * all_copied
        };
        match op + 1 == op_bytes.len() {
            true => copies.len(),
            false => (0..copies.len()).take_while(by_now).count(),
        }
    };
    let mut shares: Vec<usize> = (0..op_bytes.len()).map(share).collect();
    let pieces = 1 + shares.windows(2).filter(|pair| pair[0] < pair[1]).count();
    if pieces > most
        && let Some((last, others)) = shares.split_last_mut()
    {
        others.fill(0);
        *last = copies.len();
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(ops: Range<usize>, frees: Option<usize>, then: Range<usize>) -> Segment {
        Segment { ops, frees, then, ..Segment::default() }
    }

    fn layers(starts: &[usize], copies: &[Vec<u64>]) -> Vec<Layer> {
        let layer =
            |(&start, copies): (&usize, &Vec<u64>)| Layer { start, stop: None, copies: copies.clone() };
        starts.iter().zip(copies).map(layer).collect()
    }

    #[test]
    fn without_layers_on_the_host_all_is_one_segment() {
        assert_eq!(cut(&[5, 3, 2], &[]), [segment(0..3, None, 0..0)]);
        assert_eq!(cut(&[], &[]), [Segment::default()], "summaries have a pass of their own");
    }

    #[test]
    fn a_layers_copies_follow_the_ops_before_it_by_their_bytes() {
        // An embedding, two ops of a layer on the GPU, two layers of two ops on the host, the head.
        let op_bytes = [0, 10, 30, 10, 30, 10, 30, 50];
        let copies = [vec![10, 30], vec![10, 30]];
        let expected = [
            segment(0..2, Some(0), 0..1),
            segment(2..3, None, 1..2),
            segment(3..4, Some(1), 2..3),
            segment(4..5, None, 3..4),
            segment(5..8, None, 4..4),
        ];
        assert_eq!(cut(&op_bytes, &layers(&[3, 5], &copies)), expected);
    }

    #[test]
    fn a_layer_that_comes_first_is_brought_before_it() {
        let segments = cut(&[4, 4, 4], &layers(&[0, 1], &[vec![3, 1], vec![4]]));
        let first = Segment { before: 0..2, ..segment(0..1, Some(1), 2..3) };
        assert_eq!(segments, [first, segment(1..3, None, 3..3)]);
    }

    #[test]
    fn layers_of_many_bytes_are_submitted_one_by_one_and_small_ones_together() {
        let submits = |bytes: u64| {
            let copies = vec![vec![bytes]; 4];
            let segments = cut(&[0, 1, 1, 1, 1], &layers(&[1, 2, 3, 4], &copies));
            segments.iter().map(|segment| segment.submits).collect::<Vec<_>>()
        };
        assert_eq!(submits(SUBMISSION_BYTES), [false, true, true, true, true]);
        assert_eq!(submits(SUBMISSION_BYTES / 2), [false, false, true, false, true]);
    }

    #[test]
    fn a_pass_stops_before_experts_and_the_next_layers_rest_follows_the_router() {
        // An embedding; three times attention, a router and experts, of which the second layer has none to wait for; the head.
        let op_bytes = [0, 10, 1, 80, 10, 1, 80, 10, 1, 80, 5];
        let layer = |start, stop, copies: &[u64]| Layer { start, stop, copies: copies.to_vec() };
        let layers = [layer(1, Some(3), &[10, 1]), layer(4, None, &[10, 1, 80]), layer(7, Some(9), &[10, 1])];
        let stop = |place, segment| Segment { needs_experts: Some(place), ..segment };
        let expected = [
            segment(0..1, Some(0), 0..2),
            segment(1..3, Some(1), 2..5),
            stop(0, segment(3..4, None, 5..5)),
            segment(4..7, Some(2), 5..7),
            segment(7..9, None, 7..7),
            stop(2, segment(9..11, None, 7..7)),
        ];
        assert_eq!(cut(&op_bytes, &layers), expected);
        // Experts with which a layer begins.
        let layers = [layer(1, Some(1), &[]), layer(3, Some(4), &[7])];
        let expected = [
            segment(0..1, Some(0), 0..0),
            stop(0, segment(1..2, Some(1), 0..1)),
            segment(2..3, None, 1..1),
            segment(3..4, None, 1..1),
            stop(1, segment(4..5, None, 1..1)),
        ];
        assert_eq!(cut(&[1, 1, 1, 1, 1], &layers), expected);
    }

    #[test]
    fn copies_that_would_take_too_many_segments_wait_for_the_last_op() {
        // The middles of the copies are at one and at three quarters of the bytes.
        assert_eq!(shares(&[1, 1, 1, 1], &[5, 5], 2), [1, 1, 2, 2]);
        assert_eq!(shares(&[1, 1, 1, 1], &[5, 5], 1), [0, 0, 0, 2]);
        assert_eq!(shares(&[0, 0], &[5, 5], 9), [2, 2]);
    }
}
