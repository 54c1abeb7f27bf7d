//! Rotary position embeddings: the frequencies of a head's rotating pairs, with the published ways of
//! stretching them to longer contexts.
//!
//! Element i of a head's first half turns together with element i of its second half (the half-rotation
//! layout); files in the interleaved layout are reordered at import. Cosines and sines are computed here, on
//! the CPU in f64, for the rows of each pass: WGSL promises only 2⁻¹¹ for `cos`, and only within [−π, π].

use std::f64::consts::TAU;

use super::error::{ConfigError, ensure};

/// Rotary embedding of one layer's queries and keys.
#[derive(Clone, Debug, PartialEq)]
pub struct RotaryConfig {
    /// How many elements of each head rotate: even, at most D.
    pub width: usize,
    /// Base of the geometric series of frequencies (Su et al. 2021).
    pub theta: f64,
    /// How frequencies are changed for longer contexts.
    pub scaling: RotaryScaling,
}

/// Ways to stretch rotary embeddings to contexts longer than those trained on.
#[derive(Clone, Debug, PartialEq)]
pub enum RotaryScaling {
    /// Frequencies as they are.
    Plain,
    /// All frequencies divided by `factor` (Chen et al. 2023).
    Linear {
        /// Ratio of the new context to the old one.
        factor: f64,
    },
    /// Long wavelengths divided by `factor`, short ones kept, a ramp between (Llama 3.1).
    Llama3 {
        /// Ratio of the new context to the old one.
        factor: f64,
        /// Wavelengths above `original_context / low_frequency_factor` are divided.
        low_frequency_factor: f64,
        /// Wavelengths below `original_context / high_frequency_factor` are kept.
        high_frequency_factor: f64,
        /// Context length of the model before stretching.
        original_context: f64,
    },
    /// Each frequency divided by a number of its own.
    Divided {
        /// One for each rotating pair.
        divisors: Vec<f64>,
    },
    /// YaRN: a ramp over dimensions, and a factor on the result (Peng et al. 2023).
    Yarn {
        /// Ratio of the new context to the old one.
        factor: f64,
        /// Context length of the model before stretching.
        original_context: f64,
        /// Rotations over the original context above which a dimension is kept.
        beta_fast: f64,
        /// Rotations over the original context below which a dimension is divided.
        beta_slow: f64,
        /// Factor on cosines and sines.
        attention_factor: f64,
        /// Whether the ramp's ends are rounded to whole dimensions.
        ramp_ends: RampEnds,
    },
    /// Every frequency has divisors of its own: for contexts up to the original one, and for longer ones (Ding et
    /// al. 2024).
    LongRope {
        /// One for each pair.
        short_divisors: Vec<f64>,
        /// One for each pair.
        long_divisors: Vec<f64>,
        /// Positions of the original context.
        original_context: f64,
        /// Factor on cosines and sines.
        attention_factor: f64,
    },
}

/// How YaRN's ramp begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RampEnds {
    /// Rounded outwards to whole dimensions, as published.
    Whole,
    /// Left as they come out.
    Exact,
}

/// The frequencies of one rotary embedding, ready for use: all that both interpreters need.
#[derive(Clone, Debug, PartialEq)]
pub struct RotaryTable {
    /// Radians a position for each rotating pair; half as many as rotating elements.
    pub inverse_frequencies: Vec<f32>,
    /// What long texts have in their place; `None` where all texts have the same.
    pub long: Option<LongTexts>,
    /// Factor on cosine and sine.
    pub amplitude: f32,
}

/// The frequencies of long texts.
#[derive(Clone, Debug, PartialEq)]
pub struct LongTexts {
    /// Texts of more positions are long.
    pub beyond: usize,
    /// Radians a position for each rotating pair.
    pub inverse_frequencies: Vec<f32>,
}

impl RotaryTable {
    /// Appends the cosines, then the sines, of every pair at `position` of a text that may get `longest` positions:
    /// 2 · pairs values.
    pub fn push_angles(&self, position: usize, longest: usize, into: &mut Vec<f32>) {
        let frequencies = match &self.long {
            Some(long) if longest > long.beyond => &long.inverse_frequencies,
            _ => &self.inverse_frequencies,
        };
        let amplitude = f64::from(self.amplitude);
        let angle = |frequency: &f32| f64::from(*frequency) * position as f64;
        into.extend(frequencies.iter().map(|f| (angle(f).cos() * amplitude) as f32));
        into.extend(frequencies.iter().map(|f| (angle(f).sin() * amplitude) as f32));
    }

    /// Number of rotating pairs in a head.
    pub fn pairs(&self) -> usize {
        self.inverse_frequencies.len()
    }
}

impl RotaryConfig {
    /// The frequencies after scaling, for texts of up to `context` positions.
    ///
    /// Published code changes to the divisors for long texts when a text has grown longer than the original
    /// context, and computes all of it anew. Here the longest text that a sequence may get decides before it begins.
    pub fn table(&self, context: usize) -> RotaryTable {
        let pairs = self.width / 2;
        let plain = |pair: usize| self.theta.powf(-((2 * pair) as f64) / self.width as f64);
        let frequency = |pair: usize| match &self.scaling {
            RotaryScaling::Plain => plain(pair),
            RotaryScaling::Linear { factor } => plain(pair) / factor,
            RotaryScaling::Divided { divisors } => plain(pair) / divisors[pair],
            RotaryScaling::Llama3 {
                factor,
                low_frequency_factor,
                high_frequency_factor,
                original_context,
            } => {
                let rotations = original_context * plain(pair) / TAU;
                let kept = ((rotations - low_frequency_factor)
                    / (high_frequency_factor - low_frequency_factor))
                    .clamp(0.0, 1.0);
                plain(pair) * (kept + (1.0 - kept) / factor)
            }
            RotaryScaling::Yarn { factor, original_context, beta_fast, beta_slow, ramp_ends, .. } => {
                let dimension = |rotations: f64| {
                    self.width as f64 * (original_context / (rotations * TAU)).ln() / (2.0 * self.theta.ln())
                };
                let (mut low, mut high) = (dimension(*beta_fast), dimension(*beta_slow));
                if *ramp_ends == RampEnds::Whole {
                    (low, high) = (low.floor(), high.ceil());
                }
                low = low.max(0.0);
                high = high.min(self.width as f64 - 1.0);
                // A ramp of no length would divide by zero; the published code widens it the same way.
                let length = if high == low { 0.001 } else { high - low };
                let divided = ((pair as f64 - low) / length).clamp(0.0, 1.0);
                plain(pair) * (1.0 - divided + divided / factor)
            }
            RotaryScaling::LongRope { short_divisors, .. } => plain(pair) / short_divisors[pair],
        };
        let long = match &self.scaling {
            RotaryScaling::LongRope { long_divisors, original_context, .. }
                if context as f64 > *original_context =>
            {
                let long = |pair: usize| (plain(pair) / long_divisors[pair]) as f32;
                Some(LongTexts {
                    beyond: *original_context as usize,
                    inverse_frequencies: (0..pairs).map(long).collect(),
                })
            }
            _ => None,
        };
        let amplitude = match &self.scaling {
            RotaryScaling::Yarn { attention_factor, .. }
            | RotaryScaling::LongRope { attention_factor, .. } => *attention_factor as f32,
            _ => 1.0,
        };
        RotaryTable {
            inverse_frequencies: (0..pairs).map(|pair| frequency(pair) as f32).collect(),
            long,
            amplitude,
        }
    }

    pub(super) fn check(&self, head_width: usize) -> Result<(), ConfigError> {
        let even = self.width.is_multiple_of(2) && (2..=head_width).contains(&self.width);
        ensure(even, "the rotary width", self.width, || {
            format!("it has to be even and at most the head width, {head_width}")
        })?;
        let usable = self.theta.is_finite() && self.theta > 1.0;
        ensure(usable, "the rotary base (rope_theta)", self.theta, || {
            "it has to be a number above 1".to_owned()
        })?;
        if let RotaryScaling::Divided { divisors } = &self.scaling {
            ensure(
                divisors.len() == self.width / 2,
                "the number of rotary divisors",
                divisors.len(),
                || format!("it has to be half the rotary width, {}", self.width),
            )?;
        }
        if let RotaryScaling::LongRope { short_divisors, long_divisors, .. } = &self.scaling {
            for divisors in [short_divisors, long_divisors] {
                ensure(
                    2 * divisors.len() == self.width,
                    "the number of rotary divisors",
                    divisors.len(),
                    || "each rotating pair has to have one".to_owned(),
                )?;
            }
        }
        let table = self.table(usize::MAX);
        let long = table.long.iter().flat_map(|long| &long.inverse_frequencies);
        let finite = table.inverse_frequencies.iter().chain(long).all(|f| f.is_finite())
            && table.amplitude.is_finite();
        ensure(finite, "the rotary scaling", format!("{:?}", self.scaling), || {
            "it has to give finite frequencies, and a finite factor".to_owned()
        })
    }
}
