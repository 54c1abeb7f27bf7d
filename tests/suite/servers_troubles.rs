//! The troubles that servers have: each is told once, in words that say what, why and what to do, and none has a key in it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use logitscope::servers::{
    ApiKey, Ended, Patience, Server, ServerAddress, ServerError, ServerSampling, StreamAsk, Top,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::http_request::Request;
use super::server_player::{End, Player, Reply, recorded_answer, recording};
use super::servers::{NEVER, always, connect, patience};

const SECRET: &str = "sk-very-secret-0123456789";
const PROMPT: &[u32] = &[1, 403, 407, 261, 378];
const ASK: StreamAsk =
    StreamAsk { top: Top::Highest(2), most_tokens: 5, sampling: ServerSampling::GREEDY, stop_at_eos: true };

/// An error without the host's name, which has another port each time.
fn told(player: &Player, error: &ServerError) -> String {
    error.to_string().replace(&player.host(), "HOST")
}

/// What connecting says to a server that always answers this.
fn met(reply: Reply, key: Option<&str>) -> String {
    let player = always(reply);
    let address = ServerAddress::parse(&player.address()).unwrap();
    let key = key.map(|key| ApiKey::new(key).unwrap());
    let patience = Patience { silence: Duration::from_secs(1), ..patience() };
    let error = Server::connect(&address, key, patience, &NEVER).map(drop).unwrap_err();
    told(&player, &error)
}

fn page(status: u16) -> Reply {
    Reply::text(status, "text/html; charset=utf-8", "<!DOCTYPE html><title>Router</title>")
}

#[test]
fn every_trouble_at_the_door_has_words_of_its_own() {
    let models = || Reply::json(&json!({"data": [{"id": "tale", "owned_by": "vllm"}]}));
    let two = json!({"data": [{"id": "tale"}, {"id": "saga"}]});
    for (name, reply, key, expected) in [
        (
            "no key",
            Reply::error(401, "Unauthorized"),
            None,
            "HOST wants a key (401): set LOGITSCOPE_API_KEY to it, or type it into the window's field",
        ),
        (
            "wrong key",
            Reply::error(401, "no"),
            Some(SECRET),
            "HOST refuses the key (401): it is wrong, has ended, or is not for this model; set LOGITSCOPE_API_KEY to another one, or type it into the window's field",
        ),
        (
            "forbidden",
            Reply::error(403, "no"),
            Some(SECRET),
            "HOST refuses the key (403): it is wrong, has ended, or is not for this model; set LOGITSCOPE_API_KEY to another one, or type it into the window's field",
        ),
        (
            "busy for long",
            Reply::error(429, "Too many.").with("retry-after", "7200"),
            None,
            "HOST has too much to do (429): Too many: try again in 120 min",
        ),
        (
            "busy",
            Reply::error(429, "Too many."),
            None,
            "HOST has too much to do (429): Too many: try again later",
        ),
        (
            "loading",
            Reply::error(503, "Loading model"),
            None,
            "HOST has too much to do (503): Loading model: try again later",
        ),
        (
            "broken",
            Reply::error(500, "out of\n  memory"),
            None,
            "HOST answers with an error of its own (500): out of memory: try again, or look at the server's log",
        ),
        (
            "nothing there",
            Reply::text(404, "application/json", r#"{"detail":"Not Found"}"#),
            None,
            "HOST has nothing at /v1/models (404): Not Found: see that the address is right",
        ),
        (
            "a page",
            page(200),
            None,
            "HOST is no server of models: it answers with a page for people where an engine answers with JSON; see that the address and the port are right",
        ),
        (
            "a page that is not there",
            page(404),
            None,
            "HOST is no server of models: at /v1/models it has a page (404); see that the address and the port are right",
        ),
        (
            "wrong JSON",
            Reply::text(200, "application/json", r#"{"data": [NaN]}"#),
            None,
            "HOST gives an answer that cannot be used: its JSON is not as expected (expected value at line 1 column 11); it may be of another version than those that this program knows",
        ),
        (
            "other JSON",
            Reply::json(&json!({"models": []})),
            None,
            "HOST gives an answer that cannot be used: its JSON is not as expected (missing field `data` at line 1 column 13); it may be of another version than those that this program knows",
        ),
        (
            "nothing",
            Reply::text(200, "application/json", ""),
            None,
            "HOST gives an answer that cannot be used: it is empty; it may be of another version than those that this program knows",
        ),
        ("no models", Reply::json(&json!({"data": []})), None, "HOST cannot do this: it serves no model now"),
        (
            "two models",
            Reply::json(&two),
            None,
            "HOST serves several models: name one behind the address, such as #tale; it serves tale, saga",
        ),
        (
            "cut",
            models().ending(End::Cut),
            None,
            "the connection to HOST broke off in the middle of an answer: it ended too early; try again",
        ),
        (
            "silence",
            models().ending(End::Silence),
            None,
            "HOST has been silent for 1 s: it may be busy with others, or stuck; try again, or look at the server",
        ),
        ("no room left", Reply::text(418, "text/plain", "x".repeat(5000)), None, ""),
    ] {
        let words = met(reply, key);
        match expected {
            "" => assert!(
                words.starts_with("HOST refuses what was asked (418): xxx") && words.len() < 400,
                "{words}"
            ),
            expected => assert_eq!(words, expected, "{name}"),
        }
    }
}

#[test]
fn nobody_at_the_address_is_told() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = ServerAddress::parse(&format!("http://{free}")).unwrap();
    let error = Server::connect(&address, None, patience(), &NEVER).map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{free} cannot be reached: it refuses the connection; see that the server runs, and that the address is right"
        )
    );
    assert!(error.may_pass());
    // Something that is no HTTP.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = ServerAddress::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n");
            let _ = stream.read(&mut [0; 4096]);
        }
    });
    let error = Server::connect(&address, None, patience(), &NEVER).map(drop).unwrap_err();
    assert!(matches!(error, ServerError::NoEngine { .. }), "{error}");
}

#[test]
fn a_redirect_is_refused_and_the_key_stays_here() {
    let elsewhere = always(Reply::json(&json!({"data": [{"id": "tale"}]})));
    let to = format!("{}/v1/models?token=abc", elsewhere.address());
    for status in [301, 302, 303, 307, 308] {
        let words = met(Reply::text(status, "text/plain", "").with("location", &to), Some(SECRET));
        let shown = format!("{}/v1/models", elsewhere.address());
        assert_eq!(
            words,
            format!(
                "HOST sends to another address, {shown}: nothing was sent there; if it is the right one, connect to it"
            )
        );
    }
    assert!(elsewhere.seen().is_empty());
}

#[test]
fn a_short_wait_is_obeyed() {
    let is_first = AtomicBool::new(true);
    let player = Player::recorded("vllm_stories.json", move |request| {
        let waits = request.path == "/v1/completions" && is_first.swap(false, Ordering::Relaxed);
        waits.then(|| Reply::error(429, "soon").with("retry-after", "1"))
    });
    let begin = Instant::now();
    connect(&player).unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_certificate_that_nobody_trusts_is_refused_before_anything_is_sent() {
    let pem = include_bytes!("../fixtures/servers/untrusted.pem");
    let key = include_bytes!("../fixtures/servers/untrusted.key");
    let certificates = CertificateDer::pem_slice_iter(pem).map(Result::unwrap).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, PrivateKeyDer::from_pem_slice(key).unwrap());
    let config = Arc::new(config.unwrap());
    let wrap = move |stream: TcpStream| {
        let connection = rustls::ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
        Ok(rustls::StreamOwned::new(connection, stream))
    };
    let answers = |_: &Request| Some(Reply::json(&json!({"data": [{"id": "tale"}]})));
    let player = Player::listen("https", answers, wrap);
    let address = ServerAddress::parse(&player.address()).unwrap();
    let key = Some(ApiKey::new(SECRET).unwrap());
    let error = Server::connect(&address, key, patience(), &NEVER).map(drop).unwrap_err();
    assert!(matches!(error, ServerError::Insecure { .. }), "{error:?}");
    let words = told(&player, &error);
    assert!(words.starts_with("the connection to HOST is not safe, so nothing was sent: "), "{words}");
    assert!(player.seen().is_empty());
}

/// A server that plays vLLM until it is told to answer completions otherwise.
struct Turning {
    player: Player,
    turned: Arc<AtomicBool>,
    server: Server,
}

impl Turning {
    fn new(reply: Reply) -> Self {
        Self::at("/v1/completions", reply)
    }

    fn at(path: &'static str, reply: Reply) -> Self {
        let turned = Arc::new(AtomicBool::new(false));
        let is_turned = Arc::clone(&turned);
        let player = Player::recorded("vllm_stories.json", move |request| {
            (is_turned.load(Ordering::Relaxed) && request.path == path).then(|| reply.clone())
        });
        let server = connect(&player).unwrap();
        turned.store(true, Ordering::Relaxed);
        Self { player, turned, server }
    }

    fn rows(&mut self) -> Result<Vec<logitscope::servers::SentRow>, String> {
        let rows = self.server.rows(&[PROMPT], Top::Highest(2), &NEVER);
        rows.map_err(|error| told(&self.player, &error))
    }

    /// How many tokens came of a stream, and how it ended.
    fn stream(&mut self) -> (usize, Result<Ended, String>) {
        let mut stream = self.server.stream(PROMPT, &ASK).unwrap();
        let mut count = 0;
        loop {
            match stream.next(&NEVER) {
                Ok(Some(_)) => count += 1,
                Ok(None) => return (count, Ok(stream.ended_because().unwrap().clone())),
                Err(error) => return (count, Err(told(&self.player, &error))),
            }
        }
    }
}

fn choice(listed: &Value) -> Value {
    let highest = listed.as_object().and_then(|listed| listed.iter().next());
    let (name, value) = highest.map_or((json!("token_id:432"), json!(null)), |(n, v)| (json!(n), v.clone()));
    json!({"index": 0, "finish_reason": null, "logprobs": {"tokens": [name], "token_logprobs": [value], "top_logprobs": [listed]}})
}

fn completion(listed: &Value) -> Value {
    json!({"choices": [choice(listed)]})
}

#[test]
fn rows_that_cannot_be_right_are_refused() {
    let strange = |what: &str| {
        Err(format!(
            "HOST gives an answer that cannot be used: {what}; it may be of another version than those that this program knows"
        ))
    };
    let ignoring =
        json!({"choices": [{"index": 0, "text": ",", "logprobs": null, "finish_reason": "length"}]});
    for (answer, expected) in [
        (ignoring, strange("it has no log-probabilities, though they were asked for")),
        (json!({"choices": []}), strange("it has 0 rows for 1 texts")),
        (completion(&json!({"token_id:432": null})), strange("the log-probability of token 432 is missing")),
        (completion(&json!({"token_id:512": -0.1})), strange("token 512 is outside its vocabulary of 512")),
        (
            completion(&json!({"token_id:99999999999": -0.1})),
            strange("it names tokens by their texts, not by their ids"),
        ),
        (completion(&json!({" there": -0.1})), strange("it names tokens by their texts, not by their ids")),
        (
            completion(&json!({"token_id:432": 0.5})),
            strange("the log-probability of token 432 is 0.5, which is above 0"),
        ),
        (
            completion(&json!({"token_id:432": -0.1, "token_id:433": -0.2})),
            strange("the probabilities of a row are 1.724 together"),
        ),
        (completion(&json!({})), strange("it has no log-probabilities, though they were asked for")),
    ] {
        let mut turning = Turning::new(Reply::json(&answer));
        assert_eq!(turning.rows().map(|_| ()), expected, "{answer}");
    }
    // JSON has no word for it; some servers write it all the same.
    let text = r#"{"choices":[{"index":0,"logprobs":{"tokens":["token_id:1"],"token_logprobs":[NaN],"top_logprobs":[{"token_id:1":NaN}]}}]}"#;
    let words = Turning::new(Reply::text(200, "application/json", text)).rows().unwrap_err();
    assert!(words.contains("its JSON is not as expected (expected value"), "{words}");
    let twice = r#"{"choices":[{"index":0,"logprobs":{"tokens":["token_id:1"],"token_logprobs":[-1],"top_logprobs":[{"token_id:1":-1,"token_id:1":-2}]}}]}"#;
    let words = Turning::new(Reply::text(200, "application/json", twice)).rows().unwrap_err();
    assert!(words.contains("token 1 is in a row twice"), "{words}");
}

#[test]
fn rows_in_any_order_are_put_in_order() {
    // −9999 is vLLM's word for −∞. Equal ones come by their ids.
    let listed = json!({"token_id:7": -2.0, "token_id:9": -0.5, "token_id:3": -2.0, "token_id:8": -9999.0});
    let answer = json!({"choices": [{"index": 0, "finish_reason": "length", "logprobs": {
        "tokens": ["token_id:8"], "token_logprobs": [-9999.0], "top_logprobs": [listed]}}]});
    let mut turning = Turning::new(Reply::json(&answer));
    let row = &turning.server.rows(&[PROMPT], Top::Highest(4), &NEVER).unwrap()[0];
    assert_eq!(row.tokens, [9, 3, 7, 8]);
    assert_eq!(row.log_probabilities, [-0.5, -2.0, -2.0, f32::NEG_INFINITY]);
    assert_eq!((row.chosen, row.chosen_log_probability), (8, Some(f32::NEG_INFINITY)));
    // What was chosen comes on top of the highest that were asked for.
    let row = &turning.rows().unwrap()[0];
    assert_eq!((row.tokens.as_slice(), row.chosen), ([9, 3].as_slice(), 8));
}

#[test]
fn a_model_that_went_is_told_with_those_that_are_there() {
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    let player = Player::recorded("vllm_stories.json", move |request| {
        if !is_gone.load(Ordering::Relaxed) {
            return None;
        }
        match request.path.as_str() {
            "/v1/models" => Some(Reply::json(&json!({"data": [{"id": "saga"}, {"id": "epic"}]}))),
            _ => Some(Reply::error(404, "The model `stories260K` does not exist.")),
        }
    });
    let mut server = connect(&player).unwrap();
    gone.store(true, Ordering::Relaxed);
    let error = server.rows(&[PROMPT], Top::Highest(1), &NEVER).unwrap_err();
    assert_eq!(told(&player, &error), "HOST does not serve the model stories260K: it serves saga, epic");
}

#[test]
fn streams_break_in_many_ways() {
    let event = completion(&json!({"token_id:432": -0.5})).to_string();
    let events = |count: usize| Reply::events(std::iter::repeat_n(event.clone(), count));
    let error = json!({"error": {"message": "CUDA out of memory", "code": 500}}).to_string();
    let cut = "the connection to HOST broke off in the middle of an answer: it ended too early; try again";
    let mut endless = events(1);
    endless.parts.extend(std::iter::repeat_n(vec![b'x'; 1 << 20], 20));
    for (name, reply, count, expected) in [
        ("cut", events(3).ending(End::Cut), 3, Err(cut)),
        ("an end without a reason", events(3), 3, Err(cut)),
        (
            "more than was asked for",
            events(10_000),
            0,
            Err("HOST sends too much: more tokens than the 5 that were asked for; the rest was not read"),
        ),
        (
            "an endless line",
            endless,
            1,
            Err("HOST sends too much: a line of more than 16 MiB; the rest was not read"),
        ),
        (
            "an error in the middle",
            Reply::events([event.clone(), error]),
            1,
            Err(
                "HOST answers with an error of its own (500): CUDA out of memory: try again, or look at the server's log",
            ),
        ),
        (
            "an error at once",
            Reply::error(400, "max_tokens must be at least 1"),
            0,
            Err("HOST refuses what was asked (400): max_tokens must be at least 1"),
        ),
        (
            "no stream",
            Reply::json(&completion(&json!({"token_id:432": -0.5}))),
            0,
            Err(
                "HOST gives an answer that cannot be used: it sends everything at once where a stream was asked for; it may be of another version than those that this program knows",
            ),
        ),
        (
            "no JSON",
            Reply::events([event.clone(), "tokens".to_owned()]),
            1,
            Err(
                "HOST gives an answer that cannot be used: its JSON is not as expected (expected ident at line 1 column 2); it may be of another version than those that this program knows",
            ),
        ),
        (
            "[DONE]",
            Reply::events([event.clone(), "[DONE]".to_owned()]),
            1,
            Ok(Ended::Other("the server gives no reason".to_owned())),
        ),
    ] {
        let (came, ended) = Turning::new(reply).stream();
        assert_eq!(ended, expected.map_err(str::to_owned), "{name}");
        // Of what was read ahead, all that was right has come, but for the flood.
        assert!(came == count || name.starts_with("more") && came == 5, "{name}: {came}");
    }
}

#[test]
fn an_answer_without_an_end_is_cut_off() {
    let mut reply = Reply::text(200, "application/json", "[");
    reply.parts.extend(std::iter::repeat_n(vec![b' '; 1 << 20], 70));
    reply.is_stream = true;
    let words = Turning::new(reply).rows().unwrap_err();
    assert_eq!(words, "HOST sends too much: an answer of more than 64 MiB; the rest was not read");
}

#[test]
fn whoever_waits_can_stop_at_any_time() {
    let event = completion(&json!({"token_id:432": -0.5})).to_string();
    let silent = Reply::json(&json!({})).ending(End::Silence);
    let slow = Reply::events(std::iter::repeat_n(event, 5)).ending(End::Silence);
    for (reply, is_stream) in [(silent, false), (slow, true)] {
        let mut turning = Turning::new(reply);
        let interrupt = Arc::new(AtomicBool::new(false));
        let begin = Instant::now();
        let later = Arc::clone(&interrupt);
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(150));
            later.store(true, Ordering::Relaxed);
        });
        let error = if is_stream {
            let mut stream = turning.server.stream(PROMPT, &StreamAsk { most_tokens: 9, ..ASK }).unwrap();
            loop {
                if let Err(error) = stream.next(&interrupt) {
                    break error;
                }
            }
        } else {
            turning.server.rows(&[PROMPT], Top::Highest(2), &interrupt).unwrap_err()
        };
        assert_eq!(error, ServerError::Stopped);
        let took = begin.elapsed();
        assert!(took > Duration::from_millis(140) && took < Duration::from_millis(400), "{took:?}");
        assert!(closes_soon(&turning.player), "the connection stays open");
        // The next request opens another one.
        turning.turned.store(false, Ordering::Relaxed);
        turning.server.rows(&[PROMPT], Top::Highest(1), &NEVER).unwrap();
    }
}

#[test]
fn who_is_there_and_the_next_token_are_waited_for_less_than_the_first_one() {
    let silent = || Reply::json(&json!({})).ending(End::Silence);
    let player = always(silent());
    let address = ServerAddress::parse(&player.address()).unwrap();
    let soon = Patience { answer: Duration::from_secs(1), silence: Duration::from_secs(60), ..patience() };
    let begin = Instant::now();
    let error = Server::connect(&address, None, soon, &NEVER).map(drop).unwrap_err();
    assert!(matches!(error, ServerError::Silent { seconds: 1, .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());

    let event = completion(&json!({"token_id:432": -0.5})).to_string();
    let mut turning = Turning::new(Reply::events([event]).ending(End::Silence));
    let begin = Instant::now();
    let mut stream = turning.server.stream(PROMPT, &StreamAsk { most_tokens: 9, ..ASK }).unwrap();
    let error = loop {
        if let Err(error) = stream.next(&NEVER) {
            break error;
        }
    };
    let pause = patience().pause;
    assert_eq!(error, ServerError::Silent { host: turning.player.host(), seconds: pause.as_secs() });
    assert!(begin.elapsed() < pause + Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!(closes_soon(&turning.player), "the connection stays open");
}

fn closes_soon(player: &Player) -> bool {
    (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        player.closed() > 0
    })
}

#[test]
fn a_stream_that_is_dropped_closes_its_connection() {
    let event = completion(&json!({"token_id:432": -0.5})).to_string();
    let reply = Reply::events(std::iter::repeat_n(event, 2)).ending(End::Silence);
    let mut turning = Turning::new(reply);
    let mut stream = turning.server.stream(PROMPT, &ASK).unwrap();
    assert!(stream.next(&NEVER).unwrap().is_some());
    assert_eq!(turning.player.closed(), 0);
    drop(stream);
    assert!(closes_soon(&turning.player), "the connection stays open");
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_opened_again() {
    let exchanges = recording("vllm_stories.json");
    // Each answer is the last of its connection, without saying so.
    let player =
        Player::start(move |request| Some(recorded_answer(&exchanges, request)?.ending(End::Closed)));
    let mut server = connect(&player).unwrap();
    for _ in 0..20 {
        assert_eq!(server.rows(&[PROMPT], Top::Highest(1), &NEVER).unwrap()[0].tokens, [432]);
    }
}

#[test]
fn no_error_has_the_key_in_it() {
    let echoing = |status: u16| {
        Player::start(move |request| {
            let key = request.headers.get("authorization").cloned().unwrap_or_default();
            Some(Reply::error(status, &format!("Incorrect API key provided: {key}")))
        })
    };
    for status in [400, 401, 403, 404, 418, 429, 500, 503] {
        let player = echoing(status);
        let address = ServerAddress::parse(&player.address()).unwrap();
        let key = ApiKey::new(&format!(" {SECRET}\n")).unwrap();
        let error = Server::connect(&address, Some(key.clone()), patience(), &NEVER).map(drop).unwrap_err();
        let sent = &player.seen()[0].headers["authorization"];
        assert_eq!(*sent, format!("Bearer {SECRET}"));
        for text in [error.to_string(), format!("{error:?}"), format!("{key:?} {key}")] {
            assert!(!text.contains(SECRET) && !text.contains("0123456789"), "{text}");
        }
    }
    let error = ApiKey::new("two words").unwrap_err();
    assert_eq!(error, ServerError::UnusableKey);
    assert!(!error.to_string().contains("two words"));
}
