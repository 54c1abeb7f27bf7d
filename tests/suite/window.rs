//! The window, found and used as a screen reader would: by accessible names.

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use logitscope::session::ModelSource;
use logitscope::ui::App;

use super::window_script::Scripted;

/// A window of this size on a scripted worker.
fn window(width: f32, height: f32) -> (Harness<'static, App>, Scripted) {
    let script = Scripted::default();
    let worker = script.clone();
    let harness = Harness::builder()
        .with_size(egui::vec2(width, height))
        .with_max_steps(64)
        .build_eframe(|creation| App::new(creation, Box::new(worker), ModelSource::BuiltIn));
    (harness, script)
}

fn picture(harness: &mut Harness<'static, App>, name: &str) {
    let image = harness.render().expect("the window renders");
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    image.save(folder.join(format!("{name}.png"))).expect("the picture can be written");
}

#[test]
#[ignore = "writes pictures to look at"]
fn pictures() {
    for (width, height) in [(1440.0, 900.0), (720.0, 480.0), (1000.0, 700.0)] {
        let (mut harness, script) = window(width, height);
        harness.run();
        let size = format!("{width}x{height}");
        picture(&mut harness, &format!("{size}-ready"));
        harness.get_by_label("Run").click();
        harness.run();
        script.steps(37);
        harness.run();
        picture(&mut harness, &format!("{size}-running"));
        if width > 1000.0 {
            harness.get_by_label("Sample").click();
            script.steps(200);
            harness.run();
            harness.get_by_label("Run").click();
            harness.run();
            script.steps(48);
            harness.run();
            picture(&mut harness, &format!("{size}-sample"));
        }
    }
}
