//! What all clients of this program share: agents that ask by HTTP and can be stopped from another thread, addresses,
//! and troubles in words. Knows no protocol above HTTP, and goes nowhere by itself.
//!
//! | file | owns |
//! | --- | --- |
//! | `address` | what stands in a path, where a redirect leads, who is asked |
//! | `agent` | connections: TLS by the system's verifier, patience, proxies |
//! | `stop` | the end of what is under way, from another thread |
//! | `words` | why there is no answer, and headers |

mod address;
mod agent;
mod stop;
mod words;

pub(crate) use address::{Origin, escaped, joined};
pub use agent::Patience;
pub(crate) use agent::{Connections, Proxies};
pub use stop::Stop;
pub(crate) use stop::Stopped;
pub(crate) use words::{broken, header, is_insecure, reason, retry_after};
