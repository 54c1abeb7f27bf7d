//! Whether a model tells enough of its rows for what was chosen. Where that shows only at a step, the step tells.

use super::chain::Chain;
use super::error::DecodingError;
use super::settings::DecodingSettings;
use super::stages::Stage;
use crate::model::LanguageModel;
use crate::trace::StrategyKind;

const WHOLE_ROWS: &str = "all log-probabilities of a row";

/// Refuses what could not make a single step.
pub(super) fn check(
    settings: &DecodingSettings,
    chain: &Chain,
    model: &dyn LanguageModel,
) -> Result<(), DecodingError> {
    let told = model.tells();
    if settings.strategy == StrategyKind::Server {
        return Ok(());
    }
    if settings.strategy == StrategyKind::Contrastive && told.hides_states {
        return Err(DecodingError::NotSent {
            what: "contrastive search",
            needed: "the final hidden states",
            advice: "choose another strategy",
        });
    }
    let over_probabilities = matches!(chain.stages.first(), Some(Stage::LogSoftmax));
    for stage in &chain.stages {
        // All others do the same to logits that differ by a number.
        if matches!(stage, Stage::RepetitionPenalty(_)) && told.are_normalised && !over_probabilities {
            return Err(DecodingError::NotSent {
                what: stage.name(),
                needed: "logits, because it depends on their signs",
                advice: "take a presence or frequency penalty, or let the server choose",
            });
        }
        if told.highest.is_some() && stage.looks_beyond_the_highest() {
            return Err(DecodingError::NotSent {
                what: stage.name(),
                needed: WHOLE_ROWS,
                advice: "leave it out, let the server choose, or let the server send more (vLLM: --max-logprobs -1)",
            });
        }
    }
    Ok(())
}
