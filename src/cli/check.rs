//! `check`: does this GPU compute what the reference computes?

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;

use super::arguments::Check;
use super::error::CliError;
use super::outcome::Outcome;
use super::output::{StatusLine, print, print_json};
use super::{interrupt, model};
use crate::gpu::AdapterInfo;
use crate::model::{Divergence, DivergenceSummary};
use crate::session::command::SpecialTokens;
use crate::session::{LoadPart, Prompt, Share};
use crate::units::signed;
use crate::verify::{Findings, OpFinding, PrecisionCost, SelfTest, SelfTestError, Watcher};

/// The JSON object of `check --json`.
#[derive(Serialize)]
struct CheckJson<'a> {
    model: &'a str,
    adapter: &'a str,
    backend: &'a str,
    driver: &'a str,
    variants: &'a [String],
    passed: bool,
    ops: usize,
    worst: Option<&'a OpFinding>,
    weights: &'a str,
    divergence: Option<&'a PrecisionCost>,
}

/// Runs the command.
pub(super) fn run(arguments: &Check) -> Result<Outcome, CliError> {
    let request = model::request(&arguments.model)?;
    let device = Arc::new(model::open_device(&arguments.model)?);
    let test = SelfTest { request: &request, device, prompt: prompt(arguments) };
    let mut line = Line(StatusLine::new());
    let findings = test.run(&mut line);
    line.0.clear();
    let findings = match findings {
        Err(SelfTestError::Stopped) => return Ok(Outcome::Interrupted),
        findings => findings?,
    };
    if arguments.json.json {
        print_json(&CheckJson::new(&findings))?;
    }
    match &findings.worst {
        Some(worst) if !findings.passed => {
            let OpFinding { row, column, gpu, reference, .. } = worst;
            let found = format!(
                "{} on {}: row {row}, column {column} is {gpu}, and the reference computes {reference}",
                worst.place(),
                findings.adapter.name
            );
            let is_number = gpu.is_finite() || reference.is_finite();
            return Err(if is_number { CliError::Check(found) } else { CliError::Weights(found) });
        }
        Some(worst) if !arguments.json.json => print(&text(&findings, worst)).map(drop)?,
        _ => {}
    }
    Ok(Outcome::Done)
}

/// The prompt that was given.
fn prompt(arguments: &Check) -> Option<Prompt> {
    if let Some(ids) = &arguments.prompt_ids {
        return Some(Prompt::Ids(ids.clone()));
    }
    let text = arguments.prompt.clone()?;
    Some(Prompt::Text { text, special: SpecialTokens::Add })
}

/// The line on stderr that says how far the test is.
struct Line(StatusLine);

impl Watcher for Line {
    fn loading(&mut self, part: LoadPart, share: Share) -> ControlFlow<()> {
        model::report(&mut self.0, part, share)
    }

    fn doing(&mut self, what: &str) {
        self.0.show(what);
    }

    fn is_over(&self) -> bool {
        interrupt::pressed()
    }
}

impl<'a> CheckJson<'a> {
    fn new(findings: &'a Findings) -> Self {
        let AdapterInfo { name, backend, driver, .. } = &findings.adapter;
        Self {
            model: &findings.model,
            adapter: name,
            backend,
            driver,
            variants: &findings.variants,
            passed: findings.passed,
            ops: findings.ops,
            worst: findings.worst.as_ref(),
            weights: &findings.weights,
            divergence: findings.divergence.as_ref(),
        }
    }
}

/// The findings of a test that was passed, for a person.
fn text(findings: &Findings, worst: &OpFinding) -> String {
    let AdapterInfo { name, backend, driver, .. } = &findings.adapter;
    let Findings { model, ops, divergence, .. } = findings;
    let agreement = format!(
        "{model}: all {ops} ops agree with the reference on {name} ({backend}, {driver})\n\
         closest to its tolerance: {}, at {:.0} % of it\n",
        worst.place(),
        100.0 * worst.share
    );
    agreement + &divergence.as_ref().map(cost).unwrap_or_default()
}

/// What the precision costs: a line for each position, then the summary.
fn cost(cost: &PrecisionCost) -> String {
    let PrecisionCost { original, prompt_ids, summary, positions } = cost;
    let mut text =
        format!("logits against the original weights ({original}), after each token of the prompt:\n");
    text += "  position    token  relative error    KL (nats)  top token\n";
    for (index, (id, position)) in prompt_ids.iter().zip(positions).enumerate() {
        let Divergence { relative_error, kl_nats, top_agrees } = position;
        let top = if *top_agrees { "same" } else { "another" };
        let percent = 100.0 * relative_error;
        let kl = signed(&format!("{kl_nats:.2e}"));
        text += &format!("  {index:>8} {id:>8} {percent:>13.3} % {kl:>12}  {top}\n");
    }
    let DivergenceSummary { mean_relative_error, largest_relative_error, mean_kl_nats, top_agreement } =
        summary;
    text + &format!(
        "relative error {:.3} % on average, {:.3} % at most; KL {} nats on average; \
         the same top token at {:.0} % of the positions\n",
        100.0 * mean_relative_error,
        100.0 * largest_relative_error,
        signed(&format!("{mean_kl_nats:.2e}")),
        100.0 * top_agreement
    )
}
