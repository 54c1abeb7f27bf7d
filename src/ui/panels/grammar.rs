//! The grammar of the new text: its language, its text, and what is wrong with it.

use egui::{RichText, ScrollArea, TextEdit, Ui};

use crate::decoding::{GrammarKind, GrammarSettings, StrategyKind};
use crate::session::grammar_problem;
use crate::ui::controls::{GroupState, group_in};
use crate::ui::scene::Scene;
use crate::ui::theme::{mono, palette, size};
use crate::ui::widgets::{hint, segmented};

/// Shows the group.
pub(super) fn show(ui: &mut Ui, grammar: &mut GrammarSettings, opens: bool) {
    let broken = problem(ui, grammar);
    let state = match (&broken, grammar.kind) {
        (Some(_), _) => GroupState::Broken,
        (None, GrammarKind::None) => GroupState::Off,
        (None, _) => GroupState::On,
    };
    group_in(ui, "Grammar", state, opens, |ui| {
        let choices = [
            (GrammarKind::None, "None"),
            (GrammarKind::Gbnf, "GBNF"),
            (GrammarKind::JsonSchema, "JSON"),
            (GrammarKind::Regex, "Regex"),
        ];
        if let Some(choice) = segmented(ui, grammar.kind, &choices) {
            // A text that was only an example makes way for the next one.
            if grammar.text.is_empty() || grammar.text == example(grammar.kind) {
                grammar.text = example(choice).to_owned();
            }
            grammar.kind = choice;
        }
        hint(ui, meaning(grammar.kind));
        if grammar.kind == GrammarKind::None {
            return;
        }
        ScrollArea::vertical().id_salt("grammar").max_height(160.0).show(ui, |ui| {
            let edit = TextEdit::multiline(&mut grammar.text)
                .font(mono(size::SMALL))
                .desired_rows(4)
                .desired_width(f32::INFINITY);
            ui.add(edit).accessible_name("Grammar text");
        });
        let words = RichText::new("after thinking").size(size::SMALL).color(palette(ui).secondary);
        ui.checkbox(&mut grammar.after_thinking, words)
            .accessible_name("Grammar waits for the end of thinking")
            .on_hover_text(
                "Leaves a model's thinking free, which the prompt or the model opens by a marker such as <think>, and begins with the answer behind it. Until then the text may not end.",
            );
        if let Some(problem) = &broken {
            let text = RichText::new(problem).size(size::SMALL).color(palette(ui).error);
            ui.add(egui::Label::new(text).wrap());
        }
    });
}

fn meaning(kind: GrammarKind) -> &'static str {
    match kind {
        GrammarKind::None => "The text may be anything.",
        GrammarKind::Gbnf => {
            "Cuts tokens that the rules do not let follow; the text begins at the rule root."
        }
        GrammarKind::JsonSchema => {
            "Cuts tokens that would keep the text from being JSON that fits the schema."
        }
        GrammarKind::Regex => "Cuts tokens that would keep the whole text from matching the expression.",
    }
}

/// What an empty field begins with.
fn example(kind: GrammarKind) -> &'static str {
    match kind {
        GrammarKind::None => "",
        GrammarKind::Gbnf => "root ::= (word \" \")+ \"The end.\"\nword ::= [a-z]+",
        GrammarKind::JsonSchema => {
            "{\"type\": \"object\", \"properties\": {\"name\": {\"type\": \"string\"}, \"age\": {\"type\": \"integer\"}}, \"required\": [\"name\", \"age\"], \"additionalProperties\": false}"
        }
        GrammarKind::Regex => "[A-Z][a-z]+( [a-z]+)*\\.",
    }
}

/// Says above the buttons that run that the grammar keeps a run from beginning, and leads there.
pub(super) fn warn(ui: &mut Ui, scene: &mut Scene<'_>) {
    let decoding = &scene.state.remembered.decoding;
    // Contrastive search has no stages.
    if decoding.strategy == StrategyKind::Contrastive || problem(ui, &decoding.stages.grammar).is_none() {
        return;
    }
    ui.horizontal(|ui| {
        let words = RichText::new("The grammar is broken").size(size::SMALL).color(palette(ui).error);
        ui.label(words);
        let show = ui.button(RichText::new("Show it").size(size::SMALL));
        if show.on_hover_text("No run begins with it: mend it, or choose None").clicked() {
            scene.state.show_grammar = true;
        }
    });
}

/// What is wrong with the grammar, found out anew only when it changed.
fn problem(ui: &Ui, grammar: &GrammarSettings) -> Option<String> {
    let id = ui.scope_id().with("grammar problem");
    let known = ui.data(|data| data.get_temp::<(GrammarSettings, Option<String>)>(id));
    if let Some((_, problem)) = known.filter(|(before, _)| before == grammar) {
        return problem;
    }
    let problem = grammar_problem(grammar);
    ui.data_mut(|data| data.insert_temp(id, (grammar.clone(), problem.clone())));
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_a_good_grammar() {
        for kind in [GrammarKind::Gbnf, GrammarKind::JsonSchema, GrammarKind::Regex] {
            let text = example(kind).to_owned();
            assert_eq!(
                grammar_problem(&GrammarSettings { kind, text, ..GrammarSettings::default() }),
                None,
                "{kind:?}"
            );
        }
        let empty = GrammarSettings { kind: GrammarKind::Gbnf, ..GrammarSettings::default() };
        assert!(grammar_problem(&empty).is_some());
    }
}
