// Weights on their way into a tile: loaded first, decoded when they are put there.

/// A unit as it is loaded.
struct Unit {
    raw: RawUnit,
    factors: Factors,
}

fn load_unit(unit: u32) -> Unit {
    let raw = raw_unit(unit);
    return Unit(raw, unit_factors(raw, unit));
}

/// Block `block` of a unit.
fn decoded(unit: Unit, block: u32) -> vec4<f32> {
    var weights4 = numbers4(unit.raw, block) * unit.factors.step[block / 4u];
    if HAS_OFFSET {
        weights4 -= unit.factors.offset[block / 4u];
    }
    return weights4;
}
