//! The models that are on this computer already: where other programs keep them, and what their headers say.
//!
//! Reads folders and headers, and writes one file of its own: what headers said, in the user's cache folder. In the
//! folders of models it writes nothing. Knows no GPU and no window; how much memory a model takes is found out by
//! whoever hands in the reader of headers.
//!
//! | file | owns |
//! | --- | --- |
//! | `environment` | what the system tells: the home folder, the variables |
//! | `place` | the folders that are looked into, program by program |
//! | `found` | one thing that lies there, before its headers are read |
//! | `naming` | names for people |
//! | `entries`, `hub`, `manifests`, `walk` | the way through the folders |
//! | `facts`, `cache` | what headers say, and what is kept of it |
//! | `search` | all of it in order |
//! | `by_name` | from what a person types to one model |

mod by_name;
mod cache;
mod entries;
mod environment;
mod facts;
mod found;
mod hub;
mod manifests;
mod naming;
mod place;
mod search;
mod walk;

pub use by_name::{NameError, find};
pub use environment::Environment;
pub use facts::{DeviceMemory, Facts, Fits, Model, Need, USUAL_CONTEXT};
pub use found::Found;
pub use naming::{hub_model_name, is_gguf, part as gguf_part};
pub use place::{LookedInto, Origin, Place, Seen, hub_cache, hub_home, places};
pub use search::{Library, Progress, Search};
