//! What a repository has, at one commit.

use serde::Deserialize;

use super::error::HubError;
use super::http::{Client, Subject};
use super::names::{RepositoryName, is_commit, is_path, is_revision, is_tag};
use super::offers::{Offer, offers};
use super::order::{Order, RemoteFile};
use crate::formats::architectures::catalogue;
use crate::http::{Origin, escaped};

/// Most pages of a list of files.
const MOST_PAGES: usize = 200;

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its name.
    pub name: RepositoryName,
    /// The branch, tag or commit that was asked for.
    pub revision: String,
    /// The commit.
    pub commit: String,
    /// Its licence, as its card names it.
    pub licence: Option<String>,
    /// Whether its terms have to be accepted first.
    pub gated: bool,
    /// What its files call its family.
    pub family: Option<String>,
    /// Its family for people.
    pub family_name: Option<String>,
    /// Number of weights.
    pub parameters: Option<u64>,
    /// Why this program does not run it, as far as the hub tells.
    pub problem: Option<String>,
    /// The models in it, the smallest first.
    pub offers: Vec<Offer>,
}

impl Repository {
    /// What is to be downloaded for a model of it.
    pub fn order(&self, offer: &Offer) -> Order {
        Order {
            repository: self.name.clone(),
            revision: self.revision.clone(),
            commit: self.commit.clone(),
            files: offer.files.clone(),
            opens: offer.opens.clone(),
        }
    }

    /// The model that a person names by its file, a part of its path, its format, or [`super::FOLDER`].
    pub fn named(&self, name: &str) -> Option<&Offer> {
        let small = name.to_lowercase();
        let whole = self.offers.iter().find(|offer| offer.name == name);
        let by_format = |offer: &&Offer| {
            let format = offer.quantisation.as_deref().map(str::to_lowercase);
            format.as_deref() == Some(small.as_str())
        };
        let last = |offer: &&Offer| offer.name.rsplit('/').next() == Some(name);
        whole.or_else(|| self.offers.iter().find(last)).or_else(|| self.offers.iter().find(by_format))
    }
}

/// What the hub tells of a repository.
#[derive(Deserialize)]
struct Info {
    sha: String,
    #[serde(default)]
    gated: serde_json::Value,
    #[serde(default)]
    tags: Vec<String>,
    gguf: Option<Gguf>,
    config: Option<Config>,
    safetensors: Option<Safetensors>,
}

#[derive(Deserialize)]
struct Gguf {
    architecture: Option<String>,
    total: Option<u64>,
}

#[derive(Deserialize)]
struct Config {
    model_type: Option<String>,
}

#[derive(Deserialize)]
struct Safetensors {
    total: Option<u64>,
}

/// A file or folder.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    oid: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: String,
}

impl Entry {
    fn file(self) -> RemoteFile {
        let tag = self.lfs.map(|lfs| lfs.oid).or(self.oid).filter(|tag| is_tag(tag));
        RemoteFile { path: self.path, bytes: self.size, tag }
    }
}

impl Client {
    /// Asks what a repository has; `revision` is a branch, a tag or a commit.
    pub fn repository(&self, name: &RepositoryName, revision: &str) -> Result<Repository, HubError> {
        let no_revision =
            || HubError::NoRevision { repository: name.to_string(), revision: revision.to_owned() };
        if !is_revision(revision) {
            return Err(no_revision());
        }
        let subject = Subject { repository: name, revision, file: None };
        let endpoint = &self.settings.endpoint;
        let revision_in_path = escaped(revision).replace('/', "%2F");
        let address = format!("{endpoint}/api/models/{name}/revision/{revision_in_path}");
        let (text, _) = self.text(&address, subject)?;
        let info: Info = serde_json::from_str(&text)
            .map_err(|error| self.strange(format!("what it tells of {name} cannot be read: {error}")))?;
        if !is_commit(&info.sha) {
            return Err(self.strange("it names no commit"));
        }
        let files = self.files(name, &info.sha, subject)?;
        let family = info.gguf.as_ref().and_then(|gguf| gguf.architecture.clone());
        let family = family.or_else(|| info.config.and_then(|config| config.model_type));
        let known = family.as_deref().map(catalogue::find);
        let offers = offers(&files);
        Ok(Repository {
            name: name.clone(),
            revision: revision.to_owned(),
            licence: info.tags.iter().find_map(|tag| tag.strip_prefix("license:")).map(str::to_owned),
            gated: !matches!(info.gated, serde_json::Value::Bool(false) | serde_json::Value::Null),
            family_name: known.and_then(|known| Some(known?.ok()?.name.to_owned())),
            problem: match &family {
                _ if offers.is_empty() => Some(nothing(&files)),
                Some(family) if !matches!(known, Some(Some(Ok(_)))) => Some(catalogue::reason(family)),
                _ => None,
            },
            family,
            parameters: info.gguf.and_then(|gguf| gguf.total).or_else(|| info.safetensors?.total),
            commit: info.sha,
            offers,
        })
    }

    /// All files of a commit.
    fn files(
        &self,
        name: &RepositoryName,
        commit: &str,
        subject: Subject<'_>,
    ) -> Result<Vec<RemoteFile>, HubError> {
        let endpoint = &self.settings.endpoint;
        let mut next =
            Some(format!("{endpoint}/api/models/{name}/tree/{commit}?recursive=true&expand=false"));
        let mut files = Vec::new();
        for _ in 0..MOST_PAGES {
            let Some(address) = next else { return Ok(files) };
            if Origin::of(&address) != Origin::of(endpoint) {
                return Err(self.strange("the next page of its list is on another server"));
            }
            let (text, following) = self.text(&address, subject)?;
            let entries: Vec<Entry> = serde_json::from_str(&text)
                .map_err(|error| self.strange(format!("its list of files cannot be read: {error}")))?;
            let are_files = entries.into_iter().filter(|entry| entry.kind == "file" && is_path(&entry.path));
            files.extend(are_files.map(Entry::file));
            next = following;
        }
        Err(self.strange("its list of files has no end"))
    }
}

/// Why there is no model.
fn nothing(files: &[RemoteFile]) -> String {
    let pickle = files.iter().any(|file| file.path.ends_with(".bin") || file.path.ends_with(".pth"));
    let reason =
        if pickle { "its weights are in Python's own format (.bin, .pth)" } else { "it has no weights" };
    format!(
        "{reason}: look for a repository with GGUF or safetensors files, such as one whose name ends in -GGUF"
    )
}
