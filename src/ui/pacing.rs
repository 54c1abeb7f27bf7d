//! Keeps a flood of input from holding a frame up: a key that was held down while the window was busy, a paste by
//! program. egui lays a text out again for every event that changes it, and keeps all of these layouts until the
//! frame's end: time and memory that grow with the square of what was typed.

use std::collections::VecDeque;

use egui::{Context, Event, Key, RawInput};

/// Most events of a frame that may change a text. Typed text counts once, however long it is.
const MOST_EDITS: usize = 32;

/// Most events that wait for a later frame; keys beyond them are dropped.
const MOST_WAITING: usize = 2048;

/// Hands input over as fast as frames can take it.
#[derive(Default)]
pub(super) struct Pacing {
    waiting: VecDeque<Event>,
}

impl egui::Plugin for Pacing {
    fn debug_name(&self) -> &'static str {
        "pacing"
    }

    fn input_hook(&mut self, ctx: &Context, input: &mut RawInput) {
        input.events = self.turn(std::mem::take(&mut input.events));
        if !self.waiting.is_empty() {
            ctx.request_repaint();
        }
    }
}

impl Pacing {
    /// What the next frame gets: the events that waited, then the new ones, in their order, as far as it can take
    /// them.
    fn turn(&mut self, new: Vec<Event>) -> Vec<Event> {
        self.waiting.extend(new);
        let mut edits = 0;
        let mut turn = Vec::new();
        // Where typed text is still being put together.
        let mut typed: Option<usize> = None;
        while let Some(event) = self.waiting.pop_front() {
            match (&event, typed) {
                (Event::Text(more), Some(place)) => {
                    if let Some(Event::Text(text)) = turn.get_mut(place) {
                        text.push_str(more);
                    }
                    continue;
                }
                (event, _) if edits_nothing(event) => {}
                _ if edits == MOST_EDITS => {
                    self.waiting.push_front(event);
                    break;
                }
                _ => {
                    edits += 1;
                    typed = matches!(event, Event::Text(_)).then_some(turn.len());
                }
            }
            turn.push(event);
        }
        // A key that is pressed is let go of in the same order, so that none stays down.
        if self.waiting.len() > MOST_WAITING {
            self.waiting.retain(|event| !matches!(event, Event::Key { pressed: true, .. }));
        }
        turn
    }
}

/// Whether an event changes neither a text nor the place in it: pointers, keys that are let go of, and those of
/// letters and digits, whose text comes as an event of its own.
fn edits_nothing(event: &Event) -> bool {
    match event {
        Event::Text(_) | Event::Paste(_) | Event::Cut | Event::Copy | Event::Ime(_) => false,
        Event::Key { key, pressed, modifiers, .. } => {
            let alone = !modifiers.command && !modifiers.ctrl && !modifiers.alt;
            !pressed || (alone && (*key == Key::Space || key.name().chars().count() == 1))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use egui::Modifiers;

    use super::*;

    fn key(key: Key, pressed: bool) -> Event {
        Event::Key { key, physical_key: None, pressed, repeat: false, modifiers: Modifiers::NONE }
    }

    fn texts(events: &[Event]) -> String {
        events
            .iter()
            .filter_map(|event| if let Event::Text(text) = event { Some(text.as_str()) } else { None })
            .collect()
    }

    #[test]
    fn typed_text_comes_at_once_and_in_order() {
        let mut pacing = Pacing::default();
        let typed: Vec<Event> = (0..9000)
            .flat_map(|_| [key(Key::A, true), Event::Text("a".into()), key(Key::A, false)])
            .collect();
        let turn = pacing.turn(typed);
        assert_eq!(texts(&turn), "a".repeat(9000));
        assert_eq!(turn.iter().filter(|event| matches!(event, Event::Text(_))).count(), 1);
        assert!(pacing.waiting.is_empty());
        let turn =
            pacing.turn(vec![Event::Text("a".into()), key(Key::Backspace, true), Event::Text("b".into())]);
        assert_eq!(turn.len(), 3, "what acts between two texts stays between them");
    }

    #[test]
    fn edits_are_spread_over_frames_and_a_flood_is_bounded() {
        let mut pacing = Pacing::default();
        let turn = pacing.turn(vec![key(Key::Enter, true); 100]);
        assert_eq!(turn.len(), MOST_EDITS);
        let mut rest = 0;
        while !pacing.waiting.is_empty() {
            rest += pacing.turn(Vec::new()).len();
        }
        assert_eq!(turn.len() + rest, 100);
        pacing.turn(vec![key(Key::Enter, true); 13_000]);
        assert!(pacing.waiting.len() <= MOST_WAITING);
    }
}
