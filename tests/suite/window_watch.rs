//! What watches a run: conditions that pause it.

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use logitscope::session::break_when::Limit;
use logitscope::session::{Break, BreakReason, BreakWhen, Command, Event};
use logitscope::trace::Token;

use super::window::{Window, press, sees, sees_part, window_on};
use super::window_script::Scripted;

/// A desktop window and the smallest one, each light and dark, on a scripted worker.
fn windows(mut test: impl FnMut(&mut Window, &Scripted)) {
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
            BreakReason::Entropy { bits: 3.456, limit: 3.0 },
            BreakReason::PassedOver { token: king, raw_probability: 0.31 },
        ];
        script.tell(Event::Broke(Break { node: 5, reasons }));
        script.tell(Event::Paused);
        window.run();
        let words = "Paused at step 6: entropy 3.46 bits, above 3.00 · “·king”, raw 31.0 %, was passed over";
        assert!(sees(window, words));
        assert_eq!(window.state().state().cursor.selected, Some(5), "the step is selected");
        let pill = window.get_by_label(words).rect();
        assert!(pill.right() < window.get_by_label_contains("Timeline: ").rect().right());
        press(window, "Resume");
        assert!(!sees_part(window, "Paused at"), "it goes on");
    });
}
