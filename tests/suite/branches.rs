//! What strategies with several rows need of a model, the engine against the twin: final hidden states, and rows
//! of a tree that are kept after all.

use std::sync::Arc;

use logitscope::gpu::{Device, Engine};
use logitscope::model::batch::RowOutput;
use logitscope::model::selection::SamplingParams;
use logitscope::model::{Batch, LanguageModel, Outputs, Row, SequenceId};
use logitscope::reference::Reference;

use super::engine::{VOCABULARY, assert_close, load, small_model, tokens};
use super::support::device;

fn pair(device: Arc<Device>) -> (Engine, Reference) {
    load(&small_model(), device)
}

fn row(token: u32, sequence: SequenceId, position: usize, parent: Option<usize>) -> Row {
    Row { token, position, sequence, parent, output: RowOutput::Logits }
}

fn assert_rows_close(found: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    assert_eq!(found.len(), expected.len(), "rows of {what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_close(found, expected, &format!("{what}, row {index}"));
    }
}

#[test]
fn hidden_states_come_out_whatever_is_wanted_of_the_logits() {
    let (mut engine, mut twin) = pair(device());
    let width = 38;
    let outputs = [RowOutput::Logits, RowOutput::Nothing, RowOutput::Summary(SamplingParams::GREEDY)];
    let batch = |model: &mut dyn LanguageModel| -> Outputs {
        let sequence = model.new_sequence();
        let mut batch = Batch::chain(sequence, 0, &tokens(40), RowOutput::Nothing);
        for (index, row) in batch.rows.iter_mut().enumerate() {
            row.output = outputs[index % 3];
        }
        // All but every fifth.
        batch.hidden = (0..40).filter(|row| row % 5 != 0).collect();
        model.forward(&batch).unwrap()
    };
    let (found, expected) = (batch(&mut engine), batch(&mut twin));
    assert_eq!((expected.hidden.len(), expected.hidden[0].len()), (32, width));
    assert_rows_close(&found.hidden, &expected.hidden, "hidden states");
    assert_rows_close(&found.logits, &expected.logits, "logits");
    let chosen =
        |outputs: &Outputs| outputs.summaries.iter().map(|summary| summary.chosen).collect::<Vec<_>>();
    assert_eq!((found.summaries.len(), chosen(&found)), (13, chosen(&expected)));

    // Hidden states alone run no LM head, and are the same ones.
    let alone = |model: &mut dyn LanguageModel| {
        let sequence = model.new_sequence();
        let batch = Batch::chain(sequence, 0, &tokens(40), RowOutput::Nothing).with_hidden();
        model.forward(&batch).unwrap()
    };
    let (found, expected) = (alone(&mut engine), alone(&mut twin));
    assert_rows_close(&found.hidden, &expected.hidden, "hidden states alone");
    assert!(found.logits.is_empty() && found.summaries.is_empty());
}

#[test]
fn rows_of_a_tree_are_accepted_into_a_sequence_or_its_fork() {
    let (mut engine, mut twin) = pair(device());
    let play = |model: &mut dyn LanguageModel| {
        let first = model.new_sequence();
        model.forward(&Batch::chain(first, 0, &tokens(30), RowOutput::Nothing)).unwrap();
        // A kept row, and two branches below it that cross a page's end.
        let mut rows = vec![row(5, first, 30, None)];
        for branch in 0..2 {
            for depth in 0..4 {
                let parent = if depth == 0 { 0 } else { rows.len() - 1 };
                rows.push(row(10 * branch + depth, first, 31 + depth as usize, Some(parent)));
            }
        }
        // The first branch goes on from the kept row and stays; it is forgotten, the second one kept instead.
        model.forward(&rows.into()).unwrap();
        model.truncate(first, 31);
        let second = model.fork(first).unwrap();
        let used = model.cache_usage().pages;
        model.accept(second, &[5, 6, 7]).unwrap();
        model.accept(first, &[5, 6]).unwrap();
        assert_eq!((model.length(first), model.length(second)), (33, 34));
        assert!(model.cache_usage().pages >= used);
        let rows = vec![row(7, first, 33, None), row(8, second, 34, None)];
        ([first, second], model.forward(&rows.into()).unwrap().logits)
    };
    let ((sequences, found), (_, expected)) = (play(&mut engine), play(&mut twin));
    assert_rows_close(&found, &expected, "after accepted rows");

    // The same texts in a chain each.
    let texts =
        [[&tokens(30)[..], &[5, 10, 11, 7]].concat(), [&tokens(30)[..], &[5, 10, 11, 12, 8]].concat()];
    for (text, found) in texts.iter().zip(&found) {
        let sequence = twin.new_sequence();
        let outputs = twin.forward(&Batch::chain(sequence, 0, text, RowOutput::Logits)).unwrap();
        assert_close(found, &outputs.logits[0], "a chain");
        assert_eq!(found.len(), VOCABULARY);
    }
    sequences.into_iter().for_each(|sequence| engine.release(sequence));
    assert_eq!(engine.cache_usage().pages, 0, "pages of branches are no sequence's");
}
