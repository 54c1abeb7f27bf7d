// Multiplies columns of each row of a buffer by gates of the row, in place.
//
//   output[t][c] = f(gate[t][⌊c / GATE_WIDTH⌋]) · output[t][c],
//   f(x) = 1 / (1 + exp(−x)), or ln(1 + exp(x))
//
// Shapes: gate T × COLUMNS / GATE_WIDTH from column FIRST of rows STRIDE apart; output T × COLUMNS, padded with zeros
// to COLUMNS4 blocks of four.
// Split: x over blocks of a row, y over rows.
// Twin: src/reference/gate_rows.rs

override WORKGROUP: u32;
override STRIDE: u32;
override FIRST: u32;
override GATE_WIDTH: u32;
override GATE_FUNCTION: u32;
override COLUMNS: u32;
override COLUMNS4: u32;

// Values of GATE_FUNCTION; src/gpu/kernels/overrides.rs has the same, and a test compares them.
const SIGMOID: u32 = 0u;
const SOFTPLUS: u32 = 1u;

@group(0) @binding(0) var<storage, read> gate: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>;

/// The gate of a column of a row whose gates begin at `first`. Columns of padding have the last one's.
fn gate_of(first: u32, column: u32) -> f32 {
    return gate[first + min(column, COLUMNS - 1u) / GATE_WIDTH];
}

fn softplus(x: vec4<f32>) -> vec4<f32> {
    let small = exp(max(-abs(x), vec4(-80.0)));
    // Where 1 + small rounds too coarsely, the first terms of the logarithm's series.
    let series = small * (1.0 - small * (0.5 - small * (1.0 / 3.0)));
    return max(x, vec4(0.0)) + select(log(1.0 + small), series, small < vec4(0.01));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < COLUMNS4 {
        let first = id.y * STRIDE + FIRST;
        let column = 4u * id.x;
        let gates = vec4(
            gate_of(first, column),
            gate_of(first, column + 1u),
            gate_of(first, column + 2u),
            gate_of(first, column + 3u),
        );
        let place = id.y * COLUMNS4 + id.x;
        if GATE_FUNCTION == SOFTPLUS {
            output[place] *= softplus(gates);
        } else {
            output[place] /= 1.0 + exp(clamp(-gates, vec4(-80.0), vec4(80.0)));
        }
    }
}
