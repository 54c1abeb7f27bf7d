//! Nothing decoded is lost at a key: a run that another one replaced comes back, and one that ended stays.

use egui::Key;
use egui_kittest::kittest::Queryable as _;
use logitscope::session::{Command, Event};
use logitscope::trace::{Phases, StopReason};

use super::window::{Window, press, running, sees, sees_part, window};
use super::window_script::Scripted;

fn key(window: &mut Window, key: Key) {
    window.key_press(key);
    window.run();
}

fn text(window: &Window) -> String {
    window.state().view().run.as_ref().map_or_else(String::new, |run| run.text())
}

fn starts(script: &Scripted) -> usize {
    script.0.borrow().commands.iter().filter(|command| matches!(command, Command::Start(_))).count()
}

/// Lets the run end for a reason.
fn end(window: &mut Window, script: &Scripted, stop: StopReason) {
    script.tell(Event::Finished { stop, phases: Phases::default() });
    window.run();
}

/// Lets some time pass in the window.
fn wait(window: &mut Window, seconds: f64) {
    let now = window.ctx.input(|input| input.time);
    window.input_mut().time = Some(now + seconds);
    window.step();
    window.input_mut().time = None;
    window.run();
}

#[test]
fn a_replaced_run_comes_back_with_its_tree_and_so_does_the_one_after_it() {
    let (mut window, script) = running(6);
    press(&mut window, "Pause");
    for pressed in [Key::ArrowLeft, Key::ArrowLeft, Key::ArrowDown, Key::B] {
        key(&mut window, pressed);
    }
    press(&mut window, "Stop");
    let before = window.state().view().run.clone().unwrap();
    assert!(before.nodes.len() > before.line.len(), "it has a tree");
    press(&mut window, "Run");
    script.steps(2);
    window.run();
    assert_ne!(text(&window), before.text());
    let newer = text(&window);
    press(&mut window, "Bring it back");
    window.run();
    assert!(!window.state().view().has_live_run(), "the newer one was ended first");
    assert_eq!(*window.state().view().run.clone().unwrap(), *before, "nodes, line and reason of its end");
    assert!(!sees(&window, "Bring it back"));
    key(&mut window, Key::U);
    assert_eq!(text(&window), newer);
    key(&mut window, Key::U);
    assert_eq!(text(&window), before.text());
}

#[test]
fn space_at_the_end_of_a_run_does_nothing_until_a_person_has_seen_it() {
    let (mut window, script) = running(3);
    end(&mut window, &script, StopReason::Eos);
    key(&mut window, Key::Space);
    assert_eq!(starts(&script), 1, "it was meant to hold the run");
    wait(&mut window, 2.0);
    key(&mut window, Key::Space);
    assert_eq!(starts(&script), 2);
}

#[test]
fn a_step_beyond_the_end_says_so_and_begins_nothing() {
    for stop in [StopReason::Eos, StopReason::MaxTokens, StopReason::StopText, StopReason::ContextFull] {
        let (mut window, script) = running(3);
        end(&mut window, &script, stop);
        let before = text(&window);
        for _ in 0..3 {
            key(&mut window, Key::S);
        }
        assert_eq!((starts(&script), text(&window)), (1, before), "{stop:?}");
        assert!(sees_part(&window, "The run is at its end") && sees_part(&window, "no further step"));
        // With another prompt there is something to begin.
        window.get_by_label("Prompt").focus();
        window.run();
        window.get_by_label("Prompt").type_text("!");
        window.run();
        key(&mut window, Key::Escape);
        key(&mut window, Key::S);
        assert_eq!(starts(&script), 2, "{stop:?}");
    }
    let (mut window, script) = running(3);
    end(&mut window, &script, StopReason::Eos);
    press(&mut window, "Step");
    assert_eq!(starts(&script), 2, "the button says that it begins a new run");
}

#[test]
fn a_lane_is_changed_while_it_says_so_and_no_longer() {
    let (mut window, _) = window();
    press(&mut window, "Lanes");
    press(&mut window, "Set up two lanes");
    let temperatures = |window: &Window| {
        let lanes = &window.state().state().remembered.lanes;
        lanes.iter().map(|lane| lane.settings.stages.temperature).collect::<Vec<f32>>()
    };
    let set = |window: &mut Window, value: f64| {
        window.get_by_label("Temperature").set_value_accesskit(value);
        window.run();
    };
    assert!(sees_part(&window, "These are lane B's settings"));
    set(&mut window, 1.5);
    assert_eq!(temperatures(&window), [0.8, 1.5]);
    press(&mut window, "Run");
    window.run();
    assert!(!sees_part(&window, "These are lane B's settings"), "a run of its own has settings of its own");
    set(&mut window, 0.3);
    assert_eq!(temperatures(&window), [0.8, 1.5]);
    press(&mut window, "Change lane A with the settings");
    press(&mut window, "Done with lane A");
    set(&mut window, 1.2);
    assert_eq!(temperatures(&window), [0.8, 1.5]);
}
