//! From an address to a model and its tokenizer.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::address::ServerAddress;
use super::client::PATIENCE;
use super::error::ServerError;
use super::facts::ServerFacts;
use super::key::ApiKey;
use super::model::ServerModel;
use super::server::Server;
use super::tokens::ServerTokenizer;
use crate::tokenizer::Tokenizer;

/// A model on a server, ready to be asked.
pub struct ServedDecoder {
    /// What computes.
    pub model: ServerModel,
    /// The server's tokenizer, where it has one that can be asked.
    pub tokenizer: Option<Tokenizer>,
    /// What the server is and can do.
    pub facts: ServerFacts,
    /// The server's address, with the model's name.
    pub address: ServerAddress,
    /// Why a prompt cannot be put as a chat; `None` where it can.
    pub chat_problem: Option<String>,
}

/// Connects to a server, and finds out what it can do. Takes a few requests, one of them a token.
pub fn open(
    address: &ServerAddress,
    key: Option<ApiKey>,
    interrupt: &AtomicBool,
) -> Result<ServedDecoder, ServerError> {
    let mut server = Server::connect(address, key, PATIENCE, interrupt)?;
    let (facts, address) = (server.facts().clone(), server.address());
    let host = address.host().to_owned();
    let unfit = |what: &str| Err(ServerError::Unsupported { host: host.clone(), what: what.to_owned() });
    if !facts.knows_ids {
        return unfit(
            "it tells no log-probabilities of tokens by their ids, so there is nothing to decode with",
        );
    }
    let Some(vocabulary) = facts.vocabulary else {
        return unfit("it does not tell how many tokens its vocabulary has");
    };
    let known = server.known.clone();
    let chat_problem = chat_problem(&mut server, &facts, interrupt)?;
    let server = Arc::new(Mutex::new(server));
    let tokenizer = facts.tokenises.then(|| {
        let (server, known) = (Arc::clone(&server), known.clone());
        Tokenizer::remote(Box::new(ServerTokenizer { server, known, vocabulary }))
    });
    let model = ServerModel::new(server, known, vocabulary, host);
    Ok(ServedDecoder { model, tokenizer, facts, address, chat_problem })
}

/// Whether the server has a template for a chat: it is asked for a greeting's tokens.
fn chat_problem(
    server: &mut Server,
    facts: &ServerFacts,
    interrupt: &AtomicBool,
) -> Result<Option<String>, ServerError> {
    if !facts.tokenises {
        return Ok(Some("The server makes no ids of texts.".to_owned()));
    }
    let messages = serde_json::json!([{ "role": "user", "content": "Hello" }]);
    match server.chat(&messages, &serde_json::Value::Null, interrupt) {
        Ok(_) => Ok(None),
        Err(ServerError::Stopped) => Err(ServerError::Stopped),
        Err(error) => Ok(Some(error.to_string())),
    }
}
