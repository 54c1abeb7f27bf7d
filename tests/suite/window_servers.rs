//! Models on servers: the card that connects, what a run of theirs shows, and that keys are nowhere.

use std::time::{Duration, Instant};

use eframe::App as _;
use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use logitscope::decoding::StrategyKind;
use logitscope::session::{
    ApiKey, Command, Event, LoadRequest, ModelSource, Notice, ServerAddress, ServerKeys, SessionKeys,
    Severity,
};
use logitscope::trace::{MOST_ASKED, file};
use logitscope::ui::App;
use logitscope::ui::connect_card::Served;

use super::models_page::{Answers, ModelsPage};
use super::served_run::{run, served, tell};
use super::window::{Window, press, sees, sees_part, until, window, window_on};
use super::window_exports::command;
use super::window_kept::{Kept, click, settle};
use super::window_script::Scripted;
use super::window_traces::type_path;

const SECRET: &str = "sk-very-secret-0815";

fn type_into(window: &mut Window, field: &str, text: &str) {
    window.get_by_label(field).focus();
    settle(window);
    window.key_press_modifiers(egui::Modifiers::COMMAND, Key::A);
    window.get_by_label(field).type_text(text);
    settle(window);
}

/// A window with the card, this address in its field.
fn card(address: &str) -> (Window, Scripted) {
    let (mut window, script) = window();
    press(&mut window, "Open model…");
    press(&mut window, "On a server…");
    type_into(&mut window, "Address of the server", address);
    (window, script)
}

fn connect(window: &mut Window) {
    click(window, "Connect");
    until(window, "the server answers", |app| {
        !matches!(app.state().cards.connect.served, Served::Asking(_) | Served::Nothing)
    });
    settle(window);
}

fn loaded_request(script: &Scripted) -> LoadRequest {
    match script.last() {
        Command::Load(request) => request,
        other => panic!("the last command is {other:?}"),
    }
}

/// A window whose model is on a server, with a run that waits.
fn with_a_run(strategy: StrategyKind) -> (Window, Scripted) {
    let (mut window, script) = window();
    script.tell(Event::Loaded(Box::new(served())));
    window.run();
    tell(&script, strategy);
    window.run();
    (window, script)
}

/// Everything that the window says, as a screen reader hears it.
fn all_words(window: &Window) -> Vec<String> {
    let nodes = window.query_all_by(|_| true);
    nodes.flat_map(|node| [node.accesskit_node().label(), node.accesskit_node().value()]).flatten().collect()
}

#[test]
fn the_card_says_whom_it_contacts_and_asks_nobody_before() {
    let server = ModelsPage::start(Answers::Models);
    let (mut window, _) = card(&format!("http://{}", server.at));
    assert!(sees(&window, &format!("Contacts {}, which is this computer. Nothing leaves it.", server.at)));
    type_into(&mut window, "Address of the server", "http://models.example:8000");
    assert!(
        sees_part(&window, "Contacts models.example:8000, another computer")
            && sees_part(&window, "is not encrypted")
    );
    type_into(&mut window, "Address of the server", "https://models.example/v1");
    assert!(sees_part(&window, "Contacts models.example over an encrypted connection"));
    assert!(!sees_part(&window, "is not encrypted"));
    type_into(&mut window, "Address of the server", "models.example");
    assert!(sees_part(&window, "begins with http:// or https://"));
    assert!(window.get_by_label("Connect").accesskit_node().is_disabled());
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(server.count(), 0);
}

#[test]
fn a_model_is_chosen_from_the_list_and_opened() {
    let server = ModelsPage::start(Answers::Models);
    let (mut window, script) = card(&format!("http://{}/v1", server.at));
    connect(&mut window);
    assert!(sees_part(&window, "Open tale-260k, 512 positions · /models/tale"));
    assert!(sees_part(&window, "Open tale-15m, 2\u{2009}048 positions"));
    window.ctx.memory_mut(|memory| memory.stop_text_input());
    window.step();
    window.key_press(Key::ArrowDown);
    settle(&mut window);
    window.key_press(Key::Enter);
    settle(&mut window);
    let request = loaded_request(&script);
    let address = format!("http://{}#tale-15m", server.at);
    assert_eq!(request.source, ModelSource::Server(ServerAddress::parse(&address).expect("an address")));
    assert_eq!(request.key, None);
    assert!(!window.state().state().cards.connect.shows);
    assert_eq!(window.state().state().remembered.servers, [address]);
    assert!(server.requests.lock().expect("no panic").iter().all(|head| head.starts_with("GET /v1/models ")));

    // The next start has it in the field already, and the key's field is empty.
    let mut kept = Kept::default();
    window.state_mut().save(&mut kept);
    let kept: &'static Kept = Box::leak(Box::new(kept));
    let mut window: Window = Harness::builder()
        .with_size(egui::vec2(1440.0, 900.0))
        .with_max_steps(64)
        .build_eframe(move |creation| {
            creation.storage = Some(kept);
            App::new(creation, Box::new(Scripted::default()), ModelSource::BuiltIn)
        });
    window.run();
    press(&mut window, "Open model…");
    press(&mut window, "On a server…");
    let field = window.get_by_label("Address of the server").value();
    assert_eq!(field.as_deref(), Some(format!("http://{}#tale-15m", server.at).as_str()));
}

#[test]
fn a_key_is_sent_to_its_server_and_kept_in_memory_alone() {
    let server = ModelsPage::start(Answers::WithKey(SECRET));
    let (mut window, script) = card(&format!("http://{}", server.at));
    connect(&mut window);
    assert!(sees_part(&window, "wants a key (401)"));
    assert!(
        window.get_by_label("Key of the server").accesskit_node().is_focused(),
        "it is the next thing to type"
    );
    type_into(&mut window, "Key of the server", SECRET);
    let mut heard = all_words(&window).join("\n");
    connect(&mut window);
    assert!(sees_part(&window, "Open tale-260k"));
    heard += &all_words(&window).join("\n");
    window.get_by_label_contains("Open tale-260k").click();
    settle(&mut window);
    let request = loaded_request(&script);
    assert!(request.key.is_some(), "the model is loaded with it");
    press(&mut window, "Open model…");
    press(&mut window, "On a server…");
    assert!(sees(&window, "Forget it"));

    // It is nowhere but in the request.
    let mut kept = Kept::default();
    window.state_mut().save(&mut kept);
    eframe::set_value(&mut kept, "egui", &window.ctx.memory(Clone::clone));
    assert!(kept.0.values().any(|value| value.contains("tale-260k")), "the server is remembered");
    heard += &all_words(&window).join("\n");
    let commands = format!("{:?}", script.0.borrow().commands);
    for text in kept.0.values().chain([&heard, &commands]) {
        assert!(!text.contains(SECRET), "{text}");
    }
    let sent = server.requests.lock().expect("no panic").last().cloned().unwrap_or_default();
    assert!(sent.contains(SECRET), "{sent}");

    click(&mut window, "Forget it");
    // The keyring forgets on a thread of its own.
    std::thread::sleep(Duration::from_millis(200));
    connect(&mut window);
    assert!(sees_part(&window, "wants a key (401)"));
}

#[test]
fn a_key_of_the_keyring_is_found_at_the_next_start() {
    let server = ModelsPage::start(Answers::WithKey(SECRET));
    let address = format!("http://{}", server.at);
    let keys = ServerKeys::new(SessionKeys::default());
    keys.keep(&address, &ApiKey::new(SECRET).expect("a key"));
    let mut window: Window = Harness::builder()
        .with_size(egui::vec2(1440.0, 900.0))
        .with_max_steps(64)
        .build_eframe(move |creation| {
            App::new(creation, Box::new(Scripted::default()), ModelSource::BuiltIn).keeping_keys_in(keys)
        });
    window.run();
    press(&mut window, "Open model…");
    press(&mut window, "On a server…");
    type_into(&mut window, "Address of the server", &address);
    assert!(!sees(&window, "Forget it"), "nobody has asked the keyring");
    connect(&mut window);
    assert!(sees_part(&window, "Open tale-260k") && sees(&window, "Forget it"));
    assert!(sees_part(&window, "The key is kept in this system's keyring"));
}

#[test]
fn a_key_goes_to_no_other_server() {
    let (one, other) = (ModelsPage::start(Answers::WithKey(SECRET)), ModelsPage::start(Answers::Models));
    let (mut window, _) = card(&format!("http://{}", one.at));
    type_into(&mut window, "Key of the server", SECRET);
    connect(&mut window);
    type_into(&mut window, "Address of the server", &format!("http://{}", other.at));
    assert!(!sees(&window, "Forget it"));
    connect(&mut window);
    assert!(sees_part(&window, "Open tale-260k"));
    let heads = other.requests.lock().expect("no panic").join("\n");
    assert!(!heads.is_empty() && !heads.contains(SECRET), "{heads}");
}

#[test]
fn a_question_is_stopped_and_blocks_nothing() {
    let server = ModelsPage::start(Answers::Never);
    let (mut window, _) = card(&format!("http://{}", server.at));
    let begun = Instant::now();
    click(&mut window, "Connect");
    assert!(sees_part(&window, "which models it serves…"));
    while server.count() == 0 && begun.elapsed() < Duration::from_secs(10) {
        window.step();
    }
    click(&mut window, "Stop asking");
    assert!(!sees_part(&window, "which models it serves…") && sees(&window, "Connect"));
    assert!(begun.elapsed() < Duration::from_secs(10), "the window waited for the server");
}

#[test]
fn where_nobody_listens_the_card_says_so() {
    let (mut window, _) = card("http://127.0.0.1:9");
    connect(&mut window);
    assert!(sees_part(&window, "127.0.0.1:9 cannot be reached"));
}

#[test]
fn a_model_on_a_server_has_no_layers_weights_or_gpu() {
    let (mut window, _) = with_a_run(StrategyKind::Greedy);
    assert!(sees(&window, "Model: tale-260k") && sees(&window, "Server: 127.0.0.1:8000"));
    let panes = [
        "Text",
        "Lanes",
        "Pipeline",
        "Curve",
        "Strategy",
        "Tree",
        "Pinned",
        "Vocabulary",
        "Layers",
        "Attention",
        "GPU time",
        "Phases",
        "KV cache",
    ];
    for pane in panes {
        command(&mut window, &format!("Show {pane}"));
        for words in all_words(&window) {
            for zero in
                ["0 layers", "0 layer", "0 parameters", " 0 B", "on the GPU", "width 0", "0 heads", "llama"]
            {
                assert!(!words.contains(zero), "{pane}: {words}");
            }
        }
        let inside = ["Layers", "Attention", "Phases", "KV cache", "GPU time"].contains(&pane);
        assert_eq!(sees_part(&window, "The model is on a server"), inside, "{pane}");
    }
    for phase in ["Load", "Tokenise", "Initiation", "Step", "Text"] {
        let label = format!("{phase}: ");
        window.query_all_by_label_contains(&label).next().expect("a chevron").click();
        window.run();
        let words = all_words(&window).join("\n");
        assert!(!words.contains(" 0 B") && !words.contains("GPU memory"), "{words}");
        if phase == "Step" {
            // Two tokens in 60 ms, for which the server computed 40.
            assert!(
                sees(&window, "Speed here: 33.3 tokens/s") && sees(&window, "Speed there: 50.0 tokens/s")
            );
        }
        if phase == "Load" {
            assert!(
                sees_part(&window, "Tokens of a row: 20. It lists the 20 highest")
                    && sees(&window, "Engine: vLLM 0.32.0")
            );
        }
        window.key_press(Key::Escape);
        window.run();
    }
}

#[test]
fn what_the_server_can_do_is_told_thing_by_thing() {
    let (mut window, _) = with_a_run(StrategyKind::Greedy);
    press(&mut window, "What it can do · 2 limits");
    for row in ["Log-probabilities: yes. ", "Tokens of a row: 20. ", "End of a text: no. "] {
        assert!(sees_part(&window, row), "{row}");
    }
}

#[test]
fn every_number_of_a_step_is_named_for_what_it_is() {
    let (mut window, _) = with_a_run(StrategyKind::Server);
    // ln ½, 2 ln 2 with what was not sent, and 30 ms of which 20 were computed there and 2 were the choice.
    press(&mut window, "Step 1: ·upon");
    for fact in [
        "Rank: 1 of 512",
        "Log-probability: −0.693 nats",
        "Surprisal: 0.693 nats",
        "Entropy: 1.386–1.402 nats",
        "Computed there: 20.0 ms",
        "Choose: 2.0 ms",
        "Way and waiting: 8.0 ms",
    ] {
        assert!(sees(&window, fact), "{fact}");
    }
    assert!(sees(&window, "Column Log-probability") && !sees(&window, "Column Logit"));
    assert!(
        !sees_part(&window, "Log-sum-exp")
            && !sees_part(&window, "Chosen with")
            && !sees_part(&window, "KV memory")
    );
    assert!(sees(&window, "Not sent: < 0.001 %"));
    press(&mut window, "Step 3: ·time");
    assert!(sees(&window, "Rank: > 20"));

    let (mut window, _) = with_a_run(StrategyKind::Greedy);
    press(&mut window, "Step 1: ·upon");
    assert!(sees(&window, "Chosen with: 50.0 %"), "where the stages run here");
}

#[test]
fn a_trace_of_it_shows_the_same_on_any_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.json");
    file::write(&path, &run(StrategyKind::Server)).expect("it can be written");
    let (mut window, _) = window();
    press(&mut window, "Open model…");
    type_path(&mut window, "Model path", &path);
    window.get_by_label("Open").click();
    until(&mut window, "the trace opens", |app| app.view().run.is_some());
    window.run();
    press(&mut window, "Step 1: ·upon");
    for fact in ["Log-probability: −0.693 nats", "Entropy: 1.386–1.402 nats", "Computed there: 20.0 ms"] {
        assert!(sees(&window, fact), "{fact}");
    }
    assert!(sees_part(&window, "Saved run of tale-260k") && sees(&window, "Not sent: < 0.001 %"));
    command(&mut window, "Show Layers");
    assert!(sees(&window, "The model is on a server"), "although the open model is on this computer");
}

#[test]
fn strategies_are_those_that_the_model_can_follow() {
    let script = Scripted::default();
    // So high that all settings are in sight.
    let mut window = window_on(script.clone(), 1440.0, 1800.0);
    window.run();
    assert!(!sees(&window, "Server"), "nobody is there to choose");
    press(&mut window, "Contrastive");
    script.tell(Event::Loaded(Box::new(served())));
    window.run();
    let strategy = |window: &Window| window.state().state().remembered.decoding.strategy;
    assert_eq!(strategy(&window), StrategyKind::Greedy);
    assert!(sees_part(&window, "needs the final hidden states"));
    assert!(window.get_by_label("Contrastive").accesskit_node().is_disabled());
    window.get_by_label("Contrastive").click();
    window.run();
    assert_eq!(strategy(&window), StrategyKind::Greedy);

    // The settings of a first start may draw a token that is not sent.
    press(&mut window, "Sample");
    assert!(sees_part(&window, "sends the 20 highest tokens of a row"));
    press(&mut window, "Use top-k 19");
    assert_eq!(window.state().state().remembered.decoding.stages.top_k, 19);
    assert!(!sees_part(&window, "sends the 20 highest tokens of a row"));

    press(&mut window, "Server");
    assert_eq!(strategy(&window), StrategyKind::Server);
    assert!(sees_part(&window, "Lets the server choose"));
    for (control, applies) in [
        ("Temperature", true),
        ("Top-k", true),
        ("Top-p", true),
        ("Min-p", true),
        ("Repetition penalty", true),
        ("Presence penalty", true),
        ("Frequency penalty", true),
        ("No-repeat n-gram", false),
    ] {
        let controls: Vec<_> = window.query_all_by_label(control).collect();
        let disabled = controls.iter().any(|control| control.accesskit_node().is_disabled());
        assert!(!controls.is_empty() && disabled != applies, "{control}");
    }

    // A model on this computer has no server that could choose.
    script.tell(Event::Loaded(Box::new(super::window_script::loaded())));
    window.run();
    assert_eq!(strategy(&window), StrategyKind::Sample);
    assert!(sees_part(&window, "The strategy Server is for models on a server"));
}

#[test]
fn after_a_lost_connection_the_run_waits_and_goes_on() {
    let (mut window, script) = with_a_run(StrategyKind::Greedy);
    press(&mut window, "Resume");
    script.tell(Event::Notice(Notice {
        severity: Severity::Error,
        title: "The run waits".to_owned(),
        detail: "127.0.0.1:8000 cannot be reached: connection refused; see that the server runs".to_owned(),
    }));
    script.tell(Event::Paused);
    window.run();
    assert!(sees_part(&window, "The run waits") && sees_part(&window, "connection refused"));
    assert!(sees(&window, "Timeline: 3 steps"), "what came stays");
    press(&mut window, "Resume");
    assert_eq!(script.last(), Command::Resume);
    assert!(!sees_part(&window, "The run waits"), "it is not true any more");
    press(&mut window, "Notices");
    assert!(sees_part(&window, "The run waits"), "the list has it");
}

#[test]
fn a_step_asks_for_as_many_as_a_summary_lists() {
    assert_eq!(MOST_ASKED, logitscope::model::selection::MOST_CANDIDATES);
}
