//! One panel a file. Each reads a [`super::scene::Scene`] and pushes actions; none keeps state of its own but where it
//! scrolled and what it cached, in egui's memory.

mod advanced_stages;
mod break_when;
mod columns;
pub(super) mod curve;
pub(super) mod draw;
pub(super) mod field;
mod grammar;
pub(super) mod inspector;
mod kept;
pub(super) mod model_card;
pub(super) mod notices;
pub(super) mod open;
mod peek;
pub(super) mod phases;
pub(super) mod pinned;
pub(super) mod pipeline;
pub(super) mod prompt;
mod prompt_token;
mod run_buttons;
pub(super) mod save;
pub(super) mod scale;
pub(super) mod settings;
pub(super) mod shortcuts;
mod strategy;
pub(super) mod strategy_detail;
pub(super) mod text;
mod text_chip;
pub(super) mod timeline;
pub(super) mod top_bar;
pub(super) mod tree;
mod what_if;
