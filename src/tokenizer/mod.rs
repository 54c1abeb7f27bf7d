//! Text to token ids and back, on the `tokenizers` crate.
//!
//! Owns pieces, bytes, chat templates and the streaming detokeniser; knows nothing of models or files' places. `codec`
//! holds the [`Tokenizer`]; one file for each kind of vocabulary makes it.

mod added;
mod base64;
mod byte_order_mark;
pub mod chat;
mod codec;
pub mod detokeniser;
mod error;
mod gbnf;
pub mod gguf;
pub mod grammar;
mod guarded;
pub mod guided;
pub mod markers;
pub mod merges;
mod remote;
mod schema;
mod sentencepiece;
mod spelling;
mod splitting;
mod token_bytes;
mod tokenizer_json;
mod troubles;

pub use byte_order_mark::without_byte_order_mark;
pub use codec::Tokenizer;
pub use detokeniser::{Detokenised, Detokeniser};
pub use error::TokenizerError;
pub use remote::{AddSpecial, RemotePiece, RemoteTokenizer};
