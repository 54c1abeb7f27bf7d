//! A session of commands on models whose layers keep states: pauses, a branch, lines followed to and fro and a prompt
//! that is scored in between change nothing of what is computed.

use std::path::Path;
use std::time::Duration;

use logitscope::decoding::StrategyKind;
use logitscope::session::command::LoadRequest;
use logitscope::session::{
    Command, LoadError, Loader, ModelSource, Pace, Progress, Prompt, ReadyModel, RunRequest, Status,
};
use logitscope::trace::{AdapterFacts, Run};

use super::checkpoints;
use super::engine::tokens;
use super::recurrent_strategies::{FOLDERS, settings, uncached};
use super::same_runs::assert_same;
use super::session::Watched;

/// Loads a checkpoint of the fixtures by its name.
pub struct Fixtures(pub fn(&str) -> ReadyModel);

impl Loader for Fixtures {
    fn adapters(&mut self) -> Vec<AdapterFacts> {
        Vec::new()
    }

    fn load(&mut self, request: &LoadRequest, _: &mut Progress<'_>) -> Result<ReadyModel, LoadError> {
        Ok((self.0)(&request.source.name()))
    }
}

/// A session with pauses, a branch, lines followed to and fro, and the prompt scored in between.
fn session(name: &str, loader: fn(&str) -> ReadyModel) -> Run {
    const PATIENCE: Duration = Duration::from_secs(120);
    let mut watched = Watched::on(Fixtures(loader));
    watched.send(Command::Load(LoadRequest::of(ModelSource::Path(Path::new(name).to_owned()))));
    watched.until_within(PATIENCE, "it is loaded", |view| view.status == Status::Ready);
    let (prompt, settings) = (Prompt::Ids(tokens(45)), settings(StrategyKind::Sample));
    watched.send(Command::Start(RunRequest { prompt, settings, pace: Pace::SingleStep }));
    let steps = |watched: &mut Watched, commands: Vec<Command>, count: usize| {
        commands.into_iter().for_each(|command| watched.send(command));
        watched.until_within(PATIENCE, "steps are made", |view| {
            let made = view.run.as_ref().is_some_and(|run| run.nodes.len() == count);
            made && view.status == Status::Paused
        });
    };
    steps(&mut watched, vec![], 1);
    for count in 2..=4 {
        steps(&mut watched, vec![Command::StepOnce], count);
    }
    let other = watched.run().nodes[1].candidates[3].token;
    steps(&mut watched, vec![Command::Branch { node: 1, token: other, pace: Pace::SingleStep }], 5);
    steps(&mut watched, vec![Command::ScorePrompt, Command::StepOnce], 6);
    steps(&mut watched, vec![Command::Follow { tip: 3 }, Command::StepOnce], 7);
    steps(&mut watched, vec![Command::Follow { tip: 5 }, Command::StepOnce], 8);
    watched.send(Command::Follow { tip: 6 });
    watched.send(Command::Resume);
    watched.send(Command::Pause);
    watched.send(Command::Resume);
    watched.until_within(PATIENCE, "it ends", |view| {
        let run = view.run.as_ref();
        run.is_some_and(|run| {
            run.stop.is_some() && run.prompt.iter().skip(1).all(|token| token.expectation.is_some())
        })
    });
    watched.run().clone()
}

#[test]
fn a_session_of_commands_is_that_of_recomputation() {
    for name in FOLDERS {
        let (found, expected) = (session(name, checkpoints::ready), session(name, uncached));
        assert_same(&found, &expected, name);
        assert_eq!(found.generated_ids().len(), 24);
    }
}
