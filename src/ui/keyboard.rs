//! The keyboard's shortcuts.

use egui::{Context, Key, KeyboardShortcut, Modifiers};

use super::action::Action;
use super::exports::Export;
use super::state::State;

/// Shortcuts with what they do, in the order of the shortcuts card.
pub(super) const SHORTCUTS: &[(KeyboardShortcut, &str, Action)] = &[
    (plain(Key::Space), "Run or pause", Action::ToggleRun),
    (command(Key::Enter), "Run", Action::Run),
    (plain(Key::S), "One step", Action::StepOnce),
    (plain(Key::Period), "One step", Action::StepOnce),
    (plain(Key::Escape), "Stop; put errors away", Action::Stop),
    (plain(Key::ArrowLeft), "Step before", Action::SelectPrevious),
    (plain(Key::ArrowRight), "Step after", Action::SelectNext),
    (plain(Key::Home), "First step", Action::SelectFirst),
    (plain(Key::End), "Newest step, and follow", Action::SelectLast),
    (plain(Key::ArrowUp), "Candidate above", Action::MoveCandidate(-1)),
    (plain(Key::ArrowDown), "Candidate below", Action::MoveCandidate(1)),
    (plain(Key::B), "Branch: go on with the selected candidate", Action::BranchSelected),
    (plain(Key::U), "Undo: back to the line before the branch, or to the earlier run", Action::Undo),
    (plain(Key::F), "Follow the newest step", Action::ToggleFollow),
    (plain(Key::I), "Show or hide the inspector", Action::ToggleInspector),
    (command(Key::K), "Commands", Action::TogglePalette),
    (command(Key::O), "Open a model", Action::ShowOpen),
    (command(Key::S), "Save the trace", Action::Export(Export::Trace)),
    (plain(Key::N), "Show notices", Action::ToggleNotices),
    (plain(Key::L), "Lessons", Action::ToggleLessons),
    (plain(Key::F1), "Show shortcuts", Action::ToggleShortcuts),
    (plain(Key::Questionmark), "Show shortcuts", Action::ToggleShortcuts),
];

const fn plain(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn command(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

/// The actions that the keyboard asks for in this frame. While a text is being edited only shortcuts with a
/// command key count, and behind a card none but the one that closes it.
pub(super) fn from_keyboard(ctx: &Context, state: &State) -> Vec<Action> {
    // Escape takes the focus from an editor before this is asked, and must do nothing else then.
    let typing = state.typing || ctx.text_edit_focused();
    let card = state.cards.any() || ctx.memory(|memory| memory.top_modal_layer()).is_some();
    let popup = egui::Popup::is_any_open(ctx);
    let focus = ctx.memory(|memory| memory.focused()).is_some();
    ctx.input_mut(|input| {
        SHORTCUTS
            .iter()
            .filter(|(shortcut, _, action)| {
                let free = shortcut.modifiers.command || !typing;
                let behind = card && !closes_card(state, action);
                // Escape closes an open popup before it stops a run; Space presses a button that has the focus.
                let taken = match shortcut.logical_key {
                    Key::Escape => popup,
                    Key::Space => popup || focus,
                    _ => false,
                };
                free && !taken && !behind
            })
            .filter(|(shortcut, _, _)| {
                // A question mark needs shift on most keyboards, so its modifiers say nothing.
                if shortcut.logical_key == Key::Questionmark {
                    input.key_pressed(Key::Questionmark)
                } else {
                    input.consume_shortcut(shortcut)
                }
            })
            .map(|(_, _, action)| action.clone())
            .collect()
    })
}

/// Whether an action closes the one card that shows.
fn closes_card(state: &State, action: &Action) -> bool {
    match action {
        Action::ShowOpen => state.cards.open && state.cards.inspected.is_none(),
        Action::Export(export) => state.cards.saving == Some(*export),
        Action::TogglePalette => state.cards.palette.is_some(),
        Action::ToggleShortcuts => state.cards.shortcuts,
        Action::ToggleNotices => state.cards.notices,
        Action::ToggleLessons => state.cards.lessons,
        _ => false,
    }
}
