//! Any model of the hub: a field for its name, and what its repository has.

use egui::{Align2, Key, RichText, TextEdit, Ui, vec2};

use super::rows::{Row, button, row};
use crate::hub::{FOLDER, Offer, Repository, fits, suggested};
use crate::session::ModelSource;
use crate::ui::action::Action;
use crate::ui::downloads::{Phase, Wanted};
use crate::ui::format;
use crate::ui::get_card::{Found, FoundRepository, GetAction};
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, semibold, size, space};
use crate::ui::widgets::{Emphasis, action_button, hint, section};

/// Most models of a repository that are listed.
const MOST: usize = 40;

pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    section(ui, "Any model of the hub");
    field(ui, scene);
    let found = std::mem::take(&mut scene.state.cards.get.found);
    match &found {
        Found::Nothing => {}
        Found::Asking(name) => drop(hint(ui, &format!("Asking what {name} has…"))),
        Found::Failed(problem) => {
            ui.label(RichText::new(problem).size(size::SMALL).color(palette(ui).error));
        }
        Found::There(found) => repository(ui, scene, found),
    }
    scene.state.cards.get.found = found;
}

fn field(ui: &mut Ui, scene: &mut Scene<'_>) {
    let card = &mut scene.state.cards.get;
    ui.horizontal(|ui| {
        let width = ui.available_width() - 92.0 - space::S;
        let edit = TextEdit::singleline(&mut card.query)
            .hint_text("owner/name, or the address of its page")
            .align(Align2::LEFT_CENTER);
        let response = ui.add_sized(vec2(width, 32.0), edit).accessible_name("Repository on the hub");
        if std::mem::take(&mut card.focus) {
            response.request_focus();
        }
        let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let name = card.query.trim().to_owned();
        ui.add_enabled_ui(!name.is_empty(), |ui| {
            let find = action_button(ui, Icon::Check, "Find", Emphasis::Primary, 92.0);
            if (find.clicked() || entered) && !name.is_empty() {
                scene.actions.push(Action::Get(GetAction::Find(name)));
            }
        });
    });
}

/// What a repository has.
fn repository(ui: &mut Ui, scene: &mut Scene<'_>, found: &FoundRepository) {
    let FoundRepository { repository, page, memory, here } = found;
    let palette = palette(ui);
    ui.add_space(space::XS);
    ui.label(RichText::new(repository.name.as_str()).font(semibold(size::BODY)).color(palette.text));
    hint(ui, &facts(repository));
    if let Some(problem) = &repository.problem {
        let text = format!("This program cannot open it: {problem}");
        ui.label(RichText::new(text).size(size::SMALL).color(palette.warning));
    }
    if repository.gated {
        let text = "It is given to those alone who accepted its terms: do that on its page, signed in, and set HF_TOKEN to a \
                    token of yours before you start this program, or run `hf auth login`.";
        ui.label(RichText::new(text).size(size::SMALL).color(palette.warning));
        ui.horizontal(|ui| {
            if ui.button(RichText::new("Copy its page's address").size(size::SMALL)).clicked() {
                scene.actions.push(Action::Copy(page.clone()));
            }
            hint(ui, page);
        });
    }
    let suggestion = suggested(&repository.offers, *memory);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        // The one that is suggested comes first.
        let others = (0..repository.offers.len()).filter(|index| Some(*index) != suggestion);
        for index in suggestion.into_iter().chain(others).take(MOST) {
            let offer = Listed {
                offer: &repository.offers[index],
                repository,
                memory: *memory,
                here: here.get(index).cloned().flatten(),
                is_suggested: suggestion == Some(index),
            };
            offer.show(ui, scene);
        }
    });
    if repository.offers.len() > MOST {
        hint(
            ui,
            &format!(
                "and {} more: `logitscope get {} --list`",
                repository.offers.len() - MOST,
                repository.name
            ),
        );
    }
}

/// What it is, in a line.
fn facts(repository: &Repository) -> String {
    let Repository { family_name, family, parameters, licence, .. } = repository;
    let parts = [
        family_name.clone().or_else(|| family.clone()),
        parameters.map(|count| format!("{} parameters", format::parameters(count))),
        licence.as_ref().map(|licence| format!("licence {licence}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// What is left of a model whose weights take so many bits, as far as that can be said of all models.
fn quality(bits: u32) -> &'static str {
    match bits {
        0..=2 => "much is lost",
        3 => "some is lost",
        4 => "little is lost",
        5..=7 => "hardly anything is lost",
        8..=15 => "as good as the original",
        _ => "the original",
    }
}

/// A model of the repository.
struct Listed<'a> {
    offer: &'a Offer,
    repository: &'a Repository,
    memory: Option<u64>,
    here: Option<std::path::PathBuf>,
    is_suggested: bool,
}

impl Listed<'_> {
    fn show(self, ui: &mut Ui, scene: &mut Scene<'_>) {
        let Self { offer, repository, memory, here, is_suggested } = self;
        let palette = palette(ui);
        let name = if offer.name == FOLDER { "The repository as a folder" } else { &offer.name };
        let parts = [
            Some(offer.quantisation.as_deref().unwrap_or("safetensors").to_owned()),
            offer.bits.map(|bits| quality(bits).to_owned()),
            (offer.files.len() > 1).then(|| format!("{} files", offer.files.len())),
        ];
        let details = parts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
        let note = match (&offer.problem, fits(offer, memory)) {
            (Some(problem), _) => Some((problem.as_str(), palette.warning)),
            (None, Some(false)) => Some(("too large for the GPU", palette.warning)),
            (None, _) if is_suggested => Some(("suits this computer", palette.good)),
            (None, _) => None,
        };
        let wanted = Wanted { repository: repository.name.clone(), file: offer.name.clone() };
        let begun = scene.state.downloads.of(&wanted);
        let begun = begun.is_some_and(|download| !matches!(download.phase, Phase::Here(_)));
        let size = format::bytes(offer.bytes());
        row(ui, &Row { name, details: &details, note, size: &size }, |ui| match here {
            Some(path) => {
                if button(ui, Icon::Check, "Open", name, Emphasis::Secondary) {
                    scene.actions.push(Action::Open(ModelSource::Path(path)));
                }
            }
            None => {
                ui.add_enabled_ui(!begun && offer.problem.is_none(), |ui| {
                    let emphasis = if is_suggested { Emphasis::Primary } else { Emphasis::Secondary };
                    let word = if begun { "Coming" } else { "Get" };
                    if button(ui, Icon::Save, word, name, emphasis) {
                        scene.actions.push(Action::Get(GetAction::Begin(wanted, offer.bytes())));
                    }
                });
            }
        });
    }
}
