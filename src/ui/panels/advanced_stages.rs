//! The stages that one seldom needs, in groups that stay folded until they are opened.

use egui::Ui;

use super::grammar;
use crate::decoding::{
    DecodingSettings, DrySettings, MirostatSettings, Picking, StageSettings, StrategyKind,
};
use crate::ui::controls::{group, list, number, slider};
use crate::ui::widgets::hint;

/// Shows those that apply to the strategy; `opens_grammar` brings the grammar into sight.
pub(super) fn show(ui: &mut Ui, decoding: &mut DecodingSettings, opens_grammar: bool) {
    let draws = decoding.picks() == Picking::Sample;
    let single = decoding.strategy == StrategyKind::Sample;
    let stages = &mut decoding.stages;
    if draws {
        cuts(ui, stages, single);
    }
    dry(ui, &mut stages.dry);
    tokens(ui, stages);
    grammar::show(ui, &mut stages.grammar, opens_grammar);
}

/// The stages that cut by probability; only a draw looks at them, and mirostat follows a single text alone.
fn cuts(ui: &mut Ui, stages: &mut StageSettings, single_text: bool) {
    let neutral = StageSettings::default();
    let target = if single_text { stages.mirostat.target } else { 0.0 };
    let on = (stages.top_a, stages.typical_p, stages.epsilon_cutoff, stages.eta_cutoff, target)
        != (neutral.top_a, neutral.typical_p, neutral.epsilon_cutoff, neutral.eta_cutoff, 0.0);
    group(ui, "More cuts", on, |ui| {
        slider(
            ui,
            "Top-a",
            "Keeps tokens with at least this fraction of the highest probability's square; 0 keeps all.",
            &mut stages.top_a,
            0.0..=1.0,
        );
        slider(
            ui,
            "Typical-p",
            "Keeps the tokens whose surprise is nearest to the entropy, until their probabilities reach p together; 1 keeps all.",
            &mut stages.typical_p,
            0.01..=1.0,
        );
        slider(
            ui,
            "Epsilon cutoff",
            "Keeps tokens with at least this probability; 0 keeps all.",
            &mut stages.epsilon_cutoff,
            0.0..=0.5,
        );
        slider(
            ui,
            "Eta cutoff",
            "Like epsilon, with a threshold that sinks where the model is unsure; 0 keeps all.",
            &mut stages.eta_cutoff,
            0.0..=0.5,
        );
        if !single_text {
            return;
        }
        let MirostatSettings { target, rate } = &mut stages.mirostat;
        slider(
            ui,
            "Mirostat target",
            "Holds the surprise of the text at this many bits a token: the limit moves with what was chosen; 0 is off.",
            target,
            0.0..=10.0,
        );
        if *target != 0.0 {
            slider(ui, "Mirostat rate", "How fast mirostat's limit follows.", rate, 0.01..=1.0);
        }
    });
}

/// DRY, the penalty on whole repetitions.
fn dry(ui: &mut Ui, dry: &mut DrySettings) {
    group(ui, "DRY", dry.multiplier != 0.0, |ui| {
        hint(ui, "Penalises tokens that would prolong a repetition, the more the longer it is.");
        slider(
            ui,
            "Multiplier",
            "Subtracted from a token that would prolong a repetition of the allowed length; 0 is off.",
            &mut dry.multiplier,
            0.0..=5.0,
        );
        slider(
            ui,
            "Base",
            "The penalty is this many times as large for every further token of the repetition.",
            &mut dry.base,
            1.0..=4.0,
        );
        number(
            ui,
            "Allowed length",
            "The shortest repetition that is penalised, in tokens.",
            &mut dry.allowed_length,
            1..=50,
        );
        number(
            ui,
            "Range",
            "How many of the last tokens are searched; 0 searches all.",
            &mut dry.range,
            0..=100_000,
        );
        let meaning =
            "Texts that no repetition goes across, with spaces between; \\n is a newline, \\s a space.";
        list(ui, "Breakers", meaning, &mut dry.breakers, print_breakers, parse_breakers);
    });
}

/// The rules about single tokens.
fn tokens(ui: &mut Ui, stages: &mut StageSettings) {
    let on = stages.min_new_tokens != 0
        || !stages.suppress_tokens.is_empty()
        || !stages.bad_words.is_empty()
        || !stages.forced_tokens.is_empty();
    group(ui, "Tokens by rule", on, |ui| {
        number(
            ui,
            "Fewest new tokens",
            "Cuts the end-of-text tokens before there are so many new tokens; 0 is off.",
            &mut stages.min_new_tokens,
            0..=100_000,
        );
        list(
            ui,
            "Suppressed",
            "Token ids that are never chosen, such as: 5, 17.",
            &mut stages.suppress_tokens,
            |ids| joined(ids.iter(), ", "),
            |text| entries(text).map(|id| id.parse().ok()).collect(),
        );
        list(
            ui,
            "Bad words",
            "Sequences of token ids that are never completed, such as: 5 17, 8 8 8.",
            &mut stages.bad_words,
            |words| joined(words.iter().map(|word| joined(word.iter(), " ")), ", "),
            |text| entries(text).map(ids).collect(),
        );
        list(
            ui,
            "Forced",
            "The token id of single steps, counted from 1, such as: 1=42, 2=7.",
            &mut stages.forced_tokens,
            |forced| joined(forced.iter().map(|(step, id)| format!("{step}={id}")), ", "),
            |text| entries(text).map(forced).collect(),
        );
    });
}

pub(super) fn joined(parts: impl Iterator<Item = impl ToString>, between: &str) -> String {
    parts.map(|part| part.to_string()).collect::<Vec<_>>().join(between)
}

pub(super) fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn ids(text: &str) -> Option<Vec<u32>> {
    text.split_whitespace().map(|id| id.parse().ok()).collect()
}

fn forced(text: &str) -> Option<(usize, u32)> {
    let (step, id) = text.split_once('=')?;
    Some((step.trim().parse().ok().filter(|step| *step > 0)?, id.trim().parse().ok()?))
}

#[expect(clippy::ptr_arg, reason = "`list` prints what it edits, by its type")]
fn print_breakers(breakers: &Vec<String>) -> String {
    let escaped = |text: &String| {
        text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t").replace(' ', "\\s")
    };
    joined(breakers.iter().map(escaped), " ")
}

fn parse_breakers(text: &str) -> Option<Vec<String>> {
    let unescaped = |word: &str| {
        let mut plain = String::new();
        let mut letters = word.chars();
        while let Some(letter) = letters.next() {
            plain.push(match letter {
                '\\' => match letters.next()? {
                    'n' => '\n',
                    't' => '\t',
                    's' => ' ',
                    '\\' => '\\',
                    _ => return None,
                },
                plain => plain,
            });
        }
        Some(plain)
    };
    text.split_whitespace().map(unescaped).collect()
}

#[cfg(test)]
mod tests {
    use super::{entries, forced, ids, parse_breakers, print_breakers};

    #[test]
    fn breakers_are_read_as_they_are_written() {
        let breakers = ["\n", ":", "a b", "\\n", "\t"].map(str::to_owned).to_vec();
        let text = print_breakers(&breakers);
        assert_eq!(text, r"\n : a\sb \\n \t");
        assert_eq!(parse_breakers(&text), Some(breakers));
        assert_eq!(parse_breakers("  "), Some(Vec::new()));
        assert_eq!(parse_breakers(r"\"), None);
        assert_eq!(parse_breakers(r"\x"), None);
    }

    #[test]
    fn lists_of_ids_are_read_and_mistakes_refused() {
        assert_eq!(entries(" 5, 17,, ").collect::<Vec<_>>(), ["5", "17"]);
        assert_eq!(ids("5  17"), Some(vec![5, 17]));
        assert_eq!(ids("5 x"), None);
        assert_eq!(forced("2 = 7"), Some((2, 7)));
        assert_eq!(forced("0=7"), None);
        assert_eq!(forced("7"), None);
    }
}
