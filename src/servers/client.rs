//! Requests with JSON: waited for so that they can be interrupted, and tried again where the server asks for a little
//! patience.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::address::ServerAddress;
use super::error::ServerError;
use super::exchange::{Call, Came, Exchange};
use super::key::ApiKey;
use super::refusal::{Whole, tidy};
use crate::http::{Connections, Patience, Proxies};

/// How patient a client of an engine is: a long prompt may take minutes before the first token comes, but who is there, and
/// the tokens that follow, are told sooner.
pub const PATIENCE: Patience = Patience {
    attempts: 3,
    first_wait: Duration::from_millis(500),
    longest_wait: Duration::from_secs(10),
    connect: Duration::from_secs(10),
    answer: Duration::from_secs(30),
    silence: Duration::from_secs(300),
    pause: Duration::from_secs(60),
};

/// How often who waits looks for an interruption.
const SLICE: Duration = Duration::from_millis(20);
/// Most connections that are kept open.
const MOST_IDLE: usize = 4;

/// Asks a server. Clones share connections.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) address: ServerAddress,
    pub(super) key: Option<ApiKey>,
    patience: Patience,
    connections: Connections,
    idle: Arc<Mutex<Vec<Exchange>>>,
}

impl Client {
    pub(super) fn new(address: &ServerAddress, key: Option<ApiKey>, patience: Patience) -> Self {
        let (connections, idle) = (Connections::default(), Arc::default());
        Self { address: address.clone(), key, patience, connections, idle }
    }

    /// For people.
    pub(super) fn host(&self) -> String {
        self.address.host().to_owned()
    }

    /// What is at a path.
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        interrupt: &AtomicBool,
    ) -> Result<T, ServerError> {
        let whole = self.patiently(path, None, interrupt)?;
        self.read(&whole)
    }

    /// What the server makes of a body.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        interrupt: &AtomicBool,
    ) -> Result<T, ServerError> {
        let body = self.written(body)?;
        let whole = self.patiently(path, Some(body), interrupt)?;
        self.read(&whole)
    }

    /// Asks for events; nothing is waited for.
    pub(super) fn events(&self, path: &str, body: &impl Serialize) -> Result<Events, ServerError> {
        let body = self.written(body)?;
        let exchange = self.exchange();
        let coming = exchange.ask(self.call(path, Some(body), true));
        let (client, path) = (self.clone(), path.to_owned());
        Ok(Events { client, path, coming, exchange: Some(exchange), has_begun: false })
    }

    pub(super) fn strange(&self, what: impl Into<String>) -> ServerError {
        ServerError::Strange { host: self.host(), what: what.into() }
    }

    pub(super) fn unsupported(&self, what: impl Into<String>) -> ServerError {
        ServerError::Unsupported { host: self.host(), what: what.into() }
    }

    /// A server's words in one line, without the key.
    pub(super) fn tidy(&self, said: &str) -> String {
        tidy(said, self.key.as_ref())
    }

    /// JSON as a type.
    pub(super) fn parse<T: DeserializeOwned>(&self, json: &[u8]) -> Result<T, ServerError> {
        serde_json::from_slice(json).map_err(|error| {
            let error = self.tidy(&error.to_string());
            match json.iter().all(u8::is_ascii_whitespace) {
                true => self.strange("it is empty"),
                false => self.strange(format!("its JSON is not as expected ({error})")),
            }
        })
    }

    fn written(&self, body: &impl Serialize) -> Result<Vec<u8>, ServerError> {
        serde_json::to_vec(body).map_err(|error| self.unsupported(format!("this is no JSON ({error})")))
    }

    fn read<T: DeserializeOwned>(&self, whole: &Whole) -> Result<T, ServerError> {
        whole.check_is_json(self.address.host())?;
        self.parse(&whole.body)
    }

    fn patiently(
        &self,
        path: &str,
        body: Option<Vec<u8>>,
        interrupt: &AtomicBool,
    ) -> Result<Whole, ServerError> {
        let mut attempts = 1;
        loop {
            let whole = self.once(path, body.clone(), interrupt)?;
            let checked = whole.check(self.address.host(), path, self.key.as_ref());
            let Err(error) = checked else { return Ok(whole) };
            let asked = match &error {
                ServerError::Busy { wait_seconds: Some(seconds), .. } => Duration::from_secs(*seconds),
                _ => return Err(error),
            };
            if attempts >= self.patience.attempts || asked > self.patience.longest_wait {
                return Err(error);
            }
            attempts += 1;
            wait(asked.max(self.patience.first_wait), interrupt)?;
        }
    }

    fn once(&self, path: &str, body: Option<Vec<u8>>, interrupt: &AtomicBool) -> Result<Whole, ServerError> {
        let exchange = self.exchange();
        let coming = exchange.ask(self.call(path, body, false));
        // The connection itself ends a silence.
        match next(&coming, interrupt, None) {
            Ok(Some(Came::Whole(whole))) => {
                self.give_back(exchange);
                Ok(whole)
            }
            Ok(Some(Came::Failed(error))) => Err(error),
            Ok(Some(Came::Event(_) | Came::Ended) | None) => Err(self.thread_gone()),
            Err(_) => {
                exchange.close();
                Err(ServerError::Stopped)
            }
        }
    }

    fn thread_gone(&self) -> ServerError {
        let reason = "this computer has no thread left for the request".to_owned();
        ServerError::Unreachable { host: self.host(), reason }
    }

    fn call(&self, path: &str, body: Option<Vec<u8>>, wants_events: bool) -> Call {
        let Patience { answer, silence, .. } = self.patience;
        Call {
            host: self.host(),
            address: self.address.at(path),
            silence: if body.is_some() { silence } else { answer.min(silence) },
            body,
            key: self.key.clone(),
            wants_events,
        }
    }

    fn exchange(&self) -> Exchange {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        // No proxy can reach this computer's own servers.
        let proxies = if self.address.is_here() { Proxies::None } else { Proxies::OfEnvironment };
        idle.unwrap_or_else(|| Exchange::new(&self.connections, &self.patience, proxies))
    }

    fn give_back(&self, exchange: Exchange) {
        if let Ok(mut idle) = self.idle.lock()
            && idle.len() < MOST_IDLE
        {
            idle.push(exchange);
        }
    }
}

/// Events that come one after the other. Dropped before their end, the connection closes, and the server stops.
pub(super) struct Events {
    client: Client,
    path: String,
    coming: Receiver<Came>,
    /// `None` after the end.
    exchange: Option<Exchange>,
    /// Whether one came: others follow sooner than the first.
    has_begun: bool,
}

impl Events {
    /// The data of the next one; `None` after the last.
    pub(super) fn next(&mut self, interrupt: &AtomicBool) -> Result<Option<Vec<u8>>, ServerError> {
        if self.exchange.is_none() {
            return Ok(None);
        }
        let pause = self.client.patience.pause;
        let came = next(&self.coming, interrupt, self.has_begun.then_some(pause)).map_err(|unanswered| {
            self.close();
            match unanswered {
                Unanswered::Stopped => ServerError::Stopped,
                Unanswered::Silent => {
                    ServerError::Silent { host: self.client.host(), seconds: pause.as_secs() }
                }
            }
        })?;
        match came {
            Some(Came::Event(data)) => {
                self.has_begun = true;
                Ok(Some(data))
            }
            Some(Came::Ended) => {
                if let Some(exchange) = self.exchange.take() {
                    self.client.give_back(exchange);
                }
                Ok(None)
            }
            Some(Came::Whole(whole)) => {
                self.close();
                let client = &self.client;
                whole.check(client.address.host(), &self.path, client.key.as_ref())?;
                whole.check_is_json(client.address.host())?;
                Err(client.strange("it sends everything at once where a stream was asked for"))
            }
            Some(Came::Failed(error)) => {
                self.close();
                Err(error)
            }
            None => {
                self.close();
                Err(self.client.thread_gone())
            }
        }
    }

    /// Ends it: the server stops.
    pub(super) fn close(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.close();
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.close();
    }
}

/// Why nothing came.
enum Unanswered {
    /// Somebody interrupted.
    Stopped,
    /// Nothing came for so long.
    Silent,
}

/// What comes next, unless somebody interrupts, or nothing comes for `most`; `None` where nothing can come.
fn next(
    coming: &Receiver<Came>,
    interrupt: &AtomicBool,
    most: Option<Duration>,
) -> Result<Option<Came>, Unanswered> {
    let began = Instant::now();
    loop {
        if interrupt.load(Ordering::Relaxed) {
            return Err(Unanswered::Stopped);
        }
        if most.is_some_and(|most| began.elapsed() > most) {
            return Err(Unanswered::Silent);
        }
        match coming.recv_timeout(SLICE) {
            Ok(came) => return Ok(Some(came)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn wait(time: Duration, interrupt: &AtomicBool) -> Result<(), ServerError> {
    let until = Instant::now() + time;
    loop {
        if interrupt.load(Ordering::Relaxed) {
            return Err(ServerError::Stopped);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(SLICE));
    }
}
