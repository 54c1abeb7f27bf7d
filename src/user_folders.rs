//! Where programs keep the user's files, by each system's custom: the XDG Base Directory Specification, Windows'
//! known folders, macOS's library.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// This program's folder within the others.
const OWN: &str = "logitscope";

/// The kinds of systems, by where programs keep their files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Linux, and what is built like it.
    Linux,
    /// Windows.
    Windows,
    /// macOS.
    MacOs,
}

impl System {
    /// The one that this process runs on.
    pub fn here() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else {
            Self::Linux
        }
    }
}

/// The folders, whether they exist or not; `None` where the system names none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFolders {
    /// What can be made again.
    pub caches: Option<PathBuf>,
    /// Programs' data.
    pub data: Option<PathBuf>,
    /// Programs' data that stay on this computer.
    pub local_data: Option<PathBuf>,
    /// Programs' settings.
    pub settings: Option<PathBuf>,
}

impl UserFolders {
    /// Those of who runs this process.
    pub fn of_process() -> Self {
        Self::of(System::here(), std::env::home_dir().as_deref(), |name| std::env::var_os(name))
    }

    /// Those of a user with this home folder and these variables. A path that is not absolute counts for nothing, as the
    /// specification has it: it would be another folder for each folder that a program is started in.
    pub fn of(system: System, home: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let at_home = |below: &str| Some(home.filter(|home| home.is_absolute())?.join(below));
        let named = |name: &str| variable(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
        match system {
            System::Linux => {
                let data = named("XDG_DATA_HOME").or_else(|| at_home(".local/share"));
                Self {
                    caches: named("XDG_CACHE_HOME").or_else(|| at_home(".cache")),
                    local_data: data.clone(),
                    data,
                    settings: named("XDG_CONFIG_HOME").or_else(|| at_home(".config")),
                }
            }
            System::Windows => {
                let (local, roaming) = (named("LOCALAPPDATA"), named("APPDATA"));
                Self { caches: local.clone(), data: roaming.clone(), local_data: local, settings: roaming }
            }
            System::MacOs => {
                let support = at_home("Library/Application Support");
                Self {
                    caches: at_home("Library/Caches"),
                    data: support.clone(),
                    local_data: support.clone(),
                    settings: support,
                }
            }
        }
    }

    /// What this program can make again.
    pub fn own_caches(&self) -> Option<PathBuf> {
        Some(self.caches.as_ref()?.join(OWN))
    }

    /// What this program keeps on this computer.
    pub fn own_data(&self) -> Option<PathBuf> {
        Some(self.local_data.as_ref()?.join(OWN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIABLES: [&str; 5] =
        ["APPDATA", "LOCALAPPDATA", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"];

    /// An absolute path of the system that the test runs on.
    fn absolute(path: &str) -> PathBuf {
        PathBuf::from(if cfg!(windows) { "C:/" } else { "/" }).join(path)
    }

    /// Caches, data, local data, settings.
    fn folders(
        system: System,
        home: Option<&Path>,
        value: impl Fn(&str) -> Option<OsString>,
    ) -> [Option<PathBuf>; 4] {
        let UserFolders { caches, data, local_data, settings } = UserFolders::of(system, home, value);
        [caches, data, local_data, settings]
    }

    /// Every variable names an absolute folder of its own name.
    fn set(name: &str) -> Option<OsString> {
        assert!(VARIABLES.contains(&name), "{name}");
        Some(absolute(name).into())
    }

    fn unset(_: &str) -> Option<OsString> {
        None
    }

    #[test]
    fn on_linux_the_variables_go_before_the_home_folder() {
        let home = absolute("home/me");
        let below = [".cache", ".local/share", ".local/share", ".config"].map(|below| Some(home.join(below)));
        let named = ["XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"];
        let named = named.map(|name| Some(absolute(name)));
        assert_eq!(folders(System::Linux, Some(&home), set), named);
        assert_eq!(folders(System::Linux, None, set), named);
        assert_eq!(folders(System::Linux, Some(&home), unset), below);
        for relative in ["", "caches", "./caches", "~/caches"] {
            assert_eq!(folders(System::Linux, Some(&home), |_| Some(relative.into())), below, "{relative}");
        }
    }

    #[test]
    fn on_windows_the_variables_alone_tell() {
        let named = ["LOCALAPPDATA", "APPDATA", "LOCALAPPDATA", "APPDATA"].map(|name| Some(absolute(name)));
        for home in [Some(absolute("Users/me")), None] {
            assert_eq!(folders(System::Windows, home.as_deref(), set), named);
            assert_eq!(folders(System::Windows, home.as_deref(), unset), [const { None }; 4]);
        }
        assert_eq!(folders(System::Windows, None, |_| Some("AppData".into())), [const { None }; 4]);
    }

    #[test]
    fn on_macos_the_library_of_the_home_folder_has_all() {
        let home = absolute("Users/me");
        let support = "Library/Application Support";
        let below = ["Library/Caches", support, support, support].map(|below| Some(home.join(below)));
        assert_eq!(folders(System::MacOs, Some(&home), set), below);
        assert_eq!(folders(System::MacOs, Some(&home), unset), below);
        assert_eq!(folders(System::MacOs, None, set), [const { None }; 4]);
    }

    #[test]
    fn without_a_home_folder_nothing_is_guessed() {
        for system in [System::Linux, System::MacOs, System::Windows] {
            for home in [None, Some(Path::new("")), Some(Path::new("me"))] {
                let folders = UserFolders::of(system, home, unset);
                assert_eq!((folders.own_caches(), folders.own_data()), (None, None), "{system:?} {home:?}");
            }
        }
    }

    #[test]
    fn this_program_has_a_folder_in_each() {
        let folders = UserFolders::of(System::Linux, Some(&absolute("home/me")), unset);
        assert_eq!(folders.own_caches(), Some(absolute("home/me/.cache/logitscope")));
        assert_eq!(folders.own_data(), Some(absolute("home/me/.local/share/logitscope")));
    }
}
