//! What an answer's status means, and what a server says of it.

use serde_json::Value;

use super::error::ServerError;
use super::key::ApiKey;

/// Most characters of a server's own words.
const MOST_WORDS: usize = 300;

/// An answer that came whole.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    pub status: u16,
    pub content_type: String,
    /// Where a redirect leads, without its query.
    pub location: Option<String>,
    /// Seconds.
    pub retry_after: Option<u64>,
    pub body: Vec<u8>,
}

impl Whole {
    /// An error unless all went well.
    pub(super) fn check(&self, host: &str, path: &str, key: Option<&ApiKey>) -> Result<(), ServerError> {
        let Self { status, .. } = *self;
        let host = host.to_owned();
        let message = || words(&self.body, key);
        Err(match status {
            200..=299 => return Ok(()),
            300..=399 => {
                let to = self.location.clone().unwrap_or_else(|| "which it does not name".to_owned());
                ServerError::Redirected { host, to }
            }
            401 | 403 if key.is_none() => ServerError::KeyMissing { host, status },
            401 | 403 => ServerError::KeyRefused { host, status },
            404 | 405 | 410 if is_page(self) => {
                ServerError::NoEngine { host, what: format!("at {path} it has a page ({status})") }
            }
            404 => ServerError::NotFound { host, path: path.to_owned(), message: message() },
            429 | 503 => {
                ServerError::Busy { host, status, message: message(), wait_seconds: self.retry_after }
            }
            400..=499 => ServerError::Refused { host, status, message: message() },
            _ => ServerError::Failed { host, status, message: message() },
        })
    }

    /// An error if it is a page for people.
    pub(super) fn check_is_json(&self, host: &str) -> Result<(), ServerError> {
        if is_page(self) {
            let what = "it answers with a page for people where an engine answers with JSON".to_owned();
            return Err(ServerError::NoEngine { host: host.to_owned(), what });
        }
        Ok(())
    }
}

fn is_page(answer: &Whole) -> bool {
    let begin = answer.body.trim_ascii_start();
    answer.content_type.starts_with("text/html") || begin.first() == Some(&b'<')
}

/// What a server says of an error, in one line.
pub(super) fn words(body: &[u8], key: Option<&ApiKey>) -> String {
    let said = match serde_json::from_slice::<Value>(body) {
        Ok(value) => said(&value),
        Err(_) if body.trim_ascii_start().first() == Some(&b'<') => String::new(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    tidy(&said, key)
}

/// The message of an error in JSON, wherever servers put it.
pub(super) fn said(value: &Value) -> String {
    let places = ["/error/message", "/message", "/error", "/detail"];
    let found = places.iter().find_map(|place| value.pointer(place)?.as_str());
    found.unwrap_or_default().to_owned()
}

/// One line of a server's words, neither long nor with the key.
pub(super) fn tidy(said: &str, key: Option<&ApiKey>) -> String {
    let said = key.map_or_else(|| said.to_owned(), |key| key.hide_in(said));
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain: String = line.chars().filter(|letter| !letter.is_control()).take(MOST_WORDS + 1).collect();
    match plain.char_indices().nth(MOST_WORDS) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain.trim_end_matches('.').to_owned(),
    }
}
