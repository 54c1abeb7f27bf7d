//! The list of models in the window's card: by accessible names, by keyboard, in both themes and sizes.

use std::path::PathBuf;

use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use logitscope::session::ModelSource;
use logitscope::ui::App;
use logitscope::ui::shelf::Phase;

use super::library_home::{Home, gguf};
use super::window::{Window, press, sees, sees_part, until};
use super::window_script::Scripted;

/// A home with models of several programs, one of them torn.
fn home() -> Home {
    let home = Home::new();
    home.put(".lmstudio/models/owner/tale-GGUF/Tale-1B-Q8_0.gguf", &gguf());
    home.put(".lmstudio/models/owner/other-GGUF/Other words é.gguf", &gguf());
    home.put(".cache/llama.cpp/torn.gguf", &gguf()[..2000]);
    home.put(".ollama/models/blobs/sha256-ab", &[gguf(), vec![0; 4096]].concat());
    home.put_manifest("registry.ollama.ai/library/song/latest", &[("model", "sha256:ab")]);
    let part = super::gguf_edit::Gguf::family("mistral").with_text("general.architecture", "clip");
    home.put(".lmstudio/models/owner/tale-GGUF/mmproj-tale.gguf", &part.bytes());
    home
}

/// A window that looks for models in a home.
fn window(home: &Home, width: f32, height: f32) -> Window {
    let (environment, script) = (home.environment(), Scripted::default());
    let mut window = Harness::builder().with_size(egui::vec2(width, height)).with_max_steps(64).build_eframe(
        move |creation| App::new(creation, Box::new(script), ModelSource::BuiltIn).looking_in(environment),
    );
    window.run();
    window
}

/// Opens the card and waits until the search is done.
fn open(window: &mut Window) {
    press(window, "Open model…");
    until(window, "the search is done", |app| app.state().cards.shelf.phase == Phase::Done);
    window.run();
}

fn shown(window: &Window) -> Vec<String> {
    let shelf = &window.state().state().cards.shelf;
    shelf.shown.iter().map(|index| shelf.models[*index].found.name.clone()).collect()
}

fn key(window: &mut Window, key: Key) {
    window.key_press(key);
    window.run();
}

/// Waits for the card of a model that is asked about; its path.
fn asked_about(window: &mut Window) -> PathBuf {
    until(window, "a model is asked about", |app| app.state().cards.inspected.is_some());
    let inspected = window.state().state().cards.inspected.as_ref().expect("it was waited for");
    match &inspected.source {
        ModelSource::Path(path) => path.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn models_are_listed_found_and_opened_by_keyboard() {
    let home = home();
    for (width, height, theme) in [(1440.0, 900.0, "Theme: system"), (720.0, 480.0, "Theme: light")] {
        let mut window = window(&home, width, height);
        if sees(&window, theme) {
            press(&mut window, theme);
        }
        open(&mut window);
        assert!(sees_part(&window, "Tale-1B-Q8_0, Llama · "), "{:?}", shown(&window));
        assert!(sees_part(&window, "· LM Studio, "));
        assert!(sees_part(&window, "torn, cannot be opened: "));
        assert_eq!(
            shown(&window).last().map(String::as_str),
            Some("torn"),
            "what cannot be opened comes last"
        );
        assert!(sees(&window, "1 file that is no language model left out"));

        press(&mut window, "Name");
        assert_eq!(shown(&window), ["Other words é", "song:latest", "Tale-1B-Q8_0", "torn"]);
        press(&mut window, "Size");
        assert_eq!(shown(&window)[0], "song:latest", "the largest first");

        window.get_by_label("Find a model").focus();
        window.run();
        window.get_by_label("Find a model").type_text("lm studio WORDS");
        window.run();
        assert_eq!(shown(&window), ["Other words é"]);
        key(&mut window, Key::Enter);
        let path = asked_about(&mut window);
        assert!(path.ends_with("other-GGUF/Other words é.gguf"), "{path:?}");
    }
}

#[test]
fn arrows_choose_and_what_cannot_be_opened_does_not_open() {
    let home = home();
    let mut window = window(&home, 1440.0, 900.0);
    open(&mut window);
    press(&mut window, "Name");
    window.get_by_label("Find a model").focus();
    window.run();
    for _ in 0..9 {
        key(&mut window, Key::ArrowDown);
    }
    assert_eq!(window.state().state().cards.shelf.selected, 3, "it stays on the last");
    key(&mut window, Key::Enter);
    window.get_by_label_contains("torn, cannot be opened").click();
    window.run();
    assert!(window.state().state().cards.open, "nothing was opened");
    key(&mut window, Key::ArrowUp);
    key(&mut window, Key::Enter);
    assert!(asked_about(&mut window).ends_with("Tale-1B-Q8_0.gguf"));
}

#[test]
fn a_click_opens_and_the_search_waits_while_the_card_is_closed() {
    let home = home();
    let mut window = window(&home, 1440.0, 900.0);
    press(&mut window, "Run");
    assert_eq!(
        window.state().state().cards.shelf.phase,
        Phase::Waiting,
        "the page that offers models is gone"
    );
    open(&mut window);
    key(&mut window, Key::Escape);
    assert_eq!(window.state().state().cards.shelf.phase, Phase::Waiting);
    home.put(".lmstudio/models/owner/new-GGUF/new.gguf", &gguf());
    open(&mut window);
    window.get_by_label_contains("new, Llama").click();
    window.run();
    assert!(asked_about(&mut window).ends_with("new.gguf"));
}

#[test]
fn an_empty_computer_says_where_was_looked() {
    let home = Home::new();
    home.put(".lmstudio/models/readme.txt", b"x");
    let mut window = window(&home, 1440.0, 900.0);
    open(&mut window);
    assert!(sees(&window, "No models found"));
    assert!(sees_part(&window, "Looked into: ") && sees_part(&window, ".ollama/models"));
    assert!(sees(&window, "Look in another folder…"));
    assert!(
        !window.get_by_label("Model path").accesskit_node().is_disabled(),
        "paths can be typed as before"
    );
}

/// Where the buttons of the card lie.
fn places(window: &Window) -> Vec<egui::Rect> {
    let labels = [
        "Find a model",
        "Look in another folder…",
        "Get a model…",
        "Choose a folder…",
        "Choose a file…",
        "Opened before",
        "Model path",
        "Open a trace…",
        "Demonstration model",
    ];
    labels.map(|label| window.get_by_label(label).rect()).to_vec()
}

#[test]
fn buttons_stay_where_they_are_while_models_are_found() {
    let (full, empty) = (home(), Home::new());
    for (width, height) in [(1440.0, 900.0), (720.0, 480.0)] {
        let mut window_on_empty = window(&empty, width, height);
        open(&mut window_on_empty);
        let expected = places(&window_on_empty);
        let mut window = window(&full, width, height);
        press(&mut window, "Run");
        window.get_by_label("Open model…").click();
        // The card opens in the frame after the click, and finds its size in the one after that.
        window.run_steps(4);
        let first = places(&window);
        until(&mut window, "the search is done", |app| app.state().cards.shelf.phase == Phase::Done);
        window.run();
        assert_eq!((places(&window), shown(&window).len()), (first.clone(), 4));
        assert_eq!(first, expected, "whatever is found");
    }
}

#[test]
fn a_first_start_leads_to_models_with_a_click() {
    let empty = Home::new();
    for (width, height) in [(1440.0, 900.0), (720.0, 480.0)] {
        let mut window = window(&empty, width, height);
        until(&mut window, "the search is done", |app| app.state().cards.shelf.phase == Phase::Done);
        window.run();
        assert!(sees_part(&window, "None was found on this computer"));
        press(&mut window, "Get a larger model…");
        let state = window.state().state();
        assert!(state.cards.get.shows && !state.cards.open && !state.remembered.goes_online);
    }
}

#[test]
fn a_first_start_offers_the_models_that_are_there_until_one_was_opened() {
    let home = home();
    let mut window = window(&home, 1440.0, 1200.0);
    until(&mut window, "the search is done", |app| app.state().cards.shelf.phase == Phase::Done);
    window.run();
    assert!(sees_part(&window, "are below"));
    assert!(!sees_part(&window, "torn"), "what cannot be opened is not offered");
    window.get_by_label_contains("Tale-1B-Q8_0, Llama").click();
    window.run();
    assert!(asked_about(&mut window).ends_with("Tale-1B-Q8_0.gguf"));
    press(&mut window, "Load model");
    assert!(sees_part(&window, "Nothing decoded yet") && !sees(&window, "Get a larger model…"));
}
