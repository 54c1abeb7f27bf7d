//! The cache, held to what the hub's own library lays out: a listing of it is the fixture, and where
//! `LOGITSCOPE_HUB_PYTHON` names a Python that has the library, it makes that listing anew and reads what we wrote.

use std::fs;
use std::path::Path;
use std::process::Command;

use logitscope::hub::{Client, RepositoryName, Settings};

use super::hub_server::{At, COMMIT, HubServer, noise};
use super::support::fixture;

const REPOSITORY: &str = "owner/tale-GGUF";
const FILES: [&str; 3] = ["tale-Q8_0.gguf", "Q4/tale-Q4_0.gguf", "tale-F16.gguf"];

fn server() -> HubServer {
    let server = HubServer::start();
    server.put_large(REPOSITORY, FILES[0], noise(30_000, 1));
    server.put_small(REPOSITORY, FILES[1], noise(700, 2));
    // The same contents twice.
    server.put_large(REPOSITORY, FILES[2], noise(30_000, 1));
    server
}

fn download(server: &HubServer, cache: &Path) {
    let mut settings = Settings::new(server.endpoint(), cache.to_owned());
    settings.proxies = false;
    let client = Client::new(settings).unwrap();
    let repository = client.repository(&RepositoryName::parse(REPOSITORY).unwrap(), "main").unwrap();
    for file in FILES {
        let order = repository.order(repository.named(file).unwrap());
        client.download(&order, &mut |_| {}).unwrap();
    }
}

/// Every file with its size, and every link with what it leads to.
fn listing(cache: &Path) -> String {
    let (mut lines, mut folders) = (Vec::new(), vec![cache.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let below = path.strip_prefix(cache).unwrap().display();
            if metadata.is_symlink() {
                lines.push(format!("{below} -> {}", fs::read_link(&path).unwrap().display()));
            } else if metadata.is_dir() {
                folders.push(path.clone());
            } else {
                lines.push(format!("{below} {}", metadata.len()));
            }
        }
    }
    lines.sort();
    lines.join("\n")
}

/// Runs the script with the hub's own library, where there is one; what it prints.
fn library(first: &[&str], cache: &Path) -> Option<String> {
    let python = std::env::var_os("LOGITSCOPE_HUB_PYTHON")?;
    let mut command = Command::new(python);
    command.arg(fixture("hub").join("library.py")).args(first).arg(cache).arg(REPOSITORY).args(FILES);
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(proxy);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
}

#[cfg(unix)]
#[test]
fn the_cache_is_laid_out_as_by_the_hubs_own_library() {
    let (server, theirs) = (server(), tempfile::tempdir().unwrap());
    let laid_out = library(&["download", &server.endpoint()], theirs.path());
    let expected = fs::read_to_string(fixture("hub").join("layout.txt")).unwrap_or_default();
    let expected = expected.trim_end();
    if let Some(laid_out) = &laid_out {
        assert_eq!(laid_out, expected, "the library lays out:\n{laid_out}\n");
    }
    let ours = tempfile::tempdir().unwrap();
    download(&server, ours.path());
    assert_eq!(listing(ours.path()), expected);
    if laid_out.is_some() {
        // What we wrote, the library finds without a network; and what it wrote, we need not download.
        let found = library(&["find"], ours.path()).unwrap();
        assert_eq!(Some(&found), library(&["find"], theirs.path()).as_ref());
        assert!(found.contains(&format!("snapshots/{COMMIT}/{} 30000", FILES[0])), "{found}");
        let seen = server.seen(At::Files).len();
        download(&server, theirs.path());
        assert_eq!(server.seen(At::Files).len(), seen);
    }
}
