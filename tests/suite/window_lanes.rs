//! Lanes in the window: set up, run, shown in all panes, with their first differences and totals.

use std::time::Instant;

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use logitscope::session::{Command, Event, LanesRequest, Status};
use logitscope::trace::{PhaseFigures, StopReason};

use super::window::{Window, press, sees, sees_part, window_on};
use super::window_script::Scripted;
use super::window_watch::{to_pane, windows};

fn asked(script: &Scripted) -> LanesRequest {
    let commands = script.0.borrow().commands.clone();
    let lanes = |command: &Command| match command {
        Command::StartLanes(request) => Some(request.clone()),
        _ => None,
    };
    commands.iter().rev().find_map(lanes).expect("the lanes were run")
}

/// Two lanes of which the second draws with another temperature.
fn two_lanes(window: &mut Window) {
    to_pane(window, "Lanes");
    assert!(sees(window, "No lanes yet"));
    press(window, "Set up two lanes");
    if window.query_by_label("Temperature").is_none() {
        to_pane(window, "Prompt");
    }
    window.get_by_label("Temperature").set_value_accesskit(1.5);
    window.run();
    to_pane(window, "Lanes");
}

#[test]
fn lanes_are_set_up_named_by_what_differs_and_run_on_one_prompt() {
    windows(|window, script| {
        two_lanes(window);
        let first = "Lane A: Sample · temperature 0.8 · top-k 40 · top-p 0.95 · seed 22, not run yet";
        assert!(sees(window, first));
        assert!(sees(window, "Lane B: temperature 1.5, changes with the settings"));
        press(window, "Change lane B no more");
        assert!(sees(window, "Lane B: temperature 1.5, not run yet"));
        press(window, "Change lane A with the settings");
        let temperature = window.state().state().remembered.decoding.stages.temperature;
        assert_eq!(temperature, 0.8, "the settings are those of the lane");
        press(window, "Change lane A no more");
        press(window, "Run the lanes");
        let request = asked(script);
        let temperatures: Vec<f32> =
            request.lanes.iter().map(|settings| settings.stages.temperature).collect();
        assert_eq!(temperatures, [0.8, 1.5]);
        // Up to four.
        press(window, "Add a lane of the present settings");
        press(window, "Add a lane of the present settings");
        assert!(sees_part(window, "Lane D: as lane A"));
        assert!(window.get_by_label("Add a lane of the present settings").accesskit_node().is_disabled());
        assert!(window.get_by_label("Remove lane D").accesskit_node().is_disabled(), "a run is under way");
        window.key_press(egui::Key::Escape);
        window.run();
        assert_eq!(script.last(), Command::Stop);
        script.tell(Event::LanesFinished);
        window.run();
        press(window, "Remove lane D");
        press(window, "Remove lane A");
        assert!(sees_part(window, "Lane A: Sample · temperature 1.5"), "the others move up");
        assert!(!sees_part(window, "Lane C"));
    });
}

#[test]
fn lanes_are_aligned_by_step_with_the_first_difference_and_totals() {
    windows(|window, script| {
        two_lanes(window);
        press(window, "Run the lanes");
        script.steps(2);
        script.lane_steps(1, 2);
        window.run();
        assert!(sees(window, "Lane B, Leaves A at: –"), "so far they are the same");
        script.tell(Event::PromptShared {
            lanes: vec![0, 1],
            positions: 3,
            figures: PhaseFigures { seconds: 0.031, amount: 3 },
        });
        script.steps(1);
        script.lane_steps(1, 2);
        window.run();
        assert_eq!(window.state().view().run.as_ref().map(|run| run.continued_positions), Some(3));
        assert!(sees(window, "Lane A, Tokens: 3") && sees(window, "Lane B, Tokens: 4"));
        assert!(sees(window, "Lane B, Leaves A at: step 3"));
        assert!(sees(window, "Lane B, Passes: 4") && sees(window, "Lane B, Rows: 7"));
        assert!(sees(window, "Lane B, Time: 70.0 ms"));
        assert!(sees_part(window, "Lane B, Surprisal: "));
        assert!(sees(window, "Shared by lanes A and B: initiation of 3 token rows, 31.0 ms"));
        let cell = |window: &Window, part: &str| {
            let mut cells = window.query_all_by_label_contains(part);
            cells.next().map(|cell| (cell.rect(), cell.accesskit_node().label().unwrap_or_default()))
        };
        let (other, label) =
            cell(window, "Lane B, step 3: ·other3").expect("the first difference is in sight");
        assert!(label.ends_with("leaves lane A"), "{label}");
        let (own, label) = cell(window, "Lane A, step 3: ").expect("beside it");
        assert!(!label.ends_with("leaves lane A"));
        assert!((own.top() - other.top()).abs() < 0.5 && own.right() <= other.left() + 0.5);
        let (head, _) = cell(window, "Lane B: ").expect("its head");
        assert!((head.left() - other.left()).abs() < 0.5 && head.bottom() <= other.top() + 0.5);
        let foot = window.get_by_label("Lane B, Leaves A at: step 3").rect();
        assert!(other.bottom() <= foot.top() + 0.5, "nothing hangs over the totals");

        // A lane that ends says why, and the window goes on.
        let phases = window.state().view().lane(1).expect("a run").phases;
        script.tell(Event::LaneFinished { lane: 1, stop: StopReason::Eos, phases });
        window.run();
        assert!(sees_part(window, "Lane B ended: "));
        assert_eq!(window.state().view().status, Status::Running);
        assert!(window.state().view().lane(0).is_some_and(|run| run.stop.is_none()));
    });
}

#[test]
fn a_lane_is_shown_in_all_panes_at_the_step_that_was_pressed() {
    windows(|window, script| {
        two_lanes(window);
        press(window, "Run the lanes");
        script.steps(6);
        script.lane_steps(1, 6);
        window.run();
        let number = window.state().state().run_number;
        let mut cells = window.query_all_by_label_contains("Lane B, step 5: ");
        cells.next().expect("its token").click();
        drop(cells);
        window.run();
        assert_eq!(script.last(), Command::ShowLane(1));
        let view = window.state().view();
        assert_eq!(view.lanes.shown(), Some(1));
        assert_eq!(view.run.as_ref().map(|run| run.line.len()), Some(6));
        assert_eq!(window.state().state().cursor.selected, Some(4));
        assert!(window.state().state().run_number > number, "caches know of it");
        let head = window.query_all_by_label_contains("Lane B: ").next().expect("its head");
        assert_eq!(head.accesskit_node().toggled(), Some(egui::accesskit::Toggled::True));
        // The arrows step through its run, and the row follows.
        window.key_press(egui::Key::ArrowLeft);
        window.run();
        assert_eq!(window.state().state().cursor.selected, Some(3));
        // Steps of the lane beside it go to that one.
        let before = script.0.borrow().run.line.len();
        assert_eq!(window.state().view().lane(0).map(|run| run.line.len()), Some(before));
        // When the model goes, lanes are still there to be looked at.
        script.tell(Event::LoadFailed);
        window.run();
        window.query_all_by_label_contains("Lane A, step 4: ").next().expect("its token").click();
        window.run();
        assert_ne!(script.last(), Command::ShowLane(0));
        assert_eq!(window.state().view().lanes.shown(), Some(0));
        assert_eq!(window.state().state().cursor.selected, Some(3));
    });
}

#[test]
fn another_run_puts_the_lanes_away_and_leaves_their_settings() {
    let script = Scripted::default();
    let mut window = window_on(script.clone(), 1440.0, 1400.0);
    window.run();
    two_lanes(&mut window);
    press(&mut window, "Run the lanes");
    script.steps(2);
    script.lane_steps(1, 2);
    window.run();
    script.tell(Event::LanesFinished);
    window.run();
    press(&mut window, "Run");
    script.steps(1);
    window.run();
    assert!(sees_part(&window, "Lane B: temperature 1.5, "));
    assert!(!sees_part(&window, "Lane A, step 1: "));
    assert!(window.state().view().lanes.is_empty());
}

/// Three lanes of thousands of steps: a frame lays out what is in sight, the newest ones.
#[test]
fn long_lanes_lay_out_only_what_is_in_sight_and_rest_when_nothing_happens() {
    let script = Scripted::default();
    let mut window = window_on(script.clone(), 1440.0, 1400.0);
    window.run();
    window.get_by_label("Most new tokens").set_value_accesskit(5000.0);
    window.run();
    two_lanes(&mut window);
    press(&mut window, "Add a lane of the present settings");
    press(&mut window, "Run the lanes");
    for _ in 0..10 {
        script.steps(300);
        script.lane_steps(1, 300);
        script.lane_steps(2, 300);
        window.run_steps(2);
        let newest = format!("Lane A, step {}: ", script.0.borrow().run.line.len());
        assert!(sees_part(&window, &newest), "the newest step is in sight while they go on");
    }
    window.run();
    let shown = window.query_all_by_label_contains("Lane B, step ").count();
    assert!((3..40).contains(&shown), "{shown} rows");
    assert!(sees_part(&window, "Lane A, step 3000: ") && sees_part(&window, "Lane C, step 3000: "));
    assert!(!sees_part(&window, "Lane A, step 2900: "));
    for _ in 0..10 {
        let begun = Instant::now();
        window.step();
        let took = begun.elapsed();
        assert!(took.as_millis() < 250, "a frame took {took:?}");
    }
    assert!(!window.ctx.has_requested_repaint(), "it rests");
}
