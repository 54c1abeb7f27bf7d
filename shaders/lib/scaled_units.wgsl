// Units of weights that have one factor at most: their numbers and their factor, as shaders/lib/sub_blocks.wgsl has them.

const STEPS: u32 = 1u;
const OFFSETS: bool = false;

struct Factors {
    step: vec2<f32>,
    offset: vec2<f32>,
}

fn unit_numbers(unit: u32) -> array<vec4<f32>, UNIT> { return weight_unit(unit); }

fn unit_factors(unit: u32) -> Factors { return Factors(vec2(unit_scale(unit)), vec2(0.0)); }
