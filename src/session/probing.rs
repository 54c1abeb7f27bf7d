//! A look inside a pass of the newest run: the text before a token, in a fork of what is cached of it, and its last row
//! once more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::command::ProbeTarget;
use super::decode::Decode;
use super::event::Found;
use super::load::ReadyModel;
use crate::model::batch::{Batch, RowOutput};
use crate::model::{LanguageModel, ModelError, Probe, ProbeRequest, SequenceId};

/// Rows of a chunk of what is not cached: few enough that a command waits but a moment.
const CHUNK_ROWS: usize = 32;

/// Most likely tokens that each lens names.
const TOP: usize = 8;

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    #[error("its model was closed or another run began: run the prompt again")]
    NoRun,
    #[error("the run has no such token: choose one that the window shows")]
    NoToken,
    #[error("nothing comes before the first token, so no pass led to it: choose a later one")]
    FirstToken,
    #[error("another command came first: look again")]
    Interrupted,
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Decode {
    /// Looks inside the pass that led to a token. The run's sequences stay as they are.
    pub(super) fn probe(
        &mut self,
        ready: &mut ReadyModel,
        target: ProbeTarget,
        interrupt: &AtomicBool,
    ) -> Result<Found, ProbeError> {
        let (token, path, tokens) = match target {
            ProbeTarget::Node(node) => {
                let node = self.run.nodes.get(node).ok_or(ProbeError::NoToken)?;
                let path = self.run.path(node.parent);
                let tokens = self.text_of(&path);
                (node.token, path, tokens)
            }
            ProbeTarget::Prompt(index) => {
                let token = self.run.prompt.get(index).ok_or(ProbeError::NoToken)?.token;
                (token, Vec::new(), self.run.prompt_ids()[..index].to_vec())
            }
        };
        let sequence = self.fork_sequence(ready, &path, &tokens)?;
        let probed = probe_text(&mut *ready.model, sequence, &tokens, token, interrupt);
        ready.model.release(sequence);
        let probe = probed?;
        let named = probe.layers.iter().map(|layer| &layer.lens).chain([&probe.last]);
        let ids = named.flat_map(|lens| lens.top.iter().map(|(id, _)| *id)).chain([probe.token, probe.input]);
        let spell = |id| ready.tokenizer.as_ref().and_then(|tokenizer| tokenizer.readable_piece(id));
        let pieces: BTreeMap<u32, String> = ids.map(|id| (id, spell(id).unwrap_or_default())).collect();
        Ok(Found { probe: Arc::new(probe), pieces: Arc::new(pieces) })
    }
}

/// The last row of a text, whose sequence holds a part of it or more.
fn probe_text(
    model: &mut dyn LanguageModel,
    sequence: SequenceId,
    tokens: &[u32],
    token: u32,
    interrupt: &AtomicBool,
) -> Result<Probe, ProbeError> {
    let (&input, before) = tokens.split_last().ok_or(ProbeError::FirstToken)?;
    if !cache(model, sequence, before, CHUNK_ROWS, interrupt)? {
        return Err(ProbeError::Interrupted);
    }
    let request = ProbeRequest { sequence, position: before.len(), input, token: Some(token), top: TOP };
    Ok(model.probing().ok_or(ModelError::NoLayers)?.probe(&request)?)
}

/// Lets a sequence, which holds a part of a text or more, hold just that text, in passes of at most `rows`; whether nothing
/// interrupted it.
pub(super) fn cache(
    model: &mut dyn LanguageModel,
    sequence: SequenceId,
    text: &[u32],
    rows: usize,
    interrupt: &AtomicBool,
) -> Result<bool, ModelError> {
    model.truncate(sequence, text.len());
    let cached = model.length(sequence);
    let rows = rows.min(model.max_rows());
    for (index, chunk) in text[cached..].chunks(rows).enumerate() {
        if interrupt.load(Ordering::Relaxed) {
            return Ok(false);
        }
        model.forward(&Batch::chain(sequence, cached + index * rows, chunk, RowOutput::Nothing))?;
    }
    Ok(true)
}
