//! Where the user's data lies.

use std::env;
use std::path::PathBuf;

/// The folder of reports, as this system has places for a program's data; `None` where the system names none.
pub(super) fn of_reports() -> Option<PathBuf> {
    of_data().map(|data| data.join("logitscope").join("problems"))
}

fn of_data() -> Option<PathBuf> {
    let named = |variable| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || env::home_dir().filter(|home| !home.as_os_str().is_empty());
    if cfg!(windows) {
        named("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Application Support"))
    } else {
        // The specification has it that a path which is not absolute does not count.
        let data = named("XDG_DATA_HOME").filter(|data| data.is_absolute());
        data.or_else(|| home().map(|home| home.join(".local/share")))
    }
}
