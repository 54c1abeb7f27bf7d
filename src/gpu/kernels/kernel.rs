//! The kernels: one row of a table and one file of `shaders/` each.

/// What a kernel is made of.
pub(super) struct KernelSpec {
    /// Its file in `shaders/`, without the extension.
    pub name: &'static str,
    /// The text of that file.
    pub body: &'static str,
    /// The texts of the files of `shaders/lib/` that come before it.
    pub libraries: &'static [&'static str],
    /// Whether it reads weights in their stored format.
    pub reads_weights: bool,
    /// Whether it copies the tables of formats that have some to workgroup memory first.
    pub copies_tables: bool,
    /// Whether it leaves those of grids where they are stored: it decodes a tile at a time, and what waits for workgroup memory
    /// would take registers.
    pub leaves_grids: bool,
    /// Whether its lanes add up what each has.
    pub reduces: bool,
    /// Whether matrix units multiply.
    pub uses_matrix_units: bool,
    /// Whether it has no use for the pass buffer although a library declares it.
    pub ignores_pass: bool,
}

macro_rules! shader {
    ($path:expr) => {
        include_str!(concat!("../../../shaders/", $path, ".wgsl"))
    };
}

macro_rules! kernels {
    ($($kernel:ident = $file:literal, [$($library:ident),*] $(, $trait:ident)*;)*) => {
        /// One kernel; its file in `shaders/` opens with what it does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each kernel's file opens with what it does")]
        pub enum Kernel {
            $($kernel,)*
        }

        impl Kernel {
            /// Every kernel.
            pub const ALL: &'static [Self] = &[$(Self::$kernel,)*];

            pub(super) fn spec(self) -> &'static KernelSpec {
                match self {
                    $(Self::$kernel => const {
                        &KernelSpec {
                            name: $file,
                            body: shader!($file),
                            libraries: &[$(shader!(concat!("lib/", stringify!($library))),)*],
                            $($trait: true,)*
                            ..NO_TRAITS
                        }
                    },)*
                }
            }
        }
    };
}

const NO_TRAITS: KernelSpec = KernelSpec {
    name: "",
    body: "",
    libraries: &[],
    reads_weights: false,
    copies_tables: false,
    leaves_grids: false,
    reduces: false,
    uses_matrix_units: false,
    ignores_pass: false,
};

// Name, file, libraries in their order, and traits.
kernels! {
    LoopCanary = "loop_canary", [];
    Arithmetic = "arithmetic", [];
    Copy = "copy", [];
    Embed = "embed", [pass, words], reads_weights;
    RmsNorm = "rms_norm", [norm], reduces;
    LayerNorm = "layer_norm", [norm], reduces;
    HeadNorm = "head_norm", [], reduces;
    GemvPerLane = "gemv_per_lane", [pass, grid, activation, linear, words], reads_weights, ignores_pass;
    GemvPerWorkgroup =
        "gemv_per_workgroup", [pass, grid, activation, linear, parts, words], reads_weights, copies_tables, reduces,
        ignores_pass;
    GemvFewRows =
        "gemv_few_rows", [pass, grid, activation, linear, parts, words], reads_weights, copies_tables, reduces;
    GemmRegisters = "gemm_registers", [pass, grid, activation, linear, words], reads_weights;
    GemvSubgroup =
        "gemv_subgroup", [pass, grid, activation, linear, words_in_pairs, shuffle], reads_weights, ignores_pass;
    GemmSubgroup =
        "gemm_subgroup", [pass, grid, activation, linear, words_in_pairs, shuffle], reads_weights;
    GemmSharedMemory =
        "gemm_shared_memory", [pass, activation, linear, partial_sums, words, tile_units], reads_weights;
    GemmCooperative =
        "gemm_cooperative", [pass, activation, linear, partial_sums], reads_weights, copies_tables, leaves_grids,
        uses_matrix_units;
    LinearSums = "linear_sums", [pass, grid, activation, linear, partial_sums];
    Rotary = "rotary", [pass];
    CacheWrite = "cache_write", [pass, cache, cache_store];
    AttentionStep = "attention_step", [pass, cache, cache_store, scores];
    AttentionTiles = "attention_tiles", [pass, cache, scores, row_tiles];
    AttentionCooperative = "attention_cooperative", [pass, cache, scores, row_tiles], uses_matrix_units;
    AttentionShuffleTiles = "attention_shuffle_tiles", [pass, cache, scores, row_tiles];
    AttentionCombine = "attention_combine", [pass, scores];
    AttentionScores = "attention_scores", [pass, cache, scores];
    Convolution = "convolution", [pass, activation];
    RecurrencePrepare = "recurrence_prepare", [recurrence], reduces;
    Recurrence = "recurrence", [pass, recurrence, walk];
    RecurrenceWhole = "recurrence_whole", [pass, recurrence, walk];
    Activate = "activate", [activation];
    Xielu = "xielu", [];
    Gate = "gate", [activation];
    Add = "add", [];
    Scale = "scale", [];
    ScaleBy = "scale_by", [];
    Clamp = "clamp", [];
    SoftCap = "soft_cap", [];
    Route = "route", [];
    ExpertLinear = "expert_linear", [grid, words], reads_weights, copies_tables, reduces;
    HeadLinear = "head_linear", [grid, words], reads_weights, copies_tables, reduces;
    Mix = "mix", [];
    GateRows = "gate_rows", [];
    Pick = "pick", [pass];
    Reorder = "reorder", [];
    TopKBlocks = "top_k_blocks", [pass, summary];
    TopKMerge = "top_k_merge", [pass, summary], reduces;
    Pinned = "pinned", [pass, summary];
    Sample = "sample", [pass, summary];
}

impl Kernel {
    /// The kernel's name: its file's, without the extension.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// Whether its lanes add up what each has.
    pub(crate) fn reduces(self) -> bool {
        self.spec().reduces
    }

    /// Whether there are several sizes of what a workgroup computes.
    pub(super) fn has_tile_sizes(self) -> bool {
        self == Self::GemmCooperative
    }

    /// Whether a linear map by this kernel reads what varies from pass to pass, and so has a binding 0.
    pub(crate) fn reads_pass(self) -> bool {
        !self.spec().ignores_pass
    }
}
