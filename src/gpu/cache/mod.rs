//! What sequences keep: the paged KV cache and the states; their buffers, and what belongs to which sequence.

mod buffer;
mod kv_cache;
mod page_table;
mod state_cache;
mod state_table;

pub(super) use kv_cache::{Cache, CacheLimits, cache_widths, most_positions};
pub(super) use page_table::{Extension, PAGE_POSITIONS, PageCopy, Pages, PagesMissing};
pub(super) use state_cache::most_slots;
pub(super) use state_table::{Checkpoint, SlotsMissing, States};
