//! Models from a server that speaks the hub's protocol: what comes is what it has, whatever the network does.

use std::fs;
use std::time::{Duration, Instant};

use logitscope::hub::{Client, Doing, HubError, Progress};
use serde_json::json;

use super::hub_scene::{FILE, REPOSITORY, SIZE, Scene, name};
use super::hub_server::{At, COMMIT, Trouble, git_sha1, noise};

#[test]
fn a_repository_is_listed_page_by_page() {
    let scene = Scene::new();
    let server = &scene.server;
    server.put_large(REPOSITORY, "F16/tale-F16-00001-of-00002.gguf", noise(70, 2));
    server.put_large(REPOSITORY, "F16/tale-F16-00002-of-00002.gguf", noise(60, 3));
    server.put_small(REPOSITORY, "README.md", b"hello".to_vec());
    server.page(2);
    server.tell(
        REPOSITORY,
        json!({"gated": "manual", "tags": ["gguf", "license:mit"], "gguf": {"architecture": "llama", "total": 1234}}),
    );
    let repository = scene.client().repository(&name(REPOSITORY), "main").unwrap();
    let offers: Vec<(&str, u64, Option<&str>)> = repository
        .offers
        .iter()
        .map(|offer| (offer.name.as_str(), offer.bytes(), offer.quantisation.as_deref()))
        .collect();
    let expected =
        [("F16/tale-F16-00001-of-00002.gguf", 130, Some("F16")), (FILE, SIZE as u64, Some("Q8_0"))];
    assert_eq!(offers, expected);
    assert_eq!((repository.commit.as_str(), repository.licence.as_deref()), (COMMIT, Some("mit")));
    assert_eq!(
        (repository.gated, repository.parameters, repository.problem.clone()),
        (true, Some(1234), None)
    );
    assert_eq!(repository.family_name.as_deref(), Some("Llama"));
    assert_eq!(server.seen(At::Api).len(), 1 + 3, "the repository and three pages");
    for text in [FILE, "q8_0", "Q8_0"] {
        assert_eq!(repository.named(text).map(|offer| offer.name.as_str()), Some(FILE), "{text}");
    }
    assert_eq!(repository.named("Q4_0"), None);
    server.tell(REPOSITORY, json!({"gguf": {"architecture": "t5"}}));
    let problem = scene.client().repository(&name(REPOSITORY), "main").unwrap().problem.unwrap();
    assert!(problem.contains("encoder"), "{problem}");
}

#[test]
fn a_file_is_laid_out_as_the_hubs_own_library_does() {
    let scene = Scene::new();
    scene.server.put_small(REPOSITORY, "Q4/a b-Q4_0.gguf", noise(900, 5));
    let repository = scene.client().repository(&name(REPOSITORY), "main").unwrap();
    let mut heard = Vec::new();
    for offer in &repository.offers {
        let order = repository.order(offer);
        assert_eq!(scene.settings().here(&order), None);
        let path = scene.client().download(&order, &mut |progress| heard.push(progress)).unwrap();
        assert_eq!(scene.settings().here(&order), Some(path));
        assert_eq!(scene.settings().received(&order), order.bytes());
    }
    let folder = scene.folder();
    scene.assert_whole(&folder.join("snapshots").join(COMMIT).join(FILE));
    assert_eq!(fs::read_to_string(folder.join("refs/main")).unwrap(), COMMIT);
    let small = folder.join("blobs").join(git_sha1(&noise(900, 5)));
    assert_eq!(fs::read(small).unwrap(), noise(900, 5));
    assert_eq!(heard.first().unwrap().doing, Doing::Asking);
    let Progress { done, total, .. } = heard.last().unwrap().clone();
    assert_eq!((done, total), (SIZE as u64, SIZE as u64));
    // A second time nothing is asked for.
    let before = (scene.server.seen(At::Head).len(), scene.server.seen(At::Files).len());
    scene.get().unwrap();
    assert_eq!((scene.server.seen(At::Head).len(), scene.server.seen(At::Files).len()), before);
}

#[test]
fn without_links_the_files_themselves_are_in_the_snapshot() {
    let scene = Scene::new();
    let mut settings = scene.settings();
    settings.links = false;
    let order = scene.order();
    let path = Client::new(settings.clone()).unwrap().download(&order, &mut |_| {}).unwrap();
    assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(fs::read(&path).unwrap(), scene.bytes);
    assert!(!scene.blob().exists(), "it was moved");
    // What was there before, and another snapshot may need, is copied.
    fs::rename(&path, scene.blob()).unwrap();
    Client::new(settings).unwrap().download(&order, &mut |_| {}).unwrap();
    assert!(scene.blob().is_file() && path.is_file());
    assert_eq!(scene.server.seen(At::Files).len(), 1);
}

#[test]
fn nobody_but_the_hub_learns_the_token() {
    let scene = Scene::new();
    let settings = scene.settings().with_token("hf_secret");
    assert!(!format!("{settings:?}").contains("hf_secret"));
    let order = scene.order();
    Client::new(settings).unwrap().download(&order, &mut |_| {}).unwrap();
    let tokens = |at| -> Vec<Option<String>> {
        scene.server.seen(at).iter().map(|seen| seen.headers.get("authorization").cloned()).collect()
    };
    let sent = Some("Bearer hf_secret".to_owned());
    assert_eq!(tokens(At::Head), std::slice::from_ref(&sent));
    assert_eq!(tokens(At::Resolve), [sent]);
    assert_eq!(tokens(At::Files), [None]);
}

#[test]
fn refusals_are_told_in_plain_words() {
    let scene = Scene::new();
    let order = scene.order();
    let refusal = |status, headers: &'static [(&'static str, &'static str)], token: Option<&str>| {
        scene.server.trouble(At::Head, Trouble::Status(status, headers));
        let settings = scene.settings();
        let settings = token.map_or(settings.clone(), |token| settings.with_token(token));
        Client::new(settings).unwrap().download(&order, &mut |_| {}).unwrap_err().to_string()
    };
    let gated: &[_] = &[("X-Error-Code", "GatedRepo")];
    let text = refusal(401, gated, None);
    assert!(text.contains("accepted its terms") && text.contains(&format!("/{REPOSITORY}")), "{text}");
    assert!(text.contains("/settings/tokens"), "{text}");
    let text = refusal(403, gated, Some("hf_secret"));
    assert!(text.contains("somebody who has not") && !text.contains("hf_secret"), "{text}");
    let text = refusal(401, &[], Some("hf_secret"));
    assert!(text.contains("refuses the token") && !text.contains("hf_secret"), "{text}");
    let text = refusal(401, &[("X-Error-Code", "RepoNotFound")], None);
    assert!(text.contains("or it is private"), "{text}");
    let text = refusal(404, &[("X-Error-Code", "EntryNotFound")], None);
    assert!(text.contains(&format!("has no file {FILE}")), "{text}");
    let text = refusal(418, &[("X-Error-Message", "no coffee")], None);
    assert!(text.contains("(418): no coffee"), "{text}");
    let text = refusal(429, &[("Retry-After", "600")], None);
    assert!(text.contains("try again in 10 min"), "{text}");
    let client = scene.client();
    let text = client.repository(&name("owner/nothing"), "main").unwrap_err().to_string();
    assert!(text.contains("has no model owner/nothing"), "{text}");
    let text = client.repository(&name(REPOSITORY), "v2").unwrap_err().to_string();
    assert!(text.contains("no branch, tag or commit v2"), "{text}");
    assert!(client.repository(&name(REPOSITORY), "../../x").is_err());
    let text = client.repository(&name("owner/tale-GGUF"), "main").unwrap().offers.len().to_string();
    assert_eq!(text, "1", "and afterwards it goes on");
}

#[test]
fn who_is_asked_too_often_is_asked_later() {
    let scene = Scene::new();
    let order = scene.order();
    scene.server.trouble(At::Head, Trouble::Status(429, &[("Retry-After", "1")]));
    scene.server.trouble(At::Head, Trouble::Status(500, &[]));
    let begun = Instant::now();
    scene.client().download(&order, &mut |_| {}).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(scene.server.seen(At::Head).len(), 3);
    for _ in 0..4 {
        scene.server.trouble(At::Api, Trouble::Status(503, &[]));
    }
    let error = scene.client().repository(&name(REPOSITORY), "main").unwrap_err();
    assert!(matches!(error, HubError::Server { status: 503, .. }), "{error}");
}

#[test]
fn a_list_that_breaks_off_is_asked_for_again() {
    let scene = Scene::new();
    scene.server.trouble(At::Api, Trouble::Cut(5));
    scene.server.trouble(At::Api, Trouble::Silence(5));
    assert_eq!(scene.client().repository(&name(REPOSITORY), "main").unwrap().offers.len(), 1);
    assert_eq!(scene.server.seen(At::Api).len(), 4);
}

#[test]
fn no_network_is_told_as_that() {
    let scene = Scene::new();
    let mut settings = scene.settings();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    settings.endpoint = format!("http://127.0.0.1:{port}");
    let error = Client::new(settings).unwrap().repository(&name(REPOSITORY), "main").unwrap_err();
    assert!(error.to_string().contains("cannot be reached: it refuses the connection"), "{error}");
    let mut settings = scene.settings();
    settings.endpoint = "http://there-is-no-such-host.invalid".to_owned();
    let error = Client::new(settings).unwrap().repository(&name(REPOSITORY), "main").unwrap_err();
    let expected = "there-is-no-such-host.invalid cannot be reached: its name is not known";
    assert!(error.to_string().contains(expected), "{error}");
    let mut settings = scene.settings();
    settings.offline = true;
    assert!(matches!(Client::new(settings), Err(HubError::Offline)));
    assert_eq!(scene.server.seen(At::Api).len(), 0);
}

#[test]
fn what_is_here_already_is_not_downloaded() {
    let scene = Scene::new();
    let order = scene.order();
    // Another revision brought it.
    fs::create_dir_all(scene.blob().parent().unwrap()).unwrap();
    fs::write(scene.blob(), &scene.bytes).unwrap();
    let path = scene.client().download(&order, &mut |_| {}).unwrap();
    scene.assert_whole(&path);
    assert_eq!(scene.parts().len(), 0);
    // A link whose file was deleted leads to it again.
    fs::remove_file(scene.blob()).unwrap();
    scene.assert_whole(&scene.get().unwrap());
    assert_eq!(scene.parts().len(), 1);
}

#[test]
fn a_folder_comes_with_what_it_is_opened_with() {
    let scene = Scene::new();
    let folder = super::support::fixture("families/llama-sharded");
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let (name, bytes) =
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
        if name.ends_with(".safetensors") {
            scene.server.put_large("owner/Tale", &name, bytes);
        } else {
            scene.server.put_small("owner/Tale", &name, bytes);
        }
    }
    scene.server.put_small("owner/Tale", "onnx/model.onnx", noise(10, 1));
    let repository = scene.client().repository(&name("owner/Tale"), "main").unwrap();
    let order = repository.order(repository.named("safetensors").unwrap());
    let path = scene.client().download(&order, &mut |_| {}).unwrap();
    assert_eq!(path, scene.cache.path().join("models--owner--Tale/snapshots").join(COMMIT));
    let inspection = logitscope::formats::inspect(&path).unwrap();
    assert!(inspection.supported, "{:?}", inspection.problems);
    assert!(!path.join("onnx").exists());
    let last = scene.server.seen(At::Head).last().unwrap().path.clone();
    assert!(last.ends_with("/config.json"), "{last}");
}

#[test]
fn a_server_cannot_write_elsewhere() {
    let scene = Scene::new();
    let mut order = scene.order();
    for path in ["../../evil.gguf", "/tmp/evil.gguf", "a\\..\\evil.gguf"] {
        order.files[0].path = path.to_owned();
        assert!(
            matches!(scene.client().download(&order, &mut |_| {}), Err(HubError::Strange { .. })),
            "{path}"
        );
    }
    let order = scene.order();
    let evil: &[_] = &[("X-Linked-ETag", "\"../../../evil\""), ("Location", "/x")];
    scene.server.trouble(At::Head, Trouble::Status(302, evil));
    scene.server.trouble(At::Head, Trouble::Status(200, &[("ETag", "\"../../../evil\"")]));
    assert!(matches!(scene.client().download(&order, &mut |_| {}), Err(HubError::Strange { .. })));
}
