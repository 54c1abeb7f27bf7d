//! The metadata keys that several readers ask for.

/// Names the model's family.
pub const ARCHITECTURE: &str = "general.architecture";
/// Names the kind of tokenizer.
pub const TOKENIZER_MODEL: &str = "tokenizer.ggml.model";
/// The chat template.
pub const CHAT_TEMPLATE: &str = "tokenizer.chat_template";
/// What the file is: a model where the key is absent.
pub const KIND: &str = "general.type";
/// Behind the family's name: how positions are made one vector; 0 where they are not.
pub const POOLING: &str = "pooling_type";
