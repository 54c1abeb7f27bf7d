//! The left panel: prompt, strategy, settings, and the buttons that run.

use egui::{Frame, Key, KeyboardShortcut, Margin, Modifiers, RichText, ScrollArea, TextEdit, Ui, vec2};

use super::conversation;
use super::grammar;
use super::run_buttons::run_buttons;
use super::served;
use super::settings;
use crate::session::View;
use crate::ui::action::Action;
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::scene::Scene;
use crate::ui::theme::{NARROW, mono, palette, size, space};
use crate::ui::widgets::{follow_focus, hint, section};

/// Shows the panel.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    // A narrow window has these buttons in its top bar.
    if ui.ctx().content_rect().width() >= NARROW {
        let frame = Frame::new().inner_margin(Margin::symmetric(16, 12));
        egui::Panel::bottom("run buttons").frame(frame).show(ui, |ui| {
            grammar::warn(ui, scene);
            let width = ui.available_width();
            let small = (width - 2.0 * space::S) * 0.28;
            ui.horizontal(|ui| run_buttons(ui, scene, &[width - 2.0 * small - 2.0 * space::S, small, small]));
        });
    }
    egui::CentralPanel::default().frame(Frame::new()).show(ui, |ui| {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            Frame::new().inner_margin(Margin::symmetric(16, 12)).show(ui, |ui| {
                ui.spacing_mut().item_spacing.y = space::S;
                if ui.ctx().content_rect().width() < NARROW {
                    grammar::warn(ui, scene);
                }
                editor(ui, scene);
                ui.add_space(space::S);
                served::show(ui, scene);
                settings::show(ui, scene);
            });
            follow_focus(ui);
        });
    });
}

/// How many tokens the prompt has, of those that the context holds.
fn counted(ui: &mut Ui, view: &View) {
    let (Some(tokens), Some(loaded)) = (view.prompt_tokens, &view.loaded) else { return };
    let context = loaded.model.context;
    let words = format!("{} of {} positions", format::plural(tokens, "token"), format::count(context as u64));
    let color = if tokens >= context { palette(ui).error } else { palette(ui).tertiary };
    let label = egui::Label::new(RichText::new(words).size(size::SMALL).color(color));
    let response = ui.add(label.sense(egui::Sense::hover()));
    definitions::PROMPT_TOKENS.explain(response);
}

fn editor(ui: &mut Ui, scene: &mut Scene<'_>) {
    let palette = palette(ui);
    let problem = match &scene.view.loaded {
        None => Some("Open a model first."),
        Some(loaded) => loaded.chat_problem.as_deref(),
    };
    // Where there is no template the switch is off, whatever it was for the model before.
    let mut chat = scene.state.remembered.chats(scene.view.loaded.as_deref());
    if chat {
        conversation::show(ui, scene);
    } else {
        section(ui, "Prompt");
    }
    let remembered = &mut scene.state.remembered;
    let hint = match chat {
        true if remembered.talk.newest.is_some() => {
            "Your next message; leave it empty to ask the last one again"
        }
        true => "Your message",
        false => "What should the model continue?",
    };
    let is_blank = remembered.prompt.trim().is_empty();
    let edit = TextEdit::multiline(&mut remembered.prompt)
        .font(mono(size::BODY))
        .desired_rows(4)
        .desired_width(f32::INFINITY)
        .margin(Margin::symmetric(10, 8))
        .hint_text(hint);
    // As in all chats: Enter sends, and a line is made by Shift+Enter.
    let edit = if chat { edit.return_key(KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter)) } else { edit };
    ScrollArea::vertical().id_salt("prompt").max_height(168.0).show(ui, |ui| {
        let response = ui.add_sized(vec2(ui.available_width(), 84.0), edit).accessible_name("Prompt");
        let sends = chat && response.has_focus() && !is_blank;
        if sends && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter)) {
            scene.actions.push(Action::Send);
        }
    });
    if chat {
        self::hint(ui, "Enter sends · Shift+Enter begins a line");
    }
    counted(ui, scene.view);
    let label = |text| RichText::new(text).size(size::SMALL).color(palette.secondary);
    ui.horizontal_wrapped(|ui| {
    ui.add_enabled_ui(problem.is_none(), |ui| {
        let response = ui
            .checkbox(&mut chat, label("Chat"))
            .on_hover_text("Talks with the model: what was said goes into its chat template, whose special tokens show as chips in the text.")
            .on_disabled_hover_text(problem.unwrap_or_default());
        if response.changed() {
            remembered.chat = chat;
            // What was asked is there to be continued as a text.
            if let (false, true, Some(turn)) = (chat, remembered.prompt.is_empty(), &remembered.talk.newest) {
                remembered.prompt = turn.asked.clone();
            }
        }
    });
    ui.add_enabled_ui(!chat, |ui| {
        ui.checkbox(&mut remembered.add_special, label("Add the model's special tokens"))
            .on_hover_text(
                "Lets the tokenizer add the tokens that its file asks for, such as BOS, before the text.",
            )
            .on_disabled_hover_text("A chat template brings its own.");
    });
    });
    if let (true, Some(loaded)) = (chat, &scene.view.loaded) {
        conversation::switches(ui, &mut remembered.talk, &loaded.chat_switches);
    }
}
