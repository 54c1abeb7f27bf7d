//! Conversations in a session: each turn begins with what is cached of those before, and says what it would without.

use std::path::Path;
use std::time::Duration;

use logitscope::decoding::{CacheUse, DecodingSettings, EosRule, StrategyKind};
use logitscope::session::command::LoadRequest;
use logitscope::session::{
    Command, Conversation, GpuLoader, Message, ModelSource, Pace, Prompt, RunRequest, Status,
};
use logitscope::trace::Run;
use tempfile::TempDir;

use super::session::Watched;
use super::support;

const PATIENCE: Duration = Duration::from_secs(120);

/// A checkpoint with a tokenizer and a template of plain lines.
fn model() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = support::fixture("families/gpt2-f32");
    for entry in std::fs::read_dir(fixture).expect("a fixture") {
        let path = entry.expect("a file").path();
        std::fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
    }
    let template = "{% for m in messages %}{{ m.role[0] }}: {{ m.content }}\n{% endfor %}a: ";
    std::fs::write(folder.path().join("chat_template.jinja"), template).expect("written");
    folder
}

fn opened(folder: &Path) -> Watched {
    let mut watched = Watched::on(GpuLoader::default());
    watched.send(Command::Load(LoadRequest::of(ModelSource::Path(folder.to_owned()))));
    watched.until_within(PATIENCE, "it is loaded", |view| view.status == Status::Ready);
    watched
}

fn settings(strategy: StrategyKind) -> DecodingSettings {
    let mut settings = DecodingSettings { strategy, seed: 5, ..DecodingSettings::default() };
    (settings.stop.max_tokens, settings.stop.eos) = (9, EosRule::Ignore);
    settings.beam.beams = 2;
    settings.beam.returned = 2;
    settings
}

fn run(watched: &mut Watched, prompt: Prompt, settings: &DecodingSettings) -> Run {
    let settings = settings.clone();
    watched.send(Command::Start(RunRequest { prompt, settings, pace: Pace::Continuous }));
    watched.until_within(PATIENCE, "a run begins", |view| view.status != Status::Ready);
    watched.until_within(PATIENCE, "it ends", |view| {
        view.status == Status::Ready && view.run.as_ref().is_some_and(|run| run.stop.is_some())
    });
    watched.run().clone()
}

fn conversation(said: &[(&str, &str)]) -> Prompt {
    let messages = said.iter().map(|(role, text)| Message::new(role, text)).collect();
    Prompt::Chat(Conversation { messages, ..Conversation::default() })
}

#[test]
fn a_turn_goes_on_from_what_is_cached_and_says_the_same() {
    let folder = model();
    let (mut watched, mut fresh) = (opened(folder.path()), opened(folder.path()));
    for strategy in StrategyKind::ALL.into_iter().filter(|strategy| *strategy != StrategyKind::Server) {
        let settings = settings(strategy);
        let first = run(&mut watched, conversation(&[("user", "Who are you?")]), &settings);
        assert_eq!(first.continued_positions, 0, "{strategy:?}");
        let answer = first.text();
        let said = [("user", "Who are you?"), ("assistant", &*answer), ("user", "And who am I?")];
        let second = run(&mut watched, conversation(&said), &settings);
        run(&mut fresh, Prompt::Ids(vec![7]), &settings);
        let alone = run(&mut fresh, conversation(&said), &settings);
        assert_eq!(second.prompt_ids(), alone.prompt_ids(), "{strategy:?}");
        assert_eq!(second.generated_ids(), alone.generated_ids(), "{strategy:?}");
        assert_eq!(alone.continued_positions, 0, "{strategy:?}");
        // Contrastive search needs the hidden states of all positions, which nobody keeps.
        if strategy == StrategyKind::Contrastive {
            assert_eq!(second.continued_positions, 0);
            continue;
        }
        let least = first.prompt.len() - 1;
        assert!(second.continued_positions >= least, "{strategy:?}: {}", second.continued_positions);
        let rows = second.phases.initiation.amount as usize;
        assert_eq!(rows + second.continued_positions, second.prompt.len(), "{strategy:?}");
    }
    // Nothing of all that stays in the cache.
    let plain = || Prompt::Ids((0..40).collect());
    let (after, alone) = (run(&mut watched, plain(), &settings(StrategyKind::Greedy)), {
        let mut new = opened(folder.path());
        run(&mut new, plain(), &settings(StrategyKind::Greedy))
    });
    assert_eq!(after.nodes[3].counters.cache_bytes, alone.nodes[3].counters.cache_bytes);
}

#[test]
fn other_conversations_and_uncached_ones_begin_anew() {
    let folder = model();
    let mut watched = opened(folder.path());
    let greedy = settings(StrategyKind::Greedy);
    let question = [("user", "Who are you?")];
    run(&mut watched, conversation(&question), &greedy);
    let again = run(&mut watched, conversation(&question), &greedy);
    assert_eq!(again.continued_positions, 0, "the same question once more shows the whole initiation");
    let other = [("user", "Zounds"), ("assistant", "x"), ("user", "y")];
    let other = run(&mut watched, conversation(&other), &greedy);
    assert!(other.continued_positions < 5, "{}", other.continued_positions);
    let mut uncached = greedy.clone();
    uncached.cache = CacheUse::Recompute;
    let said = [("user", "Zounds"), ("assistant", "x"), ("user", "y"), ("assistant", "z"), ("user", "z")];
    assert_eq!(run(&mut watched, conversation(&said), &uncached).continued_positions, 0);
}
