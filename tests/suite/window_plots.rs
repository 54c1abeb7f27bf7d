//! The window's plots: their axes belong to the step on show.

use egui::Key;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use logitscope::trace::strategies::{ContrastiveCandidate, ContrastiveStep};
use logitscope::trace::{StepDetail, Token};

use super::window::{Window, press, running, window};

/// The numbers in a plot's accessible name.
fn axes(window: &Window, name: &str) -> Vec<f32> {
    let plot = window.query_all_by_label_contains(name).next().expect("the plot is there");
    let label = plot.accesskit_node().label().expect("it has a name");
    label.split_whitespace().filter_map(|word| word.replace('−', "-").parse().ok()).collect()
}

/// Steps whose candidates lie at these probabilities and penalties.
const STEPS: [[(f32, f32); 3]; 4] = [
    [(0.30, 0.10), (0.20, 0.05), (0.10, 0.12)],
    [(0.02, 0.91), (0.015, 0.97), (0.01, 0.88)],
    [(0.97, -0.31), (0.01, 0.20), (0.001, 0.10)],
    [(0.0004, -0.80), (0.0003, -0.75), (0.0002, -0.7)],
];

fn contrastive(places: [(f32, f32); 3]) -> StepDetail {
    let candidate = |(probability, penalty)| ContrastiveCandidate {
        token: Token { id: 7, piece: "Ġking".into() },
        probability,
        penalty,
        similar_position: 0,
        score: 0.4 * probability - 0.6 * penalty,
    };
    StepDetail::Contrastive(ContrastiveStep {
        alpha: 0.6,
        candidates: places.map(candidate).to_vec(),
        chosen: 0,
    })
}

#[test]
fn the_axes_of_contrastive_search_are_those_of_the_step_on_show() {
    let (mut window, script) = window();
    press(&mut window, "Contrastive");
    press(&mut window, "Run");
    script.0.borrow_mut().details.extend(STEPS.map(contrastive));
    script.steps(1);
    window.run();
    window.get_by_role_and_label(egui::accesskit::Role::Tab, "Contrastive").click();
    window.run();
    script.steps(STEPS.len() - 1);
    window.run();
    window.key_press(Key::Home);
    window.run();
    for (step, places) in STEPS.iter().enumerate() {
        let ends = axes(&window, "Plot of probability");
        for (axis, values) in [(&ends[..2], places.map(|one| one.0)), (&ends[2..], places.map(|one| one.1))] {
            assert!(
                values.iter().all(|value| (axis[0]..=axis[1]).contains(value)),
                "step {step}: {axis:?} {values:?}"
            );
            let reach = values.iter().fold(0.05_f32, |reach, value| reach.max(value.abs()));
            assert!(axis[1] - axis[0] < 3.0 * reach, "step {step}: {axis:?} is far too long for {values:?}");
        }
        window.key_press(Key::ArrowRight);
        window.run();
    }
}

#[test]
fn the_curve_goes_as_far_as_the_record_of_the_step_on_show() {
    let (mut window, script) = running(6);
    press(&mut window, "Stop");
    press(&mut window, "Curve");
    window.key_press(Key::Home);
    window.run();
    let mut seen = std::collections::HashSet::new();
    for step in 0..6 {
        let plot = window.query_all_by_label_contains("Plot of rank").next().expect("the curve is there");
        let label = plot.accesskit_node().label().expect("it has a name");
        let node = script.0.borrow().run.nodes[step].clone();
        let least = node.candidates.iter().map(|one| one.raw_probability).fold(1.0, f32::min);
        assert!(label.contains(" to 4"), "rank 40 is listed and on the axis: {label}");
        let low =
            label.split("probability ").nth(1).and_then(|rest| rest.split(" to ").next()).expect("an end");
        seen.insert(low.to_owned());
        assert!(least < 1e-3 || !low.contains('⁻'), "{low} {least}");
        window.key_press(Key::ArrowRight);
        window.run();
    }
    assert!(seen.len() > 2, "the axis follows the step: {seen:?}");
}
