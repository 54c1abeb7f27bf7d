//! The kernels' WGSL: which files make each one, put together without a preprocessor.
//!
//! A kernel is one file of `shaders/`, preceded by the functions of `shaders/lib/` that it uses and, where it
//! reads weights, by the reader of their format from `shaders/weights/`. Where lanes add up, one of two files
//! with the same functions comes first, by subgroups or without them; where matrix units multiply, what they
//! take comes first, from `shaders/matrices/`.

use super::matrix_units::MatrixUnits;
use super::reduction::Reduction;
use crate::model::WeightFormat;
use crate::model::weight_format::BlockFormat;

/// One kernel; its file in `shaders/` has the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each kernel's file opens with what it does")]
pub enum Kernel {
    LoopCanary,
    Arithmetic,
    Embed,
    RmsNorm,
    LayerNorm,
    HeadNorm,
    LinearLanes,
    LinearGroups,
    LinearTiles,
    LinearShuffle,
    LinearShuffleTiles,
    LinearShared,
    LinearMatrices(MatrixUnits),
    Rotary,
    CacheWrite,
    AttentionStep,
    AttentionTiles,
    AttentionShuffleTiles,
    AttentionCombine,
    Activate,
    Gate,
    Add,
    Scale,
    Clamp,
    SoftCap,
    Route,
    ExpertLinear,
    Mix,
    GateRows,
    Pick,
    SelectBlocks,
    SelectTop,
    Choose,
}

const PASS: &str = include_str!("../../../shaders/lib/pass.wgsl");
const CACHE: &str = include_str!("../../../shaders/lib/cache.wgsl");
const ROW_TILES: &str = include_str!("../../../shaders/lib/row_tiles.wgsl");
const SCORES: &str = include_str!("../../../shaders/lib/scores.wgsl");
const CACHE_STORE: &str = include_str!("../../../shaders/lib/cache_store.wgsl");
const GRID: &str = include_str!("../../../shaders/lib/grid.wgsl");
const NORM: &str = include_str!("../../../shaders/lib/norm.wgsl");
const LINEAR: &str = include_str!("../../../shaders/lib/linear.wgsl");
const SHUFFLE: &str = include_str!("../../../shaders/lib/shuffle.wgsl");
const WORDS: &str = include_str!("../../../shaders/lib/words.wgsl");
const WORDS_IN_PAIRS: &str = include_str!("../../../shaders/lib/words_in_pairs.wgsl");
const PARTS: &str = include_str!("../../../shaders/lib/parts.wgsl");
const ACTIVATION: &str = include_str!("../../../shaders/lib/activation.wgsl");
const SUMMARY: &str = include_str!("../../../shaders/lib/summary.wgsl");

/// A kernel as it is put together for a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    /// The kernel.
    pub kernel: Kernel,
    /// The format of the weights it reads, if it reads any.
    pub format: Option<WeightFormat>,
    /// How its lanes add up, if they do.
    pub reduction: Option<Reduction>,
}

impl From<Kernel> for Variant {
    /// A kernel without variants.
    fn from(kernel: Kernel) -> Self {
        Self { kernel, format: None, reduction: None }
    }
}

/// Every kernel in every variant.
pub fn variants() -> impl Iterator<Item = Variant> {
    Kernel::ALL.into_iter().flat_map(|kernel| {
        let formats = if kernel.reads_weights() { WeightFormat::ALL.map(Some).to_vec() } else { vec![None] };
        let reductions: &[_] = if kernel.reduces() {
            &[Some(Reduction::Memory), Some(Reduction::Subgroups { least: 4 })]
        } else {
            &[None]
        };
        formats.into_iter().flat_map(move |format| {
            reductions.iter().map(move |&reduction| Variant { kernel, format, reduction })
        })
    })
}

/// The complete source of a kernel.
pub fn kernel_source(variant: Variant) -> String {
    let Variant { kernel, format, reduction } = variant;
    assert_eq!(kernel.reads_weights(), format.is_some(), "{} and its weight format", kernel.name());
    assert_eq!(kernel.reduces(), reduction.is_some(), "{} and its reduction", kernel.name());
    let reduction = reduction.map(|reduction| match reduction {
        Reduction::Memory => include_str!("../../../shaders/lib/reduce_memory.wgsl"),
        Reduction::Subgroups { .. } => include_str!("../../../shaders/lib/reduce_subgroups.wgsl"),
    });
    let reader = format.map(|format| match format {
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
    });
    let is_of_parts = |format: &WeightFormat| matches!(format, WeightFormat::Blocks(_));
    let parts = format.filter(is_of_parts).map(|_| PARTS);
    let half = include_str!("../../../shaders/matrices/f16.wgsl");
    let single = include_str!("../../../shaders/matrices/f32.wgsl");
    let squares_16 = include_str!("../../../shaders/matrices/squares_16.wgsl");
    let squares_8 = include_str!("../../../shaders/matrices/squares_8.wgsl");
    let units = kernel.matrix_units().map(|units| match units {
        MatrixUnits::Half16 => [half, squares_16],
        MatrixUnits::Half8 => [half, squares_8],
        MatrixUnits::Single8 => [single, squares_8],
    });
    let libraries = kernel.libraries().iter().copied();
    let files = units
        .into_iter()
        .flatten()
        .chain(reduction)
        .chain(libraries)
        .chain(parts)
        .chain(reader)
        .chain([kernel.body()]);
    files.collect::<Vec<&str>>().join("\n")
}

impl Kernel {
    const ALL: [Self; 35] = [
        Self::LoopCanary,
        Self::Arithmetic,
        Self::Embed,
        Self::RmsNorm,
        Self::LayerNorm,
        Self::HeadNorm,
        Self::LinearLanes,
        Self::LinearGroups,
        Self::LinearTiles,
        Self::LinearShuffle,
        Self::LinearShuffleTiles,
        Self::LinearShared,
        Self::LinearMatrices(MatrixUnits::Half16),
        Self::LinearMatrices(MatrixUnits::Half8),
        Self::LinearMatrices(MatrixUnits::Single8),
        Self::Rotary,
        Self::CacheWrite,
        Self::AttentionStep,
        Self::AttentionTiles,
        Self::AttentionShuffleTiles,
        Self::AttentionCombine,
        Self::Activate,
        Self::Gate,
        Self::Add,
        Self::Scale,
        Self::Clamp,
        Self::SoftCap,
        Self::Route,
        Self::ExpertLinear,
        Self::Mix,
        Self::GateRows,
        Self::Pick,
        Self::SelectBlocks,
        Self::SelectTop,
        Self::Choose,
    ];

    /// The kernel's name: its file's, without the extension.
    pub fn name(self) -> &'static str {
        self.file().0
    }

    /// Whether it reads weights in their stored format.
    fn reads_weights(self) -> bool {
        matches!(
            self,
            Self::Embed
                | Self::LinearLanes
                | Self::LinearGroups
                | Self::LinearTiles
                | Self::LinearShuffle
                | Self::LinearShuffleTiles
                | Self::LinearShared
                | Self::LinearMatrices(_)
                | Self::ExpertLinear
        )
    }

    /// What multiplies, if it has matrix units do so.
    pub fn matrix_units(self) -> Option<MatrixUnits> {
        match self {
            Self::LinearMatrices(units) => Some(units),
            _ => None,
        }
    }

    /// Whether its lanes add up what each has.
    pub(crate) fn reduces(self) -> bool {
        matches!(
            self,
            Self::RmsNorm
                | Self::LayerNorm
                | Self::HeadNorm
                | Self::LinearGroups
                | Self::ExpertLinear
                | Self::SelectTop
        )
    }

    /// Whether it reads what varies from pass to pass: whether it has a binding 0 with [`PASS`].
    pub(crate) fn reads_pass(self) -> bool {
        self.libraries().contains(&PASS) && self != Self::LinearLanes
    }

    fn body(self) -> &'static str {
        self.file().1
    }

    fn libraries(self) -> &'static [&'static str] {
        match self {
            Self::Embed => &[PASS, WORDS],
            Self::Rotary | Self::AttentionCombine | Self::Pick => &[PASS],
            Self::CacheWrite => &[PASS, CACHE, CACHE_STORE],
            Self::AttentionStep => &[PASS, CACHE, CACHE_STORE, SCORES],
            Self::AttentionTiles | Self::AttentionShuffleTiles => &[PASS, CACHE, SCORES, ROW_TILES],
            Self::LinearLanes
            | Self::LinearGroups
            | Self::LinearTiles
            | Self::LinearShared
            | Self::LinearMatrices(_) => &[PASS, GRID, ACTIVATION, LINEAR, WORDS],
            Self::LinearShuffle | Self::LinearShuffleTiles => {
                &[PASS, GRID, ACTIVATION, LINEAR, WORDS_IN_PAIRS, SHUFFLE]
            }
            Self::ExpertLinear => &[GRID, WORDS],
            Self::SelectBlocks | Self::SelectTop | Self::Choose => &[PASS, SUMMARY],
            Self::RmsNorm | Self::LayerNorm => &[NORM],
            Self::Activate | Self::Gate => &[ACTIVATION],
            Self::LoopCanary
            | Self::Arithmetic
            | Self::HeadNorm
            | Self::Add
            | Self::Scale
            | Self::Clamp
            | Self::SoftCap
            | Self::Route
            | Self::Mix
            | Self::GateRows => &[],
        }
    }

    fn file(self) -> (&'static str, &'static str) {
        macro_rules! file {
            ($name:literal) => {
                ($name, include_str!(concat!("../../../shaders/", $name, ".wgsl")))
            };
        }
        match self {
            Self::LoopCanary => file!("loop_canary"),
            Self::Arithmetic => file!("arithmetic"),
            Self::Embed => file!("embed"),
            Self::RmsNorm => file!("rms_norm"),
            Self::LayerNorm => file!("layer_norm"),
            Self::HeadNorm => file!("head_norm"),
            Self::LinearLanes => file!("linear_lanes"),
            Self::LinearGroups => file!("linear_groups"),
            Self::LinearTiles => file!("linear_tiles"),
            Self::LinearShuffle => file!("linear_shuffle"),
            Self::LinearShuffleTiles => file!("linear_shuffle_tiles"),
            Self::LinearShared => file!("linear_shared"),
            Self::LinearMatrices(_) => file!("linear_matrices"),
            Self::Rotary => file!("rotary"),
            Self::CacheWrite => file!("cache_write"),
            Self::AttentionStep => file!("attention_step"),
            Self::AttentionTiles => file!("attention_tiles"),
            Self::AttentionShuffleTiles => file!("attention_shuffle_tiles"),
            Self::AttentionCombine => file!("attention_combine"),
            Self::Activate => file!("activate"),
            Self::Gate => file!("gate"),
            Self::Add => file!("add"),
            Self::Scale => file!("scale"),
            Self::Clamp => file!("clamp"),
            Self::SoftCap => file!("soft_cap"),
            Self::Route => file!("route"),
            Self::ExpertLinear => file!("expert_linear"),
            Self::Mix => file!("mix"),
            Self::GateRows => file!("gate_rows"),
            Self::Pick => file!("pick"),
            Self::SelectBlocks => file!("select_blocks"),
            Self::SelectTop => file!("select_top"),
            Self::Choose => file!("choose"),
        }
    }
}
