//! A server chooses: it samples by its own stages and draws, and a run records what it tells.
//!
//! What the server's stages made of a row is not told, so nodes have none; their probabilities are those of the raw softmax.

use std::time::Instant;

use super::accounting::{Cached, Moments, append};
use super::chain::{Chain, StageContext};
use super::error::DecodingError;
use super::initiation::PassCost;
use super::settings::DecodingSettings;
use super::stages::History;
use super::strategy::{Branched, Control, Ending, Stepped, Strategy};
use crate::model::{LanguageModel, ModelError, Sampled, SequenceId, ServerSampling};
use crate::trace::{Candidate, Node, Run, StopReason};

/// One text, chosen by a server.
#[derive(Clone)]
pub(super) struct ServerSampled {
    /// Without stages: it only records.
    chain: Chain,
    sampling: ServerSampling,
    ending: Ending,
    /// Prompt and generated tokens.
    tokens: Vec<u32>,
    /// Whether the server was asked to go on after the newest token.
    asked: bool,
}

impl ServerSampled {
    /// For a prompt and settings that were checked.
    pub(super) fn new(
        settings: &DecodingSettings,
        context: &StageContext,
        ending: Ending,
        prompt: &[u32],
    ) -> Self {
        let stages = &settings.stages;
        let recorded_candidates = settings.recorded_candidates;
        Self {
            chain: Chain { stages: Vec::new(), recorded_candidates, pins: context.pins.clone() },
            sampling: ServerSampling {
                temperature: stages.temperature,
                top_k: u32::try_from(stages.top_k).unwrap_or(0),
                top_p: stages.top_p,
                min_p: stages.min_p,
                repetition_penalty: stages.repetition_penalty,
                presence_penalty: stages.presence_penalty,
                frequency_penalty: stages.frequency_penalty,
                seed: Some(settings.seed),
            },
            ending,
            tokens: prompt.to_vec(),
            asked: false,
        }
    }

    fn next(
        &mut self,
        model: &mut dyn LanguageModel,
        control: &Control<'_>,
    ) -> Result<Option<Sampled>, DecodingError> {
        let sampler = model.sampler().ok_or(DecodingError::NoServer)?;
        if !self.asked {
            let left = self.ending.max_tokens - (self.tokens.len() - self.ending.prompt);
            sampler.begin(&self.tokens, &self.sampling, left)?;
            self.asked = true;
        }
        let next = sampler.next(control.interrupt);
        // After an error it is asked anew; an interruption leaves it at work.
        self.asked = matches!(next, Ok(Some(_)) | Err(ModelError::Interrupted));
        Ok(next?)
    }

    /// The node of a token that the server chose.
    fn node(&self, sampled: &Sampled, step: usize) -> Node {
        let (summary, token) = (&sampled.summary, sampled.summary.chosen);
        let filtered = self.chain.run_summary(summary).expect("without stages nothing is undecided");
        let history = History { tokens: &self.tokens, prompt: self.ending.prompt };
        let listed = filtered.id(token);
        let mut node = self.chain.record(filtered, listed.unwrap_or_default(), history);
        if listed.is_none() {
            let (logit, probability) = (sampled.log_probability, sampled.log_probability.exp());
            // Below all that are listed: how far below is not told.
            (node.token, node.logit, node.log_probability) = (token, logit, logit);
            node.rank = summary.tokens.len() + 1;
            node.candidates.truncate(self.chain.recorded_candidates);
            node.candidates.push(Candidate {
                token,
                logit,
                probability,
                raw_probability: probability,
                ..Candidate::default()
            });
            let listed: f32 = node.candidates.iter().map(|candidate| candidate.raw_probability).sum();
            let others = &mut node.others;
            others.count = summary.vocabulary - node.candidates.len();
            others.kept = others.count;
            others.raw_probability = if others.count == 0 { 0.0 } else { (1.0 - listed).max(0.0) };
            others.probability = others.raw_probability;
        }
        node.step = step;
        node
    }
}

impl Strategy for ServerSampled {
    fn step(
        &mut self,
        model: &mut dyn LanguageModel,
        run: &mut Run,
        control: &mut Control<'_>,
    ) -> Result<Stepped, DecodingError> {
        let start = Instant::now();
        control.check()?;
        let step = self.tokens.len() - self.ending.prompt + 1;
        let Some(sampled) = self.next(model, control)? else {
            let end = run.nodes.len();
            return Ok(Stepped { nodes: end..end, stop: Some(StopReason::Eos) });
        };
        let choosing = Instant::now();
        let node = self.node(&sampled, step);
        let mut cost = PassCost::default();
        cost.add(1, &sampled.timing);
        self.tokens.push(node.token);
        let stop = self.ending.reason(&self.tokens, model.context());
        if stop.is_some() {
            self.rest(model);
        }
        let nodes = append(node, run, Moments { start, choosing }, cost, Cached::now(model, None));
        Ok(Stepped { nodes, stop })
    }

    fn branch(&mut self, model: &mut dyn LanguageModel, tokens: &[u32]) -> Result<Branched, DecodingError> {
        self.rest(model);
        let stop = self.ending.reason(tokens, model.context());
        let strategy = Box::new(Self { tokens: tokens.to_vec(), asked: false, ..self.clone() });
        Ok(Branched { strategy, stop })
    }

    fn fork(&self, _: &mut dyn LanguageModel, _: &[u32]) -> Result<Option<SequenceId>, ModelError> {
        Ok(None)
    }

    fn rest(&mut self, model: &mut dyn LanguageModel) {
        self.asked = false;
        if let Some(sampler) = model.sampler() {
            sampler.end();
        }
    }

    fn release(&mut self, model: &mut dyn LanguageModel) {
        self.rest(model);
    }
}
