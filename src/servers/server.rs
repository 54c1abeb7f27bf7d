//! A connected server: what the rest of the program calls.

use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};

use super::address::ServerAddress;
use super::asking::{StreamAsk, Top};
use super::client::Client;
use super::error::ServerError;
use super::facts::{Models, ServerFacts, ServerKind};
use super::key::ApiKey;
use super::known::KnownPieces;
use super::llama_server::{self, COMPLETION};
use super::open_ai::{self, COMPLETIONS, Completion};
use super::row::{Came, Limits, SentRow};
use super::stream::TokenStream;
use super::vllm;

/// Most texts in one request.
const MOST_TEXTS: usize = 32;
/// Most bytes that an answer is meant to have.
const LARGE_ANSWER: usize = 32 << 20;

/// A server that was asked who it is. Requests wait for their answers; an interruption closes the connection, and the next
/// request opens another one.
pub struct Server {
    pub(super) client: Client,
    pub(super) facts: ServerFacts,
    /// A token that is a whole character: what llama-server chooses where the choice does not matter.
    pub(super) plain: u32,
    /// The tokens whose texts it told.
    pub(super) known: KnownPieces,
    /// Whether the texts of the whole vocabulary were asked for.
    pub(super) asked_for_all: bool,
}

impl Server {
    /// What it is and can do.
    pub fn facts(&self) -> &ServerFacts {
        &self.facts
    }

    /// Where it is, with the model.
    pub fn address(&self) -> ServerAddress {
        self.client.address.with_model(&self.facts.model)
    }

    /// The key that it was connected with.
    pub fn key(&self) -> Option<&ApiKey> {
        self.client.key.as_ref()
    }

    /// The row after each text, in their order: one request where the server takes several texts, and several where it does
    /// not, or where the rows are large. Texts are token ids, one at least. Of the highest, no more than
    /// [`ServerFacts::most_listed`] come.
    pub fn rows(
        &mut self,
        texts: &[&[u32]],
        top: Top,
        interrupt: &AtomicBool,
    ) -> Result<Vec<SentRow>, ServerError> {
        self.check(texts, top)?;
        let at_once = if self.facts.several_at_once { self.texts_at_once(top) } else { 1 };
        let mut rows = Vec::with_capacity(texts.len());
        for texts in texts.chunks(at_once) {
            let came = match self.facts.kind {
                ServerKind::LlamaServer => self.of_llama_server(texts, top, interrupt)?,
                ServerKind::Vllm | ServerKind::OpenAi => self.of_open_ai(texts, top, interrupt)?,
            };
            if came.len() != texts.len() {
                let what = format!("it has {} rows for {} texts", came.len(), texts.len());
                return Err(self.client.strange(what));
            }
            for row in came {
                rows.push(self.checked(row, self.cut(top))?);
            }
        }
        Ok(rows)
    }

    /// The rows after `text[..=i]` for i from `first` to the end: the last one is that after the whole text. One request.
    pub fn prompt_rows(
        &mut self,
        text: &[u32],
        first: usize,
        top: Top,
        interrupt: &AtomicBool,
    ) -> Result<Vec<SentRow>, ServerError> {
        self.check(&[text], top)?;
        if !self.facts.prompt_rows {
            return Err(self.client.unsupported("it tells no log-probabilities inside a prompt"));
        }
        if first >= text.len() {
            return Ok(Vec::new());
        }
        let top = self.cut(top);
        let body = vllm::prompt_rows_body(&self.facts.model, text, top);
        let completion: Completion = self.post(COMPLETIONS, &body, interrupt)?;
        let choice = completion.choices.into_iter().next();
        let choice = choice.ok_or_else(|| self.client.strange("it has no choices"))?;
        let rows = vllm::prompt_rows(choice, text, first).map_err(|what| self.client.strange(what))?;
        rows.into_iter().map(|row| self.checked(row, top)).collect()
    }

    /// Has the server go on with a text. Nothing is waited for: what goes wrong is told with the first token.
    pub fn stream(&mut self, text: &[u32], ask: &StreamAsk) -> Result<TokenStream, ServerError> {
        self.check(&[text], ask.top)?;
        let ask = StreamAsk { top: self.cut(ask.top), ..*ask };
        let events = match self.facts.kind {
            ServerKind::LlamaServer => {
                let body = llama_server::stream_body(text, self.count(ask.top), &ask);
                self.client.events(COMPLETION, &self.with_model(&body))?
            }
            ServerKind::Vllm | ServerKind::OpenAi => {
                self.client.events(COMPLETIONS, &open_ai::stream_body(&self.facts.model, text, &ask))?
            }
        };
        let ServerFacts { kind, vocabulary, .. } = self.facts;
        Ok(TokenStream::new(&self.client, events, kind, vocabulary, ask.top, ask.most_tokens))
    }

    /// The ids of a text, with the special tokens that are written in it.
    pub fn tokenise(
        &mut self,
        text: &str,
        add_special: bool,
        interrupt: &AtomicBool,
    ) -> Result<Vec<u32>, ServerError> {
        match self.facts.kind {
            ServerKind::Vllm => {
                let body = vllm::tokenise_body(&self.facts.model, text, add_special);
                Ok(self.post::<vllm::Tokens>("/tokenize", &body, interrupt)?.tokens)
            }
            ServerKind::LlamaServer => {
                let body = llama_server::tokenise_body(text, add_special);
                Ok(self.post::<llama_server::Tokens>("/tokenize", &body, interrupt)?.tokens)
            }
            ServerKind::OpenAi => Err(self.no_tokenizer()),
        }
    }

    /// The text of ids; special tokens are written out, and what is no text is U+FFFD.
    pub fn detokenise(&mut self, ids: &[u32], interrupt: &AtomicBool) -> Result<String, ServerError> {
        match self.facts.kind {
            ServerKind::Vllm => {
                let body = vllm::detokenise_body(&self.facts.model, ids);
                Ok(self.post::<vllm::Text>("/detokenize", &body, interrupt)?.prompt)
            }
            ServerKind::LlamaServer => {
                let body = llama_server::detokenise_body(ids);
                Ok(self.post::<llama_server::Text>("/detokenize", &body, interrupt)?.content)
            }
            ServerKind::OpenAi => Err(self.no_tokenizer()),
        }
    }

    /// The ids of a conversation, ready for the model's answer, by the chat template that the server has. `messages` is a
    /// list of `{role, content}`, `template_kwargs` an object or null.
    pub fn chat(
        &mut self,
        messages: &Value,
        template_kwargs: &Value,
        interrupt: &AtomicBool,
    ) -> Result<Vec<u32>, ServerError> {
        match self.facts.kind {
            ServerKind::Vllm => {
                let body = vllm::chat_body(&self.facts.model, messages, template_kwargs);
                Ok(self.post::<vllm::Tokens>("/tokenize", &body, interrupt)?.tokens)
            }
            ServerKind::LlamaServer => {
                let body = llama_server::template_body(messages, template_kwargs);
                let prompt: llama_server::Prompt = self.post("/apply-template", &body, interrupt)?;
                // As the server does it with conversations; a token that the template wrote as well is there once.
                let mut ids = self.tokenise(&prompt.prompt, true, interrupt)?;
                let bare = self.tokenise(&prompt.prompt, false, interrupt)?;
                if ids.len() == bare.len() + 1 && ids.first() == bare.first() {
                    ids = bare;
                }
                Ok(ids)
            }
            ServerKind::OpenAi => Err(self.no_tokenizer()),
        }
    }

    fn no_tokenizer(&self) -> ServerError {
        self.client.unsupported("it does not turn text into token ids; choose the model's own tokenizer file")
    }

    fn check(&self, texts: &[&[u32]], top: Top) -> Result<(), ServerError> {
        if !self.facts.knows_ids {
            return Err(self.client.unsupported(
                "it tells no log-probabilities by token ids, without which no row of the vocabulary can be known",
            ));
        }
        if top == Top::All && !self.facts.whole_rows {
            return Err(self.client.unsupported(format!(
                "it lists {} tokens of a row at most, not the whole vocabulary",
                self.facts.most_listed
            )));
        }
        match texts.iter().any(|text| text.is_empty()) {
            true => Err(self.client.unsupported("a text has to have one token at least")),
            false => Ok(()),
        }
    }

    /// No more than the server lists.
    fn cut(&self, top: Top) -> Top {
        match top {
            Top::Highest(count) => Top::Highest(count.clamp(1, self.facts.most_listed.max(1))),
            Top::All => Top::All,
        }
    }

    fn count(&self, top: Top) -> usize {
        match top {
            Top::Highest(count) => count,
            Top::All => self.facts.vocabulary.unwrap_or(self.facts.most_listed),
        }
    }

    fn texts_at_once(&self, top: Top) -> usize {
        let bytes = match self.facts.kind {
            ServerKind::LlamaServer => 120,
            ServerKind::Vllm | ServerKind::OpenAi => 40,
        };
        (LARGE_ANSWER / (self.count(top).max(1) * bytes)).clamp(1, MOST_TEXTS)
    }

    pub(super) fn checked(&self, row: Came, top: Top) -> Result<SentRow, ServerError> {
        row.row(Limits { host: self.client.address.host(), vocabulary: self.facts.vocabulary, top })
    }

    fn of_open_ai(
        &self,
        texts: &[&[u32]],
        top: Top,
        interrupt: &AtomicBool,
    ) -> Result<Vec<Came>, ServerError> {
        let body = open_ai::rows_body(&self.facts.model, prompts(texts), self.cut(top));
        let mut completion: Completion = self.post(COMPLETIONS, &body, interrupt)?;
        completion.choices.sort_by_key(|choice| choice.index);
        let first = |choice: open_ai::Choice| {
            let row = choice.rows()?.into_iter().next();
            row.ok_or_else(|| "it has no row for a text".to_owned())
        };
        let rows = completion.choices.into_iter().map(first).collect::<Result<_, String>>();
        rows.map_err(|what| self.client.strange(what))
    }

    fn of_llama_server(
        &self,
        texts: &[&[u32]],
        top: Top,
        interrupt: &AtomicBool,
    ) -> Result<Vec<Came>, ServerError> {
        let body = llama_server::rows_body(prompts(texts), self.count(self.cut(top)), self.plain);
        let mut answers: Vec<llama_server::Completion> = match texts.len() {
            1 => vec![self.post(COMPLETION, &body, interrupt)?],
            _ => self.post(COMPLETION, &body, interrupt)?,
        };
        answers.sort_by_key(|answer| answer.index);
        let first = |answer: llama_server::Completion| {
            let row = answer.rows()?.into_iter().next();
            let row =
                row.ok_or_else(|| "it has no log-probabilities, though they were asked for".to_owned())?;
            // What was chosen is the plain token.
            Ok(Came { chosen: None, ..row })
        };
        let rows = answers.into_iter().map(first).collect::<Result<_, String>>();
        rows.map_err(|what| self.client.strange(what))
    }

    /// A body that names the model: a llama-server with several of them goes by that.
    fn with_model(&self, body: &Value) -> Value {
        let mut body = body.clone();
        body["model"] = json!(self.facts.model);
        body
    }

    /// Asks; where nothing is there, it may be that the model went.
    pub(super) fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        interrupt: &AtomicBool,
    ) -> Result<T, ServerError> {
        let error = match self.client.post(path, &self.with_model(body), interrupt) {
            Err(error @ ServerError::NotFound { .. }) => error,
            result => return result,
        };
        let Ok(models) = self.client.get::<Models>("/v1/models", interrupt) else { return Err(error) };
        let model = self.facts.model.clone();
        if models.data.iter().any(|served| served.is(&model)) {
            return Err(error);
        }
        let served = models.data.into_iter().map(|model| model.id).collect();
        Err(ServerError::NoSuchModel { host: self.client.host(), model, served })
    }
}

/// One text as a list, several as a list of lists.
fn prompts(texts: &[&[u32]]) -> Value {
    match texts {
        [text] => json!(text),
        texts => json!(texts),
    }
}
