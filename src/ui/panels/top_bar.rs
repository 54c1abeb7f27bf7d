//! The top bar: the program, the model and its facts, the adapter, the theme.

use egui::{Align, Layout, Response, RichText, Sense, Ui, vec2};

use super::run_buttons::run_buttons;
use super::served;
use crate::session::event::{BrokenAdapter, Loaded};
use crate::session::{ServerFacts, Status};
use crate::trace::AdapterFacts;
use crate::ui::action::Action;
use crate::ui::arrangement::Preset;
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::get_card::GetAction;
use crate::ui::icons::Icon;
use crate::ui::remembered::ThemeChoice;
use crate::ui::scene::Scene;
use crate::ui::theme::{NARROW, palette, regular, semibold, size, space};
use crate::ui::widgets::{Emphasis, action_button, combo_icon, icon_button, icon_toggle, one_line};

/// Room for what stands at the right end, before that is known.
const RIGHT_END: f32 = 360.0;

/// What safe mode is.
const SAFE: &str = "Begun with --safe-mode: everything is as at the first start, nothing is remembered, and the GPU gets its \
                    plainest kernels.";

/// Shows the bar.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let palette = palette(ui);
    let narrow = ui.ctx().content_rect().width() < NARROW;
    ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        let (rect, _) = ui.allocate_exact_size(vec2(18.0, 18.0), Sense::hover());
        Icon::Logo.paint(ui.painter(), rect.center(), 1.1, palette.accent);
        if !narrow {
            ui.label(RichText::new("Logitscope").font(semibold(size::TITLE)).color(palette.text));
        }
        if scene.state.is_safe {
            let words = RichText::new("Safe mode").size(size::SMALL).color(palette.warning);
            ui.add(egui::Label::new(words).sense(Sense::hover())).on_hover_text(SAFE);
        }
        ui.add_space(space::XS);
        let open = action_button(
            ui,
            Icon::Folder,
            "Open model…",
            Emphasis::Secondary,
            if narrow { 36.0 } else { 130.0 },
        );
        if open.on_hover_text("Open a model (Ctrl+O), or drop a folder on the window").clicked() {
            scene.actions.push(Action::ShowOpen);
        }
        if narrow {
            run_buttons(ui, scene, &[92.0, 36.0, 36.0]);
        }
        // What stands on the right is as wide as it was in the frame before, so that the keyboard goes from left to right.
        let (whole, id) = (ui.available_rect_before_wrap(), ui.scope_id().with("right end"));
        let width = ui.data(|data| data.get_temp::<f32>(id)).unwrap_or(RIGHT_END);
        let split = (whole.right() - width).max(whole.left());
        let layout = Layout::left_to_right(Align::Center);
        let part = |rect| egui::UiBuilder::new().max_rect(rect).layout(layout);
        model(&mut ui.new_child(part(whole.with_max_x(split - space::S))), scene);
        let mut right = ui.new_child(part(whole.with_min_x(split)));
        right_end(&mut right, scene, narrow);
        let needed = right.min_rect().width();
        if (needed - width).abs() > 0.5 {
            ui.data_mut(|data| data.insert_temp(id, needed));
            ui.ctx().request_discard("the right end of the bar has another width");
        }
    });
}

/// What stands at the right end of the bar, from left to right.
fn right_end(ui: &mut Ui, scene: &mut Scene<'_>, narrow: bool) {
    ui.spacing_mut().item_spacing.x = space::XS;
    if !narrow {
        adapter(ui, scene);
    }
    arrangement(ui, scene, narrow);
    theme_switch(ui, scene);
    downloads(ui, scene);
    bell(ui, scene);
    if icon_button(ui, Icon::Book, "Lessons").clicked() {
        scene.actions.push(Action::ToggleLessons);
    }
    if icon_button(ui, Icon::Question, "Keyboard shortcuts").clicked() {
        scene.actions.push(Action::ToggleShortcuts);
    }
}

/// Opens the list of notices; a dot says that there are some unread, and how bad they are.
fn bell(ui: &mut Ui, scene: &mut Scene<'_>) {
    let bell = icon_button(ui, Icon::Bell, "Notices");
    let view = scene.view;
    let unread =
        (scene.state.notices_read.max(view.forgotten)..view.told()).filter_map(|number| view.notice(number));
    if let Some(worst) = unread.map(|notice| notice.severity).max() {
        let dot = bell.rect.right_top() + vec2(-8.0, 8.0);
        ui.painter().circle_filled(dot, 3.5, super::notices::color(worst, palette(ui)));
    }
    if bell.clicked() {
        scene.actions.push(Action::ToggleNotices);
    }
}

/// How far downloads are, while there are any: a line below the arrow.
fn downloads(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Some(share) = scene.state.downloads.share() else { return };
    let palette = palette(ui);
    let percent = (100.0 * share).floor();
    let button = icon_toggle(ui, Icon::Save, &format!("Downloads: {percent} %"), Some(true));
    let line =
        egui::Rect::from_min_max(button.rect.left_bottom() - vec2(0.0, 3.0), button.rect.right_bottom());
    ui.painter().rect_filled(line, 1.5, palette.outline);
    let done = line.with_max_x(line.left() + line.width() * share);
    ui.painter().rect_filled(done, 1.5, palette.accent);
    if button.clicked() {
        scene.actions.push(Action::Get(GetAction::Show));
    }
}

/// The arrangements to choose from; a narrow window shows one pane at a time.
fn arrangement(ui: &mut Ui, scene: &mut Scene<'_>, narrow: bool) {
    if narrow {
        return;
    }
    let button = icon_button(ui, Icon::Panes, "Arrangement of the panes");
    egui::Popup::menu(&button).show(|ui| {
        for preset in Preset::ALL {
            let present = scene.state.preset == Some(preset);
            let choice = ui.selectable_label(present, preset.name());
            if choice.on_hover_text(preset.words()).clicked() {
                scene.actions.push(Action::Arrange(preset));
            }
        }
    });
}

fn theme_switch(ui: &mut Ui, scene: &mut Scene<'_>) {
    let (icon, next, label) = match scene.state.remembered.theme {
        ThemeChoice::System => (Icon::Half, ThemeChoice::Light, "Theme: system"),
        ThemeChoice::Light => (Icon::Sun, ThemeChoice::Dark, "Theme: light"),
        ThemeChoice::Dark => (Icon::Moon, ThemeChoice::System, "Theme: dark"),
    };
    if icon_toggle(ui, icon, label, None).clicked() {
        scene.actions.push(Action::SetTheme(next));
    }
}

fn adapter(ui: &mut Ui, scene: &mut Scene<'_>) {
    if let Some(loaded) = scene.view.loaded.as_ref().filter(|loaded| loaded.server.is_some()) {
        return server(ui, loaded);
    }
    let adapters = &scene.view.adapters;
    let used = scene.view.loaded.as_ref().map(|loaded| &loaded.adapter);
    let name = used.map_or("Best adapter", |adapter| adapter.name.as_str());
    let mut short: String = name.chars().take(22).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    let combo = egui::ComboBox::from_id_salt("adapter")
        .selected_text(RichText::new(short).size(size::SMALL))
        .width(60.0)
        .icon(combo_icon)
        .show_ui(ui, |ui| {
            ui.set_min_width(280.0);
            let wanted = &scene.state.remembered.adapter;
            if ui.selectable_label(wanted.is_none(), "Best adapter").clicked() {
                scene.actions.push(Action::UseAdapter(None));
            }
            for adapter in adapters {
                let broken = scene.view.broken_adapters.iter().find(|broken| broken.index == adapter.index);
                let on = wanted.as_deref() == Some(adapter.index.to_string().as_str());
                if adapter_row(ui, adapter, on, broken).clicked() {
                    scene.actions.push(Action::UseAdapter(Some(adapter.index.to_string())));
                }
            }
        });
    let response = combo.response.accessible_name("Adapter");
    if let Some(adapter) = used {
        response.on_hover_ui(|ui| {
            ui.label(RichText::new(&adapter.name).strong());
            ui.label(format!("{} · {} · {}", adapter.backend, adapter.kind, adapter.driver));
        });
    }
}

/// In place of the adapter: where the model is that is on a server.
fn server(ui: &mut Ui, loaded: &Loaded) {
    let host = &loaded.adapter.name;
    let text = one_line(ui, host, regular(size::SMALL), palette(ui).secondary, 170.0);
    let response = ui.add(egui::Label::new(text).sense(Sense::hover()));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, format!("Server: {host}")));
    response.on_hover_text("The server that computes the model. No GPU of this computer takes part.");
    let (mark, _) = ui.allocate_exact_size(vec2(14.0, 16.0), Sense::hover());
    Icon::Server.paint(ui.painter(), mark.center(), 0.75, palette(ui).secondary);
}

/// An adapter to choose. One that does not work is grey, with the reason below; choosing it tries it again.
fn adapter_row(ui: &mut Ui, adapter: &AdapterFacts, on: bool, broken: Option<&BrokenAdapter>) -> Response {
    let text = format!("{} · {} · {}", adapter.name, adapter.backend, adapter.kind);
    let Some(BrokenAdapter { problem, .. }) = broken else { return ui.selectable_label(on, text) };
    let grey = palette(ui).tertiary;
    let row = ui.selectable_label(on, RichText::new(text).color(grey));
    let reason = RichText::new(format!("Cannot be used: {problem}")).size(size::SMALL).color(grey);
    let below_the_text = egui::Margin { left: ui.spacing().button_padding.x as i8, ..egui::Margin::ZERO };
    egui::Frame::NONE.inner_margin(below_the_text).show(ui, |ui| {
        // Not justified, as rows of the list are.
        ui.vertical(|ui| ui.add(egui::Label::new(reason).wrap()))
    });
    row.on_hover_text("It did not work when it was tried. Choosing it tries it again.")
}

/// The engine, and what it tells of the model.
fn server_words(server: &ServerFacts, context: usize) -> String {
    let facts = served::facts_of(server, context);
    let words = facts.iter().map(|(definition, value)| match *definition {
        definition if *definition == definitions::SERVER_ENGINE => value.clone(),
        definition => format!("{} {value}", definition.name.to_lowercase()),
    });
    words.collect::<Vec<_>>().join(" · ")
}

fn model(ui: &mut Ui, scene: &mut Scene<'_>) {
    let palette = palette(ui);
    ui.spacing_mut().item_spacing.x = space::S;
    ui.add_space(space::XS);
    let room = ui.available_width();
    if room < 60.0 {
        return;
    }
    match (&scene.view.status, &scene.view.loaded) {
        (Status::Loading { name, .. }, _) => {
            let text = one_line(ui, &format!("Loading {name}…"), semibold(size::BODY), palette.text, room);
            ui.label(text);
        }
        (_, Some(loaded)) => {
            let model = &loaded.model;
            let name = one_line(ui, &model.name, semibold(size::BODY), palette.text, room.min(220.0));
            let used = name.size().x;
            let response = ui.add(egui::Label::new(name).sense(Sense::hover()));
            let response = response.on_hover_ui(|ui| {
                ui.label(RichText::new(&model.name).font(semibold(size::BODY)).color(palette.text));
                ui.label(RichText::new(&model.path).size(size::SMALL).color(palette.tertiary));
                if let Some(server) = &loaded.server {
                    return drop(ui.label(server_words(server, model.context)));
                }
                ui.label(format!(
                    "{} · width {} · {} ({} key/value) · head width {} · vocabulary {} · context {}",
                    format::plural(model.layers, "layer"),
                    model.width,
                    format::plural(model.heads, "head"),
                    model.key_value_heads,
                    model.head_width,
                    format::count(model.vocabulary as u64),
                    format::count(model.context as u64),
                ));
            });
            response.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::Label, true, format!("Model: {}", model.name))
            });
            // Another model's run says nothing of what is on the GPU now.
            let run = scene.view.run.as_ref().filter(|run| run.model == *model);
            let newest = run.and_then(|run| run.nodes.last());
            let counters = newest.map(|node| node.counters).unwrap_or_default();
            let (cache, states) = (counters.cache_bytes, counters.states.map(|states| states.bytes));
            let memory = model.weight_bytes + loaded.scratch_bytes + cache + states.unwrap_or_default();
            let parts = states.map_or_else(String::new, |states| {
                format!(": KV cache {}, states {}", format::bytes(cache), format::bytes(states))
            });
            let local = || {
                format!(
                    "{} · {} parameters · {} · {} on the GPU{parts}",
                    model.family,
                    format::parameters(model.parameters),
                    model.weights,
                    format::bytes(memory)
                )
            };
            let facts =
                loaded.server.as_ref().map_or_else(local, |server| server_words(server, model.context));
            let left = room - used - space::M;
            if left > 80.0 {
                let galley = one_line(ui, &facts, regular(size::SMALL), palette.tertiary, left);
                let response = ui.add(egui::Label::new(galley).sense(Sense::hover()));
                response.on_hover_ui(|ui| {
                    ui.label(RichText::new(&facts).size(size::SMALL).color(palette.text));
                    if loaded.server.is_none() {
                        definitions::MEMORY.card(ui);
                    }
                });
            }
        }
        _ => {
            ui.label(RichText::new("No model").color(palette.tertiary));
        }
    }
}
