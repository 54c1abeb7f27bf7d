//! Another model in the window's lanes: chosen on a card, its column beside lane A, its sums below.

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use logitscope::session::{
    Command, Event, LoadRequest, ModelSource, Opinion, SecondCommand, SecondEvent, SecondOpinion,
    WeightsChoice,
};
use logitscope::trace::Token;
use logitscope::ui::Worker as _;

use super::window::{Window, press, sees, sees_part};
use super::window_script::Scripted;
use super::window_watch::{to_pane, windows};

fn asked(script: &Scripted) -> LoadRequest {
    let commands = script.0.borrow().commands.clone();
    let loads = |command: &Command| match command {
        Command::Second(SecondCommand::Load(request)) => Some(request.clone()),
        _ => None,
    };
    commands.iter().rev().find_map(loads).expect("another model was asked for")
}

/// What it says of the steps so far: of the second one something else.
pub fn opinions(script: &Scripted) -> Vec<SecondOpinion> {
    let run = &script.0.borrow().run;
    let opinion = |(place, node): (usize, &usize)| {
        let said = &run.nodes[*node];
        let top = Token { id: said.token, piece: said.piece.clone() };
        let other = Token { id: 7, piece: "Ġgoose".to_owned() };
        SecondOpinion {
            node: *node,
            kl_nats: if place == 1 { 0.625 } else { 0.0125 },
            first: Opinion { top: top.clone(), log_probability: 0.5_f64.ln() },
            second: Opinion {
                top: if place == 1 { other } else { top },
                log_probability: if place == 1 { 0.125_f64.ln() } else { 0.5_f64.ln() },
            },
        }
    };
    run.line.iter().enumerate().map(opinion).collect()
}

/// Sets another model up and lets lane A make four steps, which it has read.
pub fn read_four(window: &mut Window, script: &Scripted) {
    to_pane(window, "Lanes");
    press(window, "Compare with another model…");
    press(window, "The same model, weights q4_0");
    press(window, "Run the lanes");
    script.steps(4);
    window.run();
    script.tell(Event::LanesFinished);
    let opinions = opinions(script);
    script.tell(Event::Second(SecondEvent::Read { place: 0, opinions, cache_bytes: 2_000_000 }));
    window.run();
}

#[test]
fn another_model_is_chosen_on_a_card_and_taken_away_by_a_button() {
    windows(|window, script| {
        to_pane(window, "Lanes");
        press(window, "Compare with another model…");
        assert!(sees(window, "Another model against lane A"));
        press(window, "The same model, weights q8_0");
        let request = asked(script);
        assert_eq!((request.source, request.weights), (ModelSource::BuiltIn, WeightsChoice::Q8_0));
        assert!(!sees(window, "Another model against lane A"), "the card is done");
        assert!(sees_part(window, "Lane A: "), "there is a lane that it reads");
        assert!(sees_part(window, "Model M: built-in model"));
        assert!(sees_part(window, "reads lane A's text once it runs"));
        press(window, "Remove model M");
        assert_eq!(script.last(), Command::Second(SecondCommand::Drop));
        assert!(!sees_part(window, "Model M: "));
        // A path, typed.
        press(window, "Hold another model against lane A…");
        window.get_by_label("Other model's path").focus();
        window.run();
        window.get_by_label("Other model's path").type_text("/models/other.gguf");
        window.run();
        press(window, "Load");
        let request = asked(script);
        assert_eq!(request.source, ModelSource::Path("/models/other.gguf".into()));
        assert_eq!(request.weights, WeightsChoice::Original);
        // It goes with the last lane.
        press(window, "Remove lane A");
        assert_eq!(script.last(), Command::Second(SecondCommand::Drop));
        assert!(sees(window, "No lanes yet"));
        press(window, "Set up two lanes");
        // While it is loaded.
        script.tell(Event::Second(SecondEvent::LoadStarted { name: "other.gguf".to_owned() }));
        window.run_steps(2);
        assert!(sees_part(window, "Model M: Loading other.gguf…"));
        window.get_by_label("Stop loading model M").click_accesskit();
        window.run_steps(2);
        assert_eq!(script.last(), Command::Second(SecondCommand::Drop));
    });
}

#[test]
fn what_it_says_stands_beside_each_step_with_sums_below() {
    windows(|window, script| {
        read_four(window, script);
        assert!(sees_part(window, "has read all"));
        let cell = |window: &Window, part: &str| {
            let cell = window.query_all_by_label_contains(part).next().expect("a cell of its column");
            (cell.rect(), cell.accesskit_node().label().unwrap_or_default())
        };
        let (rect, label) = cell(window, "Model M, step 2: ");
        assert!(label.starts_with("Model M, step 2: ·goose first, by lane A's model "), "{label}");
        assert!(label.contains("has 50.0 % by A's model and 12.5 % by M"), "{label}");
        assert!(label.ends_with("KL(A || M) 0.625 nats"), "{label}");
        let (_, label) = cell(window, "Model M, step 3: ");
        assert!(label.contains("first, as by lane A's model") && label.ends_with("0.0125 nats"), "{label}");
        let (own, _) = cell(window, "Lane A, step 2: ");
        assert!((own.top() - rect.top()).abs() < 0.5 && own.right() <= rect.left() + 0.5);
        let sums = [
            "Same first token: 75.0 %",
            "KL(A || M), mean: 0.166 nats",
            "KL(A || M), most: 0.625 nats, step 2",
            "Surprisal A · M: 0.693 · 1.040 nats",
            "Perplexity A · M: 2.00 · 2.83",
            "Steps read: 4 of 4",
        ];
        for sum in sums {
            assert!(sees(window, &format!("Model M, {sum}")), "{sum}");
        }
        let foot = window.get_by_label("Model M, Steps read: 4 of 4").rect();
        let pane = window.get_by_label("Model M, Same first token: 75.0 %").rect();
        assert!(pane.left() >= own.right() - 0.5 && foot.top() > pane.top());
        // A press shows lane A at that step.
        window.query_all_by_label_contains("Model M, step 2: ").next().expect("its cell").click();
        window.run();
        assert_eq!(window.state().state().cursor.selected, Some(1));
        press(window, "Let model M read no more");
        assert_eq!(script.last(), Command::Second(SecondCommand::EndReading));
        press(window, "Let model M read on");
        assert_eq!(script.last(), Command::Second(SecondCommand::Read));
        // What it said of another line does not stand beside this one.
        let (node, token) = {
            let run = &script.0.borrow().run;
            let node = &run.nodes[1];
            (1, node.candidates.iter().find(|one| one.token != node.token).expect("another").token)
        };
        script.clone().send(Command::Branch { node, token, pace: logitscope::session::Pace::SingleStep });
        window.run();
        assert!(sees(window, "Model M, Steps read: 1 of 2"), "the branch is yet to be read");
    });
}
