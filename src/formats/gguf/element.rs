//! ggml's element types by number: their names, blocks, and which of them weights can be computed in.
//!
//! Numbers and sizes are those of `enum ggml_type` and `GGML_QUANT_SIZES` (gguf-py 0.19; of Q2_0, ggml's).

use crate::model::WeightFormat;
use crate::model::weight_format::{BlockFormat, GridFormat};

/// An element type.
pub(super) struct GgmlType {
    /// As ggml spells it.
    pub name: &'static str,
    number: u32,
    /// Elements of a block.
    pub block_elements: u64,
    /// Bytes of a block.
    pub block_bytes: u64,
    /// What weights of this type are here, if they can be computed with.
    pub weights: Option<WeightFormat>,
}

impl GgmlType {
    /// The type of this number, if ggml has one.
    pub(super) fn of(number: u32) -> Option<&'static Self> {
        TYPES.iter().find(|kind| kind.number == number)
    }
}

/// One that is computed with; it has the blocks of its format.
const fn computed(number: u32, name: &'static str, format: WeightFormat) -> GgmlType {
    GgmlType {
        name,
        number,
        block_elements: format.block_elements() as u64,
        block_bytes: format.block_bytes() as u64,
        weights: Some(format),
    }
}

/// One that only tensors which nothing reads may have.
const fn known(number: u32, name: &'static str, block_elements: u64, block_bytes: u64) -> GgmlType {
    GgmlType { name, number, block_elements, block_bytes, weights: None }
}

static TYPES: [GgmlType; 35] = [
    computed(0, "F32", WeightFormat::F32),
    computed(1, "F16", WeightFormat::F16),
    computed(30, "BF16", WeightFormat::Bf16),
    computed(2, "Q4_0", WeightFormat::Q4_0),
    computed(8, "Q8_0", WeightFormat::Q8_0),
    computed(3, "Q4_1", WeightFormat::Blocks(BlockFormat::Q4_1)),
    computed(6, "Q5_0", WeightFormat::Blocks(BlockFormat::Q5_0)),
    computed(7, "Q5_1", WeightFormat::Blocks(BlockFormat::Q5_1)),
    known(9, "Q8_1", 32, 40),
    computed(10, "Q2_K", WeightFormat::Blocks(BlockFormat::Q2K)),
    computed(11, "Q3_K", WeightFormat::Blocks(BlockFormat::Q3K)),
    computed(12, "Q4_K", WeightFormat::Blocks(BlockFormat::Q4K)),
    computed(13, "Q5_K", WeightFormat::Blocks(BlockFormat::Q5K)),
    computed(14, "Q6_K", WeightFormat::Blocks(BlockFormat::Q6K)),
    known(15, "Q8_K", 256, 292),
    computed(16, "IQ2_XXS", WeightFormat::Grids(GridFormat::Iq2Xxs)),
    computed(17, "IQ2_XS", WeightFormat::Grids(GridFormat::Iq2Xs)),
    computed(18, "IQ3_XXS", WeightFormat::Grids(GridFormat::Iq3Xxs)),
    computed(19, "IQ1_S", WeightFormat::Grids(GridFormat::Iq1S)),
    computed(20, "IQ4_NL", WeightFormat::Blocks(BlockFormat::Iq4Nl)),
    computed(21, "IQ3_S", WeightFormat::Grids(GridFormat::Iq3S)),
    computed(22, "IQ2_S", WeightFormat::Grids(GridFormat::Iq2S)),
    computed(23, "IQ4_XS", WeightFormat::Blocks(BlockFormat::Iq4Xs)),
    known(24, "I8", 1, 1),
    known(25, "I16", 1, 2),
    known(26, "I32", 1, 4),
    known(27, "I64", 1, 8),
    known(28, "F64", 1, 8),
    computed(29, "IQ1_M", WeightFormat::Grids(GridFormat::Iq1M)),
    computed(34, "TQ1_0", WeightFormat::Blocks(BlockFormat::Tq1_0)),
    computed(35, "TQ2_0", WeightFormat::Blocks(BlockFormat::Tq2_0)),
    computed(39, "MXFP4", WeightFormat::Blocks(BlockFormat::Mxfp4)),
    computed(40, "NVFP4", WeightFormat::Blocks(BlockFormat::Nvfp4)),
    computed(41, "Q1_0", WeightFormat::Blocks(BlockFormat::Q1_0)),
    computed(42, "Q2_0", WeightFormat::Blocks(BlockFormat::Q2_0)),
];
