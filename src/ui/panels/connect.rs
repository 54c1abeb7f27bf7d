//! The card that connects to a server: its address, the key if it wants one, and the models that it serves.

use egui::{
    Align, Align2, CornerRadius, Key, Label, Layout, Modifiers, Popup, RichText, Role, Sense, TextEdit, Ui,
    WidgetInfo, pos2, vec2,
};

use crate::session::{KEY_VARIABLE, ModelSource, ServedModel, ServerAddress};
use crate::ui::action::Action;
use crate::ui::connect_card::{ConnectAction, Served};
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, regular, semibold, size, space};
use crate::ui::widgets::{self, Emphasis, action_button, focus_ring, hint, one_line, section};

/// Height of a row of the list.
const ROW: f32 = 44.0;
/// Most models that are listed.
const MOST: usize = 60;
/// Width of the buttons beside the fields.
const BUTTON: f32 = 104.0;

/// Shows the card, if it is asked for.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    if !scene.state.cards.connect.shows {
        return;
    }
    if widgets::card(ui, "model on a server", 620.0, |ui| card(ui, scene)).should_close() {
        scene.state.cards.connect.shows = false;
        scene.actions.push(Action::Connect(ConnectAction::Stop));
    }
}

fn card(ui: &mut Ui, scene: &mut Scene<'_>) {
    let color = palette(ui).text;
    ui.horizontal(|ui| {
        ui.label(RichText::new("A model on a server").font(semibold(size::TITLE)).color(color));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let back = action_button(ui, Icon::Folder, "Models on this computer", Emphasis::Secondary, 206.0);
            if back.clicked() {
                scene.actions.push(Action::Connect(ConnectAction::Back));
            }
        });
    });
    hint(
        ui,
        "vLLM, llama-server and others compute the model, on this computer or elsewhere. Logitscope asks them for the \
         log-probabilities of each step, and decodes with these.",
    );
    ui.add_space(space::XS);
    section(ui, "Address");
    let asks = address(ui, scene);
    let typed = scene.state.cards.connect.typed();
    let empty = scene.state.cards.connect.address.trim().is_empty();
    match &typed {
        Ok(address) => contact(ui, address),
        Err(_) if empty => drop(hint(
            ui,
            "What the server prints when it starts, such as http://127.0.0.1:8000 for vLLM, http://127.0.0.1:8080 for llama-server.",
        )),
        Err(problem) => told(ui, problem, palette(ui).warning),
    }
    ui.add_space(space::XS);
    section(ui, "Key, if the server wants one");
    let asks = key(ui, scene, typed.as_ref().ok()) || asks;
    if asks && typed.is_ok() {
        scene.actions.push(Action::Connect(ConnectAction::Ask));
    }
    ui.add_space(space::XS);
    served(ui, scene);
}

/// A sentence that takes as many lines as it needs.
fn told(ui: &mut Ui, text: &str, color: egui::Color32) {
    ui.add(Label::new(RichText::new(text).size(size::SMALL).color(color)).wrap());
}

/// The field for the address, with the servers of earlier times, and the button that asks; whether to ask.
fn address(ui: &mut Ui, scene: &mut Scene<'_>) -> bool {
    let asking = matches!(scene.state.cards.connect.served, Served::Asking(_));
    let known = scene.state.remembered.servers.clone();
    let beside = if known.is_empty() { 0.0 } else { 28.0 + space::S };
    ui.horizontal(|ui| {
        let card = &mut scene.state.cards.connect;
        let width = ui.available_width() - BUTTON - space::S - beside;
        let edit = TextEdit::singleline(&mut card.address)
            .hint_text("http://HOST:PORT, and #MODEL where it serves several")
            .align(Align2::LEFT_CENTER);
        let response = ui.add_sized(vec2(width, 32.0), edit).accessible_name("Address of the server");
        if std::mem::take(&mut card.focus) {
            response.request_focus();
        }
        if response.changed() {
            card.served = Served::Nothing;
        }
        let mut asks = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        if !known.is_empty() {
            let button = widgets::icon_button(ui, Icon::Down, "Servers of earlier times");
            Popup::menu(&button).show(|ui| {
                for address in &known {
                    if ui.button(address).clicked() {
                        scene.actions.push(Action::Connect(ConnectAction::Fill(address.clone())));
                    }
                }
                ui.separator();
                if ui.button("Forget these servers").clicked() {
                    scene.actions.push(Action::Connect(ConnectAction::ForgetServers));
                }
            });
        }
        let can = scene.state.cards.connect.typed().is_ok();
        if asking {
            if action_button(ui, Icon::Stop, "Stop asking", Emphasis::Secondary, BUTTON).clicked() {
                scene.actions.push(Action::Connect(ConnectAction::Stop));
            }
            return false;
        }
        ui.add_enabled_ui(can, |ui| {
            asks |= action_button(ui, Icon::Check, "Connect", Emphasis::Primary, BUTTON).clicked();
        });
        asks
    })
    .inner
}

/// Whom a press of the button contacts, and who can read along.
fn contact(ui: &mut Ui, address: &ServerAddress) {
    let host = address.host();
    let palette = palette(ui);
    if address.is_here() {
        hint(ui, &format!("Contacts {host}, which is this computer. Nothing leaves it."));
        return;
    }
    let gets =
        "It gets your prompts and the texts that are decoded from them, and sees this computer's address.";
    if address.is_secure() {
        hint(ui, &format!("Contacts {host} over an encrypted connection. {gets}"));
    } else {
        hint(ui, &format!("Contacts {host}, another computer. {gets}"));
        let text = "http:// is not encrypted: on the way others can read what is sent, the key included. Use https:// outside \
                    of a network that you trust.";
        told(ui, text, palette.warning);
    }
}

/// The field for a key, and what becomes of it; whether Enter was pressed in it.
fn key(ui: &mut Ui, scene: &mut Scene<'_>, address: Option<&ServerAddress>) -> bool {
    let in_use = address.and_then(|address| scene.state.keys.get(address)).map(|key| key.kept.clone());
    let is_kept = in_use.as_ref().is_some_and(Option::is_some);
    let card = &mut scene.state.cards.connect;
    let asks = ui
        .horizontal(|ui| {
            let width = ui.available_width() - if is_kept { BUTTON + space::S } else { 0.0 };
            let hint = if is_kept { "a key is there; type another one to replace it" } else { "none" };
            let edit =
                TextEdit::singleline(&mut card.key).password(true).hint_text(hint).align(Align2::LEFT_CENTER);
            let response = ui.add_sized(vec2(width, 32.0), edit).accessible_name("Key of the server");
            if std::mem::take(&mut card.focus_key) {
                response.request_focus();
            }
            if is_kept
                && let Some(address) = address
                && action_button(ui, Icon::Cross, "Forget it", Emphasis::Secondary, BUTTON).clicked()
            {
                scene.actions.push(Action::Connect(ConnectAction::ForgetKey(address.clone())));
            }
            response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter))
        })
        .inner;
    let origin = address.map_or_else(|| "the server".to_owned(), ServerAddress::origin);
    let kept = match (in_use.flatten(), scene.state.cards.connect.has_variable) {
        (Some(kept), _) => kept.words(),
        (None, true) => format!("{KEY_VARIABLE} is set: without another one, that key is sent."),
        (None, false) => "Once the server has taken it, it is kept in this system's keyring, or in memory where there is none; \
                          never in a file of this program."
            .to_owned(),
    };
    hint(ui, &format!("Sent to {origin} alone. {kept}"));
    asks
}

/// What the server said, or that it is asked.
fn served(ui: &mut Ui, scene: &mut Scene<'_>) {
    let served = std::mem::take(&mut scene.state.cards.connect.served);
    match &served {
        Served::Nothing => {}
        Served::Asking(address) => {
            ui.horizontal(|ui| {
                ui.spinner();
                hint(ui, &format!("Asking {} which models it serves…", address.host()));
            });
        }
        Served::Failed(problem) => told(ui, problem, palette(ui).error),
        Served::There { address, models } => {
            let count = format::plural(models.len(), "model");
            section(ui, &format!("{} serves {count}", address.host()));
            list(ui, scene, address, models);
        }
    }
    scene.state.cards.connect.served = served;
}

/// The models; arrows and Enter choose one while no field has the keyboard.
fn list(ui: &mut Ui, scene: &mut Scene<'_>, address: &ServerAddress, models: &[ServedModel]) {
    let last = models.len().min(MOST) - 1;
    let selected = &mut scene.state.cards.connect.selected;
    *selected = (*selected).min(last);
    let mut open = None;
    if ui.memory(|memory| memory.focused()).is_none() {
        ui.input_mut(|input| {
            for (key, to) in
                [(Key::ArrowDown, (*selected + 1).min(last)), (Key::ArrowUp, selected.saturating_sub(1))]
            {
                if input.consume_key(Modifiers::NONE, key) {
                    *selected = to;
                }
            }
            if input.consume_key(Modifiers::NONE, Key::Enter) {
                open = Some(*selected);
            }
        });
    }
    let selected = *selected;
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        for (index, model) in models.iter().take(MOST).enumerate() {
            if row(ui, model, index == selected) {
                open = Some(index);
            }
        }
    });
    if models.len() > MOST {
        hint(ui, &format!("and {} more: write #MODEL behind the address", models.len() - MOST));
    }
    hint(
        ui,
        "Click a model, or press Enter, to open it: a few small requests find out what the server can do.",
    );
    if let Some(model) = open.and_then(|index| models.get(index)) {
        scene.actions.push(Action::Load(ModelSource::Server(address.with_model(&model.id))));
    }
}

/// What a server says of a model, in a line.
fn details(model: &ServedModel) -> String {
    let parts = [
        model.context.map(|context| format!("{} positions", format::count(context as u64))),
        model
            .vocabulary
            .map(|vocabulary| format!("{} tokens in its vocabulary", format::count(vocabulary as u64))),
        model.root.clone().filter(|root| *root != model.id),
    ];
    let told = parts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    if told.is_empty() { "the server tells no more of it".to_owned() } else { told }
}

fn row(ui: &mut Ui, model: &ServedModel, selected: bool) -> bool {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
    let details = details(model);
    response.widget_info(|| {
        WidgetInfo::selected(Role::Button, true, selected, format!("Open {}, {details}", model.id))
    });
    let fill = match (selected, response.hovered()) {
        (true, _) => palette.accent_soft,
        (false, true) => palette.hover,
        (false, false) => palette.raised,
    };
    ui.painter().rect_filled(rect, CornerRadius::same(6), fill);
    focus_ring(ui, &response, rect);
    let inside = rect.shrink2(vec2(12.0, 0.0));
    let line = |y: f32, text: &str, font, color| {
        let galley = one_line(ui, text, font, color, inside.width());
        ui.painter().galley(pos2(inside.left(), y), galley, color);
    };
    line(inside.top() + 6.0, &model.id, semibold(size::BODY), palette.text);
    line(inside.top() + 24.0, &details, regular(size::SMALL), palette.secondary);
    response.on_hover_cursor(egui::CursorIcon::PointingHand).clicked()
}
