//! The built program as scripts see it: JSON, exit codes, error lines, pipes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::malformed::copy_of;
use super::support;

pub fn program(arguments: &[&str]) -> Command {
    let mut command = support::program();
    command.args(arguments).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").stdin(Stdio::null());
    command
}

pub fn run(arguments: &[&str]) -> Output {
    program(arguments).output().expect("the program starts")
}

fn fixture(name: &str) -> String {
    let folder = support::fixture("families").join(name);
    folder.to_string_lossy().into_owned()
}

#[test]
fn bytes_of_no_character_are_spelled_alike_by_all_commands() {
    let pieces = |json: &Value| {
        let pieces = json.as_array().expect("pieces");
        pieces.iter().map(|piece| piece.as_str().expect("a text")).collect::<String>()
    };
    // 漢 is E6 BC A2, of which the built-in vocabulary has no whole.
    let json = json_of(&["tokenize", "-p", "漢", "--no-special", "--json"]);
    assert_eq!(pieces(&json["pieces"]), "<0xE6><0xBC><0xA2>");
    let text = run(&["tokenize", "-p", "漢", "--no-special"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("<0xA2>"));
}

/// A checkpoint with a tokenizer.
fn with_text() -> String {
    fixture("gpt2-f32")
}

/// A checkpoint without one.
fn without_text() -> String {
    fixture("llama-f32")
}

/// What a command that succeeds prints, as JSON.
fn json_of(arguments: &[&str]) -> Value {
    let output = run(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

/// The one line on stderr of a command that fails with 1 and prints nothing else.
fn error_of(arguments: &[&str]) -> String {
    let output = run(arguments);
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{arguments:?} printed {:?}", String::from_utf8_lossy(&output.stdout));
    let mut lines = stderr.lines();
    let line = lines.next().expect("a line").to_owned();
    assert_eq!(lines.next(), None, "{arguments:?}: {stderr}");
    assert!(line.starts_with("error: "), "{arguments:?}: {line}");
    line
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn generate_answers_with_the_contracts_json() {
    let model = with_text();
    let answer =
        json_of(&["generate", "-m", &model, "-p", "Once", "-n", "5", "--ignore-eos", "--top", "3", "--json"]);
    let names = ["adapter", "ids", "model", "phases", "prompt_ids", "sequences", "steps", "stop", "text"];
    assert_eq!(keys(&answer), names);
    assert_eq!(keys(&answer["model"]), ["family", "parameters", "path", "weights"]);
    assert_eq!(answer["model"]["family"], "gpt2");
    assert_eq!(keys(&answer["adapter"]), ["backend", "name"]);
    assert_eq!(answer["stop"], "max_tokens");
    assert_eq!(answer["sequences"], json!([]));
    let phases = &answer["phases"];
    assert_eq!(keys(phases), ["detokenise", "incremental", "initiation", "load", "tokenise"]);
    let prompt = answer["prompt_ids"].as_array().expect("a list").len();
    assert_eq!(phases["tokenise"]["tokens"], prompt);
    assert_eq!(phases["initiation"]["rows"], prompt);
    assert_eq!((&phases["incremental"]["rows"], &phases["incremental"]["steps"]), (&json!(4), &json!(4)));
    assert!(phases["load"]["bytes"].as_u64() > Some(10_000));
    for part in ["load", "tokenise", "initiation", "incremental", "detokenise"] {
        assert!(phases[part]["seconds"].as_f64() > Some(0.0), "{part}");
    }

    let steps = answer["steps"].as_array().expect("a list");
    let ids: Vec<&Value> = steps.iter().map(|step| &step["id"]).collect();
    assert_eq!(ids, answer["ids"].as_array().expect("a list").iter().collect::<Vec<_>>());
    for step in steps {
        assert_eq!(keys(step), ["entropy", "id", "logit", "logprob", "rank", "top"]);
        assert_eq!(step["rank"], 1);
        let top = step["top"].as_array().expect("a list");
        assert_eq!(top.len(), 3);
        assert_eq!(top[0], json!([step["id"], step["logit"]]));
        assert!(top[0][1].as_f64() > top[1][1].as_f64());
        assert!(step["logprob"].as_f64() < Some(0.0) && step["entropy"].as_f64() > Some(0.0));
    }
}

#[test]
fn text_goes_to_stdout_and_figures_to_stderr() {
    let model = with_text();
    let arguments = ["generate", "-m", &model, "-p", "Once", "-n", "5", "--ignore-eos"];
    let output = run(&arguments);
    let answer = json_of(&[&arguments[..], &["--json"]].concat());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(text.trim_end_matches('\n'), answer["text"].as_str().expect("text").trim_end_matches('\n'));
    let figures = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(figures.contains("initiation") && figures.contains("max_tokens"), "{figures}");
}

#[test]
fn a_model_without_a_tokenizer_works_on_ids_and_leaves_text_out() {
    let model = without_text();
    let answer = json_of(&["generate", "-m", &model, "--prompt-ids", "3,1,4", "-n", "2", "--json"]);
    assert_eq!(answer["prompt_ids"], json!([3, 1, 4]));
    assert_eq!(answer.get("text"), None);
    let error = error_of(&["generate", "-m", &model, "-p", "Once"]);
    assert!(error.contains("llama-f32 has no tokenizer"), "{error}");
}

#[test]
fn settings_reach_the_decoder() {
    let model = without_text();
    let base = ["generate", "-m", &model, "--prompt-ids", "3,1,4", "-n", "6", "--json"];
    let with = |more: &[&str]| json_of(&[&base[..], more].concat());
    let greedy = with(&["--ignore-eos"]);
    let first = greedy["ids"][0].as_u64().expect("an id");

    let banned = with(&["--ignore-eos", "--logit-bias", &format!("{first}=-1000")]);
    assert_ne!(banned["ids"][0], first);
    assert!(banned["steps"][0]["rank"].as_u64() > Some(1));
    assert_eq!(banned["steps"][0]["top"][0], greedy["steps"][0]["top"][0], "values are raw");

    let ended = with(&["--eos", &greedy["ids"][2].to_string()]);
    assert_eq!((ended["stop"].as_str(), ended["ids"].as_array().map(Vec::len)), (Some("eos"), Some(3)));

    let forced = with(&["--ignore-eos", "--forced-token", "2=9", "--forced-token", "4=1"]);
    assert_eq!(
        (&forced["ids"][0], &forced["ids"][1], &forced["ids"][3]),
        (&greedy["ids"][0], &json!(9), &json!(1))
    );
    let suppressed = with(&["--ignore-eos", "--suppress-tokens", &format!("0,{first}")]);
    let ids = suppressed["ids"].as_array().expect("ids");
    assert!(!ids.contains(&json!(first)) && !ids.contains(&json!(0)));
    let pair = format!("{first},{}", greedy["ids"][1]);
    let unpaired = with(&["--ignore-eos", "--bad-words-ids", &pair]);
    assert_eq!(unpaired["ids"][0], greedy["ids"][0]);
    assert_ne!(unpaired["ids"][1], greedy["ids"][1]);
    let long = with(&["--eos", &first.to_string(), "--min-new-tokens", "4"]);
    let ids = long["ids"].as_array().expect("ids");
    assert!(ids.len() > 4 && !ids[..4].contains(&json!(first)));

    let recomputed = with(&["--ignore-eos", "--no-kv-cache"]);
    assert_eq!(recomputed["ids"], greedy["ids"]);
    assert_eq!(recomputed["phases"]["incremental"]["rows"], 4 + 5 + 6 + 7 + 8);

    let sample = |seed| with(&["--ignore-eos", "--strategy", "sample", "--temperature", "5", "--seed", seed]);
    assert_eq!(sample("1")["ids"], sample("1")["ids"]);
    assert_ne!(sample("1")["ids"], sample("2")["ids"]);

    let full = json_of(&[
        "generate",
        "-m",
        &model,
        "--prompt-ids",
        "3,1,4",
        "--context",
        "5",
        "--ignore-eos",
        "--json",
    ]);
    assert_eq!(
        (full["stop"].as_str(), full["ids"].as_array().map(Vec::len)),
        (Some("context_full"), Some(2))
    );
}

#[test]
fn beam_search_answers_with_its_sequences_best_first() {
    // A case of `beams.json`, whose end token comes early.
    let expected: Value =
        serde_json::from_str(include_str!("../fixtures/strategies/beams.json")).expect("JSON");
    let cases = expected["models"]["llama-f32"].as_array().expect("cases");
    let settings = json!({"beams": 4, "length_penalty": 2.0, "early_stopping": true});
    let fits = |case: &&Value| {
        let agrees = |(name, value): (&String, &Value)| &case["settings"][name] == value;
        settings.as_object().expect("an object").iter().all(agrees)
    };
    let case = cases.iter().find(fits).expect("the case");
    let list =
        |ids: &Value| ids.as_array().expect("ids").iter().map(Value::to_string).collect::<Vec<_>>().join(",");
    let (model, prompt, eos) =
        (without_text(), list(&case["prompt"]), list(&case["settings"]["eos_token_id"]));
    let base =
        ["generate", "-m", &model, "--prompt-ids", &prompt, "--eos", &eos, "-n", "12", "--strategy", "beam"];
    let with = |more: &[&str]| {
        json_of(&[&base[..], &["--json", "--beams", "4", "--length-penalty", "2"], more].concat())
    };
    let found = with(&["--early-stopping"]);
    let sequences = found["sequences"].as_array().expect("sequences");
    let ids: Vec<&Value> = sequences.iter().map(|sequence| &sequence["ids"]).collect();
    assert_eq!(ids, case["sequences"].as_array().expect("sequences").iter().collect::<Vec<_>>());
    for (sequence, score) in sequences.iter().zip(case["scores"].as_array().expect("scores")) {
        let (found, expected) =
            (sequence["score"].as_f64().expect("a score"), score.as_f64().expect("a score"));
        assert!((found - expected).abs() < 1e-4, "{found} instead of {expected}");
    }
    assert_eq!(&found["ids"], ids[0], "the answer is the best one");
    let steps = found["steps"].as_array().expect("steps");
    assert_eq!(Some(steps.len()), ids[0].as_array().map(Vec::len));
    assert_ne!(with(&[])["sequences"], found["sequences"], "without early stopping the search goes on");

    let drawn = |seed| with(&["--temperature", "1", "--seed", seed])["sequences"].clone();
    assert_eq!(drawn("1"), drawn("1"));
    assert_ne!(drawn("1"), drawn("2"));
    // For a reader: the text once it is settled.
    let text = run(&base);
    assert_eq!(text.status.code(), Some(0));
    let words: Vec<&str> = std::str::from_utf8(&text.stdout).expect("UTF-8").split_whitespace().collect();
    assert!(!words.is_empty() && words.iter().all(|word| word.parse::<u32>().is_ok()), "{words:?}");
    assert!(error_of(&[&base[..], &["--beams", "0"]].concat()).contains("the number of beams is 0"));
}

/// The stages of a run's first step in its trace, as (name, setting, kept, changed).
fn first_stages(arguments: &[&str]) -> Vec<(String, String, u64, u64)> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("trace.json").to_string_lossy().into_owned();
    json_of(&[&["generate", "-n", "1", "--json", "--trace", &file], arguments].concat());
    let trace: Value = serde_json::from_slice(&std::fs::read(&file).expect("written")).expect("JSON");
    let stages = trace["run"]["nodes"][0]["stages"].as_array().expect("stages").clone();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let number = |value: &Value| value.as_u64().expect("a number");
    let fields =
        |s: &Value| (text(&s["name"]), text(&s["setting"]), number(&s["kept"]), number(&s["changed"]));
    stages.iter().map(fields).collect()
}

#[test]
fn further_stages_run_in_their_order_and_greedy_decoding_says_which_it_ignores() {
    let model = without_text();
    let base = ["-m", &model, "--prompt-ids", "3,1,4"];
    let options = [
        "--strategy=sample",
        "--mirostat-tau=3",
        "--eta-cutoff=0.001",
        "--epsilon-cutoff=0.0005",
        "--typical-p=0.95",
        "--top-a=0.01",
    ];
    let names: Vec<String> =
        first_stages(&[&base[..], &options].concat()).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["top-a", "typical-p", "epsilon cutoff", "eta cutoff", "mirostat"]);

    let output = run(&[&["generate", "-n", "1", "--typical-p", "0.5"], &base[..]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("note: greedy decoding ignores --typical-p;"), "{stderr}");
    assert!(
        error_of(&["generate", "-m", &model, "--prompt-ids", "1", "--dry-base", "0.5"])
            .contains("DRY's base is 0.5")
    );
}

#[test]
fn a_grammar_holds_the_text_to_it_and_ends_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_string_lossy().into_owned()
    };
    let schema = r##"{"type": "object", "properties": {"name": {"enum": ["Lily", "Tom"]}, "age": {"type":
        "integer", "minimum": 1, "maximum": 9}, "likes": {"type": "array", "items": {"$ref": "#/$defs/word"},
        "minItems": 1, "maxItems": 3}}, "required": ["name", "age", "likes"], "additionalProperties": false,
        "$defs": {"word": {"type": "string", "pattern": "^[a-z]{1,8}$"}}}"##;
    let schema = file("schema.json", schema);
    for seed in ["1", "2", "3"] {
        let run =
            ["--strategy", "sample", "--seed", seed, "-p", "Once upon a time", "--json-schema", &schema];
        let answer = json_of(&[&["generate", "--json"], &run[..]].concat());
        assert_eq!(answer["stop"], "grammar");
        let text = answer["text"].as_str().expect("a text");
        let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(keys(&value), ["age", "likes", "name"]);
        assert!(value["name"] == "Lily" || value["name"] == "Tom", "{text}");
        assert!((1..=9).contains(&value["age"].as_i64().expect("a whole number")), "{text}");
        let likes = value["likes"].as_array().expect("a list");
        assert!((1..=3).contains(&likes.len()), "{text}");
        let word = |word: &str| (1..=8).contains(&word.len()) && word.chars().all(|c| c.is_ascii_lowercase());
        assert!(likes.iter().all(|like| like.as_str().is_some_and(word)), "{text}");
    }

    let rules = file("yes.gbnf", "root ::= answer \" \" answer # twice\nanswer ::= \"yes\" |\n  \"no\"");
    let answer = json_of(&["generate", "--json", "-p", "Once", "--grammar", &rules]);
    let text = answer["text"].as_str().expect("a text");
    assert!(["yes yes", "yes no", "no yes", "no no"].contains(&text), "{text}");
    let stages = first_stages(&["-p", "Once", "--grammar", &rules]);
    assert_eq!((stages[0].0.as_str(), stages[0].1.as_str()), ("grammar", "GBNF"));
    let answer = json_of(&["generate", "--json", "-p", "Once", "--regex", "[0-9]{3}-[a-c]+z"]);
    let text = answer["text"].as_str().expect("a text");
    assert!(text.len() > 5 && text.as_bytes()[3] == b'-', "{text}");

    let bad = file("bad.gbnf", "root ::= \"a\" |\n  ( word");
    let error = error_of(&["generate", "-p", "Once", "--grammar", &bad]);
    assert!(error.contains("the grammar cannot be read: line 2: `)` is expected"), "{error}");
    let bad = file("bad.json", "{\"type\": \"strange\"}");
    let error = error_of(&["generate", "-p", "Once", "--json-schema", &bad]);
    assert!(error.contains("the grammar cannot be used") && error.contains("strange"), "{error}");
    let model = without_text();
    let error = error_of(&["generate", "-m", &model, "--prompt-ids", "1", "--grammar", &rules]);
    assert!(error.contains("has no tokenizer") && error.contains("leave the grammar out"), "{error}");
    let error = error_of(&["generate", "-p", "Once", "--grammar", "nowhere.gbnf"]);
    assert!(error.contains("the grammar could not be read: nowhere.gbnf"), "{error}");
}

#[test]
fn what_is_banned_is_not_chosen_where_nothing_else_is_left() {
    let model = without_text();
    let base = ["generate", "-m", &model, "--prompt-ids", "3,1,4", "--ignore-eos"];
    let all: Vec<String> = (0..101).map(|id: u32| id.to_string()).collect();
    let every = ["--suppress-tokens", &all.join(",")];
    for strategy in ["greedy", "sample", "beam", "contrastive", "speculative", "lookahead"] {
        let error = error_of(&[&base[..], &every, &["--strategy", strategy]].concat());
        assert!(
            error.contains("the run failed: step 1: the stage `suppressed tokens` leaves no token to choose"),
            "{strategy}: {error}"
        );
    }

    // The text so far stays: on stdout, and in the trace.
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("run.json");
    let forced = ["--forced-token", "3=7", "--suppress-tokens", "7", "--trace", &trace.to_string_lossy()];
    for strategy in ["greedy", "beam"] {
        let output = run(&[&base[..], &forced, &["--strategy", strategy]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("error: the run failed: step 3: the stage `suppressed tokens`"), "{stderr}");
        let run = logitscope::trace::file::read(&trace).expect("a trace");
        assert_eq!((run.generated_ids().len(), run.stop), (2, Some(logitscope::trace::StopReason::Failed)));
        let ids: Vec<String> = run.generated_ids().iter().map(u32::to_string).collect();
        assert_eq!(String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>(), ids);
        assert!(output.stdout.ends_with(b"\n"));
    }

    // Of a grammar's two spellings of one text neither is allowed.
    let spellings = json_of(&["tokenize", "-p", "aa", "--no-special", "--json"])["ids"].clone();
    let single = json_of(&["tokenize", "-p", "a", "--no-special", "--json"])["ids"].clone();
    let mut banned: Vec<String> = Vec::new();
    for id in [&spellings, &single].into_iter().flat_map(|ids| ids.as_array().expect("ids")) {
        banned.extend(["--bad-words-ids".to_owned(), id.to_string()]);
    }
    let banned: Vec<&str> = banned.iter().map(String::as_str).collect();
    let error = error_of(&[&["generate", "-p", "Once", "--regex", "aa"][..], &banned].concat());
    assert!(error.contains("step 1: the stage `bad words` leaves no token to choose"), "{error}");
    // A grammar of the empty text alone is complete before the first token, whatever ends a text.
    let empty = folder.path().join("empty.gbnf").to_string_lossy().into_owned();
    std::fs::write(&empty, "root ::= \"\"").expect("written");
    for more in [&["--ignore-eos"][..], &[]] {
        let answer =
            json_of(&[&["generate", "-p", "Once", "--grammar", &empty, "--json"][..], more].concat());
        assert_eq!((&answer["stop"], &answer["ids"]), (&json!("grammar"), &json!([])));
    }
    let error = error_of(&[&base[..], &["--logit-bias", "3=-inf"]].concat());
    assert!(error.contains("a logit bias is -inf") && error.contains("suppress"), "{error}");
}

#[test]
fn a_byte_order_mark_before_a_file_is_no_part_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_string_lossy().into_owned()
    };
    let ids = |text: &str| {
        json_of(&["tokenize", "--prompt-file", &file("prompt.txt", text), "--json"])["ids"].clone()
    };
    assert_eq!(ids("\u{feff}Once upon"), ids("Once upon"));
    assert_ne!(ids("\u{feff}\u{feff}Once upon"), ids("Once upon"), "the second one is text");
    let text = |option: &str, contents: &str| {
        let file = file("grammar", contents);
        json_of(&["generate", "-p", "Once", option, &file, "--json"])["text"].clone()
    };
    assert_eq!(text("--grammar", "\u{feff}root ::= \"yes\""), "yes");
    assert_eq!(text("--json-schema", "\u{feff}{\"const\": 12}"), "12");
}

#[test]
fn lists_may_have_blanks() {
    let model = without_text();
    let base = ["generate", "-m", &model, "-n", "3", "--json", "--ignore-eos"];
    let ids = |more: &[&str]| json_of(&[&base[..], more].concat());
    let spaced = ids(&["--prompt-ids", " 3, 1 ,4"]);
    assert_eq!(spaced["prompt_ids"], json!([3, 1, 4]));
    for (plain, blanks) in [
        (["--suppress-tokens", "1,2,3"], ["--suppress-tokens", "1, 2 , 3"]),
        (["--bad-words-ids", "1,2"], ["--bad-words-ids", " 1, 2"]),
        (["--forced-token", "2=7"], ["--forced-token", " 2 = 7 "]),
        (["--logit-bias", "3=-4"], ["--logit-bias", "3 = -4"]),
    ] {
        let prompt = ["--prompt-ids", "3"];
        assert_eq!(ids(&[prompt, plain].concat())["steps"], ids(&[prompt, blanks].concat())["steps"]);
    }
    let bench = ["bench", "-m", &model, "--pp", "8, 9", "--tg", " 2", "--repeat", "1", "--json"];
    assert_eq!(json_of(&bench)["pp"][1]["tokens"], 9);
    let check = json_of(&["check", "-m", &model, "--weights", "f16", "--prompt-ids", "3, 1", "--json"]);
    assert_eq!(check["divergence"]["prompt_ids"], json!([3, 1]));
    let logits = json_of(&["logits", "-m", &model, "--prompt-ids", "3, 1", "--json"]);
    assert_eq!(logits["prompt_ids"], json!([3, 1]));
    for wrong in ["3,,1", "3 1", "x", ""] {
        let output = run(&["generate", "-m", &model, "--prompt-ids", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_context_holds_prompt_and_new_tokens_together() {
    let model = without_text();
    let base = ["--prompt-ids", "3,1,4,1,5", "-m", &model];
    let generate = [&["generate", "--ignore-eos"][..], &base].concat();
    let error = error_of(&[&generate[..], &["--context", "5"]].concat());
    assert!(error.contains("the prompt has 5 tokens, but the context has 5, new tokens included"), "{error}");
    for (context, new) in [("6", 1), ("7", 2)] {
        let answer = json_of(&[&generate[..], &["--context", context, "--json"]].concat());
        let ids = answer["ids"].as_array().map(Vec::len);
        assert_eq!((answer["stop"].as_str(), ids), (Some("context_full"), Some(new)));
    }
    // Logits are those of the prompt alone, which may fill the context.
    let logits = |context| [&["logits", "--json", "--context", context][..], &base].concat();
    assert_eq!(json_of(&logits("5"))["top"].as_array().map(Vec::len), Some(5));
    assert!(error_of(&logits("4")).contains("the prompt has 5 tokens, but the context has 4"));
}

#[test]
fn every_command_says_why_a_tokenizer_cannot_be_used() {
    let folder = super::merges::folder("gpt2-f32", Some("PreTrainedTokenizerFast"), &serde_json::Map::new());
    let model = folder.path().to_string_lossy().into_owned();
    let reason = "the way of a PreTrainedTokenizer is not known";
    let grammar = ["generate", "-m", &model, "--prompt-ids", "1", "--regex", "a"];
    let chat = ["generate", "-m", &model, "-p", "a", "--chat"];
    for arguments in [
        &["tokenize", "-m", &model, "-p", "a"][..],
        &["generate", "-m", &model, "-p", "a"],
        &["logits", "-m", &model, "-p", "a", "--json"],
        &["check", "-m", &model, "-p", "a", "--weights", "f16"],
        &grammar,
        &chat,
    ] {
        let output = run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        let error = stderr.lines().find(|line| line.starts_with("error: ")).expect("an error");
        assert!(error.contains("no tokenizer that can be used (") && error.contains(reason), "{error}");
    }
    let text = String::from_utf8(run(&["inspect", &model]).stdout).expect("UTF-8");
    let line = text.lines().find(|line| line.trim_start().starts_with("tokenizer ")).expect("a line");
    assert!(line.contains("none that can be used (") && line.contains(reason), "{line}");
    let card = json_of(&["inspect", "--json", &model]);
    assert!(card["tokenizer_problem"].as_str().is_some_and(|problem| problem.contains(reason)), "{card}");
}

#[test]
fn dry_finds_its_breakers_with_the_tokenizer() {
    let model = with_text();
    let changed = |more: &[&str]| {
        let base = ["-m", &model, "-p", "aa:aa:aa:", "--dry-multiplier", "1"];
        let stages = first_stages(&[&base[..], more].concat());
        assert_eq!((stages.len(), stages[0].0.as_str()), (1, "DRY"));
        stages[0].3
    };
    assert_eq!(changed(&[]), 0, "the newest token is a breaker");
    assert!(changed(&["--dry-sequence-breaker", "none"]) > 0);
    assert!(changed(&["--dry-sequence-breaker", "x"]) > 0);
    assert_eq!(changed(&["--dry-sequence-breaker", "x", "--dry-sequence-breaker", ":"]), 0);
}

#[test]
fn drafts_and_guesses_give_greedy_text_in_fewer_steps() {
    let model = without_text();
    let base = ["generate", "-m", &model, "--prompt-ids", "3,1,4", "-n", "14", "--ignore-eos", "--json"];
    let with = |more: &[&str]| json_of(&[&base[..], more].concat());
    let greedy = with(&[]);
    let speculative = with(&["--strategy", "speculative", "--draft-model", &model, "--draft-tokens", "3"]);
    assert_eq!(speculative["ids"], greedy["ids"]);
    // Thirteen tokens after the first, four a pass.
    assert_eq!(speculative["phases"]["incremental"]["steps"], 4);
    let options = ["--window", "2", "--ngram", "3", "--guesses", "2"];
    let lookahead = with(&[&["--strategy", "lookahead"], &options[..]].concat());
    assert_eq!(lookahead["ids"], greedy["ids"]);
    assert!(lookahead["phases"]["incremental"]["rows"].as_u64() > Some(13));

    let drawn = |seed| with(&["--strategy", "speculative", "--temperature", "5", "--seed", seed]);
    assert_eq!(drawn("1")["ids"], drawn("1")["ids"]);
    assert_ne!(drawn("1")["ids"], drawn("2")["ids"]);

    let error =
        error_of(&["generate", "--prompt-ids", "3", "--strategy", "speculative", "--draft-model", &model]);
    assert!(error.contains("the draft model does not fit: llama-f32 has"), "{error}");
}

#[test]
fn a_stop_text_ends_the_text_and_stays_in_it() {
    let model = with_text();
    let base = ["generate", "-m", &model, "-p", "Once", "-n", "12", "--ignore-eos", "--json"];
    let whole = json_of(&base)["text"].as_str().expect("text").to_owned();
    let characters: Vec<char> = whole.chars().collect();
    let stop: String = characters[2..5].iter().collect();
    let ended = json_of(&[&base[..], &["--stop", &stop]].concat());
    assert_eq!(ended["stop"], "stop_text");
    let text = ended["text"].as_str().expect("text");
    assert!(
        text.contains(&stop) && whole.starts_with(text) && text.len() < whole.len(),
        "{text:?} of {whole:?}"
    );
}

#[test]
fn a_trace_file_opens_as_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.json");
    let place = path.to_string_lossy().into_owned();
    let model = without_text();
    let answer =
        json_of(&["generate", "-m", &model, "--prompt-ids", "3", "-n", "3", "--trace", &place, "--json"]);
    let run = logitscope::trace::file::read(&path).expect("a trace");
    assert_eq!(json!(run.generated_ids()), answer["ids"]);
    assert_eq!(run.model.path, model);
}

#[test]
fn logits_of_every_position_are_written_and_ranked() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.safetensors");
    let place = path.to_string_lossy().into_owned();
    let model = without_text();
    let ids: Vec<String> = (0..70).map(|id| id.to_string()).collect();
    let answer = json_of(&[
        "logits",
        "-m",
        &model,
        "--prompt-ids",
        &ids.join(","),
        "--out",
        &place,
        "--top",
        "4",
        "--json",
    ]);
    let bytes = std::fs::read(&path).expect("the file");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let logits = file.tensor("logits").expect("the tensor");
    assert_eq!((logits.dtype(), logits.shape()), (safetensors::Dtype::F32, &[70, 101][..]));
    let numbers: Vec<f32> =
        logits.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    assert_eq!(answer["prompt_ids"].as_array().map(Vec::len), Some(70));
    for (row, top) in numbers.chunks(101).zip(answer["top"].as_array().expect("a list")) {
        assert_eq!(top.as_array().map(Vec::len), Some(4));
        let highest = row.iter().copied().fold(f32::MIN, f32::max);
        assert_eq!(top[0][1].as_f64().map(|logit| logit as f32), Some(highest));
        assert_eq!(row[top[0][0].as_u64().expect("an id") as usize], highest);
    }
    let entries = std::fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(entries, 1, "nothing is left beside the file");
}

#[test]
fn a_probe_says_what_transformers_holds_between_the_layers() {
    let file = std::fs::read(super::support::fixture("families/probe.json")).expect("the script's file");
    let all: Value = serde_json::from_slice(&file).expect("the script's format");
    let (model, expected) = (fixture("gemma2"), &all["gemma2"]);
    let ids: Vec<String> = expected["ids"].as_array().expect("ids").iter().map(Value::to_string).collect();
    let (ids, last) = (ids.join(","), ids.len() - 1);
    // Tokens behind the position make no difference to it.
    let (longer, position) = (format!("{ids},5,6"), last.to_string());
    let base = ["probe", "-m", &model, "--json", "--top", "3", "--kv", "f32", "--prompt-ids"];
    let probe = json_of(&[&base[..], &[&longer, "--position", &position]].concat());
    assert_eq!((&probe["position"], &probe["token"]), (&json!(last), &expected["token"]));
    let close = |ours: &Value, theirs: &Value, tolerance: f64| {
        let (ours, theirs) = (ours.as_f64().expect("a number"), theirs.as_f64().expect("a number"));
        assert!((ours - theirs).abs() < tolerance, "{ours} {theirs}");
    };
    close(&probe["final"]["uncapped_logit"], &expected["logit"], 1e-3);
    close(&probe["final"]["sum"], &expected["logit"], 1e-3);
    close(&probe["final"]["logprob"], &expected["logprob"], 1e-3);
    close(&probe["embedding_logit"], &expected["embedding"][1], 1e-3);
    assert_eq!(probe["layers"].as_array().map(Vec::len), expected["layers"].as_array().map(Vec::len));
    for (index, theirs) in expected["layers"].as_array().expect("layers").iter().enumerate() {
        let ours = &probe["layers"][index];
        assert_eq!((&ours["layer"], &ours["lens"]["rank"]), (&json!(index), &theirs["rank"]));
        for pair in ours["lens"]["top"].as_array().filter(|top| top.len() == 3).expect("three tokens") {
            close(&pair[1], &theirs["lens"][pair[0].as_u64().expect("an id") as usize], 1e-3);
        }
        close(&ours["attention_logit"], &theirs["mixer"][1], 1e-3);
        close(&ours["feed_forward_norm"], &theirs["feed_forward"][0], 1e-3);
        close(&ours["heads"][1][last], &theirs["heads"][1][last], 1e-4);
    }
    let other = json_of(&[&base[..], &[&ids, "--token", "7"]].concat());
    assert_eq!(other["token"], 7);
    let lens = &expected["layers"].as_array().and_then(|layers| layers.last()).expect("a layer")["lens"];
    close(&other["final"]["logit"], &lens[7], 1e-3);

    let table = run(&["probe", "-m", &model, "--prompt-ids", &ids]);
    let table = String::from_utf8(table.stdout).expect("UTF-8");
    assert!(table.contains("most likely") && table.contains("is the sum of its parts"), "{table}");
}

#[test]
fn tokenize_gives_ids_and_pieces() {
    let model = with_text();
    let answer = json_of(&["tokenize", "-m", &model, "-p", "Once upon", "--json"]);
    assert_eq!(keys(&answer), ["ids", "pieces"]);
    let ids = answer["ids"].as_array().expect("a list");
    assert_eq!(ids.len(), answer["pieces"].as_array().expect("a list").len());
    assert!(!ids.is_empty());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("prompt.txt");
    std::fs::write(&path, "Once upon").expect("written");
    let from_file = json_of(&["tokenize", "-m", &model, "--prompt-file", &path.to_string_lossy(), "--json"]);
    assert_eq!(from_file, answer);
    let dashed = json_of(&["tokenize", "-m", &model, "-p", "-n", "--json"]);
    assert!(!dashed["ids"].as_array().expect("a list").is_empty(), "a prompt may begin with a dash");
}

#[test]
fn chat_puts_the_prompt_into_the_models_template() {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(with_text()).expect("a fixture") {
        let path = entry.expect("a file").path();
        std::fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
    }
    let model = folder.path().to_string_lossy().into_owned();
    let template = |source: &str| {
        std::fs::write(folder.path().join("chat_template.jinja"), source).expect("written");
    };
    let ask = ["-m", &model, "-p", "the king", "--chat"];
    let error = error_of(&[&["tokenize"][..], &ask].concat());
    assert!(error.contains("has no chat template"), "{error}");

    template(
        "{{ bos_token }}{% for m in messages %}{{ m.content }}!{% endfor %}{% if add_generation_prompt %} so:{% endif %}",
    );
    let ids = json_of(&[&["tokenize"][..], &ask, &["--json"]].concat())["ids"].clone();
    let written = ["tokenize", "-m", &model, "-p", "<|end|>the king! so:", "--no-special", "--json"];
    assert_eq!(ids, json_of(&written)["ids"]);
    assert_eq!(ids[0], 0, "the template's special token is one");
    let plain = json_of(&["tokenize", "-m", &model, "-p", "the king", "--json"])["ids"].clone();
    assert_ne!(ids, plain);
    let answer = json_of(&[&["generate", "-n", "2", "--ignore-eos", "--json"][..], &ask].concat());
    assert_eq!(answer["prompt_ids"], ids);

    // What the system says, what was said before, and values for the template.
    let turns = folder.path().join("turns.json");
    std::fs::write(
        &turns,
        r#"[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "sure": true}]"#,
    )
    .expect("written");
    template(
        "{% for m in messages %}{{ m.role[0] }}{{ m.content }}{{ m.sure }};{% endfor %}{{ mood }}{{ tools }}",
    );
    let turns = turns.to_string_lossy().into_owned();
    let more = [
        "--system",
        "s",
        "--turns",
        &turns,
        "--template-arg",
        r#"mood="glad""#,
        "--template-arg",
        "tools=[1]",
    ];
    let ids = json_of(&[&["tokenize"][..], &ask, &more, &["--json"]].concat())["ids"].clone();
    let written =
        ["tokenize", "-m", &model, "-p", "ss;ua;abTrue;uthe king;glad[1]", "--no-special", "--json"];
    assert_eq!(ids, json_of(&written)["ids"]);
    for (given, reason) in [
        (["--template-arg", "mood=glad"], "is not JSON: a text needs quotes, as in mood='\"glad\"'"),
        (["--template-arg", "mood"], "not of the form NAME=JSON"),
        (["--template-arg", "messages=[]"], "given by --system, --turns and the prompt"),
        (["--turns", "/nowhere/turns.json"], "the turns could not be read: /nowhere/turns.json"),
    ] {
        let refused = run(&[&["tokenize"][..], &ask, &given].concat());
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && error.contains(reason), "{given:?}: {error}");
    }
    std::fs::write(&turns, r#"{"role": "user"}"#).expect("written");
    let error = error_of(&[&["tokenize"][..], &ask, &["--turns", &turns]].concat());
    assert!(error.contains("it has to be a JSON list of objects"), "{error}");
    let without_chat = run(&["tokenize", "-m", &model, "-p", "a", "--system", "s"]);
    assert_eq!(without_chat.status.code(), Some(2));

    template("{{ raise_exception('Kings are not spoken to') }}");
    let error = error_of(&[&["generate"][..], &ask].concat());
    assert!(error.contains("refuses these messages: Kings are not spoken to"), "{error}");
    let both = run(&[&["tokenize"][..], &ask, &["--no-special"]].concat());
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn inspect_says_what_is_there_and_what_is_unsupported() {
    let facts = json_of(&["inspect", &without_text(), "--json"]);
    assert_eq!((&facts["supported"], &facts["problems"]), (&json!(true), &json!([])));
    assert_eq!((&facts["family"], &facts["family_name"]), (&json!("llama"), &json!("Llama")));
    assert!(facts["memory"]["weight_bytes"].as_u64() > Some(10_000));
    assert!(facts["adapter"]["binding_bytes"].as_u64() >= Some(128 << 20), "{facts}");
    assert_eq!(facts["adapter"]["fit"]["binding_positions"], 128);
    let error = error_of(&["inspect", &without_text(), "--adapter", "no such adapter"]);
    assert!(error.contains("no such adapter"), "{error}");

    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("config.json"), r#"{"model_type": "perceptron"}"#).expect("written");
    std::fs::copy(
        PathBuf::from(without_text()).join("model.safetensors"),
        folder.path().join("model.safetensors"),
    )
    .expect("copied");
    let facts = json_of(&["inspect", &folder.path().to_string_lossy(), "--json"]);
    assert_eq!(facts["supported"], false);
    assert!(facts["problems"][0].as_str().expect("a text").contains("perceptron"), "{facts}");
}

#[test]
fn a_gguf_file_gives_the_logits_of_the_folder_that_it_was_made_from() {
    let file = fixture("../gguf_families/qwen3_moe.gguf");
    let inspected = json_of(&["inspect", "--json", &file]);
    assert_eq!((&inspected["supported"], &inspected["problems"]), (&json!(true), &json!([])));
    assert_eq!((&inspected["family"], &inspected["architecture"]["layers"]), (&json!("qwen3moe"), &json!(2)));
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out.safetensors").to_string_lossy().into_owned();
    let top = |model: &str| {
        let ids = ["--prompt-ids", "5,17,42"];
        let rest = ["--out", &out, "--top", "3", "--json"];
        json_of(&[&["logits", "-m", model], &ids[..], &rest[..]].concat())["top"].clone()
    };
    let ours = top(&file);
    assert_eq!(ours, top(&fixture("qwen3_moe")));
    assert!(ours[2][2][1].is_number(), "{ours}");
}

/// Trials among several candidates take sequences of the engine's, whose handles the twin never has.
#[test]
fn check_agrees_where_kernels_of_gpus_are_tried() {
    let caches = tempfile::tempdir().expect("a folder");
    let output = program(&["check", "--json", "-m", &fixture("falcon")])
        .env("LOGITSCOPE_ADAPTER_CLASS", "gpu")
        .env("XDG_CACHE_HOME", caches.path())
        .output()
        .expect("the program starts");
    let check: Value = serde_json::from_slice(&output.stdout).expect("an answer");
    assert_eq!(check["passed"], true, "{check}");
    let variants = check["variants"].to_string();
    assert!(variants.contains("one workgroup of"), "the kernels of GPUs: {variants}");
}

#[test]
fn check_and_bench_and_adapters_answer_with_their_json() {
    let model = without_text();
    let check = json_of(&["check", "-m", &model, "--json"]);
    assert_eq!(check["passed"], true);
    assert!(check["ops"].as_u64() > Some(25), "{check}");
    assert_eq!((&check["weights"], &check["divergence"]), (&json!("f32"), &Value::Null));
    let rounded = json_of(&["check", "-m", &model, "--weights", "f16", "--prompt-ids", "3,1,4", "--json"]);
    assert_eq!(rounded["weights"], "f16 + f32");
    let divergence = &rounded["divergence"];
    assert_eq!((&divergence["original"], &divergence["prompt_ids"]), (&json!("f32"), &json!([3, 1, 4])));
    assert_eq!(divergence["positions"].as_array().map(Vec::len), Some(3));
    let error = divergence["mean_relative_error"].as_f64().expect("a number");
    assert!(error > 1e-6 && error < 1e-3, "{divergence}");

    let bench = json_of(&["bench", "-m", &model, "--pp", "8,20", "--tg", "4", "--repeat", "1", "--json"]);
    for key in ["adapter", "copy_bandwidth_bytes_per_s", "weight_bytes", "load_seconds"] {
        assert!(!bench[key].is_null(), "{key} is missing in {bench}");
    }
    assert_eq!(keys(&bench["pp"][1]), ["tokens", "tokens_per_s"]);
    assert_eq!(bench["pp"][1]["tokens"], 20);
    assert_eq!(
        keys(&bench["tg"][0]),
        ["bandwidth_share", "context", "depth", "tokens_per_s", "waited_tokens_per_s"]
    );
    let share = bench["tg"][0]["bandwidth_share"].as_f64().expect("a number");
    assert!(share > 0.0 && share < 1.0, "{bench}");
    let step = &bench["step"];
    let seconds = |part: &str| step[part].as_f64().unwrap_or_else(|| panic!("{part} is missing in {step}"));
    let parts = seconds("encode_seconds") + seconds("wait_seconds") + seconds("other_seconds");
    assert!((parts - seconds("seconds")).abs() < 1e-9 + 0.01 * parts, "{step}");
    assert!(seconds("waits") <= 1.0 && seconds("dispatches") > 4.0, "{step}");
    let ops = step["ops"].as_array().expect("a list");
    assert!(
        ops.iter().any(|op| op["op"] == "attention") && ops.iter().all(|op| op["gpu_seconds"].is_number())
    );
    // Of the usual lengths those that fit, here none of the prompts.
    let usual = json_of(&["bench", "-m", &model, "--context", "80", "--repeat", "1", "--json"]);
    assert_eq!((&usual["pp"], &usual["tg"][0]["context"]), (&json!([]), &json!(65)));

    let adapters = json_of(&["adapters", "-v", "--json"]);
    assert_eq!(adapters["adapters"][0]["index"], 0);
    assert_eq!(bench["adapter"], adapters["adapters"][0]["name"]);
    assert!(adapters["adapters"][0]["variants"].as_array().is_some_and(|variants| !variants.is_empty()));
}

#[test]
fn failures_are_one_line_that_says_what_and_why() {
    let model = without_text();
    let cases: [(&[&str], &str); 11] = [
        (&["probe", "-m", &model, "--prompt-ids", "3,1", "--position", "2"], "no position 2"),
        (&["probe", "-m", &model, "--prompt-ids", "3", "--token", "101"], "id 101"),
        (&["generate", "-m", "/no/such/folder", "-p", "x"], "/no/such/folder"),
        (
            &["generate", "-m", "someone/some-model", "-p", "x"],
            "a model is the folder of a Hugging Face download",
        ),
        (&["generate", "-m", &model, "--prompt-ids", "3,101"], "id 101"),
        (&["generate", "-m", &model, "--prompt-ids", "3", "--context", "9999"], "9999"),
        (&["generate", "-m", &model, "--prompt-ids", "3", "--adapter", "no such GPU"], "no such GPU"),
        (&["generate", "-m", &model, "--prompt-ids", "3", "-n", "0"], "at least 1"),
        (&["generate", "-m", &model, "--prompt-file", "/no/such/file"], "/no/such/file"),
        (&["logits", "-m", &model, "--prompt-ids", "3", "--out", "/no/such/folder/x"], "/no/such/folder/x"),
        (&["bench", "-m", &model, "--pp", "9999"], "9999"),
    ];
    for (arguments, complaint) in cases {
        let error = error_of(arguments);
        assert!(error.contains(complaint), "{arguments:?}: {error}");
        assert_eq!(error.matches(complaint).count(), 1, "said twice: {error}");
    }
}

#[test]
fn a_panic_of_the_tokenizers_library_is_one_line_as_any_failure() {
    let folder = copy_of("gpt2-f32");
    let file = folder.path().join("tokenizer.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&file).expect("a tokenizer")).expect("JSON");
    // The library cuts more off a piece than it has.
    json["model"]["continuing_subword_prefix"] = "######".into();
    fs::write(&file, json.to_string()).expect("a place to write");
    let error = error_of(&["tokenize", "-m", folder.path().to_str().expect("a name"), "-p", "x"]);
    assert!(error.contains("the tokenizers library failed on it"), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn without_a_driver_the_error_says_what_to_install() {
    let mut command = program(&["generate", "-p", "a"]);
    command.env("VK_DRIVER_FILES", "/nowhere.json").env("VK_ICD_FILENAMES", "/nowhere.json");
    let output = command.output().expect("the program starts");
    let line = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(line.contains("no GPU was found") && line.contains("mesa-vulkan-drivers"), "{line}");

    // What a file says needs none.
    let mut command = program(&["inspect", &without_text()]);
    command.env("VK_DRIVER_FILES", "/nowhere.json").env("VK_ICD_FILENAMES", "/nowhere.json");
    let output = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("family         Llama (llama)") && text.contains("not compared: no GPU was found"),
        "{text}"
    );
}

#[test]
fn every_op_of_the_built_in_model_agrees_with_its_twin() {
    let answer = json_of(&["check", "--json"]);
    assert_eq!(answer["passed"], json!(true), "{answer}");
}

#[test]
fn without_a_display_the_window_names_generate() {
    let error = error_of(&[]);
    assert!(error.contains("display") && error.contains("logitscope generate"), "{error}");
}

#[test]
fn wrong_usage_exits_with_2() {
    let model = without_text();
    let cases: [&[&str]; 5] = [
        &["generate", "-m", &model],
        &["generate", "-m", &model, "-p", "x", "--prompt-ids", "1"],
        &["generate", "-m", &model, "--prompt-ids", "1", "--strategy", "guess"],
        &["generate", "-m", &model, "--prompt-ids", "1", "--logit-bias", "3"],
        &["logits", "-m", &model, "--prompt-ids", "1"],
    ];
    for arguments in cases {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let model = without_text();
    let mut child = program(&["generate", "-m", &model, "--prompt-ids", "3", "-n", "100", "--ignore-eos"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("UTF-8");
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_decoded_and_exits_with_130() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.json");
    let model = without_text();
    let place = path.to_string_lossy().into_owned();
    // The whole sequence again at every step: long enough to be interrupted.
    let mut child = program(&[
        "generate",
        "-m",
        &model,
        "--prompt-ids",
        "3",
        "-n",
        "127",
        "--ignore-eos",
        "--no-kv-cache",
        "--trace",
        &place,
    ])
    .stdout(Stdio::piped())
    .stderr(Stdio::null())
    .spawn()
    .expect("the program starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut first = Vec::new();
    stdout.read_until(b' ', &mut first).expect("a first token");
    let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(signalled.expect("kill runs").success());
    stdout.read_to_end(&mut first).expect("the rest");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let run = logitscope::trace::file::read(&path).expect("a trace");
    assert_eq!(run.stop, Some(logitscope::trace::StopReason::Cancelled));
    assert!((1..127).contains(&run.nodes.len()), "{} nodes", run.nodes.len());
    assert_eq!(String::from_utf8_lossy(&first).split_whitespace().count(), run.nodes.len());
}

/// The keys of a JSON value and of all within it, but for those under keys whose names come from elsewhere.
fn all_keys(value: &Value, found: &mut BTreeSet<String>) {
    const FROM_ELSEWHERE: [&str; 4] = ["details", "limits", "features", "generation"];
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                found.insert(key.clone());
                if !FROM_ELSEWHERE.contains(&key.as_str()) {
                    all_keys(value, found);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| all_keys(value, found)),
        _ => {}
    }
}

#[test]
fn every_key_of_the_answers_is_documented() {
    let page = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md"))
        .expect("the page is there");
    let (model, states, sinks) = (with_text(), fixture("qwen3_5_text"), fixture("gpt_oss"));
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["generate", "-m", &model, "-p", "Once", "-n", "3", "--strategy", "beam"],
        vec!["logits", "-m", &model, "-p", "Once"],
        vec!["probe", "-m", &sinks, "--prompt-ids", "3,1,4"],
        vec!["probe", "-m", &states, "--prompt-ids", "3,1,4"],
        vec!["tokenize", "-m", &model, "-p", "Once"],
        vec!["inspect", &model],
        vec!["inspect", &states],
        vec!["generate", "-m", &states, "--prompt-ids", "3,1,4", "-n", "2"],
        vec!["check", "-m", &model, "--weights", "q8_0"],
        vec!["bench", "-m", &model, "--pp", "8", "--tg", "2", "--repeat", "1"],
        vec!["adapters", "-v"],
    ];
    for command in &mut commands {
        command.push("--json");
        let section = format!("## `{}`", command[0]);
        let start = page.find(&section).unwrap_or_else(|| panic!("{section} is there"));
        let section = page[start + 3..].split("\n## ").next().unwrap_or_default();
        let mut found = BTreeSet::new();
        all_keys(&json_of(command), &mut found);
        assert!(found.len() > 1, "{command:?}: {found:?}");
        let missing: Vec<_> = found.iter().filter(|key| !section.contains(&format!("`{key}`"))).collect();
        assert!(missing.is_empty(), "docs/json.md, {}: {missing:?}", command[0]);
    }
}
