//! What the settings on show would have made of the run on show, worked out a little in every frame.

use std::time::{Duration, Instant};

use super::token_text;
use crate::decoding::{DecodingSettings, NoWhatIf, WhatIf, WouldBe};
use crate::trace::{Node, Run, Token};

/// Longest time that it may use of a frame.
const BUDGET: Duration = Duration::from_millis(5);

/// What other settings would have chosen, step by step.
pub struct Foretold {
    run_number: u64,
    settings: DecodingSettings,
    eos: Option<Vec<u32>>,
    what_if: Result<WhatIf, NoWhatIf>,
    /// The nodes looked at so far, and the text up to the next one.
    line: Vec<usize>,
    tokens: Vec<u32>,
    steps: Vec<WouldBe>,
}

impl Foretold {
    /// For a run, of which nothing was looked at yet; `eos` are the tokens that end its texts, where they are known.
    pub(super) fn new(run: &Run, run_number: u64, settings: &DecodingSettings, eos: Option<&[u32]>) -> Self {
        Self {
            run_number,
            settings: settings.clone(),
            eos: eos.map(<[u32]>::to_vec),
            what_if: WhatIf::new(run, settings, eos),
            line: Vec::new(),
            tokens: run.prompt_ids(),
            steps: Vec::new(),
        }
    }

    /// Whether it still tells of this run and these settings.
    pub(super) fn fits(
        &self,
        run: &Run,
        run_number: u64,
        settings: &DecodingSettings,
        eos: Option<&[u32]>,
    ) -> bool {
        let same = self.run_number == run_number
            && self.settings.stages == settings.stages
            && self.settings.stop.eos == settings.stop.eos
            && self.eos.as_deref() == eos;
        same && run.line.starts_with(&self.line)
    }

    /// Looks at more steps, as far as a frame has time; gives whether any are left.
    pub(super) fn go_on(&mut self, run: &Run) -> bool {
        let Ok(what_if) = &mut self.what_if else { return false };
        let begun = Instant::now();
        for &index in &run.line[self.line.len()..] {
            if begun.elapsed() > BUDGET {
                return true;
            }
            let node = &run.nodes[index];
            self.steps.push(what_if.at(run, node, &self.tokens));
            self.tokens.push(node.token);
            self.line.push(index);
        }
        false
    }

    /// What it says of the step at a place of the line.
    pub(super) fn at(&self, place: usize) -> Option<WouldBe> {
        self.steps.get(place).copied()
    }

    /// Where the text would first be another one, for certain.
    pub(super) fn first_change(&self) -> Option<usize> {
        self.steps.iter().position(|step| matches!(step, WouldBe::Other(_) | WouldBe::Unlisted))
    }

    /// The result in a line.
    pub(super) fn words(&self, run: &Run) -> String {
        match &self.what_if {
            Err(reason) => why_not(*reason).to_owned(),
            Ok(_) if self.steps.len() < run.line.len() => {
                format!("Looking: {} of {}.", self.steps.len(), super::format::plural(run.line.len(), "step"))
            }
            Ok(_) => self.result(run),
        }
    }

    fn result(&self, run: &Run) -> String {
        let all = self.steps.iter().filter(|step| **step != WouldBe::ByHand).count();
        let tokens = if all == 1 { "token" } else { "tokens" };
        let differs = |step: &WouldBe| !matches!(step, WouldBe::Same | WouldBe::ByHand);
        let Some(first) = self.steps.iter().position(differs) else {
            return format!("The same for all {all} {tokens}.");
        };
        let same = self.steps[..first].iter().filter(|step| **step == WouldBe::Same).count();
        let step = run.nodes[self.line[first]].step;
        let beginning = match same {
            0 => format!("Nothing of {all} {tokens} is certain to be the same"),
            same => format!("The same for the first {same} of {all} {tokens}"),
        };
        match (self.steps[first], self.first_change()) {
            (WouldBe::Open, None) => {
                format!("{beginning}; of step {step} the record does not tell.")
            }
            (WouldBe::Open, Some(change)) => format!(
                "{beginning}; of step {step} the record does not tell; first certain change at step {}.",
                self.change(run, change)
            ),
            (_, _) if same == 0 => format!("Other from the first: at step {}.", self.change(run, first)),
            (_, _) => format!(
                "The same for {same} of {all} {tokens}; first change at step {}.",
                self.change(run, first)
            ),
        }
    }

    /// `24: “·Paris” → “·London”`.
    fn change(&self, run: &Run, place: usize) -> String {
        let node = &run.nodes[self.line[place]];
        let instead = match self.steps[place] {
            WouldBe::Other(token) => format!("“{}”", name(run, node, token)),
            _ => "a token that is not on record".to_owned(),
        };
        format!("{}: “{}” → {instead}", node.step, token_text::of_node(node))
    }

    /// What each step alone says, in a line; empty where nothing would change.
    pub(super) fn counts(&self) -> String {
        let count = |wanted: fn(&WouldBe) -> bool| self.steps.iter().filter(|step| wanted(step)).count();
        let changes = count(|step| matches!(step, WouldBe::Other(_) | WouldBe::Unlisted));
        let open = count(|step| *step == WouldBe::Open);
        match (changes, open) {
            (0, 0) => String::new(),
            (changes, 0) => format!("Step by step, after the text as it was: {changes} change."),
            (changes, open) => {
                format!("Step by step, after the text as it was: {changes} change, {open} open.")
            }
        }
    }
}

/// What a step would choose, in a few words; `None` where that is what it chose.
pub(super) fn step_words(run: &Run, node: &Node, told: WouldBe) -> Option<String> {
    match told {
        WouldBe::Same | WouldBe::ByHand => None,
        WouldBe::Other(token) => Some(format!("would be “{}”", name(run, node, token))),
        WouldBe::Unlisted => Some("would be a token not on record".to_owned()),
        WouldBe::Open => Some("open: the record does not tell".to_owned()),
    }
}

/// A token as the record spells it.
fn name(run: &Run, node: &Node, id: u32) -> String {
    let candidate = node.candidates.iter().find(|candidate| candidate.token == id);
    let pinned = run.pinned.iter().find(|token| token.id == id);
    let piece = candidate.map(|candidate| &candidate.piece).or(pinned.map(|token| &token.piece));
    token_text::of_token(&Token { id, piece: piece.cloned().unwrap_or_default() })
}

fn why_not(reason: NoWhatIf) -> &'static str {
    match reason {
        NoWhatIf::Strategy => {
            "Of this run it cannot be told: its strategy weighs more than each step's row. Run with Sample or Greedy."
        }
        NoWhatIf::Grammar => "With a grammar it cannot be told from the record: set it to None.",
        NoWhatIf::Dry => "With DRY it cannot be told from the record: set its multiplier to 0.",
        NoWhatIf::Ends => "“Fewest new tokens” needs the model's end-of-text tokens: open it, or set 0.",
        NoWhatIf::NoLogits => {
            "The repetition penalty goes by the signs of logits, and the server sent log-probabilities: set it to 1."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoding::StageSettings;
    use crate::trace::{Candidate, Others, StrategyKind};

    /// Two steps between “a” and “b”, of which greedy decoding takes “a”; the record holds the whole row.
    fn run() -> Run {
        let candidate = |token, piece: &str, logit| Candidate {
            token,
            piece: piece.to_owned(),
            logit,
            ..Candidate::default()
        };
        let node = |step| Node {
            step,
            token: 0,
            text: "a".to_owned(),
            rank: 1,
            logit: 1.0,
            log_sum_exp: 1.0_f32.exp().ln_1p(),
            candidates: vec![candidate(0, "a", 1.0), candidate(1, "b", 0.0)],
            others: Others::default(),
            ..Node::default()
        };
        let mut run = Run { strategy: StrategyKind::Greedy, ..Run::default() };
        run.push(node(1));
        run.push(node(2));
        run
    }

    fn told(run: &Run, stages: StageSettings) -> Foretold {
        let settings = DecodingSettings { stages, ..DecodingSettings::default() };
        let mut told = Foretold::new(run, 0, &settings, None);
        while told.go_on(run) {}
        told
    }

    #[test]
    fn the_result_is_one_line() {
        let run = run();
        assert_eq!(told(&run, StageSettings::default()).words(&run), "The same for all 2 tokens.");
        // “a” was there before the second step, and pays for it.
        let penalty = told(&run, StageSettings { presence_penalty: 1.5, ..StageSettings::default() });
        let words = "The same for 1 of 2 tokens; first change at step 2: “a” → “b”.";
        assert_eq!(penalty.words(&run), words);
        assert_eq!(penalty.counts(), "Step by step, after the text as it was: 1 change.");
        assert_eq!((penalty.at(0), penalty.at(1)), (Some(WouldBe::Same), Some(WouldBe::Other(1))));
        let node = &run.nodes[1];
        assert_eq!(step_words(&run, node, WouldBe::Other(1)).as_deref(), Some("would be “b”"));
        let beams = Run { strategy: StrategyKind::Beam, ..run };
        assert!(told(&beams, StageSettings::default()).words(&beams).contains("cannot be told"));
    }

    #[test]
    fn it_follows_run_and_settings() {
        let mut run = run();
        let settings = DecodingSettings::default();
        let told = told(&run, StageSettings::default());
        assert!(told.fits(&run, 0, &settings, None));
        assert!(!told.fits(&run, 1, &settings, None) && !told.fits(&run, 0, &settings, Some(&[1])));
        run.line.pop();
        assert!(!told.fits(&run, 0, &settings, None), "the line is another one");
    }
}
