//! What a model says after every token of a text.

use crate::model::batch::RowOutput;
use crate::model::{Batch, LanguageModel, ModelError};

/// The logits after each of `ids`, from the beginning of a sequence; `None` when `go_on` said to end.
pub fn all_logits(
    model: &mut dyn LanguageModel,
    ids: &[u32],
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Option<Vec<Vec<f32>>>, ModelError> {
    /// Few enough that `go_on` is asked often.
    const CHUNK_ROWS: usize = 32;
    let sequence = model.new_sequence_for(ids.len());
    let mut logits = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(CHUNK_ROWS.min(model.max_rows())) {
        if !go_on() {
            model.release(sequence);
            return Ok(None);
        }
        let batch = Batch::chain_of_outputs(sequence, model.length(sequence), chunk, RowOutput::Logits);
        logits.extend(model.forward(&batch)?.logits);
    }
    model.release(sequence);
    Ok(Some(logits))
}
