// What the codes of iq4_nl and iq4_xs stand for, in four words: for kernels that have no table in workgroup memory.

/// Four signed bytes to a word.
const TABLE = vec4(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);

/// What four codes, one a byte, stand for.
fn codebook(packed: u32) -> vec4<f32> {
    let code = unpack4xU8(packed);
    let second = (code & vec4(4u)) != vec4(0u);
    let lower = select(vec4(TABLE.x), vec4(TABLE.y), second);
    let upper = select(vec4(TABLE.z), vec4(TABLE.w), second);
    let word = select(lower, upper, (code & vec4(8u)) != vec4(0u));
    let top = bitcast<vec4<i32>>(word << (vec4(24u) - 8u * (code & vec4(3u))));
    return vec4<f32>(top >> vec4(24u));
}
