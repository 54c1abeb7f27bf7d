//! What kernels are specialised by: every `override` of `shaders/`, with a typed value.
//!
//! A shader declares each without a default, so that a kernel that lacks one does not compile.

use crate::model::config::{Activation, GateFunction, RouterScores};
use crate::model::plan::RowSet;

/// What a value is to WGSL.
trait OverrideValue: Copy {
    /// Its type there.
    const WGSL: &'static str;

    fn number(self) -> f64;
}

macro_rules! overrides {
    ($($(#[$doc:meta])* $variant:ident($type:ty) = $name:literal,)*) => {
        /// A constant of a kernel. Shapes are in elements, but names with a 4 or with blocks count fours of them.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Override {
            $($(#[$doc])* $variant($type),)*
        }

        impl Override {
            /// Each with its name in shaders and its type there.
            pub const ALL: &'static [(&'static str, &'static str)] =
                &[$(($name, <$type as OverrideValue>::WGSL),)*];

            /// Its name in shaders.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }

            /// Its value, as pipelines take it.
            pub fn value(self) -> f64 {
                match self {
                    $(Self::$variant(value) => value.number(),)*
                }
            }
        }
    };
}

overrides! {
    /// Lanes of a workgroup.
    Workgroup(u32) = "WORKGROUP",
    /// Numbers of four that a workgroup has room for while its lanes add up.
    Summands(u32) = "SUMMANDS",

    /// Columns of a row.
    Columns(u32) = "COLUMNS",
    /// Blocks of four in a row.
    Columns4(u32) = "COLUMNS4",
    /// From one row to the next.
    Stride(u32) = "STRIDE",
    /// The same in blocks of four.
    Stride4(u32) = "STRIDE4",
    /// The first column that counts.
    First(u32) = "FIRST",
    /// The same in blocks of four.
    First4(u32) = "FIRST4",
    /// From one row of the output to the next.
    OutputStride(u32) = "OUTPUT_STRIDE",
    /// The same in blocks of four.
    OutputStride4(u32) = "OUTPUT_STRIDE4",
    /// Blocks of four in a row of the input.
    InputBlocks(u32) = "INPUT_BLOCKS",
    /// Blocks of four in a row of the output.
    OutputBlocks(u32) = "OUTPUT_BLOCKS",

    /// Blocks of four in a row of a table.
    RowBlocks(u32) = "ROW_BLOCKS",
    /// The first row of a shard.
    FirstRow(u32) = "FIRST_ROW",
    /// Rows of a shard.
    ShardRows(u32) = "SHARD_ROWS",
    /// The first block of outputs of a shard.
    FirstBlock(u32) = "FIRST_BLOCK",
    /// Blocks of outputs of a shard.
    ShardBlocks(u32) = "SHARD_BLOCKS",
    /// Units of a row of a weight.
    Units(u32) = "UNITS",
    /// Blocks of four rows of a weight that a workgroup takes.
    Parts(u32) = "PARTS",
    /// Rows of the batch that a workgroup takes.
    AtOnce(u32) = "AT_ONCE",
    /// Sums of four that are made at once.
    Slots(u32) = "SLOTS",
    /// Whether there is a bias.
    HasBias(bool) = "HAS_BIAS",
    /// Whether shares have factors.
    HasFactors(bool) = "HAS_FACTORS",
    /// Whether the input is normalised on the way.
    HasNorm(bool) = "HAS_NORM",
    /// Whether learned positions are added.
    HasPositions(bool) = "HAS_POSITIONS",
    /// What becomes of a result.
    Finish(FinishKind) = "FINISH",
    /// The non-linearity.
    Activation(Activation) = "ACTIVATION",
    /// Which rows there are.
    RowsWord(RowSet) = "ROWS_WORD",

    /// The ε of a norm, or of a sum of shares.
    Epsilon(f32) = "EPSILON",
    /// The ε of the values' norm; 0 for none.
    ValueEpsilon(f32) = "VALUE_EPSILON",
    /// Whether a norm has a weight.
    HasWeight(bool) = "HAS_WEIGHT",
    /// Elements of a norm's weight.
    WeightWidth(u32) = "WEIGHT_WIDTH",
    /// Whether a norm subtracts the mean.
    SubtractsMean(bool) = "SUBTRACTS_MEAN",
    /// What is multiplied by.
    Factor(f32) = "FACTOR",
    /// What magnitudes are kept within.
    Limit(f32) = "LIMIT",
    /// Where a soft cap levels out.
    Cap(f32) = "CAP",
    /// The factor on squares above 0.
    Positive(f32) = "POSITIVE",
    /// The factor on what an exponential adds below 0.
    Negative(f32) = "NEGATIVE",
    /// The factor on numbers themselves.
    Linear(f32) = "LINEAR",
    /// What an exponential's argument does not exceed.
    Least(f32) = "LEAST",

    /// Query heads.
    Heads(u32) = "HEADS",
    /// Key/value heads.
    KvHeads(u32) = "KV_HEADS",
    /// Elements of a head.
    HeadWidth(u32) = "HEAD_WIDTH",
    /// Eights of elements of a head in the cache.
    HeadVec8s(u32) = "HEAD_VEC8S",
    /// Eights of elements of a head of the values.
    ValueVec8s(u32) = "VALUE_VEC8S",
    /// The first eight of a cached head that belongs to its value.
    FirstVec8(u32) = "FIRST_VEC8",
    /// Heads of values that are stored.
    ValueHeads(u32) = "VALUE_HEADS",
    /// Elements that a head keeps, in blocks of four.
    Kept4(u32) = "KEPT4",
    /// Rows of a head's matrix, in blocks of four.
    HeadRows4(u32) = "HEAD_ROWS4",
    /// Columns of a head's matrix, in blocks of four.
    HeadColumns4(u32) = "HEAD_COLUMNS4",
    /// Pairs that a rotary embedding turns.
    Pairs(u32) = "PAIRS",
    /// The rotary table.
    Table(u32) = "TABLE",
    /// Whether queries and keys are normalised.
    HasNorms(bool) = "HAS_NORMS",
    /// Whether they are turned before that.
    NormsFollow(bool) = "NORMS_FOLLOW",
    /// The first column of keys.
    FirstKey(u32) = "FIRST_KEY",
    /// The first column of values.
    FirstValue(u32) = "FIRST_VALUE",
    /// From one row of values to the next.
    ValueStride(u32) = "VALUE_STRIDE",
    /// From one row of ready queries to the next.
    ReadyStride(u32) = "READY_STRIDE",
    /// Whether keys and values are cached in f16.
    KvF16(bool) = "KV_F16",
    /// Positions of a page.
    PagePositions(u32) = "PAGE_POSITIONS",
    /// What scores are multiplied by.
    Scale(f32) = "SCALE",
    /// Positions that a row sees; 0 for all.
    Window(u32) = "WINDOW",
    /// Positions of a chunk, of which rows see none before their own; 0 where they do.
    Chunk(u32) = "CHUNK",
    /// Where scores level out; 0 for nowhere.
    ScoreCap(f32) = "SCORE_CAP",
    /// The linear bias by distance; 0 for none.
    LinearBias(f32) = "LINEAR_BIAS",
    /// How fast scores grow with the row's position; 0 for not at all.
    Growth(f32) = "GROWTH",
    /// Positions until they grow.
    GrowthInterval(u32) = "GROWTH_INTERVAL",
    /// What the first position counts as where scores grow.
    GrowthOffset(u32) = "GROWTH_OFFSET",
    /// Whether each head has a sink.
    HasSinks(bool) = "HAS_SINKS",
    /// Lanes that take a head's elements side by side.
    HeadLanes(u32) = "HEAD_LANES",
    /// Blocks of eight of a key that a lane loads together.
    KeysAtOnce(u32) = "KEYS_AT_ONCE",
    /// Positions whose values a lane loads together.
    ValuesAtOnce(u32) = "VALUES_AT_ONCE",
    /// Blocks of eight of a key, in whole turns of those.
    KeyVec8s(u32) = "KEY_VEC8S",
    /// Streams of positions in a workgroup.
    Streams(u32) = "STREAMS",
    /// Query heads of a workgroup.
    Shared(u32) = "SHARED",
    /// Elements of a partial result.
    Partial(u32) = "PARTIAL",
    /// The same in blocks of four.
    Partial4(u32) = "PARTIAL4",
    /// Whether attention also stores the row's own key and value.
    FusedAppend(bool) = "FUSED_APPEND",
    /// Whether a row's positions are divided among workgroups.
    Split(bool) = "SPLIT",
    /// Blocks of four of queries.
    QueryBlocks(u32) = "QUERY_BLOCKS",
    /// Blocks of four of positions' weights.
    Weights(u32) = "WEIGHTS",
    /// Blocks of four of queries with a tile's scores, or of what lanes have mixed.
    Room(u32) = "ROOM",
    /// Lanes that take the keys of a tile side by side.
    KeyColumns(u32) = "KEY_COLUMNS",
    /// Keys of a tile.
    Tile(u32) = "TILE",
    /// From one key of a tile to the next.
    KeyStride(u32) = "KEY_STRIDE",
    /// Room for the keys of a tile.
    TileBlocks(u32) = "TILE_BLOCKS",
    /// Room for all that matrix units multiply, in blocks of four.
    TileRoom(u32) = "TILE_ROOM",
    /// Workgroups that take a tile of rows.
    TileParts(u32) = "TILE_PARTS",

    /// Rows that a convolution reads.
    Taps(u32) = "TAPS",
    /// Key heads of a recurrence, or groups that experts are in.
    Groups(u32) = "GROUPS",
    /// Elements of a key.
    KeyWidth(u32) = "KEY_WIDTH",
    /// Blocks of four of a key.
    Key4(u32) = "KEY4",
    /// Elements of a value.
    ValueWidth(u32) = "VALUE_WIDTH",
    /// From one prepared row to the next, in blocks of four.
    PreparedStride4(u32) = "PREPARED_STRIDE4",
    /// From one row of time steps to the next.
    StepStride(u32) = "STEP_STRIDE",
    /// Whether heads take turns with key heads.
    Turns(bool) = "TURNS",
    /// Whether the delta rule changes a state.
    Delta(bool) = "DELTA",
    /// The largest strength of a change.
    Range(f32) = "RANGE",
    /// The least time step.
    LeastStep(f32) = "LEAST_STEP",
    /// The largest time step.
    MostStep(f32) = "MOST_STEP",
    /// Lanes that share a row of a state.
    KeyParts(u32) = "KEY_PARTS",
    /// Room for two rows' sums by lane.
    PartialSums(u32) = "PARTIAL_SUMS",

    /// Experts that there are.
    Experts(u32) = "EXPERTS",
    /// Experts of a row.
    Active(u32) = "ACTIVE",
    /// What is made of a router's results.
    RouterScores(RouterScores) = "SCORES",
    /// How far from the chosen expert others may lie in a sparse mixer.
    Spread(f32) = "SPREAD",
    /// Groups that a row's experts come from.
    KeptGroups(u32) = "KEPT_GROUPS",
    /// Whether groups are ranked by their two largest numbers rather than by one.
    RankedByTwo(bool) = "RANKED_BY_TWO",
    /// Whether shares are divided by their sum.
    Renormalised(bool) = "RENORMALISED",
    /// From one row of routes to the next.
    RoutesStride(u32) = "ROUTES_STRIDE",
    /// Whether what experts make of a row is multiplied by their shares.
    TimesShare(bool) = "TIMES_SHARE",
    /// Rows of one expert's matrix.
    ExpertRows(u32) = "EXPERT_ROWS",
    /// From one expert's input to the next, in blocks of four.
    SlotBlocks(u32) = "SLOT_BLOCKS",
    /// Columns that one gate multiplies.
    GateWidth(u32) = "GATE_WIDTH",
    /// What becomes of a gate.
    GateFunction(GateFunction) = "GATE_FUNCTION",

    /// Blocks of a row.
    Blocks(u32) = "BLOCKS",
    /// Entries of a row of logits.
    Vocabulary(u32) = "VOCABULARY",
    /// Fours of logits in a block.
    Block4(u32) = "BLOCK4",
}

/// What becomes of a linear map's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishKind {
    /// It is stored.
    Store,
    /// It is added to what is there.
    Add,
    /// Its activation is stored.
    Activate,
    /// It is a gate and what the gate multiplies.
    Gate,
}

impl OverrideValue for u32 {
    const WGSL: &'static str = "u32";

    fn number(self) -> f64 {
        f64::from(self)
    }
}

impl OverrideValue for f32 {
    const WGSL: &'static str = "f32";

    fn number(self) -> f64 {
        f64::from(self)
    }
}

impl OverrideValue for bool {
    const WGSL: &'static str = "bool";

    fn number(self) -> f64 {
        f64::from(u8::from(self))
    }
}

/// By the constants of `shaders/lib/linear.wgsl`.
impl OverrideValue for FinishKind {
    const WGSL: &'static str = "u32";

    fn number(self) -> f64 {
        match self {
            Self::Store => 0.0,
            Self::Add => 1.0,
            Self::Activate => 2.0,
            Self::Gate => 3.0,
        }
    }
}

/// By the constants of `shaders/lib/activation.wgsl`.
impl OverrideValue for Activation {
    const WGSL: &'static str = "u32";

    fn number(self) -> f64 {
        match self {
            Self::Silu => 0.0,
            Self::Gelu => 1.0,
            Self::GeluTanh => 2.0,
            Self::Relu => 3.0,
            Self::ReluSquared => 4.0,
            Self::GeluSigmoid => 5.0,
            Self::ClampedGelu => 6.0,
            Self::Identity => 7.0,
        }
    }
}

/// By the constants of `shaders/gate_rows.wgsl`.
impl OverrideValue for GateFunction {
    const WGSL: &'static str = "u32";

    fn number(self) -> f64 {
        match self {
            Self::Sigmoid => 0.0,
            Self::Softplus => 1.0,
        }
    }
}

/// By the constants of `shaders/route.wgsl`.
impl OverrideValue for RouterScores {
    const WGSL: &'static str = "u32";

    fn number(self) -> f64 {
        match self {
            Self::Softmax => 0.0,
            Self::Sigmoid => 1.0,
            Self::SparseMixer { .. } => 2.0,
        }
    }
}

/// By the words of the pass that count them: `PASS_ROWS` and `PASS_OUTPUTS` of `shaders/lib/pass.wgsl`.
impl OverrideValue for RowSet {
    const WGSL: &'static str = "u32";

    fn number(self) -> f64 {
        match self {
            Self::Batch => 0.0,
            Self::Outputs => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::shader_text;
    use super::*;

    #[test]
    fn every_override_of_the_shaders_is_here_with_its_type() {
        let mut declared = BTreeSet::new();
        for (file, text) in shader_text::all() {
            for line in text.lines().filter_map(|line| line.strip_prefix("override ")) {
                let (name, kind) = line.trim_end_matches(';').split_once(": ").expect("a name and its type");
                let known = Override::ALL.iter().find(|(known, _)| *known == name);
                assert_eq!(known, Some(&(name, kind)), "{file}: override {line}");
                declared.insert(name.to_owned());
            }
        }
        let known: BTreeSet<String> = Override::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(known.len(), Override::ALL.len(), "no name is there twice");
        assert_eq!(known, declared, "every override is declared by a shader");
    }

    #[test]
    fn finishes_activations_gates_and_sets_of_rows_have_the_numbers_of_the_shaders() {
        let linear = shader_text::constants("lib/linear.wgsl");
        let finishes = [
            (FinishKind::Store, "STORE"),
            (FinishKind::Add, "ADD"),
            (FinishKind::Activate, "ACTIVATE"),
            (FinishKind::Gate, "GATE"),
        ];
        for (finish, name) in finishes {
            assert_eq!(Some(&finish.number()), linear.get(name), "{name}");
        }
        let activations = [
            (Activation::Silu, "SILU"),
            (Activation::Gelu, "GELU"),
            (Activation::GeluTanh, "GELU_TANH"),
            (Activation::Relu, "RELU"),
            (Activation::ReluSquared, "RELU_SQUARED"),
            (Activation::GeluSigmoid, "GELU_SIGMOID"),
            (Activation::ClampedGelu, "CLAMPED_GELU"),
            (Activation::Identity, "IDENTITY"),
        ];
        let of_shader = shader_text::constants("lib/activation.wgsl");
        for (activation, name) in activations {
            assert_eq!(Some(&activation.number()), of_shader.get(name), "{name}");
        }
        let gates = shader_text::constants("gate_rows.wgsl");
        assert_eq!(Some(&GateFunction::Sigmoid.number()), gates.get("SIGMOID"));
        assert_eq!(Some(&GateFunction::Softplus.number()), gates.get("SOFTPLUS"));
        let scores = shader_text::constants("route.wgsl");
        assert_eq!(Some(&RouterScores::Softmax.number()), scores.get("SOFTMAX"));
        assert_eq!(Some(&RouterScores::Sigmoid.number()), scores.get("SIGMOID"));
        assert_eq!(Some(&RouterScores::SparseMixer { spread: 0.0 }.number()), scores.get("SPARSE_MIXER"));
        let pass = shader_text::constants("lib/pass.wgsl");
        assert_eq!(Some(&RowSet::Batch.number()), pass.get("PASS_ROWS"));
        assert_eq!(Some(&RowSet::Outputs.number()), pass.get("PASS_OUTPUTS"));
    }
}
