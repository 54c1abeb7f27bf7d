//! Trace files: what is written is read again, and what is no trace is refused by name.

use std::fs;

use logitscope::decoding::{Control, DecodingSettings, StrategyKind, begin};
use logitscope::trace::file::{TraceFileError, read, write};
use logitscope::trace::strategies::{BeamStep, Hypothesis};
use logitscope::trace::{
    Expectation, Expected, PromptToken, ReturnedSequence, Run, StepDetail, StopReason, StrategyStep, Token,
};

use super::fake_model::FakeModel;

/// A run with draws, candidates and cut sets in it.
fn run() -> Run {
    let mut settings = DecodingSettings { strategy: StrategyKind::Sample, seed: 5, ..Default::default() };
    settings.stages.top_k = 4;
    settings.stages.temperature = 0.7;
    let mut model = FakeModel::scrambled(50);
    let mut strategy = begin(&settings, &[], &[1, 2], &model).unwrap();
    let mut run = Run { seed: 5, stop: Some(StopReason::Cancelled), ..Run::default() };
    run.prompt = vec![PromptToken {
        token: 1,
        piece: "Ġa\"\u{1f600}".into(),
        text: " a".into(),
        held: vec![0xE2],
        expectation: Some(Expectation {
            logit: -0.5,
            log_probability: -1.25,
            rank: 3,
            entropy: 2.5,
            likeliest: vec![Expected { token: Token { id: 7, piece: "Ġthe".into() }, probability: 0.25 }],
        }),
    }];
    for _ in 0..20 {
        let mut progress = |_, _| {};
        let mut control = Control { interrupt: &false.into(), progress: &mut progress };
        strategy.step(&mut model, &mut run, &mut control).unwrap();
    }
    run.nodes[3].held = vec![0xe2, 0x82];
    run
}

#[test]
fn a_written_trace_reads_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tale.json");
    let run = run();
    write(&path, &run).unwrap();
    assert_eq!(read(&path).unwrap(), run);
    // Overwriting works, and nothing else is left in the folder.
    write(&path, &Run::default()).unwrap();
    assert_eq!(read(&path).unwrap(), Run::default());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_is_no_trace_is_refused_with_file_and_cause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tale.json");
    let whole = {
        write(&path, &run()).unwrap();
        fs::read_to_string(&path).unwrap()
    };
    let number = &whole[..whole.find("\"logit\":").expect("a logit") + 10];
    let cases: [(&str, &[u8], &str); 10] = [
        ("empty", b"", "it is empty"),
        ("binary", b"\x89PNG\r\n", "it is not JSON"),
        ("other JSON", b"{\"version\": 1}", "it has no `logitscope_trace` version"),
        ("a list", b"[1, 2]", "is damaged"),
        ("newer", b"{\"logitscope_trace\": 3, \"run\": {\"unknown\": []}}", "trace format 3"),
        ("format 0", b"{\"logitscope_trace\": 0, \"run\": {}}", "there is no trace format 0"),
        ("no run", b"{\"logitscope_trace\": 1}", "missing field `run`"),
        ("wrong types", b"{\"logitscope_trace\": 1, \"run\": {\"nodes\": 3}}", "is damaged"),
        (
            "in a number",
            number.trim_end_matches(|digit: char| digit.is_ascii_digit()).as_bytes(),
            "ends in the middle",
        ),
        ("half", &whole.as_bytes()[..whole.len() / 2], "ends in the middle (line 1, column"),
    ];
    for (what, bytes, cause) in cases {
        fs::write(&path, bytes).unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains("tale.json") && message.contains(cause), "{what}: {message}");
    }
}

#[test]
fn files_that_cannot_be_reached_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").join("tale.json");
    assert!(matches!(read(&missing), Err(TraceFileError::Read { path, .. }) if path == missing));
    assert!(
        matches!(write(&missing, &Run::default()), Err(TraceFileError::Write { path, .. }) if path == missing)
    );
    // A folder in the place of the file: nothing is left beside it.
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("keep"), b"x").unwrap();
    assert!(write(&taken, &Run::default()).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_trace_of_the_first_format_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tale.json");
    let run = run();
    let mut old = serde_json::json!({ "logitscope_trace": 1, "run": run });
    for name in ["line", "steps", "sequences"] {
        assert!(old["run"].as_object_mut().unwrap().remove(name).is_some());
    }
    fs::write(&path, old.to_string()).unwrap();
    assert_eq!(read(&path).unwrap(), run);
}

#[test]
fn a_strategy_is_a_word_in_the_file_and_one_of_a_later_program_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tale.json");
    let words = ["greedy", "sample", "beam", "contrastive", "speculative", "lookahead", "server"];
    assert_eq!(StrategyKind::ALL.map(StrategyKind::name), words, "files of old have these words");
    for (kind, word) in StrategyKind::ALL.into_iter().zip(words) {
        let run = Run { strategy: kind, ..run() };
        write(&path, &run).unwrap();
        let file: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(file["run"]["strategy"], word);
        assert_eq!(read(&path).unwrap(), run);
    }
    let mut later = serde_json::json!({ "logitscope_trace": 2, "run": run() });
    later["run"]["strategy"] = "tree_search".into();
    fs::write(&path, later.to_string()).unwrap();
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("tale.json") && message.contains("`tree_search`"), "{message}");
    assert!(message.ends_with("use a newer Logitscope"), "{message}");
}

#[test]
fn nodes_that_refer_to_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tale.json");
    let detail = StepDetail::Beam(BeamStep {
        live: vec![Hypothesis { node: 20, ..Default::default() }],
        ..Default::default()
    });
    let sound = StrategyStep { nodes: 3..5, detail: StepDetail::Beam(BeamStep::default()) };
    type Damage = fn(&mut Run, StrategyStep, StepDetail);
    let damages: [(&str, Damage); 6] = [
        ("comes before its parent", |run, _, _| run.nodes[4].parent = Some(4)),
        ("not a path", |run, _, _| run.line[3] = 5),
        ("not a path", |run, _, _| run.line.push(20)),
        ("names nodes that are not there", |run, sound, _| run.steps = vec![sound.clone(), sound]),
        ("names a node that is not there", |run, sound, detail| {
            run.steps = vec![StrategyStep { detail, ..sound }];
        }),
        ("a sequence ends", |run, _, _| run.sequences.push(ReturnedSequence { node: 20, score: 0.0 })),
    ];
    for (complaint, damage) in damages {
        let mut run = run();
        damage(&mut run, sound.clone(), detail.clone());
        write(&path, &run).unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(error, TraceFileError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(complaint), "{error}");
    }
    let whole = Run { steps: vec![sound], ..run() };
    write(&path, &whole).unwrap();
    assert_eq!(read(&path).unwrap(), whole);
}
