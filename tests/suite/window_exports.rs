//! What leaves the window as a file: tables, pages, pictures of panes.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use logitscope::export::{csv, page, tables};
use logitscope::session::ModelSource;
use logitscope::ui::App;

use super::window::{Window, press, running, sees, sees_part, until, window};
use super::window_script::Scripted;
use super::window_traces::type_path;

/// Does what the command palette has under a name.
pub fn command(window: &mut Window, name: &str) {
    window.key_press_modifiers(Modifiers::COMMAND, Key::K);
    window.run();
    window.get_by_label("Command").type_text(name);
    window.run();
    window.key_press(Key::Enter);
    window.run();
}

/// Exports by the palette, into a file.
pub fn export(window: &mut Window, name: &str, field: &str, path: &Path) {
    command(window, name);
    type_path(window, field, path);
    window.get_by_label("Save").click();
    until(window, "it is saved", |app| app.state().cards.saving.is_none());
    window.run();
}

fn last_notice(window: &Window) -> &str {
    window.state().view().notices.last().map_or("", |notice| notice.title.as_str())
}

#[test]
fn tables_leave_as_csv_with_every_digit() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut window, _) = running(5);
    let path = folder.path().join("pipeline.csv");
    export(&mut window, "Export Pipeline as a table", "Table path", &path);
    assert_eq!(last_notice(&window), "The table is saved");
    let run = window.state().view().run.as_ref().expect("a run");
    let node = run.line_nodes().next_back().expect("a step");
    let text = fs::read_to_string(&path).expect("a file");
    assert_eq!(text, csv::text(&tables::pipeline(run, node)), "the selected step's");
    let mut lines = text.split("\r\n");
    assert!(lines.next().is_some_and(|header| {
        header.starts_with("Rank [from 1],Token id,Piece,Entries [tokens],Raw logit,")
    }));
    let first: Vec<&str> = lines.next().expect("a row").split(',').collect();
    let candidate = &node.candidates[0];
    assert_eq!(first[1].parse(), Ok(candidate.token));
    assert_eq!(first[first.len() - 2].parse(), Ok(candidate.probability));

    let path = folder.path().join("steps.csv");
    export(&mut window, "Export Text as a table", "Table path", &path);
    let text = fs::read_to_string(&path).expect("a file");
    assert_eq!(text.matches("\r\n").count(), 6, "a header, and a row for each step: {text}");
    assert!(text.contains(",Entropy [nats],") && text.contains(",Step time [s],"));

    // A pane that shows nothing has no table, and says so.
    command(&mut window, "Export Layers as a table");
    assert!(!sees(&window, "Table path"));
    assert_eq!(last_notice(&window), "No table to write");
}

#[test]
fn a_run_leaves_as_a_page_by_the_corner_of_its_pane() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tale.html");
    let (mut window, _) = running(4);
    press(&mut window, "Export Text…");
    assert!(sees(&window, "Picture (PNG)…") && sees(&window, "Table (CSV)…"));
    press(&mut window, "The run as a page (HTML)…");
    assert!(sees_part(&window, "anyone can open"));
    type_path(&mut window, "Page path", &path);
    window.get_by_label("Save").click();
    until(&mut window, "it is saved", |app| app.state().cards.saving.is_none());
    let page = fs::read_to_string(&path).expect("a page");
    let same = folder.path().join("same.html");
    page::write(&same, window.state().view().run.as_ref().expect("a run")).expect("a page");
    assert!(page == fs::read_to_string(&same).expect("a page"), "the run on show");
    assert!(sees(&window, "Export Pipeline…"), "each group of tabs lets out the pane in front");
}

#[test]
fn without_a_run_there_is_nothing_to_write() {
    let (mut window, _) = window();
    for name in ["Export the run as a page", "Export Pipeline as a table"] {
        command(&mut window, name);
        assert!(last_notice(&window).starts_with("No "), "{name}: {}", last_notice(&window));
        assert!(window.state().state().cards.saving.is_none());
    }
}

/// A picture's width, height and pixels.
fn picture(path: &Path) -> (usize, usize, Vec<u8>) {
    let mut reader =
        png::Decoder::new(BufReader::new(File::open(path).expect("a file"))).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let frame = reader.next_frame(&mut pixels).expect("a picture");
    assert_eq!((frame.color_type, frame.bit_depth), (png::ColorType::Rgba, png::BitDepth::Eight));
    (frame.width as usize, frame.height as usize, pixels)
}

#[test]
fn a_pane_leaves_as_a_picture_of_twice_its_size_that_looks_as_it_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = Scripted::default();
    let worker = script.clone();
    let mut window = Harness::builder()
        .with_size(egui::vec2(1440.0, 900.0))
        .with_max_steps(64)
        .wgpu()
        .build_eframe(move |creation| App::new(creation, Box::new(worker), ModelSource::BuiltIn));
    window.run();
    press(&mut window, "Run");
    script.steps(6);
    window.run();
    let path = folder.path().join("pipeline.png");
    export(&mut window, "Export Pipeline as a picture", "Picture path", &path);
    press(&mut window, "Close notice");
    window.remove_cursor();
    window.run();
    let (width, height, pixels) = picture(&path);
    let places = &window.state().state().pane_places;
    let place = places.iter().find(|(pane, _)| format!("{pane:?}") == "Pipeline").expect("it is in front").1;
    assert_eq!(
        (width, height),
        ((place.width() * 2.0).round() as usize, (place.height() * 2.0).round() as usize)
    );
    // Every point of the screen against the mean of its four pixels in the picture. Letters differ at their edges: that
    // is 0.28 of the contrast, while those of another face are 0.63.
    let screen = window.render().expect("the window renders");
    let (left, top) = (place.left().round() as u32, place.top().round() as u32);
    let (mut apart, mut points, mut contrast) = (0.0, 0.0, 0.0_f64);
    for y in 0..height / 2 {
        for x in 0..width / 2 {
            let shown = screen.get_pixel(left + x as u32, top + y as u32);
            let ground = screen.get_pixel(left + 2, top + place.height() as u32 - 3);
            for channel in 0..3 {
                let at = |dx: usize, dy: usize| {
                    f64::from(pixels[((2 * y + dy) * width + 2 * x + dx) * 4 + channel])
                };
                let mean = (at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)) / 4.0;
                apart += (mean - f64::from(shown[channel])).abs();
                contrast += (f64::from(ground[channel]) - f64::from(shown[channel])).abs();
                points += 1.0;
            }
        }
    }
    assert!(
        apart / points < 0.4 * contrast / points,
        "{} levels apart, of {}",
        apart / points,
        contrast / points
    );

    // A pane whose tab is behind another one, in the same window: the window stays as it is.
    let path = folder.path().join("curve.png");
    export(&mut window, "Export Curve as a picture", "Picture path", &path);
    let (_, _, curve) = picture(&path);
    let colours: std::collections::HashSet<&[u8]> = curve.chunks(4).collect();
    assert!(colours.len() > 16, "there is something on it");
    assert!(window.state().state().pane_places.iter().all(|(pane, _)| format!("{pane:?}") != "Curve"));
}
