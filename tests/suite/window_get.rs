//! The card that gets models: nothing before it is allowed, then what a server has, how it comes, and what breaks.

use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use logitscope::hub::Settings;
use logitscope::session::ModelSource;
use logitscope::ui::App;
use logitscope::ui::downloads::Phase;
use logitscope::ui::get_card::Found;
use logitscope::ui::shelf::Phase as Looked;

use super::hub_server::{At, HubServer, Trouble, noise};
use super::library_home::{Home, gguf};
use super::window::{Window, press, sees, sees_part, until};
use super::window_kept::{click, settle};
use super::window_script::Scripted;

const REPOSITORY: &str = "owner/tale-GGUF";
const SMALL: &str = "Tale-1B-Q8_0";
const LARGE: &str = "Tale-1B-F16";

fn server() -> HubServer {
    let server = HubServer::start();
    server.put_large(REPOSITORY, "Tale-1B-Q8_0.gguf", gguf());
    server.put_large(REPOSITORY, "Tale-1B-F16.gguf", noise(2_000_000, 4));
    server
}

fn window_of(home: &Home, server: &HubServer, width: f32, height: f32) -> Window {
    let (environment, script) = (home.environment(), Scripted::default());
    let mut settings = Settings::new(server.endpoint(), home.path().join(".cache/huggingface/hub"));
    settings.proxies = false;
    settings.patience.first_wait = std::time::Duration::from_millis(20);
    let mut window = Harness::builder().with_size(egui::vec2(width, height)).with_max_steps(64).build_eframe(
        move |creation| {
            let app = App::new(creation, Box::new(script), ModelSource::BuiltIn);
            app.looking_in(environment).getting_from(settings)
        },
    );
    window.run();
    window
}

/// A window with the card, which is allowed to go online.
fn allowed(home: &Home, server: &HubServer) -> Window {
    let mut window = window_of(home, server, 1440.0, 1600.0);
    open(&mut window);
    press(&mut window, "Allow it");
    window
}

/// The same, while the large file comes slowly.
fn with_a_slow_download(home: &Home, server: &HubServer) -> Window {
    let mut window = allowed(home, server);
    find(&mut window, REPOSITORY);
    server.trouble(At::Files, Trouble::Slow(30_000));
    click(&mut window, "Get Tale-1B-F16.gguf");
    until(&mut window, "it comes", |app| done(app, 0) > 100_000);
    window
}

fn open(window: &mut Window) {
    press(window, "Open model…");
    press(window, "Get a model…");
}

fn find(window: &mut Window, name: &str) {
    window.get_by_label("Repository on the hub").focus();
    window.run();
    window.get_by_label("Repository on the hub").type_text(name);
    window.run();
    click(window, "Find");
    until(window, "the hub answers", |app| !matches!(app.state().cards.get.found, Found::Asking(_)));
    settle(window);
}

fn phase(app: &App, place: usize) -> Phase {
    app.state().downloads.list[place].phase.clone()
}

fn done(app: &App, place: usize) -> u64 {
    app.state().downloads.list[place].done
}

#[test]
fn nothing_goes_online_before_it_is_allowed() {
    let (home, server) = (Home::new(), server());
    for (width, height) in [(1440.0, 900.0), (720.0, 480.0)] {
        let mut window = window_of(&home, &server, width, height);
        open(&mut window);
        assert!(sees_part(&window, "never goes online by itself") && sees_part(&window, "127.0.0.1"));
        assert!(!sees(&window, "Repository on the hub"));
        let gets: Vec<_> = window.query_all_by_label_contains("Get SmolLM2").collect();
        assert!(!gets.is_empty() && gets.iter().all(|get| get.accesskit_node().is_disabled()));
        drop(gets);
        press(&mut window, "Allow it");
        assert!(sees(&window, "Repository on the hub") && window.state().state().remembered.goes_online);
        assert!(server.seen(At::Api).is_empty(), "it is still asked nothing");
    }
    let mut window = allowed(&home, &server);
    press(&mut window, "Go online no more");
    assert!(!window.state().state().remembered.goes_online && sees(&window, "Allow it"));
}

#[test]
fn a_model_is_found_got_and_opened() {
    let (home, server) = (Home::new(), server());
    let mut window = allowed(&home, &server);
    find(&mut window, REPOSITORY);
    assert!(sees_part(&window, "Tale-1B-Q8_0.gguf, ") && sees_part(&window, "suits this computer"));
    click(&mut window, "Get Tale-1B-Q8_0.gguf");
    until(&mut window, "it is here", |app| matches!(phase(app, 0), Phase::Here(_)));
    settle(&mut window);
    assert!(sees(&window, "Open Tale-1B-Q8_0.gguf"), "the list of the repository knows it");
    click(&mut window, "Open Tale-1B-Q8_0");
    until(&mut window, "it is asked about", |app| app.state().cards.inspected.is_some());
    let path = match &window.state().state().cards.inspected.as_ref().unwrap().source {
        ModelSource::Path(path) => path.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(std::fs::read(path).unwrap(), gguf());
    assert!(!window.state().state().cards.get.shows);
}

#[test]
fn downloads_wait_for_each_other_and_are_held_and_taken_up() {
    let (home, server) = (Home::new(), server());
    let mut window = allowed(&home, &server);
    find(&mut window, REPOSITORY);
    server.trouble(At::Files, Trouble::Slow(30_000));
    click(&mut window, "Get Tale-1B-F16.gguf");
    click(&mut window, "Get Tale-1B-Q8_0.gguf");
    until(&mut window, "the first one comes", |app| done(app, 0) > 100_000);
    settle(&mut window);
    assert_eq!(phase(window.state(), 1), Phase::Queued);
    assert!(sees_part(&window, "waits for its turn"));
    // Held, it makes way for the other.
    click(&mut window, &format!("Pause {LARGE}"));
    assert_eq!(phase(window.state(), 0), Phase::Paused);
    until(&mut window, "the second one is here", |app| matches!(phase(app, 1), Phase::Here(_)));
    let before = done(window.state(), 0);
    assert!(before > 100_000);
    settle(&mut window);
    click(&mut window, &format!("Resume {LARGE}"));
    until(&mut window, "the first one is here", |app| matches!(phase(app, 0), Phase::Here(_)));
    let ranges: Vec<_> =
        server.seen(At::Files).iter().filter_map(|seen| seen.headers.get("range").cloned()).collect();
    assert_eq!(ranges.len(), 1, "{ranges:?}");
    settle(&mut window);
    assert!(sees(&window, &format!("Open {LARGE}")) && sees(&window, &format!("Open {SMALL}")));
    click(&mut window, &format!("Take {SMALL} off this list"));
    assert_eq!(window.state().state().downloads.list.len(), 1);
}

#[test]
fn what_is_cancelled_is_thrown_away() {
    let (home, server) = (Home::new(), server());
    let mut window = with_a_slow_download(&home, &server);
    settle(&mut window);
    assert!(sees_part(&window, "Downloads: "), "the bar at the top tells it");
    click(&mut window, &format!("Cancel {LARGE}, and throw away what came"));
    assert!(window.state().state().downloads.list.is_empty());
    let blobs = home.path().join(".cache/huggingface/hub/models--owner--tale-GGUF/blobs");
    let begun = std::time::Instant::now();
    while std::fs::read_dir(&blobs).unwrap().next().is_some() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "it is thrown away");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn what_does_not_come_says_why() {
    let (home, server) = (Home::new(), server());
    let mut window = allowed(&home, &server);
    find(&mut window, "nonsense");
    assert!(sees_part(&window, "write OWNER/NAME"));
    window.get_by_label("Repository on the hub").focus();
    window.run();
    for _ in 0..8 {
        window.key_press(egui::Key::Backspace);
    }
    window.run();
    find(&mut window, REPOSITORY);
    server.trouble(At::Head, Trouble::Status(403, &[("X-Error-Code", "GatedRepo")]));
    click(&mut window, "Get Tale-1B-Q8_0.gguf");
    until(&mut window, "it fails", |app| matches!(phase(app, 0), Phase::Failed(_)));
    settle(&mut window);
    assert!(sees_part(&window, "accepted its terms"));
    assert!(window.state().view().notices.is_empty(), "the card tells it");
    click(&mut window, &format!("Try {SMALL} again"));
    until(&mut window, "it is here", |app| matches!(phase(app, 0), Phase::Here(_)));
}

#[test]
fn what_ends_behind_the_card_is_told() {
    let (home, server) = (Home::new(), server());
    let mut window = with_a_slow_download(&home, &server);
    window.key_press(egui::Key::Escape);
    settle(&mut window);
    assert!(!window.state().state().cards.get.shows);
    until(&mut window, "it is here", |app| matches!(phase(app, 0), Phase::Here(_)));
    let notice = window.state().view().notices.last().expect("a notice").clone();
    assert_eq!(notice.title, format!("{LARGE} is here"));
    // And it stands among the models on this computer, though it is no model but noise.
    press(&mut window, "Open model…");
    until(&mut window, "the search is done", |app| app.state().cards.shelf.phase == Looked::Done);
    assert!(window.state().state().cards.shelf.models.iter().any(|model| model.found.name == LARGE));
}
