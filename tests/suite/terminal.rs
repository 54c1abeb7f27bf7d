//! What a person at a terminal meets: where output goes, what is told before anything is computed, and in which words.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cli::{program, run};
use super::malformed::copy_of;
use super::support;

/// What a command prints on stdout and on stderr, and its exit code.
fn told(arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = run(arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (text(output.stdout), text(output.stderr), output.status.code())
}

/// The error of a command that fails.
fn error_of(arguments: &[&str]) -> String {
    let (printed, error, code) = told(arguments);
    assert_eq!((code, printed.as_str()), (Some(1), ""), "{arguments:?}: {error}");
    error
}

fn fixture(name: &str) -> String {
    support::fixture("families").join(name).to_string_lossy().into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a name")
}

/// The entries of a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A command that writes a file, but for its place.
fn writers<'a>(model: &'a str, trace: &'a str) -> [Vec<&'a str>; 4] {
    let run = ["generate", "-m", model, "--prompt-ids", "3,1", "-n", "2"];
    [
        [&run[..], &["--trace"]].concat(),
        [&run[..], &["--html"]].concat(),
        vec!["logits", "-m", model, "--prompt-ids", "3,1", "--out"],
        vec!["page", trace, "--out"],
    ]
}

/// A model without a tokenizer, and a trace of it in a folder.
fn model_and_trace(folder: &Path) -> (String, String) {
    let (model, trace) = (fixture("llama-f32"), text(&folder.join("trace")).to_owned());
    let output = run(&["generate", "-m", &model, "--prompt-ids", "3", "-n", "1", "--trace", &trace]);
    assert!(output.status.success());
    (model, trace)
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_no_file_is_written_to_and_links_and_modes_stay() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    let folder = tempfile::tempdir().expect("a folder");
    let (model, trace) = model_and_trace(folder.path());
    for writer in writers(&model, &trace) {
        let place = tempfile::tempdir().expect("a folder");
        let at = |name: &str| place.path().join(name);
        let write = |path: &Path| told(&[&writer[..], &[text(path)]].concat());

        fs::write(at("kept"), "before").expect("a file");
        fs::set_permissions(at("kept"), fs::Permissions::from_mode(0o600)).expect("a mode");
        symlink("kept", at("link")).expect("a link");
        assert_eq!(write(&at("link")).2, Some(0), "{writer:?}");
        assert_eq!(fs::read_link(at("link")).expect("the link is there"), Path::new("kept"), "{writer:?}");
        let written = fs::read(at("kept")).expect("a file");
        assert!(written.len() > 100, "{writer:?}");
        assert_eq!(
            fs::metadata(at("kept")).expect("a file").permissions().mode() & 0o777,
            0o600,
            "{writer:?}"
        );

        let pipe = at("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).expect("bytes")
        });
        assert_eq!(write(&pipe).2, Some(0), "{writer:?}");
        assert!(fs::symlink_metadata(&pipe).expect("it is there").file_type().is_fifo(), "{writer:?}");
        let read = reader.join().expect("a thread");
        assert_eq!(read.first_chunk::<16>(), written.first_chunk::<16>(), "{writer:?}");

        assert_eq!(names(place.path()), ["kept", "link", "pipe"], "{writer:?}");

        // By its descriptor: a program that replaces devices would take this one from the whole machine.
        let full = fs::File::options().write(true).open("/dev/full").expect("it is there");
        let output = program(&[&writer[..], &["/proc/self/fd/0"]].concat()).stdin(full).output();
        let output = output.expect("the program starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{writer:?}: {error}");
        assert!(error.contains("there is no space left"), "{writer:?}: {error}");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_a_model_is_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = folder.path().join("no/file");
    // Were it loaded first, it would be what is wrong.
    for writer in writers("/no/such/model", "/no/such/trace") {
        let error = error_of(&[&writer[..], &[text(&nowhere)]].concat());
        assert!(error.contains("its folder is not there"), "{writer:?}: {error}");
        let error = error_of(&[&writer[..], &[text(folder.path())]].concat());
        assert!(error.contains("it is a folder; name a file"), "{writer:?}: {error}");

        let kept = folder.path().join("kept");
        fs::write(&kept, "before").expect("a file");
        for place in [kept.clone(), folder.path().join("new")] {
            let error = error_of(&[&writer[..], &[text(&place)]].concat());
            assert!(error.contains("/no/such/"), "{writer:?}: {error}");
        }
        assert_eq!(fs::read_to_string(&kept).expect("a file"), "before", "{writer:?}");
        assert_eq!(names(folder.path()), ["kept"], "{writer:?}");
    }
}

#[test]
fn logits_name_the_file_that_they_were_written_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("logits.safetensors");
    let model = fixture("llama-f32");
    let (printed, _, _) = told(&["logits", "-m", &model, "--prompt-ids", "3", "--json", "--out", text(&out)]);
    let answer: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(answer["out"], text(&out));
}

#[test]
fn inspecting_what_is_damaged_fails_in_the_words_of_loading() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("a file");
        path
    };
    let whole = fs::read(support::fixture("gguf").join("tiny.gguf")).expect("a file");
    let short = copy_of("llama-f32");
    let weights = short.path().join("model.safetensors");
    let bytes = fs::read(&weights).expect("weights");
    fs::write(&weights, &bytes[..bytes.len() / 2]).expect("written");
    let sharded = copy_of("llama-sharded");
    let mut shards = names(sharded.path()).into_iter().filter(|name| name.ends_with(".safetensors"));
    fs::remove_file(sharded.path().join(shards.next_back().expect("shards"))).expect("removed");
    let nothing = copy_of("llama-f32");
    fs::remove_file(nothing.path().join("model.safetensors")).expect("removed");
    let unnamed = copy_of("llama-f32");
    fs::remove_file(unnamed.path().join("config.json")).expect("removed");
    let garbled = copy_of("llama-f32");
    fs::write(garbled.path().join("config.json"), "{\"model_type\": ").expect("written");

    let cases = [
        (file("short.gguf", &whole[..whole.len() / 2]), "cut short"),
        (file("head.gguf", &whole[..60]), "cut short"),
        (file("empty.gguf", b""), "cut short"),
        (file("picture.gguf", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "not a GGUF file"),
        (short.path().to_owned(), "cut short"),
        (sharded.path().to_owned(), "the file is missing"),
        (nothing.path().to_owned(), "there is no model here"),
        (unnamed.path().to_owned(), "config.json"),
        (garbled.path().to_owned(), "not valid JSON"),
    ];
    for (path, why) in cases {
        let inspected = error_of(&["inspect", text(&path)]);
        assert!(inspected.contains(why) && inspected.lines().count() == 1, "{inspected}");
        assert_eq!(error_of(&["inspect", text(&path), "--json"]), inspected);
        let loaded = error_of(&["generate", "-m", text(&path), "--prompt-ids", "3", "-n", "1"]);
        let without = |error: &str| {
            error.split_once(": ").and_then(|(_, rest)| rest.split_once(": ").map(|(_, why)| why.to_owned()))
        };
        assert_eq!(without(&inspected), without(&loaded), "{}", path.display());
    }
}

#[test]
fn a_chat_without_a_template_names_the_way_to_a_model_with_one() {
    for command in [&["generate", "--chat", "-p", "Why?"][..], &["tokenize", "--chat", "-p", "Why?"]] {
        let error = error_of(command);
        assert!(error.contains("no chat template"), "{error}");
        assert!(error.contains("with -m") && error.contains("`logitscope get`"), "{error}");
    }
}

#[test]
fn a_server_that_does_not_answer_is_told_of_while_it_is_waited_for() {
    // It takes connections, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    let began = Instant::now();
    let mut child = program(&["generate", "-m", &format!("http://{host}"), "-p", "Once"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let line = lines.next().expect("a line").expect("UTF-8");
    let took = began.elapsed();
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert!(line.contains(&format!("waiting for {host}")), "{line}");
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn errors_in_regular_expressions_show_the_place() {
    let error = error_of(&["generate", "-p", "Once", "--regex", "ab([c"]);
    let lines: Vec<&str> = error.lines().collect();
    assert!(
        lines[0].starts_with("error: the run cannot begin: ")
            && lines[0].ends_with("unclosed character class"),
        "{error}"
    );
    assert_eq!(lines[1..], ["    ab([c", "       ^"], "{error}");
}

#[test]
fn nothing_of_the_systems_numbers_is_told() {
    let cases: [&[&str]; 4] = [
        &["generate", "-p", "x", "--grammar", "/no/such/file"],
        &["generate", "--prompt-file", "/no/such/file"],
        &["generate", "--chat", "-p", "x", "--turns", "/no/such/file"],
        &["page", "/no/such/file", "--out", "never.html"],
    ];
    for arguments in cases {
        let error = error_of(arguments);
        assert!(error.contains("there is no such file or folder") && !error.contains("os error"), "{error}");
    }
}

#[test]
fn help_is_whole_and_has_what_works_there() {
    let help = |command: &str| told(&[command, "--help"]).0;
    let get = help("get");
    let lines: Vec<&str> = get.trim_end().lines().collect();
    let begin = lines.iter().position(|line| line.starts_with("It goes into the hub's")).expect("the text");
    for line in &lines[begin..lines.len() - 1] {
        assert!(line.len() > 80, "it breaks within a sentence: {line}");
    }
    for command in ["tokenize", "page", "get", "models", "inspect", "report"] {
        assert!(!help(command).contains("--safe-mode"), "{command}");
    }
    for command in ["generate", "logits", "probe", "check", "bench", "adapters"] {
        assert!(help(command).contains("--safe-mode") && !help(command).contains("panes"), "{command}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn help_that_cannot_be_printed_is_an_error() {
    for arguments in [&["--help"][..], &["--version"], &["generate", "--help"]] {
        let full = fs::File::options().write(true).open("/dev/full").expect("it is there");
        let output = program(arguments).stdout(full).output().expect("the program starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("there is no space left"), "{error}");
    }
}

#[test]
fn options_that_the_strategy_does_not_look_at_are_named() {
    let model = fixture("llama-f32");
    let run = ["generate", "-m", &model, "--prompt-ids", "3", "-n", "1"];
    let (_, told, code) = told(&[&run[..], &["--beams", "3", "--seed", "4"]].concat());
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("note: --beams is of use with --strategy beam alone\n"), "{told}");
    assert!(told.contains("note: greedy decoding ignores --seed; add --strategy sample\n"), "{told}");
}

#[test]
fn one_is_one_and_numbers_are_written_in_one_way() {
    let model = fixture("llama-f32");
    let (_, figures, _) = told(&["generate", "-m", &model, "--prompt-ids", "3", "-n", "2"]);
    for part in [" 1 token\n", " 1 row, ", " 1 step, 1 row, "] {
        assert!(figures.contains(part), "{part:?}: {figures}");
    }
    let (facts, _, _) = told(&["inspect"]);
    // Five million and more, by the thousand.
    let parameters = facts.lines().find(|line| line.trim_start().starts_with("parameters")).expect("a line");
    assert_eq!(parameters.matches('\u{2009}').count(), 2, "{parameters}");
    let (table, _, _) = told(&["probe", "-m", &model, "--prompt-ids", "3,1"]);
    assert!(table.contains("log-probability −"), "{table}");
    let has_hyphen = table.split_whitespace().any(|word| word.starts_with('-'));
    assert!(!has_hyphen, "{table}");
}
