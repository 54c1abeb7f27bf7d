//! A home folder in which models lie as programs lay them out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use logitscope::library::{Environment, Library, Model, Search};
use logitscope::session::read_headers;
use logitscope::user_folders::System;
use tempfile::TempDir;

use super::gguf_edit::Gguf;
use super::support::fixture;

/// A home folder.
pub struct Home(TempDir);

/// A small GGUF file that can be opened.
pub fn gguf() -> Vec<u8> {
    Gguf::family("mistral").bytes()
}

impl Home {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn environment(&self) -> Environment {
        Environment { system: System::Linux, home: Some(self.path().to_owned()), variables: BTreeMap::new() }
    }

    /// Writes a file; its place.
    pub fn put(&self, below: &str, contents: &[u8]) -> PathBuf {
        let path = self.path().join(below);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, contents).expect("a file");
        path
    }

    /// Copies a fixture's folder file by file.
    pub fn put_family(&self, below: &str, name: &str) {
        for entry in fs::read_dir(fixture("families").join(name)).expect("a fixture") {
            let entry = entry.expect("a file");
            let file = entry.file_name().into_string().expect("UTF-8");
            self.put(&format!("{below}/{file}"), &fs::read(entry.path()).expect("readable"));
        }
    }

    /// A repository of the Hugging Face cache, with links as on Linux.
    #[cfg(unix)]
    pub fn put_repository(&self, repository: &str, revision: &str, files: &[(&str, Vec<u8>)]) {
        let at = format!(".cache/huggingface/hub/models--{}", repository.replace('/', "--"));
        self.put(&format!("{at}/refs/main"), revision.as_bytes());
        for (name, contents) in files {
            let blob = format!("{revision}-{}", name.replace('/', "-"));
            self.put(&format!("{at}/blobs/{blob}"), contents);
            let up = "../".repeat(2 + name.matches('/').count());
            self.link(&format!("{at}/snapshots/{revision}/{name}"), &format!("{up}blobs/{blob}"));
        }
    }

    /// A link to a path that counts from the link's folder.
    #[cfg(unix)]
    pub fn link(&self, below: &str, to: &str) {
        let path = self.path().join(below);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::os::unix::fs::symlink(to, path).expect("a link");
    }

    /// A model of Ollama: `name` with its host and namespace.
    pub fn put_manifest(&self, name: &str, layers: &[(&str, &str)]) {
        let layer = |(kind, digest): &(&str, &str)| serde_json::json!({"mediaType": format!("application/vnd.ollama.image.{kind}"), "digest": digest, "size": 1});
        let layers: Vec<_> = layers.iter().map(layer).collect();
        let manifest =
            serde_json::json!({"schemaVersion": 2, "config": {"digest": "sha256:00"}, "layers": layers});
        self.put(&format!(".ollama/models/manifests/{name}"), manifest.to_string().as_bytes());
    }

    pub fn search(&self) -> Library {
        self.search_with(&[], &mut |path| read_headers(path))
    }

    /// A search that reads headers by `read`.
    pub fn search_with(
        &self,
        added: &[PathBuf],
        read: &mut dyn FnMut(&Path) -> logitscope::library::Facts,
    ) -> Library {
        let environment = self.environment();
        let (stop, read) = (AtomicBool::new(false), std::cell::RefCell::new(read));
        let read = |path: &Path| (*read.borrow_mut())(path);
        Search { environment: &environment, added, read: &read, stop: &stop }.run(&mut |_| {})
    }

    /// Every file below a folder, with its contents.
    pub fn everything(&self, below: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut folders = vec![self.path().join(below)];
        let mut files = BTreeMap::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("readable") {
                let entry = entry.expect("readable");
                let kind = entry.file_type().expect("a kind");
                if kind.is_dir() {
                    folders.push(entry.path());
                } else {
                    files.insert(entry.path(), fs::read(entry.path()).unwrap_or_default());
                }
            }
        }
        files
    }
}

pub fn names(models: &[Model]) -> Vec<&str> {
    models.iter().map(|model| model.found.name.as_str()).collect()
}

/// The model of this name.
pub fn model<'a>(library: &'a Library, name: &str) -> &'a Model {
    let found = library.models.iter().find(|model| model.found.name == name);
    found.unwrap_or_else(|| panic!("{name} among {:?}", names(&library.models)))
}
