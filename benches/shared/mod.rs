//! What benches share: their options, and which commit they measure.

use std::process::Command;

/// Reads the options that were given. `take` is told each by its name, with what reads its value, and answers whether there is
/// such an option; `known` names all.
pub(crate) fn read_options(
    known: &str,
    mut take: impl FnMut(&str, &mut dyn FnMut() -> Result<String, String>) -> Result<bool, String>,
) -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{option} needs a value"));
        // Cargo says `--bench`.
        if option != "--bench" && !take(&option, &mut value)? {
            return Err(format!("{option} is unknown: {known}"));
        }
    }
    Ok(())
}

/// The commit that is measured, where git tells.
pub(crate) fn commit() -> String {
    let told = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    told.map_or_else(|_| String::new(), |told| String::from_utf8_lossy(&told.stdout).trim().to_owned())
}
