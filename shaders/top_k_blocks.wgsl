// First half of selection: what each block of a row's logits holds.
//
//   highest[b] = key of max l      sums[b] = Σ exp(l − max l), Σ (l − max l) · exp(l − max l),
//                                            Σ exp((l − max l) / temperature), counts
//
// over the logits l of block b. Counts are those of zeros, extremes and broken logits, in bytes of one number.
// Shapes: logits (output rows) × V, padded to COLUMNS4 blocks of four; highest, sums (output rows) × BLOCKS.
// Split: x over blocks, one lane each, without a barrier; y over output rows.
// Twin: src/reference/selection.rs

override WORKGROUP: u32;

@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> highest: array<u32>;
@group(0) @binding(3) var<storage, read_write> sums: array<vec4<u32>>;

fn count(found: vec4<bool>) -> u32 { return dot(select(vec4(0u), vec4(1u), found), vec4(1u)); }

/// Zeros, 256 · extremes and 65,536 · broken of four entries.
fn odd_ones(value: vec4<f32>, inside: vec4<bool>) -> u32 {
    let bits = bitcast<vec4<u32>>(value);
    let magnitude = bits & vec4(0x7fffffffu);
    let zero = magnitude == vec4(0u);
    let broken = (magnitude > vec4(INFINITE)) | (bits == vec4(INFINITE));
    // The bits of 1e30 and 1e-30.
    let extreme = (magnitude >= vec4(0x7149f2cau)) | (magnitude < vec4(0x0da24260u));
    return count(zero & inside) + 256u * count(extreme & !zero & !broken & inside) + 65536u * count(broken & inside);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let block = id.x;
    if block >= BLOCKS {
        return;
    }
    let base = id.y * COLUMNS4;
    let first = block_start(block);
    let end = min(first + BLOCK4 * STRIDE, COLUMNS4);
    var top_key = 0u;
    var tops = vec4(LOWEST);
    var counts = 0u;
    for (var column = first; column < end; column += STRIDE) {
        let value = logits[base + column];
        let inside = inside(column);
        let keys = keys4(value, column);
        top_key = max(top_key, max(max(keys.x, keys.y), max(keys.z, keys.w)));
        tops = max(tops, select(vec4(LOWEST), finite4(value), inside));
        counts += odd_ones(value, inside);
    }
    let top = max(max(tops.x, tops.y), max(tops.z, tops.w));

    let inverse_temperature = sampling_number(id.y, SAMPLING_INVERSE_TEMPERATURE);
    var sum = vec4(0.0);
    var weighted = vec4(0.0);
    var tempered = vec4(0.0);
    for (var column = first; column < end; column += STRIDE) {
        let inside = inside(column);
        // The lower bound keeps the difference finite.
        let below = max(finite4(logits[base + column]), vec4(top - 1e30)) - vec4(top);
        let share = select(vec4(0.0), exp(max(below, vec4(-87.0))), inside);
        sum += share;
        weighted += share * max(below, vec4(-87.0));
        if inverse_temperature != 1.0 {
            tempered += select(vec4(0.0), exp(max(below * inverse_temperature, vec4(-87.0))), inside);
        }
    }
    if inverse_temperature == 1.0 {
        tempered = sum;
    }
    let one = vec4(1.0);
    let totals = vec3(dot(sum, one), dot(weighted, one), dot(tempered, one));
    highest[id.y * BLOCKS + block] = top_key;
    sums[id.y * BLOCKS + block] = vec4(bitcast<vec3<u32>>(totals), counts);
}
