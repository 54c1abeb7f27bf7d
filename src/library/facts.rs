//! What a model's headers say, as far as a list of models tells it.

use serde::{Deserialize, Serialize};

use super::found::Found;
use crate::formats::architectures::catalogue;
use crate::formats::{Inspection, Other};

/// Positions that memory is told for, where the model's own context is not shorter.
pub const USUAL_CONTEXT: usize = 4096;

/// A model on this computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Where it lies.
    pub found: Found,
    /// What its headers say.
    pub facts: Facts,
}

impl Model {
    /// Whether it can be opened, as far as its headers tell.
    pub fn opens(&self) -> bool {
        self.facts.problem.is_none() && self.facts.other.is_none()
    }
}

/// What headers say. What could not be read is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Family, as the files call it.
    pub family: Option<String>,
    /// The family as people call it.
    pub family_name: Option<String>,
    /// Number of weights.
    pub parameters: Option<u64>,
    /// The format that most bytes are in.
    pub quantisation: Option<String>,
    /// The model's own context, in positions.
    pub context: Option<u64>,
    /// What it is, where it is no language model.
    pub other: Option<Other>,
    /// Why it cannot be opened; `None` where it can.
    pub problem: Option<String>,
    /// GPU memory that it takes, where it can be opened.
    pub memory: Option<Need>,
}

/// GPU memory, computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// With so many positions.
    pub context: usize,
    /// Bytes.
    pub bytes: u64,
    /// Bytes with which it runs at all: with a short context, and its layers in the computer's memory, taking turns on the GPU.
    #[serde(default)]
    pub least_bytes: Option<u64>,
}

/// The memory of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMemory {
    /// Bytes.
    pub bytes: u64,
    /// Whether it is apart from the computer's, so that layers that do not fit can stay there.
    pub is_own: bool,
}

/// How a model goes with an adapter's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fits {
    /// All of it is there.
    Whole,
    /// Some layers cross the bus in every pass.
    Streamed,
    /// It cannot run.
    Not,
}

/// Share of a device's memory, in percent, that layers which take turns have: the rest is for others.
const STREAMED_SHARE: u64 = 90;

impl Facts {
    /// What an inspection found; the memory is not among it.
    pub fn of(inspection: &Inspection) -> Self {
        Self {
            family: inspection.family.clone(),
            family_name: inspection.family_name.map(str::to_owned),
            parameters: Some(inspection.parameters).filter(|count| *count > 0),
            quantisation: inspection.formats.first().map(|share| share.format.clone()),
            context: inspection.architecture.context,
            other: inspection.other,
            problem: (!inspection.supported).then(|| problem(inspection)),
            memory: None,
        }
    }

    /// The family for a person: as people call it, else as the files do.
    pub fn named_family(&self) -> Option<&str> {
        self.family_name.as_deref().or(self.family.as_deref())
    }

    /// How it goes, with a usual context, with a device's memory; `None` where either is unknown.
    pub fn fits(&self, memory: Option<DeviceMemory>) -> Option<Fits> {
        let (need, memory) = (self.memory?, memory?);
        let streams = |least| memory.is_own && least <= memory.bytes / 100 * STREAMED_SHARE;
        Some(match need.bytes <= memory.bytes {
            true => Fits::Whole,
            false if need.least_bytes.is_some_and(streams) => Fits::Streamed,
            false => Fits::Not,
        })
    }

    /// Of something that cannot be opened.
    pub fn of_problem(problem: String) -> Self {
        Self { problem: Some(problem), ..Self::default() }
    }

    /// Of something that is no language model.
    pub(super) fn of_other(other: Other) -> Self {
        Self { other: Some(other), ..Self::default() }
    }

    /// Whether the files themselves say so. What the system refused, or what is not finished, may be otherwise next time,
    /// although no file has changed.
    pub(super) fn last(&self) -> bool {
        self.problem.is_none() || self.family.is_some()
    }
}

/// Why a model cannot be opened, in few words: a list shows it beside the path.
fn problem(inspection: &Inspection) -> String {
    if let Some(family) = inspection.family.as_deref()
        && !matches!(catalogue::find(family), Some(Ok(_)))
    {
        return catalogue::reason(family);
    }
    let without_path = |problem: &String| {
        let rest = problem.strip_prefix(&inspection.path).unwrap_or(problem);
        rest.trim_start_matches([':', '/', '\\', ' ']).to_owned()
    };
    inspection.problems.iter().map(without_path).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_runs_streamed_where_the_rest_of_it_fits_a_memory_apart() {
        let need = Need { context: 4096, bytes: 1000, least_bytes: Some(90) };
        let facts = Facts { memory: Some(need), ..Facts::default() };
        let fits = |bytes, is_own| facts.fits(Some(DeviceMemory { bytes, is_own }));
        assert_eq!(fits(1000, false), Some(Fits::Whole));
        assert_eq!(fits(999, true), Some(Fits::Streamed));
        assert_eq!(fits(999, false), Some(Fits::Not), "all memory is the computer's");
        assert_eq!(fits(100, true), Some(Fits::Streamed));
        assert_eq!(fits(99, true), Some(Fits::Not), "a tenth is for others");
        assert_eq!(facts.fits(None), None);
    }
}
