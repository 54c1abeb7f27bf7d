//! How many tokens a pass of the model gives.

use crate::trace::{Run, StrategyStep};

/// Tokens of the line and passes that gave them, up to a step and with it: a step is one pass of the model, the first
/// one initiation.
fn tokens_and_passes(run: &Run, step: &StrategyStep) -> (usize, usize) {
    let on_line = |node: &usize| run.line.binary_search(node).is_ok();
    let so_far =
        run.steps.iter().filter(|other| other.nodes.start <= step.nodes.start && on_line(&other.nodes.start));
    so_far.fold((0, 0), |(tokens, passes), step| {
        (tokens + step.nodes.clone().filter(|node| on_line(node)).count(), passes + 1)
    })
}

/// Tokens a pass, as a person reads it: `1.83 · 22 in 12`.
pub(super) fn tokens_per_pass(run: &Run, step: &StrategyStep) -> String {
    let (tokens, passes) = tokens_and_passes(run, step);
    format!("{:.2} · {tokens} in {passes}", tokens as f64 / passes.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::strategies::SpeculativeStep;
    use crate::trace::{Node, StepDetail};

    #[test]
    fn tokens_per_pass_count_the_line_alone_up_to_the_step() {
        let step =
            |nodes| StrategyStep { nodes, detail: StepDetail::Speculative(SpeculativeStep::default()) };
        let parents = [None, Some(0), Some(1), Some(2), Some(0), Some(4)];
        let run = Run {
            nodes: parents.iter().map(|&parent| Node { parent, ..Node::default() }).collect(),
            line: vec![0, 4, 5],
            steps: vec![step(0..1), step(1..4), step(4..6)],
            ..Run::default()
        };
        assert_eq!(tokens_and_passes(&run, &run.steps[2]), (3, 2));
        assert_eq!(tokens_and_passes(&run, &run.steps[0]), (1, 1));
        assert_eq!(tokens_per_pass(&run, &run.steps[2]), "1.50 · 3 in 2");
    }
}
