//! `generate`: decodes in the terminal.

use super::arguments::{BeamOptions, EarlyStoppingOption, Generate};
use super::compare;
use super::error::CliError;
use super::generate_json::{GenerateJson, stop_name};
use super::interrupt::INTERRUPTED;
use super::model::{self, Beside, Loaded};
use super::outcome::Outcome;
use super::output::{Listener, StatusLine, print, print_json, rate, seconds, status};
use super::unused;
use super::waiting::Watch;
use crate::decoding::{
    BeamSettings, CacheUse, ContrastiveSettings, Control, DecodingError, DecodingSettings, Drafter,
    EarlyStopping, EosRule, LookaheadSettings, Picking, SpeculativeSettings, StageSettings, StopSettings,
    StrategyKind,
};
use crate::export::page;
use crate::session::{Decode, LoadError, ReadyModel, RunError};
use crate::trace::{Node, Phase, PhaseFigures, Run, StopReason, file};
use crate::units::{bytes, counted};

/// Runs the command.
pub(super) fn run(arguments: &Generate) -> Result<Outcome, CliError> {
    arguments.trace.iter().try_for_each(|path| file::check_place(path))?;
    arguments.html.iter().try_for_each(|path| page::check_place(path))?;
    let prompt = model::prompt(&arguments.prompt, &arguments.special)?;
    let settings = settings(arguments)?;
    let draft = arguments.speculative.draft_model.as_ref();
    let wanted = matches!(settings.speculative.drafter, Drafter::Best | Drafter::Model);
    let draft = draft.filter(|_| wanted && arguments.strategy == StrategyKind::Speculative);
    let beside = Beside { draft, other: Some(&arguments.compare) };
    let Loaded { mut ready, draft, mut other } = match model::load_with(&arguments.model, &beside) {
        Err(CliError::Load(error) | CliError::LoadDraft(error) | CliError::LoadOther(error))
            if matches!(error, LoadError::Stopped) =>
        {
            return Ok(Outcome::Interrupted);
        }
        loaded => loaded?,
    };
    unused::notes(arguments).iter().for_each(|note| status(note));
    let inputs = match model::strategy_inputs(&settings, &mut ready, draft.as_ref()) {
        Err(RunError::DraftingHead(LoadError::Stopped)) => return Ok(Outcome::Interrupted),
        inputs => inputs.map_err(CliError::begin)?,
    };
    let watch = Watch::of(&ready);
    let decode = watch.during(|| Decode::begin_with(&ready, inputs, &prompt, &settings));
    let mut decode = decode.map_err(CliError::begin)?;
    let result = decode_all(&mut decode, &mut ready, arguments, &watch);
    let has_text = ready.tokenizer.is_some();
    let longest = decode.longest();
    let run = decode.end(&mut ready);
    // They are written after a failure as well: they are what one wants to see then.
    if let Some(path) = &arguments.trace {
        file::write(path, &run)?;
    }
    if let Some(path) = &arguments.html {
        page::write(path, &run)?;
    }
    result?;
    let comparison = match &mut other {
        Some(other) => compare::read(&mut ready, other, &run, longest)?,
        None => None,
    };
    if arguments.json.json {
        print_json(&GenerateJson::new(&run, has_text, arguments.top, comparison))?;
    } else {
        report_figures(&run);
        comparison.iter().for_each(compare::report);
    }
    let interrupted = run.stop == Some(StopReason::Cancelled) && super::interrupt::pressed();
    Ok(if interrupted { Outcome::Interrupted } else { Outcome::Done })
}

/// Steps until the run ends, printing its text, that of beam search once it is settled; Ctrl-C and a reader that went away end it as cancelled.
fn decode_all(
    decode: &mut Decode,
    ready: &mut ReadyModel,
    arguments: &Generate,
    watch: &Watch,
) -> Result<(), CliError> {
    let shows = !arguments.json.json;
    let streams = shows && arguments.strategy != StrategyKind::Beam;
    let mut line = StatusLine::new();
    let mut failure = None;
    while decode.run.stop.is_none() {
        let mut progress =
            |done, total| line.show(&format!("initiation: {done} of {}", counted(total, "token")));
        let mut control = Control { interrupt: &INTERRUPTED, progress: &mut progress };
        let printed = decode.run.line.len();
        let step = watch.during(|| decode.advance(ready, &mut control));
        line.clear();
        match step {
            Ok(()) if streams => {
                let text: String = decode.run.line_nodes().skip(printed).map(shown).collect();
                if print(&text)? == Listener::Gone {
                    decode.run.stop = Some(StopReason::Cancelled);
                }
            }
            Ok(()) if shows => {
                line.show(&format!("step {} of at most {}", decode.run.steps.len(), arguments.max_tokens));
            }
            Ok(()) => {}
            Err(RunError::Decoding(DecodingError::Interrupted)) => {
                decode.run.stop = Some(StopReason::Cancelled);
            }
            Err(error) => {
                decode.run.stop = Some(StopReason::Failed);
                failure = Some(CliError::Run(error));
            }
        }
    }
    line.clear();
    if shows && !streams {
        let text: String = decode.run.line_nodes().map(shown).collect();
        print(&text)?;
    }
    // After a failure as well: what was decoded stays, and the error begins a line of its own.
    if shows && !(failure.is_some() && decode.run.line.is_empty()) {
        print("\n")?;
    }
    failure.map_or(Ok(()), Err)
}

/// What a token looks like in the terminal: its text, or its id where there is no tokenizer.
fn shown(node: &Node) -> String {
    if node.piece.is_empty() { format!("{} ", node.token) } else { node.text.clone() }
}

fn settings(arguments: &Generate) -> Result<DecodingSettings, CliError> {
    Ok(DecodingSettings {
        strategy: arguments.strategy,
        picking: if drawing_options(arguments).is_empty() { Picking::Argmax } else { Picking::Sample },
        beam: beam_settings(&arguments.beam),
        contrastive: ContrastiveSettings {
            candidates: arguments.contrastive_k,
            penalty_alpha: arguments.penalty_alpha,
        },
        speculative: SpeculativeSettings {
            drafter: arguments.speculative.drafter.unwrap_or_default(),
            draft_tokens: arguments.speculative.draft_tokens,
        },
        lookahead: LookaheadSettings {
            window: arguments.lookahead.window,
            ngram: arguments.lookahead.ngram,
            guesses: arguments.lookahead.guesses,
        },
        stages: arguments.stages.complete(StageSettings {
            logit_bias: arguments.logit_bias.iter().copied().collect(),
            repetition_penalty: arguments.repetition_penalty,
            presence_penalty: arguments.presence_penalty,
            frequency_penalty: arguments.frequency_penalty,
            no_repeat_ngram: arguments.no_repeat_ngram,
            temperature: arguments.temperature.unwrap_or(1.0),
            top_k: arguments.top_k,
            top_p: arguments.top_p,
            min_p: arguments.min_p,
            ..StageSettings::default()
        })?,
        stop: StopSettings {
            max_tokens: arguments.max_tokens,
            eos: match (arguments.ignore_eos, arguments.eos.as_slice()) {
                (true, _) => EosRule::Ignore,
                (false, []) => EosRule::Model,
                (false, tokens) => EosRule::Tokens(tokens.to_vec()),
            },
            texts: arguments.stop.clone(),
        },
        seed: arguments.seed,
        cache: if arguments.no_kv_cache { CacheUse::Recompute } else { CacheUse::Reuse },
        recorded_candidates: arguments.top.max(DecodingSettings::default().recorded_candidates),
    })
}

fn beam_settings(options: &BeamOptions) -> BeamSettings {
    BeamSettings {
        beams: options.beams,
        length_penalty: options.length_penalty,
        early_stopping: match options.early_stopping {
            None => EarlyStopping::Heuristic,
            Some(EarlyStoppingOption::AtOnce) => EarlyStopping::AtOnce,
            Some(EarlyStoppingOption::Never) => EarlyStopping::Never,
        },
        returned: options.returned_sequences.unwrap_or(options.beams),
    }
}

/// The options given that say how to draw.
fn drawing_options(arguments: &Generate) -> Vec<&'static str> {
    let set = [
        ("--temperature", arguments.temperature.is_some()),
        ("--top-k", arguments.top_k != 0),
        ("--top-p", arguments.top_p != 1.0),
        ("--min-p", arguments.min_p != 0.0),
    ];
    let set = set.into_iter().filter(|(_, set)| *set).map(|(name, _)| name);
    set.chain(arguments.stages.for_sampling()).collect()
}

fn report_figures(run: &Run) {
    let phases = &run.phases;
    let stop = run.stop.map_or("", stop_name);
    let speed = |rows: u64, figures: &PhaseFigures| rate(rows as f64, figures.seconds);
    status(&format!("{} on {} ({})", run.model.name, run.adapter.name, run.adapter.backend));
    status(&format!("  load         {:>9}  {}", seconds(phases.load.seconds), bytes(phases.load.amount)));
    status(&format!(
        "  tokenise     {:>9}  {}",
        seconds(phases.tokenise.seconds),
        counted(phases.tokenise.amount as usize, "token")
    ));
    status(&format!(
        "  initiation   {:>9}  {}, {:.1} tokens/s",
        seconds(phases.initiation.seconds),
        counted(phases.initiation.amount as usize, "row"),
        speed(run.prompt.len() as u64, &phases.initiation)
    ));
    let tokens = run.line_nodes().filter(|node| node.phase == Phase::Incremental).count();
    let steps = phases.incremental_steps;
    let each = if tokens > steps {
        format!(" with {:.2} tokens each", tokens as f64 / steps as f64)
    } else {
        String::new()
    };
    status(&format!(
        "  incremental  {:>9}  {}{each}, {}, {:.1} tokens/s",
        seconds(phases.incremental.seconds),
        counted(steps, "step"),
        counted(phases.incremental.amount as usize, "row"),
        speed(tokens as u64, &phases.incremental)
    ));
    if let Some(states) = run.states() {
        let stored = format!("{} stored, {}", states.stored, bytes(states.bytes));
        status(&format!(
            "  states                  {stored}, {} computed again",
            counted(states.recomputed_positions as usize, "position")
        ));
    }
    status(&format!("  detokenise   {:>9}  stopped: {stop}", seconds(phases.detokenise.seconds)));
}
