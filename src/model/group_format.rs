//! The quantised formats that folders of safetensors bring: their parts and their names.

/// Quantised formats of folders: groups of so many neighbours of a row, as codes and a factor. [`super::groups`] defines them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupFormat {
    /// How each element is told.
    pub codes: GroupCodes,
    /// How many elements share a factor.
    pub size: GroupSize,
    /// What the codes are multiplied by, and what is added or taken off.
    pub factors: GroupFactors,
}

/// How an element of a group is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupCodes {
    /// A whole number of two bits.
    Int2,
    /// Of three.
    Int3,
    /// Of four.
    Int4,
    /// Of five.
    Int5,
    /// Of six.
    Int6,
    /// Of eight.
    Int8,
    /// A float of eight bits, four of them an exponent and three a mantissa.
    E4m3,
    /// One of sixteen numbers from −1 to 1 that are dense around 0, by bitsandbytes' table.
    Nf4,
    /// One of eight numbers with a sign, by bitsandbytes' table.
    Fp4,
}

/// Elements of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupSize {
    /// 32.
    G32,
    /// 64.
    G64,
    /// 128.
    G128,
}

/// The numbers that a group has besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupFactors {
    /// A step and what is added, both in f16.
    F16Bias,
    /// Both in bf16.
    Bf16Bias,
    /// A step in f16, and the code that stands for 0.
    F16Zero,
    /// A step in bf16, and the code that stands for 0.
    Bf16Zero,
    /// A step in f32; the code in the middle stands for 0.
    F32,
}

/// The name of a format whose codes have this name.
macro_rules! name_of {
    ($format:expr, $codes:literal) => {
        match ($format.size, $format.factors) {
            (GroupSize::G32, GroupFactors::F16Bias) => concat!($codes, "-g32-f16"),
            (GroupSize::G32, GroupFactors::Bf16Bias) => concat!($codes, "-g32-bf16"),
            (GroupSize::G32, GroupFactors::F16Zero) => concat!($codes, "-g32-f16-zeros"),
            (GroupSize::G32, GroupFactors::Bf16Zero) => concat!($codes, "-g32-bf16-zeros"),
            (GroupSize::G32, GroupFactors::F32) => concat!($codes, "-g32-f32"),
            (GroupSize::G64, GroupFactors::F16Bias) => concat!($codes, "-g64-f16"),
            (GroupSize::G64, GroupFactors::Bf16Bias) => concat!($codes, "-g64-bf16"),
            (GroupSize::G64, GroupFactors::F16Zero) => concat!($codes, "-g64-f16-zeros"),
            (GroupSize::G64, GroupFactors::Bf16Zero) => concat!($codes, "-g64-bf16-zeros"),
            (GroupSize::G64, GroupFactors::F32) => concat!($codes, "-g64-f32"),
            (GroupSize::G128, GroupFactors::F16Bias) => concat!($codes, "-g128-f16"),
            (GroupSize::G128, GroupFactors::Bf16Bias) => concat!($codes, "-g128-bf16"),
            (GroupSize::G128, GroupFactors::F16Zero) => concat!($codes, "-g128-f16-zeros"),
            (GroupSize::G128, GroupFactors::Bf16Zero) => concat!($codes, "-g128-bf16-zeros"),
            (GroupSize::G128, GroupFactors::F32) => concat!($codes, "-g128-f32"),
        }
    };
}

impl GroupFormat {
    /// The format of these parts.
    pub const fn new(codes: GroupCodes, size: GroupSize, factors: GroupFactors) -> Self {
        Self { codes, size, factors }
    }

    /// Bytes of one block: what [`GroupFactors`] says, in four bytes, and then the codes.
    pub const fn block_bytes(self) -> usize {
        FACTOR_BYTES + self.codes.bits() * self.size.elements() / 8
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self.codes {
            GroupCodes::Int2 => name_of!(self, "int2"),
            GroupCodes::Int3 => name_of!(self, "int3"),
            GroupCodes::Int4 => name_of!(self, "int4"),
            GroupCodes::Int5 => name_of!(self, "int5"),
            GroupCodes::Int6 => name_of!(self, "int6"),
            GroupCodes::Int8 => name_of!(self, "int8"),
            GroupCodes::E4m3 => name_of!(self, "e4m3"),
            GroupCodes::Nf4 => name_of!(self, "nf4"),
            GroupCodes::Fp4 => name_of!(self, "fp4"),
        }
    }
}

/// Bytes of a block before its codes.
pub const FACTOR_BYTES: usize = 4;

impl GroupCodes {
    /// Bits of a code.
    pub const fn bits(self) -> usize {
        match self {
            Self::Int2 => 2,
            Self::Int3 => 3,
            Self::Int4 | Self::Nf4 | Self::Fp4 => 4,
            Self::Int5 => 5,
            Self::Int6 => 6,
            Self::Int8 | Self::E4m3 => 8,
        }
    }

    /// Whole numbers of so many bits.
    pub fn whole(bits: u64) -> Option<Self> {
        [Self::Int2, Self::Int3, Self::Int4, Self::Int5, Self::Int6, Self::Int8]
            .into_iter()
            .find(|codes| codes.bits() as u64 == bits)
    }
}

impl GroupSize {
    /// How many elements.
    pub const fn elements(self) -> usize {
        match self {
            Self::G32 => 32,
            Self::G64 => 64,
            Self::G128 => 128,
        }
    }

    /// The group of so many elements.
    pub fn of(elements: usize) -> Option<Self> {
        [Self::G32, Self::G64, Self::G128].into_iter().find(|size| size.elements() == elements)
    }
}
