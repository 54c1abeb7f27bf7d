//! A text that a server goes on with by itself, token by token.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;

use super::asking::Top;
use super::client::{Client, Events};
use super::error::ServerError;
use super::facts::ServerKind;
use super::refusal::said;
use super::row::{Came, Limits, SentRow};
use super::{llama_server, open_ai};

/// Why a text ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// After an end-of-sequence token, which is the last row's chosen one.
    Eos,
    /// After as many tokens as were asked for, or as fit.
    Length,
    /// For another reason: what was said of it. The text may go on where it ended.
    Other(String),
}

/// The tokens that a server chooses, with their rows. Dropped before its end, the connection closes, and the server stops.
pub struct TokenStream {
    client: Client,
    events: Events,
    kind: ServerKind,
    vocabulary: Option<usize>,
    top: Top,
    most: usize,
    /// Rows that came.
    came: usize,
    ready: VecDeque<SentRow>,
    ended: Option<Ended>,
    /// What the server says that it has taken so far.
    server_seconds: f64,
}

impl TokenStream {
    pub(super) fn new(
        client: &Client,
        events: Events,
        kind: ServerKind,
        vocabulary: Option<usize>,
        top: Top,
        most: usize,
    ) -> Self {
        let (client, ready) = (client.clone(), VecDeque::new());
        Self { client, events, kind, vocabulary, top, most, came: 0, ready, ended: None, server_seconds: 0.0 }
    }

    /// The next token with its row; `None` after the last. Errors are those of [`super::Server::rows`].
    pub fn next(&mut self, interrupt: &AtomicBool) -> Result<Option<SentRow>, ServerError> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                return Ok(Some(row));
            }
            if self.ended.is_some() {
                self.finish(interrupt);
                return Ok(None);
            }
            let taken = match self.events.next(interrupt)? {
                None => Err(ServerError::BrokenOff {
                    host: self.client.host(),
                    reason: "it ended too early".to_owned(),
                }),
                Some(data) if data == b"[DONE]" => {
                    self.ended = Some(Ended::Other("the server gives no reason".to_owned()));
                    Ok(())
                }
                Some(data) => self.take(&data),
            };
            if let Err(error) = taken {
                self.events.close();
                return Err(error);
            }
        }
    }

    /// Why it ended; `None` before that.
    pub fn ended_because(&self) -> Option<&Ended> {
        self.ended.as_ref().filter(|_| self.ready.is_empty())
    }

    /// Reads what comes behind the last token, so that the connection can be used again.
    fn finish(&mut self, interrupt: &AtomicBool) {
        while matches!(self.events.next(interrupt), Ok(Some(_))) {}
    }

    fn take(&mut self, data: &[u8]) -> Result<(), ServerError> {
        let (rows, ended) = match self.kind {
            ServerKind::LlamaServer => self.of_llama_server(data)?,
            ServerKind::Vllm | ServerKind::OpenAi => self.of_open_ai(data)?,
        };
        let host = self.client.host();
        for row in rows {
            self.came += 1;
            if self.came > self.most {
                let what = format!("more tokens than the {} that were asked for", self.most);
                return Err(ServerError::TooMuch { host, what });
            }
            let limits = Limits { host: &host, vocabulary: self.vocabulary, top: self.top };
            self.ready.push_back(row.row(limits)?);
        }
        self.ended = ended;
        Ok(())
    }

    fn of_open_ai(&self, data: &[u8]) -> Result<(Vec<Came>, Option<Ended>), ServerError> {
        let completion: open_ai::Completion = self.client.parse(data)?;
        self.no_error(completion.error)?;
        // The last event may tell of the usage alone.
        let Some(mut choice) = completion.choices.into_iter().next() else { return Ok((Vec::new(), None)) };
        let ended = choice.finish_reason.take().map(|reason| match (reason.as_str(), &choice.stop_reason) {
            ("length", _) => Ended::Length,
            ("stop", None | Some(serde_json::Value::Null | serde_json::Value::Number(_))) => Ended::Eos,
            _ => Ended::Other(self.client.tidy(&reason)),
        });
        let is_empty = choice.logprobs.as_ref().is_none_or(|logprobs| logprobs.tokens.is_empty());
        if ended.is_some() && is_empty {
            return Ok((Vec::new(), ended));
        }
        let rows = choice.rows().map_err(|what| self.client.strange(what))?;
        Ok((rows, ended))
    }

    fn of_llama_server(&mut self, data: &[u8]) -> Result<(Vec<Came>, Option<Ended>), ServerError> {
        let mut completion: llama_server::Completion = self.client.parse(data)?;
        self.no_error(completion.error.take())?;
        let (is_last, predicted) = (completion.stop, completion.tokens_predicted);
        let reason = completion.stop_type.take().filter(|_| is_last);
        if !is_last && completion.completion_probabilities.is_empty() && !completion.tokens.is_empty() {
            return Err(self.client.strange("it has no log-probabilities, though they were asked for"));
        }
        // The last event tells of the whole text.
        let rows = match is_last {
            true => Vec::new(),
            false => completion.rows().map_err(|what| self.client.strange(what))?,
        };
        let rows: Vec<Came> = rows.into_iter().map(|row| self.timed(row)).collect();
        if predicted.is_some_and(|predicted| predicted > self.came + rows.len()) {
            let what = "the server leaves out the rows of tokens that end in the middle of a character";
            return Ok((Vec::new(), Some(Ended::Other(what.to_owned()))));
        }
        let ended = is_last.then(|| match reason.as_deref() {
            Some("eos") => Ended::Eos,
            Some("limit") => Ended::Length,
            reason => Ended::Other(self.client.tidy(reason.unwrap_or("the server gives no reason"))),
        });
        Ok((rows, ended))
    }

    /// A row with the seconds since the one before, of those since the request.
    fn timed(&mut self, mut row: Came) -> Came {
        if let Some(seconds) = row.server_seconds {
            row.server_seconds = Some((seconds - self.server_seconds).max(0.0));
            self.server_seconds = seconds;
        }
        row
    }

    /// What a server says in the middle of a stream.
    fn no_error(&self, error: Option<serde_json::Value>) -> Result<(), ServerError> {
        let Some(error) = error.filter(|error| !error.is_null()) else { return Ok(()) };
        let status = error.get("code").and_then(serde_json::Value::as_u64);
        let status = status.and_then(|status| u16::try_from(status).ok()).unwrap_or(500);
        let message = self.client.tidy(&said(&serde_json::json!({"error": error})));
        Err(ServerError::Failed { host: self.client.host(), status, message })
    }
}
