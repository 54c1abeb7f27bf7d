//! What a run tells of rows of which a server sent the highest log-probabilities alone.

use super::node::Node;
use super::run::Run;
use super::strategy_kind::StrategyKind;

impl Run {
    /// How many tokens the server sent, where a node's token is below all of them: then its rank is not known.
    pub fn below_sent(&self, node: &Node) -> Option<usize> {
        // A strategy of this program has chosen among what it was told of.
        let server = self.model.server.as_ref().filter(|_| self.strategy == StrategyKind::Server)?;
        let told = server.told(self.model.vocabulary);
        (node.rank > told).then_some(told)
    }

    /// Whether what a node does not list is what the server did not send, and nothing else.
    pub fn others_are_unsent(&self, node: &Node) -> bool {
        let Some(server) = &self.model.server else { return false };
        let listed = node.candidates.len() - usize::from(self.below_sent(node).is_some());
        node.others.count > 0 && listed >= server.told(self.model.vocabulary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Candidate, ModelFacts, Others, ServedBy};

    fn run(strategy: StrategyKind) -> Run {
        let server = ServedBy { engine: "vLLM 1".to_owned(), most_listed: 20, whole_rows: false };
        let model = ModelFacts { vocabulary: 512, server: Some(server), ..ModelFacts::default() };
        Run { model, strategy, ..Run::default() }
    }

    fn node(rank: usize, candidates: usize) -> Node {
        let others = Others { count: 512 - candidates, ..Others::default() };
        Node { rank, candidates: vec![Candidate::default(); candidates], others, ..Node::default() }
    }

    #[test]
    fn a_token_below_all_that_was_sent_has_no_rank() {
        let theirs = run(StrategyKind::Server);
        assert_eq!(theirs.below_sent(&node(21, 21)), Some(20));
        assert_eq!(theirs.below_sent(&node(20, 20)), None);
        assert_eq!(run(StrategyKind::Sample).below_sent(&node(21, 21)), None);
        assert!(theirs.others_are_unsent(&node(21, 21)) && theirs.others_are_unsent(&node(3, 20)));
        assert!(!theirs.others_are_unsent(&node(3, 19)) && !theirs.others_are_unsent(&node(21, 20)));
        assert!(!Run::default().others_are_unsent(&node(1, 20)));
    }
}
