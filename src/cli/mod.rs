//! The command line: the same engine without a window, for scripts, tests and machines without a display.
//!
//! One file a command. Owns arguments, what is printed and where (results to stdout, progress and figures to
//! stderr), and exit codes; decodes only through [`crate::session`].

mod adapters;
mod arguments;
mod bench;
mod check;
mod choices;
mod compare;
mod error;
mod generate;
mod generate_json;
mod get;
mod inspect;
mod interrupt;
mod logits;
mod model;
mod models;
mod named;
mod outcome;
mod output;
mod page;
mod parsers;
mod probe;
mod report;
mod stage_options;
mod tokenize;
mod unused;
mod waiting;

pub use arguments::{Arguments, Command};
pub use error::CliError;
pub use interrupt::EXIT_CODE as INTERRUPTED_EXIT_CODE;
pub use named::source;
pub use outcome::Outcome;

/// Runs a command; `verbosity` counts the `-v`s.
pub fn run(command: &Command, verbosity: u8) -> Result<Outcome, CliError> {
    interrupt::listen();
    match command {
        Command::Generate(arguments) => generate::run(arguments),
        Command::Page(arguments) => page::run(arguments),
        Command::Logits(arguments) => logits::run(arguments),
        Command::Probe(arguments) => probe::run(arguments),
        Command::Tokenize(arguments) => tokenize::run(arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Models(arguments) => models::run(arguments),
        Command::Get(arguments) => get::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Adapters(arguments) => adapters::run(arguments, verbosity),
        Command::Report(arguments) => report::run(arguments),
    }
}
