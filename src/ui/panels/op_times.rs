//! What the ops of the selected step took on the GPU, by kind or by layer.

use egui::{RichText, ScrollArea, Sense, Ui, vec2};

use crate::session::{OpTime, Status, StepProfile};
use crate::trace::Node;
use crate::ui::action::Action;
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::measuring::OpsBy;
use crate::ui::scene::Scene;
use crate::ui::state::Origin;
use crate::ui::table::{self, Column, RowLook, framed};
use crate::ui::theme::{palette, regular, semibold, size, space};
use crate::ui::widgets::{empty, segmented};

use super::elsewhere;
use super::look;
use super::prompt_token::no_step;

/// Ops that are told of together.
#[derive(Debug, PartialEq)]
struct Group {
    name: String,
    ops: usize,
    dispatches: usize,
    seconds: f64,
    weight_bytes: u64,
}

/// Shows the pane.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    if elsewhere::stays(ui, scene, "Its ops run there, and nobody here can time them") {
        return;
    }
    let (Some(run), Some((place, node))) = (scene.run(), scene.shown_node()) else {
        no_step(ui, scene, "What the selected step's ops take on the GPU appears here.");
        return;
    };
    // A preview under the pointer is not worth a pass.
    let place = scene.state.cursor.selected.unwrap_or(place);
    let (Some(&index), Some(node)) = (run.line.get(place), run.at(place).or(Some(node))) else { return };
    let asked = scene.state.measuring.profile_asked;
    let asked = asked.filter(|(run, _)| *run == scene.state.run_number).map(|(_, node)| node);
    let answer = scene.view.profiled.as_deref().filter(|_| asked.is_some());
    match answer {
        Some(profiled) if profiled.node == index && asked == Some(index) => match &profiled.found {
            Ok(profile) => framed(ui, |ui| times(ui, scene, node, profile)),
            Err(reason) => again(ui, scene, index, "Not measured", &look::sentence(reason)),
        },
        _ if scene.state.origin != Origin::Worker || scene.view.loaded.is_none() => empty(
            ui,
            "The model is not at hand",
            "The step's ops are timed in a pass of their own: open its model and run the prompt.",
        ),
        _ if !matches!(scene.view.status, Status::Paused | Status::Ready) && asked != Some(index) => {
            let text = "The run goes on. Pause it to time the ops of each step you select, or time them now: it makes no difference to the text.";
            again(ui, scene, index, "GPU time by op", text);
        }
        before => {
            scene.state.measuring.profile_wanted = Some(index).filter(|_| asked != Some(index));
            match before.map(|profiled| &profiled.found) {
                Some(Ok(profile)) => {
                    ui.set_opacity(0.45);
                    framed(ui, |ui| times(ui, scene, node, profile));
                }
                _ => empty(
                    ui,
                    "Timing the ops…",
                    "The step's pass is computed once more, with a timestamp after each op.",
                ),
            }
        }
    }
}

/// A message with a button to measure, or to measure again.
fn again(ui: &mut Ui, scene: &mut Scene<'_>, node: usize, title: &str, text: &str) {
    if look::offered(ui, title, text, "Time the ops") {
        scene.actions.push(Action::Profile(node));
    }
}

/// The table.
fn times(ui: &mut Ui, scene: &mut Scene<'_>, node: &Node, profile: &StepProfile) {
    head(ui, scene, node, profile);
    ui.add_space(space::XS);
    let groups = match scene.state.measuring.ops_by {
        OpsBy::Kind => by_kind(&profile.ops),
        OpsBy::Layer => by_layer(&profile.ops),
    };
    let total = profile.seconds().max(f64::MIN_POSITIVE);
    let most = groups.iter().map(|group| group.seconds).fold(f64::MIN_POSITIVE, f64::max);
    let wide = ui.available_width() >= 560.0;
    let mut columns = vec![
        Column::words("Op", 0.0),
        Column::number(&definitions::OP_COUNT, "Ops", 56.0),
        Column::number(&definitions::OP_TIME, "GPU time", if wide { 220.0 } else { 150.0 }),
        Column::number(&definitions::OP_SHARE, "Share", 72.0),
    ];
    if wide {
        columns.push(Column::number(&definitions::OP_WEIGHTS, "Weights", 84.0));
    }
    if scene.state.measuring.ops_by == OpsBy::Layer {
        columns[0].title = "Layer";
    }
    table::header(ui, &columns);
    ScrollArea::vertical().id_salt("op times").auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for group in &groups {
            let palette = palette(ui);
            let (time, share) =
                (format::seconds(group.seconds), format::probability((group.seconds / total) as f32));
            let label = format!("{}: {time}, {share}, {}", group.name, format::plural(group.ops, "op"));
            let (rect, response) = table::row(ui, &label, RowLook::Plain, Sense::hover());
            let cells = table::cells(rect, &columns);
            table::draw_text(
                ui,
                cells[0],
                &group.name,
                regular(size::SMALL),
                palette.text,
                table::Side::Left,
            );
            table::number(ui, cells[1], &format::count(group.ops as u64), palette.secondary);
            table::bar(ui, cells[2], group.seconds / most, &time, palette.accent);
            table::number(ui, cells[3], &share, palette.secondary);
            if let Some(cell) = cells.get(4) {
                let bytes = match group.weight_bytes {
                    0 => "–".to_owned(),
                    bytes => format::bytes(bytes),
                };
                table::number(ui, *cell, &bytes, palette.secondary);
            }
            response.on_hover_text(
                format::plural(group.dispatches, "dispatch").replace("dispatchs", "dispatches"),
            );
        }
    });
}

/// Which pass it was, and the choice.
fn head(ui: &mut Ui, scene: &mut Scene<'_>, node: &Node, profile: &StepProfile) {
    let palette = palette(ui);
    ui.horizontal(|ui| {
        ui.set_min_height(30.0);
        let choice = 176.0;
        let room = ui.available_width() - choice - space::M;
        ui.spacing_mut().item_spacing.x = space::S;
        let title = format!("Step {} · {}", node.step, format::seconds(profile.seconds()));
        let label = ui.label(RichText::new(&title).font(semibold(size::BODY)).color(palette.text));
        definitions::OPS_TOGETHER.explain(label);
        let mut words = vec![format::plural(profile.rows, "row")];
        if profile.chunks > 1 {
            words.push(format::plural(profile.chunks, "chunk"));
        }
        if profile.times > 1 {
            words.push(format!("the fastest of {}", profile.times));
        }
        if let Some(gpu) = node.timing.gpu_seconds {
            words.push(format!("{} in the run", format::seconds(gpu)));
        }
        if room > 330.0 {
            let text = words.join(" · ");
            ui.label(RichText::new(text).size(size::SMALL).color(palette.secondary));
        }
        ui.add_space((ui.available_width() - choice).max(0.0));
        ui.allocate_ui(vec2(choice.min(ui.available_width()), 30.0), |ui| {
            let choices = [(OpsBy::Kind, "By op"), (OpsBy::Layer, "By layer")];
            if let Some(by) = segmented(ui, scene.state.measuring.ops_by, &choices) {
                scene.state.measuring.ops_by = by;
            }
        });
    });
}

/// Ops that do the same in every layer together, the longest first.
fn by_kind(ops: &[OpTime]) -> Vec<Group> {
    let mut groups = grouped(ops, |op| op.kind.clone());
    groups.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
    groups
}

/// The ops of each layer together, in the order in which they run.
fn by_layer(ops: &[OpTime]) -> Vec<Group> {
    let mut begun = false;
    grouped(ops, |op| {
        begun |= op.layer.is_some();
        match op.layer {
            Some(layer) => format!("Layer {layer}"),
            None if begun => "After the layers".to_owned(),
            None => "Before the layers".to_owned(),
        }
    })
}

fn grouped(ops: &[OpTime], mut name: impl FnMut(&OpTime) -> String) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for op in ops {
        let name = name(op);
        let place = groups.iter().position(|group| group.name == name).unwrap_or_else(|| {
            groups.push(Group { name, ops: 0, dispatches: 0, seconds: 0.0, weight_bytes: 0 });
            groups.len() - 1
        });
        let group = &mut groups[place];
        group.ops += 1;
        group.dispatches += op.dispatches;
        group.seconds += op.seconds;
        group.weight_bytes += op.weight_bytes;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ops_are_added_up_by_kind_and_by_layer() {
        let op = |kind: &str, layer, seconds| OpTime {
            kind: kind.to_owned(),
            layer,
            seconds,
            dispatches: 1,
            weight_bytes: 10,
        };
        let ops = [
            op("embed", None, 1.0),
            op("attention", Some(0), 2.0),
            op("linear", Some(0), 3.0),
            op("attention", Some(1), 4.0),
            op("linear", Some(1), 5.0),
            op("head", None, 0.5),
        ];
        let told = |groups: Vec<Group>| -> Vec<(String, usize, f64)> {
            groups.into_iter().map(|group| (group.name, group.ops, group.seconds)).collect()
        };
        let named = |list: &[(&str, usize, f64)]| -> Vec<(String, usize, f64)> {
            list.iter().map(|&(name, ops, seconds)| (name.to_owned(), ops, seconds)).collect()
        };
        assert_eq!(
            told(by_kind(&ops)),
            named(&[("linear", 2, 8.0), ("attention", 2, 6.0), ("embed", 1, 1.0), ("head", 1, 0.5)])
        );
        assert_eq!(
            told(by_layer(&ops)),
            named(&[
                ("Before the layers", 1, 1.0),
                ("Layer 0", 2, 5.0),
                ("Layer 1", 2, 9.0),
                ("After the layers", 1, 0.5)
            ])
        );
    }
}
