//! Experts, and the router that chooses among them.

use super::bias::Bias;
use super::norm::NormConfig;

/// Experts: Σ share(e) · expert(e, x) over those that the router chooses for the row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpertsConfig {
    /// E: how many there are.
    pub count: usize,
    /// K: how many compute a row.
    pub active: usize,
    /// How the router's scores choose them, and what their shares are.
    pub router: RouterConfig,
    /// Whether each expert has a number of its own that is added where experts are chosen, but not to their shares.
    pub selection_bias: Bias,
    /// What each of them computes, and the shared one too.
    pub kind: ExpertKind,
    /// The block that computes every row, if there is one.
    pub shared: Option<SharedExpert>,
    /// Whether each expert has a factor on its share.
    pub share_factors: Bias,
    /// What an expert's share multiplies.
    pub share_use: ShareUse,
    /// What stands between the experts and the rest of the block, if they are apart from it.
    pub apart: Option<ExpertsApart>,
    /// Biases of the shared one's linear maps, which it has too where all of the block's have some.
    pub shared_bias: Bias,
}

/// Experts beside a block that has its own norm: they and their router read the residual stream as it is, each through
/// a norm of its own, and what experts and block make is normalised before both are added (Gemma 4).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpertsApart {
    /// All of those norms.
    pub norm: NormConfig,
    /// Factor on what the router makes of its input.
    pub router_factor: f32,
}

/// How experts follow from a row of scores: with s = scores(x), the choice falls on the highest of
/// s(e) + selection bias(e), and an expert's share is factor · s(e), or factor · s(e) / (Σ s + ε) over those chosen, times
/// the expert's own factor if there are such.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RouterConfig {
    /// What is made of the router's results.
    pub scores: RouterScores,
    /// The groups that are chosen from first, if the experts are in groups.
    pub groups: Option<ExpertGroups>,
    /// The ε, if shares are divided by their sum. With softmax and 0 they are the softmax over those chosen.
    pub renormalised: Option<f32>,
    /// Factor on every share.
    pub factor: f32,
}

/// What is made of a router's results r before experts are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RouterScores {
    /// The softmax over all experts.
    Softmax,
    /// The sigmoid of each (DeepSeek-AI 2024).
    Sigmoid,
    /// SparseMixer (Liu et al. 2023): the highest are chosen one after the other, and each one's score is its softmax over
    /// those that are not chosen before it and lie close to it: r(chosen) − r ≤ spread · max(|r|, r(chosen)).
    SparseMixer {
        /// How far from the chosen one others may lie.
        spread: f32,
    },
}

/// What an expert's share multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareUse {
    /// What the expert makes.
    OfResults,
    /// What it reads (Llama 4).
    OfInputs,
}

/// Neighbouring experts in groups of equal size, of which a row's experts come from those that rank highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpertGroups {
    /// How many groups there are.
    pub count: usize,
    /// How many of them a row's experts come from.
    pub kept: usize,
    /// What groups are ranked by.
    pub rank: GroupRank,
}

/// What groups of experts are ranked by, of the s + selection bias of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRank {
    /// The largest (DeepSeek-V2).
    Largest,
    /// The sum of the two largest (DeepSeek-V3).
    TwoLargest,
}

/// What an expert computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpertKind {
    /// down(activation(gate(x)) · up(x)).
    Gated,
    /// down(activation(up(x))).
    Plain,
}

/// A block that computes every row, and whose result is added to that of the chosen experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedExpert {
    /// Elements between its linear maps.
    pub width: usize,
    /// What its result is multiplied by.
    pub gate: SharedGate,
}

/// What a shared expert's result is multiplied by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedGate {
    /// Nothing.
    Absent,
    /// sigmoid(gate · x).
    Sigmoid,
}

impl ExpertsConfig {
    /// Gated experts that a router chooses without a bias, and none that is shared.
    pub const fn new(count: usize, active: usize, router: RouterConfig) -> Self {
        let (selection_bias, kind) = (Bias::Absent, ExpertKind::Gated);
        Self {
            count,
            active,
            router,
            selection_bias,
            kind,
            shared: None,
            share_factors: Bias::Absent,
            share_use: ShareUse::OfResults,
            apart: None,
            shared_bias: Bias::Absent,
        }
    }
}

impl RouterConfig {
    /// Shares are the softmax over all experts: those of the chosen ones add up to less than 1.
    pub const SOFTMAX_OF_ALL: Self =
        Self { scores: RouterScores::Softmax, groups: None, renormalised: None, factor: 1.0 };
    /// Shares are the softmax over the chosen experts: they add up to 1.
    pub const SOFTMAX_OF_CHOSEN: Self = Self { renormalised: Some(0.0), ..Self::SOFTMAX_OF_ALL };
    /// Shares are each expert's sigmoid.
    pub const SIGMOID: Self = Self { scores: RouterScores::Sigmoid, ..Self::SOFTMAX_OF_ALL };
}
