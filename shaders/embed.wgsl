// Looks up each token's embedding, and adds the learned position where the model has one.
//
//   output[t] = table[token(t)] (+ positions[position(t)])
//
// Shapes: table V × C in the weight format, of which this shard holds SHARD_ROWS rows from FIRST_ROW on;
// positions context × C; output T × C. A row has COLUMNS4 blocks of four that count; the table's are ROW_BLOCKS
// apart, those of positions and output STRIDE4.
// Split: x over blocks of a row, y over rows. A row whose token lies in another shard is left alone.
// Twin: src/reference/embed.rs

override WORKGROUP: u32;
override COLUMNS4: u32;
override ROW_BLOCKS: u32;
override STRIDE4: u32;
override FIRST_ROW: u32;
override SHARD_ROWS: u32;
override HAS_POSITIONS: bool;

@group(0) @binding(3) var<storage, read> positions: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x;
    let row = id.y;
    let token = row_token(row);
    if column >= COLUMNS4 || token < FIRST_ROW || token >= FIRST_ROW + SHARD_ROWS {
        return;
    }
    var value = weight4((token - FIRST_ROW) * ROW_BLOCKS + column);
    if HAS_POSITIONS {
        value += positions[row_position(row) * STRIDE4 + column];
    }
    output[row * STRIDE4 + column] = value;
}
