//! Who is it, and what can it: a few small requests, of which none computes more than two tokens.

use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};

use super::address::ServerAddress;
use super::asking::Top;
use super::cards::card;
use super::client::Client;
use super::error::ServerError;
use super::facts::{Model, Models, ServedModel, ServerFacts, ServerKind};
use super::key::ApiKey;
use super::known::KnownPieces;
use super::llama_server::Properties;
use super::open_ai::{COMPLETIONS, Completion, rows_body};
use super::row::SentRow;
use super::server::Server;
use super::vllm;
use crate::http::Patience;

/// Where a server does not tell how long a text may be.
const ASSUMED_CONTEXT: usize = 2048;
/// How many tokens of a row are tried where a server does not tell how many it lists.
const TRIED: [usize; 5] = [100, 20, 10, 5, 1];
/// How far two log-probabilities of the same token may lie apart when it is computed twice.
const NOISE: f32 = 0.05;

/// The models that a server serves.
pub fn served_models(
    address: &ServerAddress,
    key: Option<&ApiKey>,
    patience: &Patience,
    interrupt: &AtomicBool,
) -> Result<Vec<ServedModel>, ServerError> {
    let client = Client::new(address, key.cloned(), *patience);
    let models: Models = client.get("/v1/models", interrupt)?;
    Ok(models.data.iter().map(Model::served).collect())
}

impl Server {
    /// Asks a server who it is, and tries what it can.
    pub fn connect(
        address: &ServerAddress,
        key: Option<ApiKey>,
        patience: Patience,
        interrupt: &AtomicBool,
    ) -> Result<Self, ServerError> {
        let client = Client::new(address, key, patience);
        let models: Models = client.get("/v1/models", interrupt)?;
        let model = chosen(&client, &models)?;
        let owner = model.owned_by.as_deref().unwrap_or_default();
        let optional = |result: Result<_, ServerError>| match result {
            // A proxy in front of an engine may let through the main paths alone, or answer others itself.
            Err(
                ServerError::NotFound { .. }
                | ServerError::NoEngine { .. }
                | ServerError::Refused { .. }
                | ServerError::Failed { .. }
                | ServerError::Strange { .. },
            ) => Ok(None),
            Err(error) => Err(error),
            Ok(value) => Ok(Some(value)),
        };
        let properties: Option<Properties> = match owner {
            "vllm" => None,
            _ => optional(client.get::<Value>("/props", interrupt))?
                .and_then(|value| serde_json::from_value(value).ok()),
        };
        let properties = properties.filter(|told| told.build_info.is_some() || owner == "llamacpp");
        let version: Option<vllm::Version> = match &properties {
            Some(_) => None,
            None => optional(client.get::<Value>("/version", interrupt))?
                .and_then(|value| serde_json::from_value(value).ok()),
        };
        let kind = match (&properties, &version) {
            (Some(_), _) => ServerKind::LlamaServer,
            (None, Some(_)) => ServerKind::Vllm,
            (None, None) if owner == "vllm" => ServerKind::Vllm,
            (None, None) => ServerKind::OpenAi,
        };
        let served = model.served();
        let told = properties.as_ref().and_then(|told| told.default_generation_settings.as_ref()?.n_ctx);
        let told = told.or(served.context);
        let facts = ServerFacts {
            kind,
            version: version.map(|told| told.version).or_else(|| properties.as_ref()?.build_info.clone()),
            model: model.id.clone(),
            root: served.root.clone().or_else(|| properties.as_ref()?.model_path.clone()),
            vocabulary: served.vocabulary.filter(|vocabulary| *vocabulary > 0),
            // One position has to be left for the token that is asked for.
            context: told.unwrap_or(ASSUMED_CONTEXT).saturating_sub(1).max(1),
            most_listed: 0,
            whole_rows: false,
            prompt_rows: false,
            several_at_once: false,
            eos: Vec::new(),
            knows_ids: false,
            tokenises: false,
            rows: Vec::new(),
        };
        let mut server =
            Self { client, facts, plain: 0, known: KnownPieces::default(), asked_for_all: false };
        match kind {
            ServerKind::LlamaServer => server.probe_llama_server(properties.as_ref(), interrupt)?,
            ServerKind::Vllm => server.probe_vllm(interrupt)?,
            ServerKind::OpenAi => server.probe_open_ai(interrupt)?,
        }
        server.known = KnownPieces::of(&server.facts.eos);
        let parallel = properties.and_then(|told| told.total_slots);
        server.facts.rows = card(&server.facts, told, parallel);
        Ok(server)
    }

    fn probe_llama_server(
        &mut self,
        properties: Option<&Properties>,
        interrupt: &AtomicBool,
    ) -> Result<(), ServerError> {
        let text = self.probe_text(interrupt)?;
        let plain =
            text.last().copied().ok_or_else(|| self.client.strange("it makes no tokens of a text"))?;
        self.plain = plain;
        (self.facts.knows_ids, self.facts.tokenises, self.facts.most_listed) = (true, true, 1);
        self.rows(&[&text], Top::Highest(1), interrupt)?;
        if let Some(vocabulary) = self.facts.vocabulary {
            (self.facts.whole_rows, self.facts.most_listed) = (true, vocabulary);
        }
        self.probe_several(&text, interrupt)?;
        let told = properties.and_then(|told| told.eos_token.as_deref()).filter(|name| !name.is_empty());
        self.facts.eos = self.find_ends(&text, told, interrupt)?;
        Ok(())
    }

    fn probe_vllm(&mut self, interrupt: &AtomicBool) -> Result<(), ServerError> {
        let text = match self.probe_text(interrupt) {
            Ok(text) if !text.is_empty() => {
                self.facts.tokenises = true;
                text
            }
            Ok(_) | Err(ServerError::NotFound { .. }) => vec![1],
            Err(error) => return Err(error),
        };
        let model = self.facts.model.clone();
        let refused = |result: Result<Completion, ServerError>| match result {
            Err(ServerError::Refused { message, .. }) => Ok(Some(message)),
            Err(error) => Err(error),
            Ok(_) => Ok(None),
        };
        let body = vllm::vocabulary_body(&model, &text);
        let told = refused(self.post(COMPLETIONS, &body, interrupt))?;
        self.facts.vocabulary = told.and_then(|told| vllm::number_after(&told, "Vocabulary size:"));
        (self.facts.knows_ids, self.facts.most_listed) = (true, 1);
        let told = refused(self.post(COMPLETIONS, &vllm::most_listed_body(&model, &text), interrupt))?;
        match told.and_then(|told| vllm::number_after(&told, "max allowed:")) {
            Some(most) => self.facts.most_listed = most,
            None => self.find_most_listed(&text, interrupt)?,
        }
        if let Some(vocabulary) = self.facts.vocabulary.filter(|all| self.facts.most_listed >= *all) {
            (self.facts.whole_rows, self.facts.most_listed) = (true, vocabulary);
        }
        self.check_raw(&text, interrupt)?;
        self.probe_several(&text, interrupt)?;
        self.facts.prompt_rows = true;
        let twice = [text.as_slice(), &text].concat();
        match self.prompt_rows(&twice, 0, Top::Highest(2), interrupt) {
            Ok(rows) => self.facts.prompt_rows = rows.len() == twice.len(),
            Err(ServerError::Refused { .. } | ServerError::Strange { .. }) => self.facts.prompt_rows = false,
            Err(error) => return Err(error),
        }
        if self.facts.tokenises {
            self.facts.eos = self.find_ends(&text, None, interrupt)?;
        }
        Ok(())
    }

    fn probe_open_ai(&mut self, interrupt: &AtomicBool) -> Result<(), ServerError> {
        self.facts.knows_ids = true;
        match self.find_most_listed(&[1], interrupt) {
            Ok(()) => {}
            Err(ServerError::Refused { .. } | ServerError::NotFound { .. } | ServerError::Strange { .. }) => {
                (self.facts.knows_ids, self.facts.most_listed) = (false, 0);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        self.check_raw(&[1], interrupt)?;
        self.probe_several(&[1], interrupt)
    }

    /// A short text by its ids, the last one a plain character.
    fn probe_text(&mut self, interrupt: &AtomicBool) -> Result<Vec<u32>, ServerError> {
        self.tokenise("a", true, interrupt)
    }

    fn find_most_listed(&mut self, text: &[u32], interrupt: &AtomicBool) -> Result<(), ServerError> {
        let mut refused = None;
        for count in TRIED {
            self.facts.most_listed = count;
            match self.rows(&[text], Top::Highest(count), interrupt) {
                // Some send fewer than they are asked for.
                Ok(rows) => {
                    self.facts.most_listed = rows.first().map_or(0, |row| row.tokens.len());
                    return Ok(());
                }
                Err(error @ ServerError::Refused { .. }) => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| self.client.strange("it lists no tokens")))
    }

    /// Whether rows are of the raw logits: then the temperature changes nothing.
    fn check_raw(&mut self, text: &[u32], interrupt: &AtomicBool) -> Result<(), ServerError> {
        let top = Top::Highest(self.facts.most_listed.min(5));
        let greedy = self.rows(&[text], top, interrupt)?;
        let mut body = rows_body(&self.facts.model, json!(text), top);
        body["temperature"] = json!(2.0);
        let answer: Completion = self.post(COMPLETIONS, &body, interrupt)?;
        let choice = answer.choices.into_iter().next();
        let choice = choice.ok_or_else(|| self.client.strange("it has no choices"))?;
        let came = choice.rows().map_err(|what| self.client.strange(what))?.into_iter().next();
        let hot = came.ok_or_else(|| self.client.strange("it has no row"))?;
        let hot = self.checked(hot, top)?;
        let values = |row: &SentRow| row.log_probabilities.clone();
        let same = greedy.first().is_some_and(|row| {
            let pairs = values(row).into_iter().zip(values(&hot));
            pairs.into_iter().all(|(left, right)| left == right || (left - right).abs() < NOISE)
        });
        if !same {
            return Err(self.client.unsupported(
                "its log-probabilities change with the temperature, so they are not the model's own; start vLLM with --logprobs-mode raw_logprobs",
            ));
        }
        Ok(())
    }

    fn probe_several(&mut self, text: &[u32], interrupt: &AtomicBool) -> Result<(), ServerError> {
        self.facts.several_at_once = true;
        let twice = [text, text].concat();
        match self.rows(&[text, &twice], Top::Highest(1), interrupt) {
            Ok(_) => Ok(()),
            Err(ServerError::Refused { .. } | ServerError::Strange { .. } | ServerError::Failed { .. }) => {
                self.facts.several_at_once = false;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// The model that is meant.
fn chosen<'a>(client: &Client, models: &'a Models) -> Result<&'a Model, ServerError> {
    let names = || models.data.iter().map(|model| client.tidy(&model.id)).collect::<Vec<_>>();
    match (client.address.model(), models.data.as_slice()) {
        (Some(name), all) => all.iter().find(|model| model.is(name)).ok_or_else(|| {
            ServerError::NoSuchModel { host: client.host(), model: name.to_owned(), served: names() }
        }),
        (None, [model]) => Ok(model),
        (None, []) => Err(client.unsupported("it serves no model now")),
        (None, _) => Err(ServerError::SeveralModels { host: client.host(), served: names() }),
    }
}
