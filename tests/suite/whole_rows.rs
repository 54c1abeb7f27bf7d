//! A step's whole row, computed once more: it is the model's, with what each stage cut, and the run stays as it is.

use std::time::Duration;

use logitscope::decoding::{DecodingSettings, EosRule, StageSettings, StrategyKind};
use logitscope::session::{Command, GpuLoader, LoadRequest, ModelSource, Pace, Prompt, RunRequest, Status};

use super::counting_model::Behaviour;
use super::session::Watched;

fn start(watched: &Watched, stages: StageSettings, pace: Pace, text: &str) {
    let mut settings =
        DecodingSettings { strategy: StrategyKind::Sample, seed: 4, stages, ..DecodingSettings::default() };
    settings.stop.max_tokens = 6;
    settings.stop.eos = EosRule::Ignore;
    let prompt = Prompt::Text { text: text.to_owned(), special: Default::default() };
    watched.send(Command::Start(RunRequest { prompt, settings, pace }));
}

#[test]
fn a_row_is_the_models_with_what_each_stage_cut() {
    let mut watched = Watched::ready(Behaviour::default());
    // The model gives 5 to the number that follows and a tenth of its number to every other one.
    let stages = StageSettings {
        temperature: 0.5,
        top_k: 4,
        suppress_tokens: [6].into(),
        top_p: 0.9,
        ..StageSettings::default()
    };
    start(&watched, stages, Pace::SingleStep, "zero");
    watched.until("it waits", |view| view.status == Status::Paused);
    watched.send(Command::ReadRow { node: 0 });
    watched.until("the row is told", |view| view.row.is_some());
    let row = watched.view().row.clone().expect("a row");
    assert_eq!(row.logits, [0.0, 5.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
    let names: Vec<&str> = watched.run().nodes[0].stages.iter().map(|stage| &*stage.name).collect();
    assert_eq!(names, ["suppressed tokens", "temperature", "top-k", "top-p"]);
    // Six is suppressed; then one, seven, five and four are the highest, and one alone has nine tenths.
    let cut = [Some(2), None, Some(2), Some(2), Some(3), Some(3), Some(0), Some(3)];
    assert_eq!(row.cut_by, cut);
    assert_eq!(watched.view().vocabulary[3], "three");
    watched.send(Command::Resume);
    assert_eq!(watched.finished().nodes.len(), 6);
    // Also of a run that has ended; of a node that is not there nothing is told.
    watched.send(Command::ReadRow { node: 77 });
    watched.send(Command::ReadRow { node: 5 });
    watched.until("the row is told", |view| view.row.as_ref().is_some_and(|row| row.node == 5));
}

#[test]
fn a_real_row_holds_the_candidates_on_record() {
    let mut watched = Watched::on(GpuLoader::default());
    watched.send(Command::Load(LoadRequest { context: Some(96), ..LoadRequest::of(ModelSource::BuiltIn) }));
    let minute = Duration::from_secs(60);
    watched.until_within(minute, "the model is ready", |view| view.status == Status::Ready);
    let stages = StageSettings { temperature: 0.8, top_k: 40, top_p: 0.9, ..StageSettings::default() };
    start(&watched, stages, Pace::Continuous, "Once upon a time");
    watched.finished();
    for node in [5, 0, 3] {
        watched.send(Command::ReadRow { node });
        let told = |view: &logitscope::session::View| view.row.as_ref().is_some_and(|row| row.node == node);
        watched.until_within(minute, "the row is told", told);
        let (row, node) = (watched.view().row.clone().expect("a row"), watched.run().nodes[node].clone());
        for candidate in &node.candidates {
            let id = candidate.token as usize;
            assert!(
                (row.logits[id] - candidate.logit).abs() < 0.02,
                "{} {}",
                row.logits[id],
                candidate.logit
            );
            assert_eq!(row.cut_by[id].map(usize::from), candidate.cut_by, "step {}, token {id}", node.step);
        }
        assert_eq!(row.logits.len(), node.candidates.len() + node.others.count);
    }
}
