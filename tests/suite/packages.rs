//! That the packages' descriptions agree with each other and with the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn text(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// What stands between two marks, wherever they stand.
fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> BTreeSet<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
}

#[test]
fn kinds_of_files_are_the_same_everywhere() {
    let desktop = text("assets/package/logitscope.desktop");
    let line = desktop.lines().find_map(|line| line.strip_prefix("MimeType=")).unwrap();
    let offered: BTreeSet<&str> = line.split_terminator(';').collect();
    assert_eq!(offered, between(&text("assets/package/metainfo.xml.in"), "<mediatype>", "</mediatype>"));
    assert_eq!(offered, between(&text("assets/package/logitscope-mime.xml"), "<mime-type type=\"", "\""));
    assert_eq!(offered.len(), 2);
}

#[test]
fn packages_need_the_libraries_that_the_set_up_installs() {
    let setup = text("scripts/setup.sh");
    let start = setup.find("for package in ").unwrap();
    let installed: BTreeSet<&str> = setup[start..]
        .split("; do")
        .next()
        .unwrap()
        .split_whitespace()
        .filter(|word| word.starts_with("lib"))
        .collect();
    let linux = text("scripts/package/linux.sh");
    let needed = between(&linux, "DEB_NEEDS='", "'").pop_first().unwrap();
    assert_eq!(installed, needed.split(", ").collect());
    let by_name = between(&linux, "RPM_NEEDS='", "'").pop_first().unwrap();
    assert_eq!(by_name.split(' ').count(), installed.len());
}

#[test]
fn the_uninstaller_for_windows_takes_all_that_was_installed() {
    let installer = text("scripts/package/logitscope.nsi");
    let deleted = between(&installer, "Delete \"$INSTDIR\\", "\"");
    let papers =
        ["LICENSE-MIT.txt", "LICENSE-APACHE.txt", "LICENCES-OF-CRATES.txt", "README.md", "CHANGELOG.md"];
    let all = papers.into_iter().chain(["logitscope.exe", "logitscope.ico", "uninstall.exe"]);
    assert_eq!(deleted, all.collect());
    let packed = text("scripts/package.sh");
    for paper in ["LICENSE-MIT", "LICENSE-APACHE", "LICENCES-OF-CRATES.txt", "README.md", "CHANGELOG.md"] {
        assert!(packed.contains(paper), "{paper}");
    }
}
