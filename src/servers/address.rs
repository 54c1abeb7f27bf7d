//! Where a server is, as a person types it: `http://HOST:PORT[/PREFIX][/v1][#MODEL]`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use super::error::ServerError;

/// Ends of addresses that people copy from examples; what stands before them is the server's.
const ENDS: [&str; 7] =
    ["/chat/completions", "/completions", "/completion", "/models", "/props", "/health", "/tokenize"];

/// Where a server is, and which of its models is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerAddress {
    is_secure: bool,
    /// Host and, unless it is the usual one, port.
    authority: String,
    /// What stands before `/v1`: empty, or `/…` without a slash at its end.
    prefix: String,
    model: Option<String>,
}

impl ServerAddress {
    /// Reads what a person typed.
    pub fn parse(typed: &str) -> Result<Self, ServerError> {
        let typed = typed.trim();
        let wrong = |why: &str| ServerError::Address { typed: shown(typed), why: why.to_owned() };
        let (address, model) = match typed.split_once('#') {
            Some((address, model)) => (address, Some(model.trim())),
            None => (typed, None),
        };
        if model == Some("") {
            return Err(wrong("behind # comes the name of a model"));
        }
        let address = match address.contains("://") {
            true => address.to_owned(),
            false if address.is_empty() => return Err(wrong("it is empty")),
            // Without a scheme only what cannot be far away: nothing travels unprotected by mistake.
            false if is_near(address) => format!("http://{address}"),
            false => return Err(wrong("it begins with http:// or https://")),
        };
        let uri: Uri = address.parse().map_err(|_| wrong("it is no address"))?;
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("it begins with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?.as_str().to_lowercase();
        if authority.contains('@') {
            return Err(wrong(
                "a name or a password has no place in it: the key goes into LOGITSCOPE_API_KEY, or the window's field",
            ));
        }
        let port = authority.rsplit(']').next().unwrap_or_default().split_once(':').map(|(_, port)| port);
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(wrong("behind the colon stands a port, which is a number up to 65535"));
        }
        if uri.query().is_some() {
            return Err(wrong("it has a question mark, behind which nothing can stand"));
        }
        let usual = if is_secure { ":443" } else { ":80" };
        let authority = authority.strip_suffix(usual).unwrap_or(&authority).to_owned();
        let prefix = without_ends(uri.path()).to_owned();
        Ok(Self { is_secure, authority, prefix, model: model.map(str::to_owned) })
    }

    /// The model, where one is named.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The same server with this model.
    pub fn with_model(&self, model: &str) -> Self {
        Self { model: Some(model.to_owned()), ..self.clone() }
    }

    /// The server for people: `HOST:PORT`.
    pub fn host(&self) -> &str {
        &self.authority
    }

    /// Scheme, host and port, by which keys are kept: `https://HOST:443`.
    pub fn origin(&self) -> String {
        let (scheme, usual) = if self.is_secure { ("https", 443) } else { ("http", 80) };
        let has_port = self.authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let port = if has_port { String::new() } else { format!(":{usual}") };
        format!("{scheme}://{}{port}", self.authority)
    }

    /// Whether what is sent there can be read on the way.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Whether it is this computer.
    pub fn is_here(&self) -> bool {
        is_loopback(&self.authority)
    }

    /// The address of a path, such as `/v1/models`.
    pub(super) fn at(&self, path: &str) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}{}{path}", self.authority, self.prefix)
    }
}

/// What was typed, without what may be a password in it.
fn shown(typed: &str) -> String {
    match typed.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.find("://").map_or("", |at| &before[..at + 3]);
            format!("{scheme}…@{after}")
        }
        None => typed.to_owned(),
    }
}

fn without_ends(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    let path = ENDS.iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path);
    path.strip_suffix("/v1").unwrap_or(path).trim_end_matches('/')
}

fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(authority: &str) -> bool {
    let host = host_of(authority);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether an address without a scheme names this computer, or one by its number.
fn is_near(address: &str) -> bool {
    let authority = address.split('/').next().unwrap_or_default().to_lowercase();
    is_loopback(&authority) || host_of(&authority).parse::<std::net::IpAddr>().is_ok()
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.at(""))?;
        self.model.as_ref().map_or(Ok(()), |model| write!(formatter, "#{model}"))
    }
}

impl FromStr for ServerAddress {
    type Err = ServerError;

    fn from_str(typed: &str) -> Result<Self, ServerError> {
        Self::parse(typed)
    }
}

impl TryFrom<String> for ServerAddress {
    type Error = ServerError;

    fn try_from(typed: String) -> Result<Self, ServerError> {
        Self::parse(&typed)
    }
}

impl From<ServerAddress> for String {
    fn from(address: ServerAddress) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_names_a_server() {
        for (typed, shown, origin, models) in [
            (
                "http://127.0.0.1:8000",
                "http://127.0.0.1:8000",
                "http://127.0.0.1:8000",
                "http://127.0.0.1:8000/v1/models",
            ),
            (
                "  http://127.0.0.1:8000/v1/ ",
                "http://127.0.0.1:8000",
                "http://127.0.0.1:8000",
                "http://127.0.0.1:8000/v1/models",
            ),
            (
                "localhost:8080",
                "http://localhost:8080",
                "http://localhost:8080",
                "http://localhost:8080/v1/models",
            ),
            (
                "192.168.1.7:8080/v1",
                "http://192.168.1.7:8080",
                "http://192.168.1.7:8080",
                "http://192.168.1.7:8080/v1/models",
            ),
            (
                "https://Models.Example/a/b/v1#org/name",
                "https://models.example/a/b#org/name",
                "https://models.example:443",
                "https://models.example/a/b/v1/models",
            ),
            (
                "https://models.example:443/v1/chat/completions",
                "https://models.example",
                "https://models.example:443",
                "https://models.example/v1/models",
            ),
            (
                "http://[::1]:8000/v1/models",
                "http://[::1]:8000",
                "http://[::1]:8000",
                "http://[::1]:8000/v1/models",
            ),
        ] {
            let address = ServerAddress::parse(typed).unwrap();
            assert_eq!(address.to_string(), shown, "{typed}");
            assert_eq!(address.origin(), origin, "{typed}");
            assert_eq!(address.at("/v1/models"), models, "{typed}");
            assert_eq!(ServerAddress::parse(&address.to_string()).unwrap(), address);
            let json = serde_json::to_string(&address).unwrap();
            assert_eq!(serde_json::from_str::<ServerAddress>(&json).unwrap(), address);
        }
        let address = ServerAddress::parse("http://a.example#one").unwrap();
        assert_eq!(address.model(), Some("one"));
        assert_eq!(address.with_model("two").to_string(), "http://a.example#two");
        assert!(ServerAddress::parse("http://127.0.0.7:1").unwrap().is_here());
        assert!(!address.is_here());
    }

    #[test]
    fn what_is_no_server_is_refused_with_the_reason() {
        for (typed, why) in [
            ("", "it is empty"),
            ("models.example", "begins with http:// or https://"),
            ("ftp://models.example", "begins with http:// or https://"),
            ("http://", "no address"),
            ("https://name:secret@models.example", "has no place in it"),
            ("https://models.example/v1?key=secret", "question mark"),
            ("https://models.example#", "behind # comes"),
            ("http://a b", "no address"),
            ("http://127.0.0.1:8000x", "stands a port"),
            ("http://127.0.0.1:80000", "stands a port"),
        ] {
            let error = ServerAddress::parse(typed).unwrap_err().to_string();
            assert!(error.contains(why), "{typed}: {error}");
            assert!(!error.contains("name:secret"), "{error}");
        }
    }
}
