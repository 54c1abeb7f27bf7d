//! Requests of the hub's protocol: redirects from host to host, the token for the hub alone, and another try where one
//! may help.

use std::time::Duration;

use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

use super::error::HubError;
use super::names::RepositoryName;
use super::settings::Settings;
use crate::http::{Connections, Origin, Proxies, Stop, header, joined, reason, retry_after};

/// Most redirects in a row.
const MOST_REDIRECTS: usize = 10;
/// Most bytes of an answer that is no file.
const LARGEST_ANSWER: u64 = 32 << 20;

/// Asks the hub.
pub struct Client {
    pub(super) settings: Settings,
    pub(super) stop: Stop,
    agent: Agent,
    origin: Origin,
    token: Option<String>,
}

/// What is asked about: errors name it.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub repository: &'a RepositoryName,
    pub revision: &'a str,
    pub file: Option<&'a str>,
}

/// A part of a file: from this byte on.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub from: u64,
    /// The tag that the file had at this server when its beginning came.
    pub tag: Option<&'a str>,
}

/// A request.
#[derive(Clone, Copy)]
pub(super) enum Ask<'a> {
    /// What there is to know of a file, from the hub itself.
    Head,
    /// A file.
    Get(Option<Part<'a>>),
}

/// An answer.
pub(super) struct Answer {
    pub response: Response<Body>,
    /// What the hub said of the file before it sent us elsewhere.
    pub linked: Linked,
    /// Who answered at last, for people.
    pub host: String,
}

/// What the hub says of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Linked {
    /// The tag by which the cache names it.
    pub tag: Option<String>,
    pub bytes: Option<u64>,
}

impl Linked {
    /// Takes in what the hub says. Its own header counts more than the usual one, which tells of the file only in the
    /// last answer.
    fn take(&mut self, headers: &HeaderMap, is_last: bool) {
        let own = header(headers, "x-linked-etag").map(plain_tag);
        let usual = || header(headers, "etag").map(plain_tag).filter(|_| is_last);
        self.tag = own.or_else(|| self.tag.take()).or_else(usual);
        let bytes = header(headers, "x-linked-size").and_then(|bytes| bytes.parse().ok());
        self.bytes = bytes.or(self.bytes);
    }
}

impl Client {
    /// One that asks the server of the settings; nothing is asked yet.
    pub fn new(settings: Settings) -> Result<Self, HubError> {
        if settings.offline {
            return Err(HubError::Offline);
        }
        let origin =
            Origin::of(&settings.endpoint).ok_or_else(|| HubError::Endpoint(settings.endpoint.clone()))?;
        let proxies = if settings.proxies { Proxies::OfEnvironment } else { Proxies::None };
        let agent = Connections::default().agent(&settings.patience, proxies);
        let (stop, token) = (Stop::new(agent.clone()), settings.token());
        Ok(Self { settings, stop, agent, origin, token })
    }

    /// What ends it from another thread.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// The text at an address, and where its next page is.
    pub(super) fn text(
        &self,
        address: &str,
        subject: Subject<'_>,
    ) -> Result<(String, Option<String>), HubError> {
        self.patiently(|| {
            let mut answer = self.once(address, Ask::Get(None), subject)?;
            let text = answer.response.body_mut().with_config().limit(LARGEST_ANSWER).read_to_string();
            let text = text.map_err(|error| self.no_answer(&answer.host, &error))?;
            let links = answer.response.headers().get_all("link");
            let next = links.iter().find_map(|link| next_page(link.to_str().ok()?));
            Ok((text, next.map(|next| joined(address, &next))))
        })
    }

    /// Tries, and once more where that may help.
    pub(super) fn patiently<T>(&self, attempt: impl Fn() -> Result<T, HubError>) -> Result<T, HubError> {
        let mut attempts = 0;
        loop {
            match attempt() {
                Err(error) if error.may_pass() => {
                    attempts += 1;
                    let wait = self.wait_after(&error, attempts);
                    self.stop.wait(wait.ok_or(error)?)?;
                }
                result => return result,
            }
        }
    }

    /// How long to wait after so many attempts that brought nothing; `None` if that was the last.
    pub(super) fn wait_after(&self, error: &HubError, attempts: u32) -> Option<Duration> {
        let patience = &self.settings.patience;
        let doubled = patience.first_wait * 2_u32.saturating_pow(attempts.saturating_sub(1).min(10));
        let asked = error.wait_seconds().map(Duration::from_secs).unwrap_or_default();
        let wait = doubled.max(asked);
        (attempts < patience.attempts && asked <= patience.longest_wait)
            .then(|| wait.min(patience.longest_wait))
    }

    /// Asks once.
    pub(super) fn once(&self, address: &str, ask: Ask<'_>, subject: Subject<'_>) -> Result<Answer, HubError> {
        let (mut address, mut linked) = (address.to_owned(), Linked::default());
        for _ in 0..MOST_REDIRECTS {
            self.stop.check()?;
            let origin = Origin::of(&address).ok_or_else(|| self.strange("an address that is none"))?;
            let is_hub = origin == self.origin;
            let host = origin.name();
            let response = self.send(&address, ask, is_hub).map_err(|error| self.no_answer(&host, &error))?;
            let headers = response.headers();
            let status = response.status().as_u16();
            let to = header(headers, "location").filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308));
            let next = to.map(|to| joined(&address, to));
            let next_origin = next.as_deref().and_then(Origin::of);
            let goes_on = match ask {
                Ask::Head => next_origin.as_ref() == Some(&self.origin),
                Ask::Get(_) => next.is_some(),
            };
            if is_hub {
                linked.take(headers, !goes_on);
            }
            match next {
                Some(_) if origin.is_secure && next_origin.is_some_and(|next| !next.is_secure) => {
                    return Err(self.strange("it leads from a secure address to one that is not"));
                }
                Some(next) if goes_on => address = next,
                next => {
                    if next.is_none() {
                        self.refused(&response, &host, is_hub, subject)?;
                    }
                    return Ok(Answer { response, linked, host });
                }
            }
        }
        Err(self.strange("it leads on and on from one address to another"))
    }

    fn send(&self, address: &str, ask: Ask<'_>, is_hub: bool) -> Result<Response<Body>, ureq::Error> {
        let mut request = match ask {
            Ask::Head => self.agent.head(address),
            Ask::Get(_) => self.agent.get(address),
        };
        // Nobody else learns the token.
        if let Some(token) = self.token.as_ref().filter(|_| is_hub) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Ask::Get(Some(part)) = ask {
            request = request.header("range", format!("bytes={}-", part.from));
            if let Some(tag) = part.tag.filter(|_| !is_hub) {
                request = request.header("if-range", tag);
            }
        }
        request.call()
    }

    /// The error that an answer tells.
    fn refused(
        &self,
        response: &Response<Body>,
        host: &str,
        is_hub: bool,
        subject: Subject<'_>,
    ) -> Result<(), HubError> {
        let status = response.status().as_u16();
        let headers = response.headers();
        let code = header(headers, "x-error-code").unwrap_or_default();
        let message = header(headers, "x-error-message").unwrap_or_default().to_owned();
        let repository = subject.repository.to_string();
        let host = host.to_owned();
        let has_token = self.token.is_some();
        Err(match (status, code) {
            // Past the end of the file.
            (200 | 206 | 416, _) => return Ok(()),
            // The address that the hub gave has ended: it gives another one.
            (401 | 403, _) if !is_hub => {
                HubError::BrokenOff { host, reason: format!("it refuses the address ({status})") }
            }
            (401 | 403, "GatedRepo") => {
                HubError::Gated { page: self.settings.page(subject.repository), repository, has_token }
            }
            (404, "RevisionNotFound") => {
                HubError::NoRevision { repository, revision: subject.revision.to_owned() }
            }
            (404, "EntryNotFound") => {
                HubError::NoFile { repository, file: subject.file.unwrap_or_default().to_owned() }
            }
            // To who has no token the hub tells nothing of private ones, not even that they are not there.
            (401 | 404, "RepoNotFound") => HubError::NoRepository { host, repository },
            (401, _) if !has_token => HubError::NoRepository { host, repository },
            (401 | 403, _) if has_token => HubError::TokenRefused { host, repository },
            (404, _) => match subject.file {
                Some(file) => HubError::NoFile { repository, file: file.to_owned() },
                None => HubError::NoRepository { host, repository },
            },
            (429, _) => HubError::Busy { host, wait_seconds: retry_after(headers) },
            (503, _) if retry_after(headers).is_some() => {
                HubError::Busy { host, wait_seconds: retry_after(headers) }
            }
            (100..=399, _) => HubError::Strange { host, what: format!("its status is {status}") },
            _ => HubError::Server { host, status, message },
        })
    }

    pub(super) fn strange(&self, what: impl Into<String>) -> HubError {
        HubError::Strange { host: self.settings.host().to_owned(), what: what.into() }
    }

    /// Why there is no answer. Addresses stay out of it: some have keys in them.
    pub(super) fn no_answer(&self, host: &str, error: &ureq::Error) -> HubError {
        if self.stop.is_stopped() {
            return HubError::Stopped;
        }
        HubError::Network { host: host.to_owned(), reason: reason(error) }
    }
}

/// A tag as the cache names files by it: without quotes, and whether it is weak.
fn plain_tag(tag: &str) -> String {
    tag.trim_start_matches("W/").trim_matches('"').to_owned()
}

/// Of a `Link` header the address of the next page.
fn next_page(link: &str) -> Option<String> {
    link.split(',').find_map(|part| {
        let (address, rest) = part.trim().strip_prefix('<')?.split_once('>')?;
        rest.replace(' ', "").contains("rel=\"next\"").then(|| address.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_name_the_next_page() {
        let link = "<https://hub/a?cursor=x%2C>; rel=\"next\"";
        assert_eq!(next_page(link).as_deref(), Some("https://hub/a?cursor=x%2C"));
        assert_eq!(next_page("<https://hub/0>; rel=\"prev\", </b>; rel=\"next\"").as_deref(), Some("/b"));
        assert_eq!(next_page("<https://hub/a>; rel=\"prev\""), None);
        assert_eq!([plain_tag("W/\"ab\""), plain_tag("\"ab\""), plain_tag("ab")], ["ab", "ab", "ab"]);
    }
}
