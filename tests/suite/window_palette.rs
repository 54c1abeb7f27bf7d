//! The command palette: found by name, moved by arrows, done by Enter or a click.

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use logitscope::decoding::StrategyKind;
use logitscope::session::{Command, Prompt};

use super::window::{Window, press, sees, started, window};

fn open(window: &mut Window) {
    window.key_press_modifiers(Modifiers::COMMAND, Key::K);
    window.run();
}

fn find(window: &mut Window, text: &str) {
    window.get_by_label("Command").type_text(text);
    window.run();
}

fn key(window: &mut Window, key: Key) {
    window.key_press(key);
    window.run();
}

#[test]
fn commands_are_found_by_name_and_done() {
    let (mut window, script) = window();
    open(&mut window);
    assert!(sees(&window, "Command"));
    find(&mut window, "strat beam");
    assert!(sees(&window, "Strategy: beam") && !sees(&window, "Strategy: greedy"));
    key(&mut window, Key::Enter);
    assert!(!sees(&window, "Command"), "it closes once something is done");
    press(&mut window, "Run");
    assert_eq!(started(&script).settings.strategy, StrategyKind::Beam);
    press(&mut window, "Stop");

    // By arrows: the second of those found.
    open(&mut window);
    find(&mut window, "strategy");
    key(&mut window, Key::ArrowDown);
    key(&mut window, Key::ArrowDown);
    key(&mut window, Key::ArrowUp);
    key(&mut window, Key::Enter);
    press(&mut window, "Run");
    assert_eq!(started(&script).settings.strategy, StrategyKind::Sample);
    press(&mut window, "Stop");

    // By a click.
    open(&mut window);
    find(&mut window, "chat");
    press(&mut window, "Chat: on or off");
    press(&mut window, "Run");
    assert!(matches!(started(&script).prompt, Prompt::Chat(_)));
}

#[test]
fn nothing_is_done_by_closing_it_or_by_a_name_that_nothing_has() {
    let (mut window, script) = window();
    let before = script.0.borrow().commands.len();
    open(&mut window);
    find(&mut window, "no such thing");
    assert!(sees(&window, "Nothing of this name can be done."));
    key(&mut window, Key::Enter);
    assert!(sees(&window, "Command"), "it waits for another word");
    key(&mut window, Key::Escape);
    assert!(!sees(&window, "Command"));
    open(&mut window);
    open(&mut window);
    assert!(!sees(&window, "Command"), "the same keys close it");
    // What is typed there does nothing else.
    open(&mut window);
    find(&mut window, "s b u f i n");
    key(&mut window, Key::Escape);
    assert_eq!(script.0.borrow().commands[before..], [] as [Command; 0]);
}
