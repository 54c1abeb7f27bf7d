//! The prompt's tokens in the window: selected, scored when asked for, coloured; and the model's own settings.

use egui::Key;
use logitscope::decoding::StrategyKind;
use logitscope::session::{Command, Event, GenerationDefaults};

use super::window::{Window, press, running, sees, sees_part, started, window};
use super::window_script::{Scripted, loaded};

/// How often the worker was asked to score a prompt.
fn asked(script: &Scripted) -> usize {
    script.0.borrow().commands.iter().filter(|command| **command == Command::ScorePrompt).count()
}

fn key(window: &mut Window, key: Key) {
    window.key_press(key);
    window.run();
}

#[test]
fn a_selected_token_of_the_prompt_shows_what_the_model_expected_there() {
    let (mut window, script) = running(3);
    assert_eq!(asked(&script), 0, "nobody wants it yet");
    press(&mut window, "Prompt token 3: a·");
    window.run();
    assert_eq!(asked(&script), 1);
    assert!(sees(&window, "Probability: 13.5 %"), "e to the −2 nats of the script");
    assert!(sees(&window, "Surprisal: 2.000 nats"));
    assert!(sees(&window, "Rank: 20 of 4\u{2009}096"));
    assert!(sees(&window, "Expected ·midnight: 50.0 %"));
    assert!(sees_part(&window, "A token of the prompt is selected"), "the pipeline has nothing to show");
    press(&mut window, "Prompt token 1: Once·");
    assert!(sees_part(&window, "Nothing stands before the first token"));
    assert_eq!(asked(&script), 1, "one pass gives all of them");

    // Prompt and text are one line to the arrows.
    for _ in 0..4 {
        key(&mut window, Key::ArrowRight);
    }
    assert!(sees(&window, "Selected token: ·there"), "the first step");
    key(&mut window, Key::ArrowLeft);
    assert!(sees(&window, "Surprisal: 3.000 nats"), "the prompt's last token");
    key(&mut window, Key::End);
    assert!(sees(&window, "Selected token: ·a"), "the newest step");
}

#[test]
fn a_coloured_prompt_is_scored_with_every_run_and_only_for_colours_that_it_has() {
    let (mut window, script) = running(1);
    press(&mut window, "Colour the prompt too");
    window.run();
    assert_eq!(asked(&script), 1);
    let prompt = window.state().view().run.as_ref().expect("a run").prompt.clone();
    assert_eq!(prompt.iter().filter(|token| token.expectation.is_some()).count(), prompt.len() - 1);
    press(&mut window, "Stop");
    press(&mut window, "Run");
    assert_eq!(asked(&script), 1, "initiation comes first");
    script.steps(1);
    window.run();
    window.run();
    assert_eq!(asked(&script), 2);

    press(&mut window, "Colour by");
    press(&mut window, "milliseconds");
    assert!(!sees(&window, "Colour the prompt too"), "a given token took no time of its own");
    press(&mut window, "Stop");
    press(&mut window, "Run");
    script.steps(1);
    window.run();
    assert_eq!(asked(&script), 2);
}

#[test]
fn a_models_own_settings_are_offered_and_taken_over() {
    let (mut window, script) = window();
    let use_them = "Use the model's own settings";
    assert!(!sees(&window, use_them), "the files say nothing");
    let defaults = GenerationDefaults {
        do_sample: Some(true),
        temperature: Some(0.6),
        top_k: Some(20),
        top_p: Some(0.95),
        ..GenerationDefaults::default()
    };
    script.tell(Event::Loaded(Box::new(logitscope::session::event::Loaded { defaults, ..loaded() })));
    window.run();
    let words = "sample · temperature 0.6 · top-k 20 · top-p 0.95";
    assert!(sees(&window, &format!("The model's own files say: {words}.")));
    let seed = window.state().state().remembered.decoding.seed;
    press(&mut window, use_them);
    assert!(sees(&window, &format!("As the model's own files say: {words}.")));
    assert!(!sees(&window, use_them));
    press(&mut window, "Run");
    let settings = started(&script).settings;
    assert_eq!((settings.strategy, settings.seed), (StrategyKind::Sample, seed));
    let stages = settings.stages;
    assert_eq!((stages.temperature, stages.top_k, stages.top_p), (0.6, 20, 0.95));
}
