//! What the model expected at each position of a prompt: initiation's rows once more, but with the logits of all of
//! them, a chunk at a time, so that commands are answered between chunks.

use crate::decoding::row::Row;
use crate::model::batch::{Batch, RowOutput, SequenceId};
use crate::model::{LanguageModel, ModelError};
use crate::tokenizer::Tokenizer;
use crate::trace::{Expectation, Expected, Token};

/// Rows of a chunk: few enough that a command waits but a moment.
const CHUNK_ROWS: usize = 16;

/// Likeliest tokens that are kept of each row.
const LIKELIEST: usize = 5;

/// A prompt whose tokens are being scored.
pub(super) struct PromptScores {
    ids: Vec<u32>,
    sequence: SequenceId,
    done: usize,
}

/// Scores of consecutive prompt tokens.
pub(super) struct ScoredChunk {
    /// Index of the first one in the prompt.
    pub first: usize,
    /// What the model expected in the place of each.
    pub scores: Vec<Expectation>,
}

impl PromptScores {
    /// Begins in an empty sequence; nothing is computed yet.
    pub(super) fn begin(sequence: SequenceId, ids: Vec<u32>) -> Self {
        Self { ids, sequence, done: 0 }
    }

    /// Whether every token has its score.
    pub(super) fn is_done(&self) -> bool {
        self.done + 1 >= self.ids.len()
    }

    /// Computes the next chunk.
    pub(super) fn advance(
        &mut self,
        model: &mut dyn LanguageModel,
        tokenizer: Option<&Tokenizer>,
    ) -> Result<ScoredChunk, ModelError> {
        // The row of the last token foretells the first generated one, whose step has it.
        let end = (self.done + CHUNK_ROWS.min(model.max_rows())).min(self.ids.len() - 1);
        let batch =
            Batch::chain_of_outputs(self.sequence, self.done, &self.ids[self.done..end], RowOutput::Logits);
        let rows = model.forward(&batch)?.logits;
        let first = self.done + 1;
        self.done = end;
        let spell = |id| tokenizer.and_then(|tokenizer| tokenizer.readable_piece(id)).unwrap_or_default();
        let scores = rows.iter().zip(&self.ids[first..]).map(|(row, &token)| expectation(row, token, spell));
        Ok(ScoredChunk { first, scores: scores.collect() })
    }

    /// Frees what it holds in the model.
    pub(super) fn release(self, model: &mut dyn LanguageModel) {
        model.release(self.sequence);
    }
}

/// What a row of logits says of a token that follows, and of those that it would rather have seen.
fn expectation(logits: &[f32], token: u32, spell: impl Fn(u32) -> String) -> Expectation {
    // The prompt stands whatever the model thinks of it, so NaN counts as the lowest value.
    let logits: Vec<f32> =
        logits.iter().map(|&logit| if logit.is_nan() { f32::MIN } else { logit }).collect();
    let row = Row::new(&logits);
    let softmax = row.softmax();
    let likeliest = row.top(LIKELIEST).into_iter().map(|id| Expected {
        token: Token { id, piece: spell(id) },
        probability: softmax.probability(row.value(id)) as f32,
    });
    Expectation {
        logit: row.value(token),
        log_probability: (f64::from(row.value(token)) - softmax.log_sum_exp) as f32,
        rank: row.rank(token),
        entropy: row.entropy() as f32,
        likeliest: likeliest.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_scored_as_its_formulas_say() {
        // Probabilities 1/2, 1/4, 1/8, 1/8.
        let logits = [4.0_f32, 2.0, 1.0, 1.0].map(f32::ln);
        let found = expectation(&logits, 2, |id| format!("<{id}>"));
        assert!((found.log_probability - 0.125_f32.ln()).abs() < 1e-6, "{found:?}");
        assert!((found.entropy - 1.75 * std::f32::consts::LN_2).abs() < 1e-6, "{found:?}");
        assert_eq!((found.rank, found.logit), (3, 0.0));
        let likeliest: Vec<_> = found.likeliest.iter().map(|other| other.token.piece.as_str()).collect();
        assert_eq!(likeliest, ["<0>", "<1>", "<2>", "<3>"]);
        assert!((found.likeliest[1].probability - 0.25).abs() < 1e-6);
        assert_eq!(expectation(&[1.0, f32::NAN], 1, |_| String::new()).rank, 2);
    }
}
