//! The window, found and used as a screen reader would: by accessible names.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use logitscope::decoding::{GrammarKind, StrategyKind};
use logitscope::session::event::{BrokenAdapter, Loaded};
use logitscope::session::{
    CacheFormat, Command, Conversation, Event, LoadPart, ModelSource, Notice, Pace, Prompt, RunRequest,
    Session, Severity, Share, Status, WeightsChoice,
};
use logitscope::ui::{App, Worker};

use super::counting_model::{Behaviour, FakeLoader};
use super::formats::fixture;
use super::model_card::long_model;
use super::window_script::{Scripted, loaded};

/// A window under test.
pub type Window = Harness<'static, App>;

/// A window of this size on a worker.
pub fn window_on(worker: impl Worker + 'static, width: f32, height: f32) -> Window {
    Harness::builder()
        .with_size(egui::vec2(width, height))
        .with_max_steps(64)
        .build_eframe(|creation| App::new(creation, Box::new(worker), ModelSource::BuiltIn))
}

/// A large window on a scripted worker, with the model ready.
pub fn window() -> (Window, Scripted) {
    let script = Scripted::default();
    let mut window = window_on(script.clone(), 1440.0, 900.0);
    window.run();
    (window, script)
}

/// One with room for every setting.
fn tall_window() -> (Window, Scripted) {
    let script = Scripted::default();
    let mut window = window_on(script.clone(), 1440.0, 1800.0);
    window.run();
    (window, script)
}

/// A window so high that all settings are in sight.
fn high_window() -> (Window, Scripted) {
    let script = Scripted::default();
    let mut window = window_on(script.clone(), 1440.0, 1400.0);
    window.run();
    (window, script)
}

/// A window whose run made some steps and goes on.
pub fn running(steps: usize) -> (Window, Scripted) {
    let (mut window, script) = window();
    press(&mut window, "Run");
    script.steps(steps);
    window.run();
    (window, script)
}

/// Clicks what has this name, and lets the window settle.
pub fn press(window: &mut Window, label: &str) {
    window.get_by_label(label).click();
    window.run();
}

pub fn sees(window: &Window, label: &str) -> bool {
    window.query_by_label(label).is_some()
}

pub fn sees_part(window: &Window, part: &str) -> bool {
    window.query_all_by_label_contains(part).next().is_some()
}

pub fn started(script: &Scripted) -> RunRequest {
    match script.last() {
        Command::Start(request) => request,
        other => panic!("the last command is {other:?}"),
    }
}

/// Steps frames until something holds; a worker of its own thread needs that.
pub fn until(window: &mut Window, what: &str, holds: impl Fn(&App) -> bool) {
    let begun = Instant::now();
    while !holds(window.state()) {
        let notices = &window.state().view().notices;
        assert!(begun.elapsed() < Duration::from_secs(120), "waited in vain until {what}: {notices:?}");
        std::thread::sleep(Duration::from_millis(2));
        window.step();
    }
    window.step();
}

#[test]
fn a_first_start_has_the_built_in_model_and_a_prompt_ready() {
    let (window, script) = window();
    let commands = script.0.borrow().commands.clone();
    assert!(matches!(commands[0], Command::ListAdapters));
    assert!(matches!(&commands[1], Command::Load(request) if request.source == ModelSource::BuiltIn));
    assert!(sees(&window, "Model: fairy tales"));
    assert_eq!(window.get_by_label("Prompt").value().as_deref(), Some("Once upon a time"));
    assert!(!window.get_by_label("Run").accesskit_node().is_disabled());
    assert!(window.get_by_label("Stop").accesskit_node().is_disabled());
    assert!(sees_part(&window, "Nothing decoded yet"));
}

#[test]
fn a_run_shows_its_tokens_and_figures_as_they_come() {
    let (mut window, script) = running(5);
    let request = started(&script);
    assert_eq!(request.pace, Pace::Continuous);
    assert_eq!(request.settings.strategy, StrategyKind::Sample);
    assert!(matches!(&request.prompt, Prompt::Text { text, .. } if text == "Once upon a time"));
    assert!(sees(&window, "Pause"));
    assert!(sees(&window, "Prompt token 1: Once·"));
    assert!(sees(&window, "Step 5: ·girl"));
    assert!(sees(&window, "Selected token: ·girl"), "the selection follows the newest step");
    assert!(sees_part(&window, "Step: step 5"));

    script.steps(1);
    window.run();
    assert!(sees(&window, "Selected token: ·who"));
    assert!(sees_part(&window, "Step: step 6"));
    assert!(sees(&window, "Timeline: 6 steps"));
}

#[test]
fn pause_step_resume_and_stop() {
    let (mut window, script) = running(3);
    press(&mut window, "Pause");
    assert_eq!(script.last(), Command::Pause);
    press(&mut window, "Step");
    assert_eq!(script.last(), Command::StepOnce);
    assert!(sees(&window, "Timeline: 4 steps"));
    press(&mut window, "Resume");
    assert_eq!(script.last(), Command::Resume);
    press(&mut window, "Stop");
    assert_eq!(script.last(), Command::Stop);
    assert!(sees(&window, "Run"));
    assert!(sees(&window, "Text: 4 tokens · stopped by you"));
    assert!(sees(&window, "Timeline: 4 steps"), "what was decoded stays");
}

#[test]
fn a_single_step_begins_a_paused_run() {
    let (mut window, script) = window();
    press(&mut window, "Step");
    assert_eq!(started(&script).pace, Pace::SingleStep);
    assert!(sees(&window, "Timeline: 1 step"));
    assert!(sees(&window, "Resume"));
}

#[test]
fn a_selected_step_stays_selected_until_the_newest_is_followed() {
    let (mut window, script) = running(6);
    press(&mut window, "Step 2: ·was");
    assert!(sees(&window, "Selected token: ·was"));
    let before = numbers(&window);
    script.steps(2);
    window.run();
    assert!(sees(&window, "Selected token: ·was"));
    window.key_press(Key::ArrowRight);
    window.run();
    assert!(sees(&window, "Selected token: ·a"));
    assert_ne!(numbers(&window), before, "the numbers are those of the selected step");
    window.key_press(Key::ArrowLeft);
    window.run();
    assert_eq!(numbers(&window), before);
    window.key_press(Key::Home);
    window.run();
    assert!(sees(&window, "Selected token: ·there"));
    window.key_press(Key::End);
    window.run();
    script.steps(1);
    window.run();
    assert!(sees(&window, "Step 9: ·her"));
    assert!(sees(&window, "Selected token: ·her"));
}

/// The inspector's rows for logit, entropy and probability.
fn numbers(window: &Window) -> Vec<String> {
    let rows = ["Logit: ", "Entropy: ", "Probability: ", "Surprisal: "];
    let found: Vec<String> = rows
        .iter()
        .flat_map(|name| window.get_all_by_label_contains(name))
        .filter_map(|node| node.value())
        .collect();
    assert_eq!(found.len(), rows.len(), "{found:?}");
    found
}

#[test]
fn sampling_shows_its_settings_its_stages_and_the_draw() {
    let (mut window, script) = window();
    press(&mut window, "Greedy");
    assert!(!sees(&window, "Temperature"), "greedy has no temperature");
    press(&mut window, "Sample");
    assert!(sees(&window, "Temperature"));
    window.get_by_label("Temperature").set_value_accesskit(0.5);
    window.run();
    press(&mut window, "Run");
    let request = started(&script);
    assert_eq!(request.settings.strategy, StrategyKind::Sample);
    assert!((request.settings.stages.temperature - 0.5).abs() < 1e-6);
    script.steps(4);
    window.run();
    assert!(sees(&window, "Column temperature"));
    assert!(sees(&window, "Column top-k"));
    assert!(sees_part(&window, ": cut by top-k"));
    assert!(sees_part(&window, ": chosen, "));
    assert!(sees_part(&window, "Draw: u = 0."));
    press(&mut window, "Reset settings");
    press(&mut window, "Stop");
    press(&mut window, "Run");
    assert_eq!(started(&script).settings.stages.temperature, 0.8);
}

#[test]
fn stop_texts_reach_the_run_and_empty_ones_do_not() {
    let (mut window, script) = high_window();
    press(&mut window, "Add a stop text");
    press(&mut window, "Add a stop text");
    window.get_by_label("Stop text 1").focus();
    window.run();
    window.get_by_label("Stop text 1").type_text("The end");
    window.run();
    press(&mut window, "Run");
    assert_eq!(started(&script).settings.stop.texts, ["The end"]);
}

/// Types into a line of text and leaves it.
pub fn fill(window: &mut Window, label: &str, text: &str) {
    window.get_by_label(label).focus();
    window.run();
    window.get_by_label(label).type_text(text);
    window.run();
}

#[test]
fn further_stages_are_folded_until_opened_and_reach_the_run() {
    let (mut window, script) = tall_window();
    press(&mut window, "Greedy");
    assert!(!sees(&window, "Suppressed"), "it is folded");
    assert!(!sees(&window, "More cuts"), "greedy draws nothing");
    press(&mut window, "Tokens by rule");
    fill(&mut window, "Suppressed", "5, 17");
    fill(&mut window, "Bad words", "5 17, 8");
    fill(&mut window, "Forced", "1=42");
    fill(&mut window, "Forced", ", 3");
    window.get_by_label("Fewest new tokens").set_value_accesskit(4.0);
    window.run();
    assert!(sees(&window, "Tokens by rule · on"));
    press(&mut window, "Run");
    let stages = started(&script).settings.stages;
    assert_eq!(stages.suppress_tokens.into_iter().collect::<Vec<_>>(), [5, 17]);
    assert_eq!(stages.bad_words, [vec![5, 17], vec![8]]);
    assert_eq!(
        stages.forced_tokens.into_iter().collect::<Vec<_>>(),
        [(1, 42)],
        "what does not parse is left out"
    );
    assert_eq!(stages.min_new_tokens, 4);
}

#[test]
fn cuts_and_dry_reach_the_run() {
    let (mut window, script) = tall_window();
    press(&mut window, "More cuts");
    assert!(!sees(&window, "Mirostat rate"), "it has no meaning without a target");
    for (name, value) in [("Typical-p", 0.5), ("Top-a", 0.2), ("Epsilon cutoff", 0.01), ("Eta cutoff", 0.02)]
    {
        window.get_by_label(name).set_value_accesskit(value);
        window.run();
    }
    window.get_by_label("Mirostat target").set_value_accesskit(3.0);
    window.run();
    window.get_by_label("Mirostat rate").set_value_accesskit(0.25);
    window.run();
    press(&mut window, "More cuts · on");
    press(&mut window, "DRY");
    window.get_by_label("Multiplier").set_value_accesskit(0.8);
    window.run();
    window.get_by_label("Allowed length").set_value_accesskit(3.0);
    window.run();
    press(&mut window, "Run");
    let stages = started(&script).settings.stages;
    assert_eq!(
        (stages.typical_p, stages.top_a, stages.epsilon_cutoff, stages.eta_cutoff),
        (0.5, 0.2, 0.01, 0.02)
    );
    assert_eq!((stages.mirostat.target, stages.mirostat.rate), (3.0, 0.25));
    assert_eq!((stages.dry.multiplier, stages.dry.allowed_length), (0.8, 3));
    assert_eq!(stages.dry.breakers, ["\n", ":", "\"", "*"]);
}

#[test]
fn a_grammar_is_checked_as_it_is_typed_and_reaches_the_run() {
    let (mut window, script) = tall_window();
    press(&mut window, "Grammar");
    press(&mut window, "GBNF");
    assert!(!sees_part(&window, "The grammar cannot"), "the example is a good one");
    let example = window.get_by_label("Grammar text").value().expect("a text");
    assert!(example.starts_with("root ::="));
    fill(&mut window, "Grammar text", " )");
    assert!(sees_part(&window, "the grammar cannot be read: line"));
    // Folded, it says so; and another model leaves that as it is.
    press(&mut window, "Grammar · broken");
    assert!(!sees(&window, "Grammar text"));
    script.tell(Event::Loaded(Box::new(loaded())));
    window.run();
    assert!(sees(&window, "The grammar is broken") && !sees_part(&window, "cannot be read"));
    press(&mut window, "Show it");
    window.run();
    assert!(sees(&window, "Grammar text") && sees_part(&window, "cannot be read"));
    press(&mut window, "Run");
    let grammar = started(&script).settings.stages.grammar;
    assert_eq!(grammar.kind, GrammarKind::Gbnf);
    assert!(grammar.text.contains(" )") && grammar.text.contains("root ::="));
}

#[test]
fn a_logit_bias_reaches_the_run() {
    let (mut window, script) = high_window();
    press(&mut window, "Add a logit bias");
    window.get_by_label("Bias 1, token id").set_value_accesskit(42.0);
    window.run();
    window.get_by_label("Bias 1").set_value_accesskit(-3.0);
    window.run();
    press(&mut window, "Run");
    let biases = started(&script).settings.stages.logit_bias;
    assert_eq!(biases.into_iter().collect::<Vec<_>>(), [(42, -3.0)]);
}

#[test]
fn a_model_opens_by_its_path_and_is_remembered() {
    let (mut window, script) = window();
    press(&mut window, "Open model…");
    window.get_by_label("Model path").focus();
    window.run();
    let path = fixture("mixtral");
    window.get_by_label("Model path").type_text(&path.display().to_string());
    window.run();
    window.get_by_label("Open").click();
    inspected(&mut window);
    assert!(!matches!(script.last(), Command::Load(request) if request.source != ModelSource::BuiltIn));
    press(&mut window, "Load model");
    let Command::Load(request) = script.last() else { panic!("a load was asked for") };
    assert_eq!(request.source, ModelSource::Path(path));
    press(&mut window, "Open model…");
    press(&mut window, "Opened before");
    window.get_by_label("mixtral").click();
    inspected(&mut window);
    press(&mut window, "Cancel");
    assert!(window.state().state().cards.inspected.is_none());
    press(&mut window, "Open model…");
    press(&mut window, "Opened before");
    press(&mut window, "Forget these");
    assert!(window.state().state().remembered.recent.is_empty());
    assert!(window.get_by_label("Opened before").accesskit_node().is_disabled());
}

/// Waits for a model's card.
pub fn inspected(window: &mut Window) {
    until(window, "the headers are read", |app| app.state().cards.inspected.is_some());
    window.run();
}

pub fn drop_file(window: &mut Window, path: PathBuf) {
    window.input_mut().dropped_files.push(Arc::new(Dropped(path)));
    window.step();
}

#[test]
fn a_dropped_model_shows_its_card_and_how_it_would_be_loaded() {
    let (mut window, script) = window();
    drop_file(&mut window, fixture("gpt_oss-mxfp4"));
    inspected(&mut window);
    for fact in ["gpt-oss (gpt_oss)", "Layers: 2", "Heads: 3 over 1 of 8", "Vocabulary: 101", "Context: 128"]
    {
        assert!(sees(&window, fact), "{fact}");
    }
    let memory = |window: &Window| {
        let rows: Vec<_> = window.query_all_by_label_contains("In all, with 128 positions: ").collect();
        rows[0].value()
    };
    let before = memory(&window);
    window.get_by_label("KV f16").click();
    until(&mut window, "it is read again", |app| {
        app.state().cards.inspected.as_ref().is_some_and(|model| {
            model.card.memory.is_some_and(|need| need.cache_bytes == 2 * 2 * 128 * 8 * 2)
        })
    });
    window.run();
    assert_ne!(memory(&window), before);
    press(&mut window, "Load model");
    let Command::Load(request) = script.last() else { panic!("a load was asked for") };
    assert_eq!(request.cache, Some(CacheFormat::F16));
    assert!(window.state().state().cards.inspected.is_none());
}

#[test]
fn a_card_marks_contexts_that_the_adapter_cannot_hold() {
    let (mut window, _) = window();
    let folder = long_model();
    drop_file(&mut window, folder.path().to_owned());
    inspected(&mut window);
    let row = |part: &str| {
        let rows: Vec<String> =
            window.query_all_by_label_contains(part).filter_map(|row| row.value()).collect();
        assert_eq!(rows.len(), 1, "{part}: {rows:?}");
        rows[0].clone()
    };
    assert!(row("with 16\u{2009}777\u{2009}216 positions: ").ends_with(" · too long"));
    assert!(!row("with 2\u{2009}048 positions: ").contains("too"));
    for name in ["Device memory: ", "Largest binding: ", "Longest context there: "] {
        row(name);
    }
}

#[test]
fn a_run_whose_model_went_stays_as_a_past_run_of_that_model() {
    let (mut window, script) = running(4);
    press(&mut window, "Stop");
    assert!(!sees_part(&window, "past run"));
    script.tell(Event::LoadStarted { name: "other".into() });
    let mut other = loaded();
    other.model.name = "another model".into();
    script.tell(Event::Loaded(Box::new(other)));
    window.run();
    assert!(sees(&window, "Model: another model"));
    assert!(sees_part(&window, "Past run of fairy tales on llvmpipe"));
    for phase in ["Tokenise: ", "Initiation: ", "Step: ", "Text: "] {
        let found = window.query_all_by_label_contains(phase);
        let labels: Vec<String> = found.filter_map(|node| node.accesskit_node().label()).collect();
        assert!(labels.iter().any(|label| label.ends_with(" · past run")), "{labels:?}");
    }
    press(&mut window, "Step 2: ·was");
    let commands = script.0.borrow().commands.len();
    window.query_all_by_label_contains("Go on with ").next().expect("another token").click();
    window.run();
    assert_eq!(script.0.borrow().commands.len(), commands, "there is nothing to branch in");
    assert!(sees_part(&window, "A past run cannot go on"));
    press(&mut window, "Run");
    assert!(!sees_part(&window, " · past run") && !sees_part(&window, "Past run of"));
}

#[test]
fn a_model_that_cannot_be_opened_says_why_before_anything_is_loaded() {
    let (mut window, script) = window();
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(fixture("llama-f32")).expect("the fixture is there") {
        let path = entry.expect("readable").path();
        std::fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
    }
    let config = folder.path().join("config.json");
    let text = std::fs::read_to_string(&config).expect("readable");
    std::fs::write(&config, text.replace("\"llama\"", "\"zebra\"")).expect("writable");
    let sent = script.0.borrow().commands.len();
    drop_file(&mut window, folder.path().to_owned());
    inspected(&mut window);
    assert!(sees(&window, "It cannot be opened"));
    assert!(sees_part(&window, "zebra"));
    assert!(window.get_by_label("Load model").accesskit_node().is_disabled());
    window.key_press(Key::Escape);
    window.run();
    assert!(!sees(&window, "It cannot be opened"));

    drop_file(&mut window, folder.path().join("nothing"));
    until(&mut window, "it is told", |app| !app.view().notices.is_empty());
    window.run();
    assert!(sees(&window, "Error: No model can be opened there"));
    assert_eq!(script.0.borrow().commands.len(), sent);
}

#[test]
fn weights_are_loaded_in_the_precision_chosen_and_so_is_the_next_model() {
    let (mut window, script) = window();
    let asked = |script: &Scripted| match script.last() {
        Command::Load(request) => request,
        other => panic!("a load was asked for, not {other:?}"),
    };
    press(&mut window, "Open model…");
    press(&mut window, "q8_0");
    assert_eq!(asked(&script).weights, WeightsChoice::Q8_0, "the open model again");
    // The card closed when the model was ready.
    press(&mut window, "Open model…");
    assert!(sees_part(&window, "8.5 bits a weight"));
    press(&mut window, "Demonstration model");
    assert_eq!((asked(&script).source, asked(&script).weights), (ModelSource::BuiltIn, WeightsChoice::Q8_0));
}

#[test]
fn a_chat_is_sent_as_one_and_brings_its_own_special_tokens() {
    let (mut window, script) = window();
    let special = "Add the model's special tokens";
    assert!(!window.get_by_label(special).accesskit_node().is_disabled());
    press(&mut window, "Chat");
    assert!(window.get_by_label(special).accesskit_node().is_disabled());
    press(&mut window, "Run");
    assert!(
        matches!(started(&script).prompt, Prompt::Chat(talk) if talk == Conversation::asking("Once upon a time"))
    );
    press(&mut window, "Stop");
    press(&mut window, "Chat");
    press(&mut window, "Run");
    assert!(matches!(started(&script).prompt, Prompt::Text { .. }), "it can be switched off");
}

#[test]
fn a_model_without_a_template_takes_no_chat_whatever_was_chosen_before() {
    let (mut window, script) = window();
    press(&mut window, "Chat");
    let problem = Some("The model has no template.".to_owned());
    script.tell(Event::Loaded(Box::new(Loaded { chat_problem: problem, ..loaded() })));
    window.run();
    assert!(window.get_by_label("Chat").accesskit_node().is_disabled());
    assert!(!window.get_by_label("Add the model's special tokens").accesskit_node().is_disabled());
    press(&mut window, "Run");
    assert!(matches!(started(&script).prompt, Prompt::Text { .. }));
    press(&mut window, "Stop");
    script.tell(Event::Loaded(Box::new(loaded())));
    window.run();
    press(&mut window, "Run");
    assert!(matches!(started(&script).prompt, Prompt::Chat(_)), "the choice is remembered");
}

#[test]
fn a_failed_load_is_told_and_the_text_stays() {
    let (mut window, script) = running(3);
    script.tell(Event::Notice(Notice {
        severity: Severity::Error,
        title: "The model did not load".to_owned(),
        detail: "/models/broken: model.safetensors ends before its header says".to_owned(),
    }));
    script.tell(Event::LoadFailed);
    window.run();
    assert!(sees(&window, "Error: The model did not load"));
    assert!(sees_part(&window, "ends before its header says"));
    assert!(sees(&window, "Step 3: ·a"), "text and trace stay");
    assert!(window.get_by_label("Run").accesskit_node().is_disabled());
    window.get_by_label("Copy notice").click();
    window.step();
    let copied = window.output().platform_output.commands.iter().any(
        |command| matches!(command, egui::OutputCommand::CopyText(text) if text.contains("/models/broken")),
    );
    assert!(copied);
    window.run();
    press(&mut window, "Close notice");
    assert!(!sees(&window, "Error: The model did not load"));
    press(&mut window, "Notices");
    assert!(sees(&window, "Error: The model did not load"), "the list keeps it");
}

#[test]
fn the_keyboard_runs_the_window_but_not_while_a_text_is_edited() {
    let (mut window, script) = window();
    window.get_by_label("Prompt").focus();
    window.run();
    window.key_press(Key::Space);
    window.key_press(Key::S);
    window.run();
    assert!(!script.0.borrow().commands.iter().any(|command| matches!(command, Command::Start(_))));
    window.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    window.run();
    assert_eq!(started(&script).pace, Pace::Continuous);
    script.steps(2);
    window.run();
    window.key_press(Key::Space);
    window.run();
    assert_eq!(script.last(), Command::Pause);
    window.key_press(Key::S);
    window.run();
    assert_eq!(script.last(), Command::StepOnce);
    window.key_press(Key::Escape);
    window.run();
    assert_eq!(script.last(), Command::Stop);
    window.key_press(Key::F1);
    window.run();
    assert!(sees(&window, "Keyboard"));
}

#[test]
fn the_theme_turns_and_every_phase_has_a_card() {
    let (mut window, _script) = running(3);
    press(&mut window, "Theme: system");
    assert!(!window.ctx.global_style().visuals.dark_mode);
    press(&mut window, "Theme: light");
    assert!(window.ctx.global_style().visuals.dark_mode);
    for (phase, words) in [
        ("Load: ", "copies the weights"),
        ("Tokenise: ", "pieces of the vocabulary"),
        ("Initiation: ", "also called prefill"),
        ("Step: step", "until a stop text"),
        ("Text: ", "Bytes of a split character"),
    ] {
        window.get_by_label_contains(phase).click();
        window.run();
        assert!(sees_part(&window, words), "the card of {phase}");
        window.key_press(Key::Escape);
        window.run();
    }
}

#[test]
fn a_small_window_keeps_every_pane_within_reach() {
    for (width, height) in [(720.0, 480.0), (1000.0, 640.0)] {
        let script = Scripted::default();
        let mut window = window_on(script.clone(), width, height);
        window.run();
        press(&mut window, "Run");
        script.steps(4);
        window.run();
        for (pane, content) in
            [("Pipeline", "All others: "), ("Step", "Selected token: "), ("Text", "Step 4: ")]
        {
            // The buttons that step share the word; the pane's switch is a radio button.
            let role = egui::accesskit::Role::RadioButton;
            window.get_by_role_and_label(role, pane).click();
            window.run();
            let found = window.query_all_by_label_contains(content).next();
            let found = found.unwrap_or_else(|| panic!("{content} at {width}"));
            let screen = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(width, height));
            assert!(screen.contains(found.rect().left_top()), "{content} at {width}: {:?}", found.rect());
        }
        let run = window.get_by_label("Pause").rect();
        assert!(run.right() <= width && run.bottom() <= height);
    }
}

#[derive(Debug)]
pub struct Dropped(pub PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &std::path::Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("the window has no business in the file".to_owned())
    }
}

#[test]
fn loading_and_initiation_show_how_far_they_are() {
    let (mut window, script) = running(2);
    script.tell(Event::LoadStarted { name: "big model".to_owned() });
    let share = Share { done: 250_000_000, total: 1_000_000_000 };
    script.tell(Event::LoadProgress { part: LoadPart::Uploading, share });
    window.run();
    assert!(sees_part(&window, "Load: uploading 25 % · of 1.00 GB"));
    script.tell(Event::LoadProgress { part: LoadPart::Compiling, share: Share::of(11, 40) });
    window.run();
    assert!(sees_part(&window, "Load: kernel 12 of 40"));
    window.get_by_label_contains("Load: kernel").click();
    window.run();
    assert!(sees(&window, "Kernels compiled: 11 of 40"));
    assert!(sees_part(&window, "many drivers compile at first use"));
    window.key_press(Key::Escape);
    script.tell(Event::Loaded(Box::new(super::window_script::loaded())));
    window.run();
    press(&mut window, "Stop");
    press(&mut window, "Run");
    script.tell(Event::InitiationProgress { done: 1, total: 4 });
    window.run();
    assert!(sees_part(&window, "Initiation: 1 of 4 tokens"));
}

#[test]
fn another_adapter_loads_the_model_again() {
    let (mut window, script) = window();
    press(&mut window, "Adapter");
    window.get_by_label_contains("· Vulkan · CPU").click();
    window.run();
    let Command::Load(request) = script.last() else { panic!("a load was asked for") };
    assert_eq!(request.adapter.as_deref(), Some("0"));
    assert_eq!(request.source, ModelSource::BuiltIn);
}

#[test]
fn a_broken_adapter_is_in_the_picker_with_its_reason() {
    let (mut window, script) = window();
    let problem = "its driver does not open it (Parent device is lost)";
    let broken = BrokenAdapter { index: 0, problem: problem.to_owned() };
    script.tell(Event::BrokenAdapters(vec![broken]));
    window.run();
    press(&mut window, "Adapter");
    assert!(sees(&window, &format!("Cannot be used: {problem}")));
    // It can be tried again.
    window.get_by_label_contains("· Vulkan · CPU").click();
    window.run();
    assert!(matches!(script.last(), Command::Load(request) if request.adapter.as_deref() == Some("0")));
    // It works after all.
    script.tell(Event::BrokenAdapters(Vec::new()));
    window.run();
    press(&mut window, "Adapter");
    assert!(!sees_part(&window, "Cannot be used"));
}

#[test]
fn a_number_explains_itself_under_the_pointer() {
    let (mut window, _script) = running(3);
    let entropy = window.get_all_by_label_contains("Entropy: ").next().expect("a row").rect();
    window.hover_at(entropy.center());
    // The tooltip waits for the pointer to rest.
    window.run_steps(8);
    assert!(sees_part(&window, "−Σ p ln p"));
    assert!(sees_part(&window, "computed"));
}

#[test]
fn every_control_has_a_name() {
    let (mut window, _script) = running(4);
    press(&mut window, "Greedy");
    assert_eq!(window.unnamed_widgets(), Vec::<String>::new());
    press(&mut window, "Curve");
    assert_eq!(window.unnamed_widgets(), Vec::<String>::new());
    press(&mut window, "Open model…");
    assert_eq!(window.unnamed_widgets(), Vec::<String>::new());
}

#[test]
fn a_reset_forgets_the_settings_and_keeps_the_text() {
    let (mut window, _script) = running(4);
    press(&mut window, "Greedy");
    press(&mut window, "Theme: system");
    press(&mut window, "Keyboard shortcuts");
    press(&mut window, "Reset the window");
    assert!(sees(&window, "Theme: system"));
    assert!(sees(&window, "Temperature"), "the strategy is sampling again");
    assert!(sees(&window, "Timeline: 4 steps"));
}

#[test]
fn an_idle_window_asks_for_no_frames() {
    let (mut window, script) = running(10);
    press(&mut window, "Stop");
    assert_eq!(script.last(), Command::Stop);
    window.remove_cursor();
    window.run();
    let output = &window.output().viewport_output[&egui::ViewportId::ROOT];
    assert_eq!(output.repaint_delay, Duration::MAX);
}

#[test]
fn two_thousand_tokens_leave_frames_quick() {
    let (mut window, script) = window();
    press(&mut window, "Sample");
    window.get_by_label("Most new tokens").set_value_accesskit(2000.0);
    window.run();
    press(&mut window, "Run");
    script.steps(1999);
    until(&mut window, "all steps are in", |app| {
        app.view().run.as_ref().is_some_and(|run| run.nodes.len() == 1999)
    });
    let mut frames: Vec<Duration> = (0..20)
        .map(|_| {
            script.steps(1);
            let begun = Instant::now();
            window.step();
            begun.elapsed()
        })
        .collect();
    frames.sort();
    assert!(frames[10] < Duration::from_millis(60), "half of all frames took longer than {:?}", frames[10]);
}

#[test]
fn a_real_worker_runs_pauses_and_ends_in_the_window() {
    let behaviour = Behaviour { pass: Duration::from_millis(10), ..Behaviour::default() };
    let session = Session::with_loader(FakeLoader(behaviour), || {});
    let mut window = window_on(session, 1440.0, 900.0);
    let steps = |app: &App| app.view().run.as_ref().map_or(0, |run| run.nodes.len());
    let paused = |app: &App| app.view().status == Status::Paused;
    until(&mut window, "the model is ready", |app| app.view().loaded.is_some());
    // However slow this window's frames are, the run does not end by itself before it is paused: the counting model
    // comes to its last word after seven steps.
    window.get_by_label("Most new tokens").set_value_accesskit(100_000.0);
    window.get_by_label("Go on after the end-of-text token").click_accesskit();
    window.run_steps(2);
    window.get_by_label("Run").click();
    until(&mut window, "three steps are made", |app| steps(app) >= 3);
    window.get_by_label("Pause").click();
    until(&mut window, "the run waits", paused);
    let held = steps(window.state());
    window.get_by_label("Step").click();
    until(&mut window, "one step more is made", |app| steps(app) == held + 1 && paused(app));
    window.get_by_label("Resume").click();
    until(&mut window, "the run goes on", |app| steps(app) > held + 1);
    window.get_by_label("Stop").click();
    until(&mut window, "the run ends", |app| app.view().run.as_ref().is_some_and(|run| run.stop.is_some()));
    let count = steps(window.state());
    assert!(sees(&window, &format!("Timeline: {count} steps")));
    assert!(sees(&window, "Run"));
}

#[test]
fn the_built_in_model_tells_its_tale_in_the_window() {
    let mut window = window_on(Session::start(|| {}), 1440.0, 900.0);
    until(&mut window, "the built-in model is ready", |app| app.view().loaded.is_some());
    // The number of tokens comes by itself, and makes room for a line.
    until(&mut window, "the prompt is counted", |app| app.view().prompt_tokens.is_some());
    window.get_by_label("Most new tokens").set_value_accesskit(12.0);
    window.run_steps(2);
    window.get_by_label("Run").click();
    until(&mut window, "the run ends", |app| app.view().run.as_ref().is_some_and(|run| run.stop.is_some()));
    let run = window.state().view().run.clone().expect("a run");
    assert_eq!(run.nodes.len(), 12);
    assert!(sees(&window, "Timeline: 12 steps"));
    assert!(sees_part(&window, "Candidate "));
    assert!(sees(&window, "Text: 12 tokens · reached the maximum"));
}
