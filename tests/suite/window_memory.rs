//! The limit of GPU memory in the window: what it would mean is told, and nothing is loaded before a person says so.

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use logitscope::session::{AdapterMatch, Command, ModelSource};
use logitscope::ui::App;

use super::window::{Window, press, sees_part, until, window};
use super::window_script::Scripted;

/// Loads that were asked for so far: source and limit.
fn loads(script: &Scripted) -> Vec<(ModelSource, Option<u64>)> {
    let commands = script.0.borrow().commands.clone();
    let load = |command| match command {
        Command::Load(request) => Some((request.source, request.gpu_memory)),
        _ => None,
    };
    commands.into_iter().filter_map(load).collect()
}

/// Whether layers would stay in the computer's memory, as the card has it.
fn streams(app: &App) -> bool {
    let card = app.state().cards.inspected.as_ref().map(|inspected| &inspected.card.adapter);
    matches!(card, Some(AdapterMatch::Adapter(room)) if room.streamed.is_some())
}

fn type_limit(window: &mut Window, text: &str) {
    window.get_by_label("GPU memory to use at most").click();
    window.run();
    window.get_by_label("GPU memory to use at most").type_text(text);
    window.run();
    window.key_press(egui::Key::Enter);
    window.run();
}

#[test]
fn a_limit_is_weighed_on_the_card_and_holds_after_a_click() {
    let (mut window, script) = window();
    window.get_by_label_contains("Load: ").click();
    window.run();
    press(&mut window, "Load it otherwise…");
    until(&mut window, "the card is there", |app| app.state().cards.inspected.is_some());
    window.run();
    assert!(sees_part(&window, "As much as it needs"));
    press(&mut window, "Limit the GPU memory");
    assert!(window.state().state().remembered.gpu_memory.is_some_and(|bytes| bytes >= 1_000_000));
    assert!(sees_part(&window, "All layers fit into that"));
    // 48 MB hold the built-in model with some of its layers.
    type_limit(&mut window, "48MB");
    assert_eq!(window.state().state().remembered.gpu_memory, Some(48_000_000));
    until(&mut window, "layers have no room", streams);
    window.run();
    for part in ["Layers on the GPU: ", "Over the bus: ", "Expected: at most "] {
        assert!(sees_part(&window, part), "{part}");
    }
    type_limit(&mut window, "1MB");
    until(&mut window, "nothing has room", |app| !streams(app));
    window.run();
    assert!(sees_part(&window, "That is too little"));
    assert_eq!(loads(&script), [(ModelSource::BuiltIn, None)], "nothing was loaded by itself");
    type_limit(&mut window, "0.048");
    until(&mut window, "layers have no room", streams);
    window.run();
    press(&mut window, "Load model");
    assert_eq!(loads(&script).last(), Some(&(ModelSource::BuiltIn, Some(48_000_000))));
    assert!(!window.get_by_label("Run").accesskit_node().is_disabled());
}
