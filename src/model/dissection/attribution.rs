//! Whose doing a logit is: what each addition to the residual stream is worth in it.

use super::dissected::Dissected;
use super::landmarks::{FinalNorm, Head};
use crate::model::config::NormKind;
use crate::model::error::ModelError;
use crate::model::probe::Addition;

/// What makes a part of a token's logit of an addition to the residual stream: with the final norm's divisor as it is at
/// this position, the logit is scale · (Σ_c w\[c\] · g\[c\] · (x\[c\] − mean(x)) / divisor + Σ_c w\[c\] · b\[c\] + bias), in
/// which RMSNorm's mean is 0.
pub(super) struct Direction {
    /// A factor for each element of the stream.
    factors: Vec<f64>,
    /// What the biases of norm and head add.
    pub biases: f64,
}

impl Direction {
    /// For a token, where the residual stream after the last layer is `stream`.
    pub(super) fn of(
        dissected: &mut dyn Dissected,
        head: &Head,
        stream: &[f32],
        token: u32,
    ) -> Result<Self, ModelError> {
        let FinalNorm { kind, epsilon, weight, bias } = head.norm;
        let gains = dissected.vector(weight)?;
        let norm_bias = bias.map(|bias| dissected.vector(bias)).transpose()?.unwrap_or_default();
        let head_bias = head.bias.map(|bias| dissected.vector(bias)).transpose()?;
        let row = dissected.matrix_row(head.weight, token)?;

        let count = stream.len() as f64;
        let scale = f64::from(head.scale);
        let mean = match kind {
            NormKind::Rms => 0.0,
            NormKind::Layer => stream.iter().map(|&x| f64::from(x)).sum::<f64>() / count,
        };
        let squares: f64 = stream.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum();
        let divisor = (squares / count + f64::from(epsilon)).sqrt();
        let factor = |(&row, &gain): (&f32, &f32)| scale * f64::from(row) * f64::from(gain) / divisor;
        let mut factors: Vec<f64> = row.iter().zip(&gains).map(factor).collect();
        if kind == NormKind::Layer {
            // Σ f · (x − mean(x)) is Σ (f − mean(f)) · x.
            let mean = factors.iter().sum::<f64>() / count;
            factors.iter_mut().for_each(|factor| *factor -= mean);
        }
        let of_norm: f64 =
            row.iter().zip(&norm_bias).map(|(&row, &bias)| f64::from(row) * f64::from(bias)).sum();
        let of_head = head_bias.map_or(0.0, |biases| f64::from(biases[token as usize]));
        Ok(Self { factors, biases: scale * (of_norm + of_head) })
    }

    /// Of what brought the stream from `before` to `after`.
    pub(super) fn addition(&self, before: &[f32], after: &[f32]) -> Addition {
        let added = before.iter().zip(after).map(|(&before, &after)| f64::from(after) - f64::from(before));
        Addition {
            norm: added.clone().map(|x| x * x).sum::<f64>().sqrt(),
            logit: self.factors.iter().zip(added).map(|(factor, x)| factor * x).sum(),
        }
    }
}

impl Addition {
    /// The same where the stream is multiplied later.
    pub(super) fn multiplied(self, factor: f64) -> Self {
        Self { logit: factor * self.logit, ..self }
    }
}
