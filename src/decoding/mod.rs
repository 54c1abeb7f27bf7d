//! How a token is chosen: stages that change or cut logits, and strategies that choose from what is left.
//!
//! Nothing here sees a buffer, a file or a text: strategies drive a [`crate::model::LanguageModel`] and
//! append [`crate::trace::Node`]s. Texts are put on the nodes by [`crate::session`].

pub mod settings;

pub use settings::{DecodingSettings, StageSettings, StopSettings, StrategyChoice};
