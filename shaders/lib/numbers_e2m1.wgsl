// What floats of four bits (E2M1) stand for, computed: for kernels that have no table in workgroup memory.

/// Twice what four-bit floats (E2M1), one a byte, say: 0, 1, 2, 3, 4, 6, 8 and 12, and with the highest bit the same taken
/// off 0.
fn codebook(packed: u32) -> vec4<f32> {
    // From 4 on the codes lag behind by 0, 1, 2 and 5.
    let lowest = packed & 0x03030303u;
    let behind = lowest + ((lowest & (lowest >> 1u)) << 1u);
    let numbers = (packed & 0x07070707u) + (behind & all_of_byte(packed >> 2u));
    let negative = numbers & all_of_byte(packed >> 3u);
    // Twelve more: no byte borrows from its neighbour.
    return vec4<f32>(unpack4xU8(0x0c0c0c0cu + (numbers ^ negative) - negative)) - 12.0;
}

/// A byte's lowest bit as all of its bits.
fn all_of_byte(packed: u32) -> u32 {
    let lowest = packed & 0x01010101u;
    return (lowest << 8u) - lowest;
}
