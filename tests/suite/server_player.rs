//! A server of models on this computer: it plays what a real one once answered, or has the troubles that servers have.

use std::io::{BufReader, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::http_request::Request;

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As it should; the connection stays open.
    Well,
    /// As it should, and then the connection closes, which nothing has announced.
    Closed,
    /// The connection closes before the end that was announced.
    Cut,
    /// Nothing more comes.
    Silence,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// In HTTP chunks if there are several, or if it is a stream.
    pub parts: Vec<Vec<u8>>,
    pub is_stream: bool,
    pub end: End,
}

impl Reply {
    pub fn text(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        let parts = vec![body.into()];
        Self { status, headers, parts, is_stream: false, end: End::Well }
    }

    pub fn json(value: &Value) -> Self {
        Self::text(200, "application/json", value.to_string())
    }

    /// An error as engines write it.
    pub fn error(status: u16, message: &str) -> Self {
        let body = json!({"error": {"message": message, "type": "error", "code": status}});
        Self::text(status, "application/json", body.to_string())
    }

    /// Server-sent events, one a chunk.
    pub fn events(events: impl IntoIterator<Item = String>) -> Self {
        let parts = events.into_iter().map(|event| format!("data: {event}\n\n").into_bytes()).collect();
        Self { parts, is_stream: true, ..Self::text(200, "text/event-stream", "") }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }
}

type Answers = dyn Fn(&Request) -> Option<Reply> + Send + Sync;

/// A server. Requests that it has no answer for get a 404.
pub struct Player {
    address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Mutex<Vec<Request>>>,
    /// Connections that clients closed.
    closed: Arc<Mutex<usize>>,
}

impl Player {
    pub fn start(answers: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Self {
        Self::listen("http", answers, Ok)
    }

    /// One that speaks TLS by what `wrap` makes of a connection.
    pub fn listen<S: Read + Write + 'static>(
        scheme: &'static str,
        answers: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> Result<S> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let player = Self { address, scheme, seen: Arc::default(), closed: Arc::default() };
        let (seen, closed) = (Arc::clone(&player.seen), Arc::clone(&player.closed));
        let (answers, wrap): (Arc<Answers>, _) = (Arc::new(answers), Arc::new(wrap));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, closed) = (Arc::clone(&seen), Arc::clone(&closed));
                let (answers, wrap) = (Arc::clone(&answers), Arc::clone(&wrap));
                std::thread::spawn(move || {
                    let timed = stream.set_read_timeout(Some(Duration::from_secs(20)));
                    // A client that goes away in the middle is what some tests are about.
                    if let Ok(stream) = timed.and_then(|()| wrap(stream)) {
                        let left = serve(stream, &seen, &*answers).unwrap_or(true);
                        *closed.lock().unwrap() += usize::from(left);
                    }
                });
            }
        });
        player
    }

    /// Plays a recording; what `trouble` answers comes first.
    pub fn recorded(name: &str, trouble: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let exchanges = recording(name);
        Self::start(move |request| {
            trouble(request).or_else(|| {
                let answer = recorded_answer(&exchanges, request);
                let asked = request.json();
                assert!(answer.is_some(), "not recorded: {} {} {asked}", request.method, request.path);
                answer
            })
        })
    }

    pub fn address(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// What errors call it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// What came so far.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// How many connections ended in the middle of an answer.
    pub fn closed(&self) -> usize {
        *self.closed.lock().unwrap()
    }
}

/// What a real server and the client said to each other, from `tests/fixtures/servers`.
pub fn recording(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/servers").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let recording: Value = serde_json::from_str(&text).expect("a recording");
    recording["exchanges"].as_array().expect("exchanges").clone()
}

/// The answer to a request of the same method, path and JSON.
pub fn recorded_answer(exchanges: &[Value], request: &Request) -> Option<Reply> {
    let asked = request.json();
    let is_same = |exchange: &&Value| {
        let recorded = &exchange["request"];
        recorded["method"] == request.method && recorded["path"] == request.path && recorded["json"] == asked
    };
    exchanges.iter().find(is_same).map(|exchange| recorded_reply(&exchange["response"]))
}

fn recorded_reply(response: &Value) -> Reply {
    let status = u16::try_from(response["status"].as_u64().expect("a status")).expect("a status");
    let text = |value: &Value| value.as_str().expect("text").as_bytes().to_vec();
    let mut reply = Reply::text(status, "", "");
    let headers = response["headers"].as_object().into_iter().flatten();
    reply.headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
    if let Some(chunks) = response["chunks"].as_array() {
        (reply.parts, reply.is_stream) = (chunks.iter().map(text).collect(), true);
    } else if let Some(json) = response.get("json") {
        reply.parts = vec![json.to_string().into_bytes()];
    } else if let Some(body) = response.get("text") {
        reply.parts = vec![text(body)];
    }
    reply
}

/// Answers until the connection ends; whether the client left in the middle of an answer.
fn serve<S: Read + Write>(stream: S, seen: &Mutex<Vec<Request>>, answers: &Answers) -> Result<bool> {
    let mut reader = BufReader::new(stream);
    while let Ok(Some(request)) = Request::read(&mut reader) {
        seen.lock().unwrap().push(request.clone());
        let reply = answers(&request).unwrap_or_else(|| Reply::error(404, "there is nothing here"));
        send(reader.get_mut(), &reply)?;
        match reply.end {
            End::Well => {}
            End::Cut | End::Closed => return Ok(false),
            // Until the client goes.
            End::Silence => return reader.read(&mut [0; 1]).map(|count| count == 0),
        }
    }
    Ok(false)
}

fn send(stream: &mut impl Write, reply: &Reply) -> Result<()> {
    let length: usize = reply.parts.iter().map(Vec::len).sum();
    // What is cut or silent announces more than comes.
    let is_whole = matches!(reply.end, End::Well | End::Closed);
    let more = usize::from(!is_whole) * 100;
    let mut head = format!("HTTP/1.1 {} Status\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &match reply.is_stream {
        true => "transfer-encoding: chunked\r\n\r\n".to_owned(),
        false => format!("content-length: {}\r\n\r\n", length + more),
    };
    stream.write_all(head.as_bytes())?;
    stream.flush()?;
    for part in &reply.parts {
        if reply.is_stream {
            stream.write_all(format!("{:x}\r\n", part.len()).as_bytes())?;
            stream.write_all(part)?;
            stream.write_all(b"\r\n")?;
        } else {
            stream.write_all(part)?;
        }
        stream.flush()?;
    }
    if reply.is_stream && is_whole {
        stream.write_all(b"0\r\n\r\n")?;
    }
    stream.flush()
}
