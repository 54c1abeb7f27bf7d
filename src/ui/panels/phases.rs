//! The five chevrons: load ▸ tokenise ▸ initiation ▸ step ▸ text. Each opens a card with what goes in, what
//! comes out and the numbers.

use egui::{
    Align2, Color32, Popup, Pos2, Rect, Response, RichText, Role, Sense, Shape, Stroke, Ui, WidgetInfo, pos2,
    vec2,
};

use super::elsewhere;
use super::kept::{self, Kept};
use super::phase::{Phase, Progress, speed};
use super::server_phases;
use super::streaming;
use crate::session::{Initiation, Status};
use crate::trace::{StepInput, StopReason};
use crate::ui::action::Action;
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::loading;
use crate::ui::scene::Scene;
use crate::ui::state::Origin;
use crate::ui::theme::{palette, regular, semibold, size, space};
use crate::ui::widgets::{Emphasis, action_button, fact, one_line, paint_caption};

/// How far a chevron's point reaches, in points.
const POINT: f32 = 10.0;

/// Shows the chevrons.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let now = ui.input(|input| input.time);
    let elapsed = scene.state.progress_since.map(|since| now - since);
    let mut phases =
        [load(scene, elapsed), tokenise(scene), initiation(scene, elapsed), step(scene), text(scene)];
    server_phases::tell(scene, &mut phases);
    if scene.state.origin != Origin::Worker {
        let done = phases[1..].iter_mut().filter(|phase| phase.progress != Progress::Pending);
        done.for_each(|phase| phase.progress = Progress::Past);
    }
    let rect = ui.available_rect_before_wrap();
    let each = (rect.width() + POINT) / phases.len() as f32;
    for phase in &phases {
        let left =
            rect.left() + each * (phase.number - 1) as f32 - if phase.number > 1 { POINT } else { 0.0 };
        let right = rect.left() + each * phase.number as f32;
        let part = Rect::from_x_y_ranges(left..=right.min(rect.right()), rect.y_range());
        let response = chevron(ui, part, phase);
        Popup::from_toggle_button_response(&response).gap(4.0).width(340.0).show(|ui| {
            card(ui, phase, |ui| {
                if phase.number == 1 && phase.progress != Progress::Active {
                    server_phases::capabilities(ui, scene);
                    load_otherwise(ui, scene);
                }
            });
        });
    }
    ui.allocate_rect(rect, Sense::hover());
}

fn chevron(ui: &mut Ui, rect: Rect, phase: &Phase) -> Response {
    let palette = palette(ui);
    let first = phase.number == 1;
    let response = ui.interact(rect, ui.scope_id().with(("phase", phase.number)), Sense::click());
    response.widget_info(|| {
        let past = if phase.progress == Progress::Past { " · past run" } else { "" };
        WidgetInfo::labeled(Role::Button, true, format!("{}: {}{past}", phase.title, phase.figure))
    });

    ground(ui, rect, phase, &response);
    let left = rect.left() + if first { space::L } else { POINT + space::M };
    let low = rect.height() < 50.0;
    let number_color = match phase.progress {
        Progress::Pending => palette.tertiary,
        Progress::Active => palette.accent,
        Progress::Done => palette.good,
        Progress::Past => palette.secondary,
    };
    let dot = pos2(left + 8.0, rect.center().y - 1.0);
    badge(ui, dot, phase, number_color);

    let text_left = left + 24.0;
    words(ui, rect, phase, text_left, low);
    if phase.progress == Progress::Active {
        let bar = Rect::from_x_y_ranges(
            text_left..=(rect.right() - POINT - 8.0).max(text_left + 8.0),
            rect.bottom() - 5.0..=rect.bottom() - 3.0,
        );
        if let Some(share) = phase.share {
            crate::ui::widgets::thin_bar(ui, bar, Some(share), palette.accent);
        }
    }
    response.on_hover_cursor(egui::CursorIcon::PointingHand)
}

/// Its shape, with what pointer and keyboard do to it.
fn ground(ui: &Ui, rect: Rect, phase: &Phase, response: &Response) {
    let palette = palette(ui);
    let (first, last) = (phase.number == 1, phase.number == 5);
    let mut fill = if phase.progress == Progress::Active { palette.accent_soft } else { palette.surface };
    if response.hovered() {
        fill = crate::ui::colours::mix(fill, palette.text, 0.06);
    }
    let outline = outline(rect, first, last);
    // The shape has a notch, so that it is painted as two convex halves.
    let (middle_left, middle_right) = (outline[5], outline[2]);
    for half in [
        vec![outline[0], outline[1], middle_right, middle_left],
        vec![middle_left, middle_right, outline[3], outline[4]],
    ] {
        ui.painter().add(Shape::convex_polygon(half, fill, Stroke::NONE));
    }
    if !last {
        let edge = vec![outline[1], outline[2], outline[3]];
        ui.painter().line(edge, Stroke::new(1.0, palette.outline));
    }
    if response.has_focus() {
        ui.painter().rect_stroke(
            rect.shrink(2.0),
            4.0,
            Stroke::new(1.5, palette.accent),
            egui::StrokeKind::Inside,
        );
    }
}

/// Its title, and below it as much of its figure as has room.
fn words(ui: &Ui, rect: Rect, phase: &Phase, text_left: f32, low: bool) {
    let palette = palette(ui);
    let (title_y, figure_y) =
        if low { (rect.top() + 13.0, rect.top() + 28.0) } else { (rect.top() + 19.0, rect.top() + 37.0) };
    let room = rect.right() - text_left - POINT - 4.0;
    let painter = ui.painter().with_clip_rect(rect);
    let title_color = if phase.progress == Progress::Pending { palette.tertiary } else { palette.secondary };
    let mut job = egui::text::LayoutJob::single_section(
        phase.title.to_uppercase(),
        egui::TextFormat {
            font_id: semibold(size::CAPTION),
            extra_letter_spacing: 0.7,
            color: title_color,
            ..Default::default()
        },
    );
    job.wrap = egui::text::TextWrapping::truncate_at_width(room.max(8.0));
    let galley = painter.layout_job(job);
    painter.galley(pos2(text_left, title_y - galley.size().y / 2.0), galley, title_color);
    let figure_color = match phase.progress {
        Progress::Pending => palette.tertiary,
        Progress::Past => palette.secondary,
        Progress::Active | Progress::Done => palette.text,
    };
    let mut figure = phase.figure.as_str();
    let width =
        |text: &str| painter.layout_no_wrap(text.to_owned(), regular(size::SMALL), figure_color).size().x;
    if let Some(brief) = phase.brief.as_deref().filter(|_| width(figure) > room) {
        figure = brief;
    }
    // The parts of a figure come in the order of their weight: those that do not fit are left out.
    while let Some((shorter, _)) = figure.rsplit_once(" · ").filter(|_| width(figure) > room) {
        figure = shorter;
    }
    let galley = one_line(ui, figure, regular(size::SMALL), figure_color, room);
    painter.galley(pos2(text_left, figure_y - galley.size().y / 2.0), galley, figure_color);
}

/// Left top, right top, point, right bottom, left bottom, notch.
fn outline(rect: Rect, first: bool, last: bool) -> [Pos2; 6] {
    let point = if last { 0.0 } else { POINT };
    let notch = if first { 0.0 } else { POINT };
    [
        rect.left_top(),
        rect.right_top() - vec2(point, 0.0),
        rect.right_center(),
        rect.right_bottom() - vec2(point, 0.0),
        rect.left_bottom(),
        rect.left_center() + vec2(notch, 0.0),
    ]
}

fn badge(ui: &Ui, center: Pos2, phase: &Phase, color: Color32) {
    let painter = ui.painter();
    if phase.progress == Progress::Done {
        painter.circle_filled(center, 9.0, color.gamma_multiply(0.16));
        Icon::Check.paint(painter, center, 0.75, color);
    } else {
        painter.circle_stroke(center, 8.5, Stroke::new(1.25, color));
        painter.text(center, Align2::CENTER_CENTER, phase.number.to_string(), semibold(size::CAPTION), color);
    }
}

fn card(ui: &mut Ui, phase: &Phase, below: impl FnOnce(&mut Ui)) {
    let palette = palette(ui);
    ui.set_width(340.0);
    let room = ui.ctx().content_rect().bottom() - ui.cursor().top() - space::L;
    egui::ScrollArea::vertical().max_height(room).min_scrolled_height(room).content_margin(8).show(
        ui,
        |ui| {
            ui.label(
                RichText::new(format!("{} · {}", phase.number, phase.title))
                    .font(semibold(size::TITLE))
                    .color(palette.text),
            );
            for (name, text) in [("In", phase.goes_in), ("Does", phase.happens), ("Out", phase.comes_out)] {
                ui.horizontal_top(|ui| {
                    let (rect, _) = ui.allocate_exact_size(vec2(36.0, 16.0), Sense::hover());
                    paint_caption(ui, rect.left_center(), name);
                    ui.add(
                        egui::Label::new(RichText::new(text).size(size::SMALL).color(palette.secondary))
                            .wrap(),
                    );
                });
            }
            if !phase.facts.is_empty() {
                ui.separator();
                ui.spacing_mut().item_spacing.y = 0.0;
                for (definition, value) in &phase.facts {
                    fact(ui, definition, value);
                }
            }
            below(ui);
        },
    );
}

/// The way from the model that was loaded, or could not be, to the card on which that was asked for.
fn load_otherwise(ui: &mut Ui, scene: &mut Scene<'_>) {
    ui.add_space(space::S);
    let width = ui.available_width();
    let button = action_button(ui, Icon::Pencil, "Load it otherwise…", Emphasis::Secondary, width);
    let words = match elsewhere::is_open(scene) {
        true => {
            "The card of the server: another model, or another server. Nothing is asked before you say so there."
        }
        false => {
            "With another limit of GPU memory, context or precision. Nothing is loaded before you say so there."
        }
    };
    if button.on_hover_text(words).clicked() {
        scene.actions.push(Action::InspectLoaded);
    }
}

fn load(scene: &Scene<'_>, elapsed: Option<f64>) -> Phase {
    let mut phase = Phase {
        number: 1,
        title: "Load",
        progress: Progress::Pending,
        share: None,
        figure: "no model".to_owned(),
        goes_in: "A model's files: configuration, weights, tokenizer.",
        happens: "Checks every tensor and copies the weights to the GPU, in their stored format.",
        comes_out: "A decoder on the GPU, ready for tokens.",
        brief: None,
        facts: Vec::new(),
    };
    if let Status::Loading { part, share, .. } = scene.view.status {
        phase.progress = Progress::Active;
        phase.happens = loading::meaning(part);
        phase.share = share.fraction().map(|fraction| fraction as f32);
        phase.figure = loading::figure(part, share);
        if let Some(definition) = loading::counts(part) {
            phase.facts.push((definition, loading::count(part, share)));
        }
        if let Some(left) = time_left(elapsed, share.done as f64, share.total as f64) {
            phase.figure.push_str(&format!(" · {} left", format::seconds(left)));
            phase.facts.push((&definitions::PART_TIME_LEFT, format::seconds(left)));
        }
    } else if let Some(loaded) = &scene.view.loaded {
        let model = &loaded.model;
        phase.progress = Progress::Done;
        phase.figure = format!("{} · {}", format::seconds(loaded.seconds), format::bytes(model.weight_bytes));
        phase.facts = vec![
            (&definitions::LOAD_TIME, format::seconds(loaded.seconds)),
            (&definitions::PARAMETERS, format::parameters(model.parameters)),
            (
                &definitions::WEIGHT_BYTES,
                format!("{} · {}", format::bytes(model.weight_bytes), model.weights),
            ),
            (&definitions::SCRATCH_BYTES, format::bytes(loaded.scratch_bytes)),
            (&definitions::BYTES_A_POSITION, format::bytes(model.cache_bytes_per_position)),
        ];
        phase.facts.extend(kept::facts_of(model));
        phase.facts.extend(model.streaming.iter().flat_map(streaming::facts_of));
        phase.facts.push((&definitions::CONTEXT, format::plural(model.context, "position")));
    }
    phase
}

fn tokenise(scene: &Scene<'_>) -> Phase {
    let mut phase = Phase {
        number: 2,
        title: "Tokenise",
        progress: Progress::Pending,
        share: None,
        figure: "waits for a run".to_owned(),
        goes_in: "The prompt, as text.",
        happens: "Cuts the text into pieces of the vocabulary, on the CPU.",
        comes_out: "Token ids, one for each piece.",
        brief: None,
        facts: Vec::new(),
    };
    if let Some(run) = scene.run() {
        let figures = run.phases.tokenise;
        phase.progress = Progress::Done;
        phase.figure =
            format!("{} · {}", format::plural(run.prompt.len(), "token"), format::seconds(figures.seconds));
        phase.facts = vec![
            (&definitions::PROMPT_TOKENS, format::count(run.prompt.len() as u64)),
            (&definitions::TOKENISE_TIME, format::seconds(figures.seconds)),
        ];
    }
    phase
}

fn initiation(scene: &Scene<'_>, elapsed: Option<f64>) -> Phase {
    let mut phase = Phase {
        number: 3,
        title: "Initiation",
        progress: Progress::Pending,
        share: None,
        figure: "waits for a run".to_owned(),
        goes_in: "All prompt tokens at once.",
        happens: Kept::of(scene).initiation(),
        comes_out: "The logits after the last prompt token: they choose the first new token.",
        brief: None,
        facts: Vec::new(),
    };
    if let Some(Initiation { done, total }) = scene.view.initiating() {
        phase.progress = Progress::Active;
        phase.share = Some(if total > 0 { done as f32 / total as f32 } else { 0.0 });
        phase.figure = format!("{} of {}", format::count(done as u64), format::plural(total, "token"));
        // From where it went on last: a pause is no pace.
        let from = scene.state.progress_from.min(done);
        let left = time_left(elapsed, (done - from) as f64, (total - from) as f64);
        if scene.view.status == Status::Paused {
            phase.figure.push_str(" · paused");
        } else if let Some(left) = left {
            phase.figure.push_str(&format!(" · {} left", format::seconds(left)));
            phase.facts.push((&definitions::TIME_LEFT, format::seconds(left)));
        }
    } else if let Some(run) = scene.run().filter(|run| !run.line.is_empty()) {
        let figures = run.phases.initiation;
        phase.progress = Progress::Done;
        if run.step_input == StepInput::WholeText {
            phase.happens =
                "One pass through the decoder. The KV cache is off: keys and values are not kept.";
        }
        // The tokens stand in the phase before: where there is little room the time stays.
        phase.figure = format!("{} · {}", format::seconds(figures.seconds), kept::entered(run));
        phase.facts = vec![
            (&definitions::INITIATION_TIME, format::seconds(figures.seconds)),
            (&definitions::PHASE_ROWS, rows(figures.amount)),
            (&definitions::INITIATION_RATE, speed(figures.amount as f64 / figures.seconds)),
        ];
        phase.facts.extend(run.long_rope.map(|rope| (&definitions::LONG_ROPE, format::long_rope(rope))));
        if run.continued_positions > 0 {
            phase.goes_in = "What is new in the prompt; the turns before are in the KV cache.";
            let continued = format::count(run.continued_positions as u64);
            phase.facts.push((&definitions::CONTINUED_POSITIONS, continued));
        }
    }
    phase
}

fn step(scene: &Scene<'_>) -> Phase {
    let mut phase = Phase {
        number: 4,
        title: "Step",
        progress: Progress::Pending,
        share: None,
        figure: "waits for a run".to_owned(),
        goes_in: Kept::of(scene).step_input(),
        happens: "One pass through the decoder for each token, until a stop text, EOS or the maximum.",
        comes_out: "One row of logits, from which the strategy chooses the next token.",
        brief: None,
        facts: Vec::new(),
    };
    let Some(run) = scene.run().filter(|run| !run.line.is_empty()) else { return phase };
    if run.step_input == StepInput::WholeText {
        phase.goes_in = "The whole text again, prompt and new tokens: the KV cache is off.";
    }
    let line = run.incremental_of_line();
    // A pass may bring several tokens.
    let rate = (line.passes > 0).then(|| speed(line.tokens as f64 / line.seconds));
    let mut parts = vec![format!("step {}", format::count(run.line.len() as u64))];
    parts.extend(rate.clone());
    match scene.view.status {
        Status::Running => {
            phase.progress = Progress::Active;
            phase.share = Some(run.line.len() as f32 / scene.state.wanted_tokens.max(1) as f32);
        }
        Status::Paused => {
            phase.progress = Progress::Active;
            parts.push("paused".to_owned());
        }
        _ => phase.progress = Progress::Done,
    }
    phase.figure = parts.join(" · ");
    phase.facts = vec![
        (&definitions::INCREMENTAL_STEPS, format::count(line.passes as u64)),
        (&definitions::INCREMENTAL_TIME, format::seconds(line.seconds)),
        (&definitions::LINE_ROWS, rows(line.rows)),
    ];
    phase.facts.extend(rate.map(|rate| (&definitions::INCREMENTAL_RATE, rate)));
    let all = run.phases.incremental_steps;
    if all > line.passes {
        let seconds = format::seconds(run.phases.incremental.seconds);
        phase.facts.push((
            &definitions::ALL_LINES,
            format!("{} {} · {seconds}", format::count(all as u64), if all == 1 { "pass" } else { "passes" }),
        ));
    }
    phase
}

fn text(scene: &Scene<'_>) -> Phase {
    let mut phase = Phase {
        number: 5,
        title: "Text",
        progress: Progress::Pending,
        share: None,
        figure: "waits for a run".to_owned(),
        goes_in: "The chosen ids, one at a time.",
        happens: "Turns ids back into text (detokenise). Bytes of a split character are held until it is whole.",
        comes_out: "The text, and the reason why it ended.",
        brief: None,
        facts: Vec::new(),
    };
    let Some(run) = scene.run().filter(|run| !run.line.is_empty()) else { return phase };
    phase.progress = if run.stop.is_some() { Progress::Done } else { Progress::Active };
    phase.figure = match run.stop {
        Some(stop) => {
            let tokens = format::plural(run.line.len(), "token");
            phase.brief = Some(format!("{tokens} · {}", brief_stop(stop)));
            format!("{tokens} · {}", stop_words(stop))
        }
        None => {
            let characters: usize = run.line_nodes().map(|node| node.text.chars().count()).sum();
            let tokens = format::plural(run.line.len(), "token");
            format!("{tokens} · {}", format::plural(characters, "character"))
        }
    };
    phase.facts = vec![
        (&definitions::NEW_TOKENS, format::count(run.line.len() as u64)),
        (&definitions::DETOKENISE_TIME, format::seconds(run.phases.detokenise.seconds)),
    ];
    phase
}

fn rows(count: u64) -> String {
    format::plural(count as usize, "token row")
}

/// Why a run ended, in a few words.
pub(crate) fn stop_words(stop: StopReason) -> &'static str {
    match stop {
        StopReason::Eos => "ended by the model (EOS)",
        StopReason::Grammar => "ended by the grammar",
        StopReason::StopText => "ended by a stop text",
        StopReason::MaxTokens => "reached the maximum",
        StopReason::ContextFull => "context is full",
        StopReason::Cancelled => "stopped by you",
        StopReason::Failed => "failed; see notices",
    }
}

/// The same where there is little room.
fn brief_stop(stop: StopReason) -> &'static str {
    match stop {
        StopReason::Eos => "EOS",
        StopReason::Grammar => "grammar's end",
        StopReason::StopText => "stop text",
        StopReason::MaxTokens => "maximum",
        StopReason::ContextFull => "context full",
        StopReason::Cancelled => "stopped",
        StopReason::Failed => "failed",
    }
}

/// Seconds left at the pace so far; `None` before a tenth of a second or a hundredth of the work.
fn time_left(elapsed: Option<f64>, done: f64, total: f64) -> Option<f64> {
    let elapsed = elapsed.filter(|elapsed| *elapsed > 0.1)?;
    (done > total * 0.01 && total > done).then(|| elapsed * (total - done) / done)
}
