//! The card that gets models: what it has, and what a person can do there.

use std::path::PathBuf;

use super::downloads::Wanted;
use crate::hub::Repository;

/// Something with models that are not here yet.
#[derive(Clone, Debug, PartialEq)]
pub enum GetAction {
    /// Show the card, or put it away.
    Show,
    /// Go back to the models on this computer.
    Back,
    /// Allow to go online from now on.
    Allow,
    /// Forbid it again.
    Forbid,
    /// Ask what a repository has.
    Find(String),
    /// Download a model, of roughly so many bytes.
    Begin(Wanted, u64),
    /// Hold a download.
    Pause(Wanted),
    /// Go on with one that is held, or did not work.
    Resume(Wanted),
    /// End one, and throw away what came; or take one off the list that is here.
    Remove(Wanted),
}

/// What the card that gets models has.
#[derive(Default)]
pub struct GetCard {
    /// Whether it shows.
    pub shows: bool,
    /// Its field.
    pub query: String,
    /// Whether the field takes the keyboard: for the card's first frame.
    pub focus: bool,
    /// What was found.
    pub found: Found,
    /// The server that is asked, for people.
    pub host: String,
}

/// What the hub said of a repository.
#[derive(Default)]
pub enum Found {
    /// Nobody asked.
    #[default]
    Nothing,
    /// It is being asked.
    Asking(String),
    /// What it has.
    There(Box<FoundRepository>),
    /// Why it has nothing.
    Failed(String),
}

/// A repository, and what of it is here.
pub struct FoundRepository {
    /// What it has.
    pub repository: Repository,
    /// The address of its page.
    pub page: String,
    /// Bytes of the adapter's memory.
    pub memory: Option<u64>,
    /// Where each of its models is, if it is here.
    pub here: Vec<Option<PathBuf>>,
}
