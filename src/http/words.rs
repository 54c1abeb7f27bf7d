//! Why there is no answer, in words for people, and what headers say. Addresses stay out of it: some have keys in them.

use ureq::Error;
use ureq::http::HeaderMap;

use crate::system_errors;

/// `WSAHOST_NOT_FOUND`.
const WINDOWS_HOST_NOT_FOUND: i32 = 11001;

/// Why, in words.
pub(crate) fn reason(error: &Error) -> String {
    match error {
        Error::HostNotFound => "its name is not known; is this computer online?".to_owned(),
        Error::Timeout(_) => "it does not answer in time; is this computer online?".to_owned(),
        Error::Io(error) => broken(error),
        Error::ConnectProxyFailed(_) => {
            "the proxy (HTTPS_PROXY) does not let the connection through".to_owned()
        }
        Error::InvalidProxyUrl => "the proxy's address (HTTPS_PROXY) is none".to_owned(),
        Error::Rustls(error) => format!("the connection is not secure: {error}"),
        Error::BodyExceedsLimit(_) => "its answer is too long".to_owned(),
        Error::BadUri(_) => "its address is none".to_owned(),
        error => error.to_string(),
    }
}

/// Why a connection broke.
pub(crate) fn broken(error: &std::io::Error) -> String {
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return reason(inner);
    }
    // What the systems say of a name without an address has no kind of its own.
    if error.raw_os_error() == Some(WINDOWS_HOST_NOT_FOUND) || error.to_string().contains("lookup address") {
        return reason(&Error::HostNotFound);
    }
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset => {
            "it ended too early".to_owned()
        }
        std::io::ErrorKind::ConnectionRefused => "it refuses the connection".to_owned(),
        _ => system_errors::words(error),
    }
}

/// Whether the connection could not be made safe: what the certificate lacks.
pub(crate) fn is_insecure(error: &Error) -> Option<String> {
    match error {
        Error::Rustls(error) => Some(error.to_string()),
        Error::Tls(what) => Some((*what).to_owned()),
        Error::TlsRequired => Some("it does not speak TLS".to_owned()),
        Error::Io(error) => {
            let inner = error.get_ref()?;
            let inner_ureq = inner.downcast_ref::<Error>().and_then(is_insecure);
            // Rustls hands its own error over in one of the system's.
            let of_tls = || error.kind() == std::io::ErrorKind::InvalidData;
            inner_ureq.or_else(|| of_tls().then(|| inner.to_string()))
        }
        _ => None,
    }
}

/// A header that is text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty())
}

/// Seconds to wait.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    header(headers, "retry-after")?.trim().parse().ok()
}
