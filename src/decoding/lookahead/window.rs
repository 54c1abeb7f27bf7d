//! The window of Jacobi iteration: trajectories side by side, each a few guesses long.

use crate::model::batch::RowOutput;
use crate::model::selection::SamplingParams;
use crate::model::{Row, SequenceId};

/// W columns of up to N − 1 levels. Level 0 guesses the tokens after the newest one, in a chain; what stands at a
/// level above in the same column was the model's answer, a pass later each, to what stands below it.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Equally many tokens each, at least one level; the oldest guesses first.
    pub levels: Vec<Vec<u32>>,
    /// N − 1.
    most_levels: usize,
}

impl Window {
    /// With one level, of tokens of the prompt, which is not empty. The others come pass by pass.
    pub(super) fn new(prompt: &[u32], columns: usize, ngram: usize) -> Self {
        let level = prompt.iter().rev().copied().cycle().take(columns).collect();
        Self { levels: vec![level], most_levels: ngram - 1 }
    }

    /// Trajectories side by side.
    pub(super) fn columns(&self) -> usize {
        self.levels[0].len()
    }

    /// Keeps the first so many columns.
    pub(super) fn shrink(&mut self, columns: usize) {
        self.levels.iter_mut().for_each(|level| level.truncate(columns));
    }

    /// The first position after the window, where the newest token stands at `newest`.
    pub(super) fn end(&self, newest: usize) -> usize {
        newest + self.columns() + self.levels.len()
    }

    /// Appends the window's rows to those of a batch whose row 0 is the newest token. The last level's ask for the
    /// model's choice.
    pub(super) fn append_rows(&self, rows: &mut Vec<Row>, sequence: SequenceId) {
        let newest = rows[0].position;
        let mut below: Vec<usize> = Vec::new();
        for (level, tokens) in self.levels.iter().enumerate() {
            let first = rows.len();
            for (column, &token) in tokens.iter().enumerate() {
                let parent = match (level, column) {
                    (0, 0) => 0,
                    (0, _) => rows.len() - 1,
                    _ => below[column],
                };
                let last = level + 1 == self.levels.len();
                let output =
                    if last { RowOutput::Summary(SamplingParams::GREEDY) } else { RowOutput::Nothing };
                let position = newest + 1 + column + level;
                rows.push(Row { token, position, sequence, parent: Some(parent), output });
            }
            below = (first..rows.len()).collect();
        }
    }

    /// Takes the model's answers to the last level, one for each column, after a pass by which `joined` tokens
    /// joined the text. Gives the n-grams of the trajectories that are complete.
    ///
    /// A complete trajectory loses its oldest guess, which moves every column on by one position. The columns that
    /// the text has reached go to the end, to become guesses about what is further away.
    pub(super) fn advance(&mut self, answers: Vec<u32>, joined: usize) -> Vec<Vec<u32>> {
        let columns = self.columns();
        self.levels.push(answers);
        let complete = self.levels.len() > self.most_levels;
        let mut ngrams = Vec::new();
        if complete {
            let trajectory = |column| self.levels.iter().map(|level: &Vec<u32>| level[column]).collect();
            ngrams.extend((0..columns).map(trajectory));
            self.levels.remove(0);
        }
        let reached = if complete { joined - 1 } else { joined };
        if columns > 0 {
            self.levels.iter_mut().for_each(|level| level.rotate_left(reached % columns));
        }
        ngrams
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trajectories_grow_to_ngrams_and_move_with_the_text() {
        let mut window = Window::new(&[1, 2, 3, 4], 3, 3);
        assert_eq!(window.levels, [[4, 3, 2]]);
        assert_eq!(window.advance(vec![14, 13, 12], 1), [[0u32; 0]; 0], "two of three");
        assert_eq!(window.levels, [[3, 2, 4], [13, 12, 14]], "the first column was reached");
        assert_eq!(window.advance(vec![23, 22, 24], 1), [[3, 13, 23], [2, 12, 22], [4, 14, 24]]);
        assert_eq!(window.levels, [[13, 12, 14], [23, 22, 24]]);
        window.advance(vec![33, 32, 34], 3);
        assert_eq!(window.levels, [[24, 23, 22], [34, 33, 32]]);
    }

    #[test]
    fn a_column_hangs_together_from_level_to_level() {
        let mut window = Window::new(&[1, 2], 2, 4);
        window.advance(vec![5, 6], 2);
        let sequence = SequenceId(0);
        let newest = Row { token: 9, position: 10, sequence, parent: None, output: RowOutput::Nothing };
        let mut rows = vec![newest];
        window.append_rows(&mut rows, sequence);
        let listed: Vec<_> = rows[1..].iter().map(|row| (row.token, row.position, row.parent)).collect();
        assert_eq!(listed, [(2, 11, Some(0)), (1, 12, Some(1)), (5, 12, Some(1)), (6, 13, Some(2))]);
        assert_eq!(window.end(10), 14);
        let asked: Vec<_> = rows.iter().map(|row| row.output != RowOutput::Nothing).collect();
        assert_eq!(asked, [false, false, false, true, true]);
    }
}
