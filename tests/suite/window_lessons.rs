//! Lessons in the window: each of those inside the program is walked through, and gives back what was there before.

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use logitscope::session::{Command, ComparedStep, Event, MeasuredPass, Pace, Prompt, Session};
use logitscope::ui::lessons::{Lesson, RunKind, Step, built_in};

use super::window::{Window, drop_file, fill, press, sees, sees_part, until, window_on};
use super::window_pictures::picture;
use super::window_script::{Scripted, loaded};
use super::window_watch::press_far;

const SIZES: [(f32, f32); 2] = [(1440.0, 900.0), (720.0, 480.0)];

fn scripted(width: f32, height: f32) -> (Window, Scripted) {
    let script = Scripted::default();
    let mut window = window_on(script.clone(), width, height);
    window.run();
    (window, script)
}

/// Begins a lesson by the card.
fn begin(window: &mut Window, number: usize) {
    press(window, "Lessons");
    let title = &built_in()[number - 1].title;
    press_far(window, &format!("Lesson {number}: {title}"));
    assert!(sees(window, &built_in()[number - 1].steps[0].title));
}

/// Chooses an answer of the step on show.
fn choose(window: &mut Window, answer: &str) {
    let radios = window.query_all_by_role_and_label(Role::RadioButton, answer);
    radios.last().unwrap_or_else(|| panic!("no answer {answer}")).click_accesskit();
    window.run();
}

fn label(kind: RunKind) -> &'static str {
    match kind {
        RunKind::ToTheEnd => "Run it",
        RunKind::OneStep => "One step",
        RunKind::BothWays => "Measure both ways",
    }
}

/// Presses the step's button, and lets the script do what it asks.
fn run(window: &mut Window, script: &Scripted, step: &Step, kind: RunKind) {
    press_far(window, label(kind));
    match kind {
        RunKind::ToTheEnd => {
            script.steps(step.set_up.settings.stop.max_tokens);
            window.run();
        }
        RunKind::OneStep => {}
        RunKind::BothWays => {
            assert_eq!(script.last(), Command::Compare);
            script.tell(Event::ComparisonStarted { tip: 0, prompt: 4, tokens: 1 });
            let pass = MeasuredPass { rows: 4, chunks: 1, seconds: 0.01, work: None };
            script.tell(Event::Compared(ComparedStep { cached: pass, uncached: pass }));
            script.tell(Event::ComparisonEnded);
            window.run();
        }
    }
}

/// Goes through a lesson, with right answers.
fn walk(window: &mut Window, script: &Scripted, lesson: &Lesson) {
    for (index, step) in lesson.steps.iter().enumerate() {
        let what = format!("{}, step {}", lesson.title, index + 1);
        assert!(
            sees(window, &format!("Step {} of {} of the lesson", index + 1, lesson.steps.len())),
            "{what}"
        );
        assert!(sees_part(window, &step.title), "{what}");
        let state = window.state().state();
        assert_eq!(state.remembered.decoding, step.set_up.settings, "{what}");
        assert_eq!(Some(&state.remembered.prompt), step.set_up.prompt.as_ref(), "{what}");
        assert!(step.set_up.pane.is_none_or(|pane| state.compact_pane == pane), "{what}");
        if let Some(question) = &step.question {
            if let Some(kind) = step.run {
                let button = window.get_by_label(label(kind));
                assert!(button.accesskit_node().is_disabled(), "{what}: predict first");
            }
            let right = question.answers.iter().find(|answer| answer.right).expect("one is right");
            choose(window, &right.text);
            assert!(step.run.is_none() || !sees(window, "Right"), "{what}: not before it has run");
        }
        let commands = script.0.borrow().commands.len();
        if let Some(kind) = step.run {
            run(window, script, step, kind);
            let sent: Vec<Command> = script.0.borrow().commands[commands..].to_vec();
            for request in sent {
                let Command::Start(request) = request else { continue };
                assert!(
                    matches!(&request.prompt, Prompt::Text { text, .. } if Some(text) == step.set_up.prompt.as_ref())
                );
                assert_eq!(request.settings, step.set_up.settings.clone().as_used(), "{what}");
                assert_eq!(request.pace == Pace::SingleStep, kind == RunKind::OneStep, "{what}");
            }
        }
        assert_eq!(sees(window, "Right"), step.question.is_some(), "{what}");
        let last = index + 1 == lesson.steps.len();
        press(window, if last { "Finish" } else { "Next" });
    }
}

#[test]
fn every_lesson_is_walked_through_and_gives_back_what_was_there() {
    for (width, height) in SIZES {
        for (index, lesson) in built_in().iter().enumerate() {
            let (mut window, script) = scripted(width, height);
            let before = window.state().state().remembered.clone();
            begin(&mut window, index + 1);
            walk(&mut window, &script, lesson);
            assert!(window.state().state().lesson.is_none());
            assert_eq!(window.state().state().remembered, before, "{}", lesson.title);
        }
    }
}

/// Lets another model than the lessons' be open.
fn open_another(window: &mut Window, script: &Scripted) {
    let mut other = loaded();
    (other.model.name, other.model.path) = ("another".to_owned(), "/models/another".to_owned());
    script.tell(Event::LoadStarted { name: "another".to_owned() });
    script.tell(Event::Loaded(Box::new(other)));
    window.run();
}

#[test]
fn with_another_model_every_lesson_says_so_and_judges_nothing() {
    for (index, lesson) in built_in().iter().enumerate() {
        let (mut window, script) = scripted(1440.0, 900.0);
        open_another(&mut window, &script);
        begin(&mut window, index + 1);
        let what = &lesson.title;
        for (at, step) in lesson.steps.iter().enumerate() {
            assert!(sees_part(&window, "was written for the demonstration model"), "{what}, step {at}");
            if let Some(question) = &step.question {
                choose(&mut window, &question.answers[0].text);
            }
            if let Some(kind) = step.run {
                run(&mut window, &script, step, kind);
            }
            assert!(!sees(&window, "Right") && !sees(&window, "Not quite"), "{what}, step {at}");
            press(&mut window, if at + 1 == lesson.steps.len() { "Finish" } else { "Next" });
        }
    }
}

#[test]
fn the_lessons_own_model_is_one_press_away() {
    let (mut window, script) = scripted(1440.0, 900.0);
    open_another(&mut window, &script);
    begin(&mut window, 1);
    press_far(&mut window, "Open that model");
    assert!(
        matches!(script.last(), Command::Load(request) if request.source == logitscope::session::ModelSource::BuiltIn)
    );
    window.run();
    assert!(!sees_part(&window, "was written for"), "it is open now");
    script.tell(Event::LoadFailed);
    window.run();
    assert!(sees_part(&window, "No model is open") && sees(&window, "Open that model"));
    assert!(sees(&window, "No model yet"));
    press(&mut window, "Open the built-in model");
    assert!(sees(&window, "Model: fairy tales"));
}

/// The texts of the run on show and of the lanes beside it.
fn texts(window: &Window) -> Vec<String> {
    let view = window.state().view();
    let shown = view.run.iter().map(|run| run.text());
    shown.chain((0..view.lanes.len()).filter_map(|lane| view.lane(lane)).map(|run| run.text())).collect()
}

#[test]
fn a_lesson_puts_back_the_run_that_was_on_show_with_its_lanes() {
    for lanes in [false, true] {
        let (mut window, script) = scripted(1440.0, 900.0);
        if lanes {
            press(&mut window, "Lanes");
            press(&mut window, "Set up two lanes");
            press(&mut window, "Run the lanes");
            script.steps(3);
            script.lane_steps(1, 5);
            script.tell(Event::LanesFinished);
        } else {
            press(&mut window, "Run");
            script.steps(7);
        }
        window.run();
        if !lanes {
            press(&mut window, "Stop");
        }
        let (before, own) = (texts(&window), window.state().state().remembered.clone());
        assert!(before.iter().all(|text| !text.is_empty()));
        begin(&mut window, 3);
        press_far(&mut window, "One step");
        assert_ne!(texts(&window), before);
        press(&mut window, "Leave the lesson");
        window.run();
        assert_eq!(texts(&window), before, "lanes: {lanes}");
        assert_eq!(window.state().state().remembered, own);
        window.key_press(Key::U);
        window.run();
        assert_ne!(texts(&window), before, "the lesson's run is not lost either");
    }
}

#[test]
fn a_wrong_answer_is_explained() {
    let (mut window, script) = scripted(1440.0, 900.0);
    begin(&mut window, 1);
    press(&mut window, "Next");
    let step = &built_in()[0].steps[1];
    let wrong = &step.question.as_ref().expect("it asks").answers[0];
    choose(&mut window, &wrong.text);
    run(&mut window, &script, step, RunKind::OneStep);
    assert!(sees(&window, "Not quite") && sees(&window, &wrong.explanation));
    assert!(sees(&window, "Run it again"));
}

#[test]
fn a_prompt_that_was_typed_is_not_lost_without_asking() {
    let (mut window, _) = scripted(1440.0, 900.0);
    let prompt = |window: &Window| window.state().state().remembered.prompt.clone();
    let before = prompt(&window);
    begin(&mut window, 2);
    press(&mut window, "Next");
    fill(&mut window, "Prompt", "!");
    let typed = prompt(&window);
    press(&mut window, "Next");
    assert!(sees(&window, &built_in()[1].steps[1].title), "it asks first");
    press(&mut window, "Keep mine");
    assert!(sees(&window, &built_in()[1].steps[2].title));
    assert_eq!(prompt(&window), typed);
    press(&mut window, "Back");
    press(&mut window, "Take the lesson's");
    assert_ne!(prompt(&window), typed);
    fill(&mut window, "Prompt", "?");
    let typed = prompt(&window);
    press(&mut window, "Leave the lesson");
    press(&mut window, "Keep mine");
    assert_eq!(prompt(&window), typed);
    assert!(window.state().state().lesson.is_none());

    begin(&mut window, 2);
    fill(&mut window, "Prompt", "!");
    press(&mut window, "Leave the lesson");
    press(&mut window, "Put that back");
    assert_eq!(prompt(&window), typed);
    assert_ne!(typed, before);
}

#[test]
fn other_settings_begin_another_run_although_one_waits() {
    let (mut window, script) = scripted(1440.0, 900.0);
    press(&mut window, "Step");
    begin(&mut window, 4);
    run(&mut window, &script, &built_in()[3].steps[0], RunKind::ToTheEnd);
    let starts = script.0.borrow().commands.iter().filter(|one| matches!(one, Command::Start(_))).count();
    assert_eq!(starts, 2, "the person's run does not go on");
}

#[test]
fn a_teachers_lesson_opens_by_dropping_it_and_a_broken_one_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let (good, broken) = (folder.path().join("mine.md"), folder.path().join("broken.md"));
    std::fs::write(&good, "# My lesson\n\n## Begin here\nSome text.\n@prompt A cat\n@pane curve\n")
        .expect("written");
    std::fs::write(&broken, "# My lesson\n\n## Begin here\nSome text.\n@pane curves\n").expect("written");
    let (mut window, _) = scripted(1440.0, 900.0);
    let told = |window: &mut Window, what: &str, part: &str| {
        let begun = std::time::Instant::now();
        while !sees_part(window, part) {
            assert!(begun.elapsed().as_secs() < 20, "waited in vain: {what}");
            std::thread::sleep(std::time::Duration::from_millis(2));
            window.step();
        }
    };
    drop_file(&mut window, broken);
    told(&mut window, "the reason", "line 5: there is no pane “curves”");
    drop_file(&mut window, good);
    told(&mut window, "the lesson", "Begin here");
    assert_eq!(window.state().state().remembered.prompt, "A cat");
    press(&mut window, "Finish");
    assert_eq!(window.state().state().remembered.prompt, "Once upon a time");
}

#[test]
fn lessons_are_found_on_the_first_page_and_by_name() {
    for (width, height) in SIZES {
        let (mut window, _) = scripted(width, height);
        press(&mut window, "Take a lesson");
        assert!(sees_part(&window, "Lesson 8: "));
        window.key_press(Key::L);
        window.run();
        assert!(!sees_part(&window, "Lesson 8: "), "the key closes the card");
        window.key_press_modifiers(egui::Modifiers::COMMAND, Key::K);
        window.run();
        window.get_by_label("Command").type_text("lesson 3");
        window.run();
        window.key_press(Key::Enter);
        window.run();
        assert!(sees(&window, &built_in()[2].steps[0].title));
    }
}

/// What the third lesson claims holds on the built-in model: the first token took longer than the second, and a row of
/// initiation is cheaper than a step.
#[test]
fn the_third_lesson_is_true_on_the_built_in_model() {
    let mut window = window_on(Session::start(|| {}), 1440.0, 900.0);
    until(&mut window, "the built-in model is ready", |app| app.view().loaded.is_some());
    window.run_ok();
    press(&mut window, "Lessons");
    press_far(&mut window, &format!("Lesson 3: {}", built_in()[2].title));
    let nodes = |app: &logitscope::ui::App| app.view().run.as_ref().map_or(0, |run| run.nodes.len());
    for (index, step) in built_in()[2].steps.iter().enumerate() {
        if let Some(question) = &step.question {
            let right = question.answers.iter().find(|answer| answer.right).expect("one is right");
            choose(&mut window, &right.text);
        }
        if let Some(kind) = step.run {
            let before = nodes(window.state());
            window.get_by_label(label(kind)).click_accesskit();
            until(&mut window, "the step has run", |app| match kind {
                RunKind::OneStep => nodes(app) > before,
                RunKind::ToTheEnd => app.view().run.as_ref().is_some_and(|run| run.stop.is_some()),
                RunKind::BothWays => app.view().comparison.as_ref().is_some_and(|found| found.ended),
            });
            window.run_ok();
        }
        let last = index + 1 == built_in()[2].steps.len();
        if !last {
            window.get_by_label("Next").click();
            window.run_ok();
        }
    }
    let run = window.state().view().run.as_ref().expect("it ran");
    assert!((140..170).contains(&run.prompt.len()), "some hundred and fifty tokens: {}", run.prompt.len());
    let seconds = |place: usize| run.nodes[place].timing.total_seconds;
    assert!(seconds(0) > seconds(1), "the first token {} s, the second {} s", seconds(0), seconds(1));
    let steps = &window.state().view().comparison.as_ref().expect("measured").steps;
    let later = steps[1..].iter().map(|step| step.cached.seconds).sum::<f64>() / (steps.len() - 1) as f64;
    assert!(steps[0].cached.seconds / steps[0].cached.rows as f64 <= later);
    press(&mut window, "Finish");
}

#[test]
#[ignore = "writes pictures to look at"]
fn pictures_of_lessons() {
    for (width, height) in SIZES {
        for (theme, name) in [(egui::Theme::Dark, "dark"), (egui::Theme::Light, "light")] {
            let mut window = window_on(Session::start(|| {}), width, height);
            window.ctx.set_theme(theme);
            until(&mut window, "the built-in model is ready", |app| app.view().loaded.is_some());
            window.run_ok();
            let of = |what: &str| format!("lesson-{what}-{}-{name}", width as usize);
            picture(&mut window, &of("start"));
            press(&mut window, "Lessons");
            picture(&mut window, &of("card"));
            press_far(&mut window, &format!("Lesson 3: {}", built_in()[2].title));
            picture(&mut window, &of("first"));
            press_far(&mut window, "One step");
            until(&mut window, "it stepped", |app| {
                app.view().run.as_ref().is_some_and(|run| run.nodes.len() == 1)
            });
            window.run_ok();
            press(&mut window, "Next");
            picture(&mut window, &of("second"));
            press(&mut window, "Next");
            picture(&mut window, &of("question"));
            choose(&mut window, "Less");
            press_far(&mut window, "One step");
            until(&mut window, "it stepped", |app| {
                app.view().run.as_ref().is_some_and(|run| run.nodes.len() == 2)
            });
            window.run_ok();
            picture(&mut window, &of("answered"));
        }
    }
}

#[test]
fn a_run_that_a_lesson_left_paused_ends_with_it() {
    let (mut window, script) = scripted(1440.0, 900.0);
    begin(&mut window, 3);
    press_far(&mut window, "One step");
    script.steps(1);
    window.run();
    assert!(window.state().view().has_live_run(), "it waits for the next step");
    press(&mut window, "Leave the lesson");
    window.run();
    assert_eq!(script.0.borrow().commands.iter().filter(|command| **command == Command::Stop).count(), 1);
    assert!(!window.state().view().has_live_run());
}
