//! Branches and strategies in the window, found and used by accessible names.

use egui::Key;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use logitscope::decoding::{CacheUse, Drafter, EarlyStopping, Picking, StageSettings, StrategyKind};
use logitscope::session::event::{Loaded, RunUpdate};
use logitscope::session::{Command, Event, ModelSource, Pace};
use logitscope::trace::strategies::{
    Added, BeamStep, ContrastiveCandidate, ContrastiveStep, DraftSource, Drafted, Guess, Hypothesis,
    LookaheadStep, NgramSource, Pruned, SpeculativeStep, Verdict,
};
use logitscope::trace::{Node, Phases, ReturnedSequence, StepDetail, StrategyStep, Token};

use super::window::{Window, press, running, sees, sees_part, started, window};
use super::window_script::{Scripted, loaded};

/// The only thing whose name begins so.
fn click_part(window: &mut Window, part: &str) {
    let found = window.query_all_by_label_contains(part).next();
    found.unwrap_or_else(|| panic!("{part} is there")).click();
    window.run();
}

fn token(piece: &str) -> Token {
    Token { id: 7, piece: piece.to_owned() }
}

/// A candidate of a node that is not the chosen one, by its place.
fn other(script: &Scripted, node: usize, index: usize) -> u32 {
    let node = &script.0.borrow().run.nodes[node];
    let others: Vec<u32> = node
        .candidates
        .iter()
        .map(|candidate| candidate.token)
        .filter(|&token| token != node.token)
        .collect();
    others[index]
}

#[test]
fn a_click_on_a_candidate_goes_on_with_it_and_marks_it() {
    let (mut window, script) = running(4);
    press(&mut window, "Step 2: ·was");
    let token = other(&script, 1, 0);
    click_part(&mut window, "Go on with ");
    assert_eq!(script.last(), Command::Branch { node: 1, token, pace: Pace::Continuous });
    assert!(sees(&window, "Timeline: 2 steps"), "the line ends in the branch's first token");
    assert!(sees_part(&window, ", chosen by hand"), "its chip says so");
    assert!(sees_part(&window, ": chosen by hand, "), "and its row");
    script.steps(2);
    window.run();
    assert!(sees(&window, "Timeline: 4 steps"), "it goes on from there");

    press(&mut window, "Stop");
    press(&mut window, "Step 3: ·a");
    let rows: Vec<_> = window.query_all_by_label_contains("Candidate ").collect();
    let row = rows.iter().find(|row| !row.accesskit_node().label().unwrap_or_default().contains("chosen"));
    row.expect("another candidate").click();
    window.run();
    assert!(
        matches!(script.last(), Command::Branch { node: 5, .. }),
        "after the end as well: {:?}",
        script.last()
    );
}

#[test]
fn keys_choose_a_candidate_branch_and_come_back() {
    let (mut window, script) = running(3);
    press(&mut window, "Pause");
    window.key_press(Key::B);
    window.run();
    assert_eq!(script.last(), Command::Pause, "no candidate is selected");
    window.key_press(Key::ArrowDown);
    window.run();
    window.key_press(Key::ArrowDown);
    window.run();
    window.key_press(Key::ArrowUp);
    window.run();
    assert!(sees_part(&window, ", selected"));
    let node = script.0.borrow().run.nodes[2].clone();
    let chosen =
        node.candidates.iter().position(|candidate| candidate.token == node.token).expect("it is there");
    window.key_press(Key::B);
    window.run();
    let token = node.candidates[chosen + 1].token;
    let branch = Command::Branch { node: 2, token, pace: Pace::SingleStep };
    assert_eq!(script.last(), branch, "a paused run stays paused");
    assert!(sees_part(&window, "Step 3: ") && !sees(&window, "Step 3: ·a"));
    window.key_press(Key::U);
    window.run();
    assert_eq!(script.last(), Command::Follow { tip: 2 });
    assert!(sees(&window, "Step 3: ·a"), "the first line is back");
    window.key_press(Key::U);
    window.run();
    let follows =
        script.0.borrow().commands.iter().filter(|one| matches!(one, Command::Follow { .. })).count();
    assert_eq!(follows, 1, "there is nothing more to undo");
}

#[test]
fn the_tree_shows_every_line_and_a_click_shows_another() {
    let (mut window, script) = running(4);
    press(&mut window, "Tree");
    assert!(sees(&window, "Line 1: from step 1, 4 tokens, on show"));
    press(&mut window, "Step 2: ·was");
    click_part(&mut window, "Go on with ");
    script.steps(1);
    window.run();
    assert!(sees(&window, "Line 1: from step 1, 3 tokens, on show"));
    assert!(sees(&window, "Line 2: from step 2, 3 tokens"));
    let place = |window: &Window| window.get_by_label("Node of step 2: ·was").rect();
    let before = place(&window);
    press(&mut window, "Node of step 2: ·was");
    assert_eq!(script.last(), Command::Follow { tip: 3 }, "the leaf of its line");
    assert_eq!(place(&window), before, "nothing moves under the pointer");
    assert!(sees(&window, "Selected token: ·was"), "the node clicked is selected on its line");
    assert!(sees(&window, "Timeline: 4 steps"));
}

#[test]
fn all_six_strategies_and_their_settings_reach_the_run() {
    let (mut window, script) = window();
    let set = |window: &mut Window, name: &str, value: f64| {
        window.get_by_label(name).set_value_accesskit(value);
        window.run();
    };
    press(&mut window, "Beam");
    set(&mut window, "Beams", 3.0);
    set(&mut window, "Returned sequences", 2.0);
    set(&mut window, "Length penalty", 0.5);
    press(&mut window, "Never early");
    press(&mut window, "Draws");
    assert!(sees(&window, "Temperature"), "draws have a temperature");
    press(&mut window, "Run");
    let settings = started(&script).settings;
    assert_eq!((settings.strategy, settings.picking), (StrategyKind::Beam, Picking::Sample));
    assert_eq!((settings.beam.beams, settings.beam.returned, settings.beam.length_penalty), (3, 2, 0.5));
    assert_eq!(settings.beam.early_stopping, EarlyStopping::Never);
    press(&mut window, "Stop");

    press(&mut window, "Contrastive");
    assert!(!sees(&window, "Returned sequences") && !sees(&window, "Temperature"));
    set(&mut window, "Candidates", 6.0);
    set(&mut window, "Penalty weight α", 0.25);
    press(&mut window, "Run");
    let settings = started(&script).settings;
    assert_eq!((settings.contrastive.candidates, settings.contrastive.penalty_alpha), (6, 0.25));
    press(&mut window, "Stop");

    press(&mut window, "Speculative");
    set(&mut window, "Most drafted tokens", 9.0);
    press(&mut window, "Run");
    assert_eq!(started(&script).settings.speculative.draft_tokens, 9);
    press(&mut window, "Stop");

    press(&mut window, "Lookahead");
    set(&mut window, "Window", 5.0);
    set(&mut window, "N-gram length", 3.0);
    set(&mut window, "Guesses", 2.0);
    press(&mut window, "Run");
    let lookahead = started(&script).settings.lookahead;
    assert_eq!((lookahead.window, lookahead.ngram, lookahead.guesses), (5, 3, 2));
}

#[test]
fn a_draft_model_opens_by_its_path_and_goes_again() {
    let (mut window, script) = window();
    press(&mut window, "Speculative");
    assert!(sees(&window, "Draft model: prompt lookup"));
    window.get_by_label("Draft model path").focus();
    window.run();
    window.get_by_label("Draft model path").type_text("/models/small.gguf");
    window.run();
    press(&mut window, "Open the draft model");
    assert_eq!(script.last(), Command::LoadDraft(ModelSource::Path("/models/small.gguf".into())));
    assert!(sees(&window, "Draft model: small.gguf"));
    press(&mut window, "Remove the draft model");
    assert_eq!(script.last(), Command::DropDraft);
    assert!(sees(&window, "Draft model: prompt lookup"));
    script.tell(Event::DraftLoadStarted { name: "other".to_owned() });
    window.run();
    assert!(sees(&window, "Loading the draft model other…"));
}

#[test]
fn who_drafts_is_chosen_and_a_head_drafts_by_itself() {
    let (mut window, script) = window();
    press(&mut window, "Speculative");
    press(&mut window, "MTP head");
    assert!(sees(&window, "This model's files have no drafting head: choose another drafter."));
    assert!(!sees(&window, "Draft model path"));
    press(&mut window, "Run");
    assert_eq!(started(&script).settings.speculative.drafter, Drafter::Head);
    press(&mut window, "Stop");

    script.tell(Event::Loaded(Box::new(Loaded { has_drafting_head: true, ..loaded() })));
    window.run();
    assert!(sees(
        &window,
        "Drafts with the model's own head, which was trained to guess the token after the next."
    ));
    press(&mut window, "Best");
    assert!(sees(&window, "Draft model: the model's own head"));
    script.tell(Event::HeadLoadStarted);
    window.run();
    assert!(sees(&window, "Loading the model's drafting head…"));
    script.tell(Event::HeadLoadEnded);
    window.run();
    press(&mut window, "Lookup");
    assert!(sees(&window, "Drafts what followed the same tokens earlier."));
    press(&mut window, "Model");
    assert!(sees(&window, "Draft model: none yet"));
}

/// A run of this strategy whose one step weighed this.
fn weighed(strategy: &str, detail: StepDetail) -> (Window, Scripted) {
    let (mut window, script) = window();
    press(&mut window, strategy);
    press(&mut window, "Run");
    script.0.borrow_mut().details.push_back(detail);
    script.steps(1);
    window.run();
    (window, script)
}

#[test]
fn greedy_and_sampling_say_that_there_is_nothing_more_to_weigh() {
    let (mut window, _script) = running(2);
    press(&mut window, "Strategy");
    assert!(sees(&window, "Nothing else to weigh"));
}

#[test]
fn beams_show_who_lives_and_who_fell_and_sequences_are_followed() {
    let (mut window, script) = window();
    press(&mut window, "Beam");
    press(&mut window, "Run");
    script.steps(1);
    window.run();
    let node =
        |text: &str, parent, step| Node { text: text.into(), parent, step, token: 5, ..Node::default() };
    let kept = |node, score| Hypothesis { node, log_probability: 2.0 * score, score, drawn: None };
    let pruned = vec![Pruned { node: 3, score: -4.0, rival: 2, rival_score: -2.5 }];
    let beam = BeamStep {
        from_step: 1,
        live: vec![kept(1, -1.25), kept(2, -2.5)],
        finished: vec![kept(0, -3.0)],
        pruned,
    };
    script.tell(Event::Stepped(Box::new(RunUpdate {
        nodes: vec![node(" one", Some(0), 2), node(" two", Some(0), 2), node(" three", Some(0), 2)],
        tip: Some(1),
        steps: vec![StrategyStep { nodes: 1..4, detail: StepDetail::Beam(beam) }],
        sequences: vec![
            ReturnedSequence { node: 1, score: -1.25 },
            ReturnedSequence { node: 2, score: -2.5 },
        ],
        phases: Phases::default(),
    })));
    window.run();
    window.get_by_role_and_label(egui::accesskit::Role::Tab, "Beams").click();
    window.run();
    for row in
        ["Live 1: −1.250, on show", "Live 2: −2.500", "Finished 1: −3.000", "Pruned 1: −4.000, below −2.500"]
    {
        assert!(sees_part(&window, row), "{row}");
    }
    press(&mut window, "Sequence 2");
    assert_eq!(script.last(), Command::Follow { tip: 2 });
    assert!(sees(&window, "Step 2: ·two"));
    press(&mut window, "Tree");
    assert!(sees(&window, "Line 1: from step 1, 2 tokens, live · −2.500, on show"));
    assert!(sees_part(&window, "1 token, pruned at step 2 · −4.000"));

    // The fallen one is taken up again: that is another search, whose scores compare with none of these.
    let kept = Hypothesis { node: 4, log_probability: -0.5, score: -0.5, drawn: None };
    let beam = BeamStep { from_step: 3, live: vec![kept], ..BeamStep::default() };
    script.tell(Event::Followed { tip: 3, stop: None });
    script.tell(Event::Stepped(Box::new(RunUpdate {
        nodes: vec![node(" four", Some(3), 3)],
        tip: Some(4),
        steps: vec![StrategyStep { nodes: 4..5, detail: StepDetail::Beam(beam) }],
        sequences: Vec::new(),
        phases: Phases::default(),
    })));
    window.run();
    assert!(sees(&window, "Line 1: from step 1, 3 tokens, live · −0.500 since step 3, on show"));
    assert!(sees_part(&window, "1 token, live · −2.500"));
    window.get_by_role_and_label(egui::accesskit::Role::Tab, "Beams").click();
    window.run();
    assert!(sees_part(&window, "sums and scores count since step 3"));
}

#[test]
fn the_speed_is_that_of_the_line_on_show() {
    let (mut window, script) = running(6);
    let speed = |script: &Scripted, line: &[usize]| {
        let run = &script.0.borrow().run;
        let seconds: f64 = line.iter().map(|&node| run.nodes[node].timing.total_seconds).sum();
        format!("Step: step {} · {:.1} tokens/s", run.line.len(), line.len() as f64 / seconds)
    };
    let whole = speed(&script, &[1, 2, 3, 4, 5]);
    assert!(sees(&window, &whole), "{whole}");
    press(&mut window, "Step 2: ·was");
    click_part(&mut window, "Go on with ");
    script.steps(2);
    window.run();
    // Of the branch the strategy chose the last two tokens; the time of the line that was left counts for nothing.
    let branch = speed(&script, &[7, 8]);
    assert!(sees(&window, &branch), "{branch}");
    window.get_by_label_contains("Step: step ").click();
    window.run();
    assert!(sees(&window, "Passes: 2"));
    assert!(sees_part(&window, "All lines: 7 passes · "));
    window.key_press(Key::Escape);
    window.run();
    window.key_press(Key::U);
    window.run();
    let back = format!("{whole} · paused");
    assert!(sees(&window, &back), "{back}");
}

#[test]
fn contrastive_candidates_point_at_what_they_are_like() {
    let candidate = |piece, probability, penalty, score| ContrastiveCandidate {
        token: token(piece),
        probability,
        penalty,
        similar_position: 1,
        score,
    };
    let candidates = vec![candidate("Ġthe", 0.5, 0.9, -0.34), candidate("Ġa", 0.25, 0.1, 0.04)];
    let step = ContrastiveStep { alpha: 0.6, candidates, chosen: 1 };
    let (mut window, _script) = weighed("Contrastive", StepDetail::Contrastive(step));
    // The strategy's choice is a radio button, the pane a tab of the same name.
    window.get_by_role_and_label(egui::accesskit::Role::Tab, "Contrastive").click();
    window.run();
    assert!(sees_part(&window, "Tried ·a: chosen, score 0.040, most like "));
    assert!(sees_part(&window, " at 1"));
    assert!(sees(&window, "Penalty weight α: 0.60"));
    let row = window.get_by_label_contains("Tried ·the: score −0.340, most like ").rect();
    window.hover_at(row.left_center() + egui::vec2(20.0, 0.0));
    window.run();
    assert_eq!(window.state().state().pointed_at, Some(1), "the chip of the most similar token lights up");
}

#[test]
fn a_draft_stands_against_its_target() {
    let drafted = |piece, verdict, draw| Drafted {
        token: token(piece),
        draft_probability: 0.8,
        target_probability: 0.4,
        draw,
        verdict,
    };
    let step = SpeculativeStep {
        drafter: DraftSource::Model,
        drafted: vec![
            drafted("Ġold", Verdict::Accepted, Some(0.25)),
            drafted("Ġking", Verdict::Rejected, Some(0.75)),
            drafted("Ġwent", Verdict::Unreached, None),
        ],
        added: Added::Correction,
        draft_passes: 3,
        draft_seconds: 0.004,
    };
    let (mut window, _script) = weighed("Speculative", StepDetail::Speculative(step));
    press(&mut window, "Draft");
    for part in [
        "Drafted 1: ·old, accepted",
        "Drafted 2: ·king, rejected",
        "Drafted 3: ·went, unreached",
        "Added by the target: ·there, correction",
        "Drafted by: draft model",
        "Accepted: 1 of 3",
        "Tokens a pass: 1.00 · 1 in 1",
        "Draft passes: 3",
        "Draft time: 4.0 ms",
    ] {
        assert!(sees(&window, part), "{part}");
    }
}

#[test]
fn lookahead_shows_window_guesses_and_pool() {
    let words = |words: &[&str]| words.iter().map(|word| token(word)).collect::<Vec<_>>();
    let step = LookaheadStep {
        window: vec![words(&["Ġa", "Ġb", "Ġc"]), words(&["Ġd", "Ġe", "Ġf"])],
        guesses: vec![Guess {
            tokens: words(&["Ġlittle", "Ġgirl"]),
            accepted: 1,
            source: NgramSource::Prompt,
        }],
        collected: vec![words(&["Ġold", "Ġking"])],
        pool: 12,
    };
    let (mut window, _script) = weighed("Lookahead", StepDetail::Lookahead(step));
    window.get_by_role_and_label(egui::accesskit::Role::Tab, "Lookahead").click();
    window.run();
    assert!(sees(&window, "Window: 2 levels of 3"));
    assert!(sees(&window, "Guess 1: ·little ·girl, 1 of 2, from the text"));
    assert!(sees(&window, "·old·king"));
    assert!(sees(&window, "Pool: 12 n-grams"));
    assert!(sees(&window, "Tokens a pass: 1.00 · 1 in 1"));
}

#[test]
fn every_control_of_every_strategy_has_a_name() {
    let (mut window, script) = running(3);
    press(&mut window, "Tree");
    for strategy in ["Greedy", "Sample", "Beam", "Contrastive", "Speculative", "Lookahead"] {
        press(&mut window, strategy);
        assert_eq!(window.unnamed_widgets(), Vec::<String>::new(), "{strategy}");
    }
    drop(script);
}

#[test]
fn no_setting_shows_that_the_strategy_has_no_use_for() {
    let (mut window, script) = window();
    window.set_size(egui::vec2(1440.0, 1400.0));
    window.run();
    let choose = |window: &mut Window, name: &str| {
        window.get_by_role_and_label(egui::accesskit::Role::RadioButton, name).click();
        window.run();
    };
    choose(&mut window, "Sample");
    assert!(sees(&window, "Temperature") && sees(&window, "Repetition penalty"));
    choose(&mut window, "Recompute");
    choose(&mut window, "Beam");
    assert!(!sees(&window, "Temperature") && sees(&window, "Repetition penalty"));
    choose(&mut window, "Contrastive");
    for name in ["Temperature", "Repetition penalty", "Recompute", "DRY", "Grammar"] {
        assert!(!sees(&window, name), "{name}");
    }
    assert!(sees_part(&window, "no stage acts on them"));
    // What was set for another strategy is not in the way.
    window.get_by_label("Run").click();
    window.run();
    let Command::Start(request) = script.last() else { panic!("{:?}", script.last()) };
    assert_eq!(request.settings.cache, CacheUse::Reuse);
    assert_eq!(request.settings.stages, StageSettings::default());
    assert_eq!(request.settings.check(100), Ok(()));
}
