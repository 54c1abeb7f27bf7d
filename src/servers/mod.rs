//! Models that run elsewhere: clients of engines on servers (vLLM, llama-server, and what speaks OpenAI's protocol),
//! which answer with log-probabilities of tokens by their ids.
//!
//! Goes online only when it is asked to, to the one address that a person gave. Knows no window, no trace and no strategy.
//!
//! | file | owns |
//! | --- | --- |
//! | `address` | where a server is, as typed |
//! | `error` | why a server does not do what was asked, in words for people |
//! | `key`, `key_store` | the key that a server asks for, and where it is kept |
//! | `refusal` | what the status of an answer means |
//! | `exchange` | one request at a time on a thread, and what comes of it |
//! | `client` | requests with JSON, waited for so that they can be interrupted |
//! | `facts` | what a server is and can do |
//! | `row` | a row of log-probabilities, checked |
//! | `asking` | what is asked: rows, sampling |
//! | `open_ai`, `vllm`, `llama_server` | dialects: requests and answers |
//! | `stream` | a text that a server goes on with |
//! | `server` | a connected server: what the rest of the program calls |
//! | `ends`, `cards`, `probe` | who is it, and what can it |
//! | `pieces`, `known` | the text of single tokens |
//! | `model`, `sequences`, `summaries` | a decoder on a server as a model of this program |
//! | `passes`, `going`, `sampling` | its passes that begin ahead, and what a server chooses by itself |
//! | `tokens` | a server's tokenizer |
//! | `open` | from an address to all of these |

mod address;
mod asking;
mod cards;
mod client;
mod ends;
mod error;
mod exchange;
mod facts;
mod going;
mod key;
mod key_store;
mod known;
mod llama_server;
mod model;
mod open;
mod open_ai;
mod passes;
mod pieces;
mod probe;
mod refusal;
mod row;
mod sampling;
mod sequences;
mod server;
mod stream;
mod summaries;
mod tokens;
mod vllm;

pub use crate::http::Patience;
pub use crate::model::ServerSampling;
pub use address::ServerAddress;
pub use asking::{StreamAsk, Top};
pub use client::PATIENCE;
pub use error::ServerError;
pub use facts::{Answer, Capability, ServedModel, ServerFacts, ServerKind};
pub use key::{ApiKey, KEY_VARIABLE};
pub use key_store::{Kept, KeyStore, Keys, SessionKeys, SystemKeyring};
pub use model::ServerModel;
pub use open::{ServedDecoder, open};
pub use probe::served_models;
pub use row::{SentPiece, SentRow};
pub use server::Server;
pub use stream::{Ended, TokenStream};
