//! Arguments become a window or a command without one; errors become one line and an exit code.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use logitscope::cli::{self, Arguments, Outcome};
use logitscope::session::{ModelSource, Session};
use logitscope::ui;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr(arguments.verbose);
    match run(arguments) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Interrupted) => ExitCode::from(cli::INTERRUPTED_EXIT_CODE),
        Err(error) => {
            let line: Vec<String> = format!("{error:#}").lines().map(|line| line.trim().to_owned()).collect();
            eprintln!("error: {}", line.join(" "));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<Outcome> {
    if let Some(command) = &arguments.command {
        return Ok(cli::run(command)?);
    }
    let source = arguments.model.map_or(ModelSource::BuiltIn, ModelSource::Path);
    ui::run_with(source, |wake| Session::start(move || wake())).context("no window")?;
    Ok(Outcome::Done)
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => log::LevelFilter::Error,
        1 => log::LevelFilter::Info,
        _ => log::LevelFilter::Debug,
    };
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Error)
        .filter_module("logitscope", level)
        .init();
}
