//! Conversations in the window: turns, going back, the system's words and the template's switches.

use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use logitscope::decoding::StrategyKind;
use logitscope::session::event::Loaded;
use logitscope::session::{Event, Prompt, Switch};
use logitscope::trace::StopReason;
use serde_json::{Value, json};

use super::window::{Window, press, sees, sees_part, started, window, window_on};
use super::window_script::{Scripted, loaded};

/// Types into the control of this name.
fn type_into(window: &mut Window, name: &str, text: &str) {
    window.get_by_label(name).focus();
    window.run();
    window.get_by_label(name).type_text(text);
    window.run();
}

/// Shows the pane of the prompt where the window is too narrow for all.
fn show_prompt(window: &mut Window) {
    let tab =
        window.query_all_by_label("Prompt").find(|node| node.accesskit_node().role() == Role::RadioButton);
    if let Some(tab) = tab {
        tab.click();
        window.run();
    }
}

/// Types into the prompt's editor, whose name a tab has as well.
fn type_prompt(window: &mut Window, text: &str) {
    let is_editor = |node: &egui_kittest::Node<'_>| node.accesskit_node().role() == Role::MultilineTextInput;
    window.query_all_by_label("Prompt").find(is_editor).expect("an editor").focus();
    window.run();
    window.query_all_by_label("Prompt").find(is_editor).expect("an editor").type_text(text);
    window.run();
}

/// What the run that began last was given: the messages as `role: content`, and the switches.
fn given(script: &Scripted) -> (Vec<String>, Value) {
    let Prompt::Chat(talk) = started(script).prompt else { panic!("no chat") };
    let text = |message: &logitscope::session::Message| {
        format!("{}: {}", message.0["role"].as_str().unwrap(), message.0["content"].as_str().unwrap())
    };
    (talk.messages.iter().map(text).collect(), Value::Object(talk.arguments))
}

/// Lets the run make two steps and end.
fn answer(window: &mut Window, script: &Scripted) -> String {
    script.steps(2);
    window.run();
    press(window, "Stop");
    let run = window.state().view().run.clone().expect("a run");
    assert_eq!(run.stop, Some(StopReason::Cancelled));
    run.text()
}

#[test]
fn turns_follow_each_other_and_can_be_asked_anew() {
    for (width, height) in [(1440.0, 900.0), (720.0, 480.0)] {
        let script = Scripted::default();
        let mut window = window_on(script.clone(), width, height);
        window.run();
        show_prompt(&mut window);
        press(&mut window, "Chat");
        type_into(&mut window, "System message", "Be brief.");
        press(&mut window, "Run");
        let first = "user: Once upon a time".to_owned();
        assert_eq!(given(&script).0, ["system: Be brief.".to_owned(), first.clone()]);
        let said = answer(&mut window, &script);
        show_prompt(&mut window);
        assert!(sees(&window, "CONVERSATION · 1 TURN") || sees_part(&window, "1 turn"), "{width}");

        type_prompt(&mut window, "And then?");
        press(&mut window, "Run");
        let assistant = format!("assistant: {said}");
        let turns = ["system: Be brief.".to_owned(), first.clone(), assistant, "user: And then?".to_owned()];
        assert_eq!(given(&script).0, turns);
        answer(&mut window, &script);
        show_prompt(&mut window);
        // Nothing new: the last question once more.
        press(&mut window, "Run");
        assert_eq!(given(&script).0, turns);
        answer(&mut window, &script);
        show_prompt(&mut window);

        // It may be scrolled out of sight.
        window.get_by_label("Go back to question 1").click_accesskit();
        window.run();
        press(&mut window, "Run");
        assert_eq!(given(&script).0, ["system: Be brief.".to_owned(), first]);
        answer(&mut window, &script);
        show_prompt(&mut window);
        // The box came into sight when it got the keyboard, and this may have gone.
        window.get_by_label("Begin a new conversation").click_accesskit();
        window.run();
        type_prompt(&mut window, "Hello");
        press(&mut window, "Run");
        assert_eq!(given(&script).0, ["system: Be brief.", "user: Hello"]);
    }
}

#[test]
fn a_new_message_ends_an_answer_that_waits_and_a_refused_one_comes_back() {
    let (mut window, script) = window();
    press(&mut window, "Chat");
    press(&mut window, "Run");
    script.steps(2);
    window.run();
    press(&mut window, "Pause");
    type_prompt(&mut window, "Something else");
    press(&mut window, "Resume");
    let said = given(&script).0;
    assert_eq!((said.len(), said.last().map(String::as_str)), (3, Some("user: Something else")));
    answer(&mut window, &script);

    press(&mut window, "Begin a new conversation");
    assert!(window.get_by_label("Run").accesskit_node().is_disabled(), "nothing is asked");
    type_prompt(&mut window, "Too long");
    assert!(!window.get_by_label("Run").accesskit_node().is_disabled());
    script.0.borrow_mut().refuses = true;
    press(&mut window, "Run");
    window.run();
    press(&mut window, "Run");
    assert_eq!(given(&script).0, ["user: Too long"], "it is in the box again");
}

#[test]
fn enter_sends_and_shift_enter_begins_a_line() {
    let (mut window, script) = window();
    press(&mut window, "Chat");
    assert!(sees_part(&window, "Enter sends"));
    type_prompt(&mut window, "Hi");
    for modifiers in [egui::Modifiers::SHIFT, egui::Modifiers::SHIFT, egui::Modifiers::NONE] {
        window.key_press_modifiers(modifiers, egui::Key::Enter);
        window.run();
    }
    let said = given(&script).0;
    assert_eq!(said, ["user: Once upon a timeHi"], "blank lines at its end are not sent");
    assert_eq!(window.state().state().remembered.prompt, "", "the box is empty for the next message");
    answer(&mut window, &script);
    let sent = script.0.borrow().commands.len();
    window.get_by_label("Prompt").focus();
    window.run();
    window.key_press(egui::Key::Enter);
    window.run();
    assert_eq!(script.0.borrow().commands.len(), sent, "nothing is sent from an empty box");
    press(&mut window, "Chat");
    type_prompt(&mut window, "one");
    window.key_press(egui::Key::Enter);
    window.run();
    assert!(window.state().state().remembered.prompt.contains('\n'), "a text has lines");
}

#[test]
fn a_conversation_that_was_put_away_comes_back() {
    let (mut window, script) = window();
    press(&mut window, "Chat");
    press(&mut window, "Run");
    answer(&mut window, &script);
    type_prompt(&mut window, "And then?");
    press(&mut window, "Run");
    answer(&mut window, &script);
    let talk = |window: &Window| window.state().state().remembered.talk.clone();
    let whole = talk(&window);
    assert_eq!(whole.all().count(), 2);
    press(&mut window, "Begin a new conversation");
    assert_eq!(talk(&window).all().count(), 0);
    press(&mut window, "Bring it back");
    assert_eq!(talk(&window), whole);
    press(&mut window, "Go back to question 1");
    assert_eq!(talk(&window).all().count(), 0);
    window.key_press(egui::Key::U);
    window.run();
    assert_eq!(talk(&window), whole);
    assert_eq!(window.state().state().remembered.prompt, "");
}

#[test]
fn nothing_asked_is_nothing_run_and_a_text_comes_back() {
    let (mut window, script) = window();
    press(&mut window, "Chat");
    press(&mut window, "Run");
    answer(&mut window, &script);
    press(&mut window, "Chat");
    press(&mut window, "Run");
    let Prompt::Text { text, .. } = started(&script).prompt else { panic!("no text") };
    assert_eq!(text, "Once upon a time", "what was asked is the text to continue");
}

#[test]
fn switches_that_the_template_reads_are_offered() {
    let (mut window, script) = window();
    press(&mut window, "Chat");
    assert!(!sees(&window, "Thinking"));
    let values = &[("on", "true"), ("off", "false")];
    let switch = Switch { name: "enable_thinking", label: "Thinking", values };
    script.tell(Event::Loaded(Box::new(Loaded { chat_switches: vec![switch], ..loaded() })));
    window.run();
    press(&mut window, "off");
    press(&mut window, "Run");
    assert_eq!(given(&script).1, json!({"enable_thinking": false}));
    answer(&mut window, &script);
    press(&mut window, "as the template");
    press(&mut window, "Run");
    assert_eq!(given(&script).1, json!({}));
    assert_eq!(started(&script).settings.strategy, StrategyKind::Sample);
}
