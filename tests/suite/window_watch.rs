//! What watches a run: conditions that pause it, tokens pinned, settings held against it.

use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use logitscope::session::break_when::Limit;
use logitscope::session::{Break, BreakReason, BreakWhen, Command, Event};
use logitscope::trace::{Candidate, Token};

use super::window::{Window, press, sees, sees_part, window_on};
use super::window_script::Scripted;

/// A desktop window and the smallest one, each light and dark, on a scripted worker.
pub fn windows(mut test: impl FnMut(&mut Window, &Scripted)) {
    for (width, height) in [(1440.0, 1400.0), (720.0, 480.0)] {
        for theme in ["light", "dark"] {
            let script = Scripted::default();
            let mut window = window_on(script.clone(), width, height);
            window.run();
            press(&mut window, "Theme: system");
            if theme == "dark" {
                press(&mut window, "Theme: light");
            }
            test(&mut window, &script);
        }
    }
}

/// Presses what may lie below the edge of what scrolls.
pub fn press_far(window: &mut Window, label: &str) {
    window.get_by_label(label).click_accesskit();
    window.run();
}

/// Shows the settings of a narrow window.
fn to_settings(window: &mut Window) {
    if sees(window, "Prompt") && window.query_by_label("Break when").is_none() {
        window.query_all_by_label("Prompt").next().expect("the pane's switch").click();
        window.run();
    }
}

#[test]
fn conditions_are_set_sent_and_remembered() {
    windows(|window, script| {
        to_settings(window);
        press_far(window, "Break when");
        press_far(window, "Entropy above");
        window.get_by_label("Entropy above, limit").set_value_accesskit(2.5);
        window.run();
        press_far(window, "Likeliest passed over");
        window.get_by_label("Token chosen").focus();
        window.run();
        window.get_by_label("Token chosen").type_text("5, 17");
        window.run();
        window.get_by_label("Text appears").focus();
        window.run();
        window.get_by_label("Text appears").type_text("the end");
        window.run();
        let expected = BreakWhen {
            entropy: Limit { on: true, at: 2.5 },
            tokens: [5, 17].into(),
            text: "the end".to_owned(),
            passed_over: true,
            ..BreakWhen::default()
        };
        assert_eq!(script.last(), Command::BreakWhen(expected.clone()));
        assert_eq!(window.state().state().remembered.break_when, expected);
        assert!(sees(window, "Break when · on"), "the folded group tells");
        assert!(window.get_by_label("Rank beyond, limit").accesskit_node().is_disabled());
    });
}

/// Shows a pane, by its tab in a wide window and by its switch in a narrow one.
pub fn to_pane(window: &mut Window, name: &str) {
    let wide = window.query_by_role_and_label(Role::Tab, name).is_some();
    let role = if wide { Role::Tab } else { Role::RadioButton };
    window.get_by_role_and_label(role, name).click();
    window.run();
}

#[test]
fn pinned_tokens_are_lines_over_the_steps_and_rows_beside_them() {
    windows(|window, script| {
        to_pane(window, "Pinned");
        assert!(sees(window, "No steps yet"));
        press(window, "Run");
        script.steps(9);
        window.run();
        let plot = |window: &Window| -> String {
            let plot =
                window.query_all_by_label_contains("Plot of step").next().expect("the lines are there");
            plot.accesskit_node().label().expect("it has a name")
        };
        assert!(
            plot(window).starts_with("Plot of step 1 to 9 and log-probability, nats"),
            "{}",
            plot(window)
        );
        press(window, "Rank");
        assert!(plot(window).contains("rank"));
        press(window, "Logit");
        let value = script.0.borrow().run.nodes[8].pinned[0].logit;
        assert!(sees_part(window, &format!("Pinned <|end|>: raw logit {value:.3}")), "{value}");
        assert!(!sees(window, "Unpin <|end|>"), "what pins itself stays");
        let bounds = window.query_all_by_label_contains("Plot of step").next().expect("a plot").rect();
        let list = window.get_by_label_contains("Pinned <|end|>").rect();
        assert!(
            bounds.right() <= list.left()
                && list.right() <= window.get_by_label_contains("Timeline: ").rect().right() + 20.0
        );

        // By search: text goes to the worker, and what it found is pinned at a press.
        window.get_by_label("Find a token to pin").focus();
        window.run();
        window.get_by_label("Find a token to pin").type_text("king");
        window.run();
        assert_eq!(script.last(), Command::FindTokens("king".to_owned()));
        press(window, "Pin ·king");
        assert_eq!(script.last(), Command::Pin(vec![494]));
        window.get_by_label("Find a token to pin").focus();
        window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
        window.key_press(egui::Key::Backspace);
        window.run();
        assert!(sees_part(window, "Pinned ·word494: raw logit"), "its row is there");
        assert!(sees_part(window, "Gaps: "), "and why its curve has gaps");
        press(window, "Unpin ·word494");
        assert_eq!(script.last(), Command::Pin(vec![]));
        assert!(!sees_part(window, "Pinned ·word494"));
    });
}

#[test]
fn candidates_are_pinned_from_the_pipeline_and_the_inspector() {
    let script = Scripted::default();
    let mut window = window_on(script.clone(), 1440.0, 900.0);
    window.run();
    press(&mut window, "Run");
    script.steps(3);
    window.run();
    let node = script.0.borrow().run.nodes[2].clone();
    // One whose name no other row has.
    let alike = |piece: &str| node.candidates.iter().filter(|other| other.piece == piece).count();
    let unique = |other: &&Candidate| other.token != node.token && alike(&other.piece) == 1;
    let other = node.candidates.iter().take(10).find(unique).expect("another");
    let name = other.piece.replace('Ġ', "·");
    press(&mut window, &format!("Pin {name}"));
    assert_eq!(script.last(), Command::Pin(vec![other.token]));
    press(&mut window, "Pin the selected token");
    assert_eq!(script.last(), Command::Pin(vec![other.token, node.token]));
    press(&mut window, "Unpin the selected token");
    assert_eq!(script.last(), Command::Pin(vec![other.token]));
    assert!(script.0.borrow().run.nodes.len() == 3, "no press of a pin branched");
}

#[test]
fn a_pointer_that_rests_on_a_candidate_has_it_looked_ahead_and_takes_that_back() {
    windows(|window, script| {
        press(window, "Run");
        script.steps(3);
        window.run();
        let pane =
            if window.query_by_role_and_label(Role::Tab, "Pipeline").is_some() { "Pipeline" } else { "Step" };
        to_pane(window, pane);
        let node = script.0.borrow().run.nodes[2].clone();
        let other = node.candidates.iter().find(|other| other.token != node.token).expect("another");
        let label = match pane {
            "Pipeline" => format!("Candidate {}:", other.piece.replace('Ġ', "·")),
            _ => format!("Go on with {}", other.piece.replace('Ġ', "·")),
        };
        let point = |window: &mut Window| {
            window.query_all_by_label_contains(&label).next().expect("its row").hover();
            for _ in 0..40 {
                window.step();
            }
        };
        // While the run moves nothing is asked.
        point(window);
        let asked = |script: &Scripted| {
            let peek = |command: &&Command| matches!(command, Command::Peek { .. });
            script.0.borrow().commands.iter().filter(peek).count()
        };
        assert_eq!(asked(script), 0);
        window.remove_cursor();
        window.run();
        press(window, "Pause");
        point(window);
        assert_eq!(script.last(), Command::Peek { node: 2, token: other.token });
        assert!(sees(window, "Then: ·three·kings"), "the tooltip tells");
        assert_eq!(asked(script), 1, "it is asked once");
        window.remove_cursor();
        window.run();
        assert_eq!(script.last(), Command::EndPeek);
        assert!(!sees(window, "Then: ·three·kings"));
    });
}

#[test]
fn the_vocabulary_field_asks_for_a_row_only_while_it_is_in_sight_and_names_its_cells() {
    windows(|window, script| {
        press(window, "Run");
        script.steps(4);
        window.run();
        let asked = |script: &Scripted| -> Vec<usize> {
            let node = |command: &Command| match command {
                Command::ReadRow { node } => Some(*node),
                _ => None,
            };
            script.0.borrow().commands.iter().filter_map(node).collect()
        };
        press(window, "Pause");
        assert!(asked(script).is_empty(), "nobody looks at it");
        to_pane(window, "Vocabulary");
        assert_eq!(asked(script), [3]);
        let label = |window: &Window| -> String {
            let field = window.query_all_by_label_contains("Vocabulary field of").next().expect("the field");
            field.accesskit_node().label().expect("it has a name")
        };
        assert_eq!(label(window), "Vocabulary field of step 4: 4\u{2009}096 tokens, 4\u{2009}096 lit");
        window.get_by_label("Lit cells").click();
        window.run();
        window.get_by_label("kept after top-k").click();
        window.run();
        assert_eq!(label(window), "Vocabulary field of step 4: 4\u{2009}096 tokens, 12 lit");
        window.key_press(egui::Key::ArrowLeft);
        window.run();
        assert_eq!(asked(script), [3, 2], "each step's row once");
        // The pointer names the token, and a click pins it.
        window.query_all_by_label_contains("Vocabulary field of").next().expect("the field").click();
        window.run();
        let Command::Pin(ids) = script.last() else { panic!("{:?}", script.last()) };
        assert_eq!(ids.len(), 1);
        window.query_all_by_label_contains("Vocabulary field of").next().expect("the field").hover();
        for _ in 0..40 {
            window.step();
        }
        assert!(sees_part(window, &format!("id {} · logit ", ids[0])));
        window.remove_cursor();
        press(window, "Resume");
        script.steps(1);
        window.run();
        assert_eq!(asked(script), [3, 2], "a run that moves is left alone");
    });
}

#[test]
fn settings_are_held_against_the_run_on_show() {
    windows(|window, script| {
        press(window, "Run");
        script.steps(24);
        window.run();
        let told = |window: &Window| -> String {
            let mut said = window.query_all_by_label_contains("The same for");
            let said =
                said.next().or_else(|| window.query_all_by_label_contains("Other from the first").next());
            let said = said.expect("it says");
            said.accesskit_node().label().or(said.value()).expect("in words")
        };
        to_settings(window);
        press_far(window, "What if");
        let before = window.state().state().remembered.decoding.clone();
        // The script's steps were made by a top-k of 12 at a temperature of 0.8.
        window.get_by_label("Top-k").set_value_accesskit(12.0);
        window.run();
        window.get_by_label("Top-p").set_value_accesskit(1.0);
        window.run();
        assert_eq!(told(window), "The same for all 24 tokens.", "{before:?}");
        window.get_by_label("Top-k").set_value_accesskit(1.0);
        window.run();
        let words = told(window);
        let run = script.0.borrow().run.clone();
        let first =
            run.line_nodes().position(|node| node.rank > 1).expect("a token that is not the likeliest");
        let node = &run.nodes[first];
        let expected = match first {
            0 => format!("Other from the first: at step {}: ", node.step),
            first => format!("The same for {first} of 24 tokens; first change at step {}: ", node.step),
        };
        assert!(words.starts_with(&expected), "{words}, not {expected}");
        assert!(sees_part(window, "Step by step, after the text as it was: "));
        to_pane(window, "Text");
        window
            .query_all_by_label_contains(&format!("Step {}: ", node.step))
            .next()
            .expect("its chip")
            .click();
        window.run();
        let chip = format!("Step {}: ", node.step);
        let chips = window.query_all_by_label_contains(&chip).map(|chip| chip.accesskit_node().label());
        assert!(
            chips.flatten().any(|label| label.contains(", would be “")),
            "the chip tells what it would be"
        );
        if window.query_by_role_and_label(Role::RadioButton, "Step").is_some() {
            to_pane(window, "Step");
        }
        assert!(sees_part(window, "What if: would be “"), "and the inspector");
        to_settings(window);
        press_far(window, "What if");
        assert!(!sees_part(window, "The same for"), "it is put away");
    });
}

#[test]
fn a_pause_says_its_reasons_and_selects_its_step() {
    windows(|window, script| {
        press(window, "Run");
        script.steps(6);
        window.run();
        window.key_press(egui::Key::Home);
        window.run();
        assert!(!sees_part(window, "Paused at"));
        let king = Token { id: 9, piece: "Ġking".to_owned() };
        let reasons = vec![
            BreakReason::Entropy { nats: 3.456, limit: 3.0 },
            BreakReason::PassedOver { token: king, raw_probability: 0.31 },
        ];
        script.tell(Event::Broke(Break { node: 5, reasons }));
        script.tell(Event::Paused);
        window.run();
        let words = "Paused at step 6: entropy 3.46 nats, above 3.00 · “·king”, raw 31.0 %, was passed over";
        assert!(sees(window, words));
        assert_eq!(window.state().state().cursor.selected, Some(5), "the step is selected");
        let pill = window.get_by_label(words).rect();
        assert!(pill.right() < window.get_by_label_contains("Timeline: ").rect().right());
        press(window, "Resume");
        assert!(!sees_part(window, "Paused at"), "it goes on");
    });
}
