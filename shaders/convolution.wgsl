// A causal convolution of each channel over the last TAPS rows of a sequence.
//
//   output[t][c] = activation(Σ_j weight[c][j] · x[t − TAPS + 1 + j][c] (+ bias[c]))
//
// Rows before the batch's come from the state: the inputs of the last TAPS − 1 rows, the newest last, zeros before the
// first. A row with a state of its own stores the same of itself.
//
// Shapes: weight channels × TAPS; bias channels; source and output T × channels (COLUMNS), rows STRIDE apart; states
// slots × (TAPS − 1) × channels.
// Split: x over channels, y over rows. No barrier: no slot is read and written in one pass.
// Twin: src/reference/convolution.rs

override WORKGROUP: u32;
override TAPS: u32;
override COLUMNS: u32;
override STRIDE: u32;
override HAS_BIAS: bool;

@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> source: array<f32>;
@group(0) @binding(4) var<storage, read_write> states: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let channel = id.x;
    let row = id.y;
    if channel >= COLUMNS {
        return;
    }
    let kept = TAPS - 1u;
    let before = row_word(row, ROW_STATE_FROM) * kept;
    let own = row_word(row, ROW_STATE_TO);
    var sum = 0.0;
    // From the newest row to the oldest: first up the row's parents, then back through the state.
    var above = row;
    var beyond = 0u;
    for (var tap = TAPS; tap > 0u; tap--) {
        var x = 0.0;
        if beyond == 0u {
            x = source[above * STRIDE + channel];
            above = row_word(above, ROW_PARENT);
            beyond = u32(above == NOTHING);
        } else {
            x = states[(before + kept - beyond) * COLUMNS + channel];
            beyond++;
        }
        sum += weight[channel * TAPS + tap - 1u] * x;
        if own != NOTHING && tap > 1u {
            states[(own * kept + tap - 2u) * COLUMNS + channel] = x;
        }
    }
    if HAS_BIAS {
        sum += bias[channel];
    }
    output[row * STRIDE + channel] = activate(sum);
}
