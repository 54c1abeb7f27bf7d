//! Chat templates against transformers, and templates that must not be trusted.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use logitscope::tokenizer::chat::{ChatError, ChatTemplate, Conversation, Message};
use serde::Deserialize;

/// See `tests/fixtures/chat/make.py`.
#[derive(Deserialize)]
struct Expected {
    now: String,
    special: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    template: String,
    #[serde(flatten)]
    conversation: Conversation,
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
        "channels" => include_str!("../fixtures/chat/channels.jinja"),
        "strict_turns" => include_str!("../fixtures/chat/strict_turns.jinja"),
        "tagged" => include_str!("../fixtures/chat/tagged.jinja"),
        "chatml" => include_str!("../fixtures/chat/chatml.jinja"),
        "features" => include_str!("../fixtures/chat/features.jinja"),
        "headers" => include_str!("../fixtures/chat/headers.jinja"),
        "instructions" => include_str!("../fixtures/chat/instructions.jinja"),
        "opened_thinking" => include_str!("../fixtures/chat/opened_thinking.jinja"),
        "switches" => include_str!("../fixtures/chat/switches.jinja"),
        "plain_lines" => include_str!("../fixtures/chat/plain_lines.jinja"),
        "thinking" => include_str!("../fixtures/chat/thinking.jinja"),
        "turns" => include_str!("../fixtures/chat/turns.jinja"),
        other => panic!("no template {other}"),
    }
}

#[test]
fn conversations_render_as_in_transformers() {
    let expected: Expected = serde_json::from_str(include_str!("../fixtures/chat/expected.json")).unwrap();
    let now: DateTime = expected.now.parse().unwrap();
    for case in &expected.cases {
        let template = ChatTemplate::new(source(&case.template), expected.special.clone()).unwrap();
        match (template.render(&case.conversation, now), &case.error) {
            (Err(ChatError::Refused { message }), Some(error)) => assert_eq!(message, *error),
            (result, None) => {
                assert_eq!(result.as_ref().ok(), case.text.as_ref(), "{}: {result:?}", case.template)
            }
            (result, error) => panic!("{}: {result:?} in place of {error:?}", case.template),
        }
    }
}

#[test]
fn the_usual_switches_are_found_by_name() {
    let names = |source: &str| -> Vec<&str> {
        let template = ChatTemplate::new(source, BTreeMap::new()).unwrap();
        template.switches().iter().map(|switch| switch.name).collect()
    };
    assert_eq!(names(source("switches")), ["enable_thinking", "reasoning_effort"]);
    assert_eq!(names("{% if thinking %}x{% endif %}"), ["thinking"]);
    assert_eq!(names(source("chatml")), [""; 0]);
}

/// What a template says to one question.
fn answer(source: &str) -> Result<String, ChatError> {
    let question = Conversation::asking("Why?");
    ChatTemplate::new(source, BTreeMap::new())?.render(&question, DateTime::constant(1970, 1, 1, 0, 0, 0, 0))
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
fn nothing_asks_for_memory_without_limit() {
    let large = [
        "'a' * 10 ** 9",
        "[0] * 10 ** 9",
        "(0,) * 10 ** 9",
        "10 ** 9 * 'ab'",
        "2 ** (10 ** 9)",
        "'%1000000000d' % 1",
        "'%-1000000000s|' % 1",
        "'%*d' % (10 ** 9, 1)",
        "'%.1000000000f' % 1.5",
        "'%.1000000000d' % 1",
        "'%99999999999999999999999999999999999999999999d' % 1",
        "'%1000000000d' | format(1)",
        "'{:>1000000000}'.format(1)",
        "'{:.1000000000f}'.format(1.5)",
        "'{:{}}'.format(1, 10 ** 9)",
        "'{:0>1000000000,}'.format(1)",
        "'a'.center(10 ** 9)",
        "'a'.ljust(10 ** 18)",
        "'a'.rjust(10 ** 30)",
        "'a'.zfill(10 ** 9)",
        "'a\tb'.expandtabs(10 ** 9)",
        "('a' * 10000).replace('', 'b' * 100000)",
        "('a' * 10000).replace('a', 'b' * 100000)",
        "('a' * 100000).join(range(1000) | map('string'))",
        "('a' * 10000).translate({97: 'b' * 100000})",
        "'a' | center(10 ** 9)",
        "'a' | indent(10 ** 9, true)",
        "('a\n' * 10000) | indent('b' * 100000)",
        "[[1]] | tojson(indent=10 ** 9)",
        "[range(1000) | list] | tojson(indent='a' * 100000)",
        "range(1000) | list | tojson(separators=('a' * 100000, 'b'))",
        "range(1000) | join('a' * 100000)",
        "[1] | batch(10 ** 9, 'a') | list",
        "[1] | slice(10 ** 9) | list",
        "('a b ' * 10000) | wordwrap(1, wrapstring='a' * 100000)",
        "range(10 ** 9) | list",
        "range(0, 10 ** 30)",
        "strftime_now('%1000000000d')",
        "strftime_now('%1000d' * 100000)",
        "cycler(*range(10 ** 9))",
    ];
    for source in large {
        let template = format!("{{{{ {source} }}}}");
        let begin = std::time::Instant::now();
        let error = answer(&template).expect_err(source);
        assert!(matches!(error, ChatError::Endless | ChatError::Failed { .. }), "{source}: {error}");
        assert!(begin.elapsed().as_secs() < 60, "{source}");
    }
}

#[test]
fn what_is_nested_deep_is_refused_or_rendered_and_breaks_nothing() {
    let many = 200_000;
    let deep = [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{1: ", "1", "}"),
        ("-", "1", ""),
        ("+", "1", ""),
        ("not ", "1", ""),
        ("1 + ", "1", ""),
        ("1 ~ ", "1", ""),
        ("1 if ", "1", ""),
        ("", "a", ".a"),
        ("", "a", "|upper"),
        ("", "a", "()"),
        ("", "a", "[0]"),
        ("1 < ", "1", ""),
        ("1 and ", "1", ""),
        ("x(", "1", ")"),
    ];
    for (before, inside, after) in deep {
        for times in [3000, many] {
            let source = format!("{{{{ {}{inside}{} }}}}", before.repeat(times), after.repeat(times));
            let error = answer(&source).err();
            assert!(error.is_some() || times < many, "{before}{inside}{after}");
        }
    }
    for (before, after) in
        [("{% if 1 %}", "{% endif %}"), ("{% for a in [1] %}", "{% endfor %}"), ("{% if 0 %}", "")]
    {
        let source = before.repeat(many) + &after.repeat(many);
        assert!(answer(&source).is_err(), "{before}");
    }
    let branches = format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(many));
    assert!(answer(&branches).is_err());
    let values =
        "{% set ns = namespace(x=[]) %}{% for i in range(40000) %}{% set ns.x = [ns.x] %}{% endfor %}";
    for use_of_them in
        ["", "{{ ns.x }}", "{{ ns.x | tojson }}", "{{ ns.x == ns.x }}", "{{ ns.x ~ 1 }}", "{{ ns.x < ns.x }}"]
    {
        let result = answer(&format!("{values}{use_of_them}"));
        assert_eq!(result.is_ok(), use_of_them.is_empty(), "{use_of_them}: {result:?}");
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
    // What minijinja cannot do as Jinja does is an error and no other text.
    refused("{{ '\\N{BULLET}' }}", malformed, "line 1: characters cannot be escaped by name");
    refused("{{ 'https://a.b' | urlize }}", malformed, "urlize");
    refused("{% for a in [] recursive %}{% else %}x{% endfor %}", malformed, "recursive loops with else");
    refused("{% for a in [] %}{% block b %}{% endblock %}{% endfor %}", malformed, "blocks inside of scopes");
    refused("{{ [1][0, 1] }}", malformed, "unexpected `,`");
    refused("{% set loop = 1 %}", malformed, "reserved");
    let fails = "the model's chat template fails on these messages (line ";
    refused("{{ missing.deep }}", fails, "1: ");
    refused("\n{{ messages.unheard() }}", fails, "2: ");
    refused("{{ strftime_now(1) }}", fails, "a text is needed");
    refused("{{ messages | unheard }}", malformed, "unheard");
    let refuses = "the model's chat template refuses these messages: ";
    refused("{{ raise_exception('not\nthis') }}", refuses, "not this");
    refused("{% macro m() %}{{ raise_exception('deep') }}{% endmacro %}{{ m() }}", refuses, "deep");
}

/// See `tests/fixtures/chat/probes.py`.
#[derive(Deserialize)]
struct Probes {
    now: String,
    special: BTreeMap<String, String>,
    messages: Vec<Said>,
    /// What transformers renders, and minijinja cannot.
    refused: Vec<String>,
    cases: Vec<Probe>,
}

#[derive(Deserialize)]
struct Probe {
    template: String,
    text: Option<String>,
}

#[test]
fn small_templates_of_all_of_jinja_render_as_in_transformers() {
    let probes: Probes = serde_json::from_str(include_str!("../fixtures/chat/probes.json")).unwrap();
    let now: DateTime = probes.now.parse().unwrap();
    let messages = probes.messages.iter().map(|said| Message::new(&said.role, &said.content)).collect();
    let conversation = Conversation { messages, ..Conversation::default() };
    let differ: Vec<String> = probes
        .cases
        .iter()
        .filter_map(|probe| {
            let result = ChatTemplate::new(&probe.template, probes.special.clone())
                .and_then(|template| template.render(&conversation, now));
            (result.as_ref().ok() != probe.text.as_ref())
                .then(|| format!("{:?}\n  ours   {result:?}\n  theirs {:?}", probe.template, probe.text))
        })
        .collect();
    for source in &probes.refused {
        let result = ChatTemplate::new(source, probes.special.clone());
        let result = result.and_then(|template| template.render(&conversation, now));
        assert!(result.is_err(), "{source}: {result:?}");
    }
    assert!(differ.is_empty(), "{} of {}:\n{}", differ.len(), probes.cases.len(), differ.join("\n"));
}
