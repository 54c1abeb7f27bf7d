//! One panel a file. Each reads a [`super::Scene`] and pushes actions; none keeps state of its own.

mod advanced_stages;
mod columns;
pub mod curve;
pub mod draw;
mod grammar;
pub mod inspector;
pub mod model_card;
pub mod notices;
pub mod open;
pub mod phases;
pub mod pipeline;
pub mod prompt;
mod prompt_token;
mod run_buttons;
pub mod save;
pub mod scale;
pub mod settings;
pub mod shortcuts;
mod strategy;
pub mod strategy_detail;
pub mod text;
pub mod timeline;
pub mod top_bar;
pub mod tree;
