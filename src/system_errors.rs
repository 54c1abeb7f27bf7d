//! What the operating system says of files, in words for people: why, and where that is known what to do. Its numbers stay
//! out of them.

use std::io::{Error, ErrorKind};

/// Why something failed, as the end of a sentence.
pub fn words(error: &Error) -> String {
    // What was made by this program or by a library has its own words, or a system's error within.
    if let Some(inner) = error.get_ref() {
        return without_number(&inner.to_string());
    }
    let known = match error.kind() {
        ErrorKind::NotFound => "there is no such file or folder",
        ErrorKind::PermissionDenied => "this user has no permission for it",
        ErrorKind::IsADirectory => "it is a folder; name a file",
        ErrorKind::NotADirectory => "a part of its path is no folder",
        ErrorKind::StorageFull => "there is no space left; free some, or choose another place",
        ErrorKind::QuotaExceeded => {
            "this user's share of the disk is used up; free some space, or choose another place"
        }
        ErrorKind::ReadOnlyFilesystem => {
            "it lies on a file system that cannot be written; choose another place"
        }
        ErrorKind::FileTooLarge => "the file system takes no file so large; choose another place",
        ErrorKind::InvalidFilename => "its name is too long, or is none; choose another one",
        ErrorKind::ExecutableFileBusy => "it is a program that runs; choose another place",
        ErrorKind::BrokenPipe => "its reader went away",
        ErrorKind::OutOfMemory => "the computer has no memory left for it; close other programs",
        _ => return without_number(&error.to_string()),
    };
    known.to_owned()
}

/// The system's words without the number behind them.
fn without_number(told: &str) -> String {
    let end = told.rfind(" (os error ").filter(|_| told.ends_with(')'));
    let words = &told[..end.unwrap_or(told.len())];
    match words.chars().next() {
        // The systems begin theirs as sentences.
        Some(first) if end.is_some() && first.is_uppercase() => {
            first.to_lowercase().chain(words[first.len_utf8()..].chars()).collect()
        }
        _ => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn no_number_of_the_system_is_told() {
        // Every number of Linux's and macOS's lists.
        for number in 1..=140 {
            let told = words(&Error::from_raw_os_error(number));
            assert!(!told.contains("os error") && !told.is_empty(), "{number}: {told}");
            assert!(!told.ends_with('.') && !told.starts_with(char::is_uppercase), "{number}: {told}");
        }
        assert_eq!(words(&Error::from_raw_os_error(2)), "there is no such file or folder");
        assert_eq!(words(&Error::from_raw_os_error(5)), "input/output error");
    }

    #[test]
    fn own_words_stay() {
        let own = Error::new(ErrorKind::IsADirectory, "it is a folder");
        assert_eq!(words(&own), "it is a folder");
        assert_eq!(words(&Error::other(Error::other("Deep (os error 7)"))), "deep");
    }
}
