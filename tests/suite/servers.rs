//! What tests of servers share: the truth of stories260K, servers that play what real ones said, and how to meet the
//! real ones.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use logitscope::servers::{ApiKey, Patience, Server, ServerAddress, ServerError};

use super::server_player::{Player, Reply};

/// Nobody interrupts.
pub static NEVER: AtomicBool = AtomicBool::new(false);

/// The key of the servers that want one.
pub const KEY: &str = "secret";

/// What `tests/fixtures/servers/truth.py` found, in float64.
#[derive(serde::Deserialize)]
pub struct Truth {
    pub prompt: Vec<u32>,
    pub greedy: Vec<u32>,
    /// All log-probabilities after the prompt.
    pub whole: Vec<f32>,
    /// The five highest after each token of the prompt and of the greedy text.
    pub highest: Vec<Vec<(u32, f32)>>,
}

pub fn truth() -> Truth {
    serde_json::from_str(include_str!("../fixtures/servers/truth.json")).expect("the truth")
}

/// Little patience, so that tests are quick.
pub fn patience() -> Patience {
    Patience {
        attempts: 3,
        first_wait: Duration::from_millis(10),
        longest_wait: Duration::from_secs(3),
        connect: Duration::from_secs(5),
        answer: Duration::from_secs(5),
        silence: Duration::from_secs(5),
        pause: Duration::from_secs(2),
    }
}

/// A server that plays the recording `NAME.json`; the real one where `LOGITSCOPE_SERVER_NAME` has its address, to try it
/// or, through `scripts/servers/record.py`, to record it anew.
pub struct Met {
    /// `None` where the real one is met.
    pub player: Option<Player>,
    pub address: ServerAddress,
}

impl Met {
    pub fn new(name: &str) -> Self {
        let variable = format!("LOGITSCOPE_SERVER_{}", name.to_uppercase());
        if let Ok(address) = std::env::var(variable) {
            return Self { player: None, address: ServerAddress::parse(&address).unwrap() };
        }
        let player = Player::recorded(&format!("{name}.json"), |_| None);
        Self { address: ServerAddress::parse(&player.address()).unwrap(), player: Some(player) }
    }

    pub fn connect(&self, key: Option<&str>) -> Result<Server, ServerError> {
        let key = key.map(|key| ApiKey::new(key).unwrap());
        Server::connect(
            &self.address,
            key,
            Patience { silence: Duration::from_secs(60), ..patience() },
            &NEVER,
        )
    }
}

/// A server that answers everything the same.
pub fn always(reply: Reply) -> Player {
    Player::start(move |_| Some(reply.clone()))
}

/// Connects to a player without a key.
pub fn connect(player: &Player) -> Result<Server, ServerError> {
    Server::connect(&ServerAddress::parse(&player.address()).unwrap(), None, patience(), &NEVER)
}
