//! The run as the page's script reads it: what the page shows, short enough that 200 steps stay under 3 MB.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use super::glossary;
use super::lines::{self, Line};
use super::strategy_tables;
use super::table::Table;
use crate::trace::{
    AdapterFacts, Candidate, ChosenBy, Counters, Draw, Expectation, ModelFacts, Node, NodeTiming, Others,
    Phase, Phases, Run, StageRecord, StepInput, StopReason, StrategyKind, spelling,
};

/// Most candidates of a step on a page; those beyond count with all others.
const MOST_CANDIDATES: usize = 64;

/// A run.
#[derive(Serialize)]
pub(super) struct PageData<'a> {
    /// The program that made the page, with its version.
    program: &'static str,
    model: ModelFacts,
    adapter: AdapterFacts,
    strategy: StrategyKind,
    /// As text: a script's numbers have 53 bits.
    seed: String,
    step_input: StepInput,
    stop: Option<StopReason>,
    phases: Phases,
    /// What the incremental passes of the line on show took.
    incremental: LineSpeed,
    prompt: Vec<PagePrompt>,
    lines: Vec<PageLine>,
    nodes: Vec<Step<'a>>,
    /// The candidates' spellings by id.
    pieces: BTreeMap<u32, String>,
    glossary: &'static [[&'static str; 4]],
}

#[derive(Serialize)]
struct LineSpeed {
    tokens: usize,
    seconds: f64,
}

#[derive(Serialize)]
struct PagePrompt {
    token: u32,
    shown: String,
    expectation: Option<PageExpectation>,
}

#[derive(Serialize)]
struct PageExpectation {
    probability: f32,
    surprisal: f32,
    rank: usize,
    entropy: f32,
}

#[derive(Serialize)]
struct PageLine {
    label: String,
    /// Places in the page's nodes.
    nodes: Vec<usize>,
}

#[derive(Serialize)]
struct Step<'a> {
    step: usize,
    token: u32,
    shown: String,
    phase: Phase,
    by_hand: bool,
    guessed: bool,
    /// The step that paid for the pass, where that is another one.
    with_step: Option<usize>,
    rank: usize,
    logit: f32,
    probability: f32,
    surprisal: f32,
    entropy: f32,
    /// Where a server sent the highest log-probabilities alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    entropy_at_most: Option<f32>,
    /// How many tokens a server sent, where the chosen one is below all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    below: Option<usize>,
    /// Whether the others are those that a server did not send.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unsent: bool,
    log_sum_exp: f32,
    stages: &'a [StageRecord],
    candidates: Vec<Row<'a>>,
    others: Others,
    /// How many recorded candidates count with all others here.
    merged: usize,
    draw: Option<Draw>,
    timing: NodeTiming,
    counters: Counters,
    /// What the strategy weighed beside the candidates.
    detail: Option<Table>,
}

/// A candidate: `[id, raw logit, raw probability, probability, stage that cut it, values after the stages]`.
#[derive(Serialize)]
struct Row<'a>(u32, f32, f32, f32, Option<usize>, After<'a>);

/// The values after the stages; `"="` stands for the value before it.
struct After<'a>(&'a Candidate);

impl Serialize for After<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Candidate { logit, after, .. } = self.0;
        let mut list = serializer.serialize_seq(Some(after.len()))?;
        let mut before = *logit;
        for value in after {
            if value.to_bits() == before.to_bits() {
                list.serialize_element("=")?;
            } else {
                list.serialize_element(value)?;
            }
            before = *value;
        }
        list.end()
    }
}

impl<'a> PageData<'a> {
    /// What a page shows of a run.
    pub(super) fn new(run: &'a Run) -> Self {
        let lines = lines::of(run);
        let mut places = BTreeMap::new();
        for &node in lines.iter().flat_map(|line| &line.nodes) {
            let place = places.len();
            places.entry(node).or_insert(place);
        }
        let mut by_place: Vec<(usize, usize)> = places.iter().map(|(&node, &place)| (place, node)).collect();
        by_place.sort_unstable();
        let nodes: Vec<Step<'a>> = by_place.iter().map(|&(_, node)| Step::new(run, node)).collect();
        let figures = run.incremental_of_line();
        Self {
            program: concat!("Logitscope ", env!("CARGO_PKG_VERSION")),
            // Where the model lies on someone's disk is nobody else's business.
            model: ModelFacts { path: String::new(), ..run.model.clone() },
            // Nor on whose server.
            adapter: match run.model.server {
                Some(_) => AdapterFacts::default(),
                None => run.adapter.clone(),
            },
            strategy: run.strategy,
            seed: run.seed.to_string(),
            step_input: run.step_input,
            stop: run.stop,
            phases: run.phases,
            incremental: LineSpeed { tokens: figures.tokens, seconds: figures.seconds },
            prompt: prompt(run),
            pieces: pieces(run, by_place.iter().map(|&(_, node)| node)),
            lines: lines.into_iter().map(|line| page_line(line, &places)).collect(),
            nodes,
            glossary: if run.model.server.is_some() { glossary::SERVED } else { glossary::OWN },
        }
    }
}

fn page_line(line: Line, places: &BTreeMap<usize, usize>) -> PageLine {
    PageLine { label: line.label, nodes: line.nodes.iter().map(|node| places[node]).collect() }
}

fn prompt(run: &Run) -> Vec<PagePrompt> {
    let expected = |expectation: &Expectation| PageExpectation {
        probability: expectation.log_probability.exp(),
        surprisal: -expectation.log_probability,
        rank: expectation.rank,
        entropy: expectation.entropy,
    };
    let shown = |token| spelling::of_prompt(token);
    run.prompt
        .iter()
        .map(|token| PagePrompt {
            token: token.token,
            shown: shown(token),
            expectation: token.expectation.as_ref().map(expected),
        })
        .collect()
}

/// The spellings of the candidates that the page lists.
fn pieces(run: &Run, nodes: impl Iterator<Item = usize>) -> BTreeMap<u32, String> {
    let listed = nodes.flat_map(|node| listed(&run.nodes[node]).0);
    listed.map(|candidate| (candidate.token, spelling::of_candidate(candidate))).collect()
}

/// The candidates that the page lists, and those that it counts with all others. The chosen one is listed.
fn listed(node: &Node) -> (Vec<&Candidate>, Vec<&Candidate>) {
    let (mut listed, mut merged) = (Vec::new(), Vec::new());
    for (place, one) in node.candidates.iter().enumerate() {
        let list = if place < MOST_CANDIDATES || one.token == node.token { &mut listed } else { &mut merged };
        list.push(one);
    }
    (listed, merged)
}

impl<'a> Step<'a> {
    fn new(run: &'a Run, index: usize) -> Self {
        let node = &run.nodes[index];
        let (listed, merged) = listed(node);
        let weighed = run.step_of(index);
        let first = weighed.map(|step| step.nodes.start).filter(|&first| first != index);
        let row = |one: &'a Candidate| {
            Row(one.token, one.logit, one.raw_probability, one.probability, one.cut_by, After(one))
        };
        Self {
            step: node.step,
            token: node.token,
            shown: spelling::of_node(node),
            phase: node.phase,
            by_hand: node.chosen_by == ChosenBy::Hand,
            guessed: run.was_guessed(index),
            with_step: first.map(|first| run.nodes[first].step),
            rank: node.rank,
            logit: node.logit,
            probability: node.log_probability.exp(),
            surprisal: -node.log_probability,
            entropy: node.entropy,
            entropy_at_most: node.entropy_at_most,
            below: run.below_sent(node),
            unsent: merged.is_empty() && run.others_are_unsent(node),
            log_sum_exp: node.log_sum_exp,
            stages: &node.stages,
            candidates: listed.into_iter().map(row).collect(),
            others: with(node.others, &merged),
            merged: merged.len(),
            draw: node.draw,
            timing: node.timing,
            counters: node.counters,
            detail: weighed.map(|step| strategy_tables::weighed(run, step)),
        }
    }
}

/// All others, with some of the recorded candidates among them.
fn with(others: Others, merged: &[&Candidate]) -> Others {
    merged.iter().fold(others, |sum, one| Others {
        count: sum.count + 1,
        kept: sum.kept + usize::from(one.cut_by.is_none()),
        probability: sum.probability + one.probability,
        raw_probability: sum.raw_probability + one.raw_probability,
        highest: None,
    })
}
