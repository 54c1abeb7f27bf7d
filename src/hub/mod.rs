//! Models from the Hugging Face hub, or from a server that speaks its protocol: what a repository has, and its files
//! in the hub's own cache, laid out as its Python library does, so that other programs find them.
//!
//! Goes online only when it is asked to. Knows no GPU and no window; writes in the hub's cache
//! alone.
//!
//! | file | owns |
//! | --- | --- |
//! | `error` | why something cannot be got, in words for people |
//! | `names` | names of repositories and of files in them, checked |
//! | `settings` | which server, which cache, whose token |
//! | `http` | requests: redirects, the token, retries |
//! | `quantisation`, `offers`, `suggestion` | the models in a repository, and which fits |
//! | `listing` | what a repository has |
//! | `layout`, `lock`, `digest` | the cache: folders and links, locks, checksums |
//! | `order`, `blob`, `download` | one file, and all files of a model |
//! | `curated` | a short list for who has no model |
//! | `pace` | how fast it goes, and how long it takes |

mod blob;
mod curated;
mod digest;
mod download;
mod error;
mod http;
mod layout;
mod listing;
mod lock;
mod names;
mod offers;
mod order;
mod pace;
mod quantisation;
mod settings;
mod suggestion;

pub use blob::Doing;
pub use curated::{Curated, curated};
pub use download::Progress;
pub use error::HubError;
pub use http::Client;
pub use listing::Repository;
pub use names::RepositoryName;
pub use offers::{FOLDER, Offer};
pub use order::{Order, RemoteFile};
pub use pace::{Pace, duration};
pub use settings::Settings;
pub use suggestion::{fits, suggested};

pub use crate::http::{Patience, Stop};
