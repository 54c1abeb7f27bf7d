//! A run as one HTML page: text, scrubber and every step's numbers, without a server and without a network.
//!
//! The template is written by hand and lies in `assets/page/`. The run goes into it as JSON in which no character can end
//! the element that holds it, and the page's script puts text into text nodes and attributes alone: what a model says, and
//! how a vocabulary spells, is not trusted.

use std::io::{self, Write};
use std::path::Path;

use super::page_data::PageData;
use crate::system_errors::words;
use crate::trace::Run;
use crate::whole_file;

const TEMPLATE: &str = include_str!("../../assets/page/page.html");
const STYLE: &str = include_str!("../../assets/page/page.css");
/// The script's parts, in their order.
const SCRIPT: [&str; 3] = [
    include_str!("../../assets/page/numbers.js"),
    include_str!("../../assets/page/step.js"),
    include_str!("../../assets/page/page.js"),
];

/// Why a page could not be written; a file that was there before is untouched.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written: {}", path.display(), words(source))]
pub struct PageError {
    /// The file.
    pub path: std::path::PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Whether a page can be written there; see [`whole_file::check`].
pub fn check_place(path: &Path) -> Result<(), PageError> {
    whole_file::check(path).map_err(|source| PageError { path: path.to_owned(), source })
}

/// Writes a run as a page. The file appears whole or not at all.
pub fn write(path: &Path, run: &Run) -> Result<(), PageError> {
    let written = whole_file::write(path, |file| write_to(file, run));
    written.map_err(|source| PageError { path: path.to_owned(), source })
}

/// The same, into anything that takes bytes.
fn write_to(file: &mut impl Write, run: &Run) -> io::Result<()> {
    let data = harmless(&serde_json::to_string(&PageData::new(run))?);
    // The places in the template are filled from the front: nothing that was filled in is looked at again.
    let mut rest = TEMPLATE;
    for (mark, parts) in [("@STYLE@", &[STYLE][..]), ("@RUN@", &[data.as_str()]), ("@SCRIPT@", &SCRIPT)] {
        let (before, after) = rest.split_once(mark).ok_or(io::ErrorKind::InvalidData)?;
        file.write_all(before.as_bytes())?;
        for part in parts {
            file.write_all(part.as_bytes())?;
        }
        rest = after;
    }
    file.write_all(rest.as_bytes())
}

/// JSON that can stand in an HTML element: the characters that HTML reads stand only in its strings, where they can be
/// written by their numbers.
fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + json.len() / 64);
    for letter in json.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => text.push_str(&format!("\\u{:04x}", letter as u32)),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Node;

    #[test]
    fn no_text_of_a_run_ends_its_element() {
        let said = "</script><script>alert(1)</script><!--\u{2028}@SCRIPT@ &amp;";
        let run = Run {
            nodes: vec![Node { text: said.to_owned(), ..Node::default() }],
            line: vec![0],
            ..Run::default()
        };
        let mut page = Vec::new();
        write_to(&mut page, &run).expect("memory takes everything");
        let page = String::from_utf8(page).expect("UTF-8");
        assert_eq!(page.matches("</script>").count(), 2, "the page's own two");
        assert!(!page.contains("<!--\u{2028}") && !page.contains("alert(1)</"));
        let data = page.split_once("id=\"run\">").and_then(|(_, rest)| rest.split_once("</script>"));
        let data: serde_json::Value = serde_json::from_str(data.expect("the data").0).expect("JSON");
        let shown = data["nodes"][0]["shown"].as_str().expect("a text");
        assert!(shown.starts_with("</script><script>alert(1)"), "it reads as it was: {shown}");
    }
}
