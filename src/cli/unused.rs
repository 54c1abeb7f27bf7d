//! Options of `generate` that were typed and that the strategy does not look at.

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::arguments::Generate;
use crate::decoding::{Drafter, StrategyKind};

/// The options that one strategy alone has.
const OWN: [(StrategyKind, &[&str]); 4] = [
    (StrategyKind::Beam, &["beams", "length_penalty", "early_stopping", "returned_sequences"]),
    (StrategyKind::Contrastive, &["contrastive_k", "penalty_alpha"]),
    (StrategyKind::Speculative, &["draft_model", "drafter", "draft_tokens"]),
    (StrategyKind::Lookahead, &["window", "ngram", "guesses"]),
];

/// Those that only drawing looks at.
const OF_DRAWS: [&str; 11] = [
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "top_a",
    "typical_p",
    "epsilon_cutoff",
    "eta_cutoff",
    "mirostat_tau",
    "mirostat_eta",
    "seed",
];

/// The names of the options that were typed, and not left at their defaults.
pub(super) fn typed(matches: &ArgMatches) -> Vec<String> {
    let is_typed = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let known = OWN.iter().flat_map(|(_, names)| *names).chain(&OF_DRAWS).copied();
    known.filter(is_typed).map(str::to_owned).collect()
}

/// A line for each kind of them.
pub(super) fn notes(arguments: &Generate) -> Vec<String> {
    let strategy = arguments.strategy;
    let among = |names: &[&str]| -> Vec<String> {
        let names = names.iter().filter(|name| arguments.typed.iter().any(|typed| typed == *name));
        names.map(|name| format!("--{}", name.replace('_', "-"))).collect()
    };
    let foreign = OWN.iter().filter(|(own, _)| *own != strategy);
    let mut notes: Vec<String> = foreign
        .map(|(own, names)| (own.name(), among(names)))
        .filter(|(_, typed)| !typed.is_empty())
        .map(|(own, typed)| {
            let verb = if typed.len() == 1 { "is" } else { "are" };
            format!("note: {} {verb} of use with --strategy {own} alone", listed(&typed))
        })
        .collect();
    let speculative = &arguments.speculative;
    if strategy == StrategyKind::Speculative
        && let (Some(_), Some(Drafter::Lookup | Drafter::Head)) =
            (&speculative.draft_model, speculative.drafter)
    {
        notes.push("note: --draft-model is of no use with another --drafter than model".to_owned());
    }
    let decoding = match strategy {
        StrategyKind::Greedy => "greedy decoding",
        StrategyKind::Contrastive => "contrastive search",
        StrategyKind::Lookahead => "lookahead decoding",
        StrategyKind::Sample | StrategyKind::Beam | StrategyKind::Speculative | StrategyKind::Server => {
            return notes;
        }
    };
    let of_draws = among(&OF_DRAWS);
    if !of_draws.is_empty() {
        notes.push(format!("note: {decoding} ignores {}; add --strategy sample", listed(&of_draws)));
    }
    notes
}

/// `a`, `a and b`, `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::{Arguments, Command};

    fn notes_of(options: &[&str]) -> Vec<String> {
        let typed = [&["logitscope", "generate", "-p", "x"], options].concat();
        match Arguments::read(typed).expect("options that there are").command {
            Some(Command::Generate(generate)) => notes(&generate),
            other => unreachable!("typed above: {other:?}"),
        }
    }

    #[test]
    fn every_option_that_is_not_looked_at_is_named() {
        assert_eq!(notes_of(&[]), [""; 0]);
        // Its default, but typed.
        assert_eq!(notes_of(&["--beams", "4"]), ["note: --beams is of use with --strategy beam alone"]);
        assert_eq!(notes_of(&["--beams", "4", "--strategy", "beam", "--seed", "3"]), [""; 0]);
        assert_eq!(
            notes_of(&["--strategy", "sample", "--window", "3", "--ngram", "2", "--guesses", "4"]),
            ["note: --window, --ngram and --guesses are of use with --strategy lookahead alone"]
        );
        assert_eq!(
            notes_of(&["--seed", "7", "--typical-p", "0.5", "--penalty-alpha", "0.1"]),
            [
                "note: --penalty-alpha is of use with --strategy contrastive alone",
                "note: greedy decoding ignores --typical-p and --seed; add --strategy sample"
            ]
        );
        let speculative = ["--strategy", "speculative", "--draft-model", "built-in", "--drafter", "lookup"];
        assert_eq!(
            notes_of(&speculative),
            ["note: --draft-model is of no use with another --drafter than model"]
        );
    }

    #[test]
    fn the_options_are_those_of_the_command() {
        let command = Arguments::command();
        let generate = command.find_subcommand("generate").expect("a command");
        for name in OWN.iter().flat_map(|(_, names)| *names).chain(&OF_DRAWS) {
            assert!(generate.get_arguments().any(|argument| argument.get_id() == name), "{name}");
        }
    }
}
