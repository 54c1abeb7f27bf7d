// Weights stored as f16 for units that take f16: nothing is converted.

/// Blocks of four weights in a unit.
const UNIT: u32 = 2u;

struct Unit {
    first: vec4<f16>,
    second: vec4<f16>,
}

@group(0) @binding(1) var<storage, read> weights: array<Unit>;

fn load_unit(unit: u32) -> Unit { return weights[unit]; }

/// Block `block` of a unit.
fn unit_block(unit: Unit, block: u32) -> vec4<f16> { return select(unit.first, unit.second, block == 1u); }
