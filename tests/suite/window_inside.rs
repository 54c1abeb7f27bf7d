//! The panes inside a step: what they ask for and when, and that what was found is on show.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use logitscope::session::probe::{
    Addition, AttentionProbe, ExpertsProbe, Inside, LayerProbe, Lens, Probe, StateProbe, StateRule,
};
use logitscope::session::{Command, Event, Found, ProbeTarget, Probed};

use super::window::{Window, press, running, sees, sees_part, window, window_on};
use super::window_script::Scripted;

/// Positions of the made-up prompt and the first step.
const POSITIONS: usize = 5;

/// A pass of two layers: the first with attention, a window, sinks and experts, the second with a state. The logit
/// followed is 2.5 = 0.25 + 0.5 − 1.0 + 1.5 + 1.25.
fn probe() -> Probe {
    let lens = |rank, share: f64| Lens {
        top: vec![(1, 3.0), (2, 2.5), (3, 1.0)],
        logit: 2.5,
        log_probability: share.ln(),
        rank,
        log_sum_exp: 3.5,
    };
    let addition = |norm, logit| Some(Addition { norm, logit });
    let weights = |last: f32| vec![0.0, 0.0, 0.1, 0.2, last];
    let attention = AttentionProbe {
        heads: vec![weights(0.4), weights(0.6), weights(0.2), weights(0.0)],
        groups: 2,
        window: Some(3),
        sinks: vec![0.3, 0.1, 0.5, 0.7],
    };
    let experts = ExpertsProbe { scores: vec![0.1, 0.5, 0.1, 0.3], chosen: vec![(1, 0.625), (3, 0.375)] };
    let state = StateProbe { rule: StateRule::Delta, kept: vec![0.9, 0.5], wrote: vec![0.25, 0.75] };
    let layer = |layer, lens, norm, mixer, feed_forward, inside| LayerProbe {
        layer,
        lens,
        residual_norm: norm,
        mixer,
        feed_forward,
        inside,
    };
    Probe {
        position: POSITIONS - 1,
        input: 2,
        token: 3,
        embedding: Addition { norm: 1.5, logit: 0.25 },
        layers: vec![
            layer(
                0,
                lens(17, 0.02),
                4.0,
                addition(2.0, 0.5),
                addition(3.0, -1.0),
                Inside { attention: Some(attention), experts: Some(experts), state: None },
            ),
            layer(
                1,
                lens(1, 0.6),
                8.0,
                addition(2.5, 1.5),
                addition(6.5, 1.25),
                Inside { state: Some(state), ..Inside::default() },
            ),
        ],
        bias_logit: 0.0,
        uncapped_logit: 2.5,
        last: lens(1, 0.6),
    }
}

/// A larger one of layers with experts and states, for pictures.
pub fn many_experts_and_states() -> Found {
    let noise = |seed: usize| ((seed * 7919 + 104_729) % 1009) as f32 / 1009.0;
    let mut probe = probe();
    let layer = |index: usize| {
        let powers: Vec<f32> = (0..64).map(|expert| (6.0 * noise(index * 64 + expert)).exp()).collect();
        let sum: f32 = powers.iter().sum();
        let scores: Vec<f32> = powers.iter().map(|power| power / sum).collect();
        let mut order: Vec<usize> = (0..64).collect();
        order.sort_by(|&one, &other| scores[other].total_cmp(&scores[one]));
        let taken: f32 = order[..4].iter().map(|&expert| scores[expert]).sum();
        let chosen = order[..4].iter().map(|&expert| (expert, scores[expert] / taken)).collect();
        let state = StateProbe {
            rule: StateRule::Delta,
            kept: (0..16).map(|head| 1.0 - 0.5 * noise(index * 31 + head).powi(2)).collect(),
            wrote: (0..16).map(|head| noise(index * 17 + head + 5)).collect(),
        };
        LayerProbe {
            layer: index,
            inside: Inside {
                experts: Some(ExpertsProbe { scores, chosen }),
                state: (index % 4 != 3).then_some(state),
                ..Inside::default()
            },
            ..probe.layers[0].clone()
        }
    };
    probe.layers = (0..8).map(layer).collect();
    Found { probe: Arc::new(probe), pieces: Arc::default() }
}

fn found() -> Result<Found, String> {
    let pieces = [(1, "Ġking"), (2, "Ġthe"), (3, "Ġcat")].map(|(id, piece)| (id, piece.to_owned()));
    Ok(Found { probe: Arc::new(probe()), pieces: Arc::new(BTreeMap::from(pieces)) })
}

/// Tells the window what was found.
fn tell(window: &mut Window, script: &Scripted, target: ProbeTarget, found: Result<Found, String>) {
    script.tell(Event::Probed(Box::new(Probed { target, found })));
    window.run();
}

fn tab(window: &mut Window, name: &str) {
    window.get_by_role_and_label(Role::Tab, name).click();
    window.run();
}

/// The looks that the window asked for.
fn asked(script: &Scripted) -> Vec<ProbeTarget> {
    let commands = &script.0.borrow().commands;
    commands
        .iter()
        .filter_map(|command| match command {
            Command::Probe(target) => Some(*target),
            _ => None,
        })
        .collect()
}

/// A paused run of two steps with a pane open, and what it asked for answered.
fn looked_into(pane: &str) -> (Window, Scripted) {
    let (mut window, script) = window();
    press(&mut window, "Step");
    press(&mut window, "Step");
    tab(&mut window, pane);
    tell(&mut window, &script, ProbeTarget::Node(1), found());
    (window, script)
}

#[test]
fn a_pane_asks_for_each_step_once_while_the_run_waits() {
    let (mut window, script) = window();
    press(&mut window, "Step");
    assert_eq!(asked(&script), [], "no pane shows it");
    tab(&mut window, "Layers");
    assert_eq!(asked(&script), [ProbeTarget::Node(0)]);
    assert!(sees_part(&window, "Looking inside"));
    window.run();
    tab(&mut window, "Attention");
    assert_eq!(asked(&script), [ProbeTarget::Node(0)], "both panes show one pass");
    tell(&mut window, &script, ProbeTarget::Node(0), found());
    press(&mut window, "Step");
    assert_eq!(asked(&script), [ProbeTarget::Node(0), ProbeTarget::Node(1)]);
    assert!(sees_part(&window, "Head 0: "), "the one before is shown until then");
    // The prompt's tokens have passes too, but for the first.
    press(&mut window, "Prompt token 2: upon·");
    assert_eq!(asked(&script)[2..], [ProbeTarget::Prompt(1)]);
    press(&mut window, "Prompt token 1: Once·");
    assert!(sees_part(&window, "Nothing before it"));
    assert_eq!(asked(&script).len(), 3);
}

#[test]
fn what_was_seen_stays_after_its_model_and_the_rest_says_what_is_missing() {
    let (mut window, script) = looked_into("Layers");
    script.tell(Event::LoadStarted { name: "another".to_owned() });
    window.run();
    assert!(sees_part(&window, "Layer 0: says ·king"), "it was found before");
    window.key_press(egui::Key::ArrowLeft);
    window.run();
    assert!(sees_part(&window, "The model is not at hand"));
    assert_eq!(asked(&script), [ProbeTarget::Node(1)]);
}

#[test]
fn a_run_that_goes_on_is_looked_into_when_a_person_asks() {
    let (mut window, script) = running(3);
    tab(&mut window, "Layers");
    assert_eq!(asked(&script), []);
    press(&mut window, "Look inside");
    assert_eq!(asked(&script), [ProbeTarget::Node(2)]);
    tell(&mut window, &script, ProbeTarget::Node(2), Err("another command came first: look again".into()));
    assert!(sees_part(&window, "Another command came first: look again."));
    press(&mut window, "Look inside");
    assert_eq!(asked(&script).len(), 2, "not by itself, but once more when asked");
    tell(&mut window, &script, ProbeTarget::Node(2), found());
    assert!(sees_part(&window, "Layer 0: says ·king"));
}

#[test]
fn layers_show_the_lens_the_norms_and_the_parts_of_the_logit() {
    let (mut window, _) = looked_into("Layers");
    assert!(sees(&window, "position 4: ·the → ·cat"));
    assert!(sees_part(&window, "rank 1 · 36.8 % · logit 2.500"));
    assert!(sees(&window, "Layer 0: says ·king (60.7 %), ·cat has rank 17 (2.0 %)"));
    assert!(sees(&window, "Layer 1: says ·king (60.7 %), ·cat has rank 1 (60.0 %)"));
    press(&mut window, "Norms");
    assert!(sees(&window, "Embedding: stream 1.500, attention added nothing, feed-forward nothing"));
    assert!(sees(&window, "Layer 1: stream 8.000, attention added 2.500, feed-forward 6.500"));
    press(&mut window, "Parts");
    assert!(sees(&window, "Embedding: 0.250, so far 0.250"));
    assert!(sees(&window, "Layer 0: 0.500 and −1.000, so far −0.250"));
    assert!(sees(&window, "Layer 1: 1.500 and 1.250, so far 2.500"));
    assert!(sees(&window, "Sum of the parts: 2.5000") && sees(&window, "Logit: 2.5000"));
    assert!(!sees_part(&window, "Biases"), "there are none");
    press(&mut window, "Experts");
    assert!(sees(&window, "Layer 0: of 4 experts #1 62.5 %, #3 37.5 %"));
    press(&mut window, "States");
    assert!(sees(&window, "Layer 1: kept 70.0 %, wrote 0.500 on average"));
}

#[test]
fn a_model_without_experts_and_states_has_no_such_views() {
    let (mut window, script) = looked_into("Layers");
    press(&mut window, "States");
    let Ok(Found { pieces, .. }) = found() else { unreachable!("it is made above") };
    let mut plain = probe();
    plain.layers.iter_mut().for_each(|layer| layer.inside = Inside::default());
    let plain = Found { probe: Arc::new(plain), pieces };
    tell(&mut window, &script, ProbeTarget::Node(1), Ok(plain));
    assert!(!sees(&window, "Experts") && !sees(&window, "States"));
    assert!(sees_part(&window, "Layer 0: says"), "the lens takes the place of what is gone");
    tab(&mut window, "Attention");
    assert!(sees_part(&window, "No attention"));
}

#[test]
fn attention_shows_heads_groups_and_layers_and_tints_the_text() {
    let (mut window, _) = looked_into("Attention");
    assert!(sees(&window, "Layer 0") && sees(&window, "sees the last 3 positions"));
    assert!(sees_part(&window, "Mean: most on position 4"));
    let head = "Head 1: most on position 4 ·there (60.0 %), sink 10.0 %";
    assert!(sees(&window, head));
    assert!(sees(&window, "Position 3 time: 20.0 %"), "the text by the mean");
    assert!(sees(&window, "Position 1 upon·: outside of the window"));
    assert!(sees(&window, "Attention weight from 0 % to 100 %"), "what the colours mean");
    assert!(sees_part(&window, "row: a head · column: a position"), "what rows and columns are");
    assert!(window.state().state().inside.tint.is_none());
    window.get_by_label(head).hover();
    window.run();
    let tint = window.state().state().inside.tint.clone().expect("the text is tinted");
    assert_eq!(tint.len(), POSITIONS);
    assert_eq!(tint[4], 0.6);
    window.get_by_label(head).click();
    window.run();
    window.remove_cursor();
    window.run();
    assert!(window.state().state().inside.tint.is_none(), "only while the pointer is there");
    assert!(sees(&window, "Position 4 ·there: 60.0 %"), "the row that was pressed stays");
    press(&mut window, "Groups");
    assert!(sees_part(&window, "Group 1: most on position 3"));
    window.get_by_role_and_label(Role::RadioButton, "Layers").click();
    window.run();
    assert!(sees_part(&window, "row: a layer's mean"));
    assert!(sees(&window, "All layers") && sees_part(&window, "Layer 0: most on position 4"));
}

#[test]
fn a_small_window_has_room_for_both_panes() {
    for (width, height) in [(720.0, 480.0), (1000.0, 640.0)] {
        let script = Scripted::default();
        let mut window = window_on(script.clone(), width, height);
        window.run();
        window.get_by_role_and_label(Role::Button, "Step").click();
        window.run();
        let screen = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(width, height));
        for (pane, content) in
            [("Layers", "Layer 1: says"), ("Attention", "Head 3: most on"), ("Attention", "Position 0 Once")]
        {
            window.get_by_role_and_label(Role::RadioButton, pane).click();
            window.run();
            tell(&mut window, &script, ProbeTarget::Node(0), found());
            let place = window.query_all_by_label_contains(content).next();
            let place = place.unwrap_or_else(|| panic!("{content} at {width}")).rect();
            assert!(screen.contains_rect(place), "{content} at {width}: {place:?}");
        }
    }
}
