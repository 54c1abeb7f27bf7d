// What every linear-map kernel shares: overrides, bindings, and what becomes of a result.
//
//   result[t][r] = Σ_c weight[r][c] · x[t][c] (+ bias[r]),   x = input, or inv(t) · input · norm_weight
//   inv(t) = 1 / sqrt(mean(input[t]²) + ε)
//
// Weight rows are whole units of 16 bytes (UNIT blocks of four weights, from shaders/weights/), padded with
// zeros; a shard's rows are padded with zeros to blocks of eight. Input rows are padded with zeros at least as
// far. A kernel's work is counted in blocks of four outputs; with FINISH = GATE each takes eight rows of the
// weight, four of the gate and then their four of up.

override WORKGROUP: u32;
// Units in a row of the weight.
override UNITS: u32;
// C, for the mean of the squares.
override COLUMNS: u32;
// Blocks of four in a row of the input and of the output.
override INPUT_BLOCKS: u32;
override OUTPUT_BLOCKS: u32;
// The shard's first block of outputs, and how many it has.
override FIRST_BLOCK: u32;
override SHARD_BLOCKS: u32;
override HAS_BIAS: bool;
override HAS_NORM: bool;
override EPSILON: f32;
override FINISH: u32;
// The word of the pass that says how many rows there are: PASS_ROWS or PASS_OUTPUTS.
override ROWS_WORD: u32;

// Values of FINISH; src/gpu/kernels/overrides.rs has the same, and a test compares them.
const STORE: u32 = 0u;
const ADD: u32 = 1u;
const ACTIVATE: u32 = 2u;
const GATE: u32 = 3u;

@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> norm_weight: array<vec4<f32>>;

fn row_count() -> u32 { return pass_data[ROWS_WORD]; }

/// The shard's weight row at which a block of outputs begins.
fn first_weight_row(block: u32) -> u32 { return block * select(4u, 8u, FINISH == GATE); }

/// The factor that the norm puts on a row whose squares sum to `squares`.
fn norm_factor(squares: f32) -> f32 {
    return 1.0 / sqrt(squares / f32(COLUMNS) + EPSILON);
}

/// Makes the results of one block of outputs of the shard the output; `up` counts for GATE alone.
fn finish(row: u32, block: u32, result: vec4<f32>, up: vec4<f32>) {
    let column = FIRST_BLOCK + block;
    let place = row * OUTPUT_BLOCKS + column;
    if FINISH == GATE {
        var gate = result;
        var factor = up;
        if HAS_BIAS {
            gate += bias[2u * column];
            factor += bias[2u * column + 1u];
        }
        output[place] = gated4(gate, factor);
        return;
    }
    var value = result;
    if HAS_BIAS {
        value += bias[column];
    }
    if FINISH == ADD {
        value += output[place];
    }
    if FINISH == ACTIVATE {
        value = activate4(value);
    }
    output[place] = value;
}
