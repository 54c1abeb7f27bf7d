//! `get`, by the program: what it prints, how it ends, and that nothing is lost where it is ended.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::hub_server::{At, COMMIT, HubServer, Trouble, noise, sha256};
use super::library_home::{Home, gguf};
use super::support;

const REPOSITORY: &str = "owner/tale-GGUF";

fn server() -> HubServer {
    let server = HubServer::start();
    server.put_large(REPOSITORY, "Tale-1B-Q8_0.gguf", gguf());
    server.put_large(REPOSITORY, "Tale-1B-F16.gguf", noise(3_000_000, 4));
    server.tell(
        REPOSITORY,
        json!({"gguf": {"architecture": "llama", "total": 1_200_000_000}, "tags": ["license:mit"]}),
    );
    server
}

fn program(home: &Home, server: &HubServer, arguments: &[&str]) -> Command {
    let mut command = support::program();
    for name in [
        "HF_HOME",
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
        "XDG_CACHE_HOME",
        "XDG_DATA_HOME",
        "HF_TOKEN",
        "HF_TOKEN_PATH",
        "HF_HUB_OFFLINE",
        "ALL_PROXY",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "all_proxy",
        "https_proxy",
        "http_proxy",
        "NO_PROXY",
        "no_proxy",
    ] {
        command.env_remove(name);
    }
    command.env("HOME", home.path()).env("HF_ENDPOINT", server.endpoint());
    command.args(arguments).stdin(Stdio::null()).current_dir(home.path());
    command
}

fn run(home: &Home, server: &HubServer, arguments: &[&str]) -> Output {
    program(home, server, arguments).output().expect("the program starts")
}

fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn cache(home: &Home) -> PathBuf {
    home.path().join(".cache/huggingface/hub/models--owner--tale-GGUF")
}

#[test]
fn a_model_is_got_and_its_name_opens_it() {
    let (home, server) = (Home::new(), server());
    let (code, stdout, stderr) = texts(&run(&home, &server, &["get", REPOSITORY, "q8_0"]));
    assert_eq!(code, Some(0), "{stderr}");
    let path = Path::new(stdout.trim_end());
    assert_eq!(path, cache(&home).join("snapshots").join(COMMIT).join("Tale-1B-Q8_0.gguf"));
    assert_eq!(fs::read(path).unwrap(), gguf());
    assert!(stderr.contains("Tale-1B-Q8_0 is here") && stderr.contains("-m Tale-1B-Q8_0"), "{stderr}");
    let (code, stdout, stderr) = texts(&run(&home, &server, &["inspect", "Tale-1B-Q8_0", "--json"]));
    assert_eq!(code, Some(0), "{stderr}");
    let inspected: Value = serde_json::from_str(&stdout).unwrap();
    assert!(inspected.to_string().contains("Tale-1B-Q8_0.gguf"), "{inspected}");
    // A second time it says the same, and nothing is downloaded.
    let output = run(&home, &server, &["get", &format!("{REPOSITORY}:Q8_0"), "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["name"], &answer["downloaded_bytes"]), (&json!("Tale-1B-Q8_0"), &json!(0)));
    assert_eq!((&answer["commit"], &answer["bytes"]), (&json!(COMMIT), &json!(gguf().len())));
    assert_eq!(server.seen(At::Files).len(), 1);
    assert_documented(&[&answer]);
}

/// That every key is documented.
fn assert_documented(objects: &[&Value]) {
    let page = fs::read_to_string(support::fixture("../../docs/json.md")).unwrap();
    let section = page.split("## `get`").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    for key in objects.iter().flat_map(|object| object.as_object().unwrap().keys()) {
        assert!(section.contains(&format!("`{key}`")), "docs/json.md, get: {key}");
    }
}

#[test]
fn a_repository_is_listed_with_what_suits() {
    let (home, server) = (Home::new(), server());
    let output = run(&home, &server, &["get", REPOSITORY, "--list", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&answer["family_name"], &answer["licence"], &answer["opens"]),
        (&json!("Llama"), &json!("mit"), &json!(true))
    );
    let models = answer["models"].as_array().unwrap();
    let files: Vec<(&Value, &Value)> =
        models.iter().map(|model| (&model["file"], &model["suggested"])).collect();
    let expected = [(json!("Tale-1B-Q8_0.gguf"), json!(true)), (json!("Tale-1B-F16.gguf"), json!(false))];
    assert_eq!(files, expected.iter().map(|(file, suggested)| (file, suggested)).collect::<Vec<_>>());
    let short: Value = serde_json::from_slice(&run(&home, &server, &["get", "--json"]).stdout).unwrap();
    assert_documented(&[&answer, &models[0], &short, &short["models"][0]]);
    let (code, stdout, _) = texts(&run(&home, &server, &["get", REPOSITORY, "--list"]));
    assert_eq!(code, Some(0));
    assert!(
        stdout.contains("Llama, 1.2 B parameters, licence mit") || stdout.contains("licence mit"),
        "{stdout}"
    );
    assert!(
        stdout.lines().any(|line| line.contains("Tale-1B-Q8_0.gguf") && line.ends_with("suggested")),
        "{stdout}"
    );
    // Nobody can be asked here.
    let (code, stdout, stderr) = texts(&run(&home, &server, &["get", REPOSITORY]));
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("several models") && stderr.contains("--yes take Tale-1B-Q8_0.gguf"), "{stderr}");
    let (code, stdout, stderr) = texts(&run(&home, &server, &["get", REPOSITORY, "--yes"]));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.trim_end().ends_with("Tale-1B-Q8_0.gguf"), "{stdout}");
}

#[test]
fn the_short_list_needs_no_network() {
    let (home, server) = (Home::new(), server());
    let (code, stdout, _) = texts(&run(&home, &server, &["get"]));
    assert_eq!(code, Some(0));
    assert!(stdout.matches("logitscope get ").count() >= 10, "{stdout}");
    assert_eq!(server.seen(At::Api).len(), 0);
}

#[test]
fn failures_are_one_line() {
    let (home, server) = (Home::new(), server());
    for (arguments, part) in [
        (&["get", "nonsense"][..], "write OWNER/NAME"),
        (&["get", "owner/none"], "has no model owner/none"),
        (&["get", REPOSITORY, "Q5_K_M"], "has no file Q5_K_M"),
    ] {
        let (code, stdout, stderr) = texts(&run(&home, &server, arguments));
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{arguments:?}");
        let error = stderr.lines().last().unwrap_or_default();
        assert!(error.starts_with("error: the model could not be got: ") && error.contains(part), "{stderr}");
    }
    let output =
        program(&home, &server, &["get", REPOSITORY, "Q8_0"]).env("HF_HUB_OFFLINE", "1").output().unwrap();
    assert!(texts(&output).2.contains("HF_HUB_OFFLINE is set"));
    assert_eq!(run(&home, &server, &["get", "--yes"]).status.code(), Some(0), "the short list");
}

/// Waits until so many bytes of a file are here; how many there are then.
fn wait_for(path: &Path, bytes: u64) -> u64 {
    let begun = Instant::now();
    loop {
        let here = fs::metadata(path).map(|metadata| metadata.len()).unwrap_or_default();
        if here >= bytes {
            return here;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "only {here} bytes came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(unix)]
#[test]
fn what_a_killed_download_left_is_gone_on_with() {
    let (home, server) = (Home::new(), server());
    let bytes = noise(3_000_000, 4);
    server.trouble(At::Files, Trouble::Slow(50_000));
    let incomplete = cache(&home).join("blobs").join(format!("{}.incomplete", sha256(&bytes)));
    let mut killed =
        program(&home, &server, &["get", REPOSITORY, "F16"]).stderr(Stdio::null()).spawn().unwrap();
    wait_for(&incomplete, 300_000);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let here = fs::metadata(&incomplete).unwrap().len();
    assert!((300_000..3_000_000).contains(&here), "{here}");
    let (code, stdout, stderr) = texts(&run(&home, &server, &["get", REPOSITORY, "F16"]));
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(fs::read(stdout.trim_end()).unwrap(), bytes);
    assert!(stderr.contains("of which"), "{stderr}");
    let range = server.seen(At::Files)[1].headers.get("range").cloned();
    assert_eq!(range, Some(format!("bytes={here}-")));
    assert!(!incomplete.exists());
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_came() {
    let (home, server) = (Home::new(), server());
    server.trouble(At::Files, Trouble::Slow(50_000));
    let bytes = noise(3_000_000, 4);
    let incomplete = cache(&home).join("blobs").join(format!("{}.incomplete", sha256(&bytes)));
    let mut child = program(&home, &server, &["get", REPOSITORY, "F16"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&incomplete, 100_000);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let lines: Vec<String> =
        BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(lines.last().unwrap().contains("the same command goes on there"), "{lines:?}");
    assert!(incomplete.exists());
}

#[test]
fn proxies_are_used_where_they_are_named() {
    let (home, server) = (Home::new(), server());
    let get = |no_proxy: &str| {
        let mut command = program(&home, &server, &["get", REPOSITORY, "--list"]);
        command.env("HTTPS_PROXY", server.endpoint()).env("NO_PROXY", no_proxy);
        assert_eq!(command.output().unwrap().status.code(), Some(0));
        server.seen(At::Proxy).len()
    };
    assert_eq!(get("127.0.0.1"), 0);
    assert!(get("example.org") > 0);
    assert_eq!(server.seen(At::Proxy)[0].path, server.endpoint().trim_start_matches("http://"));
}

#[test]
fn the_token_is_found_where_the_hubs_programs_keep_it() {
    let (home, server) = (Home::new(), server());
    home.put(".cache/huggingface/token", b"hf_from_file\n");
    home.put("own token", b"hf_own");
    let sent = |name: &str, value: &str| {
        let mut command = program(&home, &server, &["get", REPOSITORY, "--list", "-vv"]);
        command.env(name, value);
        let (code, stdout, stderr) = texts(&command.output().unwrap());
        assert_eq!(code, Some(0));
        assert!(!stdout.contains("hf_") && !stderr.contains("hf_"), "{stderr}");
        server.seen(At::Api).last().unwrap().headers.get("authorization").cloned().unwrap_or_default()
    };
    assert_eq!(sent("X", ""), "Bearer hf_from_file");
    assert_eq!(sent("HF_TOKEN", "hf_set"), "Bearer hf_set");
    assert_eq!(sent("HF_TOKEN_PATH", home.path().join("own token").to_str().unwrap()), "Bearer hf_own");
    home.put("elsewhere/token", b"hf_elsewhere");
    assert_eq!(sent("HF_HOME", home.path().join("elsewhere").to_str().unwrap()), "Bearer hf_elsewhere");
}
