//! Arguments become a window or a command without one; errors become one line and an exit code.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use anyhow::ensure;
use logitscope::cli::{self, Arguments, CliError, Outcome};
use logitscope::gpu;
use logitscope::problems;
use logitscope::session::Session;
use logitscope::ui;

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(told) => return tell(&told),
    };
    log_to_stderr(arguments.verbose);
    problems::install();
    if arguments.is_safe_mode() {
        gpu::be_conservative();
    }
    match run(arguments) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Interrupted) => ExitCode::from(cli::INTERRUPTED_EXIT_CODE),
        Err(error) => {
            // Without the chain of sources: our messages have their causes in them.
            let message = error.to_string();
            if error.downcast_ref::<CliError>().is_some_and(CliError::shows_a_place) {
                eprintln!("error: {message}");
            } else {
                let lines: Vec<&str> = message.lines().map(str::trim).collect();
                eprintln!("error: {}", lines.join(" "));
            }
            ExitCode::FAILURE
        }
    }
}

/// Tells what the parser of arguments has to tell: help, the version, or what is wrong with them.
fn tell(told: &clap::Error) -> ExitCode {
    let printed = told.print().and_then(|()| std::io::stdout().flush());
    match printed {
        // A reader that goes away, as `head` does, has what it wants.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: {}", CliError::Print(error));
            ExitCode::FAILURE
        }
        _ => u8::try_from(told.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
    }
}

fn run(arguments: Arguments) -> anyhow::Result<Outcome> {
    if let Some(command) = &arguments.command {
        return Ok(cli::run(command, arguments.verbose)?);
    }
    ensure!(has_display(), "{NO_DISPLAY}");
    let source = cli::source(arguments.model.as_ref())?;
    let memory = if arguments.safe_mode { ui::Memory::Fresh } else { ui::Memory::Remembered };
    ui::run_with(source, memory, |wake| Session::start(move || wake()))?;
    Ok(Outcome::Done)
}

const NO_DISPLAY: &str = "the window cannot open: there is no display (neither DISPLAY nor WAYLAND_DISPLAY is \
     set): decode in the terminal instead, with `logitscope generate -p \"Once upon a time\"`";

/// Whether a window has somewhere to appear, as far as the environment tells.
fn has_display() -> bool {
    let named = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    cfg!(any(windows, target_os = "macos"))
        || named("DISPLAY")
        || named("WAYLAND_DISPLAY")
        || named("WAYLAND_SOCKET")
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
        // It logs the error that it returns as well.
        .filter_module("eframe::native::run", log::LevelFilter::Off)
        .init();
}
