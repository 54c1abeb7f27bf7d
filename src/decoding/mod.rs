//! How a token is chosen: stages that change or cut logits, and strategies that choose from what is left.
//!
//! Nothing here sees a buffer, a file or a text: strategies drive a [`crate::model::LanguageModel`] and
//! append [`crate::trace::Node`]s. Texts are put on the nodes by [`crate::session`], which also feeds them
//! to [`StopTexts`].

mod accounting;
pub mod beam;
mod begin;
pub mod chain;
pub mod constraint;
pub mod contrastive;
pub mod draw;
pub mod error;
pub mod initiation;
pub mod lookahead;
pub mod pins;
pub mod random;
pub mod row;
mod row_logits;
mod server_sampling;
pub mod settings;
pub mod single_token;
pub mod speculative;
pub mod stages;
pub mod stop_text;
pub mod strategy;
pub mod strategy_settings;
pub mod summary;
mod text;
mod told;
pub mod what_if;

pub use crate::trace::StrategyKind;
pub use begin::{StrategyInputs, begin, begin_with, check_prompt};
pub use chain::StageContext;
pub use constraint::{Constraint, SharedConstraint};
pub use error::DecodingError;
pub use pins::Pins;
pub use settings::{
    CacheUse, DecodingSettings, DrySettings, EosRule, GrammarKind, GrammarSettings, MirostatSettings,
    StageSettings, StopSettings,
};
pub use stop_text::{StopMatch, StopTexts};
pub use strategy::{Branched, Control, SharedModel, Stepped, Strategy};
pub use strategy_settings::{
    BeamSettings, ContrastiveSettings, Drafter, EarlyStopping, LookaheadSettings, Picking,
    SpeculativeSettings,
};
pub use what_if::{NoWhatIf, WhatIf, WouldBe};
