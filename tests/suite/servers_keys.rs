//! Where servers are, as people type it, and where their keys are kept.

use logitscope::servers::{ApiKey, Kept, KeyStore, Keys, ServerAddress, SessionKeys};

#[test]
fn what_people_type_names_a_server() {
    for (typed, shown, origin) in [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("  http://127.0.0.1:8000/v1/ ", "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("localhost:8080", "http://localhost:8080", "http://localhost:8080"),
        ("192.168.1.7:8080/v1", "http://192.168.1.7:8080", "http://192.168.1.7:8080"),
        (
            "https://Models.Example/a/b/v1#org/name",
            "https://models.example/a/b#org/name",
            "https://models.example:443",
        ),
        (
            "https://models.example:443/v1/chat/completions",
            "https://models.example",
            "https://models.example:443",
        ),
        ("http://[::1]:8000/v1/models", "http://[::1]:8000", "http://[::1]:8000"),
    ] {
        let address = ServerAddress::parse(typed).unwrap();
        assert_eq!(address.to_string(), shown, "{typed}");
        assert_eq!(address.origin(), origin, "{typed}");
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
    ] {
        let error = ServerAddress::parse(typed).unwrap_err().to_string();
        assert!(error.contains(why), "{typed}: {error}");
        assert!(!error.contains("name:secret"), "{error}");
    }
}

/// A keyring that is not there.
struct Nowhere;

impl KeyStore for Nowhere {
    fn get(&self, _: &str) -> Result<Option<ApiKey>, String> {
        Err("this system has none".to_owned())
    }

    fn set(&self, _: &str, _: &ApiKey) -> Result<(), String> {
        Err("this system has none".to_owned())
    }

    fn forget(&self, _: &str) -> Result<(), String> {
        Err("this system has none".to_owned())
    }
}

#[test]
fn keys_are_kept_by_origin_and_forgotten() {
    let (here, there) = ("http://127.0.0.1:8000", "https://127.0.0.1:8000");
    let [first, second] = ["first-key", "second-key"].map(|text| ApiKey::new(text).unwrap());
    let keys = Keys::new(SessionKeys::default());
    assert_eq!(keys.get(here), None);
    assert_eq!(keys.keep(here, &first), Kept::InKeyring);
    assert_eq!(keys.keep(there, &second), Kept::InKeyring);
    assert_eq!((keys.get(here), keys.get(there)), (Some(first), Some(second.clone())));
    keys.keep(here, &second);
    assert_eq!(keys.get(here), Some(second));
    keys.forget(here).unwrap();
    assert_eq!((keys.get(here), keys.get(there).is_some()), (None, true));
}

#[test]
fn where_there_is_no_keyring_the_session_keeps_the_key() {
    let keys = Keys::new(Nowhere);
    let key = ApiKey::new("some-long-key").unwrap();
    let kept = keys.keep("http://a:1", &key);
    assert_eq!(
        kept.words(),
        "The key is kept until the program ends: this system's keyring cannot take it (this system has none)."
    );
    assert_eq!(keys.get("http://a:1"), Some(key));
    assert_eq!(keys.get("http://a:2"), None);
    assert!(keys.forget("http://a:1").is_err());
    assert_eq!(keys.get("http://a:1"), None);
}
