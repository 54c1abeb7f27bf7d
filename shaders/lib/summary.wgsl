// What the selection kernels share: how a row of logits falls into blocks, the order of its entries, and the
// layout of a row's summary. src/gpu/program/summary.rs has the same constants, and a test compares them.
//
// A row is COLUMNS4 vec4s. Block b takes BLOCK4 of them, STRIDE apart, so that STRIDE neighbouring lanes that
// take a block each read neighbouring addresses. Entries from VOCABULARY on are padding.
//
// A summary is 256 words: sum, weighted sum and tempered sum (f32), zeros, extremes, broken logits (u32), the
// token chosen, nine unused, the candidates' ids, the candidates' logits.

override VOCABULARY: u32;
override COLUMNS4: u32;
override BLOCK4: u32;
override STRIDE: u32;
override BLOCKS: u32;

const MOST_CANDIDATES: u32 = 120u;
const SUMMARY_WORDS: u32 = 256u;
/// Most tokens whose place in a row is told.
const MOST_PINNED: u32 = 16u;
const SUM: u32 = 0u;
const WEIGHTED_SUM: u32 = 1u;
const TEMPERED_SUM: u32 = 2u;
const ZEROS: u32 = 3u;
const EXTREMES: u32 = 4u;
const BROKEN: u32 = 5u;
const CHOSEN: u32 = 6u;
const IDS: u32 = 16u;
const LOGITS: u32 = 136u;

/// Stands for whatever is not finite: WGSL promises nothing of infinities and NaN.
const LOWEST: f32 = -3.4028234e38;
const INFINITE: u32 = 0x7f800000u;

/// The first vec4 of a block; its others follow at steps of STRIDE.
fn block_start(block: u32) -> u32 { return block / STRIDE * STRIDE * BLOCK4 + block % STRIDE; }

/// Which entries of a vec4 belong to the vocabulary.
fn inside(column: u32) -> vec4<bool> {
    return 4u * column + vec4(0u, 1u, 2u, 3u) < vec4(VOCABULARY);
}

fn finite4(value: vec4<f32>) -> vec4<f32> {
    let magnitude = bitcast<vec4<u32>>(value) & vec4(0x7fffffffu);
    return select(value, vec4(LOWEST), magnitude >= vec4(INFINITE));
}

/// Numbers that ascend as the logits do; 0 for padding alone. The two zeros are equals.
fn keys4(value: vec4<f32>, column: u32) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(finite4(value));
    let positive = bits >> vec4(31u) == vec4(0u);
    let keys = select(~bits, bits | vec4(0x80000000u), positive);
    let zero = (bits & vec4(0x7fffffffu)) == vec4(0u);
    return select(vec4(0u), select(keys, vec4(0x80000000u), zero), inside(column));
}

/// exp of what is never above 0, kept where every driver computes it.
fn weight(below: f32) -> f32 { return exp(max(below, -87.0)); }
