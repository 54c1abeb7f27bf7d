//! What lies in the buffers of a ring, byte by byte: of which copy, as commands were submitted. It knows nothing of
//! layers or experts.

use std::collections::BTreeMap;
use std::ops::Range;

/// For each buffer what its bytes are of.
#[derive(Default)]
pub(super) struct Held {
    /// By the first byte of each span; spans of a buffer do not overlap.
    buffers: Vec<BTreeMap<u64, Span>>,
}

/// Consecutive bytes that are of the same copy.
#[derive(Clone, Copy)]
struct Span {
    end: u64,
    copy: usize,
}

impl Held {
    /// Of so many buffers, in which nothing lies yet.
    pub(super) fn new(buffers: usize) -> Self {
        Self { buffers: vec![BTreeMap::new(); buffers] }
    }

    /// Whether some bytes of a buffer are those of a copy.
    pub(super) fn has(&self, buffer: usize, copy: usize, bytes: &Range<u64>) -> bool {
        let mut at = bytes.start;
        while at < bytes.end {
            match self.buffers[buffer].range(..=at).next_back() {
                Some((_, span)) if span.end > at && span.copy == copy => at = span.end,
                _ => return false,
            }
        }
        true
    }

    /// Notes that some bytes of a buffer are those of a copy from now on, and of no other.
    pub(super) fn put(&mut self, buffer: usize, copy: usize, bytes: &Range<u64>) {
        let spans = &mut self.buffers[buffer];
        let overlapping: Vec<(u64, Span)> = (spans.range(..bytes.end).rev())
            .take_while(|(_, span)| span.end > bytes.start)
            .map(|(&start, &span)| (start, span))
            .collect();
        for (start, span) in overlapping {
            spans.remove(&start);
            if start < bytes.start {
                spans.insert(start, Span { end: bytes.start, ..span });
            }
            if span.end > bytes.end {
                spans.insert(bytes.end, span);
            }
        }
        spans.insert(bytes.start, Span { end: bytes.end, copy });
    }

    /// Notes that nothing is known of any buffer any more.
    pub(super) fn forget(&mut self) {
        self.buffers.iter_mut().for_each(BTreeMap::clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_takes_the_place_of_what_it_overwrites_and_of_nothing_else() {
        let mut held = Held::new(2);
        assert!(!held.has(0, 7, &(0..4)));
        held.put(0, 7, &(0..100));
        assert!(held.has(0, 7, &(0..100)) && !held.has(0, 7, &(0..101)) && !held.has(1, 7, &(0..4)));
        // In the middle: both ends stay.
        held.put(0, 8, &(40..60));
        assert!(held.has(0, 7, &(0..40)) && held.has(0, 8, &(40..60)) && held.has(0, 7, &(60..100)));
        assert!(!held.has(0, 7, &(36..44)) && !held.has(0, 7, &(59..61)) && !held.has(0, 7, &(0..100)));
        // Back again: several spans of one copy are one.
        held.put(0, 7, &(40..60));
        assert!(held.has(0, 7, &(0..100)));
        // Over several, and over the end of the last.
        held.put(0, 8, &(10..20));
        held.put(0, 9, &(16..120));
        assert!(held.has(0, 7, &(0..10)) && held.has(0, 8, &(10..16)) && held.has(0, 9, &(16..120)));
        assert!(!held.has(0, 8, &(10..20)) && !held.has(0, 7, &(60..64)));
        held.forget();
        assert!(!held.has(0, 9, &(16..120)));
    }

    /// Against a list of bytes.
    #[test]
    fn every_byte_is_told_rightly() {
        let (mut held, mut bytes) = (Held::new(1), [None; 40]);
        let mut random = 1_u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for _ in 0..500 {
            let (start, copy) = (next(39), next(3) as usize);
            let range = start..start + 1 + next(40 - start - 1);
            held.put(0, copy, &range);
            bytes[range.start as usize..range.end as usize].fill(Some(copy));
            for at in 0..40 {
                for copy in 0..3 {
                    let is_its = bytes[at as usize] == Some(copy);
                    assert_eq!(held.has(0, copy, &(at..at + 1)), is_its, "byte {at}, copy {copy}");
                }
            }
        }
    }
}
