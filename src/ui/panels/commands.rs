//! What the command palette lists: everything that a person can do now, by name.

use std::sync::Arc;

use egui::KeyboardShortcut;

use super::scale;
use super::strategy;
use crate::decoding::StrategyKind;
use crate::session::ModelSource;
use crate::ui::action::Action;
use crate::ui::arrangement::Preset;
use crate::ui::connect_card::ConnectAction;
use crate::ui::earlier::Replaced;
use crate::ui::exports::Export;
use crate::ui::get_card::GetAction;
use crate::ui::keyboard::SHORTCUTS;
use crate::ui::lanes::{LaneAction, SecondAction};
use crate::ui::lessons::built_in;
use crate::ui::pane::Pane;
use crate::ui::remembered::ThemeChoice;
use crate::ui::scene::Scene;

/// Something to do, by name.
pub(super) struct Named {
    /// What it is called.
    pub name: String,
    /// The keys that do it.
    pub keys: Option<KeyboardShortcut>,
    /// What it is.
    pub action: Action,
}

/// Everything that can be done now, in the order of the list.
pub(super) fn all(scene: &Scene<'_>) -> Vec<Named> {
    let mut commands: Vec<Named> = Vec::new();
    let mut add = |name: String, action: Action| {
        let keys = SHORTCUTS.iter().find(|(_, _, known)| *known == action).map(|(keys, _, _)| *keys);
        commands.push(Named { name, keys, action });
    };
    let mut known: Vec<&str> = vec!["Commands"];
    for (_, meaning, action) in SHORTCUTS {
        if !known.contains(meaning) {
            known.push(meaning);
            add((*meaning).to_owned(), action.clone());
        }
    }
    add("Open the built-in model".to_owned(), Action::Load(ModelSource::BuiltIn));
    for path in &scene.state.remembered.recent {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        add(format!("Open {name}"), Action::Open(ModelSource::Path(path.clone())));
    }
    add("Get a model…".to_owned(), Action::Get(GetAction::Show));
    add("Open a model on a server…".to_owned(), Action::Connect(ConnectAction::Show));
    add("Open a trace…".to_owned(), Action::OpenTrace);
    let run = scene.run();
    for pane in Pane::ALL {
        add(format!("Show {}", pane.title(run)), Action::ShowPane(pane));
    }
    let tables = Pane::ALL.into_iter().filter(|pane| pane.has_table()).map(Export::Table);
    for export in std::iter::once(Export::Page).chain(tables).chain(Pane::ALL.map(Export::Picture)) {
        let ending = export.extension().to_uppercase();
        add(format!("{} ({ending})…", export.title(run)), Action::Export(export));
    }
    for (index, lesson) in built_in().iter().enumerate() {
        add(format!("Lesson {}: {}", index + 1, lesson.title), Action::BeginLesson(Arc::clone(lesson)));
    }
    add("Open a lesson of your own…".to_owned(), Action::PickLesson);
    for strategy in StrategyKind::ALL.into_iter().filter(|strategy| strategy::fits(scene, *strategy)) {
        add(format!("Strategy: {}", strategy.name()), Action::UseStrategy(strategy));
    }
    for colouring in scale::COLOURINGS {
        add(format!("Colour by {}", scale::name(colouring)), Action::UseColouring(colouring));
    }
    add("Run the lanes".to_owned(), Action::Lane(LaneAction::Run));
    add("Add a lane of the present settings".to_owned(), Action::Lane(LaneAction::Add));
    add("Hold another model against lane A…".to_owned(), Action::Second(SecondAction::Choose));
    add("Chat: on or off".to_owned(), Action::ToggleChat);
    add("Begin a new conversation".to_owned(), Action::NewConversation);
    for (what, name) in [
        (Replaced::Run, "Bring the earlier run back"),
        (Replaced::Talk, "Bring the earlier conversation back"),
    ] {
        if scene.state.earlier.has(what) {
            add(name.to_owned(), Action::BringBack(what));
        }
    }
    if let Some(run) = scene.run() {
        add("Copy the text".to_owned(), Action::Copy(run.text()));
    }
    for (name, theme) in
        [("light", ThemeChoice::Light), ("dark", ThemeChoice::Dark), ("as the system", ThemeChoice::System)]
    {
        add(format!("Theme: {name}"), Action::SetTheme(theme));
    }
    for (name, step) in [("larger", 1), ("smaller", -1), ("usual", 0)] {
        add(format!("Text size: {name}"), Action::Zoom(step));
    }
    for preset in Preset::ALL {
        add(format!("Arrangement: {}", preset.name()), Action::Arrange(preset));
    }
    add("Arrange the panes as at first".to_owned(), Action::ResetArrangement);
    add("Report a problem…".to_owned(), Action::ShowProblem);
    add("Reset the window: settings, recent models, layout".to_owned(), Action::ResetAll);
    commands
}

/// How well a name answers a query, the higher the better; `None` if it does not. Every word of the query has to be in the
/// name: at its beginning is best, then at a word's, then anywhere.
pub(super) fn answers(name: &str, query: &str) -> Option<u32> {
    let name = name.to_lowercase();
    let query = query.to_lowercase();
    let mut score = 0;
    for word in query.split_whitespace() {
        let place = name.find(word)?;
        let begins_word = name
            .match_indices(word)
            .any(|(at, _)| name[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric()));
        score += match (place, begins_word) {
            (0, _) => 3,
            (_, true) => 2,
            (_, false) => 1,
        };
    }
    Some(score)
}

#[cfg(test)]
mod tests {
    use super::answers;

    #[test]
    fn words_are_found_the_better_the_earlier_they_begin() {
        assert_eq!(answers("Strategy: greedy", "str"), Some(3));
        assert_eq!(answers("Strategy: greedy", "GREE"), Some(2));
        assert_eq!(answers("Strategy: greedy", "eed"), Some(1));
        assert_eq!(answers("Strategy: greedy", "greedy strategy"), Some(5));
        assert_eq!(answers("Strategy: greedy", "greedy beam"), None);
        assert_eq!(answers("anything", " "), Some(0));
        assert_eq!(answers("a ta tat", "tat"), Some(2), "a later place may begin a word");
    }
}
