//! `page`: a saved trace as one HTML page.

use std::path::Path;

use serde::Serialize;

use super::arguments::Page;
use super::error::CliError;
use super::outcome::Outcome;
use super::output::print_json;
use crate::export::page;
use crate::trace::file;

/// The JSON object of `page --json`.
#[derive(Serialize)]
struct PageJson<'a> {
    file: &'a Path,
    steps: usize,
}

/// Runs the command.
pub(super) fn run(arguments: &Page) -> Result<Outcome, CliError> {
    page::check_place(&arguments.out)?;
    let run = file::read(&arguments.trace).map_err(CliError::OpenTrace)?;
    page::write(&arguments.out, &run)?;
    if arguments.json.json {
        print_json(&PageJson { file: &arguments.out, steps: run.line.len() })?;
    }
    Ok(Outcome::Done)
}
