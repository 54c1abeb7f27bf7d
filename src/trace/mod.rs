//! What happened: plain serialisable data, one tree of nodes for every strategy.
//!
//! The session appends to a [`Run`]; the window and the trace files only read it. Every number says in its
//! documentation what it is, in which unit, and whether it was measured or computed.

pub mod facts;
pub mod file;
pub mod node;
pub mod run;
mod sent;
pub mod spelling;
pub mod strategies;
mod strategy_kind;

pub use facts::{AdapterFacts, MOST_ASKED, ModelFacts, ServedBy};
pub use node::{
    Candidate, ChosenBy, Counters, Draw, Node, NodeTiming, Others, Phase, Pinned, StageRecord, StateCounters,
};
pub use run::{
    Expectation, Expected, LineFigures, LongRope, PhaseFigures, Phases, PromptToken, ReturnedSequence, Run,
    StepInput, StopReason,
};
pub use strategies::{StepDetail, StrategyStep, Token};
pub use strategy_kind::StrategyKind;
