//! Numbers that several kernels and the code that chooses among them share.

/// Most rows of a pass of few: beams, drafts and branches, that read the weights once for all.
pub(crate) const FEW_ROWS: usize = 8;

/// Lanes of a workgroup of [`super::LinearVariant::Shuffle`], which is one subgroup.
pub(crate) const SHUFFLE_LANES: u32 = 8;

/// Largest workgroup that any choice asks for.
pub const MOST_LANES: u32 = 256;

/// Most storage buffers that one kernel binds.
pub(crate) const MOST_BINDINGS: u32 = 8;

/// Workgroup memory that every adapter has, in blocks of four numbers: WebGPU's 16 KiB.
pub(super) const MEMORY_BLOCKS: u32 = 1024;
