// Weights that are decoded to f32 and then narrowed to what the units take.

/// Block `block` of a unit.
fn unit_block(unit: Unit, block: u32) -> vec4<Number> { return narrowed(decoded(unit, block)); }
