//! One request at a time on a thread of its own, with connections of its own that are kept open: whoever asked waits on
//! a channel, and can close them at any moment.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use ureq::http::Response;
use ureq::{Agent, Body, Error, RequestBuilder, Timeout};

use super::error::ServerError;
use super::key::ApiKey;
use super::refusal::Whole;
use crate::http::{Connections, Patience, Proxies, broken, header, is_insecure, joined, reason, retry_after};

/// Most bytes of an answer.
pub(super) const LARGEST_ANSWER: u64 = 64 << 20;
/// Most bytes of a line of a stream.
pub(super) const LONGEST_LINE: u64 = 16 << 20;
/// Events that are read ahead of who asked.
const AHEAD: usize = 64;

/// A request.
pub(super) struct Call {
    /// For people.
    pub host: String,
    pub address: String,
    /// JSON; without one it is a question (GET).
    pub body: Option<Vec<u8>>,
    pub key: Option<ApiKey>,
    /// Whether events are expected.
    pub wants_events: bool,
    /// The longest until the answer begins, and between two parts of it.
    pub silence: Duration,
}

/// What comes of a request.
pub(super) enum Came {
    /// The whole answer.
    Whole(Whole),
    /// The data of an event; more may come.
    Event(Vec<u8>),
    /// The end of the events; the thread is free.
    Ended,
    /// Nothing more comes.
    Failed(ServerError),
}

struct Job {
    call: Call,
    came: SyncSender<Came>,
}

/// A thread that asks.
pub(super) struct Exchange {
    agent: Agent,
    jobs: Sender<Job>,
}

impl Exchange {
    pub(super) fn new(connections: &Connections, patience: &Patience, proxies: Proxies) -> Self {
        let agent = connections.agent(patience, proxies);
        let (jobs, to_do) = channel::<Job>();
        let worker = agent.clone();
        std::thread::Builder::new()
            .name("server request".to_owned())
            .spawn(move || {
                for Job { call, came } in to_do {
                    perform(&worker, &call, &came);
                }
            })
            .map_err(|error| log::error!("no thread for requests: {error}"))
            // Then the channel is closed, and requests say so.
            .ok();
        Self { agent, jobs }
    }

    /// Asks; what comes, comes here.
    pub(super) fn ask(&self, call: Call) -> Receiver<Came> {
        let (came, coming) = sync_channel(AHEAD);
        // If the thread is gone, the receiver sees a closed channel.
        let _ = self.jobs.send(Job { call, came });
        coming
    }

    /// Closes the connections: what is under way fails.
    pub(super) fn close(self) {
        self.agent.shutdown();
    }
}

fn perform(agent: &Agent, call: &Call, came: &SyncSender<Came>) {
    let response = match send(agent, call) {
        // Servers close connections that nobody used for a while, sometimes in the very moment.
        Err(error) if is_stale(&error) => send(agent, call),
        sent => sent,
    };
    // Whoever asked may be gone.
    let _ = match response {
        Err(error) => came.send(Came::Failed(no_answer(call, &error))),
        Ok(response) if call.wants_events && is_events(&response) => read_events(call, response, came),
        Ok(response) => came.send(read_whole(call, response).map_or_else(Came::Failed, Came::Whole)),
    };
}

fn send(agent: &Agent, call: &Call) -> Result<Response<Body>, Error> {
    let key = call.key.as_ref().map(ApiKey::header);
    match &call.body {
        Some(body) => {
            let request = patient(agent.post(&call.address), call.silence);
            let request = request.header("content-type", "application/json");
            let request = key.iter().fold(request, |request, key| request.header("authorization", key));
            request.send(body.as_slice())
        }
        None => {
            let request = patient(agent.get(&call.address), call.silence);
            key.iter().fold(request, |request, key| request.header("authorization", key)).call()
        }
    }
}

/// A request that waits so long.
fn patient<B>(request: RequestBuilder<B>, silence: Duration) -> RequestBuilder<B> {
    request.config().timeout_recv_response(Some(silence)).timeout_per_read(Some(silence)).build()
}

/// Whether a connection may have been closed before the request came.
fn is_stale(error: &Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let Error::Io(error) = error else { return false };
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

fn is_events(response: &Response<Body>) -> bool {
    let kind = header(response.headers(), "content-type").unwrap_or_default();
    response.status().is_success() && kind.starts_with("text/event-stream")
}

fn no_answer(call: &Call, error: &Error) -> ServerError {
    let host = call.host.clone();
    if let Some(reason) = is_insecure(error) {
        return ServerError::Insecure { host, reason };
    }
    match error {
        Error::Timeout(Timeout::RecvResponse | Timeout::PerRead | Timeout::RecvBody) => {
            ServerError::Silent { host, seconds: call.silence.as_secs() }
        }
        Error::Timeout(_) => ServerError::Unreachable { host, reason: "it does not answer".to_owned() },
        Error::Io(error) if is_stale(&Error::Io(error.kind().into())) => {
            ServerError::BrokenOff { host, reason: broken(error) }
        }
        Error::Protocol(_) | Error::LargeResponseHeader(..) => {
            ServerError::NoEngine { host, what: format!("what it sends is no HTTP ({})", reason(error)) }
        }
        error => ServerError::Unreachable { host, reason: reason(error) },
    }
}

fn broken_off(call: &Call, error: &std::io::Error) -> ServerError {
    let host = call.host.clone();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::Timeout(_)) => ServerError::Silent { host, seconds: call.silence.as_secs() },
        Some(Error::BodyExceedsLimit(_)) => too_much(call, "an answer", LARGEST_ANSWER),
        _ if error.kind() == std::io::ErrorKind::TimedOut => {
            ServerError::Silent { host, seconds: call.silence.as_secs() }
        }
        _ => ServerError::BrokenOff { host, reason: broken(error) },
    }
}

fn too_much(call: &Call, what: &str, limit: u64) -> ServerError {
    let what = format!("{what} of more than {} MiB", limit >> 20);
    ServerError::TooMuch { host: call.host.clone(), what }
}

fn read_whole(call: &Call, response: Response<Body>) -> Result<Whole, ServerError> {
    let headers = response.headers();
    let text = |name| header(headers, name).map(str::to_owned);
    let location = text("location").map(|to| joined(&call.address, &to));
    let mut whole = Whole {
        status: response.status().as_u16(),
        content_type: text("content-type").unwrap_or_default(),
        location: location.map(|to| to.split(['?', '#']).next().unwrap_or_default().to_owned()),
        retry_after: retry_after(headers),
        body: Vec::new(),
    };
    let mut reader = response.into_body().into_reader().take(LARGEST_ANSWER + 1);
    reader.read_to_end(&mut whole.body).map_err(|error| broken_off(call, &error))?;
    if whole.body.len() as u64 > LARGEST_ANSWER {
        return Err(too_much(call, "an answer", LARGEST_ANSWER));
    }
    Ok(whole)
}

/// Reads server-sent events until the end, or until nobody listens: then the connection closes.
fn read_events(
    call: &Call,
    response: Response<Body>,
    came: &SyncSender<Came>,
) -> Result<(), std::sync::mpsc::SendError<Came>> {
    let mut reader = BufReader::with_capacity(64 << 10, response.into_body().into_reader());
    let (mut line, mut data) = (Vec::new(), Vec::<u8>::new());
    loop {
        line.clear();
        let read = (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line);
        if let Err(error) = read {
            return came.send(Came::Failed(broken_off(call, &error)));
        }
        let is_end = line.is_empty();
        if !is_end && line.last() != Some(&b'\n') && line.len() as u64 >= LONGEST_LINE {
            return came.send(Came::Failed(too_much(call, "a line", LONGEST_LINE)));
        }
        let text = line.trim_ascii_end();
        if text.is_empty() {
            if !data.is_empty() {
                came.send(Came::Event(std::mem::take(&mut data)))?;
            }
            if is_end {
                return came.send(Came::Ended);
            }
        } else if let Some(part) = text.strip_prefix(b"data:") {
            if !data.is_empty() {
                data.push(b'\n');
            }
            data.extend_from_slice(part.trim_ascii_start());
            if data.len() as u64 > LONGEST_LINE {
                return came.send(Came::Failed(too_much(call, "an event", LONGEST_LINE)));
            }
        } else if let Some(part) = text.strip_prefix(b"error:") {
            // An older server's way to tell of an error in the middle.
            data.extend_from_slice(part.trim_ascii_start());
        }
        // Other fields and comments say nothing that is needed.
    }
}
