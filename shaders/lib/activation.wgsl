// The non-linearities.
//
// Arguments of exp and tanh are kept where every driver computes them: WGSL does not promise inf beyond.

override ACTIVATION: u32;

// Values of ACTIVATION; src/gpu/kernels/overrides.rs has the same, and a test compares them.
const SILU: u32 = 0u;
const GELU: u32 = 1u;
const GELU_TANH: u32 = 2u;
const RELU: u32 = 3u;
const RELU_SQUARED: u32 = 4u;
const GELU_SIGMOID: u32 = 5u;
const CLAMPED_GELU: u32 = 6u;
const IDENTITY: u32 = 7u;

const SQRT_2_OVER_PI: f32 = 0.7978845608028654;
const SQRT_1_2: f32 = 0.7071067811865476;

/// The error function, by Abramowitz and Stegun 7.1.26: |error| ≤ 1.5e-7.
fn error_function(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.3275911 * abs(x));
    let polynomial =
        t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    let magnitude = 1.0 - polynomial * exp(-min(x * x, 80.0));
    return select(magnitude, -magnitude, x < 0.0);
}

fn activate(x: f32) -> f32 {
    switch ACTIVATION {
        case IDENTITY: { return x; }
        // SiLU: x · sigmoid(x)
        case SILU: { return x / (1.0 + exp(clamp(-x, -80.0, 80.0))); }
        // GELU: x · Φ(x)
        case GELU: { return 0.5 * x * (1.0 + error_function(x * SQRT_1_2)); }
        // GELU, tanh form
        case GELU_TANH: {
            let inner = SQRT_2_OVER_PI * (x + 0.044715 * x * x * x);
            return 0.5 * x * (1.0 + tanh(clamp(inner, -10.0, 10.0)));
        }
        // ReLU
        case RELU: { return max(x, 0.0); }
        // ReLU squared
        case RELU_SQUARED: {
            let positive = max(x, 0.0);
            return positive * positive;
        }
        // GELU, sigmoid form
        case GELU_SIGMOID: { return x / (1.0 + exp(clamp(-1.702 * x, -80.0, 80.0))); }
        // CLAMPED_GELU: the same, of at most 7
        default: {
            let least = min(x, 7.0);
            return least / (1.0 + exp(clamp(-1.702 * least, -80.0, 80.0)));
        }
    }
}

fn activate4(x: vec4<f32>) -> vec4<f32> {
    return vec4(activate(x.x), activate(x.y), activate(x.z), activate(x.w));
}

/// What a gate makes of `up`.
fn gated4(gate: vec4<f32>, up: vec4<f32>) -> vec4<f32> {
    if ACTIVATION == CLAMPED_GELU {
        return activate4(gate) * (clamp(up, vec4(-7.0), vec4(7.0)) + 1.0);
    }
    return activate4(gate) * up;
}
