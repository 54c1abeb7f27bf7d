//! The pictures of `docs/images`, from the real window, engine and built-in model; `scripts/screenshots.sh` makes
//! them.

use std::path::Path;

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use logitscope::session::{Event, ModelSource, ProbeTarget, Probed, Session};
use logitscope::ui::App;

use super::window::{Window, fill, press, until, window_on};
use super::window_watch::press_far;

/// Draws the window as it is into a file.
pub fn picture(window: &mut Window, name: &str) {
    window.remove_cursor();
    window.run_ok();
    let image = window.render().expect("the window renders");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    image.save(folder.join(format!("{name}.png"))).expect("the picture can be written");
}

fn ready(width: f32, height: f32) -> Window {
    let mut window = window_on(Session::start(|| {}), width, height);
    until(&mut window, "the built-in model is ready", |app| app.view().loaded.is_some());
    window
}

fn steps(app: &App) -> usize {
    app.view().run.as_ref().map_or(0, |run| run.nodes.len())
}

fn ended(app: &App) -> bool {
    app.view().run.as_ref().is_some_and(|run| run.stop.is_some())
}

fn sample(window: &mut Window) {
    press(window, "Sample");
    window.get_by_label("Seed").set_value_accesskit(7.0);
    window.run();
}

#[test]
#[ignore = "writes pictures; scripts/screenshots.sh runs it"]
fn pictures_for_the_documents() {
    let mut window = ready(1440.0, 900.0);
    picture(&mut window, "window-ready");

    sample(&mut window);
    window.get_by_label("Run").click();
    until(&mut window, "the run is under way", |app| steps(app) >= 40);
    window.get_by_label("Pause").click();
    until(&mut window, "the run waits", |app| {
        !matches!(app.view().status, logitscope::session::Status::Running)
    });
    window.get_by_label("Resume").click();
    until(&mut window, "it goes on", |app| steps(app) >= 60);
    // Not settled: the run goes on while the picture is taken.
    let image = window.render().expect("the window renders");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    image.save(folder.join("window-running.png")).expect("the picture can be written");

    until(&mut window, "the run ends", ended);
    picture(&mut window, "window-finished");
    for _ in 0..80 {
        window.key_press(egui::Key::ArrowLeft);
    }
    window.run();
    picture(&mut window, "window-selected-step");
    press(&mut window, "Theme: system");
    picture(&mut window, "window-light");
    window.get_by_label_contains("Initiation: ").click();
    window.run();
    picture(&mut window, "window-phase-card");
    window.key_press(egui::Key::Escape);
    window.run();
    press(&mut window, "Curve");
    picture(&mut window, "window-curve");
    press(&mut window, "Open model…");
    window.get_by_label("Model path").focus();
    window.run();
    window.get_by_label("Model path").type_text("/models/no-such-model");
    window.run();
    picture(&mut window, "window-open");
    window.get_by_label("Open").click();
    until(&mut window, "the card says what is wrong", |app| app.state().cards.open_problem.is_some());
    picture(&mut window, "window-error");

    let mut window = ready(720.0, 480.0);
    window.get_by_label("Run").click();
    until(&mut window, "the run ends", ended);
    picture(&mut window, "window-small");
    for (pane, name) in [("Prompt", "prompt"), ("Pipeline", "pipeline"), ("Step", "step")] {
        window.get_by_role_and_label(Role::RadioButton, pane).click();
        window.run();
        picture(&mut window, &format!("window-small-{name}"));
    }
}

/// A question to the chat model whose file LOGITSCOPE_CHAT_MODEL names.
#[test]
#[ignore = "writes pictures of a model of one's own; scripts/screenshots.sh runs it where one is there"]
fn pictures_of_a_conversation() {
    let model = std::env::var_os("LOGITSCOPE_CHAT_MODEL").expect("LOGITSCOPE_CHAT_MODEL names a chat model");
    let source = ModelSource::Path(model.into());
    let worker = Session::start(|| {});
    let mut window = Harness::builder()
        .with_size(egui::vec2(1440.0, 900.0))
        .with_max_steps(64)
        .build_eframe(|creation| App::new(creation, Box::new(worker), source));
    until(&mut window, "the model is ready", |app| app.view().loaded.is_some());
    window.run_ok();
    window.get_by_label("Prompt").focus();
    window.run_ok();
    window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    window.run_ok();
    fill(&mut window, "Prompt", "What is the capital of France, and what is it known for?");
    window.get_by_role_and_label(Role::RadioButton, "Greedy").click();
    window.run_ok();
    window.get_by_label("Most new tokens").set_value_accesskit(96.0);
    window.run_steps(2);
    window.get_by_label("Run").click();
    until(&mut window, "the answer ends", ended);
    window.run_ok();
    press(&mut window, "Colour the prompt too");
    until(&mut window, "the prompt is scored", |app| {
        app.view()
            .run
            .as_ref()
            .is_some_and(|run| run.prompt[1..].iter().all(|token| token.expectation.is_some()))
    });
    window.run_ok();
    // The question comes into view with one of its tokens.
    let question = |window: &mut Window| {
        window
            .query_all_by_label_contains("Prompt token ")
            .find(|node| node.accesskit_node().label().is_some_and(|label| label.ends_with("·France")))
            .expect("a token of the question")
            .click();
        window.run_ok();
    };
    question(&mut window);
    window.query_all_by_label_contains("Step 12: ").next().expect("a long answer").click();
    window.run_ok();
    picture(&mut window, "window-conversation");
    question(&mut window);
    press(&mut window, "Theme: system");
    picture(&mut window, "window-prompt-token");
    window.set_size(egui::vec2(720.0, 480.0));
    window.run_ok();
    picture(&mut window, "conversation-small");
    window.get_by_role_and_label(Role::RadioButton, "Step").click();
    window.run_ok();
    picture(&mut window, "conversation-small-step");
}

#[test]
#[ignore = "writes pictures to look at"]
fn pictures_of_the_inside() {
    let mut window = ready(1440.0, 900.0);
    sample(&mut window);
    window.get_by_label("Most new tokens").set_value_accesskit(40.0);
    window.run_steps(2);
    window.get_by_label("Run").click();
    until(&mut window, "the run ends", ended);
    window.run_ok();
    for _ in 0..4 {
        window.key_press(egui::Key::ArrowLeft);
    }
    let looked = |app: &App| app.view().probed.is_some();
    window.get_by_role_and_label(Role::Tab, "Layers").click();
    window.run_ok();
    until(&mut window, "it was looked into", looked);
    for view in ["Norms", "Parts", "Lens"] {
        window.get_by_role_and_label(Role::RadioButton, view).click();
        window.run_ok();
        picture(&mut window, &format!("inside-{view}"));
    }
    window.get_by_role_and_label(Role::Tab, "Attention").click();
    window.run_ok();
    picture(&mut window, "inside-attention");
    press(&mut window, "Theme: system");
    press(&mut window, "Layer after");
    window.query_all_by_label_contains("Head 3: ").next().expect("a head").hover();
    window.run_ok();
    let image = window.render().expect("the window renders");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    image.save(folder.join("inside-attention-light.png")).expect("the picture can be written");
    window.get_by_role_and_label(Role::RadioButton, "Layers").click();
    window.run_ok();
    picture(&mut window, "inside-attention-layers");
    window.get_by_role_and_label(Role::Tab, "Layers").click();
    window.run_ok();
    picture(&mut window, "inside-lens-light");
    let (mut scripted, script) = super::window::window();
    press(&mut scripted, "Step");
    scripted.get_by_role_and_label(Role::Tab, "Layers").click();
    scripted.run_ok();
    let (target, found) = (ProbeTarget::Node(0), Ok(super::window_inside::many_experts_and_states()));
    script.tell(Event::Probed(Box::new(Probed { target, found })));
    for view in ["Experts", "States"] {
        scripted.run_ok();
        scripted.get_by_role_and_label(Role::RadioButton, view).click();
        scripted.run_ok();
        picture(&mut scripted, &format!("inside-{view}"));
    }
    window.set_size(egui::vec2(720.0, 480.0));
    window.run_ok();
    for pane in ["Layers", "Attention"] {
        window.get_by_role_and_label(Role::RadioButton, pane).click();
        window.run_ok();
        picture(&mut window, &format!("inside-small-{pane}"));
    }
}

#[test]
#[ignore = "writes pictures to look at"]
fn pictures_of_strategies() {
    let mut window = ready(1440.0, 900.0);
    for (index, (strategy, pane)) in [
        ("Beam", "Beams"),
        ("Contrastive", "Contrastive"),
        ("Speculative", "Draft"),
        ("Lookahead", "Lookahead"),
    ]
    .into_iter()
    .enumerate()
    {
        window.get_by_role_and_label(Role::RadioButton, strategy).click();
        window.run();
        window.get_by_label("Most new tokens").set_value_accesskit(24.0);
        window.run_steps(2);
        if strategy == "Speculative" {
            // A text that repeats itself, so that drafts are accepted.
            window.get_by_label("Prompt").focus();
            window.run_ok();
            window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
            window.run_ok();
            let line = "The king had a cat, and the king had a dog, and the king had a ";
            fill(&mut window, "Prompt", line);
        }
        window.get_by_label("Run").click();
        until(&mut window, "it begins anew", |app| !ended(app));
        until(&mut window, "the run ends", ended);
        window.run_ok();
        for _ in 0..8 {
            window.key_press(egui::Key::ArrowLeft);
        }
        window.run_ok();
        window.get_by_role_and_label(Role::Tab, pane).click();
        window.run_ok();
        picture(&mut window, &format!("strategy-{index}-{pane}"));
        window.get_by_role_and_label(Role::Tab, "Tree").click();
        window.run_ok();
        if index == 0 {
            picture(&mut window, "strategy-tree-beams");
            press(&mut window, "Theme: system");
        }
    }
    window.query_all_by_label_contains("Go on with ").next().expect("another token").click();
    until(&mut window, "it branches", |app| !ended(app));
    until(&mut window, "the branch ends", ended);
    picture(&mut window, "strategy-tree");
    window.set_size(egui::vec2(720.0, 480.0));
    window.run_ok();
    for pane in ["Tree", "Lookahead", "Text"] {
        window.get_by_role_and_label(Role::RadioButton, pane).click();
        window.run_ok();
        picture(&mut window, &format!("strategy-small-{pane}"));
    }
}

fn scroll_to(window: &mut Window, label: &str) {
    window.get_by_label(label).scroll_to_me();
    window.run_ok();
}

/// What watches a run, in both themes and in the smallest window.
#[test]
#[ignore = "writes pictures to look at"]
fn pictures_of_watching() {
    let mut window = ready(1440.0, 900.0);
    for label in ["Break when", "Entropy above", "Rank beyond"] {
        press_far(&mut window, label);
    }
    scroll_to(&mut window, "Text appears");
    window.get_by_label("Run").click();
    until(&mut window, "the run pauses by itself", |app| app.view().broke.is_some());
    window.run_ok();
    picture(&mut window, "watch-break");
    press(&mut window, "Theme: system");
    picture(&mut window, "watch-break-light");
    window.set_size(egui::vec2(720.0, 480.0));
    window.run_ok();
    picture(&mut window, "watch-break-small");
    window.get_by_role_and_label(Role::RadioButton, "Prompt").click();
    window.run_ok();
    press_far(&mut window, "Break when · on");
    scroll_to(&mut window, "Text appears");
    picture(&mut window, "watch-break-small-settings");
    let mut window = ready(1440.0, 900.0);
    window.get_by_label("Most new tokens").set_value_accesskit(60.0);
    window.run_steps(2);
    window.get_by_label("Run").click();
    until(&mut window, "it is under way", |app| steps(app) >= 10);
    press(&mut window, "Pin the selected token");
    until(&mut window, "the run ends", ended);
    window.get_by_role_and_label(Role::Tab, "Pinned").click();
    window.run_ok();
    picture(&mut window, "watch-pinned");
    press(&mut window, "Rank");
    fill(&mut window, "Find a token to pin", " the");
    window.run_ok();
    until(&mut window, "it is found", |app| app.view().found.is_some());
    press(&mut window, "Theme: system");
    picture(&mut window, "watch-pinned-search");
    window.set_size(egui::vec2(720.0, 480.0));
    window.run_ok();
    window.get_by_role_and_label(Role::RadioButton, "Pinned").click();
    window.run_ok();
    window.get_by_label("Find a token to pin").focus();
    window.run_ok();
    window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    window.key_press(egui::Key::Backspace);
    window.run_ok();
    picture(&mut window, "watch-pinned-small");
    let mut window = ready(1440.0, 900.0);
    window.get_by_label("Most new tokens").set_value_accesskit(60.0);
    window.run_steps(2);
    window.get_by_label("Run").click();
    until(&mut window, "the run ends", ended);
    press_far(&mut window, "What if");
    window.get_by_label("Temperature").set_value_accesskit(0.6);
    window.run_ok();
    window.query_all_by_label_contains(", would be").next().expect("a change").click();
    window.run_ok();
    picture(&mut window, "watch-what-if");
    window.query_all_by_label_contains("Candidate ·an:").next().expect("a candidate").hover();
    until(&mut window, "it is looked ahead", |app| app.view().peeked.as_ref().is_some_and(|one| one.done));
    window.step();
    let image = window.render().expect("the window renders");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    image.save(folder.join("watch-peek.png")).expect("the picture can be written");
    window.get_by_role_and_label(Role::Tab, "Vocabulary").click();
    window.run_ok();
    until(&mut window, "the row is there", |app| app.view().row.is_some());
    window.run_ok();
    picture(&mut window, "watch-field");
    window.get_by_label("Lit cells").click();
    window.run_ok();
    window.get_by_label("kept after top-k").click();
    window.run_ok();
    press(&mut window, "Theme: system");
    picture(&mut window, "watch-field-light");
    window.get_by_role_and_label(Role::Tab, "Pipeline").click();
    window.run_ok();
    picture(&mut window, "watch-what-if-light");
    window.set_size(egui::vec2(720.0, 480.0));
    window.run_ok();
    window.get_by_role_and_label(Role::RadioButton, "Prompt").click();
    window.run_ok();
    scroll_to(&mut window, "Min-p");
    picture(&mut window, "watch-what-if-small");
    window.get_by_role_and_label(Role::RadioButton, "Vocabulary").click();
    window.run_ok();
    picture(&mut window, "watch-field-small");
}

/// Lanes, in both themes and in the smallest window.
#[test]
#[ignore = "writes pictures to look at"]
fn pictures_of_lanes() {
    let mut window = ready(1440.0, 900.0);
    window.get_by_role_and_label(Role::Tab, "Lanes").click();
    window.run_ok();
    picture(&mut window, "lanes-none");
    press(&mut window, "Set up two lanes");
    window.get_by_label("Temperature").set_value_accesskit(0.5);
    window.run_ok();
    picture(&mut window, "lanes-set-up");
    press(&mut window, "Add a lane of the present settings");
    window.get_by_label("Temperature").set_value_accesskit(0.8);
    window.run_ok();
    window.get_by_role_and_label(Role::RadioButton, "Lookahead").click();
    window.run_ok();
    press(&mut window, "Change lane C no more");
    press(&mut window, "Run the lanes");
    until(&mut window, "the lanes end", |app| {
        (0..3).all(|lane| app.view().lane(lane).is_some_and(|run| run.stop.is_some()))
    });
    window.run_ok();
    picture(&mut window, "lanes-ended");
    window.query_all_by_label_contains("Lane B, step 125").next().expect("its token").click();
    until(&mut window, "it is shown", |app| app.view().lanes.shown() == Some(1));
    for _ in 0..116 {
        window.key_press(egui::Key::ArrowLeft);
    }
    window.run_ok();
    picture(&mut window, "lanes-shown");
    press(&mut window, "Theme: system");
    picture(&mut window, "lanes-light");
    window.set_size(egui::vec2(1440.0, 1400.0));
    window.run_ok();
    picture(&mut window, "lanes-tall");
    window.set_size(egui::vec2(720.0, 480.0));
    window.run_ok();
    window.get_by_role_and_label(Role::RadioButton, "Lanes").click();
    window.run_ok();
    picture(&mut window, "lanes-small");
    press(&mut window, "Theme: light");
    picture(&mut window, "lanes-small-dark");
}
