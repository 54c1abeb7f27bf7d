//! The lesson beside the live window: what the step says, its question, its button, and the way on.

use egui::{
    CornerRadius, Frame, Margin, Rect, RichText, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo,
    vec2,
};

use crate::session::{ModelSource, Status};
use crate::ui::action::Action;
use crate::ui::following::{Following, Towards};
use crate::ui::icons::Icon;
use crate::ui::lessons::{Answer, Question, RunKind, Step};
use crate::ui::scene::Scene;
use crate::ui::state::Origin;
use crate::ui::theme::{RADIUS, palette, regular, semibold, size, space};
use crate::ui::widgets::{Emphasis, action_button, caption, focus_ring, hint, icon_button, thin_bar};

/// Shows the panel; nothing where no lesson is followed.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Some(mut following) = scene.state.lesson.take() else { return };
    let palette = palette(ui);
    ui.painter().rect_filled(ui.max_rect(), 0.0, palette.surface);
    let foot = Frame::new().inner_margin(Margin::symmetric(16, 10));
    egui::Panel::bottom("lesson foot").frame(foot).show(ui, |ui| way_on(ui, scene, &following));
    egui::CentralPanel::default().frame(Frame::new()).show(ui, |ui| {
        Frame::new().inner_margin(Margin { left: 16, right: 8, top: 8, bottom: 0 }).show(ui, |ui| {
            head(ui, scene, &following);
        });
        let scroll = ScrollArea::vertical().id_salt(("lesson", following.at)).auto_shrink(false);
        scroll.show(ui, |ui| {
            Frame::new().inner_margin(Margin { left: 16, right: 16, top: 8, bottom: 12 }).show(ui, |ui| {
                ui.spacing_mut().item_spacing.y = space::S;
                content(ui, scene, &mut following);
            });
        });
    });
    scene.state.lesson = Some(following);
}

/// Which lesson, how far, and the way out.
fn head(ui: &mut Ui, scene: &mut Scene<'_>, following: &Following) {
    let steps = following.lesson.steps.len();
    ui.horizontal(|ui| {
        let room = ui.available_width() - 36.0;
        let title = crate::ui::widgets::one_line(
            ui,
            &following.lesson.title,
            semibold(size::BODY),
            palette(ui).text,
            room,
        );
        ui.label(title);
        ui.add_space((ui.available_width() - 28.0).max(0.0));
        if icon_button(ui, Icon::Cross, "Leave the lesson").clicked() {
            scene.actions.push(Action::GoInLesson(Towards::Away));
        }
    });
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width() - 8.0, 4.0), Sense::hover());
    let words = format!("Step {} of {steps} of the lesson", following.at + 1);
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, &words));
    thin_bar(ui, rect, Some((following.at + 1) as f32 / steps as f32), palette(ui).accent);
}

fn content(ui: &mut Ui, scene: &mut Scene<'_>, following: &mut Following) {
    let palette = palette(ui);
    let step = following.step().clone();
    let is_about = scene.view.loaded.as_ref().is_some_and(|loaded| following.lesson.is_about(&loaded.model));
    if !is_about {
        another_model(ui, scene, following);
    }
    ui.label(caption(ui, &format!("{} of {}", following.at + 1, following.lesson.steps.len())));
    let title = RichText::new(&step.title).font(semibold(size::TITLE)).color(palette.text);
    ui.add(egui::Label::new(title).wrap());
    for paragraph in &step.paragraphs {
        let text = RichText::new(paragraph).font(regular(size::BODY)).color(palette.secondary);
        ui.add(egui::Label::new(text.line_height(Some(19.0))).wrap());
    }
    let ran = following.has_run(scene.state.run_number, scene.view);
    if let Some(question) = &step.question {
        ask(ui, question, following);
    }
    if step.run.is_some() {
        run(ui, scene, following, &step, (ran, is_about));
    }
    let answer = following.answer().zip(step.question.as_ref());
    if let Some((answer, question)) = answer.filter(|_| ran || step.run.is_none()) {
        let shown = if is_about { explain(ui, &question.answers[answer]) } else { unjudged(ui) };
        if following.explained != Some(following.at) {
            following.explained = Some(following.at);
            shown.scroll_to_me(Some(egui::Align::BOTTOM));
        }
    }
}

/// Says that another model than the lesson's is open, or none.
fn another_model(ui: &mut Ui, scene: &mut Scene<'_>, following: &Following) {
    let palette = palette(ui);
    let lesson = &following.lesson;
    let of = lesson.model_words();
    let words = match (&of, &scene.view.loaded) {
        (Some(of), Some(loaded)) => format!(
            "This lesson was written for {of}. “{}” has other tokens and other numbers: what is said here of them \
             need not hold, and no answer is judged.",
            loaded.model.name
        ),
        (Some(of), None) => format!("No model is open. This lesson was written for {of}."),
        (None, _) => "No model is open: the lesson needs one to run.".to_owned(),
    };
    let frame = Frame::new()
        .fill(palette.raised)
        .stroke(Stroke::new(1.0, palette.warning))
        .corner_radius(RADIUS)
        .inner_margin(Margin::symmetric(12, 10));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = space::S;
        let text = RichText::new(words).size(size::SMALL).color(palette.text);
        ui.add(egui::Label::new(text).wrap());
        if matches!(scene.view.status, Status::Loading { .. }) {
            return;
        }
        let width = ui.available_width();
        let (label, action) = if lesson.is_about_built_in() || of.is_none() {
            ("Open that model", Action::Load(ModelSource::BuiltIn))
        } else {
            ("Open model…", Action::ShowOpen)
        };
        if action_button(ui, Icon::Logo, label, Emphasis::Secondary, width).clicked() {
            scene.actions.push(action);
        }
    });
}

/// In place of a judgement: with another model the answer may be another one.
fn unjudged(ui: &mut Ui) -> egui::Response {
    hint(
        ui,
        "Not judged: the answers are about another model than the one that ran. See for yourself what this one did.",
    )
}

/// The question, with its answers to choose from.
fn ask(ui: &mut Ui, question: &Question, following: &mut Following) {
    let palette = palette(ui);
    ui.add_space(space::XS);
    let text = RichText::new(&question.text).font(semibold(size::BODY)).color(palette.text);
    ui.add(egui::Label::new(text).wrap());
    for (index, answer) in question.answers.iter().enumerate() {
        let on = following.answer() == Some(index);
        if choice(ui, &answer.text, on) {
            following.choose(index);
        }
    }
}

/// An answer to choose; whether it was pressed.
fn choice(ui: &mut Ui, text: &str, on: bool) -> bool {
    let palette = palette(ui);
    let width = ui.available_width();
    let ink = if on { palette.text } else { palette.secondary };
    let galley = ui.painter().layout(text.to_owned(), regular(size::SMALL), ink, width - 40.0);
    let (rect, response) = ui.allocate_exact_size(vec2(width, galley.size().y + 12.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, ui.is_enabled(), on, text));
    let fill = match (on, response.hovered()) {
        (true, _) => palette.accent_soft,
        (false, true) => palette.hover,
        (false, false) => palette.raised,
    };
    let edge = if on { palette.accent } else { palette.outline };
    ui.painter().rect(rect, CornerRadius::same(RADIUS), fill, Stroke::new(1.0, edge), StrokeKind::Inside);
    let dot = egui::pos2(rect.left() + 16.0, rect.center().y);
    ui.painter().circle_stroke(dot, 5.0, Stroke::new(1.25, edge));
    if on {
        ui.painter().circle_filled(dot, 2.75, palette.accent);
    }
    ui.painter().galley(Rect::from_min_max(rect.min + vec2(30.0, 6.0), rect.max).min, galley, ink);
    focus_ring(ui, &response, rect);
    response.on_hover_cursor(egui::CursorIcon::PointingHand).clicked()
}

/// The button that runs, once the question is answered.
fn run(
    ui: &mut Ui,
    scene: &mut Scene<'_>,
    following: &Following,
    step: &Step,
    (ran, is_about): (bool, bool),
) {
    let Some(kind) = step.run else { return };
    let (icon, label) = match kind {
        RunKind::ToTheEnd => (Icon::Play, "Run it"),
        RunKind::OneStep => (Icon::Step, "One step"),
        RunKind::BothWays => (Icon::Play, "Measure both ways"),
    };
    let answered = step.question.is_none() || following.answer().is_some() || !is_about;
    let problem = problem(scene, kind);
    let under_way = following.has_begun() && !ran && problem.is_none() && is_busy(scene, kind);
    ui.add_space(space::XS);
    let width = ui.available_width();
    let emphasis = if ran { Emphasis::Secondary } else { Emphasis::Primary };
    ui.add_enabled_ui(answered && problem.is_none() && !under_way, |ui| {
        let label = if ran { "Run it again" } else { label };
        if action_button(ui, icon, label, emphasis, width).clicked() {
            scene.actions.push(Action::RunLessonStep);
        }
    });
    if let Some(problem) = problem {
        hint(ui, problem);
    } else if !answered {
        hint(ui, "Choose an answer first: then see whether you are right.");
    } else if under_way {
        hint(ui, "It runs…");
    }
}

/// What keeps a step from being run.
fn problem(scene: &Scene<'_>, kind: RunKind) -> Option<&'static str> {
    if scene.view.loaded.is_none() {
        return Some("Open a model first.");
    }
    let has_text = scene.run().is_some_and(|run| !run.line.is_empty());
    let own = scene.state.origin == Origin::Worker;
    (kind == RunKind::BothWays && !(has_text && own)).then_some("Run the step before this one first.")
}

/// Whether the worker is at it.
fn is_busy(scene: &Scene<'_>, kind: RunKind) -> bool {
    match kind {
        RunKind::BothWays => scene.view.comparison.as_ref().is_none_or(|comparison| !comparison.ended),
        RunKind::ToTheEnd | RunKind::OneStep => {
            matches!(scene.view.status, Status::Initiating { .. } | Status::Running)
        }
    }
}

/// Whether the answer was right, and why.
fn explain(ui: &mut Ui, answer: &Answer) -> egui::Response {
    let palette = palette(ui);
    let (word, ink, icon) = if answer.right {
        ("Right", palette.good, Icon::Check)
    } else {
        ("Not quite", palette.warning, Icon::Question)
    };
    ui.add_space(space::XS);
    let frame = Frame::new()
        .fill(palette.raised)
        .stroke(Stroke::new(1.0, palette.line))
        .corner_radius(RADIUS)
        .inner_margin(Margin::symmetric(12, 10));
    frame
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = space::XS;
            ui.horizontal(|ui| {
                let (rect, _) = ui.allocate_exact_size(vec2(16.0, 16.0), Sense::hover());
                icon.paint(ui.painter(), rect.center(), 0.85, ink);
                ui.label(RichText::new(word).font(semibold(size::BODY)).color(ink));
            });
            let text = RichText::new(&answer.explanation).size(size::BODY).color(palette.secondary);
            ui.add(egui::Label::new(text.line_height(Some(19.0))).wrap());
        })
        .response
}

/// Back and on; or what becomes of a prompt that was typed.
fn way_on(ui: &mut Ui, scene: &mut Scene<'_>, following: &Following) {
    let half = (ui.available_width() - space::S) / 2.0;
    if let Some(towards) = following.asking {
        let (text, replace) = match towards {
            Towards::Step(_) => {
                ("You typed a prompt of your own. The next step has another one.", "Take the lesson's")
            }
            Towards::Away => {
                ("You typed a prompt of your own. Before the lesson there was another one.", "Put that back")
            }
        };
        hint(ui, text);
        ui.horizontal(|ui| {
            for (label, keeps) in [(replace, false), ("Keep mine", true)] {
                if action_button(ui, Icon::Check, label, Emphasis::Secondary, half).clicked() {
                    scene.actions.push(Action::ArriveInLesson(towards, keeps));
                }
            }
        });
        return;
    }
    let last = following.at + 1 == following.lesson.steps.len();
    ui.horizontal(|ui| {
        ui.add_enabled_ui(following.at > 0, |ui| {
            if action_button(ui, Icon::Up, "Back", Emphasis::Secondary, half).clicked() {
                scene.actions.push(Action::GoInLesson(Towards::Step(following.at - 1)));
            }
        });
        let done = match following.step().run {
            Some(_) => following.has_run(scene.state.run_number, scene.view),
            None => following.step().question.is_none() || following.answer().is_some(),
        };
        let emphasis = if done { Emphasis::Primary } else { Emphasis::Secondary };
        let (label, icon) = if last { ("Finish", Icon::Check) } else { ("Next", Icon::Down) };
        if action_button(ui, icon, label, emphasis, half).clicked() {
            let towards = if last { Towards::Away } else { Towards::Step(following.at + 1) };
            scene.actions.push(Action::GoInLesson(towards));
        }
    });
}
