//! `generate --compare-with`: what another model says of the text that came, step by step.

use serde::Serialize;

use super::error::CliError;
use super::interrupt;
use super::output::{StatusLine, status};
use crate::session::reading::{Pair, Reading};
use crate::session::{OpinionSummary, ReadyModel, SecondOpinion};
use crate::trace::Run;
use crate::units::{counted, signed};

/// What another model says of a text. The `other_` numbers are its own, those without are the text's model's.
#[derive(Serialize)]
pub(super) struct ComparisonJson {
    model: String,
    weights: String,
    #[serde(flatten)]
    sums: Option<SumsJson>,
    steps: Vec<StepJson>,
}

#[derive(Serialize)]
struct SumsJson {
    top_agreement: f64,
    mean_kl_nats: f64,
    largest_kl_nats: f64,
    /// From 1.
    largest_kl_step: usize,
    mean_surprisal: f64,
    other_mean_surprisal: f64,
    perplexity: f64,
    other_perplexity: f64,
}

#[derive(Serialize)]
struct StepJson {
    kl_nats: f64,
    top: u32,
    other_top: u32,
    logprob: f64,
    other_logprob: f64,
}

/// Lets both models read the text of a run that might have got `longest` positions; `None` where Ctrl-C ended that.
pub(super) fn read(
    ready: &mut ReadyModel,
    other: &mut ReadyModel,
    run: &Run,
    longest: usize,
) -> Result<Option<ComparisonJson>, CliError> {
    let mut pair = Pair { first: &mut *ready.model, second: &mut *other.model };
    let mut reading = Reading::begin(&mut pair, longest);
    let readable = reading.take_up(&mut pair, run);
    let mut line = StatusLine::new();
    let mut opinions = Vec::new();
    while !reading.is_over() {
        if interrupt::pressed() {
            return Ok(None);
        }
        line.show(&format!("comparing: step {} of {readable}", opinions.len()));
        opinions.extend(reading.advance(&mut pair)?);
    }
    line.clear();
    reading.release(&mut pair);
    let facts = &other.loaded.model;
    if readable < run.line.len() {
        status(&format!(
            "warning: {} can read {readable} of {}, because a context ends there",
            facts.name,
            counted(run.line.len(), "step")
        ));
    }
    Ok(Some(ComparisonJson {
        model: facts.path.clone(),
        weights: facts.weights.clone(),
        sums: OpinionSummary::of(&opinions).map(SumsJson::from),
        steps: opinions.iter().map(StepJson::from).collect(),
    }))
}

/// The sums, for a person.
pub(super) fn report(comparison: &ComparisonJson) {
    let ComparisonJson { model, weights, sums, steps } = comparison;
    status(&format!("{model} ({weights}) of {}", counted(steps.len(), "step")));
    let Some(sums) = sums else { return };
    status(&format!("  same first token {:.1} %", 100.0 * sums.top_agreement));
    status(&format!(
        "  KL(text's model || it) {} nats on average, {} at most (step {})",
        signed(&format!("{:.2e}", sums.mean_kl_nats)),
        signed(&format!("{:.2e}", sums.largest_kl_nats)),
        sums.largest_kl_step
    ));
    status(&format!(
        "  perplexity {:.3}, by the text's own model {:.3}",
        sums.other_perplexity, sums.perplexity
    ));
}

impl From<OpinionSummary> for SumsJson {
    fn from(sums: OpinionSummary) -> Self {
        let [mean_surprisal, other_mean_surprisal] = sums.mean_surprisal;
        let [perplexity, other_perplexity] = sums.perplexity();
        Self {
            top_agreement: sums.top_agreement,
            mean_kl_nats: sums.mean_kl_nats,
            largest_kl_nats: sums.largest_kl_nats,
            largest_kl_step: sums.largest_at + 1,
            mean_surprisal,
            other_mean_surprisal,
            perplexity,
            other_perplexity,
        }
    }
}

impl From<&SecondOpinion> for StepJson {
    fn from(opinion: &SecondOpinion) -> Self {
        Self {
            kl_nats: opinion.kl_nats,
            top: opinion.first.top.id,
            other_top: opinion.second.top.id,
            logprob: opinion.first.log_probability,
            other_logprob: opinion.second.log_probability,
        }
    }
}
