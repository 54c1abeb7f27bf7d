//! A server that answers one question: which models it serves.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How it answers.
#[derive(Clone, Debug)]
pub enum Answers {
    /// With models.
    Models,
    /// With models, to those that have this key.
    WithKey(&'static str),
    /// Not at all.
    Never,
}

/// The server; its thread ends with the program.
pub struct ModelsPage {
    /// Where it listens.
    pub at: SocketAddr,
    /// The requests so far: the first line and the headers.
    pub requests: Arc<Mutex<Vec<String>>>,
}

const MODELS: &str = r#"{"object":"list","data":[
    {"id":"tale-260k","object":"model","owned_by":"vllm","root":"/models/tale","max_model_len":512},
    {"id":"tale-15m","object":"model","owned_by":"vllm","max_model_len":2048}]}"#;

impl ModelsPage {
    pub fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("it has one");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, seen) = (answers.clone(), Arc::clone(&seen));
                std::thread::spawn(move || answer(&stream, &answers, &seen));
            }
        });
        Self { at, requests }
    }

    /// How many requests there were.
    pub fn count(&self) -> usize {
        self.requests.lock().expect("nobody panics").len()
    }
}

fn answer(mut stream: &TcpStream, answers: &Answers, seen: &Mutex<Vec<String>>) {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let head = head.join("\n");
    seen.lock().expect("nobody panics").push(head.clone());
    let (status, body) = match answers {
        Answers::Models => ("200 OK", MODELS),
        Answers::WithKey(key) if head.to_lowercase().contains(&format!("authorization: bearer {key}")) => {
            ("200 OK", MODELS)
        }
        Answers::WithKey(_) => ("401 Unauthorized", r#"{"error":"Unauthorized"}"#),
        Answers::Never => {
            std::thread::sleep(Duration::from_secs(60));
            return;
        }
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}
