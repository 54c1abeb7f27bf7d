//! Trace files: what is written is read again, and what is no trace is refused by name.

use std::fs;

use logitscope::decoding::{Control, DecodingSettings, StrategyChoice, begin};
use logitscope::trace::file::{TraceFileError, read, write};
use logitscope::trace::{PromptToken, Run, StopReason};

use super::fake_model::FakeModel;

/// A run with draws, candidates and cut sets in it.
fn run() -> Run {
    let mut settings = DecodingSettings { strategy: StrategyChoice::Sample, seed: 5, ..Default::default() };
    settings.stages.top_k = 4;
    settings.stages.temperature = 0.7;
    let mut model = FakeModel::scrambled(50);
    let mut strategy = begin(&settings, &[], &[1, 2], &model).unwrap();
    let mut run = Run { seed: 5, stop: Some(StopReason::Cancelled), ..Run::default() };
    run.prompt = vec![PromptToken { token: 1, piece: "Ġa\"\u{1f600}".into(), text: " a".into() }];
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
    let cases: [(&str, &[u8], &str); 9] = [
        ("empty", b"", "it is empty"),
        ("binary", b"\x89PNG\r\n", "it is not JSON"),
        ("other JSON", b"{\"version\": 1}", "it has no `logitscope_trace` version"),
        ("a list", b"[1, 2]", "is damaged"),
        ("newer", b"{\"logitscope_trace\": 2, \"run\": {\"unknown\": []}}", "trace format 2"),
        ("format 0", b"{\"logitscope_trace\": 0, \"run\": {}}", "there is no trace format 0"),
        ("no run", b"{\"logitscope_trace\": 1}", "missing field `run`"),
        ("wrong types", b"{\"logitscope_trace\": 1, \"run\": {\"nodes\": 3}}", "is damaged"),
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
