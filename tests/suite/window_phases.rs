//! The panes of the two phases, of the KV cache and of GPU time: what they ask for, and that what was measured is on show,
//! in large and small windows, in both themes.

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use logitscope::model::SequenceId;
use logitscope::session::{
    CacheMap, CachedPage, CachedSequence, Command, ComparedStep, DeviceLimits, Event, LayerKeeps,
    MeasuredPass, OpTime, PassWork, Profiled, Session, StepProfile,
};
use logitscope::ui::App;

use super::window::{Window, press, running, sees, sees_part, until, window_on};
use super::window_pictures::picture;
use super::window_script::Scripted;

/// Tokens of the script's prompt.
const PROMPT: usize = 4;

/// Windows with a run of some steps that has ended, of both sizes and in both themes.
fn windows(steps: usize, pane: &str, mut test: impl FnMut(&mut Window, &Scripted)) {
    for (width, height) in [(1440.0, 900.0), (720.0, 480.0)] {
        for theme in ["Theme: dark", "Theme: light"] {
            let script = Scripted::default();
            let mut window = window_on(script.clone(), width, height);
            window.run();
            let dark = theme == "Theme: dark";
            window.ctx.set_theme(if dark { egui::Theme::Dark } else { egui::Theme::Light });
            press(&mut window, "Run");
            script.steps(steps);
            window.run();
            press(&mut window, "Stop");
            let role = if width > 1000.0 { Role::Tab } else { Role::RadioButton };
            window.get_by_role_and_label(role, pane).click();
            window.run_ok();
            test(&mut window, &script);
        }
    }
}

/// The place of what has this name, which lies in the window.
fn within(window: &Window, part: &str) -> egui::Rect {
    let node = window.query_all_by_label_contains(part).next().unwrap_or_else(|| panic!("no {part}"));
    let (rect, all) = (node.rect(), window.ctx.content_rect());
    assert!(all.expand(1.0).contains_rect(rect), "{part} at {rect:?} leaves {all:?}");
    assert!(rect.width() > 60.0 && rect.height() > 30.0, "{part} has room: {rect:?}");
    rect
}

fn label(window: &Window, part: &str) -> String {
    let node = window.query_all_by_label_contains(part).next().unwrap_or_else(|| panic!("no {part}"));
    let node = node.accesskit_node();
    node.label().or_else(|| node.value()).expect("it has a name").replace('\u{2009}', " ")
}

fn pass(rows: usize, seconds: f64) -> MeasuredPass {
    let work = PassWork { weight_bytes: 10_000_000, cache_bytes: 1000, multiply_adds: 5e6 * rows as f64 };
    MeasuredPass { rows, chunks: 1, seconds, work: Some(work) }
}

/// A step of the script's run both ways.
fn compared(step: usize) -> ComparedStep {
    let before = PROMPT + step - 1;
    let rows = if step == 1 { before } else { 1 };
    ComparedStep { cached: pass(rows, 0.002), uncached: pass(before, 0.001 * before as f64) }
}

#[test]
fn a_run_both_ways_shows_rows_formulas_and_times_as_they_come() {
    windows(5, "Phases", |window, script| {
        press(window, "KV cache: on, off");
        assert!(sees_part(window, "Without KV cache: not measured yet"), "no number is invented");
        assert_eq!(label(window, "N·P"), "N·P + N(N − 1)/2 = 5·4 + 5·4/2 = 30");
        assert_eq!(label(window, "P + N − 1"), "P + N − 1 = 4 + 5 − 1 = 8");
        window.get_by_label("Run it both ways").click();
        window.run_ok();
        assert_eq!(script.last(), Command::Compare);

        script.tell(Event::ComparisonStarted { tip: 4, prompt: PROMPT, tokens: 5 });
        (1..=3).for_each(|step| script.tell(Event::Compared(compared(step))));
        window.run_ok();
        assert!(sees_part(window, "Without KV cache: 15 of 30 rows · 15.0 ms"));
        assert!(sees_part(window, "With KV cache: 6 of 8 rows · 6.0 ms"));
        within(window, "Without KV cache, rows of 3 of 5 steps over 8 positions");
        within(window, "With KV cache, rows of 3 of 5 steps");
        window.get_by_label("End measuring").click();
        window.run_ok();
        assert_eq!(script.last(), Command::EndComparison);

        (4..=5).for_each(|step| script.tell(Event::Compared(compared(step))));
        script.tell(Event::ComparisonEnded);
        window.run_ok();
        assert!(sees_part(window, "Without KV cache: 30 rows · 30.0 ms"));
        assert!(sees_part(window, "With KV cache: 8 rows · 10.0 ms"));
        within(window, "Plot of step 1 to 5 and milliseconds");
        // The highest point, 8 ms, is on the axis, which is not far too long for it.
        let ends = label(window, "Plot of step").replace('−', "-");
        let high: f32 = ends.split(" to ").last().and_then(|end| end.parse().ok()).expect("an end");
        assert!((8.0..10.0).contains(&high), "{ends}");
        press(window, "Run it both ways");
        assert_eq!(script.last(), Command::Compare, "it can be measured again");
    });
}

#[test]
fn the_limits_say_what_bounds_each_phase() {
    windows(5, "Phases", |window, script| {
        press(window, "Limits");
        assert!(sees(window, "Not measured yet"));
        script.tell(Event::ComparisonStarted { tip: 4, prompt: PROMPT, tokens: 5 });
        (1..=5).for_each(|step| script.tell(Event::Compared(compared(step))));
        window.run_ok();
        assert!(sees(window, "Measuring…"));
        let limits = DeviceLimits { copy_bandwidth: 10e9, f32_rate: 25e9 };
        script.tell(Event::DeviceMeasured(Ok(limits)));
        script.tell(Event::ComparisonEnded);
        window.run_ok();
        // 10 MB in 2 ms are half of 10 GB/s; 4 rows of 10 million operations in 2 ms four fifths of 25 GFLOP/s.
        assert!(sees_part(window, "Moved: 5.00 GB/s · 50.0 %"));
        assert!(sees_part(window, "Computed: 20.0 GFLOP/s · 80.0 %"));
        assert!(sees_part(window, "Computed: 5.0 GFLOP/s · 20.0 %"), "of a single row");
        assert!(sees_part(window, "Nearer to the limit of arithmetic"));
        assert!(sees_part(window, "Nearer to the limit of memory"));
        assert!(sees_part(window, "Copy bandwidth: 10.0 GB/s"));

        script.tell(Event::DeviceMeasured(Err("there is no room".into())));
        window.run_ok();
        assert!(sees_part(window, "was not measured: there is no room"));
    });
}

#[test]
fn a_pass_is_drawn_with_what_enters_and_what_is_kept() {
    windows(3, "Phases", |window, _| {
        window.key_press(Key::Home);
        window.run_ok();
        within(
            window,
            "Initiation, step 1: 4 tokens enter at once: 4 new columns. One row of logits falls out",
        );
        window.key_press(Key::End);
        window.run_ok();
        within(window, "Incremental step, step 3: 1 token enters: 1 new column; 5 stand in the KV cache.");
    });
}

#[test]
fn without_a_cache_all_tokens_enter_at_every_step() {
    let script = Scripted::default();
    let mut window = window_on(script.clone(), 1440.0, 1800.0);
    window.run();
    press(&mut window, "Recompute");
    press(&mut window, "Run");
    script.steps(3);
    window.run();
    window.get_by_role_and_label(Role::Tab, "Phases").click();
    window.run_ok();
    assert!(sees_part(&window, "step 3: 6 tokens enter at once: 6 new columns; nothing is kept"));
    window.get_by_role_and_label(Role::Tab, "KV cache").click();
    window.run_ok();
    assert!(sees(&window, "The KV cache is off"));
    assert!(!script.0.borrow().commands.contains(&Command::MapCache));
}

/// Two layers, one with a window and one with a state; two texts that share two of their pages.
fn map() -> CacheMap {
    let layer = |layer, cache, window, state| LayerKeeps { layer, cache, window, chunk: None, state };
    let sequence = |id, positions, pages: &[u32]| CachedSequence {
        sequence: SequenceId(id),
        positions,
        pages: pages
            .iter()
            .map(|&number| CachedPage { number, users: if number < 2 { 2 } else { 1 } })
            .collect(),
    };
    CacheMap {
        layers: vec![layer(0, true, Some(3), false), layer(1, true, None, true), layer(2, false, None, true)],
        sequences: vec![sequence(7, 40, &[0, 1, 2]), sequence(9, 37, &[0, 1, 3])],
        page_positions: 16,
        page_bytes: 2000,
        used_pages: 4,
        shared_pages: 2,
        allocated_pages: 16,
    }
}

#[test]
fn the_cache_is_asked_for_when_it_changed_and_shows_pages_and_what_is_shared() {
    windows(20, "KV cache", |window, script| {
        let asked = |script: &Scripted| {
            script.0.borrow().commands.iter().filter(|command| **command == Command::MapCache).count()
        };
        assert_eq!(asked(script), 1);
        script.tell(Event::CacheMapped(std::sync::Arc::new(map())));
        window.run_ok();
        assert_eq!(asked(script), 1, "nothing has changed");
        within(window, "KV cache: 3 layers by 23 of 32 positions");
        assert!(sees_part(window, "Sequence 1: 40 positions, 3 pages, 2 shared"));
        assert!(sees_part(window, "Sequence 2: 37 positions, 3 pages, 2 shared"));
        assert!(sees_part(window, "Pages in use: 4 of 16"));
        assert!(sees_part(window, "Shared pages: 2"));
        assert!(sees_part(window, "Allocated: 32.0 kB"));
        // The picture is that of the selected step.
        window.key_press(Key::Home);
        window.run_ok();
        within(window, "KV cache: 3 layers by 4 of 32 positions");
        assert!(sees_part(window, "KV cache: 4 positions"));
    });
}

fn op(kind: &str, layer: Option<usize>, milliseconds: f64) -> OpTime {
    let (kind, seconds) = (kind.to_owned(), milliseconds * 1e-3);
    OpTime { kind, layer, seconds, dispatches: 1, weight_bytes: 1_000_000 }
}

fn profile() -> StepProfile {
    let ops = vec![
        op("embed", None, 1.0),
        op("attention", Some(0), 2.0),
        op("linear feed_forward.down", Some(0), 3.0),
        op("attention", Some(1), 6.0),
        op("linear feed_forward.down", Some(1), 3.0),
        op("linear head", None, 5.0),
    ];
    StepProfile { rows: 1, chunks: 1, times: 5, ops }
}

#[test]
fn the_ops_of_each_step_are_timed_once_while_the_run_waits() {
    windows(6, "GPU time", |window, script| {
        let asked = |script: &Scripted| -> Vec<usize> {
            let commands = &script.0.borrow().commands;
            let nodes = commands.iter().filter_map(|command| match command {
                Command::Profile(node) => Some(*node),
                _ => None,
            });
            nodes.collect()
        };
        assert_eq!(asked(script), [5]);
        assert!(sees(window, "Timing the ops…"));
        let tell = |window: &mut Window, node, found| {
            script.tell(Event::Profiled(Box::new(Profiled { node, found })));
            window.run_ok();
        };
        tell(window, 5, Ok(profile()));
        assert!(sees_part(window, "Step 6 · 20.0 ms"));
        assert!(sees(window, "attention: 8.0 ms, 40.0 %, 2 ops"));
        assert!(sees(window, "linear feed_forward.down: 6.0 ms, 30.0 %, 2 ops"));
        press(window, "By layer");
        assert!(sees(window, "Layer 1: 9.0 ms, 45.0 %, 2 ops"));
        assert!(sees(window, "After the layers: 5.0 ms, 25.0 %, 1 op"));
        window.key_press(Key::ArrowLeft);
        window.run_ok();
        window.run_ok();
        assert_eq!(asked(script), [5, 4], "once for each step");
        tell(window, 4, Err("the adapter has no timestamps".into()));
        assert!(sees(window, "The adapter has no timestamps."));
        press(window, "Time the ops");
        assert_eq!(asked(script), [5, 4, 4]);
    });
}

#[test]
fn while_a_run_goes_on_nothing_is_timed_by_itself() {
    let (mut window, script) = running(3);
    window.get_by_role_and_label(Role::Tab, "GPU time").click();
    window.run_ok();
    assert!(!script.0.borrow().commands.iter().any(|command| matches!(command, Command::Profile(_))));
    press(&mut window, "Time the ops");
    assert_eq!(script.last(), Command::Profile(2));
    window.get_by_role_and_label(Role::Tab, "Phases").click();
    window.run_ok();
    press(&mut window, "Limits");
    let button = window.get_by_label("Run it both ways");
    assert!(button.accesskit_node().is_disabled(), "the run comes first");
}

#[test]
fn idle_panes_ask_for_no_frames() {
    for pane in ["Phases", "KV cache", "GPU time"] {
        let (mut window, script) = running(4);
        press(&mut window, "Stop");
        window.get_by_role_and_label(Role::Tab, pane).click();
        window.run_ok();
        script.tell(Event::Profiled(Box::new(Profiled { node: 3, found: Ok(profile()) })));
        script.tell(Event::CacheMapped(std::sync::Arc::new(map())));
        window.run_ok();
        window.run_steps(4);
        let output = &window.output().viewport_output[&egui::ViewportId::ROOT];
        assert_eq!(output.repaint_delay, std::time::Duration::MAX, "{pane}");
    }
}

fn ended(app: &App) -> bool {
    app.view().run.as_ref().is_some_and(|run| run.stop.is_some())
}

/// A run of the built-in model over a prompt of 100 tokens, of 100 new ones, in a real window.
fn hundred_and_hundred(window: &mut Window) {
    until(window, "the built-in model is ready", |app| app.view().loaded.is_some());
    window.run_ok();
    until(window, "the prompt is counted", |app| app.view().prompt_tokens.is_some());
    let have = window.state().view().prompt_tokens.unwrap_or_default();
    super::window::fill(window, "Prompt", &" the".repeat(100 - have));
    until(window, "it has 100 tokens", |app| app.view().prompt_tokens == Some(100));
    window.get_by_role_and_label(Role::RadioButton, "Greedy").click();
    window.run_ok();
    window.get_by_label("Most new tokens").set_value_accesskit(100.0);
    window.run_steps(2);
    window.get_by_label("Run").click();
    until(window, "the run ends", ended);
    window.run_ok();
}

#[test]
fn both_curves_are_measured_on_the_built_in_model() {
    let mut window = window_on(Session::start(|| {}), 1440.0, 900.0);
    hundred_and_hundred(&mut window);
    window.get_by_role_and_label(Role::Tab, "Phases").click();
    window.run_ok();
    press(&mut window, "KV cache: on, off");
    window.get_by_label("Run it both ways").click();
    let mut slowest = std::time::Duration::ZERO;
    while !window.state().view().comparison.as_ref().is_some_and(|comparison| comparison.ended) {
        let begun = std::time::Instant::now();
        window.step();
        slowest = slowest.max(begun.elapsed());
        std::thread::sleep(std::time::Duration::from_millis(4));
    }
    window.run_ok();
    assert!(slowest < std::time::Duration::from_millis(250), "a frame took {slowest:?}");
    let comparison = window.state().view().comparison.clone().expect("it was measured");
    assert_eq!((comparison.prompt, comparison.tokens, comparison.steps.len()), (100, 100, 100));
    let sums = |of: fn(&ComparedStep) -> MeasuredPass| {
        comparison.steps.iter().map(of).fold((0, 0.0), |sum, one| (sum.0 + one.rows, sum.1 + one.seconds))
    };
    let (with, without) = (sums(|step| step.cached), sums(|step| step.uncached));
    assert_eq!((without.0, with.0), (14_950, 199));
    assert!(without.1 > 2.0 * with.1, "{without:?} {with:?}");
    assert!(label(&window, "Without KV cache: ").contains("14 950 rows"));
    assert!(label(&window, "With KV cache: ").contains("199 rows"));
    assert!(matches!(window.state().view().limits, Some(Ok(_))), "{:?}", window.state().view().limits);
}

#[test]
#[ignore = "writes pictures to look at"]
fn pictures_of_the_phases() {
    let mut window = window_on(Session::start(|| {}), 1440.0, 900.0);
    window.ctx.set_theme(egui::Theme::Dark);
    hundred_and_hundred(&mut window);
    window.get_by_role_and_label(Role::Tab, "Phases").click();
    window.run_ok();
    press(&mut window, "KV cache: on, off");
    picture(&mut window, "phases-before");
    window.get_by_label("Run it both ways").click();
    until(&mut window, "half of it is done", |app| {
        app.view().comparison.as_ref().is_some_and(|comparison| comparison.steps.len() >= 50)
    });
    picture(&mut window, "phases-under-way");
    until(&mut window, "it is measured", |app| {
        app.view().comparison.as_ref().is_some_and(|comparison| comparison.ended)
    });
    for (width, height) in [(1440.0, 900.0), (720.0, 480.0)] {
        window.set_size(egui::vec2(width, height));
        for (theme, name) in [(egui::Theme::Dark, "dark"), (egui::Theme::Light, "light")] {
            window.ctx.set_theme(theme);
            window.run_ok();
            let role = if width > 1000.0 { Role::Tab } else { Role::RadioButton };
            let open = |window: &mut Window, pane: &str| {
                window.get_by_role_and_label(role, pane).click();
                window.run_ok();
            };
            let of = |pane: &str| format!("phases-{pane}-{}-{name}", width as usize);
            open(&mut window, "Phases");
            for (view, pane) in [("The pass", "pass"), ("Limits", "limits"), ("KV cache: on, off", "both")] {
                window.get_by_role_and_label(Role::RadioButton, view).click();
                window.run_ok();
                picture(&mut window, &of(pane));
            }
            window.get_by_role_and_label(Role::RadioButton, "The pass").click();
            window.key_press(Key::Home);
            window.run_ok();
            picture(&mut window, &of("initiation"));
            window.key_press(Key::End);
            window.run_ok();
            open(&mut window, "KV cache");
            until(&mut window, "the cache is mapped", |app| app.view().cache.is_some());
            picture(&mut window, &of("cache"));
            open(&mut window, "GPU time");
            until(&mut window, "the ops are timed", |app| app.view().profiled.is_some());
            picture(&mut window, &of("ops"));
        }
    }
}
