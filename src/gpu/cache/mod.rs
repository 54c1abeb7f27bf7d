//! The paged KV cache: its buffers, and which pages belong to which sequence.

mod kv_cache;
mod page_table;

pub(super) use kv_cache::{Cache, cache_widths, most_positions};
pub(super) use page_table::{Extension, PAGE_POSITIONS, PageCopy, Pages, PagesMissing};
