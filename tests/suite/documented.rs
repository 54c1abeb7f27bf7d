//! The command lines of README and documents, as they are written: all of them are understood, and those that need no model
//! of the reader's own, no network and no minutes run.

use std::path::Path;
use std::process::Stdio;

use logitscope::cli::Arguments;

use super::support;

/// What stands for something of the reader's own: such a line is read, and not run.
const PLACEHOLDERS: [&str; 7] = ["MODEL", "NAME", "HOST", "DIR", "~/", "http://", "…"];
/// Commands that are measured in minutes, or open the window.
const LONG: [&[&str]; 4] = [&["bench"], &["report"], &["check"], &["--safe-mode"]];

/// The command lines of a page, each with the file and the line where it stands.
fn command_lines(file: &str, page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut is_block = false;
    for (index, line) in page.lines().enumerate() {
        let place = format!("{file}:{}", index + 1);
        let line = line.trim();
        if line.starts_with("```") {
            is_block = !is_block;
        } else if is_block {
            let line = line.strip_prefix("$ ").unwrap_or(line);
            // Variables before it.
            let command = line.split(' ').skip_while(|word| word.contains('=')).collect::<Vec<_>>().join(" ");
            // What a line does stands behind blanks.
            let command = command.split("  ").next().unwrap_or_default();
            if command == "logitscope" || command.starts_with("logitscope ") {
                found.push((place, command.to_owned()));
            }
        } else {
            let spans = line.split('`').skip(1).step_by(2);
            let commands = spans.filter(|span| span.starts_with("logitscope "));
            found.extend(commands.map(|command| (place.clone(), command.to_owned())));
        }
    }
    found
}

/// Words as a shell takes them, of which these pages have quotes alone.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for letter in command.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            letter => words.last_mut().expect("one at least").push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn documented() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages =
        std::fs::read_dir(root.join("docs")).expect("documents").map(|entry| entry.expect("a file").path());
    let mut pages: Vec<_> = pages.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    pages.sort();
    pages.insert(0, root.join("README.md"));
    let lines = pages.iter().flat_map(|path| {
        let page = std::fs::read_to_string(path).expect("a page");
        command_lines(&path.file_name().expect("a name").to_string_lossy(), &page)
    });
    lines.collect()
}

#[test]
fn every_command_line_of_the_documents_is_understood() {
    let lines = documented();
    assert!(lines.len() > 25, "{} lines", lines.len());
    for (place, line) in lines {
        if let Err(error) = Arguments::read(words(&line)) {
            panic!("{place}: `{line}`: {error}");
        }
    }
}

#[test]
fn those_that_need_nothing_run_as_they_are_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut ran = 0;
    for (place, line) in documented() {
        let words = words(&line);
        let has_placeholder = PLACEHOLDERS.iter().any(|mark| line.contains(mark));
        if has_placeholder
            || LONG.iter().any(|long| {
                words[1..].starts_with(&long.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
            })
        {
            continue;
        }
        let mut command = support::program();
        command.args(&words[1..]).current_dir(&folder).stdin(Stdio::null());
        let output = command.output().expect("the program starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{place}: `{line}`: {told}");
        ran += 1;
    }
    assert!(ran > 8, "{ran} ran");
}
