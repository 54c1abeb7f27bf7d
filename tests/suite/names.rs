//! Model files by any name: GGUF files without their ending, and names that are not UTF-8.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::Command;

use logitscope::formats;
use logitscope::session::{LoadRequest, ModelCard, ModelSource, Opened, WeightsChoice};

use super::formats::fixture;
use super::gguf_edit::families;

fn file() -> Vec<u8> {
    fs::read(families().join("qwen2.gguf")).unwrap()
}

/// Every way in: opening, inspecting, the window's card, the command line.
fn assert_opens(path: &Path, name: &str) {
    let model = formats::open(path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((model.name.as_str(), model.family.as_str()), (name, "qwen2"));
    let facts = formats::inspect(path).unwrap();
    assert!(facts.supported, "{:?}", facts.problems);
    let source = ModelSource::Path(path.to_owned());
    Opened::open(&source, None, WeightsChoice::Original).unwrap();
    assert!(ModelCard::read(&LoadRequest::of(source)).unwrap().facts.supported);
    let output = Command::new(env!("CARGO_BIN_EXE_logitscope")).arg("inspect").arg(path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("supported      yes"), "{text}");
}

#[test]
fn a_gguf_file_is_known_by_its_first_bytes() {
    let folder = tempfile::tempdir().unwrap();
    // As Ollama and Hugging Face's cache call them, and others.
    for (name, shown) in [
        ("sha256-6a0746a1ec1aef3e7ec53868f220ff6e389f6f8ef87a01d77c96807de94ca2aa", None),
        ("0a1b2c", None),
        ("pytorch_model.bin", None),
        ("model.safetensors", None),
        ("notes.txt", None),
        ("MODEL.GGUF", Some("MODEL")),
        ("a.b.gguf", Some("a.b")),
        (".gguf", None),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, file()).unwrap();
        assert_opens(&path, shown.unwrap_or(name));
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_of_another_kind_is_refused_by_any_name() {
    let folder = tempfile::tempdir().unwrap();
    for (name, contents, cause) in [
        ("model.bin", &b"\x80\x02}q"[..], "no weight file"),
        ("blob", b"GGU", "no weight file"),
        ("empty", b"", "no weight file"),
        ("blob.txt", b"xGGUF", "no weight file"),
        ("model.gguf", b"\x80\x02}q", "not with GGUF"),
        ("blob", b"GGUF", "cut short"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, contents).unwrap();
        let error = formats::open(&path).err().expect("it is no model").to_string();
        assert!(error.contains(cause) && error.contains(name), "{error}");
    }
}

#[test]
fn a_folder_with_a_gguf_file_of_any_name_says_so() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config"), b"{}").unwrap();
    fs::create_dir(folder.path().join("blobs")).unwrap();
    fs::write(folder.path().join("sha256-12"), file()).unwrap();
    let error = formats::open(folder.path()).err().expect("it has no safetensors").to_string();
    assert!(error.contains("sha256-12 is there; open that file itself"), "{error}");
}

#[test]
#[cfg(unix)]
fn what_is_neither_file_nor_folder_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["pipe", "pipe.gguf", "pipe.safetensors"] {
        let path = folder.path().join(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let error = formats::open(&path).err().expect("it is no file").to_string();
        assert!(error.contains(name) && error.contains("neither a file nor a folder"), "{error}");
    }
    let config = folder.path().join("config.json");
    fs::copy(fixture("llama-f32").join("config.json"), &config).unwrap();
    let error = formats::open(folder.path()).err().expect("its weights are a pipe").to_string();
    assert!(error.contains("pipe.safetensors") && error.contains("neither a file"), "{error}");
    fs::remove_file(&config).unwrap();
    assert!(Command::new("mkfifo").arg(&config).status().unwrap().success());
    let error = formats::open(folder.path()).err().expect("its configuration is a pipe").to_string();
    assert!(error.contains("config.json") && error.contains("neither a file"), "{error}");
}

#[test]
#[cfg(unix)]
fn names_that_are_no_utf_8_open() {
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    for (name, shown) in [
        (&b"m\xff.gguf"[..], "m\u{fffd}"),
        (b"\xc3\x28-blob", "\u{fffd}(-blob"),
        (b"na\xefve.GGUF", "na\u{fffd}ve"),
    ] {
        let path = folder.path().join(OsStr::from_bytes(name));
        fs::write(&path, file()).unwrap();
        assert_opens(&path, shown);
        fs::remove_file(&path).unwrap();
    }
    // Weights of a folder, alone in it, by folder and by file; and a folder of such a name.
    let inner = folder.path().join(OsStr::from_bytes(b"f\xff"));
    fs::create_dir(&inner).unwrap();
    fs::copy(fixture("llama-f32").join("config.json"), inner.join("config.json")).unwrap();
    let weights = inner.join(OsString::from(OsStr::from_bytes(b"w\xfe.safetensors")));
    fs::copy(fixture("llama-f32").join("model.safetensors"), &weights).unwrap();
    for path in [&inner, &weights] {
        let model = formats::open(path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((model.name.as_str(), model.family.as_str()), ("f\u{fffd}", "llama"));
    }
}

#[test]
#[cfg(unix)]
fn a_split_file_whose_name_is_no_utf_8_says_what_to_do() {
    use std::os::unix::ffi::OsStrExt;

    use super::gguf_edit::Gguf;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(OsStr::from_bytes(b"m\xff-00001-of-00002.gguf"));
    fs::write(&path, Gguf::family("qwen2").with_whole("split.count", 2).bytes()).unwrap();
    let error = formats::open(&path).err().expect("a part is missing").to_string();
    assert!(
        error.contains("split.count") && error.contains("not UTF-8") && error.contains("rename"),
        "{error}"
    );
}
