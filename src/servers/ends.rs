//! Which tokens end a text. Engines know, but tell little: so tokens that often do are tried.

use std::sync::atomic::AtomicBool;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ServerError;
use super::facts::ServerKind;
use super::llama_server::{self, COMPLETION};
use super::open_ai::{COMPLETIONS, Completion};
use super::server::Server;
use super::vllm;

/// How such tokens are written.
const ENDS: [&str; 22] = [
    "</s>",
    "<|endoftext|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<turn|>",
    "<eos>",
    "<EOS>",
    "[EOS]",
    "<|eos|>",
    "<|end_of_turn|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|endofturn|>",
    "<｜end▁of▁sentence｜>",
    "<|end_of_sentence|>",
    "<|user|>",
    "<|observation|>",
];

/// Tokens with how the vocabulary writes them.
#[derive(Deserialize)]
struct Written {
    tokens: Vec<u32>,
    token_strs: Option<Vec<String>>,
}

/// The same by llama-server.
#[derive(Deserialize)]
struct WithPieces {
    tokens: Vec<WithPiece>,
}

#[derive(Deserialize)]
struct WithPiece {
    id: u32,
    /// Text, or bytes where they are none.
    piece: Value,
}

impl Server {
    /// The tokens that end a text, as far as they are among those that often do, or `told`.
    pub(super) fn find_ends(
        &self,
        text: &[u32],
        told: Option<&str>,
        interrupt: &AtomicBool,
    ) -> Result<Vec<u32>, ServerError> {
        let names: Vec<&str> = told.into_iter().chain(ENDS).collect();
        let all = names.join("\n");
        let written: Vec<(u32, String)> = match self.facts.kind {
            ServerKind::LlamaServer => {
                let body = json!({"content": all, "parse_special": true, "with_pieces": true});
                let answer: WithPieces = self.post("/tokenize", &body, interrupt)?;
                let text = |token: WithPiece| Some((token.id, token.piece.as_str()?.to_owned()));
                answer.tokens.into_iter().filter_map(text).collect()
            }
            ServerKind::Vllm => {
                let body = json!({
                    "model": self.facts.model,
                    "prompt": all,
                    "add_special_tokens": false,
                    "return_token_strs": true,
                });
                let answer: Written = self.post("/tokenize", &body, interrupt)?;
                answer.tokens.into_iter().zip(answer.token_strs.unwrap_or_default()).collect()
            }
            ServerKind::OpenAi => Vec::new(),
        };
        let mut ends = Vec::new();
        for (id, name) in written {
            if names.contains(&name.as_str()) && !ends.contains(&id) && self.ends(text, id, interrupt)? {
                ends.push(id);
            }
        }
        Ok(ends)
    }

    fn ends(&self, text: &[u32], token: u32, interrupt: &AtomicBool) -> Result<bool, ServerError> {
        if self.facts.kind == ServerKind::LlamaServer {
            let body = llama_server::end_body(text, token);
            let answer: llama_server::Completion = self.post(COMPLETION, &body, interrupt)?;
            return Ok(answer.stop_type.as_deref() == Some("eos"));
        }
        let body = vllm::end_body(&self.facts.model, text, token);
        let answer: Completion = self.post(COMPLETIONS, &body, interrupt)?;
        Ok(answer.choices.iter().any(|choice| choice.finish_reason.as_deref() == Some("stop")))
    }
}
