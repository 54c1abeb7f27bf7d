//! Addresses: what stands in a path, where a redirect leads, and whether two lead to the same server.

use ureq::http::Uri;

/// A path's text with everything escaped but what may stand there.
pub(crate) fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            text.push(byte.into());
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Scheme, host and port: who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub is_secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// Whom an address asks.
    pub(crate) fn of(address: &str) -> Option<Self> {
        let uri: Uri = address.parse().ok()?;
        let is_secure = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        Some(Self { is_secure, host: uri.host()?.to_lowercase(), port })
    }

    /// For people.
    pub(crate) fn name(&self) -> String {
        let usual = if self.is_secure { 443 } else { 80 };
        if self.port == usual { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// Where a redirect or a link leads, from the address that gave it.
pub(crate) fn joined(from: &str, to: &str) -> String {
    let scheme_end = from.find("://").map_or(0, |at| at + 3);
    let path_begin = from[scheme_end..].find(['/', '?']).map_or(from.len(), |at| at + scheme_end);
    if to.contains("://") && !to.starts_with('/') {
        to.to_owned()
    } else if let Some(rest) = to.strip_prefix("//") {
        format!("{}//{rest}", &from[..scheme_end.saturating_sub(2)])
    } else if to.starts_with('/') {
        format!("{}{to}", &from[..path_begin])
    } else {
        let path = from[path_begin..].split('?').next().unwrap_or_default();
        let folder = path.rfind('/').map_or("", |at| &path[..at]);
        format!("{}{folder}/{to}", &from[..path_begin])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_where_browsers_go() {
        let from = "https://hub.example:8443/a/b/resolve?x=/y";
        for (to, expected) in [
            ("https://other.example/z", "https://other.example/z"),
            ("//other.example/z", "https://other.example/z"),
            ("/z?q=1", "https://hub.example:8443/z?q=1"),
            ("z", "https://hub.example:8443/a/b/z"),
            ("/z?to=http://x", "https://hub.example:8443/z?to=http://x"),
        ] {
            assert_eq!(joined(from, to), expected, "{to}");
        }
    }

    #[test]
    fn servers_differ_by_scheme_host_and_port() {
        let of = |address| Origin::of(address).unwrap();
        assert_eq!(of("https://Hub.example/a"), of("https://hub.example:443/b?c"));
        for other in ["http://hub.example/", "https://hub.example:8443/", "https://hub.example.evil/"] {
            assert_ne!(of("https://hub.example/"), of(other), "{other}");
        }
        assert_ne!(of("https://hub.example/"), of("https://hub.example@evil.example/"));
        assert_eq!(Origin::of("ftp://hub.example/"), None);
        assert_eq!(escaped("Q4 K/ü#?.gguf"), "Q4%20K/%C3%BC%23%3F.gguf");
    }
}
