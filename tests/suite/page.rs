//! The exported page, in a browser without a window: it shows the trace's numbers, scrubs, and lets no text of a run do
//! anything.

use std::fs;
use std::path::Path;

use logitscope::export::page;
use logitscope::trace::{Candidate, Node, PromptToken, Run, file};

use super::{browser, support};

/// What the page shows for a fact, as its machine-readable value.
fn fact<'a>(document: &'a str, name: &str) -> &'a str {
    value(after(document, &format!("data-fact=\"{name}\"")))
}

/// What follows a mark.
fn after<'a>(document: &'a str, mark: &str) -> &'a str {
    document.split_once(mark).unwrap_or_else(|| panic!("no {mark} on the page")).1
}

/// The first machine-readable value.
fn value(rest: &str) -> &str {
    after(rest, "<data value=\"").split_once('"').expect("an end").0
}

/// The text of the first element of machine-readable values.
fn shown(rest: &str) -> &str {
    after(after(rest, "<data "), ">").split_once('<').expect("an end").0
}

fn single(text: &str) -> f32 {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn double(text: &str) -> f64 {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A run of the built-in model, as trace and as page.
fn generated(folder: &Path, tokens: &str) -> Run {
    let (trace, html) = (folder.join("run.json"), folder.join("run.html"));
    let output = support::program()
        .args([
            "generate",
            "-p",
            "Once upon a time",
            "-n",
            tokens,
            "--ignore-eos",
            "--strategy",
            "sample",
            "--seed",
            "22",
        ])
        .args(["--temperature", "0.8", "--top-k", "40", "--top-p", "0.95", "--trace"])
        .args([&trace, Path::new("--html"), &html])
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    file::read(&trace).expect("a trace")
}

#[test]
fn the_page_shows_the_numbers_of_the_trace() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = generated(folder.path(), "200");
    let page = folder.path().join("run.html");
    let bytes = fs::metadata(&page).expect("a page").len();
    assert!(bytes < 3_000_000, "{bytes} bytes for 200 steps");
    let whole = fs::read_to_string(&page).expect("a page");
    for loads in [" src=", "url(", "@import", "fetch(", "XMLHttpRequest", "<link"] {
        assert!(!whole.contains(loads), "{loads}: the page stands alone");
    }
    // The same page from the saved trace.
    let again = folder.path().join("again.html");
    let output =
        support::program().arg("page").arg(folder.path().join("run.json")).arg("--out").arg(&again).output();
    assert!(output.expect("the program starts").status.success());
    assert_eq!(fs::read_to_string(&again).expect("a page"), whole);

    let Some(browser) = browser::find("the_page_shows_the_numbers_of_the_trace") else { return };
    for step in [1, 12, 200] {
        let document = browser::document(&browser, &page, &format!("step={step}"));
        let node = &run.nodes[run.line[step - 1]];
        let phase = if step == 1 { "from initiation" } else { "incremental" };
        let title = after(&document, "id=\"step-title\">").split_once('<').expect("an end").0;
        assert_eq!(title, format!("Step {step} · {phase}"));
        same_step(&document, node);
        same_candidates(after(&document, "id=\"pipeline\">"), node);
        assert!(document.contains(&format!("data-place=\"{}\"", step - 1)));
        assert_eq!(document.matches("aria-current=\"step\"").count(), 1);
        for (name, figures) in [
            ("Load", run.phases.load),
            ("Tokenise", run.phases.tokenise),
            ("Initiation", run.phases.initiation),
            ("Incremental", run.phases.incremental),
            ("Detokenise", run.phases.detokenise),
        ] {
            let tile = after(&document, &format!("data-phase=\"{name}\""));
            assert_eq!(double(value(tile)), figures.seconds, "{name}");
        }
    }
}

fn same_step(document: &str, node: &Node) {
    assert_eq!(fact(document, "id"), node.token.to_string());
    assert_eq!(fact(document, "rank"), node.rank.to_string());
    let chosen = node.chosen().expect("the chosen one is recorded");
    let draw = node.draw.expect("sampling draws");
    for (name, number) in [
        ("probability", node.log_probability.exp()),
        ("chosen-with", chosen.probability),
        ("surprisal", -node.log_probability),
        ("logit", node.logit),
        ("entropy", node.entropy),
        ("log-sum-exp", node.log_sum_exp),
    ] {
        assert_eq!(single(fact(document, name)), number, "{name}");
    }
    for (name, number) in [
        ("draw", draw.value),
        ("segment", draw.from),
        ("seconds", node.timing.total_seconds),
        ("choose", node.timing.choose_seconds),
    ] {
        assert_eq!(double(fact(document, name)), number, "{name}");
    }
    assert_eq!(fact(document, "cached"), node.counters.cached_positions.to_string());
    // What a person reads is the same number, rounded.
    let logit = after(document, "data-fact=\"logit\"");
    assert_eq!(shown(logit), format!("{:.3}", node.logit).replace('-', "−"));
    assert_eq!(shown(after(document, "data-fact=\"draw\"")), format!("{:.6}", draw.value));
}

fn same_candidates(table: &str, node: &Node) {
    let table = table.split_once("</table>").expect("an end").0;
    let rows: Vec<&str> = table.split("<tr").skip(2).collect();
    assert_eq!(rows.len(), node.candidates.len() + 1, "the candidates, and all others");
    for (row, candidate) in rows.iter().zip(&node.candidates) {
        assert!(row.contains(&format!("data-token=\"{}\"", candidate.token)), "{row}");
        assert_eq!(row.contains("class=\"chosen\""), candidate.token == node.token);
        let mut numbers =
            row.split("<data value=\"").skip(1).map(|rest| single(rest.split('"').next().unwrap_or("")));
        assert_eq!(numbers.next(), Some(candidate.logit));
        assert_eq!(numbers.next(), Some(candidate.raw_probability));
        for &after in &candidate.after {
            assert_eq!(numbers.next(), Some(after));
        }
        assert_eq!(numbers.next(), Some(candidate.probability));
        assert_eq!(numbers.next(), None);
        assert_eq!(row.contains(">cut<"), candidate.cut_by.is_some());
    }
    let others = rows[node.candidates.len()];
    assert_eq!(value(others), node.others.count.to_string());
}

/// Does what a person does, one thing after the other, and writes down the step on show after each.
const PERSON: &str = "<script>
const seen = [];
const look = (what) => seen.push(`${what}: ${byId('step-title').textContent.split(' · ')[0]} of ${byId('place').textContent}`);
const key = (name) => { document.body.dispatchEvent(new KeyboardEvent('keydown', { key: name, bubbles: true })); look(name); };
look('first');
key('ArrowRight'); key('ArrowRight'); key('ArrowLeft'); key('End'); key('ArrowRight'); key('Home'); key('ArrowLeft');
byId('range').value = '7'; byId('range').dispatchEvent(new Event('input')); look('range');
byId('chips').querySelectorAll('button')[4].click(); look('chip');
byId('after').click(); look('after');
byId('before').click(); byId('before').click(); look('before');
const box = byId('bars').getBoundingClientRect();
byId('bars').setPointerCapture = () => {};
byId('bars').dispatchEvent(new PointerEvent('pointerdown', { clientX: box.left + box.width * 0.95, buttons: 1 })); look('bars');
const fill = () => byId('chips').querySelector('button').style.getPropertyValue('--light');
const before = fill();
byId('colours').querySelector('[value=entropy]').click();
seen.push(`colour changes: ${before !== fill()}`, `scale: ${byId('scale').textContent}`);
document.body.append(el('pre', { id: 'seen' }, seen.join('\\n')));
</script>";

#[test]
fn keys_chips_bars_and_the_scrubber_move_the_step_on_show() {
    let Some(browser) = browser::find("keys_chips_bars_and_the_scrubber_move_the_step_on_show") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let run = generated(folder.path(), "10");
    let page = folder.path().join("run.html");
    let driven = fs::read_to_string(&page).expect("a page").replace("</body>", &format!("{PERSON}</body>"));
    fs::write(&page, driven).expect("a place to write");
    let document = browser::document(&browser, &page, "step=2");
    let seen: Vec<&str> =
        after(&document, "id=\"seen\">").split_once('<').expect("an end").0.lines().collect();
    let steps = [
        ("first", 2),
        ("ArrowRight", 3),
        ("ArrowRight", 4),
        ("ArrowLeft", 3),
        ("End", 10),
        ("ArrowRight", 10),
        ("Home", 1),
        ("ArrowLeft", 1),
        ("range", 7),
        ("chip", 5),
        ("after", 6),
        ("before", 4),
        ("bars", 10),
    ];
    let mut expected: Vec<String> =
        steps.iter().map(|(what, step)| format!("{what}: Step {step} of {step} of 10")).collect();
    expected.push("colour changes: true".to_owned());
    let entropy = run.line_nodes().map(|node| node.entropy).fold(2.0, f32::max);
    expected.push(format!("scale: 0{:.0} nats", (entropy / 2.0).ceil() * 2.0));
    assert_eq!(seen, expected);
    // What was done last is what the page shows.
    same_step(&document, &run.nodes[run.line[9]]);
}

#[test]
fn no_text_of_a_run_becomes_part_of_the_page() {
    let Some(browser) = browser::find("no_text_of_a_run_becomes_part_of_the_page") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let bad = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\"><b>&lt;";
    let node = Node {
        step: 1,
        token: 7,
        text: bad.to_owned(),
        candidates: vec![Candidate {
            token: 7,
            piece: bad.to_owned(),
            probability: 1.0,
            ..Candidate::default()
        }],
        ..Node::default()
    };
    let prompt = vec![PromptToken { text: bad.to_owned(), ..PromptToken::default() }];
    let mut run = Run { prompt, nodes: vec![node], line: vec![0], ..Run::default() };
    run.model.name = bad.to_owned();
    run.adapter.driver = bad.to_owned();
    let page = folder.path().join("run.html");
    page::write(&page, &run).expect("a page");
    let count = "<script>document.body.dataset.images = document.images.length;</script></body>";
    let counted = fs::read_to_string(&page).expect("a page").replace("</body>", count);
    fs::write(&page, counted).expect("a place to write");
    let document = browser::document(&browser, &page, "step=1");
    assert!(!document.contains("<title>taken"), "a text of the run ran");
    assert!(document.contains("data-images=\"0\""), "a text of the run became an element");
    let visible = "&lt;/script&gt;&lt;script&gt;document.title='taken'&lt;/script&gt;&lt;img";
    assert!(document.matches(visible).count() >= 3, "it stands on the page as it is: name, driver, title");
    // A run without a step has nothing to select, and says so.
    page::write(&page, &Run::default()).expect("a page");
    assert!(browser::document(&browser, &page, "").contains("No step"));
}
