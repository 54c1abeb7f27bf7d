//! Files become a [`crate::model::ModelConfig`] and canonical tensors. Knows no GPU.
//!
//! Only [`architectures`] names model families; everything else here works on containers and recipes. The
//! way of a file: [`location`] finds it, [`checkpoint`] maps its tensors, a family reads its configuration,
//! [`import`] gives every tensor of the plan its bytes. `open` tells it in this order.

pub mod architectures;
mod built_in;
pub mod checkpoint;
mod error;
mod fields;
pub mod folder;
mod generation;
pub mod gguf;
pub mod import;
pub mod inspect;
pub mod json;
pub mod location;
mod names;
mod open;
mod orders;
mod quantised;
pub mod rewrite;
pub mod safetensors;
mod source;
mod special;
mod tensor_recipes;
mod text;

pub use architectures::catalogue::Other;
pub use architectures::gguf::ends::{is_end_text, special_id as gguf_special_id};
pub use built_in::{BUILT_IN, BuiltIn};
pub use error::FormatError;
pub use generation::GenerationDefaults;
pub use inspect::{Inspection, SENTENCE_MODULES, inspect, inspect_built_in};
pub use open::{DraftingHead, ModelFile, open, open_built_in, open_drafting_head};
pub use special::SpecialIds;
pub use text::{TokenizerFiles, Vocabulary};
