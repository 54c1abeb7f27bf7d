//! Ways about the window: by the keyboard alone, in narrow windows, and what cards say of what went wrong.

use std::path::Path;
use std::time::{Duration, Instant};

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{By, NodeT as _, Queryable as _};
use logitscope::session::ModelSource;
use logitscope::ui::App;

use super::window::{Window, fill, press, running, sees, sees_part, window, window_on};
use super::window_pictures::picture;
use super::window_script::Scripted;
use super::window_watch::press_far;

/// Steps frames until something shows: paths are read on threads of their own.
fn until_seen(window: &mut Window, part: &str) {
    let begun = Instant::now();
    while !sees_part(window, part) {
        assert!(begun.elapsed() < Duration::from_secs(20), "waited in vain for {part}");
        std::thread::sleep(Duration::from_millis(2));
        window.step();
    }
}

/// Types a path into the card that opens models, and presses its button.
fn open_path(window: &mut Window, path: &Path) {
    let before = window.get_by_label("Model path").value().unwrap_or_default();
    window.get_by_label("Model path").focus();
    window.run();
    for _ in before.chars() {
        window.key_press(Key::Backspace);
    }
    window.run();
    window.get_by_label("Model path").type_text(&path.display().to_string());
    window.run();
    window.key_press(Key::Enter);
    window.step();
}

/// What has the keyboard.
fn focused(window: &Window) -> Option<(String, egui::Rect)> {
    let found = window.query_all(By::new().predicate(|node| node.is_focused())).next()?;
    Some((found.accesskit_node().label().unwrap_or_default(), found.rect()))
}

fn tab(window: &mut Window) {
    window.key_press(Key::Tab);
    window.run();
}

#[test]
fn a_path_that_leads_nowhere_is_told_in_the_card_until_another_one_leads_somewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let lesson = folder.path().join("mine.md");
    std::fs::write(&lesson, "# My lesson\n\n## Begin here\nSome text.\n").expect("written");
    let (mut window, _) = window();
    press(&mut window, "Open model…");
    open_path(&mut window, &folder.path().join("nowhere"));
    until_seen(&mut window, "No model can be opened there");
    assert!(window.state().state().cards.open, "the card still shows");
    assert!(window.state().state().cards.open_problem.is_some());
    assert!(window.state().state().toasts.is_empty(), "not behind it");
    open_path(&mut window, &lesson);
    until_seen(&mut window, "Begin here");
    assert!(!sees_part(&window, "No model can be opened there"));
    // Without the card it is told as everything is, and is past with the next success.
    press(&mut window, "Leave the lesson");
    super::window::drop_file(&mut window, folder.path().join("nowhere"));
    until_seen(&mut window, "No model can be opened there");
    super::window::drop_file(&mut window, lesson);
    until_seen(&mut window, "Begin here");
    window.run();
    assert!(!sees_part(&window, "No model can be opened there"));
}

#[test]
fn tab_goes_from_left_to_right_through_the_bar() {
    let (mut window, _) = window();
    window.get_by_label("Arrangement of the panes").focus();
    window.run();
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(focused(&window).expect("something has the keyboard"));
        tab(&mut window);
    }
    let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["Arrangement of the panes", "Theme: system", "Notices", "Lessons", "Keyboard shortcuts"]
    );
    assert!(seen.windows(2).all(|pair| pair[0].1.left() < pair[1].1.left()));
}

#[test]
fn what_the_keyboard_moves_to_in_the_left_panel_comes_into_sight() {
    let mut window = window_on(Scripted::default(), 1440.0, 620.0);
    window.run();
    let buttons = window.get_by_label("Run").rect().top();
    window.get_by_label("Temperature").focus();
    window.run();
    let mut below = 0;
    for _ in 0..14 {
        tab(&mut window);
        window.run();
        let (name, rect) = focused(&window).expect("something has the keyboard");
        if rect.left() > 290.0 || ["Run", "Step", "Stop"].contains(&name.as_str()) {
            continue;
        }
        below += 1;
        assert!(
            rect.bottom() <= buttons && rect.top() >= 100.0,
            "{name} at {rect:?}, the buttons at {buttons}"
        );
    }
    assert!(below > 8, "it went down the panel: {below}");
}

#[test]
fn enter_in_a_search_field_leaves_the_keyboard_there() {
    let (mut window, _) = running(3);
    press(&mut window, "Pinned");
    fill(&mut window, "Find a token to pin", "king");
    window.key_press(Key::Enter);
    window.run();
    assert!(window.get_by_label("Find a token to pin").accesskit_node().is_focused());
}

#[test]
fn a_narrow_window_shows_the_pane_that_was_chosen_and_lets_it_out() {
    let (mut window, _) = running(3);
    press(&mut window, "Curve");
    window.set_size(egui::vec2(1024.0, 700.0));
    window.run();
    assert!(sees_part(&window, "Plot of rank"), "the chosen pane");
    press(&mut window, "Export Curve…");
    assert!(sees(&window, "Picture (PNG)…"));
    window.key_press(Key::Escape);
    window.run();
    press(&mut window, "Tree");
    window.set_size(egui::vec2(1440.0, 900.0));
    window.run();
    assert!(sees(&window, "Export Tree…"), "and so does the wide one");
}

#[test]
fn tables_are_found_by_the_name_of_their_format() {
    let (mut window, _) = running(3);
    window.key_press_modifiers(Modifiers::COMMAND, Key::K);
    window.run();
    window.get_by_label("Command").type_text("csv");
    window.run();
    assert!(sees_part(&window, "Export Pipeline as a table (CSV)"));
}

#[test]
fn safe_mode_says_so() {
    let build = |safe: bool| -> Window {
        Harness::builder().with_size(egui::vec2(1440.0, 900.0)).with_max_steps(64).build_eframe(|creation| {
            let app = App::new(creation, Box::new(Scripted::default()), ModelSource::BuiltIn);
            if safe { app.as_at_first() } else { app }
        })
    };
    for safe in [true, false] {
        let mut window = build(safe);
        window.run();
        assert_eq!(sees(&window, "Safe mode"), safe);
    }
}

#[test]
fn the_dot_at_the_bell_goes_with_reading() {
    let (mut window, script) = running(3);
    let unread = |window: &Window| {
        let view = window.state().view();
        view.told() - window.state().state().notices_read
    };
    script.tell(logitscope::session::Event::Notice(logitscope::session::Notice {
        severity: logitscope::session::Severity::Warning,
        title: "Something".to_owned(),
        detail: String::new(),
    }));
    window.run();
    assert_eq!(unread(&window), 1);
    press(&mut window, "Notices");
    assert_eq!(unread(&window), 0);
}

#[test]
#[ignore = "writes pictures to look at"]
fn pictures_of_ways() {
    for (theme, name) in [(egui::Theme::Dark, "dark"), (egui::Theme::Light, "light")] {
        let of = |what: &str| format!("ways-{what}-{name}");
        let script = Scripted::default();
        let mut window = window_on(script.clone(), 1360.0, 850.0);
        window.ctx.set_theme(theme);
        window.run();
        press(&mut window, "Greedy");
        press(&mut window, "Run");
        script.steps(9);
        window.run();
        press(&mut window, "Stop");
        press(&mut window, "Run");
        script.steps(3);
        window.run();
        picture(&mut window, &of("offer"));
        press(&mut window, "Arrangement of the panes");
        press(&mut window, "Teach");
        picture(&mut window, &of("teach"));
        press(&mut window, "Open model…");
        open_path(&mut window, Path::new("/nowhere/at/all"));
        until_seen(&mut window, "No model can be opened there");
        picture(&mut window, &of("open"));
        window.key_press(Key::Escape);
        window.run();
        press_far(&mut window, "Grammar");
        press_far(&mut window, "Regex");
        fill(&mut window, "Grammar text", "[a-c");
        picture(&mut window, &of("grammar"));
        let mut other = super::window_script::loaded();
        (other.model.name, other.model.path) = ("another".to_owned(), "/models/another".to_owned());
        script.tell(logitscope::session::Event::Loaded(Box::new(other)));
        window.run();
        press(&mut window, "Lessons");
        press_far(&mut window, "Lesson 1: The five steps");
        picture(&mut window, &of("lesson"));
        window.get_by_label("Pipeline").focus();
        window.run();
        picture(&mut window, &of("focus"));
        let (mut window, script) = running(5);
        window.ctx.set_theme(theme);
        press(&mut window, "Pause");
        press(&mut window, "Vocabulary");
        script.tell(logitscope::session::Event::Paused);
        window.run();
        picture(&mut window, &of("vocabulary"));
        press(&mut window, "Stop");
        press(&mut window, "Chat");
        picture(&mut window, &of("chat"));
    }
}
