//! Saving and opening traces without the system's dialog: by path field, by drop, as an argument.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use logitscope::session::{Command, ModelSource};
use logitscope::trace::{Node, Run, file};
use logitscope::ui::App;

use super::window::{Dropped, Window, press, running, sees, sees_part, until, window};
use super::window_script::Scripted;

/// A trace under a name that says nothing.
fn saved(folder: &Path) -> PathBuf {
    let path = folder.join("tale.of");
    let mut run = Run::default();
    run.model.name = "a model of old".into();
    for (step, text) in [" once", " more"].into_iter().enumerate() {
        run.push(Node { step: step + 1, text: text.into(), ..Node::default() });
    }
    file::write(&path, &run).expect("it can be written");
    path
}

fn shows_it(window: &mut Window) {
    until(window, "the trace opens", |app| {
        app.view().run.as_ref().is_some_and(|run| run.model.name == "a model of old")
    });
    window.run();
    assert!(sees(window, "Step 2: ·more"));
    assert!(sees_part(window, "Saved run of a model of old"));
}

pub fn type_path(window: &mut Window, field: &str, path: &Path) {
    window.get_by_label(field).focus();
    window.run();
    window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    window.get_by_label(field).type_text(&path.display().to_string());
    window.run();
}

#[test]
fn a_trace_opens_by_the_path_field_whatever_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = saved(folder.path());
    let (mut window, script) = window();
    press(&mut window, "Open model…");
    type_path(&mut window, "Model path", &path);
    window.get_by_label("Open").click();
    shows_it(&mut window);
    assert!(!window.state().state().cards.open);
    let loads = script.0.borrow().commands.iter().filter(|one| matches!(one, Command::Load(_))).count();
    assert_eq!(loads, 1, "no model is loaded for it");
}

#[test]
fn a_dropped_trace_opens() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = saved(folder.path());
    let (mut window, _) = window();
    window.input_mut().dropped_files.push(Arc::new(Dropped(path)));
    window.step();
    shows_it(&mut window);
}

#[test]
fn a_trace_as_the_argument_opens_beside_the_built_in_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = saved(folder.path());
    let script = Scripted::default();
    let worker = script.clone();
    let mut window: Window = Harness::builder()
        .with_size(egui::vec2(1440.0, 900.0))
        .with_max_steps(64)
        .build_eframe(move |creation| App::new(creation, Box::new(worker), ModelSource::Path(path)));
    shows_it(&mut window);
    let commands = script.0.borrow().commands.clone();
    assert!(matches!(&commands[1], Command::Load(request) if request.source == ModelSource::BuiltIn));
}

#[test]
fn a_trace_is_saved_by_its_path_and_replaces_a_file_only_when_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.json");
    std::fs::write(&path, "mine").expect("writable");
    let (mut window, _) = running(3);
    press(&mut window, "Save the trace");
    assert!(window.get_by_label("Trace path").value().is_some_and(|path| path.ends_with("trace.json")));
    type_path(&mut window, "Trace path", &path);
    window.get_by_label("Save").click();
    until(&mut window, "the file is found", |app| app.state().cards.taken_path.is_some());
    window.run();
    assert_eq!(std::fs::read_to_string(&path).expect("readable"), "mine");
    assert!(sees_part(&window, "A file is there"));
    press(&mut window, "Replace");
    until(&mut window, "it is saved", |app| app.state().cards.saving.is_none());
    let run = file::read(&path).expect("a trace");
    assert_eq!(run.nodes.len(), 3);
    assert!(!sees(&window, "Trace path"));
    let notices = &window.state().view().notices;
    assert_eq!(notices.last().map(|notice| notice.title.as_str()), Some("The trace is saved"));
}

#[test]
fn a_file_that_only_looks_like_one_is_no_trace() {
    let folder = tempfile::tempdir().expect("a folder");
    let named = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("writable");
        path
    };
    assert!(file::is_trace(&saved(folder.path())));
    assert!(file::is_trace(&named("spaced.txt", "\n {\n \"logitscope_trace\": 2, \"run\": {}}")));
    for (name, text) in
        [("trace.json", "{\"model_type\": \"llama\"}"), ("empty", ""), ("notes", "\"logitscope_trace\"")]
    {
        assert!(!file::is_trace(&named(name, text)), "{name}");
    }
    assert!(!file::is_trace(folder.path()) && !file::is_trace(&folder.path().join("no.json")));
}
