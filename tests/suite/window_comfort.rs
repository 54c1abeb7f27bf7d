//! What makes the window pleasant: nothing hides, nothing acts behind a card, nothing changes in silence.

use egui::accesskit::Role;
use egui::{Key, Modifiers, Rect};
use egui_kittest::kittest::Queryable as _;
use logitscope::session::{
    Command, Event, LoadPart, ModelSource, Notice, Prompt, Severity, Share, WeightsChoice,
};

use super::formats::fixture;
use super::malformed::{copy_of, edit_config};
use super::window::{
    Window, drop_file, fill, inspected, press, running, sees, sees_part, started, window, window_on,
};
use super::window_script::Scripted;

/// A window of this size whose run made some steps.
fn small(width: f32, height: f32) -> (Window, Scripted) {
    let script = Scripted::default();
    let mut window = window_on(script.clone(), width, height);
    window.run();
    press(&mut window, "Run");
    script.steps(4);
    window.run();
    (window, script)
}

fn switch(window: &mut Window, pane: &str) {
    window.get_by_role_and_label(Role::RadioButton, pane).click();
    window.run();
}

fn tell(script: &Scripted, severity: Severity, title: &str) {
    script.tell(Event::Notice(Notice { severity, title: title.to_owned(), detail: "Do this.".to_owned() }));
}

/// How many commands were sent.
fn sent(script: &Scripted) -> usize {
    script.0.borrow().commands.len()
}

#[test]
fn rank_token_and_probability_stay_in_sight_however_many_stages_there_are() {
    // Here the bar beside the probability gives way, and all columns have room.
    let (mut window, _script) = small(720.0, 480.0);
    switch(&mut window, "Pipeline");
    let names = ["Rank", "Token", "Id", "Logit", "p", "temperature", "top-k", "Probability"];
    for pair in names.windows(2) {
        let [left, right] =
            [pair[0], pair[1]].map(|name| window.get_by_label(&format!("Column {name}")).rect());
        assert!(left.right() <= right.left() + 0.5 && right.right() <= 720.0, "{pair:?}: {left} {right}");
    }
    // Here the ids give way, and the stages scroll in what is left.
    let (mut window, _script) = small(822.0, 480.0);
    switch(&mut window, "Pipeline");
    assert!(!sees(&window, "Column Id"));
    let column = |window: &Window, name: &str| -> Rect { window.get_by_label(name).rect() };
    let whole = ["Column Rank", "Column Token", "Column Logit", "Column p", "Column Probability"];
    let places = |window: &Window| whole.map(|name| column(window, name));
    let before = places(&window);
    assert!(before.iter().all(|rect| rect.left() >= 0.0 && rect.right() <= 822.0), "{before:?}");
    assert!(before.windows(2).all(|pair| pair[0].right() <= pair[1].left() + 0.5), "{before:?}");
    let seen =
        |window: &Window, name: &str| window.query_by_label(name).map_or(0.0, |node| node.rect().width());
    let last = seen(&window, "Column top-k");
    let first = column(&window, "Column temperature");
    assert!(first.left() >= before[3].right() - 1.0);

    // A wheel turned sideways scrolls what is between.
    let over = first.center();
    window.hover_at(over);
    let delta = egui::vec2(-400.0, 0.0);
    window.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta,
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
        modifiers: Modifiers::NONE,
    });
    window.run_ok();
    assert!(seen(&window, "Column temperature") < first.width(), "it goes out of sight");
    assert!(seen(&window, "Column top-k") > last, "more of it comes");
    let right = column(&window, "Column top-k").right();
    assert!(right <= before[4].left() + 1.0, "what scrolls ends where the probability begins");
    assert_eq!(places(&window), before);
}

#[test]
fn without_the_kv_cache_the_window_says_what_a_step_takes_instead() {
    let (mut window, script) = small(1440.0, 1800.0);
    let takes = |window: &mut Window| {
        window.get_by_label_contains("Step: step").click();
        window.run();
        let newest = sees_part(window, "The newest token alone");
        let whole = sees_part(window, "The whole text again, prompt and new tokens");
        window.key_press(Key::Escape);
        window.run();
        (newest, whole)
    };
    assert_eq!(takes(&mut window), (true, false));
    assert!(!sees_part(&window, "The KV cache is off"));
    press(&mut window, "Stop");
    press(&mut window, "Recompute");
    press(&mut window, "Run");
    script.steps(3);
    window.run();
    assert!(sees_part(&window, "The KV cache is off: every step computes"), "the inspector says it");
    assert_eq!(takes(&mut window), (false, true));
}

#[test]
fn no_shortcut_acts_behind_a_card() {
    let (mut window, script) = running(3);
    press(&mut window, "Pause");
    let inspector = window.state().state().remembered.inspector;
    let keys = [Key::S, Key::Period, Key::B, Key::U, Key::I, Key::F, Key::ArrowLeft, Key::Home];
    let quiet = |window: &mut Window, what: &str| {
        let (before, selected) = (sent(&script), window.state().state().cursor.selected);
        for key in keys {
            window.key_press(key);
            window.run();
        }
        window.key_press_modifiers(Modifiers::COMMAND, Key::S);
        window.run();
        assert_eq!(sent(&script), before, "behind {what}");
        assert_eq!(window.state().state().cursor.selected, selected, "behind {what}");
        assert_eq!(window.state().state().remembered.inspector, inspector, "behind {what}");
    };
    press(&mut window, "Notices");
    quiet(&mut window, "the notices");
    window.key_press(Key::N);
    window.run();
    assert!(!sees(&window, "Nothing to report."), "the key that opens it closes it");
    drop_file(&mut window, fixture("llama-f32"));
    inspected(&mut window);
    quiet(&mut window, "the model's card");
    window.key_press(Key::Escape);
    window.run();
    window.key_press(Key::S);
    window.run();
    assert_eq!(script.last(), Command::StepOnce, "it acts again");
}

#[test]
fn the_list_of_notices_uses_the_window_and_begins_with_the_newest() {
    let (mut window, script) = window();
    for number in 1..=40 {
        tell(&script, Severity::Information, &format!("notice {number}"));
    }
    window.run();
    press(&mut window, "Notices");
    window.run_steps(4);
    let in_list = |name: &str| -> Vec<Rect> {
        let screen = Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(1440.0, 900.0));
        let centre = 400.0..1040.0;
        let rects = window.query_all_by_label(name).map(|node| node.rect());
        rects.filter(|rect| centre.contains(&rect.left()) && screen.contains_rect(*rect)).collect()
    };
    let newest = in_list("notice 40");
    assert_eq!(newest.len(), 1, "it is in sight");
    let many = (1..=40).filter(|number| !in_list(&format!("notice {number}")).is_empty()).count();
    assert!(many >= 10, "only {many} are in sight");
}

#[test]
fn cards_stay_inside_a_small_window() {
    let (mut window, _script) = small(720.0, 480.0);
    let screen = Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(720.0, 480.0));
    press(&mut window, "Keyboard shortcuts");
    window.run_steps(4);
    let title = window.get_by_label("Keyboard").rect();
    assert!(screen.contains_rect(title), "its title: {title:?}");
    window.key_press(Key::Escape);
    window.run();
    window.get_by_label_contains("Step: step").click();
    window.run_steps(4);
    let title = window.get_by_label("4 · Step").rect();
    assert!(screen.contains_rect(title), "the title of a phase: {title:?}");
    window.key_press(Key::Escape);
    window.run();
    press(&mut window, "Open model…");
    window.run_steps(4);
    let title = window.get_by_label("Open a model").rect();
    assert!(screen.contains_rect(title), "the title of the open card: {title:?}");
}

#[test]
fn narrow_windows_have_the_curve() {
    for width in [720.0, 1000.0] {
        let (mut window, _script) = small(width, 640.0);
        switch(&mut window, "Curve");
        assert!(!sees_part(&window, "No step selected"));
    }
}

#[test]
fn a_model_with_a_template_turns_chat_on_once() {
    let (mut window, script) = window();
    press(&mut window, "Run");
    assert!(matches!(started(&script).prompt, Prompt::Text { .. }), "the built-in model tells tales");
    press(&mut window, "Stop");
    drop_file(&mut window, fixture("llama-f32"));
    inspected(&mut window);
    press(&mut window, "Load model");
    press(&mut window, "Run");
    assert!(matches!(started(&script).prompt, Prompt::Chat(_)));
    press(&mut window, "Stop");
    press(&mut window, "Chat");
    press(&mut window, "Open model…");
    press(&mut window, "q8_0");
    press(&mut window, "Run");
    assert!(matches!(started(&script).prompt, Prompt::Text { .. }), "what was chosen for it stays");
}

#[test]
fn enter_loads_the_model_of_the_card() {
    let (mut window, script) = window();
    drop_file(&mut window, fixture("llama-f32"));
    inspected(&mut window);
    window.key_press(Key::Enter);
    window.run();
    let Command::Load(request) = script.last() else { panic!("a load was asked for") };
    assert_eq!(request.source, ModelSource::Path(fixture("llama-f32")));
}

#[test]
fn the_search_field_has_the_keyboard_when_the_open_card_comes() {
    let (mut window, _script) = window();
    window.key_press_modifiers(Modifiers::COMMAND, Key::O);
    window.run();
    assert!(window.get_by_label("Find a model").is_focused());
}

#[test]
fn a_run_begun_from_the_prompt_leaves_the_arrows_to_the_steps() {
    let (mut window, script) = window();
    window.get_by_label("Prompt").focus();
    window.run();
    window.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    window.run();
    script.steps(4);
    window.run();
    window.key_press(Key::ArrowLeft);
    window.run();
    assert_eq!(window.state().state().cursor.selected, Some(2));
}

#[test]
fn an_error_covers_nothing_and_can_be_put_away() {
    let (mut window, script) = running(3);
    press(&mut window, "Stop");
    tell(&script, Severity::Error, "It failed");
    window.run();
    let error = window.get_by_label("Error: It failed").rect();
    for name in ["Prompt", "Run", "Step 2: ·was", "Selected token: ·a", "Timeline: 3 steps"] {
        let other = window.get_by_label(name).rect();
        assert!(!other.intersects(error), "{name} at {other:?} below {error:?}");
    }
    let strip = Rect::everything_above(window.get_by_label("Do this.").rect().bottom());
    assert!(!strip.intersects(window.get_by_label("Prompt").rect()));
    window.key_press(Key::Escape);
    window.run();
    assert!(!sees(&window, "Error: It failed"));
}

#[test]
fn the_card_of_a_broken_model_lists_no_empty_facts() {
    let (mut window, _script) = window();
    let folder = copy_of("llama-f32");
    edit_config(folder.path(), |config| {
        let keys = ["num_hidden_layers", "num_attention_heads", "hidden_size", "vocab_size"];
        let config = config.as_object_mut().expect("an object");
        keys.iter().for_each(|key| drop(config.remove(*key)));
    });
    drop_file(&mut window, folder.path().to_owned());
    inspected(&mut window);
    assert!(sees(&window, "It cannot be opened"));
    assert!(!sees_part(&window, ": –") && !sees_part(&window, "– of"));
    assert!(!sees_part(&window, "Layers: "));
}

#[test]
fn a_number_beyond_its_range_is_corrected_aloud() {
    let (mut window, script) = window();
    fill(&mut window, "Temperature", "5");
    window.key_press(Key::Enter);
    window.run_steps(3);
    assert!(sees(&window, "5 is more than the most, 2: it is 2 now."));
    press(&mut window, "Run");
    assert_eq!(started(&script).settings.stages.temperature, 2.0);
}

#[test]
fn the_context_to_allow_is_chosen_on_the_card_and_stays_with_the_model() {
    let (mut window, script) = window();
    drop_file(&mut window, fixture("llama-f32"));
    inspected(&mut window);
    window.get_by_label("Context to allow").set_value_accesskit(64.0);
    super::window::until(&mut window, "it is read again", |app| {
        let inspected = app.state().cards.inspected.as_ref();
        inspected.and_then(|model| model.card.memory).is_some_and(|need| need.context == 64)
    });
    window.run();
    press(&mut window, "Load model");
    let asked = |script: &Scripted| match script.last() {
        Command::Load(request) => (request.context, request.weights),
        other => panic!("a load was asked for, not {other:?}"),
    };
    assert_eq!(asked(&script), (Some(64), WeightsChoice::Original));
    press(&mut window, "Open model…");
    press(&mut window, "q8_0");
    assert_eq!(asked(&script), (Some(64), WeightsChoice::Q8_0), "also when it is loaded again");
    drop_file(&mut window, fixture("mixtral"));
    inspected(&mut window);
    press(&mut window, "Load model");
    assert_eq!(asked(&script).0, None, "another model has its own");
}

#[test]
fn the_prompt_tells_its_tokens_before_a_run() {
    let (mut window, _script) = window();
    assert!(sees(&window, "4 tokens of 1\u{2009}024 positions"));
    fill(&mut window, "Prompt", " there was");
    window.run();
    assert!(sees(&window, "6 tokens of 1\u{2009}024 positions"));
}

#[test]
fn a_window_without_a_run_says_what_is_being_loaded() {
    let (mut window, script) = window();
    script.tell(Event::LoadStarted { name: "big model".to_owned() });
    script.tell(Event::LoadProgress { part: LoadPart::Compiling, share: Share::of(2, 19) });
    window.run();
    assert!(!sees(&window, "No model yet"));
    assert!(sees_part(&window, "Loading big model: kernel 3 of 19"));
}
