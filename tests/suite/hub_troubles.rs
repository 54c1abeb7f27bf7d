//! Networks that break, servers that lie, disks that are full: what comes is the file, or an error that says why.

use std::fs;
use std::time::{Duration, Instant};

use logitscope::hub::{Client, Doing, HubError};

use super::hub_scene::{SIZE, Scene, name};
use super::hub_server::{At, Trouble, noise, sha256};

#[test]
fn broken_connections_are_taken_up_where_they_broke() {
    let scene = Scene::new();
    for count in [100_000, 1, 0, 150_000] {
        scene.server.trouble(At::Files, Trouble::Cut(count));
    }
    scene.server.trouble(At::Resolve, Trouble::Status(502, &[]));
    let mut waits = 0;
    let order = scene.order();
    let path = scene.client().download(&order, &mut |progress| {
        waits += usize::from(matches!(progress.doing, Doing::WaitingToRetry(_)));
    });
    scene.assert_whole(&path.unwrap());
    assert_eq!(waits, 5);
    let range = |from: usize| {
        (Some(format!("bytes={from}-")), Some(format!("\"own-{}\"", &sha256(&scene.bytes)[..8])))
    };
    assert_eq!(scene.parts(), [(None, None), range(100_000), range(100_001), range(100_001), range(250_001)]);
}

#[test]
fn a_download_gives_up_where_nothing_comes_and_goes_on_later() {
    let scene = Scene::new();
    scene.server.trouble(At::Files, Trouble::Cut(123_456));
    for _ in 0..4 {
        scene.server.trouble(At::Files, Trouble::Cut(0));
    }
    let error = scene.get().unwrap_err();
    assert!(matches!(error, HubError::Broken { .. }), "{error}");
    assert!(
        error.to_string().contains("broke off") && error.to_string().contains("goes on there"),
        "{error}"
    );
    assert!(!error.to_string().contains("SECRET-KEY"), "{error}");
    assert_eq!(fs::metadata(scene.incomplete()).unwrap().len(), 123_456);
    assert_eq!(scene.settings().received(&scene.order()), 123_456);
    let asked = scene.parts().len();
    scene.assert_whole(&scene.get().unwrap());
    assert_eq!(scene.parts()[asked], (Some("bytes=123456-".to_owned()), None));
}

#[test]
fn servers_that_know_no_parts_send_the_whole() {
    for trouble in [Trouble::Whole, Trouble::OtherPart, Trouble::Status(416, &[])] {
        let scene = Scene::new();
        scene.server.trouble(At::Files, Trouble::Cut(200_000));
        scene.server.trouble(At::Files, trouble);
        scene.assert_whole(&scene.get().unwrap());
    }
}

#[test]
fn what_is_not_the_file_spoils_nothing() {
    // A page that a network puts in the place of what was asked for, and an address that has ended.
    for trouble in [Trouble::Status(200, &[]), Trouble::Status(403, &[])] {
        let scene = Scene::new();
        scene.server.trouble(At::Files, Trouble::Cut(200_000));
        scene.server.trouble(At::Files, trouble);
        scene.assert_whole(&scene.get().unwrap());
        assert_eq!(scene.parts()[2].0.as_deref(), Some("bytes=200000-"));
    }
}

#[test]
fn a_wrong_checksum_throws_the_file_away() {
    let scene = Scene::new();
    scene.server.trouble(At::Files, Trouble::Flipped);
    let error = scene.get().unwrap_err();
    assert!(matches!(error, HubError::WrongContents { .. }), "{error}");
    assert!(!scene.incomplete().exists() && !scene.blob().exists());
    scene.assert_whole(&scene.get().unwrap());
    // What came before is looked at as well.
    let scene = Scene::new();
    let order = scene.order();
    fs::create_dir_all(scene.blob().parent().unwrap()).unwrap();
    fs::write(scene.incomplete(), noise(1000, 99)).unwrap();
    assert!(matches!(scene.client().download(&order, &mut |_| {}), Err(HubError::WrongContents { .. })));
    // More than the file has is nothing of it.
    fs::write(scene.incomplete(), noise(SIZE + 1, 99)).unwrap();
    scene.assert_whole(&scene.get().unwrap());
}

#[test]
fn small_files_are_checked_as_git_names_them() {
    let scene = Scene::new();
    scene.server.put_small("owner/small", "a-Q4_0.gguf", noise(5000, 7));
    scene.server.trouble(At::Resolve, Trouble::Flipped);
    let repository = scene.client().repository(&name("owner/small"), "main").unwrap();
    let order = repository.order(&repository.offers[0]);
    assert!(matches!(scene.client().download(&order, &mut |_| {}), Err(HubError::WrongContents { .. })));
    scene.server.trouble(At::Resolve, Trouble::Cut(4000));
    let path = scene.client().download(&order, &mut |_| {}).unwrap();
    assert_eq!(fs::read(path).unwrap(), noise(5000, 7));
}

#[test]
fn a_file_that_changes_between_its_parts_is_begun_anew() {
    let mut scene = Scene::new();
    let other = noise(SIZE + 5, 42);
    scene.server.trouble(At::Files, Trouble::CutAndChange(100_000, other.clone()));
    let path = scene.get().unwrap();
    assert!(!scene.incomplete().exists(), "what came of the old one is gone");
    scene.bytes = other;
    scene.assert_whole(&path);
}

#[test]
fn a_server_that_falls_silent_is_left() {
    let scene = Scene::new();
    scene.server.trouble(At::Files, Trouble::Silence(50_000));
    let begun = Instant::now();
    scene.assert_whole(&scene.get().unwrap());
    assert!(begun.elapsed() < Duration::from_secs(8));
    assert_eq!(scene.parts().len(), 2);
}

#[test]
fn a_slow_download_is_stopped_at_once_and_goes_on() {
    let scene = Scene::new();
    scene.server.trouble(At::Files, Trouble::Slow(10_000));
    let (order, client) = (scene.order(), scene.client());
    let stop = client.stop();
    let mut stopped = None;
    let error = client.download(&order, &mut |progress| {
        if progress.done >= 50_000 && stopped.is_none() {
            stopped = Some(Instant::now());
            let stop = stop.clone();
            std::thread::spawn(move || stop.stop());
        }
    });
    assert!(matches!(error, Err(HubError::Stopped)), "{error:?}");
    assert!(stopped.unwrap().elapsed() < Duration::from_millis(600));
    assert!(fs::metadata(scene.incomplete()).unwrap().len() >= 50_000);
    scene.assert_whole(&scene.get().unwrap());
    // Also while nothing comes at all.
    let scene = Scene::new();
    scene.server.trouble(At::Files, Trouble::Silence(10));
    let mut settings = scene.settings();
    settings.patience.silence = Duration::from_secs(30);
    let (order, client) = (scene.order(), Client::new(settings).unwrap());
    let stop = client.stop();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        stop.stop();
    });
    let begun = Instant::now();
    assert!(matches!(client.download(&order, &mut |_| {}), Err(HubError::Stopped)));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn two_downloads_of_one_file_are_one() {
    let scene = Scene::new();
    scene.server.trouble(At::Files, Trouble::Slow(60_000));
    let order = scene.order();
    let waits: Vec<usize> = std::thread::scope(|scope| {
        let get = || {
            let mut waits = 0;
            let path = scene.client().download(&order, &mut |progress| {
                waits += usize::from(progress.doing == Doing::WaitingForAnother);
            });
            scene.assert_whole(&path.unwrap());
            waits
        };
        let both = [scope.spawn(get), scope.spawn(get)];
        both.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(scene.parts().len(), 1, "it came once");
    assert_eq!(waits.iter().filter(|waits| **waits > 0).count(), 1, "{waits:?}");
}

#[test]
fn there_has_to_be_room() {
    let scene = Scene::new();
    let order = scene.order();
    let mut settings = scene.settings();
    settings.free_space = |_| Ok(200_000);
    let error = Client::new(settings).unwrap().download(&order, &mut |_| {}).unwrap_err();
    let HubError::DiskFull { needed, free, .. } = &error else { panic!("{error}") };
    assert!(*needed > SIZE as u64 && *free == 200_000, "{error}");
    assert!(error.to_string().contains("200 kB are free"), "{error}");
    assert_eq!(scene.server.seen(At::Files).len(), 0);
}

/// A disk that becomes full meanwhile.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_is_told() {
    let scene = Scene::new();
    let order = scene.order();
    fs::create_dir_all(scene.blob().parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", scene.incomplete()).unwrap();
    let error = scene.client().download(&order, &mut |_| {}).unwrap_err();
    assert!(matches!(error, HubError::DiskFull { .. }), "{error}");
}
