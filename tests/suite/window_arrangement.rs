//! Where the panes lie: presets, panes by name, and what is remembered until the next start.

use eframe::App as _;
use egui_kittest::Harness;
use logitscope::session::ModelSource;
use logitscope::ui::App;

use super::window::{Window, press, sees, window, window_on};
use super::window_exports::command;
use super::window_kept::Kept;
use super::window_script::Scripted;

/// The next start of a window.
fn again(kept: &Kept) -> Window {
    let kept: &'static Kept = Box::leak(Box::new(kept.clone()));
    let mut window = Harness::builder().with_size(egui::vec2(1440.0, 900.0)).with_max_steps(64).build_eframe(
        move |creation| {
            creation.storage = Some(kept);
            App::new(creation, Box::new(Scripted::default()), ModelSource::BuiltIn)
        },
    );
    window.run();
    window
}

fn kept(window: &mut Window) -> Kept {
    let mut kept = Kept::default();
    window.state_mut().save(&mut kept);
    kept
}

/// The panes in front, from the left top on.
fn in_front(window: &Window) -> Vec<String> {
    window.state().state().pane_places.iter().map(|(pane, _)| format!("{pane:?}")).collect()
}

#[test]
fn presets_and_panes_are_chosen_by_menu_and_by_name() {
    let (mut window, _) = window();
    assert_eq!(in_front(&window), ["Text", "Pipeline"]);
    press(&mut window, "Arrangement of the panes");
    press(&mut window, "Teach");
    assert_eq!(in_front(&window), ["Text", "Pipeline", "Curve"]);
    command(&mut window, "Show Attention");
    assert_eq!(in_front(&window), ["Text", "Pipeline", "Attention"]);
    assert!(window.state().state().remembered.inspector);
    command(&mut window, "Arrangement: Chat");
    assert_eq!(in_front(&window), ["Text", "Pipeline"]);
    assert!(!window.state().state().remembered.inspector, "more room for the text");
    command(&mut window, "Arrange the panes as at first");
    assert!(sees(&window, "Vocabulary"), "every pane is in it");
}

#[test]
fn a_narrow_window_shows_a_pane_by_name_as_well() {
    let mut window = window_on(Scripted::default(), 720.0, 600.0);
    window.run();
    assert_eq!(in_front(&window), ["Text"]);
    command(&mut window, "Show Tree");
    assert_eq!(in_front(&window), ["Tree"]);
}

#[test]
fn the_next_start_finds_the_panes_where_they_were() {
    let (mut window, _) = window();
    command(&mut window, "Arrangement: Teach");
    command(&mut window, "Show Pinned");
    let mut kept = kept(&mut window);
    assert_eq!(in_front(&again(&kept)), ["Text", "Pipeline", "Pinned"]);
    // What another version left, or a hand: what fits stays, and nothing is lost.
    let arranged = kept.0.get("arrangement").expect("it is kept").clone();
    kept.0.insert("arrangement".to_owned(), arranged.replace("Pipeline", "Hologram"));
    assert_eq!(in_front(&again(&kept)), ["Text", "Pinned"]);
    for broken in ["", "Nonsense(", "[1, 2]", "Row([])", "Tabs(active: 99999, inside: [])"] {
        kept.0.insert("arrangement".to_owned(), broken.to_owned());
        let window = again(&kept);
        assert!(!in_front(&window).is_empty(), "{broken}");
        assert!(sees(&window, "Pipeline"), "{broken}");
    }
}
