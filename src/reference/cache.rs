//! Twin of `Op::CacheWrite`: the keys and values of sequences, and of the rows of a pass; and the sequences' states.

use std::sync::Arc;

use crate::model::CacheFormat;
use crate::model::plan::CacheWidths;

/// One state, as it was after a row.
pub(super) type State = Arc<[f32]>;

/// Keys and values of one layer, a row of each for each position; no values where they are parts of the keys.
#[derive(Clone, Debug, Default)]
pub(super) struct KeysValues {
    /// Keys, position after position.
    pub keys: Vec<f32>,
    /// Values, position after position.
    pub values: Vec<f32>,
}

/// These keys and values as the cache gives them back.
pub(super) fn stored(format: CacheFormat, keys: Vec<f32>, values: Vec<f32>) -> KeysValues {
    let round = |values: Vec<f32>| values.into_iter().map(|value| format.round(value)).collect();
    KeysValues { keys: round(keys), values: round(values) }
}

/// The cached positions of one sequence.
#[derive(Clone, Debug)]
pub(super) struct CachedPositions {
    /// One entry a cache.
    pub layers: Vec<KeysValues>,
    /// By state, as it was after each position: nothing here has to be computed again.
    pub states: Vec<Vec<State>>,
    /// Positions cached.
    pub length: usize,
    /// Positions that its text may get.
    pub longest: usize,
}

impl CachedPositions {
    /// An empty sequence for so many caches and states, for a text of at most `longest` positions.
    pub(super) fn new(layers: usize, states: usize, longest: usize) -> Self {
        let (layers, states) = (vec![KeysValues::default(); layers], vec![Vec::new(); states]);
        Self { layers, states, length: 0, longest }
    }

    /// Forgets every position from `length` on; `widths` are those of the layers' rows.
    pub(super) fn truncate(&mut self, length: usize, widths: &[CacheWidths]) {
        self.length = self.length.min(length);
        for (layer, width) in self.layers.iter_mut().zip(widths) {
            layer.keys.truncate(self.length * width.keys);
            layer.values.truncate(self.length * width.values);
        }
        self.states.iter_mut().for_each(|states| states.truncate(self.length));
    }

    /// Appends the keys and values that row `row` of a pass gave in every layer, and its states.
    pub(super) fn append(
        &mut self,
        computed: &[KeysValues],
        states: &[Vec<State>],
        row: usize,
        widths: &[CacheWidths],
    ) {
        for (kept, states) in self.states.iter_mut().zip(states) {
            kept.push(State::clone(&states[row]));
        }
        for ((layer, computed), width) in self.layers.iter_mut().zip(computed).zip(widths) {
            layer.keys.extend_from_slice(&computed.keys[row * width.keys..][..width.keys]);
            layer.values.extend_from_slice(&computed.values[row * width.values..][..width.values]);
        }
        self.length += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_appended_and_forgotten_in_every_layer() {
        let pass = [
            KeysValues { keys: vec![1.0, 2.0], values: vec![3.0, 4.0] },
            KeysValues { keys: vec![5.0, 6.0, 7.0, 8.0], values: vec![9.0, 10.0, 11.0, 12.0] },
        ];
        let states = [vec![State::from([1.0]), State::from([2.0])]];
        let mut sequence = CachedPositions::new(2, 1, 9);
        let widths = [1, 2].map(CacheWidths::alike);
        sequence.append(&pass, &states, 1, &widths);
        sequence.append(&pass, &states, 0, &widths);
        assert_eq!((&sequence.layers[0].keys, sequence.length), (&vec![2.0, 1.0], 2));
        assert_eq!(sequence.layers[1].values, [11.0, 12.0, 9.0, 10.0]);
        sequence.truncate(1, &widths);
        assert_eq!((&sequence.layers[1].keys, sequence.length), (&vec![7.0, 8.0], 1));
        assert_eq!(sequence.states, [[State::from([2.0])]]);
    }
}
