// Codes of groups that are whole numbers.

const WHOLE: bool = true;
const CODE_SCALE: f32 = 1.0;

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8(packed)); }
