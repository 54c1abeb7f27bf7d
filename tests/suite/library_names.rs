//! `models`, and names in place of paths, by the program, in a home folder of their own.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::library_home::{Home, gguf};
use super::support;

/// A home with models of several programs.
fn home() -> Home {
    let home = Home::new();
    home.put(".lmstudio/models/owner/tale-GGUF/Tale-1B-Q8_0.gguf", &gguf());
    home.put_family(".lmstudio/models/owner/Words", "gpt2-f32");
    home.put(".cache/llama.cpp/Tale-3B-Q4_0.gguf", &gguf());
    home.put(".cache/llama.cpp/torn.gguf", &gguf()[..2000]);
    home.put(".ollama/models/blobs/sha256-ab", &gguf());
    home.put_manifest("registry.ollama.ai/library/tale/latest", &[("model", "sha256:ab")]);
    home.put(
        "own/mmproj.gguf",
        &super::gguf_edit::Gguf::family("mistral").with_text("general.architecture", "clip").bytes(),
    );
    home
}

fn program(home: &Home, arguments: &[&str]) -> Command {
    let mut command = support::program();
    for variable in ["HF_HUB_CACHE", "LLAMA_CACHE", "OLLAMA_MODELS", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
        command.env_remove(variable);
    }
    command.env("HOME", home.path()).args(arguments).stdin(Stdio::null()).current_dir(home.path());
    command
}

fn run(home: &Home, arguments: &[&str]) -> Output {
    program(home, arguments).output().expect("the program starts")
}

fn answer(home: &Home, arguments: &[&str]) -> Value {
    let output = run(home, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

#[cfg(target_os = "linux")]
#[test]
fn models_are_listed_with_their_places() {
    let home = home();
    let own = home.path().join("own").display().to_string();
    let answer = answer(&home, &["models", "--folder", &own, "--json"]);
    let models = answer["models"].as_array().expect("a list");
    let names: Vec<&str> = models.iter().filter_map(|model| model["name"].as_str()).collect();
    assert_eq!(names, ["owner/Words", "Tale-1B-Q8_0", "Tale-3B-Q4_0", "tale:latest", "torn"]);
    let tale = &models[1];
    assert_eq!(
        (&tale["origin"], &tale["opens"], &tale["problem"]),
        (&json!("lm_studio"), &json!(true), &Value::Null)
    );
    assert_eq!((&tale["family_name"], &tale["bytes"]), (&json!("Llama"), &json!(gguf().len())));
    assert!(tale["memory"]["bytes"].as_u64() > Some(10_000), "{tale}");
    assert_eq!(models[4]["opens"], false);
    assert!(
        models[4]["problem"].as_str().is_some_and(|reason| reason.contains("cut short")),
        "{}",
        models[4]
    );
    assert_eq!(answer["others"][0]["other"], "image_part");
    assert_eq!(answer["complete"], true);
    let places = answer["looked_into"].as_array().expect("a list");
    assert!(places.iter().any(|place| place["origin"] == "hugging_face" && place["found"].is_null()));

    // Every key is documented.
    let page = std::fs::read_to_string(support::fixture("../../docs/json.md")).expect("the page");
    let section =
        page.split("## `models`").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section");
    for object in [&answer, &models[0], &answer["others"][0], &places[0], &tale["memory"]] {
        for key in object.as_object().expect("an object").keys() {
            assert!(section.contains(&format!("`{key}`")), "docs/json.md, models: {key}");
        }
    }

    let text = String::from_utf8(run(&home, &["models", "--folder", &own]).stdout).expect("UTF-8");
    assert!(text.starts_with("name") && text.contains("Tale-1B-Q8_0") && text.contains("Ollama"), "{text}");
    assert!(text.contains("cannot be opened:\n  torn (llama.cpp): "), "{text}");
    assert!(text.contains("1 image or sound part (mmproj)"), "{text}");
    assert!(text.contains("~/.lmstudio/models, LM Studio: 2\n"), "{text}");
    let empty = String::from_utf8(run(&Home::new(), &["models"]).stdout).expect("UTF-8");
    assert!(empty.starts_with("no models were found") && empty.contains("~/.ollama/models"), "{empty}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_does_for_a_path_where_it_means_one_model() {
    let home = home();
    let means = |name: &str| {
        answer(&home, &["inspect", name, "--json"])["path"].as_str().unwrap_or_default().to_owned()
    };
    assert!(means("Tale-1B-Q8_0").ends_with("tale-GGUF/Tale-1B-Q8_0.gguf"));
    assert!(means("3b-q4").ends_with("llama.cpp/Tale-3B-Q4_0.gguf"));
    assert!(means("owner/words").ends_with("owner/Words"), "a name may look like a path");
    assert!(means("tale:latest").ends_with("blobs/sha256-ab"));
    assert!(means("tale").ends_with("blobs/sha256-ab"), "as Ollama calls its latest");
    // A path that is there comes first.
    home.put("tale", &gguf());
    assert_eq!(means("tale"), "tale");

    let error = |arguments: &[&str]| {
        let output = run(&home, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let ambiguous = error(&["tokenize", "-m", "TALE-", "-p", "x"]);
    assert!(ambiguous.contains("may mean several models"), "{ambiguous}");
    for candidate in
        ["Tale-1B-Q8_0 (~/.lmstudio/models/owner/tale-GGUF/Tale-1B-Q8_0.gguf)", "Tale-3B-Q4_0 (~/.cache/"]
    {
        assert!(ambiguous.contains(candidate), "{ambiguous}");
    }
    let unknown = error(&["inspect", "no-such-model"]);
    assert!(unknown.contains("there is no such file") && unknown.contains("logitscope models"), "{unknown}");
    let torn = error(&["tokenize", "-m", "torn", "-p", "x"]);
    assert!(torn.contains("cut short"), "{torn}");
    let ids = answer(&home, &["tokenize", "-m", "words", "-p", "Once", "--json"]);
    assert!(ids["ids"].as_array().is_some_and(|ids| !ids.is_empty()), "{ids}");
}
