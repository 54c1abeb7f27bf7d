//! How tensors lie in GPU memory: sizes, and the way from stored rows to that layout.
//!
//! A matrix row is a whole number of **units** of 16 bytes, one load of a kernel: 4 weights in f32, 8 in f16 and
//! bf16, 16 in q8_0, 32 in q4_0; of the other formats [`block_layout`] tells. Rows are padded with zeros to whole units, and to whole blocks in formats with
//! scales. Those are structures of arrays: the quants in one buffer, the scales (f16, one a block, in the order of
//! the blocks) in another. There a table stands before them in formats whose codes are points of a grid. Vectors and position tables are f32. `shaders/weights/` has the readers.

use super::{block_layout, grid_layout, group_layout};
use crate::model::WeightFormat;
use crate::model::plan::{Op, Plan};
use crate::model::quant::{Q4_0_BYTES, Q8_0_BYTES};
use crate::model::weight_format::{Encoding, LARGEST_BLOCK};
use crate::model::weights::TensorInfo;

/// Bytes of a unit.
const UNIT_BYTES: usize = 16;
/// Bytes of a scale.
const SCALE_BYTES: usize = 2;
/// Rows that stay together in a shard, and that a matrix is padded to: four of a gate and their four of up.
pub(super) const ROW_BLOCK: usize = 8;

/// How the kernels read a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GpuLayout {
    /// In its stored precision, through the format's reader.
    Matrix(WeightFormat),
    /// As f32: norm weights, biases, position tables.
    Vector,
}

/// Columns of an activation row or a vector with padding: every unit of weights has its inputs.
pub(crate) fn padded(columns: usize) -> usize {
    columns.next_multiple_of(32)
}

/// Bytes of such a row.
pub(crate) fn row_bytes(columns: usize) -> u64 {
    4 * padded(columns) as u64
}

/// Elements of a weight row with padding.
pub(crate) fn padded_row(format: WeightFormat, columns: usize) -> usize {
    match format {
        WeightFormat::F32 => columns.next_multiple_of(4),
        WeightFormat::F16 | WeightFormat::Bf16 => columns.next_multiple_of(8),
        _ => columns.next_multiple_of(format.block_elements()),
    }
}

/// Weights of a unit.
pub(crate) fn unit_weights(format: WeightFormat) -> usize {
    match format {
        WeightFormat::F32 => 4,
        WeightFormat::F16 | WeightFormat::Bf16 => 8,
        WeightFormat::Q8_0 => 16,
        _ => 32,
    }
}

impl GpuLayout {
    /// How the plan's ops read each of its tensors.
    pub(crate) fn of_all(plan: &Plan, tensors: &[TensorInfo]) -> Vec<Self> {
        let mut layouts = vec![Self::Vector; plan.tensors.len()];
        for op in &plan.ops {
            if let Op::Embed { table: tensor, .. }
            | Op::Linear { weight: tensor, .. }
            | Op::ExpertLinear { weight: tensor, .. }
            | Op::HeadLinear { weight: tensor, .. } = op
            {
                layouts[tensor.0] = Self::Matrix(tensors[tensor.0].format);
            }
        }
        layouts
    }

    /// Bytes of `rows` rows on the GPU, with their scales, the padding after them, and a table.
    pub(crate) fn bytes(self, rows: usize, columns: usize) -> u64 {
        let rows = self.padded_rows(rows) as u64;
        rows * (self.row_bytes(columns) + self.row_scale_bytes(columns)) + self.table_bytes()
    }

    /// Rows with padding.
    pub(crate) fn padded_rows(self, rows: usize) -> usize {
        match self {
            Self::Matrix(_) => rows.next_multiple_of(ROW_BLOCK),
            Self::Vector => rows,
        }
    }

    /// Bytes of a row on the GPU, without its scales.
    pub(crate) fn row_bytes(self, columns: usize) -> u64 {
        let bytes = match self {
            Self::Matrix(format) => {
                let elements = padded_row(format, columns);
                match format {
                    WeightFormat::F32 | WeightFormat::F16 | WeightFormat::Bf16 => format.bytes(elements),
                    WeightFormat::Q8_0 => elements,
                    WeightFormat::Q4_0 => elements / 2,
                    WeightFormat::Blocks(blocks) => {
                        elements / blocks.block_elements() * block_layout::unit_bytes(blocks)
                    }
                    WeightFormat::Grids(grids) => elements / LARGEST_BLOCK * grid_layout::unit_bytes(grids),
                    WeightFormat::Groups(groups) => {
                        elements / groups.size.elements() * group_layout::unit_bytes(groups)
                    }
                }
            }
            Self::Vector => return row_bytes(columns),
        };
        bytes as u64
    }

    /// Whether scales or records lie apart from its rows.
    pub(crate) fn has_scales(self) -> bool {
        match self {
            Self::Matrix(format) => scale_bytes(format, format.block_elements()) > 0,
            Self::Vector => false,
        }
    }

    /// The table that stands before a shard's scales; empty in formats without.
    pub(super) fn table(self) -> Vec<u8> {
        match self {
            Self::Matrix(WeightFormat::Grids(format)) => grid_layout::table(format),
            _ => Vec::new(),
        }
    }

    /// Bytes of such a table.
    pub(crate) fn table_bytes(self) -> u64 {
        match self {
            Self::Matrix(WeightFormat::Grids(format)) => grid_layout::table_bytes(format) as u64,
            _ => 0,
        }
    }

    /// Bytes of a row's scales; 0 in formats without.
    pub(crate) fn row_scale_bytes(self, columns: usize) -> u64 {
        match self {
            Self::Matrix(format) => scale_bytes(format, padded_row(format, columns)) as u64,
            Self::Vector => 0,
        }
    }
}

fn scale_bytes(format: WeightFormat, elements: usize) -> usize {
    let blocks = elements / format.block_elements();
    match format {
        WeightFormat::F32 | WeightFormat::F16 | WeightFormat::Bf16 => 0,
        WeightFormat::Q8_0 | WeightFormat::Q4_0 => SCALE_BYTES * blocks,
        WeightFormat::Blocks(format) => block_layout::record_bytes(format) * blocks,
        WeightFormat::Grids(format) => grid_layout::record_bytes(format) * blocks,
        WeightFormat::Groups(format) => group_layout::record_bytes(format) * blocks,
    }
}

/// Room for rows on their way from the stored layout to the GPU's.
#[derive(Default)]
pub(super) struct Packer {
    rows: Vec<u8>,
    scales: Vec<u8>,
}

impl Packer {
    /// Some stored rows of a tensor as the GPU has them: the rows, and their scales. Borrows what is stored where
    /// nothing changes.
    pub(super) fn pack<'a>(
        &'a mut self,
        stored: &'a [u8],
        info: &TensorInfo,
        layout: GpuLayout,
    ) -> (&'a [u8], &'a [u8]) {
        self.rows.clear();
        self.scales.clear();
        let to = layout.row_bytes(info.columns) as usize;
        match layout {
            GpuLayout::Matrix(WeightFormat::Q8_0) => {
                for block in stored.as_chunks::<Q8_0_BYTES>().0 {
                    self.scales.extend_from_slice(&block[..SCALE_BYTES]);
                    self.rows.extend_from_slice(&block[SCALE_BYTES..]);
                }
            }
            GpuLayout::Matrix(WeightFormat::Q4_0) => {
                for block in stored.as_chunks::<Q4_0_BYTES>().0 {
                    self.scales.extend_from_slice(&block[..SCALE_BYTES]);
                    self.rows.extend_from_slice(&q4_0_unit(block));
                }
            }
            GpuLayout::Matrix(WeightFormat::Blocks(format)) => {
                for block in stored.chunks_exact(format.block_bytes()) {
                    block_layout::push(format, block, &mut self.rows, &mut self.scales);
                }
            }
            GpuLayout::Matrix(WeightFormat::Grids(format)) => {
                for block in stored.chunks_exact(format.block_bytes()) {
                    grid_layout::push(format, block, &mut self.rows, &mut self.scales);
                }
            }
            GpuLayout::Matrix(WeightFormat::Groups(format)) => {
                for block in stored.chunks_exact(format.block_bytes()) {
                    group_layout::push(format, block, &mut self.rows, &mut self.scales);
                }
            }
            GpuLayout::Vector if info.format != WeightFormat::F32 => {
                let widened = info.format.convert(stored, Encoding::F32);
                self.pad(&widened, WeightFormat::F32.bytes(info.columns), to);
            }
            GpuLayout::Matrix(_) | GpuLayout::Vector if info.row_bytes() == to => return (stored, &[]),
            GpuLayout::Matrix(_) | GpuLayout::Vector => self.pad(stored, info.row_bytes(), to),
        }
        (&self.rows, &self.scales)
    }

    fn pad(&mut self, rows: &[u8], from: usize, to: usize) {
        for row in rows.chunks_exact(from) {
            self.rows.extend_from_slice(row);
            self.rows.resize(self.rows.len() + to - from, 0);
        }
    }
}

/// The quants of a q4_0 block in an order that a kernel unpacks four at a time: word i has the weights 8i to 8i + 3
/// in the low halves of its bytes, and 8i + 4 to 8i + 7 in the high ones. In the file, byte j has the weights j
/// and j + 16.
fn q4_0_unit(block: &[u8; Q4_0_BYTES]) -> [u8; UNIT_BYTES] {
    const LOW: u32 = 0x0f0f_0f0f;
    let word = |index: usize| {
        let at = SCALE_BYTES + 4 * index;
        u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
    };
    let words = [
        word(0) & LOW | (word(1) & LOW) << 4,
        word(2) & LOW | (word(3) & LOW) << 4,
        word(0) >> 4 & LOW | word(1) & !LOW,
        word(2) >> 4 & LOW | word(3) & !LOW,
    ];
    std::array::from_fn(|index| words[index / 4].to_le_bytes()[index % 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(rows: usize, columns: usize, format: WeightFormat) -> TensorInfo {
        TensorInfo { name: "tensor".to_owned(), rows, columns, format }
    }

    #[test]
    fn q4_0_blocks_are_reordered_by_fours() {
        let mut block = [0; Q4_0_BYTES];
        // Weight j has the value j modulo 16; the high half of a byte holds weight j + 16, so the same.
        (0..16).for_each(|index| block[2 + index] = (index | index << 4) as u8);
        let unit = q4_0_unit(&block);
        for (word, bytes) in unit.chunks_exact(4).enumerate() {
            for (index, byte) in bytes.iter().enumerate() {
                let low = (8 * word + index) % 16;
                assert_eq!(usize::from(byte & 0xf), low);
                assert_eq!(usize::from(byte >> 4), low + 4);
            }
        }
        // The second half of the weights comes from the high halves.
        (0..16).for_each(|index| block[2 + index] = 0x90);
        assert_eq!(
            q4_0_unit(&block),
            [0, 0, 0, 0, 0, 0, 0, 0, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99]
        );
    }

    #[test]
    fn rows_are_padded_to_units_and_scales_stand_apart() {
        let mut packer = Packer::default();
        let halves = info(2, 5, WeightFormat::F16);
        let layout = GpuLayout::Matrix(WeightFormat::F16);
        let stored: Vec<u8> = (1..=20).collect();
        let (rows, scales) = packer.pack(&stored, &halves, layout);
        assert_eq!((rows.len(), scales.len()), (2 * layout.row_bytes(5) as usize, 0));
        assert_eq!(rows[8..18], [9, 10, 0, 0, 0, 0, 0, 0, 11, 12]);

        let bytes = info(1, 64, WeightFormat::Q8_0);
        let stored: Vec<u8> = (0..68).collect();
        let (rows, scales) = packer.pack(&stored, &bytes, GpuLayout::Matrix(WeightFormat::Q8_0));
        assert_eq!(scales, [0, 1, 34, 35]);
        assert_eq!((rows.len(), rows[31], rows[32]), (64, 33, 36));

        let vector = info(1, 3, WeightFormat::Bf16);
        let (rows, _) = packer.pack(&[0x80, 0x3f, 0, 0x40, 0x40, 0x40], &vector, GpuLayout::Vector);
        let expected: Vec<u8> = [1.0_f32, 2.0, 3.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!((rows.len(), &rows[..12], &rows[12..16]), (128, &expected[..], &[0; 4][..]));
    }

    #[test]
    fn a_row_takes_its_bits_a_weight() {
        let bits = |format, columns| {
            let layout = GpuLayout::Matrix(format);
            8 * (layout.row_bytes(columns) + layout.row_scale_bytes(columns))
        };
        assert_eq!(Encoding::ALL.map(|encoding| bits(encoding.format(), 64)), [2048, 1024, 1024, 544, 288]);
        assert_eq!(Encoding::ALL.map(|encoding| bits(encoding.format(), 33)), [1152, 640, 640, 544, 288]);
        assert_eq!(GpuLayout::Matrix(WeightFormat::F16).bytes(9, 8), 16 * 16);
        assert_eq!(GpuLayout::Vector.bytes(9, 8), 9 * 128);
    }
}
