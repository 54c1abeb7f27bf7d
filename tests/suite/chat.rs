//! Chat templates against transformers, and templates that must not be trusted.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use logitscope::tokenizer::chat::{ChatError, ChatTemplate, Message};
use serde::Deserialize;

/// See `tests/fixtures/chat/make.py`.
#[derive(Deserialize)]
struct Expected {
    now: u64,
    special: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    template: String,
    messages: Vec<Said>,
    text: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    role: String,
    content: String,
}

fn source(name: &str) -> &'static str {
    match name {
        "chatml" => include_str!("../fixtures/chat/chatml.jinja"),
        "features" => include_str!("../fixtures/chat/features.jinja"),
        "headers" => include_str!("../fixtures/chat/headers.jinja"),
        "instructions" => include_str!("../fixtures/chat/instructions.jinja"),
        "plain_lines" => include_str!("../fixtures/chat/plain_lines.jinja"),
        "thinking" => include_str!("../fixtures/chat/thinking.jinja"),
        "turns" => include_str!("../fixtures/chat/turns.jinja"),
        other => panic!("no template {other}"),
    }
}

#[test]
fn conversations_render_as_in_transformers() {
    let expected: Expected = serde_json::from_str(include_str!("../fixtures/chat/expected.json")).unwrap();
    let now = UNIX_EPOCH + Duration::from_secs(expected.now);
    for case in &expected.cases {
        let template = ChatTemplate::new(source(&case.template), expected.special.clone()).unwrap();
        let messages: Vec<Message> = case
            .messages
            .iter()
            .map(|said| Message { role: said.role.clone(), content: said.content.clone() })
            .collect();
        match (template.render(&messages, now), &case.error) {
            (Err(ChatError::Refused { message }), Some(error)) => assert_eq!(message, *error),
            (result, None) => {
                assert_eq!(result.as_ref().ok(), case.text.as_ref(), "{}: {result:?}", case.template)
            }
            (result, error) => panic!("{}: {result:?} in place of {error:?}", case.template),
        }
    }
}

/// What a template says to one question.
fn answer(source: &str) -> Result<String, ChatError> {
    let question = Message { role: "user".to_owned(), content: "Why?".to_owned() };
    ChatTemplate::new(source, BTreeMap::new())?.render(&[question], UNIX_EPOCH)
}

#[test]
fn templates_that_never_end_or_take_all_memory_are_stopped() {
    let endless = [
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% macro again() %}{{ again() }}{{ again() }}{% endmacro %}{{ again() }}",
        "{% set ns = namespace(text='x') %}{% for a in range(60) %}{% set ns.text = ns.text ~ ns.text %}{% endfor %}",
        "{{ 'x' * 1000000000 }}",
        "{{ 'a,b'.replace('a', 'x' * 100000).replace('x', 'y' * 100000) }}",
    ];
    for source in endless {
        let error = answer(source).unwrap_err();
        // Depth has a limit of its own.
        let deep = error.to_string().contains("recursion");
        assert!(error == ChatError::Endless || deep, "{source}: {error}");
    }
}

#[test]
fn templates_that_raise_fail_or_are_malformed_say_so_in_one_line() {
    let refused = |source: &str, start: &str, cause: &str| {
        let error = answer(source).expect_err(source).to_string();
        assert!(error.starts_with(start) && error.contains(cause) && !error.contains('\n'), "{error}");
    };
    let malformed = "the model's chat template is malformed (";
    refused("a\n{% for x in %}", malformed, "line 2");
    refused("{{ 'open }}", malformed, "line 1");
    refused("{% if true %}", malformed, "unexpected end");
    refused("{% unheard %}", malformed, "unheard");
    let fails = "the model's chat template fails on these messages (line ";
    refused("{{ missing.deep }}", fails, "1: ");
    refused("\n{{ messages.unheard() }}", fails, "2: ");
    refused("{{ strftime_now('%Q') }}", fails, "%Q");
    refused("{{ messages | unheard }}", malformed, "unheard");
    let refuses = "the model's chat template refuses these messages: ";
    refused("{{ raise_exception('not\nthis') }}", refuses, "not this");
    refused("{% macro m() %}{{ raise_exception('deep') }}{% endmacro %}{{ m() }}", refuses, "deep");
}
