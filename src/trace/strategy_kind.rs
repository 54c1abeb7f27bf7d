//! The strategies by their names, as settings, traces, command line and window share them.

use serde::{Deserialize, Serialize};

/// The strategies. Their names are part of trace files and of saved settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrategyKind {
    /// The entry with the highest value after bias and penalties; the lowest id among equals.
    #[default]
    Greedy,
    /// A random draw from what the whole chain leaves.
    Sample,
    /// Several texts at once, of which the most probable ones stay.
    Beam,
    /// The token that is probable and unlike what came before (Su et al. 2022).
    Contrastive,
    /// Drafted tokens, verified several at a time (Leviathan et al. 2023).
    Speculative,
    /// Guesses from the model's own parallel trajectories, verified several at a time (Fu et al. 2023).
    Lookahead,
    /// A server chooses by itself, and tells what it chose.
    Server,
}

impl StrategyKind {
    /// All of them, in the order in which a person is shown them.
    pub const ALL: [Self; 7] = [
        Self::Greedy,
        Self::Sample,
        Self::Beam,
        Self::Contrastive,
        Self::Speculative,
        Self::Lookahead,
        Self::Server,
    ];

    /// Its name on the command line, in traces and in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Greedy => "greedy",
            Self::Sample => "sample",
            Self::Beam => "beam",
            Self::Contrastive => "contrastive",
            Self::Speculative => "speculative",
            Self::Lookahead => "lookahead",
            Self::Server => "server",
        }
    }

    /// The strategy of a name; `None` for a name that this program does not know.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_is_listed_and_files_have_its_name() {
        let error =
            serde_json::from_str::<StrategyKind>("\"none\"").expect_err("no such strategy").to_string();
        let known = error.matches('`').count() / 2 - 1;
        assert_eq!(known, StrategyKind::ALL.len(), "{error}");
        for kind in StrategyKind::ALL {
            assert_eq!(serde_json::to_string(&kind).expect("always"), format!("{:?}", kind.name()));
            assert_eq!(StrategyKind::of(kind.name()), Some(kind));
        }
    }
}
