//! The five phases of a model on a server: what of them happens there, and what is measured here.

use egui::Ui;

use super::elsewhere;
use super::phase::{Phase, speed};
use super::served;
use crate::session::Status;
use crate::trace::{self, Run};
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::scene::Scene;
use crate::ui::theme::space;
use crate::ui::widgets::section;

/// Tells the phases anew where the model is on a server: loading that of the open model, the others those of the run on show.
pub(super) fn tell(scene: &Scene<'_>, phases: &mut [Phase; 5]) {
    let [load, rest @ ..] = phases;
    let loading = matches!(scene.view.status, Status::Loading { .. });
    if !loading
        && let Some(loaded) = &scene.view.loaded
        && let Some(facts) = &loaded.server
    {
        load.goes_in = "An address, and a key where the server wants one.";
        load.happens =
            "Connects, and finds out by small requests what the server can do. The weights stay there.";
        load.comes_out = "A decoder that is asked over the network.";
        load.figure = format!("{} · {}", format::seconds(loaded.seconds), facts.kind.name());
        load.facts = vec![(&definitions::SERVER_CONNECT_TIME, format::seconds(loaded.seconds))];
        load.facts.extend(served::facts_of(facts, loaded.model.context));
    }
    if elsewhere::server(scene).is_some() {
        words(rest);
        if let Some(run) = scene.run() {
            numbers(rest, run);
        }
    }
}

fn words([tokenise, initiation, step, text]: &mut [Phase; 4]) {
    tokenise.happens = "Cuts the text into pieces of the vocabulary: the server's own tokenizer does it.";
    initiation.happens = "The server computes the prompt (also called prefill), but for what it has of it from before. How it does that is \
                          not seen from here.";
    initiation.comes_out =
        "The log-probabilities after the last prompt token: they choose the first new token.";
    step.goes_in = "The text so far. The server computes what it has not computed before.";
    step.happens = "One request for each token; or one for many, as long as the server goes on with the tokens that are chosen here.";
    step.comes_out = "The highest log-probabilities of a row, from which the next token is chosen.";
    text.happens = "Turns ids back into text (detokenise), by the spellings that the server tells. Bytes of a split character are held until \
                    it is whole.";
}

fn numbers([tokenise, initiation, step, text]: &mut [Phase; 4], run: &Run) {
    for (definition, _) in &mut tokenise.facts {
        if **definition == definitions::TOKENISE_TIME {
            *definition = &definitions::SERVER_TOKENISE_TIME;
        }
    }
    for (definition, _) in &mut text.facts {
        if **definition == definitions::DETOKENISE_TIME {
            *definition = &definitions::SERVER_TEXT_TIME;
        }
    }
    if run.line.is_empty() {
        return;
    }
    let seconds = run.phases.initiation.seconds;
    // While it goes on there is only the time left.
    if initiation.facts.iter().any(|(definition, _)| **definition == definitions::INITIATION_TIME) {
        initiation.facts = vec![
            (&definitions::SERVER_INITIATION_TIME, format::seconds(seconds)),
            (&definitions::PROMPT_TOKENS, format::count(run.prompt.len() as u64)),
            (&definitions::SERVER_INITIATION_RATE, speed(run.prompt.len() as f64 / seconds)),
        ];
    }
    let line = run.incremental_of_line();
    step.facts = vec![
        (&definitions::SERVER_PASSES, format::count(line.passes as u64)),
        (&definitions::SERVER_INCREMENTAL_TIME, format::seconds(line.seconds)),
    ];
    if line.passes > 0 {
        step.facts.push((&definitions::SERVER_INCREMENTAL_RATE, speed(line.tokens as f64 / line.seconds)));
    }
    step.facts.extend(
        own_seconds(run).map(|seconds| (&definitions::SERVER_OWN_RATE, speed(line.tokens as f64 / seconds))),
    );
}

/// Seconds that the server says it computed for the incremental steps of the line; `None` where it does not tell of all.
fn own_seconds(run: &Run) -> Option<f64> {
    let steps = run.line_nodes().filter(|node| node.phase == trace::Phase::Incremental);
    let timed = steps.filter(|node| node.timing.total_seconds > 0.0);
    let seconds: Option<f64> = timed.map(|node| node.timing.server_seconds).sum();
    seconds.filter(|seconds| *seconds > 0.0)
}

/// In the card of loading: what the server of the open model can do.
pub(super) fn capabilities(ui: &mut Ui, scene: &Scene<'_>) {
    let Some(facts) = scene.view.loaded.as_ref().and_then(|loaded| loaded.server.as_ref()) else { return };
    ui.add_space(space::S);
    section(ui, "What the server can do");
    ui.scope(|ui| served::rows(ui, &facts.rows));
}
