// Codes of groups that are floats of eight bits: they come divided by 256.

fn codebook(packed: u32) -> vec4<f32> {
    let even = unpack2x16float(as_halves(packed & 0x00ff00ffu));
    let odd = unpack2x16float(as_halves((packed >> 8u) & 0x00ff00ffu));
    return vec4(even.x, odd.x, even.y, odd.y);
}

/// Floats of eight bits, in the low bytes of half-words, as such of f16 that are 256 times smaller.
fn as_halves(bytes: u32) -> u32 { return (bytes & 0x00800080u) << 8u | (bytes & 0x007f007fu) << 7u; }
