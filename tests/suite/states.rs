//! The engine on a model of every kind of state beside attention: against the twin, which keeps the state after each
//! position and computes nothing again.

use logitscope::gpu::Engine;
use logitscope::model::batch::RowOutput;
use logitscope::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, ConvolutionConfig, EmbeddingConfig, FeedForwardConfig,
    FeedForwardKind, GatedDeltaConfig, GroupNormConfig, HeadOrder, HeadWeights, KeysValuesConfig,
    LayerConfig, LogitsConfig, Mamba2Config, ModelConfig, NormConfig, NormKind, Positions, RecurrentConfig,
    ResidualConfig, ScoresConfig, ShortConvolutionConfig, Sinks, StateHeads,
};
use logitscope::model::plan::Plan;
use logitscope::model::selection::SamplingParams;
use logitscope::model::{Batch, ChainedModel, LanguageModel, Row, SequenceId, plan_decoder};
use logitscope::reference::Reference;

use super::engine::{VOCABULARY, assert_close, load, tokens};
use super::support::{Numbers, device};

const NORM: NormConfig = NormConfig { kind: NormKind::Rms, epsilon: 1e-5, bias: Bias::Absent };

fn model() -> Plan {
    plan_decoder(&config())
}

/// A short convolution, the delta rule, attention, Mamba 2 side by side with attention, and a feed-forward block alone.
pub fn config() -> ModelConfig {
    let convolution = |kernel| ConvolutionConfig { kernel, bias: Bias::Present };
    let heads = |heads, groups, key_width, value_width| StateHeads {
        heads,
        groups,
        order: HeadOrder::Neighbours,
        key_width,
        value_width,
    };
    let short = ShortConvolutionConfig { width: 38, convolution: convolution(3), bias: Bias::Absent };
    let delta = GatedDeltaConfig {
        heads: heads(4, 2, 12, 10),
        convolution: convolution(4),
        strength_range: 1.0,
        gate: Activation::Silu,
        norm_epsilon: 1e-6,
    };
    let mamba = Mamba2Config {
        heads: heads(6, 2, 16, 8),
        convolution: convolution(4),
        time_step: [0.0, f32::INFINITY],
        norm: Some(GroupNormConfig { epsilon: 1e-5, groups: 2, before_gate: false }),
        input_bias: Bias::Absent,
        output_bias: Bias::Absent,
    };
    let attention = AttentionConfig {
        heads: 4,
        key_value_heads: 2,
        head_width: 10,
        clip: None,
        head_norm: None,
        rotary: None,
        scale: 1.0 / 10f32.sqrt(),
        scores: ScoresConfig::default(),
        keys_values: KeysValuesConfig::default(),
        sinks: Sinks::default(),
        output_gate: None,
        query_key_value_bias: Bias::Absent,
        output_bias: Bias::Absent,
    };
    let feed_forward = FeedForwardConfig {
        width: 50,
        kind: FeedForwardKind::Gated,
        activation: Activation::Silu,
        bias: Bias::Absent,
    };
    decoder(vec![
        layer(None, Some(RecurrentConfig::ShortConvolution(short)), Some(feed_forward)),
        layer(None, Some(RecurrentConfig::GatedDelta(delta)), Some(feed_forward)),
        layer(Some(attention.clone()), None, None),
        layer(Some(attention), Some(RecurrentConfig::Mamba2(mamba)), None),
        layer(None, None, Some(feed_forward)),
    ])
}

/// One layer of these blocks, each with a norm before it.
pub fn layer(
    attention: Option<AttentionConfig>,
    recurrent: Option<RecurrentConfig>,
    feed_forward: Option<FeedForwardConfig>,
) -> LayerConfig {
    LayerConfig {
        residual: ResidualConfig::default(),
        attention_norms: BlockNorms::before(NORM),
        attention,
        recurrent,
        feed_forward_norms: BlockNorms::before(NORM),
        feed_forward,
    }
}

/// The plan of a small decoder of these layers.
pub fn plan(layers: Vec<LayerConfig>) -> Plan {
    plan_decoder(&decoder(layers))
}

/// A small decoder of these layers.
fn decoder(layers: Vec<LayerConfig>) -> ModelConfig {
    ModelConfig {
        vocabulary: VOCABULARY,
        width: 38,
        context: 320,
        positions: Positions::InLayers,
        embedding: EmbeddingConfig::default(),
        layers,
        final_norm: NORM,
        head: HeadWeights::Separate,
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    }
}

/// Both sides, each with a sequence for every index, and for each the tokens that it stands for.
struct Both {
    engine: Engine,
    twin: Reference,
    sequences: Vec<Text>,
}

#[derive(Clone)]
struct Text {
    on_gpu: SequenceId,
    tokens: Vec<u32>,
}

impl Both {
    fn new() -> Self {
        let (engine, twin) = load(&model(), device());
        Self { engine, twin, sequences: Vec::new() }
    }

    /// A new sequence, by its index.
    fn begin(&mut self) -> usize {
        let on_gpu = self.engine.new_sequence();
        self.sequences.push(Text { on_gpu, tokens: Vec::new() });
        self.sequences.len() - 1
    }

    /// What the twin makes of a text from its beginning.
    fn expected(&mut self, tokens: &[u32]) -> Vec<f32> {
        let sequence = self.twin.new_sequence();
        let mut logits = Vec::new();
        for (chunk, start) in tokens.chunks(64).zip((0..).step_by(64)) {
            let outputs =
                self.twin.forward(&Batch::chain(sequence, start, chunk, RowOutput::Logits)).unwrap();
            logits = outputs.logits.into_iter().next_back().unwrap();
        }
        self.twin.release(sequence);
        logits
    }

    /// Lets a sequence go on, and holds the last logits to the twin's.
    fn extend(&mut self, index: usize, more: &[u32], what: &str) {
        let Text { on_gpu, tokens } = &mut self.sequences[index];
        let start = tokens.len();
        tokens.extend(more);
        let (on_gpu, all) = (*on_gpu, tokens.clone());
        let batch = Batch::chain(on_gpu, start, more, RowOutput::Logits);
        let found = self.engine.forward(&batch).unwrap().logits.remove(0);
        let expected = self.expected(&all);
        assert_close(&found, &expected, what);
    }

    fn truncate(&mut self, index: usize, length: usize) {
        let Text { on_gpu, tokens } = &mut self.sequences[index];
        tokens.truncate(length);
        self.engine.truncate(*on_gpu, length);
    }

    fn fork(&mut self, index: usize) -> usize {
        let Text { on_gpu, tokens } = self.sequences[index].clone();
        let on_gpu = self.engine.fork(on_gpu).unwrap();
        self.sequences.push(Text { on_gpu, tokens });
        self.sequences.len() - 1
    }

    fn release(&mut self, index: usize) {
        let Text { on_gpu, .. } = self.sequences.swap_remove(index);
        self.engine.release(on_gpu);
    }

    /// Rows that branch off behind a sequence: each with its parent among them, each held to the twin's logits of its
    /// path. Then those of `accepted` become part of the sequence.
    fn branch(&mut self, index: usize, rows: &[(u32, Option<usize>)], accepted: &[usize], what: &str) {
        let Text { on_gpu, tokens } = self.sequences[index].clone();
        let mut paths: Vec<Vec<u32>> = Vec::new();
        let mut batch = Vec::new();
        // The first row repeats the sequence's last token, so that none of the others extends it.
        let last = *tokens.last().expect("a text that has begun");
        let position = tokens.len() - 1;
        let row = |token, position, parent| Row {
            token,
            position,
            sequence: on_gpu,
            parent,
            output: RowOutput::Logits,
        };
        batch.push(row(last, position, None));
        for &(token, parent) in rows {
            let (path, parent_row) = match parent {
                None => (tokens.clone(), 0),
                Some(parent) => (paths[parent].clone(), parent + 1),
            };
            batch.push(row(token, path.len(), Some(parent_row)));
            paths.push([path, vec![token]].concat());
        }
        let found = self.engine.forward(&batch.into()).unwrap().logits;
        for (found, path) in found[1..].iter().zip(&paths) {
            let expected = self.expected(path);
            assert_close(found, &expected, &format!("{what}: a branch"));
        }
        let accepted_rows: Vec<usize> = accepted.iter().map(|row| row + 1).collect();
        self.engine.accept(on_gpu, &accepted_rows).unwrap();
        self.sequences[index].tokens.extend(accepted.iter().map(|&row| rows[row].0));
        assert_eq!(self.engine.length(on_gpu), self.sequences[index].tokens.len());
    }
}

#[test]
fn prompts_of_one_row_several_and_more_than_a_chunk_agree_with_the_twin() {
    let mut both = Both::new();
    for length in [1, 2, 5, 64, 300] {
        let text = both.begin();
        let rows = both.engine.max_rows();
        let all = tokens(length);
        for chunk in all.chunks(rows) {
            both.extend(text, chunk, &format!("{length} tokens"));
        }
        both.extend(text, &[3], &format!("a step after {length} tokens"));
    }
    assert_eq!(both.engine.cache_usage().recomputed, 0);
}

#[test]
fn a_fork_shares_states_until_it_goes_on() {
    let mut both = Both::new();
    let trunk = both.begin();
    both.extend(trunk, &tokens(20), "the trunk");
    let states = both.engine.cache_usage().states;
    let fork = both.fork(trunk);
    assert_eq!(both.engine.cache_usage().states, states, "a fork takes none of its own");
    both.extend(fork, &[5], "the fork");
    assert_eq!(both.engine.cache_usage().states, states + 1);
    both.extend(trunk, &[77, 78], "the trunk after it");
    both.extend(fork, &[9], "the fork again");
    both.release(fork);
    both.release(trunk);
    assert_eq!(both.engine.cache_usage().states, 0, "every state is free again");
}

#[test]
fn a_cut_between_checkpoints_computes_the_rest_again_and_one_at_a_checkpoint_does_not() {
    let mut both = Both::new();
    let text = both.begin();
    both.extend(text, &tokens(40), "the prompt");
    both.extend(text, &[5], "a step");
    both.truncate(text, 40);
    both.extend(text, &[6], "after a step was taken back");
    assert_eq!(both.engine.cache_usage().recomputed, 0);
    both.truncate(text, 17);
    both.extend(text, &[6, 7], "after a cut into the prompt");
    assert_eq!(both.engine.cache_usage().recomputed, 17);
    both.truncate(text, 18);
    both.extend(text, &[8], "after a cut into few rows");
    assert_eq!(both.engine.cache_usage().recomputed, 17, "few rows all keep their state");
    both.truncate(text, 0);
    both.extend(text, &[8, 1], "from the beginning");
}

#[test]
fn branches_go_on_from_their_parents_and_can_be_accepted() {
    let mut both = Both::new();
    let text = both.begin();
    both.extend(text, &tokens(9), "the prompt");
    let rows = [(4, None), (5, None), (6, Some(1)), (7, Some(1)), (8, Some(3))];
    both.branch(text, &rows, &[1, 3, 4], "few rows");
    both.extend(text, &[11], "after the accepted ones");
    // More than keep their states: what is accepted is computed again.
    let many: Vec<(u32, Option<usize>)> =
        (0..20).map(|index| (index + 30, (index >= 4).then(|| index as usize - 4))).collect();
    both.branch(text, &many, &[2, 6, 10], "many rows");
    both.extend(text, &[12], "after those");
    both.branch(text, &rows, &[], "none accepted");
    both.extend(text, &[13], "after none");
}

#[test]
fn passes_that_follow_unread_ones_and_are_discarded_leave_nothing_behind() {
    let mut both = Both::new();
    let text = both.begin();
    both.extend(text, &tokens(12), "the prompt");
    let Text { on_gpu, .. } = both.sequences[text];
    let summary = RowOutput::Summary(SamplingParams::GREEDY);
    let first = both.engine.submit(&Batch::chain(on_gpu, 12, &[1], summary)).unwrap();
    let second = both.engine.follow(first, summary).unwrap();
    let chosen = both.engine.collect(first).unwrap().summaries.remove(0).tokens[0];
    let third = both.engine.follow(second, summary).unwrap();
    both.engine.discard(third);
    both.engine.collect(second).unwrap();
    both.sequences[text].tokens.extend([1, chosen]);
    both.extend(text, &[2], "after a pass was discarded");
    // The token that the GPU chose is known: what is computed again needs it.
    both.extend(text, &tokens(30), "a long chunk");
    both.truncate(text, 30);
    both.extend(text, &[3], "after a cut");
}

/// Minutes of this by `STATE_ROUNDS=2000`.
#[test]
fn whatever_is_done_to_sequences_they_compute_what_a_fresh_one_does() {
    let rounds = std::env::var("STATE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(60);
    let mut both = Both::new();
    let mut numbers = Numbers::new(11);
    let mut below = |limit: usize| ((numbers.take(1)[0] + 1.0) / 2.0 * limit as f32) as usize % limit.max(1);
    let first = both.begin();
    both.extend(first, &tokens(5), "the first text");
    for round in 0..rounds {
        let what = format!("round {round}");
        let index = below(both.sequences.len());
        let length = both.sequences[index].tokens.len();
        match below(7) {
            0 if both.sequences.len() < 5 => drop(both.fork(index)),
            1 if both.sequences.len() > 1 => both.release(index),
            2 if length > 2 => both.truncate(index, 1 + below(length - 1)),
            3 if length < 250 => {
                let more: Vec<u32> = (0..1 + below(40)).map(|_| below(VOCABULARY) as u32).collect();
                both.extend(index, &more, &what);
            }
            4 if length < 250 => {
                let count = 1 + below(12);
                let parent = |row: usize, below: usize| (below > 0).then(|| row.min(below) - 1);
                let rows: Vec<(u32, Option<usize>)> = (0..count)
                    .map(|row| {
                        (below(VOCABULARY) as u32, if row == 0 { None } else { parent(row, below(row + 1)) })
                    })
                    .collect();
                let mut path: Vec<usize> =
                    std::iter::successors(Some(below(count)), |&row| rows[row].1).collect();
                path.reverse();
                path.truncate(below(path.len() + 1));
                both.branch(index, &rows, &path, &what);
            }
            _ if length < 250 => both.extend(index, &[below(VOCABULARY) as u32], &what),
            _ => both.truncate(index, 3),
        }
    }
    while !both.sequences.is_empty() {
        both.release(0);
    }
    assert_eq!((both.engine.cache_usage().states, both.engine.cache_usage().pages), (0, 0));
}
