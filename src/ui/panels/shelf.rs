//! The models on this computer: found by a word or two, chosen by arrows and Enter or by a click.

use egui::{
    Align, Align2, Color32, CornerRadius, Id, Key, Layout, Modifiers, Rect, RichText, Role, ScrollArea,
    Sense, TextEdit, Ui, WidgetInfo, pos2, vec2,
};

use crate::library::{DeviceMemory, Fits, LookedInto, Model, Seen};
use crate::session::ModelSource;
use crate::ui::action::Action;
use crate::ui::connect_card::ConnectAction;
use crate::ui::format;
use crate::ui::get_card::GetAction;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::shelf::{Order, Phase, Shelf, details};
use crate::ui::theme::{mono, palette, regular, semibold, size, space};
use crate::ui::widgets::{self, Emphasis, action_button, hint, one_line, section, segmented};

/// Height of a row.
const ROW: f32 = 42.0;
/// Rows that have room in the smallest window.
const FEWEST: f32 = 3.0;
/// Most rows at a time.
const MOST: f32 = 9.0;
/// Height of the rest of the card.
const REST: f32 = 600.0;

/// Shows the list. It takes the same room whatever was found, so that nothing below it moves while the search goes on.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Scene { state, actions, .. } = scene;
    let shelf = &mut state.cards.shelf;
    shelf.arrange(&state.remembered.recent);
    heading(ui, shelf);
    let id = Id::unique("find a model");
    if let Some(model) = keys(ui, shelf, id) {
        actions.push(open(&model));
    }
    search(ui, shelf, id, std::mem::take(&mut state.cards.focus_search));
    shelf.arrange(&state.remembered.recent);
    if let Some(model) = list(ui, shelf) {
        actions.push(open(&model));
    }
    shelf.moved = false;
    for folder in &state.remembered.library_folders {
        ui.horizontal(|ui| {
            let label = format!("Look no more in {}", folder.display());
            let forget = widgets::icon_button(ui, Icon::Cross, &label);
            hint(ui, &format!("also looks in {}", folder.display()));
            if forget.clicked() {
                actions.push(Action::ForgetLibraryFolder(folder.clone()));
            }
        });
    }
    let is_empty = shelf.phase == Phase::Done && shelf.models.is_empty();
    let third = (ui.available_width() - 2.0 * ui.spacing().item_spacing.x) / 3.0;
    ui.horizontal(|ui| {
        let another = action_button(ui, Icon::Folder, "Look in another folder…", Emphasis::Secondary, third);
        if another
            .on_hover_text("Its models are listed from now on, such as those of text-generation-webui")
            .clicked()
        {
            actions.push(Action::PickLibraryFolder);
        }
        let emphasis = if is_empty { Emphasis::Primary } else { Emphasis::Secondary };
        let get = action_button(ui, Icon::Save, "Get a model…", emphasis, third);
        if get.on_hover_text("Download one from the Hugging Face hub").clicked() {
            actions.push(Action::Get(GetAction::Show));
        }
        let served = action_button(ui, Icon::Server, "On a server…", Emphasis::Secondary, third);
        if served
            .on_hover_text("A model that vLLM, llama-server or the like runs, here or elsewhere")
            .clicked()
        {
            actions.push(Action::Connect(ConnectAction::Show));
        }
    });
}

/// What opens a model of the list.
pub(super) fn open(model: &Model) -> Action {
    Action::Open(ModelSource::Path(model.found.path.clone()))
}

/// The title, and how far the search is.
fn heading(ui: &mut Ui, shelf: &Shelf) {
    ui.horizontal(|ui| {
        section(ui, "Models on this computer");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let text = match shelf.phase {
                Phase::Waiting | Phase::Looking(_, 0) => "looking…".to_owned(),
                Phase::Looking(done, total) => format!("looking… {done} of {total}"),
                Phase::Done if shelf.shown.len() < shelf.models.len() => {
                    format!("{} of {}", shelf.shown.len(), shelf.models.len())
                }
                Phase::Done => shelf.models.len().to_string(),
            };
            ui.label(RichText::new(text).size(size::SMALL).color(palette(ui).tertiary));
            others(ui, shelf);
        });
    });
}

/// The search field, and the order beside it.
fn search(ui: &mut Ui, shelf: &mut Shelf, id: Id, focus: bool) {
    const ORDERS: f32 = 220.0;
    ui.horizontal(|ui| {
        let width = ui.available_width() - ORDERS - space::S;
        let edit = TextEdit::singleline(&mut shelf.query)
            .id(id)
            .hint_text("Find by name, family, format …")
            .align(Align2::LEFT_CENTER);
        let response = ui.add_sized(vec2(width, 30.0), edit).accessible_name("Find a model");
        if focus {
            response.request_focus();
        }
        if response.changed() {
            shelf.selected = 0;
        }
        widgets::column(ui, vec2(ORDERS, 30.0), |ui| {
            if let Some(order) = segmented(ui, shelf.order, &Order::ALL) {
                (shelf.order, shelf.selected, shelf.moved) = (order, 0, true);
            }
        });
    });
}

/// Moves the selection by the arrows, while the keyboard is on the list's field or nowhere; the model that Enter opens.
fn keys(ui: &Ui, shelf: &mut Shelf, id: Id) -> Option<Model> {
    if ui.memory(|memory| memory.focused()).is_some_and(|focused| focused != id) {
        return None;
    }
    let last = shelf.shown.len().saturating_sub(1);
    let enter = ui.input_mut(|input| {
        for (key, to) in [
            (Key::ArrowDown, (shelf.selected + 1).min(last)),
            (Key::ArrowUp, shelf.selected.saturating_sub(1)),
        ] {
            if input.consume_key(Modifiers::NONE, key) {
                (shelf.selected, shelf.moved) = (to, true);
            }
        }
        input.consume_key(Modifiers::NONE, Key::Enter)
    });
    shelf.selected_model().filter(|model| enter && model.opens()).cloned()
}

/// The models, or what is said in place of them, in room that depends on the window alone; the model that was clicked.
fn list(ui: &mut Ui, shelf: &Shelf) -> Option<Model> {
    let height = (ui.ctx().content_rect().height() - REST).clamp(FEWEST * ROW, MOST * ROW);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let ground = palette(ui).window;
    ui.painter().rect_filled(rect, CornerRadius::same(8), ground);
    let mut inside = ui.new_child(egui::UiBuilder::new().max_rect(rect));
    if !shelf.shown.is_empty() {
        return rows(&mut inside, shelf, height);
    }
    ScrollArea::vertical().id_salt("no models").max_height(height).show(&mut inside, |ui| {
        egui::Frame::new().inner_margin(10).show(ui, |ui| nothing(ui, shelf));
    });
    None
}

/// The rows that are in sight; the model that was clicked.
fn rows(ui: &mut Ui, shelf: &Shelf, room: f32) -> Option<Model> {
    let mut scroll = ScrollArea::vertical().id_salt("models").max_height(room).auto_shrink([false, true]);
    if shelf.moved {
        // The row above stays in sight.
        let above = (shelf.selected as f32 + 1.0) * ROW - room + ROW;
        let below = (shelf.selected as f32 - 1.0) * ROW;
        let now = ui.data(|data| data.get_temp::<f32>(Id::unique("models' offset"))).unwrap_or_default();
        scroll = scroll.vertical_scroll_offset(now.clamp(above.max(0.0).min(below.max(0.0)), below.max(0.0)));
    }
    let mut clicked = None;
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let output = scroll.show_rows(ui, ROW, shelf.shown.len(), |ui, range| {
            for place in range {
                let model = &shelf.models[shelf.shown[place]];
                if row(ui, model, place == shelf.selected, shelf.room) {
                    clicked = Some(model.clone());
                }
            }
        });
        ui.data_mut(|data| data.insert_temp(Id::unique("models' offset"), output.state.clamped_offset().y));
    });
    clicked
}

/// A model; whether it is to be opened.
pub(super) fn row(ui: &mut Ui, model: &Model, is_selected: bool, room: Option<DeviceMemory>) -> bool {
    let palette = palette(ui);
    let opens = model.opens();
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
    let bytes = format::bytes(model.found.bytes);
    let details = details(model);
    let problem = model.facts.problem.as_deref().unwrap_or_default();
    let label = match opens {
        true => format!("{}, {details}, {bytes}", model.found.name),
        false => format!("{}, cannot be opened: {problem}", model.found.name),
    };
    response.widget_info(|| WidgetInfo::selected(Role::ListItem, opens, is_selected, &label));
    let fill = match (is_selected, response.hovered()) {
        (true, _) => palette.accent_soft,
        (false, true) => palette.hover,
        (false, false) => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect.shrink2(vec2(0.0, 1.0)), CornerRadius::same(6), fill);
    let inside = rect.shrink2(vec2(10.0, 0.0));
    let (above, below) = (inside.top() + 5.0, inside.top() + 22.0);
    let (strong, quiet) =
        if opens { (palette.text, palette.secondary) } else { (palette.tertiary, palette.tertiary) };
    let size_left = right(ui, inside, above + 1.0, &bytes, mono(size::SMALL), quiet);
    let note = match (opens, model.facts.fits(room)) {
        (false, _) => Some(("cannot be opened", palette.tertiary)),
        (true, Some(Fits::Not)) => Some(("too large for the GPU", palette.warning)),
        (true, Some(Fits::Streamed)) => Some(("runs, streamed", palette.warning)),
        (true, _) => None,
    };
    let note_left = note
        .map_or(inside.right(), |(text, color)| right(ui, inside, below, text, regular(size::SMALL), color));
    let left = |y: f32, text: &str, font, color, end: f32| {
        let galley = one_line(ui, text, font, color, end - space::M - inside.left());
        ui.painter().galley(pos2(inside.left(), y), galley, color);
    };
    left(above, &model.found.name, semibold(size::BODY), strong, size_left);
    left(below, &details, regular(size::SMALL), quiet, note_left);
    let path = model.found.path.display();
    let hover = match (opens, model.facts.memory) {
        (false, _) => format!("{problem}\n\n{path}"),
        (true, Some(need)) => {
            let (bytes, positions) = (format::bytes(need.bytes), format::count(need.context as u64));
            let streamed = match model.facts.fits(room) {
                Some(Fits::Streamed) => {
                    " Layers that do not fit stay in the computer's memory and cross the bus for every token, which takes time."
                }
                _ => "",
            };
            format!(
                "{path}\n\nIt takes {bytes} of GPU memory with {positions} positions (computed).{streamed}"
            )
        }
        (true, None) => path.to_string(),
    };
    response.on_hover_text(hover).clicked() && opens
}

/// Paints a text that ends at the right; where it begins.
fn right(ui: &Ui, inside: Rect, top: f32, text: &str, font: egui::FontId, color: Color32) -> f32 {
    let galley = ui.painter().layout_no_wrap(text.to_owned(), font, color);
    let left = inside.right() - galley.size().x;
    ui.painter().galley(pos2(left, top), galley, color);
    left
}

/// What is said where no row shows.
fn nothing(ui: &mut Ui, shelf: &Shelf) {
    match (shelf.phase, shelf.models.is_empty()) {
        (_, false) => drop(hint(ui, "No model has these words in its name, family or format.")),
        (Phase::Waiting | Phase::Looking(..), true) => {
            drop(hint(ui, "Looking where other programs keep models…"))
        }
        (Phase::Done, true) => {
            ui.label(RichText::new("No models found").color(palette(ui).secondary));
            let there = |looked: &&LookedInto| looked.seen != Seen::Absent;
            let (there, absent): (Vec<_>, Vec<_>) = shelf.looked_into.iter().partition(there);
            for (title, places) in [("Looked into", there), ("Not there", absent)] {
                let place = |looked: &&LookedInto| looked.place.folder.display().to_string();
                let places: Vec<String> = places.iter().map(place).collect();
                if !places.is_empty() {
                    hint(ui, &format!("{title}: {}", places.join(", ")));
                }
            }
        }
    }
}

/// What was left out, in a few quiet words.
fn others(ui: &mut Ui, shelf: &Shelf) {
    if shelf.others.is_empty() {
        return;
    }
    let count = shelf.others.len();
    let what =
        if count == 1 { "file that is no language model" } else { "files that are no language models" };
    let named = |model: &Model| {
        let what = model.facts.other.map(|other| other.counted(1)).unwrap_or_default();
        format!("{}: {}", model.found.name, what.trim_start_matches("1 "))
    };
    let names: Vec<String> = shelf.others.iter().take(20).map(named).collect();
    let words =
        RichText::new(format!("{count} {what} left out")).size(size::SMALL).color(palette(ui).tertiary);
    ui.label(words).on_hover_text(names.join("\n"));
}
