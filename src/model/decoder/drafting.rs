//! The head that some models have for drafting (multi-token prediction, "NextN"): one block of theirs that guesses the
//! token after the next.
//!
//! For the token at position i + 1 and the decoder's final hidden state h at position i:
//! x = join · [norm(embedding of the token); norm(h)], one block on x, and the model's own LM head on what that gives
//! (DeepSeek-V3 technical report, 2024, section 2.2; Qwen3-Next, 2025). Its final hidden state takes h's place for the
//! token after that.

use super::Planner;
use crate::model::config::{Bias, ModelConfig};
use crate::model::plan::{Op, Plan, RowSet};

/// Tensors of a head that are the decoder's own.
pub const SHARED_WITH_HEAD: [&str; 3] = ["embed.tokens", "head.weight", "head.bias"];

/// The plain plan of a drafting head: the layers of `config` are its blocks, the norms before them are as the final one.
/// The matrix that joins is in two parts, one for the token and one for the state.
pub fn plan_drafting_head(config: &ModelConfig) -> Plan {
    let mut planner = Planner { context: config.context, ..Planner::default() };
    let table = planner.tensor("embed.tokens", config.vocabulary, config.width);
    let [residual, embedding, carried, normed, update] =
        ["residual stream", "embedding", "the decoder's hidden states", "normed", "update"]
            .map(|name| planner.buffer(name, config.width, RowSet::Batch));
    planner.ops.push(Op::Embed { table, positions: None, output: embedding });
    planner.scale(config.embedding.scale, embedding);
    planner.norm("layers.0.join.token_norm", &config.final_norm, embedding, normed);
    planner.linear("layers.0.join.token", Bias::Absent, normed, residual);
    planner.norm("layers.0.join.state_norm", &config.final_norm, carried, normed);
    planner.linear("layers.0.join.state", Bias::Absent, normed, update);
    planner.ops.push(Op::Add { input: update, output: residual });
    for (index, layer) in config.layers.iter().enumerate() {
        planner.layer(index, layer, residual);
    }
    let plan = planner.lm_head(config, "layers.0.final_norm", residual, table);
    Plan { carried: Some(carried), ..plan }
}
