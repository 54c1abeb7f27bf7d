//! Logitscope: a decoder-only language model on your own GPU, watched step by step.
//!
//! | module | owns | may use |
//! | --- | --- | --- |
//! | [`formats`] | files: containers, families, import | [`model`] |
//! | [`library`] | the models that are on this computer already | [`formats`] |
//! | [`mod@http`] | agents, addresses and troubles of all clients | – |
//! | [`hub`] | models from the Hugging Face hub, into its cache | [`formats`], [`mod@http`], [`library`] |
//! | [`servers`] | models that run elsewhere: clients of vLLM, llama-server and others | [`mod@http`], [`model`], [`tokenizer`] |
//! | [`tokenizer`] | text ↔ ids | – |
//! | [`model`] | what is computed: configuration, plan, weights | – |
//! | [`mod@reference`] | the CPU twin of every op | [`model`] |
//! | [`gpu`] | the engine: device, kernels, KV cache | [`model`] |
//! | [`decoding`] | how a token is chosen | [`model`], [`trace`] |
//! | [`trace`] | what happened, as data | – |
//! | [`problems`] | reports of what broke, as files | – |
//! | [`session`] | the worker thread: commands in, events out | [`decoding`], [`formats`], [`gpu`], [`library`], [`tokenizer`], what these use |
//! | [`synthetic`] | shapes and weights without files, for benchmarks | [`model`] |
//! | [`verify`] | the GPU against the reference, op by op | [`gpu`], [`mod@reference`], [`session`], [`synthetic`], [`trace`] |
//! | [`ui`] | the window | [`session`], [`library`], [`trace`], the settings of [`decoding`] |
//! | [`cli`] | the commands without a window | all but [`ui`] |
//! | [`units`] | how quantities are written | –; every room may use it |
//! | [`user_folders`] | where programs keep the user's files | –; every room may use it |
//! | [`whole_file`] | files that appear whole or not at all | –; every room may use it |
//!
//! `docs/architecture.md` has the reasons; a test holds the directions.

pub mod cli;
pub mod decoding;
pub mod export;
pub mod formats;
pub mod gpu;
pub mod http;
pub mod hub;
pub mod library;
pub mod model;
pub mod problems;
pub mod reference;
pub mod servers;
pub mod session;
pub mod synthetic;
pub mod tokenizer;
pub mod trace;
pub mod ui;
pub mod units;
pub mod user_folders;
pub mod verify;
pub mod whole_file;
