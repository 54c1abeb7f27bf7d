//! `page`: a saved trace as one HTML page.

use super::arguments::Page;
use super::error::CliError;
use super::outcome::Outcome;
use crate::export::page;
use crate::trace::file;

/// Runs the command.
pub(super) fn run(arguments: &Page) -> Result<Outcome, CliError> {
    let run = file::read(&arguments.trace).map_err(CliError::OpenTrace)?;
    page::write(&arguments.out, &run)?;
    Ok(Outcome::Done)
}
