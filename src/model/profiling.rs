//! What passes cost and what is kept of their rows, for those who want to look: op by op, and against what the device
//! can do at most.

use super::batch::{Batch, SequenceId};
use super::config::ScoresConfig;
use super::error::ModelError;

/// A model whose passes can be timed op by op, and compared with what its device can do.
pub trait Profiling {
    /// Computes the batch with a timestamp after each op, keeps its keys and values, and returns no results; `None` where
    /// the device has no timestamps.
    fn op_times(&mut self, batch: &Batch) -> Result<Option<Vec<OpTime>>, ModelError>;

    /// What a pass over consecutive positions has to move and to compute, of which so many rows want logits.
    fn work(&self, positions: std::ops::Range<usize>, outputs: usize) -> PassWork;

    /// Bytes a second that the device reads and writes when it copies one large buffer to another (measured now).
    fn copy_bandwidth(&mut self) -> Result<f64, ModelError>;

    /// Floating-point operations a second in f32, a multiply-add counting as two (measured now).
    fn f32_rate(&mut self) -> Result<f64, ModelError>;

    /// What lies in the cache now.
    fn cache_map(&self) -> CacheMap;
}

/// What one op of a pass took.
#[derive(Clone, Debug, PartialEq)]
pub struct OpTime {
    /// Its kind: the op and what it works on, such as `linear feed_forward.down`.
    pub kind: String,
    /// Its layer, from 0; `None` before the first and after the last one.
    pub layer: Option<usize>,
    /// Seconds on the device, by its own clock.
    pub seconds: f64,
    /// Dispatches.
    pub dispatches: usize,
    /// Bytes of weights that it reads; 0 for an embedding, which reads few of its rows.
    pub weight_bytes: u64,
}

/// What a pass has to move and to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PassWork {
    /// Bytes of weights, each read once; of experts as many as the rows may choose.
    pub weight_bytes: u64,
    /// Bytes of keys, values and states, each read once.
    pub cache_bytes: u64,
    /// Multiply-adds of linear maps and attention.
    pub multiply_adds: f64,
}

impl PassWork {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            weight_bytes: self.weight_bytes + other.weight_bytes,
            cache_bytes: self.cache_bytes + other.cache_bytes,
            multiply_adds: self.multiply_adds + other.multiply_adds,
        }
    }

    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.weight_bytes + self.cache_bytes
    }
}

/// What lies in the cache.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CacheMap {
    /// What each layer keeps, in the order of the layers.
    pub layers: Vec<LayerKeeps>,
    /// The sequences that have positions in the cache, the oldest first.
    pub sequences: Vec<CachedSequence>,
    /// Positions that a page holds.
    pub page_positions: usize,
    /// Bytes of a page over all layers, keys and values.
    pub page_bytes: u64,
    /// Pages that some sequence uses; a shared one counts once.
    pub used_pages: usize,
    /// Pages that more than one sequence uses.
    pub shared_pages: usize,
    /// Pages that are allocated, used or free.
    pub allocated_pages: usize,
}

/// What a layer keeps of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerKeeps {
    /// The layer, from 0.
    pub layer: usize,
    /// Whether it keeps keys and values of every position.
    pub cache: bool,
    /// How many positions a row of it sees at most; `None` for all.
    pub window: Option<usize>,
    /// How many positions are in a chunk, of which a row sees none before its own; `None` where it does.
    pub chunk: Option<usize>,
    /// Whether it keeps a state, which stands for all positions.
    pub state: bool,
}

impl LayerKeeps {
    /// The first of so many positions that the last one sees.
    pub fn first_seen(&self, positions: usize) -> usize {
        let (window, chunk) = (self.window, self.chunk);
        ScoresConfig { window, chunk, ..ScoresConfig::default() }.first_seen(positions)
    }
}

/// A sequence in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedSequence {
    /// Its handle.
    pub sequence: SequenceId,
    /// Its cached positions.
    pub positions: usize,
    /// Its pages, in the order of its positions.
    pub pages: Vec<CachedPage>,
}

/// A page of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedPage {
    /// Its number in the cache.
    pub number: u32,
    /// How many sequences use it: forks share pages.
    pub users: u32,
}
