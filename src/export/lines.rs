//! The lines of a run's tree that a page offers: the one on show, and those that someone left or a search returned.

use crate::trace::{Run, StrategyKind, spelling};

/// Most lines on a page.
const MOST_LINES: usize = 40;

/// A path through the tree.
pub(super) struct Line {
    /// What it is, for a list.
    pub label: String,
    /// Its nodes in the run.
    pub nodes: Vec<usize>,
}

/// The lines, the one on show first.
pub(super) fn of(run: &Run) -> Vec<Line> {
    let first = Line { label: "Line on show".to_owned(), nodes: run.line.clone() };
    let ends: Vec<(usize, Option<f64>)> = match run.strategy {
        // Its leaves are what it gave up; what it returned it names.
        StrategyKind::Beam => run.sequences.iter().map(|one| (one.node, Some(one.score))).collect(),
        _ => leaves(run).into_iter().map(|node| (node, None)).collect(),
    };
    let others = ends.into_iter().filter(|(node, _)| !run.line.contains(node));
    let others = others.map(|(end, score)| {
        let nodes = run.path(Some(end));
        let leaves = nodes.iter().position(|node| !run.line.contains(node)).unwrap_or_default();
        let begin: String =
            nodes[leaves..].iter().take(6).map(|&node| spelling::of_node(&run.nodes[node])).collect();
        let from = run.nodes[nodes[leaves]].step;
        let score = score.map_or_else(String::new, |score| format!(", score {score:.3}"));
        Line { label: format!("From step {from}: {begin}…{score}"), nodes }
    });
    std::iter::once(first).chain(others).take(MOST_LINES).collect()
}

/// The nodes that nothing follows.
fn leaves(run: &Run) -> Vec<usize> {
    let mut followed = vec![false; run.nodes.len()];
    for parent in run.nodes.iter().filter_map(|node| node.parent) {
        followed[parent] = true;
    }
    (0..run.nodes.len()).filter(|&node| !followed[node]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Node;

    #[test]
    fn lines_that_were_left_are_offered_after_the_one_on_show() {
        let node = |parent, step| Node { parent, step, ..Node::default() };
        let nodes = vec![node(None, 1), node(Some(0), 2), node(Some(0), 2), node(Some(2), 3)];
        let mut run = Run { nodes, ..Run::default() };
        run.follow(Some(1));
        let shape = |run: &Run| of(run).into_iter().map(|line| line.nodes).collect::<Vec<_>>();
        assert_eq!(shape(&run), [vec![0, 1], vec![0, 2, 3]]);
        assert!(of(&run)[1].label.starts_with("From step 2: "), "{}", of(&run)[1].label);
        run.strategy = StrategyKind::Beam;
        assert_eq!(shape(&run), [vec![0, 1]], "what a search gave up is not offered");
        assert_eq!(shape(&Run::default()), [Vec::<usize>::new()]);
    }
}
