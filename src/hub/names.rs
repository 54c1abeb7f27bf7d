//! Names of repositories and of files in them, checked before they become addresses and paths.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::HubError;

/// Longest name, by the hub's rules.
const LONGEST: usize = 96;

/// `OWNER/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepositoryName(String);

impl RepositoryName {
    /// Reads a name, or the address of a model's page.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let text = text.trim();
        let refused = || HubError::Name(text.to_owned());
        let address = text.split_once("://").map(|(_, rest)| rest);
        let on_the_hub = ["huggingface.co/", "hf.co/"].iter().find_map(|host| text.strip_prefix(host));
        let name = match (address, on_the_hub) {
            // Without the host, and without what follows the name.
            (Some(rest), _) => first_two(rest.split_once('/').ok_or_else(refused)?.1),
            (None, Some(rest)) => first_two(rest),
            (None, None) => text.to_owned(),
        };
        let (owner, last) = name.split_once('/').ok_or_else(refused)?;
        let fits = name.len() <= LONGEST && is_part(owner) && is_part(last);
        if fits { Ok(Self(name)) } else { Err(refused()) }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its folder in the cache.
    pub(super) fn folder(&self) -> String {
        format!("models--{}", self.0.replace('/', "--"))
    }

    /// Without its owner.
    pub fn last(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(_, last)| last)
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for RepositoryName {
    type Error = HubError;

    fn try_from(text: String) -> Result<Self, HubError> {
        Self::parse(&text)
    }
}

impl From<RepositoryName> for String {
    fn from(name: RepositoryName) -> Self {
        name.0
    }
}

fn first_two(path: &str) -> String {
    path.split(['?', '#']).next().unwrap_or_default().split('/').take(2).collect::<Vec<_>>().join("/")
}

fn is_part(part: &str) -> bool {
    let inside = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let ends = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    !part.is_empty()
        && part.chars().all(inside)
        && part.starts_with(ends)
        && part.ends_with(ends)
        && !part.contains("--")
        && !part.contains("..")
}

/// Whether the path of a file in a repository stays below the folder that it is put into, on every system.
pub(super) fn is_path(path: &str) -> bool {
    let is_name = |part: &str| {
        !matches!(part, "" | "." | "..")
            && !part.contains(|letter: char| letter.is_control() || matches!(letter, '\\' | ':'))
    };
    path.split('/').all(is_name)
}

/// Whether a text can be the name of a branch or a tag, or a commit.
pub(super) fn is_revision(text: &str) -> bool {
    is_path(text) && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./".contains(letter))
}

/// Whether a tag can be the name of a file.
pub(super) fn is_tag(text: &str) -> bool {
    is_path(text) && !text.contains('/') && text.len() <= 128
}

/// Whether a text is a commit: forty hexadecimal digits.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_what_people_paste() {
        for text in [
            "owner/Tale-1.7B_x",
            " owner/Tale-1.7B_x\n",
            "https://huggingface.co/owner/Tale-1.7B_x",
            "hf.co/owner/Tale-1.7B_x",
            "http://mirror:8080/owner/Tale-1.7B_x/tree/main?a=b",
            "https://huggingface.co/owner/Tale-1.7B_x#files",
        ] {
            assert_eq!(RepositoryName::parse(text).unwrap().as_str(), "owner/Tale-1.7B_x", "{text}");
        }
        for text in
            ["", "tale", "a/b/c", "../b", "a/..", "a/b c", "a/-b", "a/b--c", "a\\b", "https://x", "/a"]
        {
            assert!(RepositoryName::parse(text).is_err(), "{text}");
        }
        assert_eq!(RepositoryName::parse("o/n").unwrap().folder(), "models--o--n");
    }

    #[test]
    fn paths_stay_inside() {
        assert!(is_path("a.gguf") && is_path("Q4/a b.gguf"));
        for path in ["", "/etc/passwd", "../a", "a/../../b", "a//b", "a\\..\\b", "C:/a", "a/.", "a\n"] {
            assert!(!is_path(path), "{path}");
        }
    }
}
