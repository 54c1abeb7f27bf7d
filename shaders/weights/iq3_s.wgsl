// Weights stored as iq3_s: step · number, signed; points of four numbers. Eight units, of eight bytes each with a byte of
// each point, are a block, which has twelve words: the signs of each unit, eight bytes with the points' highest bits,
// eight steps in four bits each, and these steps' f16 factor.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

const GRID_WORDS: u32 = 512u;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 1u;
const OFFSETS: bool = false;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 0.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let block = GRID_WORDS + unit / 8u * 12u;
    let part = unit & 7u;
    let high = scales[block + 8u + part / 4u] >> (8u * (part & 3u));
    let scale = (scales[block + 10u] >> (4u * part)) & 15u;
    let step = unpack2x16float(scales[block + 11u]).x * f32(2u * scale + 1u);
    return SubBlock(two_words(unit), vec2(scales[block + part], high), vec2(step), vec2(0.0));
}

fn codes(part: SubBlock, index: u32) -> u32 {
    let point = byte_of(part.low.xy, index) | ((part.high.y >> index) & 1u) << 8u;
    return with_signs(grid_word(point), one_bit(part.high.x, index));
}

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xI8(packed)); }
