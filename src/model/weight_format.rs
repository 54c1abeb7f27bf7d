//! How the elements of a tensor are stored: the formats, their blocks and their names.

use super::group_format::{GroupCodes, GroupFactors, GroupFormat, GroupSize};
use super::quant;

/// The most elements of a block.
pub const LARGEST_BLOCK: usize = 256;

/// How the elements of a tensor are stored. Elements lie in blocks along a row; in the plain formats a block is
/// one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WeightFormat {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    Bf16,
    /// 32 signed bytes and their scale, as [`quant::encode_q8_0`] defines them.
    Q8_0,
    /// 32 numbers of four bits and their scale, as [`quant::encode_q4_0`] defines them.
    Q4_0,
    /// Blocks that only files bring.
    Blocks(BlockFormat),
    /// Blocks that only files bring, of points of a grid.
    Grids(GridFormat),
    /// Groups of codes with a factor, as folders bring them.
    Groups(GroupFormat),
}

/// Quantised formats that only files bring: they are decoded here, never encoded. [`super::blocks`] defines them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlockFormat {
    /// Four bits, a step and an offset.
    Q4_1,
    /// Five bits and a step.
    Q5_0,
    /// Five bits, a step and an offset.
    Q5_1,
    /// Two bits, blocks of 256.
    Q2K,
    /// Three bits, blocks of 256.
    Q3K,
    /// Four bits, blocks of 256.
    Q4K,
    /// Five bits, blocks of 256.
    Q5K,
    /// Six bits, blocks of 256.
    Q6K,
    /// Four bits that stand for uneven steps.
    Iq4Nl,
    /// The same in blocks of 256.
    Iq4Xs,
    /// Four-bit floats with a power of two.
    Mxfp4,
    /// Four-bit floats with floats of eight bits as steps.
    Nvfp4,
    /// The same with a factor besides, which files store for the whole tensor.
    Nvfp4Scaled,
    /// −1, 0 and 1, five in a byte.
    Tq1_0,
    /// −1, 0 and 1, two bits each.
    Tq2_0,
    /// A sign.
    Q1_0,
    /// From −1 to 2.
    Q2_0,
}

/// Quantised formats whose codes are points of a grid, four or eight elements each. [`super::grids`] defines them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GridFormat {
    /// Points of four elements, a sign for each.
    Iq3S,
    /// Points of four elements, seven signs of eight.
    Iq3Xxs,
    /// Points of eight elements, of 1024, a sign for each.
    Iq2S,
    /// Points of eight elements, of 512, seven signs of eight.
    Iq2Xs,
    /// Points of eight elements, of 256, seven signs of eight.
    Iq2Xxs,
    /// Points of eight elements with signs of their own.
    Iq1S,
    /// The same with more scales.
    Iq1M,
}

/// The formats that numbers can be encoded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// [`WeightFormat::F32`].
    F32,
    /// [`WeightFormat::F16`].
    F16,
    /// [`WeightFormat::Bf16`].
    Bf16,
    /// [`WeightFormat::Q8_0`].
    Q8_0,
    /// [`WeightFormat::Q4_0`].
    Q4_0,
}

impl WeightFormat {
    /// Every format; of groups as many that each choice of their parts is among them.
    pub const ALL: [Self; 40] = [
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::Q8_0,
        Self::Q4_0,
        Self::Blocks(BlockFormat::Q4_1),
        Self::Blocks(BlockFormat::Q5_0),
        Self::Blocks(BlockFormat::Q5_1),
        Self::Blocks(BlockFormat::Q2K),
        Self::Blocks(BlockFormat::Q3K),
        Self::Blocks(BlockFormat::Q4K),
        Self::Blocks(BlockFormat::Q5K),
        Self::Blocks(BlockFormat::Q6K),
        Self::Blocks(BlockFormat::Iq4Nl),
        Self::Blocks(BlockFormat::Iq4Xs),
        Self::Blocks(BlockFormat::Mxfp4),
        Self::Blocks(BlockFormat::Nvfp4),
        Self::Blocks(BlockFormat::Nvfp4Scaled),
        Self::Blocks(BlockFormat::Tq1_0),
        Self::Blocks(BlockFormat::Tq2_0),
        Self::Blocks(BlockFormat::Q1_0),
        Self::Blocks(BlockFormat::Q2_0),
        Self::Grids(GridFormat::Iq3S),
        Self::Grids(GridFormat::Iq3Xxs),
        Self::Grids(GridFormat::Iq2S),
        Self::Grids(GridFormat::Iq2Xs),
        Self::Grids(GridFormat::Iq2Xxs),
        Self::Grids(GridFormat::Iq1S),
        Self::Grids(GridFormat::Iq1M),
        Self::Groups(GroupFormat::new(GroupCodes::Int2, GroupSize::G64, GroupFactors::Bf16Bias)),
        Self::Groups(GroupFormat::new(GroupCodes::Int3, GroupSize::G32, GroupFactors::F16Bias)),
        Self::Groups(GroupFormat::new(GroupCodes::Int4, GroupSize::G64, GroupFactors::Bf16Bias)),
        Self::Groups(GroupFormat::new(GroupCodes::Int5, GroupSize::G128, GroupFactors::Bf16Bias)),
        Self::Groups(GroupFormat::new(GroupCodes::Int6, GroupSize::G64, GroupFactors::F16Bias)),
        Self::Groups(GroupFormat::new(GroupCodes::Int8, GroupSize::G32, GroupFactors::Bf16Bias)),
        Self::Groups(GroupFormat::new(GroupCodes::Int4, GroupSize::G128, GroupFactors::F16Zero)),
        Self::Groups(GroupFormat::new(GroupCodes::Int8, GroupSize::G64, GroupFactors::Bf16Zero)),
        Self::Groups(GroupFormat::new(GroupCodes::E4m3, GroupSize::G128, GroupFactors::F32)),
        Self::Groups(GroupFormat::new(GroupCodes::Nf4, GroupSize::G64, GroupFactors::F32)),
        Self::Groups(GroupFormat::new(GroupCodes::Fp4, GroupSize::G64, GroupFactors::F32)),
    ];

    /// Elements of one block; a row has a whole number of blocks.
    pub const fn block_elements(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q8_0 | Self::Q4_0 => quant::BLOCK,
            Self::Blocks(format) => format.block_elements(),
            Self::Grids(_) => LARGEST_BLOCK,
            Self::Groups(format) => format.size.elements(),
        }
    }

    /// Bytes of one block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q8_0 => quant::Q8_0_BYTES,
            Self::Q4_0 => quant::Q4_0_BYTES,
            Self::Blocks(format) => format.block_bytes(),
            Self::Grids(format) => format.block_bytes(),
            Self::Groups(format) => format.block_bytes(),
        }
    }

    /// Bytes of `elements` elements, a whole number of blocks.
    pub const fn bytes(self, elements: usize) -> usize {
        elements / self.block_elements() * self.block_bytes()
    }

    /// The usual spelling: `f32`, `f16`, `bf16`, `q8_0`, `q4_k`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
            Self::Blocks(format) => format.name(),
            Self::Grids(format) => format.name(),
            Self::Groups(format) => format.name(),
        }
    }

    /// The encoding of this format; none if it is one that only files bring.
    pub const fn encoding(self) -> Option<Encoding> {
        match self {
            Self::F32 => Some(Encoding::F32),
            Self::F16 => Some(Encoding::F16),
            Self::Bf16 => Some(Encoding::Bf16),
            Self::Q8_0 => Some(Encoding::Q8_0),
            Self::Q4_0 => Some(Encoding::Q4_0),
            Self::Blocks(_) | Self::Grids(_) | Self::Groups(_) => None,
        }
    }
}

impl BlockFormat {
    /// Elements of one block.
    pub const fn block_elements(self) -> usize {
        match self {
            Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Iq4Nl | Self::Mxfp4 => quant::BLOCK,
            Self::Nvfp4 | Self::Nvfp4Scaled | Self::Q2_0 => 64,
            Self::Q1_0 => 128,
            Self::Q2K
            | Self::Q3K
            | Self::Q4K
            | Self::Q5K
            | Self::Q6K
            | Self::Iq4Xs
            | Self::Tq1_0
            | Self::Tq2_0 => LARGEST_BLOCK,
        }
    }

    /// Bytes of one block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q2K => 84,
            Self::Q3K => 110,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
            Self::Iq4Nl => 18,
            Self::Iq4Xs => 136,
            Self::Mxfp4 => 17,
            Self::Nvfp4 => 36,
            Self::Nvfp4Scaled => 40,
            Self::Tq1_0 => 54,
            Self::Tq2_0 => 66,
            Self::Q1_0 | Self::Q2_0 => 18,
        }
    }

    /// The usual spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Q4_1 => "q4_1",
            Self::Q5_0 => "q5_0",
            Self::Q5_1 => "q5_1",
            Self::Q2K => "q2_k",
            Self::Q3K => "q3_k",
            Self::Q4K => "q4_k",
            Self::Q5K => "q5_k",
            Self::Q6K => "q6_k",
            Self::Iq4Nl => "iq4_nl",
            Self::Iq4Xs => "iq4_xs",
            Self::Mxfp4 => "mxfp4",
            Self::Nvfp4 => "nvfp4",
            Self::Nvfp4Scaled => "nvfp4-scaled",
            Self::Tq1_0 => "tq1_0",
            Self::Tq2_0 => "tq2_0",
            Self::Q1_0 => "q1_0",
            Self::Q2_0 => "q2_0",
        }
    }
}

impl GridFormat {
    /// Bytes of one block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::Iq3S => 110,
            Self::Iq3Xxs => 98,
            Self::Iq2S => 82,
            Self::Iq2Xs => 74,
            Self::Iq2Xxs => 66,
            Self::Iq1S => 50,
            Self::Iq1M => 56,
        }
    }

    /// The usual spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iq3S => "iq3_s",
            Self::Iq3Xxs => "iq3_xxs",
            Self::Iq2S => "iq2_s",
            Self::Iq2Xs => "iq2_xs",
            Self::Iq2Xxs => "iq2_xxs",
            Self::Iq1S => "iq1_s",
            Self::Iq1M => "iq1_m",
        }
    }
}

impl Encoding {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::F32, Self::F16, Self::Bf16, Self::Q8_0, Self::Q4_0];

    /// The format of the result.
    pub const fn format(self) -> WeightFormat {
        match self {
            Self::F32 => WeightFormat::F32,
            Self::F16 => WeightFormat::F16,
            Self::Bf16 => WeightFormat::Bf16,
            Self::Q8_0 => WeightFormat::Q8_0,
            Self::Q4_0 => WeightFormat::Q4_0,
        }
    }
}
