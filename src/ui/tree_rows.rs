//! The run's tree as rows: each row is a run of tokens from where it leaves another row to a leaf. One line goes
//! straight through; everything else hangs below the row that it leaves.

use std::collections::HashMap;

use crate::trace::strategies::{BeamStep, Hypothesis, Pruned};
use crate::trace::{Run, StepDetail};

/// One row of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TreeRow {
    /// How many forks lie between it and the first row.
    pub depth: usize,
    /// The row that it leaves.
    pub above: Option<usize>,
    /// Its nodes, from the fork to the leaf.
    pub nodes: Vec<usize>,
}

/// What beam search said last about a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum BeamFate {
    /// It goes on.
    Live {
        /// What the search says of it.
        hypothesis: Hypothesis,
        /// The step from which on its search counts.
        from: usize,
    },
    /// It ended and is kept.
    Finished {
        /// What the search says of it.
        hypothesis: Hypothesis,
        /// The step from which on its search counts.
        from: usize,
    },
    /// It fell, at this step.
    Pruned {
        /// The step from which on its search counts.
        from: usize,
        /// The step's number, from 1.
        step: usize,
        /// How it fell.
        pruned: Pruned,
    },
}

/// The newest leaf below a node; the node itself, if nothing follows it.
pub(super) fn leaf_of(run: &Run, node: usize) -> usize {
    // Nodes come after their parents, so that the newest descendant is the last one that is reached.
    let mut below = vec![false; run.nodes.len()];
    let mut leaf = node;
    below[node] = true;
    for (index, later) in run.nodes.iter().enumerate().skip(node + 1) {
        below[index] = later.parent.is_some_and(|parent| below[parent]);
        if below[index] {
            leaf = index;
        }
    }
    leaf
}

/// The rows, each after the one that it leaves; the line that ends in `tip` goes straight through.
pub(super) fn rows(run: &Run, tip: Option<usize>) -> Vec<TreeRow> {
    let count = run.nodes.len();
    let line = run.path(tip.filter(|tip| *tip < count));
    let on_line = |node: &usize| line.binary_search(node).is_ok();
    // The newest leaf below each node: where nothing else decides, the row goes on towards it.
    let mut newest: Vec<usize> = (0..count).collect();
    for node in (0..count).rev() {
        if let Some(parent) = run.nodes[node].parent {
            newest[parent] = newest[parent].max(newest[node]);
        }
    }
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); count + 1];
    for (node, decision) in run.nodes.iter().enumerate() {
        children[decision.parent.map_or(0, |parent| parent + 1)].push(node);
    }
    let main = |siblings: &[usize]| {
        let straight = siblings.iter().copied().find(|node| on_line(node));
        straight.or_else(|| siblings.iter().copied().max_by_key(|&node| newest[node]))
    };

    let mut rows: Vec<TreeRow> = Vec::new();
    // First nodes of rows still to come, with the row that they leave; the next one last.
    let mut waiting: Vec<(usize, usize, Option<usize>)> = Vec::new();
    let mut others: Vec<usize> = children[0].clone();
    if let Some(first) = main(&others) {
        others.retain(|&node| node != first);
        waiting.extend(others.iter().rev().map(|&node| (node, 1, Some(0))));
        waiting.push((first, 0, None));
    }
    while let Some((first, depth, above)) = waiting.pop() {
        let row = rows.len();
        let mut nodes = vec![first];
        let mut leaving = Vec::new();
        let mut next = main(&children[first + 1]);
        while let Some(node) = next {
            let parent = nodes[nodes.len() - 1];
            leaving.extend(children[parent + 1].iter().copied().filter(|&other| other != node));
            nodes.push(node);
            next = main(&children[node + 1]);
        }
        waiting.extend(leaving.into_iter().rev().map(|node| (node, depth + 1, Some(row))));
        rows.push(TreeRow { depth, above, nodes });
    }
    rows
}

/// What beam search said last about its hypotheses, by their last nodes.
pub(super) fn fates(run: &Run) -> HashMap<usize, BeamFate> {
    let mut fates = HashMap::new();
    for step in &run.steps {
        let StepDetail::Beam(BeamStep { from_step, live, finished, pruned }) = &step.detail else { continue };
        let from = *from_step;
        let number = run.nodes.get(step.nodes.start).map_or(0, |node| node.step);
        fates.extend(
            live.iter().map(|hypothesis| (hypothesis.node, BeamFate::Live { hypothesis: *hypothesis, from })),
        );
        let finished =
            finished.iter().map(|&hypothesis| (hypothesis.node, BeamFate::Finished { hypothesis, from }));
        fates.extend(finished);
        let fall = |&pruned: &Pruned| (pruned.node, BeamFate::Pruned { step: number, from, pruned });
        fates.extend(pruned.iter().map(fall));
    }
    fates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Node;

    /// A run of nodes with these parents; the line ends in `tip`.
    fn run(parents: &[Option<usize>], tip: usize) -> Run {
        let nodes = parents.iter().map(|&parent| Node { parent, ..Node::default() }).collect();
        let mut run = Run { nodes, ..Run::default() };
        run.line = run.path(Some(tip));
        run
    }

    #[test]
    fn the_line_goes_straight_and_branches_hang_below_the_row_that_they_leave() {
        // 0 ─ 1 ─ 2 ─ 3, from 0 also 4 ─ 5, from 4 also 6, and a second first token 7.
        let parents = [None, Some(0), Some(1), Some(2), Some(0), Some(4), Some(4), None];
        let shape = |tip: usize| -> Vec<(usize, Option<usize>, Vec<usize>)> {
            rows(&run(&parents, tip), Some(tip))
                .into_iter()
                .map(|row| (row.depth, row.above, row.nodes))
                .collect()
        };
        assert_eq!(
            shape(3),
            [
                (0, None, vec![0, 1, 2, 3]),
                (1, Some(0), vec![4, 6]),
                (2, Some(1), vec![5]),
                (1, Some(0), vec![7]),
            ]
        );
        assert_eq!(
            shape(5),
            [
                (0, None, vec![0, 4, 5]),
                (1, Some(0), vec![1, 2, 3]),
                (1, Some(0), vec![6]),
                (1, Some(0), vec![7]),
            ]
        );
        assert_eq!(shape(7)[0].2, [7]);
        assert_eq!(rows(&Run::default(), None), []);
    }

    #[test]
    fn the_newest_leaf_below_a_node_is_found() {
        let run = run(&[None, Some(0), Some(1), Some(0), Some(3)], 2);
        assert_eq!([0, 1, 2, 3, 4].map(|node| leaf_of(&run, node)), [4, 2, 2, 4, 4]);
    }
}
