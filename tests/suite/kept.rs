//! What is told of the memory that sequences take: the KV cache, which grows with every position, and states, whose size
//! stays the same. `tests/fixtures/families/kept.py` has the right numbers.

use egui_kittest::kittest::Queryable as _;
use logitscope::decoding::{CacheUse, Control, DecodingSettings, EosRule, Strategy, StrategyKind, begin};
use logitscope::formats;
use logitscope::gpu::GpuError;
use logitscope::model::{CacheFormat, LanguageModel};
use logitscope::session::event::Loaded;
use logitscope::session::{Event, LoadRequest, ModelCard, ModelSource};
use logitscope::trace::{Counters, ModelFacts, Run, StateCounters};
use logitscope::units::{LatentParts, LayersKeep};
use serde_json::Value;

use super::checkpoints::{engine, opened};
use super::formats::fixture;
use super::states;
use super::support;
use super::window::{Window, drop_file, inspected, press, sees, sees_part, window, window_on};
use super::window_script::{Scripted, loaded};

/// Bytes of the states of one sequence of `qwen3_5_text`.
const STATE: u64 = 3584;

const fn keep([cache_only, state_only, both, neither]: [usize; 4]) -> LayersKeep {
    LayersKeep { cache_only, state_only, both, shared: 0, neither, latent: None }
}

/// What `qwen3_5_text` has.
const QWEN: LayersKeep = keep([1, 2, 0, 0]);

/// What `deepseek_v3` has: two layers, and 16 latent elements for keys and values beside 8 that rotate.
const LATENT: LayersKeep =
    LayersKeep { latent: Some(LatentParts { latent: 16, rotating: 8 }), ..keep([2, 0, 0, 0]) };

fn card(name: &str) -> ModelCard {
    let request =
        LoadRequest { cache: Some(CacheFormat::F32), ..LoadRequest::of(ModelSource::Path(fixture(name))) };
    ModelCard::beside(&request, Err(GpuError::NoAdapter)).expect("the headers are whole")
}

#[test]
fn headers_tell_what_layers_keep_and_in_how_many_bytes() {
    for (name, layers, a_position, a_sequence) in [
        ("qwen3_5_text", QWEN, 128, STATE),
        ("lfm2", keep([1, 3, 0, 0]), 64, 576),
        // Its keys of 6 elements lie padded to 8.
        ("olmo_hybrid", keep([1, 2, 0, 0]), 192, 3392),
        ("llama-f32", keep([2, 0, 0, 0]), 256, 0),
        ("deepseek_v3", LATENT, 192, 0),
    ] {
        let facts = formats::inspect(&fixture(name)).expect(name);
        assert_eq!(facts.layers_keep, Some(layers), "{name}");
        assert_eq!(facts.cache_bytes_per_position, Some(a_position), "{name}");
        assert_eq!(facts.state_bytes_per_sequence, Some(a_sequence), "{name}");
        let facts = opened(&ModelSource::Path(fixture(name))).facts();
        assert_eq!((facts.layers_keep, facts.state_bytes_per_sequence), (layers, a_sequence), "{name}");
    }
    assert_eq!(states::config().layers_keep(), keep([1, 2, 1, 1]), "each kind counts once");
}

#[test]
fn the_need_counts_states_with_their_checkpoints_whatever_the_context() {
    let card = card("qwen3_5_text");
    let need = card.memory.expect("it is supported");
    // The newest state, the next one, the empty one, and as many checkpoints as are ever of use.
    assert_eq!(need.state_bytes, (3 + 256) * STATE);
    assert_eq!(need.cache_bytes, 128 * 128);
    let parts = need.weight_bytes + need.scratch_bytes + need.cache_bytes + need.state_bytes;
    assert_eq!(need.total_bytes, parts);
    assert_eq!(self::card("llama-f32").memory.expect("it is supported").state_bytes, 0);
}

#[test]
fn shorter_contexts_are_told_of_where_they_take_less() {
    let contexts = |name| self::card(name).shorter.iter().map(|need| need.context).collect::<Vec<_>>();
    assert_eq!(
        contexts("../gguf_families/nemotron_h.gguf"),
        [2048, 8192, 32_768, 131_072],
        "some layers keep a KV cache"
    );
    assert_eq!(contexts("mamba2"), [] as [usize; 0], "none does");
}

/// Steps of a strategy over 16 tokens, then of one that went elsewhere at position `at` of them; its counters.
fn branched(strategy: StrategyKind, cache: CacheUse, at: usize) -> Vec<Counters> {
    let opened = opened(&ModelSource::Path(fixture("qwen3_5_text")));
    let mut model = engine(&opened);
    let mut settings = DecodingSettings { strategy, cache, ..DecodingSettings::default() };
    settings.stop.eos = EosRule::Ignore;
    // One chunk, of more rows than keep their states.
    let mut prompt: Vec<u32> = (3..19).collect();
    let mut first = begin(&settings, &[], &prompt, &model).expect("good settings");
    let step = |strategy: &mut dyn Strategy, model: &mut dyn LanguageModel, run: &mut Run| {
        let mut progress = |_, _| {};
        let mut control = Control { interrupt: &false.into(), progress: &mut progress };
        strategy.step(model, run, &mut control).expect("a step");
    };
    let mut run = Run::default();
    step(&mut *first, &mut model, &mut run);
    first.rest(&mut model);
    prompt[at] += 40;
    let before = model.cache_usage().recomputed;
    let mut other = first.branch(&mut model, &prompt).expect("room for a fork").strategy;
    for _ in 0..2 {
        step(&mut *other, &mut model, &mut run);
    }
    let counters: Vec<Counters> = run.nodes.iter().map(|node| node.counters).collect();
    let counted: u64 =
        counters.iter().filter_map(|one| one.states).map(|states| states.recomputed_positions).sum();
    assert_eq!(counted, model.cache_usage().recomputed - before, "{strategy:?}: all of it is counted");
    assert_eq!(run.states().map_or(0, |states| states.recomputed_positions), counted);
    counters
}

#[test]
fn a_step_tells_the_states_stored_and_what_it_computed_again() {
    // Only its last token differs, or many: passes that are chained, and that are waited for.
    for (strategy, at) in [
        (StrategyKind::Greedy, 15),
        (StrategyKind::Greedy, 7),
        (StrategyKind::Lookahead, 7),
        (StrategyKind::Contrastive, 7),
    ] {
        let counters = branched(strategy, CacheUse::Reuse, at);
        let states: Vec<StateCounters> =
            counters.iter().map(|counters| counters.states.expect("states are stored")).collect();
        let again: Vec<u64> = states.iter().map(|states| states.recomputed_positions).collect();
        assert_eq!(again[..2], [0, at as u64], "{strategy:?} at {at}");
        for states in states {
            assert!(states.stored >= 1, "{strategy:?}: {states:?}");
            assert_eq!(states.bytes, states.stored as u64 * STATE, "{strategy:?}");
        }
        let rows = 16 - at;
        assert!(strategy != StrategyKind::Greedy || counters[1].rows == rows, "they are not among the rows");
    }
    let kept = branched(StrategyKind::Greedy, CacheUse::Recompute, 7);
    assert!(kept.iter().all(|counters| counters.states.is_none()), "nothing is kept: {kept:?}");
}

#[test]
fn further_tokens_of_a_pass_have_its_states_and_none_of_its_work() {
    let states = Some(StateCounters { stored: 3, bytes: 90, recomputed_positions: 7 });
    let first = Counters { rows: 5, cached_positions: 9, cache_bytes: 100, states };
    let states = Some(StateCounters { stored: 3, bytes: 90, recomputed_positions: 0 });
    assert_eq!(first.without_work(), Counters { rows: 0, states, ..first });
}

#[test]
fn traces_from_before_states_still_open_and_models_without_them_say_nothing_new() {
    let mut facts = serde_json::to_value(ModelFacts::default()).expect("plain data");
    let fields = facts.as_object_mut().expect("an object");
    for key in ["state_bytes_per_sequence", "layers_keep"] {
        assert!(fields.remove(key).is_some(), "{key}");
    }
    assert_eq!(serde_json::from_value::<ModelFacts>(facts).expect("it opens"), ModelFacts::default());
    let counters = serde_json::to_value(Counters::default()).expect("plain data");
    assert_eq!(counters.get("states"), None);
    assert_eq!(serde_json::from_value::<Counters>(counters).expect("it opens"), Counters::default());
}

fn program(arguments: &[&str]) -> (String, String) {
    let output = support::program().args(arguments).output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let (out, errors) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
    (out, errors)
}

#[test]
fn the_terminal_names_states_beside_the_kv_cache() {
    let (states, plain) = (fixture("qwen3_5_text"), fixture("llama-f32"));
    let [states, plain] = [&states, &plain].map(|path| path.to_str().expect("a path in UTF-8"));
    let (text, _) = program(&["inspect", states, "--kv", "f32"]);
    for line in [
        "layers keep    1 KV cache · 2 state",
        "KV cache       128 B a position",
        "state          3.58 kB a sequence, whatever its length",
        "KV cache 16.4 kB, states with checkpoints 928 kB, scratch ",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let (text, _) = program(&["inspect", plain]);
    assert!(!text.contains("state") && !text.contains("layers keep"), "{text}");
    let generate = |model, more: &[&str]| {
        program(&[&["generate", "-m", model, "--prompt-ids", "3,1,4", "-n", "2"], more].concat())
    };
    let (_, figures) = generate(states, &[]);
    assert!(figures.contains("states") && figures.contains("0 positions computed again"), "{figures}");
    assert!(!generate(plain, &[]).1.contains("states"));
    let json = |model| -> Value { serde_json::from_str(&generate(model, &["--json"]).0).expect("JSON") };
    let told = &json(states)["states"];
    let [stored, bytes] = ["stored", "bytes"].map(|key| told[key].as_u64().expect(key));
    assert!(stored > 0 && bytes == stored * STATE, "{told}");
    assert_eq!(told["recomputed_positions"], 0);
    assert_eq!(json(plain).get("states"), None);
}

/// A window of this size with a model that keeps states, and a run that computed some positions again.
fn with_states(width: f32, height: f32) -> (Window, Scripted) {
    let script = Scripted::default();
    let mut window = window_on(script.clone(), width, height);
    window.run();
    let model = ModelFacts {
        layers_keep: keep([6, 18, 0, 0]),
        state_bytes_per_sequence: 18_900_000,
        ..loaded().model
    };
    script.tell(Event::Loaded(Box::new(Loaded { model, ..loaded() })));
    script.0.borrow_mut().states =
        Some(StateCounters { stored: 3, bytes: 56_700_000, recomputed_positions: 12 });
    window.run();
    press(&mut window, "Run");
    script.steps(4);
    window.run();
    (window, script)
}

#[test]
fn the_window_tells_cache_and_states_apart() {
    let (mut window, _script) = with_states(1800.0, 1800.0);
    for fact in [
        "States: 3",
        "State memory: 56.7 MB",
        "Computed again: 12 positions",
        "Layers with a KV cache: 6",
        "Layers with a state: 18",
    ] {
        assert!(sees(&window, fact), "{fact}");
    }
    assert!(sees_part(&window, "on the GPU: KV cache 98.3 kB, states 56.7 MB"));
    window.get_by_label_contains("Load: ").click();
    window.run();
    assert!(sees(&window, "State a sequence: 18.9 MB") && sees(&window, "KV a position: 6.14 kB"));
    window.key_press(egui::Key::Escape);
    window.run();
    window.get_by_label_contains("Step: step").click();
    window.run();
    assert!(sees_part(&window, "KV cache and states stand for the earlier ones"));
}

#[test]
fn of_a_model_without_states_the_window_says_nothing_of_them() {
    let (mut window, script) = window();
    press(&mut window, "Run");
    script.steps(4);
    window.run();
    for part in ["States", "State memory", "Computed again", "Layers with", "states "] {
        assert!(!sees_part(&window, part), "{part}");
    }
    drop_file(&mut window, fixture("llama-f32"));
    inspected(&mut window);
    for part in ["States", "State a sequence", "Layers with"] {
        assert!(!sees_part(&window, part), "{part}");
    }
}

#[test]
fn the_card_before_loading_tells_cache_and_states_apart() {
    let (mut window, _script) = window();
    drop_file(&mut window, fixture("qwen3_5_text"));
    inspected(&mut window);
    for fact in [
        "Layers with a KV cache: 1",
        "Layers with a state: 2",
        "State a sequence: 3.58 kB",
        "States, with checkpoints: 928 kB",
        "KV cache, with 128 positions: 16.4 kB",
    ] {
        assert!(sees(&window, fact), "{fact}");
    }
}

/// Headers, the pane of the cache and `inspect` name what latent keys and values are made of.
#[test]
fn the_parts_of_latent_keys_and_values_are_told() {
    let script = Scripted::default();
    let mut window = window_on(script.clone(), 1800.0, 1800.0);
    window.run();
    let model = ModelFacts { layers_keep: LATENT, ..loaded().model };
    script.tell(Event::Loaded(Box::new(Loaded { model, ..loaded() })));
    window.run();
    press(&mut window, "Run");
    script.steps(4);
    window.run();
    window.get_by_label_contains("Load: ").click();
    window.run();
    assert!(sees(&window, "Cached a layer: 16 latent + 8 rotating"));
    window.key_press(egui::Key::Escape);
    window.run();
    drop_file(&mut window, fixture("deepseek_v3"));
    inspected(&mut window);
    assert!(sees(&window, "Cached a layer: 16 latent + 8 rotating") && sees(&window, "KV a position: 192 B"));
    let output = support::program().arg("inspect").arg(fixture("deepseek_v3")).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("192 B a position: 16 latent + 8 rotating elements a layer"), "{text}");
}

/// Writes pictures of models with states to look at.
#[test]
#[ignore = "writes pictures to look at"]
fn pictures_of_states() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let save = |window: &mut Window, name: &str| {
        window.remove_cursor();
        window.run_ok();
        let image = window.render().expect("the window renders");
        image.save(folder.join(format!("states-{name}.png"))).expect("it can be written");
    };
    let (mut window, _script) = with_states(1440.0, 900.0);
    save(&mut window, "dark");
    window.get_by_label_contains("Load: ").click();
    window.run();
    save(&mut window, "load");
    window.key_press(egui::Key::Escape);
    window.run();
    press(&mut window, "Theme: system");
    drop_file(&mut window, fixture("qwen3_5_text"));
    inspected(&mut window);
    save(&mut window, "fit-light");
    press(&mut window, "Cancel");
    save(&mut window, "light");
    let (mut window, _script) = with_states(1440.0, 1300.0);
    save(&mut window, "tall");
    let (mut window, _script) = with_states(720.0, 480.0);
    window.get_by_role_and_label(egui::accesskit::Role::RadioButton, "Step").click();
    window.run();
    save(&mut window, "small-step");
    drop_file(&mut window, fixture("qwen3_5_text"));
    inspected(&mut window);
    save(&mut window, "small-fit");
}
