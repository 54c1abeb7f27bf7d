//! Sequences of the twin: however the rows are dealt out to passes, a path of tokens has one row of logits.

use super::Reference;
use crate::model::batch::RowOutput;
use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingConfig, FeedForwardConfig, FeedForwardKind,
    HeadWeights, KeysValuesConfig, LayerConfig, LogitsConfig, NormConfig, NormKind, Positions,
    ResidualConfig, ScoresConfig, Sinks,
};
use crate::model::rotary::{RotaryConfig, RotaryScaling};
use crate::model::{Batch, LanguageModel, ModelConfig, Row, SequenceId, plan_decoder};

const PATH: [u32; 5] = [3, 1, 4, 1, 5];

/// Two layers, grouped heads, and numbers from a fixed linear congruential generator.
fn model() -> Reference {
    let norm = NormConfig { kind: NormKind::Rms, epsilon: 1e-5, bias: Bias::Absent };
    let rotary = RotaryConfig { width: 4, theta: 100.0, scaling: RotaryScaling::Plain };
    let layer = LayerConfig {
        residual: ResidualConfig::default(),
        attention_norms: BlockNorms::before(norm),
        attention: Some(AttentionConfig {
            heads: 2,
            key_value_heads: 1,
            clip: None,
            head_norm: None,
            head_width: 4,
            rotary: Some(rotary),
            scale: 0.5,
            scores: ScoresConfig::default(),
            keys_values: KeysValuesConfig::default(),
            sinks: Sinks::default(),
            output_gate: None,
            query_key_value_bias: Bias::Present,
            output_bias: Bias::Absent,
        }),
        recurrent: None,
        feed_forward_norms: BlockNorms::before(norm),
        feed_forward: Some(FeedForwardConfig {
            width: 6,
            kind: FeedForwardKind::Gated,
            activation: Activation::Silu,
            bias: Bias::Absent,
        }),
    };
    let plan = plan_decoder(&ModelConfig {
        vocabulary: 7,
        width: 8,
        context: 16,
        positions: Positions::InLayers,
        embedding: EmbeddingConfig::default(),
        layers: vec![layer.clone(), layer],
        final_norm: norm,
        head: HeadWeights::Tied,
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    });
    let mut state = 1_u32;
    let mut number = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let sizes: Vec<usize> = plan.tensors.iter().map(|spec| spec.rows * spec.columns).collect();
    let tensors = sizes.into_iter().map(|size| (0..size).map(|_| number()).collect()).collect();
    Reference::from_values(plan, 16, tensors)
}

/// The last row of logits after `tokens`, all in one pass on a sequence of their own.
fn fresh_logits(model: &mut Reference, tokens: &[u32]) -> Vec<f32> {
    let sequence = model.new_sequence();
    extend(model, sequence, tokens)
}

fn extend(model: &mut Reference, sequence: SequenceId, tokens: &[u32]) -> Vec<f32> {
    let start = model.length(sequence);
    let batch = Batch::chain(sequence, start, tokens, RowOutput::Logits);
    model.forward(&batch).expect("tokens and positions are in range").logits.remove(0)
}

#[test]
fn token_by_token_gives_the_logits_of_one_pass() {
    let mut model = model();
    let whole = fresh_logits(&mut model, &PATH);
    let sequence = model.new_sequence();
    let steps: Vec<Vec<f32>> = PATH.iter().map(|&token| extend(&mut model, sequence, &[token])).collect();
    assert_eq!(steps.last(), Some(&whole));
    assert_ne!(steps[0], whole);
}

#[test]
fn a_fork_goes_its_own_way_and_leaves_the_first_alone() {
    let mut model = model();
    let first = model.new_sequence();
    extend(&mut model, first, &PATH[..3]);
    let second = model.fork(first).expect("the twin has memory");
    let other = extend(&mut model, second, &[6, 2]);
    let one = extend(&mut model, first, &PATH[3..]);
    assert_eq!(one, fresh_logits(&mut model, &PATH));
    assert_eq!(other, fresh_logits(&mut model, &[3, 1, 4, 6, 2]));
}

#[test]
fn a_truncated_sequence_goes_on_from_its_new_end() {
    let mut model = model();
    let sequence = model.new_sequence();
    extend(&mut model, sequence, &[3, 1, 6, 6]);
    model.truncate(sequence, 2);
    let logits = extend(&mut model, sequence, &PATH[2..]);
    assert_eq!(logits, fresh_logits(&mut model, &PATH));
}

#[test]
fn a_tree_of_rows_gives_each_branch_the_logits_of_its_path_and_keeps_the_first() {
    let mut model = model();
    let sequence = model.new_sequence();
    extend(&mut model, sequence, &PATH[..2]);
    let row = |token, position, parent| Row { token, position, sequence, parent, output: RowOutput::Logits };
    let rows = vec![row(4, 2, None), row(1, 3, Some(0)), row(6, 3, Some(0)), row(2, 4, Some(2))];
    let logits = model.forward(&rows.into()).expect("in range").logits;
    assert_eq!(logits[1], fresh_logits(&mut model, &[3, 1, 4, 1]));
    assert_eq!(logits[2], fresh_logits(&mut model, &[3, 1, 4, 6]));
    assert_eq!(logits[3], fresh_logits(&mut model, &[3, 1, 4, 6, 2]));
    assert_eq!(model.length(sequence), 4);
    assert_eq!(extend(&mut model, sequence, &[5]), fresh_logits(&mut model, &PATH));
}

#[test]
fn rows_of_different_sequences_do_not_see_each_other() {
    let mut model = model();
    let (first, second) = (model.new_sequence(), model.new_sequence());
    let mut rows = Batch::chain(first, 0, &PATH, RowOutput::Logits).rows;
    let others = Batch::chain(second, 0, &[2, 0], RowOutput::Logits).rows;
    rows.extend(others.into_iter().map(|row| Row { parent: row.parent.map(|parent| parent + 5), ..row }));
    let logits = model.forward(&rows.into()).expect("in range").logits;
    assert_eq!(logits, [fresh_logits(&mut model, &PATH), fresh_logits(&mut model, &[2, 0])]);
}

#[test]
fn the_cache_is_counted_and_freed() {
    let mut model = model();
    let sequence = model.new_sequence();
    extend(&mut model, sequence, &PATH);
    // Five positions, two layers, keys and values of four f32.
    assert_eq!(model.cache_usage().bytes, 5 * 2 * 2 * 4 * 4);
    model.release(sequence);
    assert_eq!(model.cache_usage().bytes, 0);
}
