//! Holds two runs to each other that were computed in different ways: the same decisions, and the same numbers within
//! a tolerance.

use std::collections::HashMap;

use logitscope::trace::{Node, Run};
use serde_json::Value;

/// Largest difference of logits, as a share of the row's largest, and of probabilities and scores.
const TOLERANCE: f64 = 1e-4;

/// Asserts that both made the same decisions for the same reasons.
pub fn assert_same(found: &Run, expected: &Run, what: &str) {
    assert_eq!(found.generated_ids(), expected.generated_ids(), "{what}");
    assert_eq!((&found.line, found.stop), (&expected.line, expected.stop), "{what}");
    assert_eq!(found.nodes.len(), expected.nodes.len(), "{what}");
    for (index, (found, expected)) in found.nodes.iter().zip(&expected.nodes).enumerate() {
        assert_same_node(found, expected, &format!("{what}: node {index}"));
    }
    let json = |run: &Run| {
        [
            serde_json::to_value(&run.steps),
            serde_json::to_value(&run.sequences),
            serde_json::to_value(&run.prompt),
        ]
    };
    for (found, expected) in json(found).into_iter().zip(json(expected)) {
        assert_same_json(&found.unwrap(), &expected.unwrap(), what);
    }
}

fn assert_same_node(found: &Node, expected: &Node, what: &str) {
    let decision = |node: &Node| {
        (node.parent, node.step, node.token, node.chosen_by, node.draw.map(|draw| draw.value.to_bits()))
    };
    assert_eq!(decision(found), decision(expected), "{what}");
    assert_eq!(found.candidates.len(), expected.candidates.len(), "{what}");
    let logits: HashMap<u32, f32> =
        expected.candidates.iter().map(|candidate| (candidate.token, candidate.logit)).collect();
    let largest = logits.values().fold(0.0_f32, |largest, logit| largest.max(logit.abs()));
    let is_close = |one: f32, other: f32| f64::from((one - other).abs()) <= TOLERANCE * f64::from(largest);
    for (place, (found, expected)) in found.candidates.iter().zip(&expected.candidates).enumerate() {
        let (token, logit) = (found.token, found.logit);
        assert!(is_close(logit, logits[&token]), "{what}: logit of {token}: {logit}, not {}", logits[&token]);
        // Only logits that are as good as equal may change places.
        assert!(is_close(logits[&token], expected.logit), "{what}: {token} at place {place}");
        if token == expected.token {
            let probabilities = [
                (found.probability, expected.probability),
                (found.raw_probability, expected.raw_probability),
            ];
            for (found, expected) in probabilities {
                let off = f64::from((found - expected).abs());
                assert!(off <= TOLERANCE, "{what}: probability of {token}: {found}, not {expected}");
            }
            assert_eq!(found.cut_by, expected.cut_by, "{what}: {token}");
        }
    }
}

/// The same but for rounding, and for what it took.
fn assert_same_json(found: &Value, expected: &Value, what: &str) {
    match (found, expected) {
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{what}");
            for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
                assert_same_json(found, expected, &format!("{what}, {index}"));
            }
        }
        (Value::Object(found), Value::Object(expected)) => {
            assert!(found.keys().eq(expected.keys()), "{what}: {found:?}, not {expected:?}");
            for (name, value) in found.iter().filter(|(name, _)| *name != "draft_seconds") {
                assert_same_json(value, &expected[name], &format!("{what}, {name}"));
            }
        }
        (Value::Number(found), Value::Number(expected)) if found.is_f64() && expected.is_f64() => {
            let [found, expected] = [found, expected].map(|number| number.as_f64().unwrap());
            let is_close = (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0);
            assert!(is_close, "{what}: {found}, not {expected}");
        }
        _ => assert_eq!(found, expected, "{what}"),
    }
}
