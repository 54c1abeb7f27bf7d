//! What leaves the window as a file, by name.

use super::pane::Pane;
use crate::trace::Run;

/// Something that leaves the window as a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Export {
    /// The run, to be opened again.
    Trace,
    /// The run as a page for a browser.
    Page,
    /// A pane's table.
    Table(Pane),
    /// A pane as it looks.
    Picture(Pane),
}

impl Export {
    /// What the file is: `trace`.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Page => "page",
            Self::Table(_) => "table",
            Self::Picture(_) => "picture",
        }
    }

    /// Title of the card that asks where to, and name of the command.
    pub(super) fn title(self, run: Option<&Run>) -> String {
        match self {
            Self::Trace => "Save the trace".to_owned(),
            Self::Page => "Export the run as a page".to_owned(),
            Self::Table(pane) => format!("Export {} as a table", pane.title(run)),
            Self::Picture(pane) => format!("Export {} as a picture", pane.title(run)),
        }
    }

    /// What one gets.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Trace => "The run with every number of it, as JSON. It opens again without the model.",
            Self::Page => {
                "The run as one HTML file that anyone can open and step through, without this program and without a network."
            }
            Self::Table(_) => "The numbers with all their digits, as CSV for spreadsheets and notebooks.",
            Self::Picture(_) => "The pane as it is now, as a PNG of twice its size on the screen.",
        }
    }

    /// Ending of the file's name.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Trace => "json",
            Self::Page => "html",
            Self::Table(_) => "csv",
            Self::Picture(_) => "png",
        }
    }

    /// A name for the file.
    pub(super) fn file_name(self, run: Option<&Run>) -> String {
        let stem = match self {
            Self::Trace => "trace".to_owned(),
            Self::Page => "run".to_owned(),
            Self::Table(Pane::Text) => "steps".to_owned(),
            Self::Table(pane) | Self::Picture(pane) => pane.title(run).to_lowercase(),
        };
        format!("{stem}.{}", self.extension())
    }
}
