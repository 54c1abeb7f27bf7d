//! The text in segments: thinking, answers and calls of tools under headings that fold.

use std::sync::Arc;

use egui_kittest::kittest::Queryable as _;
use logitscope::trace::{Node, NodeTiming, PromptToken, Run, file};

use super::window::{Dropped, Window, sees, sees_part, until, window_on};
use super::window_script::Scripted;

/// The window with a saved run in which a model thought, answered, and called a tool.
fn thought(width: f32, height: f32) -> Window {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.json");
    let mut run = Run::default();
    run.model.name = "a thinker".into();
    for (piece, text) in [
        ("Why", "Why"),
        ("?", "?"),
        ("<|im_start|>", ""),
        ("assistant", "assistant"),
        ("<think>", ""),
        ("Ċ", "\n"),
    ] {
        run.prompt.push(PromptToken { piece: piece.into(), text: text.into(), ..PromptToken::default() });
    }
    let written = [
        "Well",
        " now",
        "</think>",
        "\n\n",
        "Because",
        ".",
        "<tool_call>",
        "{}",
        "</tool_call>",
        "<|im_end|>",
    ];
    for (step, piece) in written.into_iter().enumerate() {
        let text = if piece.starts_with('<') { "" } else { piece };
        run.push(Node {
            step: step + 1,
            piece: piece.into(),
            text: text.into(),
            entropy: 0.5 * step as f32,
            timing: NodeTiming { total_seconds: 0.25, ..NodeTiming::default() },
            ..Node::default()
        });
    }
    file::write(&path, &run).expect("it can be written");
    let mut window = window_on(Scripted::default(), width, height);
    window.input_mut().dropped_files.push(Arc::new(Dropped(path)));
    until(&mut window, "the trace opens", |app| {
        app.view().run.as_ref().is_some_and(|run| !run.line.is_empty())
    });
    window.run();
    window
}

/// Brings the first token of the prompt into sight.
fn to_the_top(window: &mut Window) {
    window.key_press(egui::Key::Home);
    for _ in 0..6 {
        window.key_press(egui::Key::ArrowLeft);
        window.run();
    }
}

#[test]
fn thinking_answer_and_call_have_headings_with_their_figures() {
    for (width, height) in [(1440.0, 900.0), (720.0, 480.0)] {
        let mut window = thought(width, height);
        to_the_top(&mut window);
        assert!(sees(&window, "Fold Prompt · 6 tokens"));
        assert!(sees(&window, "Fold Thinking · 3 tokens, 750 ms · entropy 0.50 nats on average"));
        window.key_press(egui::Key::End);
        window.run();
        assert!(sees(&window, "Fold Answer · 3 tokens, 750 ms · entropy 2.00 nats on average"));
        assert!(sees(&window, "Fold Tool call · 4 tokens, 1.00 s · entropy 3.75 nats on average"));
    }
}

#[test]
fn a_folded_segment_hides_its_chips_until_one_of_them_is_selected() {
    let mut window = thought(1440.0, 900.0);
    to_the_top(&mut window);
    assert!(sees(&window, "Step 2: ·now"));
    window.get_by_label_contains("Fold Thinking").click();
    window.run();
    assert!(!sees(&window, "Step 2: ·now") && sees(&window, "Step 5: Because"));
    assert!(sees_part(&window, "Unfold Thinking · 3 tokens"));
    window.get_by_label("Step 5: Because").click();
    window.run();
    assert!(!sees(&window, "Step 2: ·now"));
    for _ in 0..3 {
        window.key_press(egui::Key::ArrowLeft);
        window.run();
    }
    assert!(sees(&window, "Step 2: ·now") && sees_part(&window, "Fold Thinking · 3 tokens"));
}
