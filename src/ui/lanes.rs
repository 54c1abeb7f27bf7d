//! Lanes as a person sets them up, and what can be done with them.

use serde::{Deserialize, Serialize};

use crate::decoding::DecodingSettings;
use crate::session::{ModelSource, WeightsChoice};

/// Most lanes: more would have no room.
pub const MOST_LANES: usize = 4;

/// A way of decoding that runs beside others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lane {
    /// How it decodes.
    pub settings: DecodingSettings,
    /// What it decoded last.
    #[serde(skip)]
    pub ran: Option<Ran>,
}

/// What a lane decoded last.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    /// Its place among the runs, which stays when lanes are taken away.
    pub run: usize,
    /// With these settings.
    pub settings: DecodingSettings,
}

/// Something to do with lanes; they go by their place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneAction {
    /// Begin with two lanes of the present settings.
    Begin,
    /// Add one of the present settings.
    Add,
    /// Take one away.
    Remove(usize),
    /// Let the settings be those of this lane, to be changed; or leave that.
    Edit(usize),
    /// Run them all.
    Run,
    /// Show a lane's run in all panes, at a step where one is given.
    Show {
        /// The lane.
        lane: usize,
        /// The step's place in its line.
        place: Option<usize>,
    },
}

/// Something to do with another model, which reads the first lane's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecondAction {
    /// Show the ways to choose one, or put them away.
    Choose,
    /// Ask for its folder by the system's dialog.
    PickFolder,
    /// Ask for its file by the system's dialog.
    PickFile,
    /// Load it as its files have it.
    Load(ModelSource),
    /// Load the open model once more, with weights in this precision.
    LoadSame(WeightsChoice),
    /// Forget it, or stop loading it.
    Drop,
    /// Whether it reads along.
    Read(bool),
}

impl Lane {
    /// One that has not run yet.
    pub fn of(settings: DecodingSettings) -> Self {
        Self { settings, ran: None }
    }

    /// Whether its settings are others than those of its run.
    pub fn is_changed(&self) -> bool {
        self.ran.as_ref().is_some_and(|ran| ran.settings != self.settings)
    }
}
