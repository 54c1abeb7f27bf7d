//! What the numbers of a run are whose model was on a server: it sends log-probabilities, and what follows from them is
//! computed here.

use super::definitions::{self as own, Definition};
use super::format;
use crate::trace::{Node, Run, StrategyKind};

/// Definitions of numbers of a model on this computer, and what stands in their place.
const IN_PLACE: [(&Definition, &Definition); 16] = [
    (&own::LOGIT, &own::SENT_LOG_PROBABILITY),
    (&own::RAW_LOGIT, &own::SENT_LOG_PROBABILITY),
    (&own::LOG_PROBABILITY, &own::SENT_LOG_PROBABILITY),
    (&own::PROBABILITY, &own::SENT_PROBABILITY),
    (&own::RAW_PROBABILITY, &own::SENT_RAW_PROBABILITY),
    (&own::SURPRISAL, &own::SENT_SURPRISAL),
    (&own::RANK, &own::SENT_RANK),
    (&own::PINNED_RANK, &own::SENT_RANK),
    (&own::PROMPT_RANK, &own::SENT_RANK),
    (&own::PROMPT_PROBABILITY, &own::SENT_PROBABILITY),
    (&own::ENTROPY, &own::SENT_ENTROPY),
    (&own::CHOSEN_FROM, &own::SENT_CHOSEN_FROM),
    (&own::FINAL_PROBABILITY, &own::SENT_FINAL_PROBABILITY),
    (&own::STAGE_VALUE, &own::SENT_STAGE_VALUE),
    (&own::OTHERS, &own::SENT_OTHERS),
    (&own::SEGMENT, &own::SENT_SEGMENT),
];

/// What a number of a run is; `definition` is what it is for a model on this computer.
pub(super) fn definition(run: &Run, definition: &'static Definition) -> &'static Definition {
    if run.model.server.is_none() {
        return definition;
    }
    if run.strategy == StrategyKind::Server && *definition == own::FINAL_PROBABILITY {
        return &own::SERVER_PROBABILITY;
    }
    let found = IN_PLACE.iter().find(|(of, _)| *of == definition);
    found.map_or(definition, |(_, in_place)| in_place)
}

/// The rank of a node's token: `3 of 512`, or `> 20` where it is below all that the server sent.
pub(super) fn rank(run: &Run, node: &Node) -> String {
    match run.below_sent(node) {
        Some(told) => format!("> {}", format::count(told as u64)),
        None => format::rank(node.rank, run.model.vocabulary),
    }
}

/// The same without the size of the vocabulary.
pub(super) fn short_rank(run: &Run, node: &Node) -> String {
    match run.below_sent(node) {
        Some(told) => format!("> {}", format::count(told as u64)),
        None => format::count(node.rank as u64),
    }
}

/// What the tokens are called that a node does not list: those that the server did not send, where that is all of them.
pub(super) fn others(run: &Run, node: &Node) -> (&'static str, &'static Definition) {
    match (&run.model.server, run.others_are_unsent(node)) {
        (None, _) => ("all others", &own::OTHERS),
        (Some(_), true) => ("not sent", &own::NOT_SENT),
        (Some(_), false) => ("all others", &own::SENT_OTHERS),
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

    #[test]
    fn ranks_below_all_that_was_sent_and_what_was_not_sent_are_named() {
        let theirs = run(StrategyKind::Server);
        let candidates = vec![Candidate::default(); 21];
        let others = Others { count: 491, ..Others::default() };
        let node = Node { rank: 21, candidates, others, ..Node::default() };
        assert_eq!(
            (rank(&theirs, &node), short_rank(&theirs, &node)),
            ("> 20".to_owned(), "> 20".to_owned())
        );
        assert_eq!(super::others(&theirs, &node), ("not sent", &own::NOT_SENT));
        assert_eq!(rank(&run(StrategyKind::Sample), &node), "21 of 512");
        assert_eq!(super::others(&Run::default(), &node).0, "all others");
    }

    #[test]
    fn a_server_s_numbers_have_definitions_of_their_own() {
        let here = Run::default();
        for (mine, sent) in IN_PLACE {
            assert_eq!(definition(&here, mine), mine);
            assert_eq!(definition(&run(StrategyKind::Greedy), mine), sent);
            assert!(
                matches!(sent.provenance, own::Provenance::Sent | own::Provenance::FromSent),
                "{}",
                sent.name
            );
        }
        assert_eq!(definition(&run(StrategyKind::Server), &own::FINAL_PROBABILITY), &own::SERVER_PROBABILITY);
    }
}
