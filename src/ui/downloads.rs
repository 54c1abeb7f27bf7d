//! The downloads of the window: one at a time comes, the others wait or rest.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::hub::{Doing, Order, Pace, RepositoryName};

/// A model that a person wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Its repository.
    pub repository: RepositoryName,
    /// Its file there, or what stands for the folder.
    pub file: String,
}

/// How far a download is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It waits for the one before it.
    Queued,
    /// It comes.
    Coming(Doing),
    /// A person holds it.
    Paused,
    /// It did not work, for this reason.
    Failed(String),
    /// It is here.
    Here(PathBuf),
}

/// A download.
#[derive(Clone, Debug)]
pub struct Download {
    /// What is wanted.
    pub wanted: Wanted,
    /// How far it is.
    pub phase: Phase,
    /// The files, once the hub told them.
    pub order: Option<Order>,
    /// Bytes that are here.
    pub done: u64,
    /// Of how many; roughly, until the hub told them.
    pub total: u64,
    /// How fast it goes.
    pub pace: Pace,
}

/// What is kept of one between sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    wanted: Wanted,
    order: Option<Order>,
    done: u64,
    total: u64,
}

impl Download {
    /// One that waits; `total` is roughly its size.
    pub(super) fn new(wanted: Wanted, total: u64) -> Self {
        Self { wanted, phase: Phase::Queued, order: None, done: 0, total, pace: Pace::default() }
    }

    /// Its name for people.
    pub(super) fn name(&self) -> String {
        self.order.as_ref().map_or_else(|| self.wanted.name(), Order::name)
    }

    /// From 0 to 1.
    pub(super) fn share(&self) -> f32 {
        self.done as f32 / self.total.max(1) as f32
    }
}

impl Wanted {
    /// The name of the model, as the list of those on this computer will have it.
    pub(super) fn name(&self) -> String {
        let file = (self.file != crate::hub::FOLDER).then_some(self.file.as_str());
        crate::library::hub_model_name(self.repository.as_str(), file)
    }
}

/// All of them, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Downloads {
    /// The list; each model once.
    pub list: Vec<Download>,
}

impl Downloads {
    /// Those that an earlier session left, held.
    pub(super) fn left(unfinished: &[Unfinished]) -> Self {
        let held = |Unfinished { wanted, order, done, total }: &Unfinished| Download {
            phase: Phase::Paused,
            order: order.clone(),
            done: *done,
            ..Download::new(wanted.clone(), *total)
        };
        Self { list: unfinished.iter().map(held).collect() }
    }

    /// What is kept of them for the next session: those that are not whole.
    pub(super) fn unfinished(&self) -> Vec<Unfinished> {
        let open = self.list.iter().filter(|download| !matches!(download.phase, Phase::Here(_)));
        open.map(|Download { wanted, order, done, total, .. }| Unfinished {
            wanted: wanted.clone(),
            order: order.clone(),
            done: *done,
            total: *total,
        })
        .collect()
    }

    /// That of a model.
    pub(super) fn of(&self, wanted: &Wanted) -> Option<&Download> {
        self.list.iter().find(|download| download.wanted == *wanted)
    }

    /// The same, to be changed.
    pub(super) fn of_mut(&mut self, wanted: &Wanted) -> Option<&mut Download> {
        self.list.iter_mut().find(|download| download.wanted == *wanted)
    }

    /// The first that waits.
    pub(super) fn next(&mut self) -> Option<&mut Download> {
        self.list.iter_mut().find(|download| download.phase == Phase::Queued)
    }

    /// How far those are together that come or wait, from 0 to 1; `None` if there are none.
    pub fn share(&self) -> Option<f32> {
        let active = self.list.iter().filter(|one| matches!(one.phase, Phase::Queued | Phase::Coming(_)));
        let (done, total) = active.fold((0, 0), |(done, total), one| (done + one.done, total + one.total));
        (total > 0).then(|| done as f32 / total as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_is_kept_and_held() {
        let wanted =
            |file: &str| Wanted { repository: RepositoryName::parse("o/n").unwrap(), file: file.to_owned() };
        let mut downloads = Downloads::default();
        for (file, phase) in [
            ("a-Q8_0.gguf", Phase::Here("/a".into())),
            ("b-Q8_0.gguf", Phase::Coming(Doing::Receiving)),
            ("safetensors", Phase::Failed("no".to_owned())),
        ] {
            downloads.list.push(Download { phase, done: 25, ..Download::new(wanted(file), 100) });
        }
        assert_eq!(downloads.share(), Some(0.25));
        let kept = serde_json::to_string(&downloads.unfinished()).unwrap();
        let left = Downloads::left(&serde_json::from_str::<Vec<Unfinished>>(&kept).unwrap());
        let names: Vec<String> = left.list.iter().map(Download::name).collect();
        assert_eq!(names, ["b-Q8_0", "o/n"]);
        assert!(left.list.iter().all(|one| one.phase == Phase::Paused && one.done == 25));
        assert_eq!(left.share(), None);
    }
}
