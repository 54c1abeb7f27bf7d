//! A server that speaks the hub's protocol, on this computer, with the troubles that networks have: one port for the
//! hub, another one for the files that it sends people to.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use serde_json::json;

use super::http_request::Request;

/// The commit of every repository.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The hub, about a repository.
    Api,
    /// The hub, about a file, without its bytes.
    Head,
    /// The hub, for a file.
    Resolve,
    /// The server with the large files.
    Files,
    /// A proxy.
    Proxy,
}

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// So many bytes of the body, and then nothing more.
    Silence(usize),
    /// So many bytes a tenth of a second.
    Slow(usize),
    /// Another status, with headers.
    Status(u16, &'static [(&'static str, &'static str)]),
    /// The whole file, although a part was asked for.
    Whole,
    /// Another part than was asked for.
    OtherPart,
    /// One byte of the body is another one.
    Flipped,
    /// The connection ends after so many bytes, and the file is another one from then on.
    CutAndChange(usize, Vec<u8>),
}

/// A request, as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: At,
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

#[derive(Clone)]
struct File {
    bytes: Vec<u8>,
    is_large: bool,
}

impl File {
    fn tag(&self) -> String {
        if self.is_large { sha256(&self.bytes) } else { git_sha1(&self.bytes) }
    }
}

#[derive(Default)]
struct State {
    /// By repository and path.
    files: BTreeMap<String, BTreeMap<String, File>>,
    /// More of what the hub tells of a repository.
    info: BTreeMap<String, serde_json::Value>,
    troubles: VecDeque<(At, Trouble)>,
    seen: Vec<Seen>,
    page: usize,
}

/// The server.
pub struct HubServer {
    hub: SocketAddr,
    files: SocketAddr,
    state: Arc<Mutex<State>>,
}

pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(digest(&SHA256, bytes).as_ref())
}

pub fn git_sha1(bytes: &[u8]) -> String {
    let blob = [format!("blob {}\0", bytes.len()).as_bytes(), bytes].concat();
    hexadecimal(digest(&SHA1_FOR_LEGACY_USE_ONLY, &blob).as_ref())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes that look like nothing.
pub fn noise(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

impl HubServer {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State { page: usize::MAX, ..State::default() }));
        let listen = || TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (hub, files) = (listen(), listen());
        let address = |listener: &TcpListener| listener.local_addr().expect("an address");
        let server = Self { hub: address(&hub), files: address(&files), state };
        for (listener, is_hub) in [(hub, true), (files, false)] {
            let (state, files) = (Arc::clone(&server.state), server.files);
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let state = Arc::clone(&state);
                    // A client that goes away in the middle is what the tests are about.
                    std::thread::spawn(move || drop(Connection { state, files, is_hub }.serve(stream)));
                }
            });
        }
        server
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.hub)
    }

    /// Puts a file that the hub sends people elsewhere for.
    pub fn put_large(&self, repository: &str, path: &str, bytes: Vec<u8>) {
        self.put(repository, path, File { bytes, is_large: true });
    }

    /// Puts a file that the hub has itself.
    pub fn put_small(&self, repository: &str, path: &str, bytes: Vec<u8>) {
        self.put(repository, path, File { bytes, is_large: false });
    }

    fn put(&self, repository: &str, path: &str, file: File) {
        let mut state = self.state.lock().unwrap();
        state.files.entry(repository.to_owned()).or_default().insert(path.to_owned(), file);
    }

    /// What else the hub tells of a repository.
    pub fn tell(&self, repository: &str, info: serde_json::Value) {
        self.state.lock().unwrap().info.insert(repository.to_owned(), info);
    }

    /// So many files on a page of a list.
    pub fn page(&self, files: usize) {
        self.state.lock().unwrap().page = files;
    }

    /// The next request of this kind goes wrong.
    pub fn trouble(&self, at: At, trouble: Trouble) {
        self.state.lock().unwrap().troubles.push_back((at, trouble));
    }

    /// What came so far, of one kind.
    pub fn seen(&self, at: At) -> Vec<Seen> {
        self.state.lock().unwrap().seen.iter().filter(|seen| seen.at == at).cloned().collect()
    }
}

struct Connection {
    state: Arc<Mutex<State>>,
    files: SocketAddr,
    is_hub: bool,
}

/// An answer that is not sent yet.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }
}

impl Connection {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let Some(Request { method, path, headers, .. }) = Request::read(&mut reader)? else { return Ok(()) };
        let is_head = method == "HEAD";
        let at = match (method.as_str(), self.is_hub) {
            ("CONNECT", _) => At::Proxy,
            (_, false) => At::Files,
            _ if path.starts_with("/api/") => At::Api,
            _ if is_head => At::Head,
            _ => At::Resolve,
        };
        let trouble = {
            let mut state = self.state.lock().unwrap();
            state.seen.push(Seen { at, path: path.clone(), headers: headers.clone() });
            let place = state.troubles.iter().position(|(place, _)| *place == at);
            place.and_then(|place| state.troubles.remove(place)).map(|(_, trouble)| trouble)
        };
        if at == At::Proxy {
            return tunnel(&path, stream, reader);
        }
        let mut answer = match (&trouble, at) {
            (Some(Trouble::Status(status, headers)), _) => headers
                .iter()
                .fold(Answer::new(*status, "no"), |answer, (name, value)| answer.with(name, value)),
            (_, At::Api) => self.about_repository(&path),
            (_, At::Files) => self.large(&path, &headers, trouble.as_ref()),
            _ => self.resolve(&path, &headers, trouble.as_ref()),
        };
        if let (Some(Trouble::Flipped), Some(last)) = (&trouble, answer.body.last_mut()) {
            *last ^= 1;
        }
        send(stream, &answer, is_head, trouble.as_ref())?;
        if let Some(Trouble::CutAndChange(_, bytes)) = trouble {
            let mut state = self.state.lock().unwrap();
            let changed = state.files.values_mut().flat_map(BTreeMap::values_mut).find(|file| file.is_large);
            changed.expect("a large file").bytes = bytes;
        }
        Ok(())
    }

    /// `/api/models/OWNER/NAME/revision/main` and `/api/models/OWNER/NAME/tree/COMMIT`.
    fn about_repository(&self, path: &str) -> Answer {
        let state = self.state.lock().unwrap();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<&str> = path.trim_start_matches("/api/models/").split('/').collect();
        let [owner, name, kind, revision] = parts.as_slice() else { return not_found("RepoNotFound") };
        let repository = format!("{owner}/{name}");
        let Some(files) = state.files.get(&repository) else { return not_found("RepoNotFound") };
        if !["main", COMMIT].contains(revision) {
            return not_found("RevisionNotFound");
        }
        if *kind == "revision" {
            let mut info = json!({"id": repository, "sha": COMMIT, "gated": false, "tags": []});
            let more = state.info.get(&repository).and_then(|more| more.as_object());
            for (key, value) in more.into_iter().flatten() {
                info[key] = value.clone();
            }
            return Answer::new(200, info.to_string());
        }
        let from: usize = query
            .split('&')
            .find_map(|part| part.strip_prefix("cursor="))
            .map_or(0, |at| at.parse().unwrap());
        let entry = |(path, file): (&String, &File)| {
            let mut entry =
                json!({"type": "file", "path": path, "size": file.bytes.len(), "oid": git_sha1(&file.bytes)});
            if file.is_large {
                entry["lfs"] = json!({"oid": file.tag(), "size": file.bytes.len(), "pointerSize": 134});
            }
            entry
        };
        let mut entries: Vec<_> = files.iter().map(entry).collect();
        entries.insert(0, json!({"type": "directory", "path": "folder", "size": 0, "oid": "0"}));
        let page: Vec<_> = entries.iter().skip(from).take(state.page).cloned().collect();
        let answer = Answer::new(200, json!(page).to_string());
        let next = from.saturating_add(state.page);
        if next < entries.len() {
            let host = "HOST";
            return answer
                .with("Link", format!("<http://{host}{path}?recursive=true&cursor={next}>; rel=\"next\""));
        }
        answer
    }

    /// `/OWNER/NAME/resolve/COMMIT/PATH`.
    fn resolve(&self, path: &str, headers: &BTreeMap<String, String>, trouble: Option<&Trouble>) -> Answer {
        let state = self.state.lock().unwrap();
        let path = path.replace("%20", " ");
        let mut parts = path.trim_start_matches('/').splitn(5, '/');
        let mut next = || parts.next().unwrap_or_default().to_owned();
        let (repository, _, revision, file) = (format!("{}/{}", next(), next()), next(), next(), next());
        let Some(files) = state.files.get(&repository) else { return not_found("RepoNotFound") };
        let Some(found) = files.get(&file).filter(|_| ["main", COMMIT].contains(&revision.as_str())) else {
            return not_found("EntryNotFound");
        };
        let tag = found.tag();
        if found.is_large {
            return Answer::new(302, "")
                .with("Location", format!("http://{}/{tag}?key=SECRET-KEY", self.files))
                .with("X-Repo-Commit", COMMIT)
                .with("X-Linked-Size", found.bytes.len())
                .with("X-Linked-ETag", format!("\"{tag}\""))
                .with("ETag", "\"of-the-pointer\"");
        }
        part(&found.bytes, headers, trouble).with("X-Repo-Commit", COMMIT).with("ETag", format!("\"{tag}\""))
    }

    fn large(&self, path: &str, headers: &BTreeMap<String, String>, trouble: Option<&Trouble>) -> Answer {
        let state = self.state.lock().unwrap();
        let tag = path.trim_start_matches('/').split('?').next().unwrap_or_default();
        let file = state.files.values().flat_map(BTreeMap::values).find(|file| file.tag() == tag);
        let Some(file) = file else { return Answer::new(403, "the address has ended") };
        let own_tag = format!("\"own-{}\"", &tag[..8]);
        let same = headers.get("if-range").is_none_or(|known| *known == own_tag);
        let trouble = if same { trouble } else { Some(&Trouble::Whole) };
        part(&file.bytes, headers, trouble).with("ETag", own_tag)
    }
}

fn not_found(code: &str) -> Answer {
    Answer::new(404, "").with("X-Error-Code", code).with("X-Error-Message", "not found")
}

/// The part of a file that was asked for.
fn part(bytes: &[u8], headers: &BTreeMap<String, String>, trouble: Option<&Trouble>) -> Answer {
    let range =
        headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    match (range, trouble) {
        (None, _) | (_, Some(Trouble::Whole)) => Answer::new(200, bytes),
        (Some(from), _) if from >= bytes.len() => {
            Answer::new(416, "").with("Content-Range", format!("bytes */{}", bytes.len()))
        }
        (Some(from), Some(Trouble::OtherPart)) => range_answer(bytes, from - 1),
        (Some(from), _) => range_answer(bytes, from),
    }
}

fn range_answer(bytes: &[u8], from: usize) -> Answer {
    let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
    Answer::new(206, &bytes[from..]).with("Content-Range", range)
}

fn send(
    mut stream: TcpStream,
    answer: &Answer,
    is_head: bool,
    trouble: Option<&Trouble>,
) -> std::io::Result<()> {
    let Answer { status, headers, body } = answer;
    let host = stream.local_addr()?.to_string();
    let mut head =
        format!("HTTP/1.1 {status} Status\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        let _ = write!(head, "{name}: {}\r\n", value.replace("HOST", &host));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if is_head {
        return Ok(());
    }
    match trouble {
        Some(Trouble::Cut(count) | Trouble::CutAndChange(count, _)) => {
            stream.write_all(&body[..(*count).min(body.len())])?;
            stream.shutdown(Shutdown::Both)
        }
        Some(Trouble::Silence(count)) => {
            stream.write_all(&body[..(*count).min(body.len())])?;
            std::thread::sleep(Duration::from_secs(15));
            Ok(())
        }
        Some(Trouble::Slow(count)) => body.chunks(*count).try_for_each(|chunk| {
            std::thread::sleep(Duration::from_millis(100));
            stream.write_all(chunk)
        }),
        _ => stream.write_all(body),
    }
}

/// What a proxy does after `CONNECT HOST:PORT`.
fn tunnel(to: &str, mut stream: TcpStream, mut reader: BufReader<TcpStream>) -> std::io::Result<()> {
    let mut other = TcpStream::connect(to)?;
    stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let mut back = (other.try_clone()?, stream);
    std::thread::spawn(move || std::io::copy(&mut back.0, &mut back.1));
    let mut buffer = [0; 4096];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(()),
            count => other.write_all(&buffer[..count])?,
        }
    }
}
