//! Which token the window shows: the selected one, or the one under the pointer.

/// Which step the window shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The selected step, as its place in the run's line.
    pub selected: Option<usize>,
    /// The selected token of the prompt, from 0; then no step is selected.
    pub prompt: Option<usize>,
    /// The step under the pointer, shown instead while it is there.
    pub preview: Option<usize>,
    /// What the panels of this frame propose as the next frame's preview.
    pub next_preview: Option<usize>,
    /// Whether the selection moves to each new step.
    pub follow: Follow,
    /// Whether a pointer at rest previews: not after the keyboard moved the selection, until it moves again.
    pub pointer: Pointer,
}

/// Whether what the pointer rests on is previewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// It is.
    Previews,
    /// The keyboard moved the selection last.
    Rests,
}

/// Whether the selection moves to each new step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// It does.
    Newest,
    /// It stays where the user put it.
    Stay,
}

impl Default for Cursor {
    fn default() -> Self {
        Self {
            selected: None,
            prompt: None,
            preview: None,
            next_preview: None,
            follow: Follow::Newest,
            pointer: Pointer::Previews,
        }
    }
}

impl Cursor {
    /// The step to show, of `count` steps.
    pub fn shown(&self, count: usize) -> Option<usize> {
        self.preview.or(self.selected).filter(|index| *index < count)
    }

    /// Selects a step and stays there; selecting the newest one of a run follows again.
    pub fn select(&mut self, index: usize, count: usize) {
        if count == 0 {
            return;
        }
        self.selected = Some(index.min(count - 1));
        self.prompt = None;
        self.follow = Follow::Stay;
    }

    /// Selects a token of the prompt.
    pub fn select_prompt(&mut self, index: usize) {
        self.selected = None;
        self.prompt = Some(index);
        self.follow = Follow::Stay;
    }

    /// Moves by some tokens: the prompt's, of which there are so many, come before the steps.
    pub fn move_by(&mut self, tokens: isize, prompt: usize, count: usize) {
        let from = self.prompt.unwrap_or(prompt + self.selected.unwrap_or(0));
        let to = from.saturating_add_signed(tokens);
        if to < prompt { self.select_prompt(to) } else { self.select(to - prompt, count) }
    }

    /// Selects the newest step and follows.
    pub fn follow_newest(&mut self, count: usize) {
        self.follow = Follow::Newest;
        self.prompt = None;
        self.selected = count.checked_sub(1);
    }

    /// Takes in that there are now `count` steps, and what the pointer is over.
    pub fn begin_frame(&mut self, count: usize) {
        let proposed = self.next_preview.take().filter(|index| *index < count);
        self.preview = proposed.filter(|_| self.pointer == Pointer::Previews);
        if self.follow == Follow::Newest {
            self.selected = count.checked_sub(1);
        }
        self.selected = self.selected.filter(|index| *index < count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_follows_until_a_step_is_selected() {
        let mut cursor = Cursor::default();
        cursor.begin_frame(0);
        assert_eq!(cursor.shown(0), None);
        cursor.begin_frame(3);
        assert_eq!(cursor.shown(3), Some(2));
        cursor.select(0, 3);
        cursor.begin_frame(9);
        assert_eq!(cursor.shown(9), Some(0));
        cursor.next_preview = Some(5);
        cursor.begin_frame(9);
        assert_eq!(cursor.shown(9), Some(5));
        cursor.begin_frame(9);
        assert_eq!(cursor.shown(9), Some(0));
        cursor.move_by(-1, 4, 9);
        assert_eq!(
            (cursor.prompt, cursor.selected),
            (Some(3), None),
            "the prompt comes before the first step"
        );
        cursor.move_by(-100, 4, 9);
        assert_eq!((cursor.prompt, cursor.shown(9)), (Some(0), None));
        cursor.move_by(4, 4, 9);
        assert_eq!((cursor.prompt, cursor.selected), (None, Some(0)));
        cursor.move_by(100, 4, 9);
        assert_eq!(cursor.selected, Some(8));
        cursor.select_prompt(1);
        cursor.follow_newest(9);
        cursor.begin_frame(12);
        assert_eq!(cursor.selected, Some(11));
    }
}
