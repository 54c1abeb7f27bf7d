//! The text of single tokens, as a server tells it: many in few requests, each asked for once.

use std::sync::atomic::AtomicBool;

use serde_json::json;

use super::asking::Top;
use super::error::ServerError;
use super::facts::ServerKind;
use super::llama_server::{self, COMPLETION};
use super::row::SentPiece;
use super::server::Server;
use crate::tokenizer::RemotePiece;

/// Most tokens of a request to a tokenizer.
const MOST_AT_ONCE: usize = 256;
/// The same where the whole vocabulary is asked for.
const MOST_OF_VOCABULARY: usize = 1 << 15;

impl Server {
    /// The texts of tokens, in their order.
    pub fn pieces(&mut self, ids: &[u32], interrupt: &AtomicBool) -> Result<Vec<RemotePiece>, ServerError> {
        if !self.known.unknown(ids).is_empty() && !self.asked_for_all {
            self.asked_for_all = true;
            match self.facts.kind {
                ServerKind::LlamaServer => self.learn_all(interrupt)?,
                ServerKind::Vllm | ServerKind::OpenAi => self.learn_whole_vocabulary(interrupt)?,
            }
        }
        let missing = self.known.unknown(ids);
        // An end of a text stands between others, and is asked for alone.
        let (ends, others): (Vec<u32>, Vec<u32>) =
            missing.into_iter().partition(|id| self.facts.eos.first() == Some(id));
        for some in ends.chunks(1).chain(others.chunks(MOST_AT_ONCE)) {
            self.learn(some, interrupt)?;
        }
        ids.iter()
            .map(|id| self.known.get(*id).ok_or_else(|| self.client.strange("a token has no text")))
            .collect()
    }

    /// A whole row of llama-server has the bytes of all tokens, but for those that stand for something else than text.
    fn learn_all(&mut self, interrupt: &AtomicBool) -> Result<(), ServerError> {
        let Some(vocabulary) = self.facts.vocabulary else { return Ok(()) };
        let body = llama_server::rows_body(json!([self.plain]), vocabulary, self.plain);
        let answer: llama_server::Completion = self.post(COMPLETION, &body, interrupt)?;
        let rows = answer.rows().map_err(|what| self.client.strange(what))?;
        for row in rows {
            let row = self.checked(row, Top::All)?;
            self.known.take(row.pieces.iter().filter(|piece| piece.special != Some(true)));
        }
        Ok(())
    }

    /// A few long rows are quicker than many short ones: 49,000 tokens take vLLM a twentieth of a second.
    fn learn_whole_vocabulary(&mut self, interrupt: &AtomicBool) -> Result<(), ServerError> {
        let (Some(vocabulary), Some(&end)) = (self.facts.vocabulary, self.facts.eos.first()) else {
            return Ok(());
        };
        let all: Vec<u32> = (0..vocabulary as u32).filter(|id| *id != end).collect();
        for ids in all.chunks(MOST_OF_VOCABULARY) {
            let Some(texts) = self.texts_between(end, ids, interrupt)? else { return Ok(()) };
            self.take(ids, texts);
        }
        Ok(())
    }

    /// Texts in context: a token alone may lose the space before it, so that each stands between two whose text is known.
    fn learn(&mut self, ids: &[u32], interrupt: &AtomicBool) -> Result<(), ServerError> {
        let end = self.facts.eos.first().copied().filter(|end| !ids.contains(end));
        let texts = match end {
            Some(end) => self.texts_between(end, ids, interrupt)?,
            None => None,
        };
        let texts = match texts {
            Some(texts) => texts,
            None => ids.iter().map(|id| self.detokenise(&[*id], interrupt)).collect::<Result<_, _>>()?,
        };
        self.take(ids, texts);
        Ok(())
    }

    /// The texts of ids with an end of a text before, between and behind them; `None` where it does not show where one begins.
    fn texts_between(
        &mut self,
        end: u32,
        ids: &[u32],
        interrupt: &AtomicBool,
    ) -> Result<Option<Vec<String>>, ServerError> {
        let between = self.detokenise(&[end], interrupt)?;
        let row: Vec<u32> = ids.iter().flat_map(|id| [end, *id]).chain([end]).collect();
        let text = self.detokenise(&row, interrupt)?;
        let parts: Vec<&str> = if between.is_empty() { Vec::new() } else { text.split(&between).collect() };
        // One before the first, one behind the last.
        let fits = parts.len() == ids.len() + 2;
        Ok(fits.then(|| parts[1..=ids.len()].iter().copied().map(str::to_owned).collect()))
    }

    fn take(&self, ids: &[u32], texts: Vec<String>) {
        let is_special = (self.facts.kind == ServerKind::LlamaServer).then_some(true);
        let sent = ids.iter().zip(texts).map(|(&id, piece)| {
            let bytes = (!piece.contains('\u{fffd}')).then(|| piece.clone().into_bytes());
            SentPiece { id, piece, bytes, special: is_special }
        });
        self.known.take(&sent.collect::<Vec<_>>());
    }
}
