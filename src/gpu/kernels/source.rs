//! The kernels' WGSL: which files make each one, put together without a preprocessor.
//!
//! A kernel is one file of `shaders/`, preceded by the functions of `shaders/lib/` that it uses and, where it
//! reads weights, by the reader of their format from `shaders/weights/`. Where lanes add up, one of two files
//! with the same functions comes first, by subgroups or without them; where matrix units multiply, what they
//! take comes first, from `shaders/matrices/`.

use super::attention_units;
use super::kernel::{Kernel, KernelSpec};
use super::matrix_tile::{Matrices, MatrixTile};
use super::matrix_units::MatrixUnits;
use super::reduction::Reduction;
use super::repeat::repeated;
use crate::model::WeightFormat;
use crate::model::blocks::{E2M1, IQ4_CODEBOOK};
use crate::model::group_format::{GroupCodes, GroupFactors, GroupFormat};
use crate::model::groups::{FP4, NF4};
use crate::model::weight_format::{BlockFormat, GridFormat};

macro_rules! lib {
    ($name:literal) => {
        include_str!(concat!("../../../shaders/lib/", $name, ".wgsl"))
    };
}

/// A kernel as it is put together for a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    /// The kernel.
    pub kernel: Kernel,
    /// The format of the weights it reads, if it reads any.
    pub format: Option<WeightFormat>,
    /// How its lanes add up, if they do.
    pub reduction: Option<Reduction>,
    /// What multiplies, if matrix units do.
    pub units: Option<MatrixUnits>,
    /// What a workgroup computes, where tiles differ in size.
    pub tile: Option<MatrixTile>,
}

impl From<Kernel> for Variant {
    /// A kernel without variants.
    fn from(kernel: Kernel) -> Self {
        Self { kernel, format: None, reduction: None, units: None, tile: None }
    }
}

/// Every kernel in every variant.
pub fn variants() -> impl Iterator<Item = Variant> {
    Kernel::ALL.iter().flat_map(|&kernel| {
        let spec = kernel.spec();
        let formats = if spec.reads_weights { WeightFormat::ALL.map(Some).to_vec() } else { vec![None] };
        let reductions = if spec.reduces { Reduction::EACH.map(Some).to_vec() } else { vec![None] };
        let matrices: Vec<_> = match (spec.uses_matrix_units, kernel.has_tile_sizes()) {
            (true, true) => Matrices::all().map(|all| (Some(all.units), Some(all.tile))).collect(),
            (true, false) => MatrixUnits::ALL.map(|units| (Some(units), None)).to_vec(),
            (false, _) => vec![(None, None)],
        };
        let mut all = Vec::new();
        for &format in &formats {
            for &reduction in &reductions {
                let variant = |&(units, tile)| Variant { kernel, format, reduction, units, tile };
                all.extend(matrices.iter().map(variant));
            }
        }
        all
    })
}

/// The complete source of a kernel.
pub fn kernel_source(variant: Variant) -> String {
    let Variant { kernel, format, reduction, units, tile } = variant;
    let spec = kernel.spec();
    assert_eq!(spec.reads_weights, format.is_some(), "{} and its weight format", spec.name);
    assert_eq!(spec.reduces, reduction.is_some(), "{} and its reduction", spec.name);
    assert_eq!(spec.uses_matrix_units, units.is_some(), "{} and its matrix units", spec.name);
    assert_eq!(kernel.has_tile_sizes(), tile.is_some(), "{} and its tile", spec.name);
    let reduction = reduction.map(|reduction| match reduction {
        Reduction::Memory => lib!("reduce_memory"),
        Reduction::Subgroups { .. } => lib!("reduce_subgroups"),
    });
    let weights = format.map_or_else(Vec::new, |format| weight_files(format, spec, units));
    let body = match (units, tile, format) {
        (Some(units), Some(tile), Some(format)) => {
            repeated(spec.body, &Matrices { units, tile }.repeats(unit_blocks(format)))
        }
        (Some(units), None, None) => repeated(spec.body, &attention_units::repeats(units)),
        (None, None, Some(format)) if kernel == Kernel::GemmSharedMemory => {
            repeated(spec.body, &[('i', 8), ('w', 8), ('b', 8), ('u', 8 / unit_blocks(format))])
        }
        _ => spec.body.to_owned(),
    };
    let tile = tile.map(MatrixTile::constants);
    let of_units: Vec<&str> = units.map_or_else(Vec::new, matrix_files);
    let files = of_units
        .into_iter()
        .chain(tile.as_deref())
        .chain(reduction)
        .chain(spec.libraries.iter().copied())
        .chain(weights.iter().map(String::as_str))
        .chain([body.as_str()]);
    files.collect::<Vec<&str>>().join("\n")
}

/// What reads the weights of a format.
fn weight_files(format: WeightFormat, spec: &KernelSpec, matrices: Option<MatrixUnits>) -> Vec<String> {
    let tables = tables(format, spec);
    if format == WeightFormat::F16 && matrices.is_some_and(MatrixUnits::rounds) {
        return vec![tables, include_str!("../../../shaders/matrices/units_as_stored.wgsl").to_owned()];
    }
    let units = match format {
        WeightFormat::Blocks(_) | WeightFormat::Grids(_) | WeightFormat::Groups(_) => lib!("sub_blocks"),
        _ => lib!("scaled_units"),
    };
    let parts = match format {
        WeightFormat::Groups(format) => group_parts(format),
        _ => String::new(),
    };
    let mut files = vec![units.to_owned(), tables, parts, reader(format).to_owned()];
    if matrices.is_some() {
        let narrowed = include_str!("../../../shaders/matrices/units_narrowed.wgsl");
        files.extend([lib!("words"), lib!("tile_units"), narrowed].map(str::to_owned));
    }
    files
}

/// What kernels need to know of matrix units.
fn matrix_files(units: MatrixUnits) -> Vec<&'static str> {
    let half = include_str!("../../../shaders/matrices/f16.wgsl");
    let single = include_str!("../../../shaders/matrices/f32.wgsl");
    let squares_16 = include_str!("../../../shaders/matrices/squares_16.wgsl");
    let squares_8 = include_str!("../../../shaders/matrices/squares_8.wgsl");
    let emulated = include_str!("../../../shaders/matrices/emulated.wgsl");
    let enable = "enable wgpu_cooperative_matrix;\n";
    match units {
        MatrixUnits::Half16 => vec![enable, half, squares_16],
        MatrixUnits::Half8 => vec![enable, half, squares_8],
        MatrixUnits::Single8 => vec![enable, single, squares_8],
        MatrixUnits::Emulated8 => vec![half, emulated],
    }
}

/// Blocks of four weights in a unit of a format, as its reader has them.
fn unit_blocks(format: WeightFormat) -> u32 {
    match format {
        WeightFormat::F32 => 1,
        WeightFormat::F16 | WeightFormat::Bf16 => 2,
        WeightFormat::Q8_0 => 4,
        WeightFormat::Q4_0 | WeightFormat::Blocks(_) | WeightFormat::Grids(_) | WeightFormat::Groups(_) => 8,
    }
}

/// What a group format is made of, for the reader of them all.
fn group_parts(format: GroupFormat) -> String {
    let (bits, units) = (format.codes.bits(), format.size.elements() / 32);
    let higher = match format.codes {
        GroupCodes::Int3 | GroupCodes::Int5 => 1,
        GroupCodes::Int6 => 2,
        _ => 0,
    };
    let (whole, scale, codebook) = match format.codes {
        GroupCodes::E4m3 => (false, 256, lib!("codes_e4m3")),
        GroupCodes::Nf4 | GroupCodes::Fp4 => (false, 1, ""),
        _ => (true, 1, lib!("codes_whole")),
    };
    let factors = match format.factors {
        GroupFactors::F16Bias => "HALF_BIAS",
        GroupFactors::Bf16Bias => "BRAIN_BIAS",
        GroupFactors::F16Zero => "HALF_ZERO",
        GroupFactors::Bf16Zero => "BRAIN_ZERO",
        GroupFactors::F32 => "SINGLE",
    };
    format!(
        "const BITS: u32 = {bits}u;\nconst HIGHER: u32 = {higher}u;\nconst WHOLE: bool = {whole};\n\
         const CODE_SCALE: f32 = {scale}.0;\nconst GROUP_UNITS: u32 = {units}u;\n\
         const FACTORS: u32 = {factors};\n{codebook}"
    )
}

/// How the tables of a format are looked up, of numbers that codes of four bits stand for or of points of a grid:
/// where a kernel copies them to workgroup memory first, it calls `prepare_tables` whatever the format.
fn tables(format: WeightFormat, kernel: &KernelSpec) -> String {
    let copied = kernel.copies_tables;
    let mut text = String::new();
    let files = match (format, meanings(format)) {
        (WeightFormat::Grids(_), _) if copied && !kernel.leaves_grids => [lib!("grids"), lib!("grid_memory")],
        (WeightFormat::Grids(_), _) if copied => {
            text += lib!("no_tables");
            [lib!("grids"), lib!("grid_storage")]
        }
        (WeightFormat::Grids(_), _) => [lib!("grids"), lib!("grid_storage")],
        (_, Some((numbers, lookup))) => {
            text += &numbers_file(&numbers);
            match lookup {
                _ if copied => [lib!("numbers_memory"), ""],
                Lookup::Chosen => [lib!("numbers_chosen"), ""],
                Lookup::Bytes => [lib!("numbers_iq4"), ""],
                Lookup::Computed => [lib!("numbers_e2m1"), ""],
            }
        }
        (_, None) if copied => [lib!("no_tables"), ""],
        (_, None) => return text,
    };
    text + &files.concat()
}

/// How kernels without workgroup memory find what a code stands for.
enum Lookup {
    /// Of all numbers chosen bit by bit.
    Chosen,
    /// In four words of bytes.
    Bytes,
    /// By arithmetic.
    Computed,
}

/// The sixteen numbers that a format's codes of four bits stand for, if they are no plain ones.
fn meanings(format: WeightFormat) -> Option<([f32; 16], Lookup)> {
    use {BlockFormat as Block, GroupCodes as Codes, WeightFormat as Format};
    Some(match format {
        Format::Blocks(Block::Iq4Nl | Block::Iq4Xs) => (IQ4_CODEBOOK.map(f32::from), Lookup::Bytes),
        Format::Blocks(Block::Mxfp4 | Block::Nvfp4 | Block::Nvfp4Scaled) => {
            (E2M1.map(f32::from), Lookup::Computed)
        }
        Format::Groups(GroupFormat { codes: Codes::Nf4, .. }) => (NF4, Lookup::Chosen),
        Format::Groups(GroupFormat { codes: Codes::Fp4, .. }) => (FP4, Lookup::Chosen),
        _ => return None,
    })
}

/// What codes stand for, as a constant.
fn numbers_file(numbers: &[f32; 16]) -> String {
    let numbers: Vec<String> = numbers.iter().map(|number| format!("{number:?}f")).collect();
    format!("const NUMBERS = array<f32, 16>({});\n", numbers.join(", "))
}

/// The reader of a weight format.
fn reader(format: WeightFormat) -> &'static str {
    match format {
        WeightFormat::F32 => include_str!("../../../shaders/weights/f32.wgsl"),
        WeightFormat::F16 => include_str!("../../../shaders/weights/f16.wgsl"),
        WeightFormat::Bf16 => include_str!("../../../shaders/weights/bf16.wgsl"),
        WeightFormat::Q8_0 => include_str!("../../../shaders/weights/q8_0.wgsl"),
        WeightFormat::Q4_0 => include_str!("../../../shaders/weights/q4_0.wgsl"),
        WeightFormat::Blocks(BlockFormat::Q4_1) => include_str!("../../../shaders/weights/q4_1.wgsl"),
        WeightFormat::Blocks(BlockFormat::Q5_0) => include_str!("../../../shaders/weights/q5_0.wgsl"),
        WeightFormat::Blocks(BlockFormat::Q5_1) => include_str!("../../../shaders/weights/q5_1.wgsl"),
        WeightFormat::Blocks(BlockFormat::Q2K) => include_str!("../../../shaders/weights/q2_k.wgsl"),
        WeightFormat::Blocks(BlockFormat::Q3K) => include_str!("../../../shaders/weights/q3_k.wgsl"),
        WeightFormat::Blocks(BlockFormat::Q4K) => include_str!("../../../shaders/weights/q4_k.wgsl"),
        WeightFormat::Blocks(BlockFormat::Q5K) => include_str!("../../../shaders/weights/q5_k.wgsl"),
        WeightFormat::Blocks(BlockFormat::Q6K) => include_str!("../../../shaders/weights/q6_k.wgsl"),
        WeightFormat::Blocks(BlockFormat::Iq4Nl) => include_str!("../../../shaders/weights/iq4_nl.wgsl"),
        WeightFormat::Blocks(BlockFormat::Iq4Xs) => include_str!("../../../shaders/weights/iq4_xs.wgsl"),
        WeightFormat::Blocks(BlockFormat::Mxfp4) => include_str!("../../../shaders/weights/mxfp4.wgsl"),
        WeightFormat::Blocks(BlockFormat::Nvfp4) => include_str!("../../../shaders/weights/nvfp4.wgsl"),
        WeightFormat::Blocks(BlockFormat::Nvfp4Scaled) => {
            include_str!("../../../shaders/weights/nvfp4_scaled.wgsl")
        }
        WeightFormat::Blocks(BlockFormat::Tq1_0 | BlockFormat::Tq2_0) => {
            include_str!("../../../shaders/weights/tq2_0.wgsl")
        }
        WeightFormat::Blocks(BlockFormat::Q1_0) => include_str!("../../../shaders/weights/q1_0.wgsl"),
        WeightFormat::Blocks(BlockFormat::Q2_0) => include_str!("../../../shaders/weights/q2_0.wgsl"),
        WeightFormat::Groups(_) => include_str!("../../../shaders/weights/groups.wgsl"),
        WeightFormat::Grids(GridFormat::Iq3S) => include_str!("../../../shaders/weights/iq3_s.wgsl"),
        WeightFormat::Grids(GridFormat::Iq3Xxs) => include_str!("../../../shaders/weights/iq3_xxs.wgsl"),
        WeightFormat::Grids(GridFormat::Iq2S) => include_str!("../../../shaders/weights/iq2_s.wgsl"),
        WeightFormat::Grids(GridFormat::Iq2Xs) => include_str!("../../../shaders/weights/iq2_xs.wgsl"),
        WeightFormat::Grids(GridFormat::Iq2Xxs) => include_str!("../../../shaders/weights/iq2_xxs.wgsl"),
        WeightFormat::Grids(GridFormat::Iq1S) => include_str!("../../../shaders/weights/iq1_s.wgsl"),
        WeightFormat::Grids(GridFormat::Iq1M) => include_str!("../../../shaders/weights/iq1_m.wgsl"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::shader_text::constants;
    use super::*;

    #[test]
    fn units_are_as_large_as_their_readers_have_them() {
        for (format, file) in [
            (WeightFormat::F32, "weights/f32"),
            (WeightFormat::F16, "weights/f16"),
            (WeightFormat::Bf16, "weights/bf16"),
            (WeightFormat::Q8_0, "weights/q8_0"),
            (WeightFormat::Q4_0, "weights/q4_0"),
            (WeightFormat::Blocks(BlockFormat::Q4K), "lib/sub_blocks"),
        ] {
            assert_eq!(constants(&format!("{file}.wgsl"))["UNIT"], f64::from(unit_blocks(format)), "{file}");
        }
    }
}
