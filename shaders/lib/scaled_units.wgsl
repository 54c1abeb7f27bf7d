// Units of weights that have one factor at most: what their numbers (`numbers4` and BIAS of shaders/weights/) are
// multiplied by, and what is taken off then, as shaders/lib/sub_blocks.wgsl has it.

const STEPS: u32 = 1u;
const HAS_OFFSET: bool = BIAS != 0.0;

struct Factors {
    step: vec2<f32>,
    offset: vec2<f32>,
}

/// A unit as it is loaded.
alias RawUnit = vec4<u32>;

fn raw_unit(unit: u32) -> RawUnit { return unit_words(unit); }

fn unit_factors(raw: RawUnit, unit: u32) -> Factors {
    let scale = unit_scale(unit);
    return Factors(vec2(scale), vec2(BIAS * scale));
}
