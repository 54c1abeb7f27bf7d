//! What real servers said, against float64 arithmetic and against each other.

use logitscope::model::ServerSampling;
use logitscope::servers::{
    Answer, Ended, SentRow, Server, ServerError, ServerKind, StreamAsk, Top, served_models,
};
use serde_json::{Value, json};

use super::servers::{KEY, Met, NEVER, Truth, patience, truth};

/// How far float32 may lie from float64: both servers were measured at 2e-5 at most.
const TOLERANCE: f32 = 1e-4;

const STREAM: StreamAsk =
    StreamAsk { top: Top::Highest(5), most_tokens: 24, sampling: ServerSampling::GREEDY, stop_at_eos: true };

fn assert_highest(row: &SentRow, expected: &[(u32, f32)]) {
    for (at, (token, value)) in expected.iter().take(row.tokens.len()).enumerate() {
        assert_eq!(row.tokens[at], *token, "{row:?}\n{expected:?}");
        assert!((row.log_probabilities[at] - value).abs() < TOLERANCE, "{row:?}\n{expected:?}");
    }
}

fn read(server: &mut Server, ask: &StreamAsk, text: &[u32]) -> (Vec<SentRow>, Ended) {
    let mut stream = server.stream(text, ask).unwrap();
    let mut rows = Vec::new();
    while let Some(row) = stream.next(&NEVER).unwrap() {
        rows.push(row);
    }
    (rows, stream.ended_because().unwrap().clone())
}

/// What both servers of stories260K have to do.
fn tells_the_truth(server: &mut Server, truth: &Truth) {
    let facts = server.facts().clone();
    assert_eq!((facts.model.as_str(), facts.vocabulary, facts.context), ("stories260K", Some(512), 511));
    assert_eq!((facts.most_listed, facts.whole_rows, facts.knows_ids), (512, true, true));
    assert!(facts.several_at_once && facts.tokenises);
    assert_eq!(facts.eos, [2]);

    assert_eq!(server.tokenise("Once upon a time", true, &NEVER).unwrap(), truth.prompt);
    assert_eq!(server.tokenise("Once upon a time", false, &NEVER).unwrap(), truth.prompt[1..]);
    assert_eq!(server.detokenise(&truth.prompt, &NEVER).unwrap(), "<s> Once upon a time");

    let prompt = truth.prompt.as_slice();
    let texts: Vec<&[u32]> = (1..=prompt.len()).rev().map(|end| &prompt[..end]).collect();
    let rows = server.rows(&texts, Top::Highest(5), &NEVER).unwrap();
    for (row, text) in rows.iter().zip(&texts) {
        assert_eq!(row.tokens.len(), 5);
        assert_highest(row, &truth.highest[text.len() - 1]);
        assert_eq!((row.chosen, row.chosen_log_probability), (row.tokens[0], Some(row.log_probabilities[0])));
    }
    let whole = &server.rows(&[prompt], Top::All, &NEVER).unwrap()[0];
    assert_eq!(whole.tokens.len(), 512);
    for (token, value) in whole.tokens.iter().zip(&whole.log_probabilities) {
        let expected = truth.whole[*token as usize];
        assert!((value - expected).abs() < TOLERANCE, "token {token}: {value} instead of {expected}");
    }
    assert!(whole.log_probabilities.is_sorted_by(|left, right| left >= right));

    let (rows, ended) = read(server, &STREAM, prompt);
    let chosen: Vec<u32> = rows.iter().map(|row| row.chosen).collect();
    assert_eq!((chosen, ended), (truth.greedy.clone(), Ended::Length));
    for (row, expected) in rows.iter().zip(&truth.highest[prompt.len() - 1..]) {
        assert_highest(row, expected);
    }
    // Nothing is wrong with the connection afterwards.
    assert_eq!(server.rows(&[prompt], Top::Highest(1), &NEVER).unwrap()[0].tokens, [432]);
}

#[test]
fn vllm_tells_the_truth() {
    let met = Met::new("vllm_stories");
    let mut server = met.connect(None).unwrap();
    let truth = truth();
    tells_the_truth(&mut server, &truth);
    let facts = server.facts().clone();
    assert_eq!((facts.kind, facts.version.as_deref()), (ServerKind::Vllm, Some("0.32.0")));
    assert!(facts.prompt_rows);

    let rows = server.prompt_rows(&truth.prompt, 1, Top::Highest(3), &NEVER).unwrap();
    assert_eq!(rows.len(), 4);
    for (row, expected) in rows.iter().zip(&truth.highest[1..]) {
        assert_eq!(row.tokens.len(), 3);
        assert_highest(row, expected);
    }
    // What stands in the prompt, and the model's own choice after it.
    assert_eq!(rows.iter().map(|row| row.chosen).collect::<Vec<_>>(), [407, 261, 378, 432]);
    assert!(server.prompt_rows(&truth.prompt, 5, Top::Highest(3), &NEVER).unwrap().is_empty());

    // Of a byte the server tells no more than that it is no text.
    let pieces = server.pieces(&[403, 198, 1, 432, 403], &NEVER).unwrap();
    let texts: Vec<(&str, Option<&[u8]>)> =
        pieces.iter().map(|piece| (piece.text.as_str(), piece.bytes.as_deref())).collect();
    let once: (&str, Option<&[u8]>) = (" Once", Some(b" Once"));
    assert_eq!(texts, [once, ("\u{fffd}", None), ("<s>", Some(b"<s>")), (",", Some(b",")), once]);

    let error = server.chat(&json!([{"role": "user", "content": "hi"}]), &Value::Null, &NEVER).unwrap_err();
    assert!(matches!(&error, ServerError::Refused { status: 400, .. }), "{error}");
    assert!(error.to_string().contains("chat template"), "{error}");
    let error = server.rows(&[&[1, 512]], Top::Highest(1), &NEVER).unwrap_err();
    assert!(error.to_string().ends_with("(400): Token id 512 is out of vocabulary"), "{error}");
}

#[test]
fn llama_server_tells_the_truth() {
    let met = Met::new("llama_stories");
    let mut server = met.connect(None).unwrap();
    let truth = truth();
    tells_the_truth(&mut server, &truth);
    let facts = server.facts().clone();
    assert_eq!((facts.kind, facts.prompt_rows), (ServerKind::LlamaServer, false));
    let error = server.prompt_rows(&truth.prompt, 0, Top::Highest(1), &NEVER).unwrap_err();
    assert!(matches!(error, ServerError::Unsupported { .. }), "{error}");

    let row = &server.rows(&[&truth.prompt], Top::Highest(2), &NEVER).unwrap()[0];
    assert_eq!(
        row.pieces.iter().map(|piece| piece.bytes.as_deref()).collect::<Vec<_>>(),
        [Some(b",".as_slice()), Some(b" there")]
    );
    assert!(row.server_seconds.is_some_and(|seconds| seconds > 0.0));

    // Bytes are exact, and what stands for something else than text is named.
    let pieces = server.pieces(&[403, 198, 1, 432], &NEVER).unwrap();
    let texts: Vec<(&str, Option<&[u8]>, bool)> =
        pieces.iter().map(|piece| (piece.text.as_str(), piece.bytes.as_deref(), piece.special)).collect();
    assert_eq!(
        texts,
        [
            (" Once", Some(b" Once".as_slice()), false),
            ("\u{fffd}", Some(b"\xc3"), false),
            ("<s>", Some(b""), true),
            (",", Some(b","), false),
        ]
    );
}

#[test]
fn a_conversation_has_the_same_tokens_on_both() {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let mut ids = Vec::new();
    for (name, key) in [("vllm_smol", Some(KEY)), ("llama_smol", None)] {
        let mut server = Met::new(name).connect(key).unwrap();
        assert_eq!(
            (server.facts().vocabulary, server.facts().eos.contains(&2)),
            (Some(49152), true),
            "{name}"
        );
        ids.push(server.chat(&messages, &Value::Null, &NEVER).unwrap());
    }
    assert_eq!(ids[0], ids[1]);
    // `<|im_start|>`, `system`, … `assistant`, a line break: transformers' apply_chat_template.
    assert_eq!((ids[0][0], ids[0].len(), ids[0].last()), (1, 31, Some(&198)));
}

#[test]
fn what_vllm_lists_is_limited_by_its_settings() {
    let met = Met::new("vllm_smol");
    let mut server = met.connect(Some(KEY)).unwrap();
    let facts = server.facts().clone();
    assert_eq!((facts.most_listed, facts.whole_rows, facts.context), (20, false, 4095));
    let row = facts.rows.iter().find(|row| row.what == "Tokens of a row").unwrap();
    assert_eq!(row.answer, Answer::Limited("20".to_owned()));
    assert!(row.detail.contains("--max-logprobs -1"), "{}", row.detail);
    let text: &[u32] = &[6403, 1980, 253, 655];
    assert_eq!(server.rows(&[text], Top::Highest(100), &NEVER).unwrap()[0].tokens.len(), 20);
    let error = server.rows(&[text], Top::All, &NEVER).unwrap_err();
    assert!(matches!(error, ServerError::Unsupported { .. }), "{error}");

    // Players do not look at keys.
    if met.player.is_none() {
        let missing = met.connect(None).map(drop).unwrap_err();
        assert!(matches!(missing, ServerError::KeyMissing { status: 401, .. }), "{missing}");
        let wrong = met.connect(Some("wrong-key")).map(drop).unwrap_err();
        assert!(matches!(wrong, ServerError::KeyRefused { status: 401, .. }), "{wrong}");
    }
}

#[test]
fn models_are_listed_and_chosen_by_name() {
    let met = Met::new("vllm_stories");
    let models = served_models(&met.address, None, &patience(), &NEVER).unwrap();
    assert_eq!(
        models.iter().map(|model| (model.id.as_str(), model.context)).collect::<Vec<_>>(),
        [("stories260K", Some(512))]
    );
    let met = Met { address: met.address.with_model("other"), ..met };
    let error = met.connect(None).map(drop).unwrap_err();
    let host = met.address.host();
    assert_eq!(error.to_string(), format!("{host} does not serve the model other: it serves stories260K"));
}
