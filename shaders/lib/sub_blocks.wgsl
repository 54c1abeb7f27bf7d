// Units of 32 weights for the formats whose blocks come from files: a unit is a part of a block, whose reader gives
// its codes, its steps, and what the codes mean.

/// Blocks of four weights in a unit.
const UNIT: u32 = 8u;

/// 32 weights: the bits of their codes, and for either half of them what a code is multiplied by and what is taken off.
struct SubBlock {
    low: vec4<u32>,
    high: vec2<u32>,
    step: vec2<f32>,
    offset: vec2<f32>,
}

/// The weights of a unit.
fn weight_unit(unit: u32) -> array<vec4<f32>, UNIT> {
    let part = read_sub_block(unit);
    return array(
        sub_block4(part, 0u),
        sub_block4(part, 1u),
        sub_block4(part, 2u),
        sub_block4(part, 3u),
        sub_block4(part, 4u),
        sub_block4(part, 5u),
        sub_block4(part, 6u),
        sub_block4(part, 7u),
    );
}

/// What those numbers are multiplied by, and what is taken off then, for either half of a unit.
struct Factors {
    step: vec2<f32>,
    offset: vec2<f32>,
}

const HAS_OFFSET: bool = OFFSETS || BIAS != 0.0;

/// A unit as it is loaded.
alias RawUnit = SubBlock;

fn raw_unit(unit: u32) -> RawUnit { return read_sub_block(unit); }

/// What the codes of a block of a unit stand for, too large by the bias and without their factors.
fn numbers4(raw: RawUnit, block: u32) -> vec4<f32> { return codebook(codes(raw, block)); }

fn unit_factors(raw: RawUnit, unit: u32) -> Factors { return Factors(raw.step, raw.offset + BIAS * raw.step); }

/// The weights have their factor already.
fn unit_scale(unit: u32) -> f32 { return 1.0; }

/// Weights 4·block to 4·block + 3.
fn weight4(block: u32) -> vec4<f32> { return sub_block4(read_sub_block(block / 8u), block % 8u); }

/// Weights 4·index to 4·index + 3 of a part.
fn sub_block4(part: SubBlock, index: u32) -> vec4<f32> {
    let half = index / 4u;
    return part.step[half] * (codebook(codes(part, index)) - BIAS) - part.offset[half];
}

/// The two words of a unit of eight bytes: half of what is loaded at a time.
fn two_words(unit: u32) -> vec4<u32> {
    let words = unit_words(unit / 2u);
    return select(words, words.zwzw, (unit & 1u) == 1u);
}

/// Four bits a code: byte j of word i has weight 8i + j in its low half, and 8i + 4 + j in its high one.
fn four_bits(words: vec4<u32>, index: u32) -> u32 {
    return (words[index / 2u] >> (4u * (index & 1u))) & 0x0f0f0f0fu;
}

/// Two bits a code: byte j of word i has weights 16i + 4k + j for k from 0 to 3, the first lowest.
fn two_bits(words: vec2<u32>, index: u32) -> u32 {
    return (words[index / 4u] >> (2u * (index & 3u))) & 0x03030303u;
}

/// A bit a code: byte j has weights 4k + j for k from 0 to 7, the first lowest.
fn one_bit(word: u32, index: u32) -> u32 { return (word >> index) & 0x01010101u; }

/// The same bits at place `place` of their bytes.
fn one_bit_at(word: u32, index: u32, place: u32) -> u32 { return moved(word, index, place) & (0x01010101u << place); }

/// What `two_bits` gives, from place `place` of the bytes on.
fn two_bits_at(words: vec2<u32>, index: u32, place: u32) -> u32 {
    return moved(words[index / 4u], 2u * (index & 3u), place) & (0x03030303u << place);
}

/// A word shifted so that its bit at `origin` is at `place`.
fn moved(word: u32, origin: u32, place: u32) -> u32 {
    return select(word << (place - origin), word >> (origin - place), origin >= place);
}

/// Signed byte `index` of a word.
fn signed_byte(word: u32, index: u32) -> f32 { return f32(bitcast<i32>(word << (24u - 8u * (index & 3u))) >> 24u); }

/// Half of what the lowest eight bits say as a float of eight (E4M3), its sign left out; its largest code is 0.
fn half_e4m3(bits: u32) -> f32 {
    let exponent = (bits >> 3u) & 15u;
    let mantissa = bits & 7u;
    let normal = bitcast<f32>((exponent + 119u) << 23u | mantissa << 20u);
    let value = select(normal, f32(mantissa) / 1024.0, exponent == 0u);
    return select(value, 0.0, (bits & 0xffu) == 127u);
}
