//! The precision of the KV cache.

use half::f16;
use serde::{Deserialize, Serialize};

use super::weight_format::WeightFormat;
use super::weights::TensorInfo;

/// How keys and values are stored in the KV cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheFormat {
    /// As they are computed.
    #[default]
    F32,
    /// Rounded to half precision: half the memory and half the reading, for a relative error of 2⁻¹¹.
    F16,
}

impl CacheFormat {
    /// Bytes of an element.
    pub const fn element_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    /// The usual spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    /// The format for a model with these weights: no finer than most of them.
    pub fn for_weights(tensors: &[TensorInfo]) -> Self {
        let bytes = |exact: bool| -> usize {
            let is_exact = |tensor: &&TensorInfo| (tensor.format == WeightFormat::F32) == exact;
            tensors.iter().filter(is_exact).map(|tensor| tensor.rows * tensor.row_bytes()).sum()
        };
        if bytes(true) > bytes(false) { Self::F32 } else { Self::F16 }
    }

    /// The value that the cache returns for `value`: in f16 the nearest one, ties to even. Values beyond the largest
    /// finite one become that, since infinity would spoil every sum it enters.
    pub fn round(self, value: f32) -> f32 {
        match self {
            Self::F32 => value,
            Self::F16 => {
                let largest = f16::MAX.to_f32();
                f16::from_f32(value.clamp(-largest, largest)).to_f32()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_no_finer_than_most_weights() {
        let tensor = |rows, format| TensorInfo { name: String::new(), rows, columns: 32, format };
        let mixed = [tensor(1, WeightFormat::F32), tensor(9, WeightFormat::Bf16)];
        assert_eq!(CacheFormat::for_weights(&mixed), CacheFormat::F16);
        assert_eq!(CacheFormat::for_weights(&[tensor(9, WeightFormat::F32)]), CacheFormat::F32);
    }

    #[test]
    fn what_half_precision_cannot_hold_becomes_its_largest_value() {
        assert_eq!(CacheFormat::F16.round(1e9), 65504.0);
        assert_eq!(CacheFormat::F16.round(-70_000.0), -65504.0);
        assert_eq!(CacheFormat::F16.round(1.0 + 1.0 / 4096.0), 1.0);
        assert_eq!(CacheFormat::F32.round(1e9), 1e9);
    }
}
