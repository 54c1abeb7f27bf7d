//! The words of a row's summary, as `shaders/lib/summary.wgsl` has them; a test holds both together.

use crate::model::selection::{MOST_CANDIDATES, MOST_PINNED, PinnedLogit, RowHandle, Summary, Unlisted};

const SUMMARY_WORDS: usize = 256;
const SUM: usize = 0;
const WEIGHTED_SUM: usize = 1;
const TEMPERED_SUM: usize = 2;
const ZEROS: usize = 3;
const EXTREMES: usize = 4;
const BROKEN: usize = 5;
const CHOSEN: usize = 6;
const IDS: usize = 16;
const LOGITS: usize = IDS + MOST_CANDIDATES;

/// Bytes of a row's summary.
pub(crate) const SUMMARY_BYTES: u64 = 4 * SUMMARY_WORDS as u64;

/// Bytes of what a row tells of pinned tokens: logit, and entries before it.
pub(crate) const PINNED_BYTES: u64 = 8 * MOST_PINNED as u64;

/// Where the token that was chosen lies in a summary, in bytes.
pub(super) const CHOSEN_AT: u64 = 4 * CHOSEN as u64;

/// A summary as the GPU wrote it, of a row of so many logits.
pub(super) fn read(row: RowHandle, vocabulary: usize, bytes: &[u8]) -> Summary {
    let words: Vec<u32> = bytemuck::pod_collect_to_vec(bytes);
    let number = |word: usize| f64::from(f32::from_bits(words[word]));
    let count = MOST_CANDIDATES.min(vocabulary);
    Summary {
        row,
        vocabulary,
        tokens: words[IDS..][..count].to_vec(),
        logits: words[LOGITS..][..count].iter().copied().map(f32::from_bits).collect(),
        sum: number(SUM),
        weighted_sum: number(WEIGHTED_SUM),
        tempered_sum: number(TEMPERED_SUM),
        zeros: words[ZEROS] as usize,
        extremes: words[EXTREMES] as usize,
        broken: words[BROKEN] as usize,
        chosen: words[CHOSEN],
        pinned: Vec::new(),
        unlisted: Unlisted::Summed,
    }
}

/// What the GPU wrote of these pinned tokens.
pub(crate) fn read_pinned(tokens: &[u32], bytes: &[u8]) -> Vec<PinnedLogit> {
    let words: Vec<u32> = bytemuck::pod_collect_to_vec(bytes);
    let pinned = tokens.iter().zip(words.chunks_exact(2));
    let read = |(&token, words): (&u32, &[u32])| PinnedLogit {
        token,
        logit: f32::from_bits(words[0]),
        rank: words[1] as usize + 1,
    };
    pinned.map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::kernels::shader_text;

    #[test]
    fn the_shaders_have_the_same_words() {
        let shared = [
            ("MOST_CANDIDATES", MOST_CANDIDATES),
            ("MOST_PINNED", MOST_PINNED),
            ("SUMMARY_WORDS", SUMMARY_WORDS),
            ("SUM", SUM),
            ("WEIGHTED_SUM", WEIGHTED_SUM),
            ("TEMPERED_SUM", TEMPERED_SUM),
            ("ZEROS", ZEROS),
            ("EXTREMES", EXTREMES),
            ("BROKEN", BROKEN),
            ("CHOSEN", CHOSEN),
            ("IDS", IDS),
            ("LOGITS", LOGITS),
        ];
        shader_text::assert_shared("lib/summary.wgsl", &shared.map(|(name, value)| (name, value as u64)));
    }
}
