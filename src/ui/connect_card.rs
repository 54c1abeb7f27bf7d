//! The card that connects to a server: what it has, and what a person can do there.

use crate::session::{ServedModel, ServerAddress};

/// Something with models on servers. A key is in none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectAction {
    /// Show the card, or put it away.
    Show,
    /// Go back to the models on this computer.
    Back,
    /// Put an address of an earlier time into the field.
    Fill(String),
    /// Ask the server of the field which models it has, with the key of its field.
    Ask,
    /// Ask no more.
    Stop,
    /// Forget the key of a server.
    ForgetKey(ServerAddress),
    /// Forget the servers of earlier times.
    ForgetServers,
}

/// What the card has.
#[derive(Default)]
pub struct ConnectCard {
    /// Whether it shows.
    pub shows: bool,
    /// Its field for the address.
    pub address: String,
    /// Its field for the key; emptied once the key is asked with.
    pub key: String,
    /// Whether the field takes the keyboard: for the card's first frame.
    pub focus: bool,
    /// Whether that of the key does: a server has asked for one.
    pub focus_key: bool,
    /// What the server said.
    pub served: Served,
    /// Which of its models is selected.
    pub selected: usize,
    /// Whether the variable for a key is set.
    pub has_variable: bool,
}

/// What a server said of its models.
#[derive(Default)]
pub enum Served {
    /// Nobody asked.
    #[default]
    Nothing,
    /// It is asked.
    Asking(ServerAddress),
    /// It did not answer, or not well; in words for a person.
    Failed(String),
    /// These.
    There {
        /// The server.
        address: ServerAddress,
        /// Its models, as it lists them.
        models: Vec<ServedModel>,
    },
}

impl ConnectCard {
    /// The server of the field, or what is wrong with what was typed.
    pub fn typed(&self) -> Result<ServerAddress, String> {
        ServerAddress::parse(&self.address).map_err(|error| error.to_string())
    }
}
