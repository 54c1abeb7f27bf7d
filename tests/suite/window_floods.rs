//! What comes faster than the worker or a frame can take it: keys held down, floods of text and of notices.

use std::time::{Duration, Instant};

use egui::{Event as Input, Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use logitscope::session::{Command, Event, Notice, Severity, Status};

use super::window::{Window, press, sees, sees_part, started, window};

fn key(key: Key, pressed: bool) -> Input {
    Input::Key { key, physical_key: None, pressed, repeat: false, modifiers: Modifiers::NONE }
}

/// Runs frames until the window wants no more, and says how long the longest took.
fn longest_frame(window: &mut Window) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..8 {
        let begun = Instant::now();
        window.step();
        longest = longest.max(begun.elapsed());
    }
    longest
}

/// Bytes of memory that the process ever had at once.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() * 1024
}

#[test]
fn thousands_of_keys_at_once_hold_no_frame_up() {
    let (mut window, _) = window();
    window.get_by_label("Prompt").focus();
    window.run();
    let before = peak_memory();
    let typed = (0..4000).flat_map(|_| [key(Key::A, true), Input::Text("a".into()), key(Key::A, false)]);
    window.input_mut().events.extend(typed);
    let longest = longest_frame(&mut window);
    assert_eq!(window.state().state().remembered.prompt.matches('a').count() - 1, 4000);
    assert!(longest < Duration::from_secs(4), "a frame took {longest:?}");
    let grown = peak_memory() - before;
    assert!(grown < 300_000_000, "{grown} bytes for 4000 keys");
}

#[test]
fn a_key_that_is_held_down_asks_for_one_step_at_a_time() {
    let (mut window, script) = window();
    press(&mut window, "Step");
    script.0.borrow_mut().patient = true;
    let count = |script: &super::window_script::Scripted| {
        script.0.borrow().commands.iter().filter(|one| **one == Command::StepOnce).count()
    };
    // The worker is busy: what it answers does not come.
    for _ in 0..500 {
        window.input_mut().events.extend([key(Key::S, true), key(Key::S, false)]);
        window.step();
    }
    assert_eq!(count(&script), 1);
    script.tell(Event::Paused);
    window.run();
    window.key_press(Key::S);
    window.run();
    assert_eq!(count(&script), 2);
}

#[test]
fn two_steps_asked_for_quickly_do_not_pause_the_initiation() {
    let (mut window, script) = window();
    script.0.borrow_mut().patient = true;
    window.key_press(Key::S);
    window.step();
    window.key_press(Key::S);
    window.step();
    window.key_press(Key::S);
    window.run();
    let starts = script.0.borrow().commands.iter().filter(|one| matches!(one, Command::Start(_))).count();
    assert_eq!(starts, 1, "the first is still to be made");
    assert_eq!(started(&script).pace, logitscope::session::Pace::SingleStep);
    assert!(matches!(window.state().view().status, Status::Initiating { .. }));
}

#[test]
fn a_paused_initiation_says_how_far_it_is() {
    let (mut window, script) = window();
    press(&mut window, "Run");
    script.tell(Event::InitiationProgress { done: 2, total: 4 });
    window.run();
    assert!(sees_part(&window, "Initiation: 2 of 4 tokens") && !sees_part(&window, "paused"));
    press(&mut window, "Pause");
    assert!(sees(&window, "Initiation: 2 of 4 tokens · paused"));
    press(&mut window, "Resume");
    assert!(sees_part(&window, "Initiation: 2 of 4 tokens") && !sees_part(&window, "paused"));
    script.steps(1);
    window.run();
    assert!(sees_part(&window, "Initiation: 31.0 ms · 4 tokens"));
}

#[test]
fn a_flood_of_notices_is_bounded_and_the_newest_shows() {
    let (mut window, script) = window();
    for number in 0..5000 {
        let title = format!("Notice {number}");
        script.tell(Event::Notice(Notice { severity: Severity::Error, title, detail: String::new() }));
    }
    window.run();
    assert!(sees_part(&window, "Notice 4999"));
    let view = window.state().view();
    assert_eq!((view.notices.len(), view.told()), (200, 5000));
    press(&mut window, "Notices");
    assert!(sees_part(&window, "Notice 4800") && !sees_part(&window, "Notice 4799"));
}

#[test]
fn a_gpu_that_does_not_answer_is_told_and_ends_nothing() {
    let (mut window, script) = window();
    press(&mut window, "Run");
    script.steps(3);
    window.run();
    let silent = |seconds| script.0.borrow_mut().gpu_silence = Some(Duration::from_secs(seconds));
    silent(29);
    window.run();
    assert!(!sees_part(&window, "has not answered"));
    silent(31);
    window.run();
    assert!(sees(&window, "The GPU has not answered for 31 s") && sees_part(&window, "Wait, or close"));
    assert_eq!(window.state().view().status, Status::Running);
    script.0.borrow_mut().gpu_silence = None;
    script.steps(1);
    window.run();
    assert!(!sees_part(&window, "has not answered"), "it answered");
}
