//! Adapters that do not work: what is wrong with each, remembered while the program runs, and which one comes next.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::adapter_info::AdapterInfo;
use crate::model::ModelError;

/// Those of this process.
pub(super) static KNOWN: Mutex<Failures> = Mutex::new(Failures { list: Vec::new() });

/// What keeps an adapter from being used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It lacks something that the kernels need.
    #[error("it cannot run the kernels ({0})")]
    Lacks(String),
    /// Its driver cannot count.
    #[error(
        "its driver ({driver}) computes wrongly (a loop of {turns} turns ended after {counted}); Mesa's software driver does this up to version 24.0 at least: install Mesa 25 or newer (Debian 12: from the backports suite), or a GPU driver"
    )]
    Miscounts {
        /// Driver name and version.
        driver: String,
        /// Turns made.
        counted: u32,
        /// Turns asked for.
        turns: u32,
    },
    /// Its driver opens no device, with the driver's words.
    #[error("its driver does not open it ({0})")]
    Refused(String),
    /// It was opened, and failed before a model came near it.
    #[error("it failed at its first work ({0})")]
    FailedAtOnce(String),
    /// It was opened, and the first work never ended.
    #[error("it did not do its first work within {seconds} s")]
    Silent {
        /// How long it was waited for.
        seconds: u64,
    },
}

impl From<ModelError> for Problem {
    /// What went wrong with the first work.
    fn from(error: ModelError) -> Self {
        Self::FailedAtOnce(match error {
            ModelError::DeviceLost { reason } | ModelError::Device { reason } => reason,
            other => other.to_string(),
        })
    }
}

/// An adapter that does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAdapter {
    /// The adapter.
    pub info: AdapterInfo,
    /// Why it cannot be used.
    pub problem: Problem,
}

impl FailedAdapter {
    /// What to tell where another adapter took its place.
    pub fn passed_over_for(&self, used: &AdapterInfo) -> String {
        let remedy = match self.problem {
            Problem::Miscounts { .. } => "",
            _ => "; a newer driver may help",
        };
        format!("{self}{remedy}. {} is used instead", used.full_name())
    }
}

impl fmt::Display for FailedAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { info, problem } = self;
        write!(f, "adapter {} cannot be used: {problem}", info.numbered_name())
    }
}

/// What tells an adapter from others, also in another list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    name: String,
    backend: String,
    driver: String,
    bus: String,
}

impl Identity {
    fn of(info: &AdapterInfo) -> Self {
        let AdapterInfo { name, backend, driver, bus, .. } = info.clone();
        Self { name, backend, driver, bus }
    }
}

/// What is known of adapters that were tried.
#[derive(Default)]
pub(super) struct Failures {
    list: Vec<(Identity, Problem)>,
}

impl Failures {
    /// What was wrong with the adapter when it was tried last.
    pub(super) fn of(&self, info: &AdapterInfo) -> Option<&Problem> {
        let identity = Identity::of(info);
        self.list.iter().find(|(known, _)| *known == identity).map(|(_, problem)| problem)
    }

    /// Takes in how an attempt went.
    pub(super) fn note(&mut self, info: &AdapterInfo, problem: Option<Problem>) {
        let identity = Identity::of(info);
        self.list.retain(|(known, _)| *known != identity);
        self.list.extend(problem.map(|problem| (identity, problem)));
    }
}

/// What is known of an adapter from earlier in this process.
pub fn known_problem(info: &AdapterInfo) -> Option<Problem> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).of(info).cloned()
}

/// How adapters come to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nobody chose: those known not to work come last.
    Nothing,
    /// A person chose: each is tried again.
    ByName,
}

/// Opens the first of `candidates`, which are in order of preference, that works, and returns those before it that do
/// not; all of them where none does. An adapter that did not answer before is not waited for again.
pub(super) fn open_first<A, D>(
    candidates: &[(AdapterInfo, A)],
    asked: Asked,
    failures: &Mutex<Failures>,
    mut open: impl FnMut(&AdapterInfo, &A) -> Result<D, Problem>,
) -> Result<(D, Vec<FailedAdapter>), Vec<FailedAdapter>> {
    let failures = || failures.lock().unwrap_or_else(PoisonError::into_inner);
    let mut problems: Vec<Option<Problem>> =
        candidates.iter().map(|(info, _)| failures().of(info).cloned()).collect();
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.retain(|&place| !matches!(problems[place], Some(Problem::Silent { .. })));
    if asked == Asked::Nothing {
        order.sort_by_key(|&place| problems[place].is_some());
    }
    for place in order {
        let (info, adapter) = &candidates[place];
        let opened = open(info, adapter);
        failures().note(info, opened.as_ref().err().cloned());
        match opened {
            Ok(device) => return Ok((device, failed(&candidates[..place], &problems))),
            Err(problem) => problems[place] = Some(problem),
        }
    }
    Err(failed(candidates, &problems))
}

/// Those of the candidates that have a problem.
fn failed<A>(candidates: &[(AdapterInfo, A)], problems: &[Option<Problem>]) -> Vec<FailedAdapter> {
    let pairs = candidates.iter().zip(problems);
    let failed = pairs.filter_map(|((info, _), problem)| {
        problem.clone().map(|problem| FailedAdapter { info: info.clone(), problem })
    });
    failed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made-up adapters; the second element is what opening one gives.
    fn adapters(outcomes: &[Result<(), Problem>]) -> Vec<(AdapterInfo, Result<(), Problem>)> {
        let made = |(index, outcome): (usize, &Result<(), Problem>)| {
            let info = AdapterInfo { index, name: format!("card {index}"), ..AdapterInfo::default() };
            (info, outcome.clone())
        };
        outcomes.iter().enumerate().map(made).collect()
    }

    fn refused() -> Result<(), Problem> {
        Err(Problem::Refused("Parent device is lost".to_owned()))
    }

    /// What was tried, what was opened, and what was passed over or failed.
    fn attempt(
        candidates: &[(AdapterInfo, Result<(), Problem>)],
        asked: Asked,
        failures: &Mutex<Failures>,
    ) -> (Vec<usize>, Option<usize>, Vec<usize>) {
        let mut tried = Vec::new();
        let result = open_first(candidates, asked, failures, |info, outcome| {
            tried.push(info.index);
            outcome.clone().map(|()| info.index)
        });
        let indices = |failed: Vec<FailedAdapter>| failed.iter().map(|failed| failed.info.index).collect();
        match result {
            Ok((opened, passed_over)) => (tried, Some(opened), indices(passed_over)),
            Err(failed) => (tried, None, indices(failed)),
        }
    }

    #[test]
    fn the_next_adapter_follows_one_that_fails_in_any_way() {
        let problems = [
            Problem::Lacks("it has no compute shaders".to_owned()),
            Problem::Miscounts { driver: "old".to_owned(), counted: 65_535, turns: 100_000 },
            Problem::Refused("Parent device is lost".to_owned()),
            Problem::FailedAtOnce("the shader does not compile".to_owned()),
            Problem::Silent { seconds: 20 },
        ];
        for problem in problems {
            let candidates = adapters(&[Err(problem.clone()), Ok(()), Ok(())]);
            let failures = Mutex::default();
            assert_eq!(attempt(&candidates, Asked::Nothing, &failures), (vec![0, 1], Some(1), vec![0]));
            // It is known from then on, and not tried again.
            assert_eq!(attempt(&candidates, Asked::Nothing, &failures), (vec![1], Some(1), vec![0]));
            assert_eq!(failures.into_inner().unwrap().of(&candidates[0].0), Some(&problem));
        }
    }

    #[test]
    fn an_adapter_that_works_is_the_only_one_that_is_opened() {
        let candidates = adapters(&[Ok(()), refused()]);
        assert_eq!(attempt(&candidates, Asked::Nothing, &Mutex::default()), (vec![0], Some(0), vec![]));
    }

    #[test]
    fn where_none_works_all_are_told_and_tried_again_but_for_those_that_never_answer() {
        let candidates = adapters(&[refused(), Err(Problem::Silent { seconds: 20 })]);
        let failures = Mutex::default();
        assert_eq!(attempt(&candidates, Asked::Nothing, &failures), (vec![0, 1], None, vec![0, 1]));
        assert_eq!(attempt(&candidates, Asked::Nothing, &failures), (vec![0], None, vec![0, 1]));
        // The driver recovered.
        let recovered = adapters(&[Ok(()), refused()]);
        assert_eq!(attempt(&recovered, Asked::Nothing, &failures), (vec![0], Some(0), vec![]));
        assert_eq!(failures.lock().unwrap().of(&recovered[0].0), None);
    }

    #[test]
    fn a_choice_tries_an_adapter_again_unless_it_never_answered() {
        let candidates = adapters(&[refused()]);
        let failures = Mutex::default();
        for _ in 0..2 {
            assert_eq!(attempt(&candidates, Asked::ByName, &failures), (vec![0], None, vec![0]));
        }
        failures.lock().unwrap().note(&candidates[0].0, Some(Problem::Silent { seconds: 20 }));
        assert_eq!(attempt(&candidates, Asked::ByName, &failures), (vec![], None, vec![0]));
    }

    #[test]
    fn two_cards_of_one_name_are_told_apart_by_their_place_on_the_bus() {
        let card = |bus: &str| AdapterInfo { bus: bus.to_owned(), ..AdapterInfo::default() };
        let mut failures = Failures::default();
        failures.note(&card("0000:01:00.0"), Some(Problem::Silent { seconds: 20 }));
        assert!(failures.of(&card("0000:01:00.0")).is_some());
        assert!(failures.of(&card("0000:02:00.0")).is_none());
    }

    #[test]
    fn what_is_told_names_both_adapters_and_the_reason() {
        let [(bad, _), (good, _)] = adapters(&[refused(), Ok(())]).try_into().unwrap();
        let failed = FailedAdapter { info: bad, problem: Problem::Refused("device is lost".to_owned()) };
        let told = failed.passed_over_for(&good);
        for part in ["adapter 0, card 0", "device is lost", "card 1", "instead"] {
            assert!(told.contains(part), "{told}");
        }
    }
}
