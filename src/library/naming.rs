//! Names for people, from the names of files and folders.

use super::place::Origin;

/// The ending of GGUF files.
const ENDING: &str = ".gguf";

/// Whether a file's name is that of a GGUF file, in small letters or large ones.
pub fn is_gguf(file: &str) -> bool {
    file.len() > ENDING.len()
        && file.is_char_boundary(file.len() - ENDING.len())
        && file[file.len() - ENDING.len()..].eq_ignore_ascii_case(ENDING)
}

/// A part of a split GGUF file by its name: what all parts have in common, the part's number from 1, and the number
/// of parts.
pub fn part(file: &str) -> Option<(&str, u32, u32)> {
    let stem = is_gguf(file).then(|| &file[..file.len() - ENDING.len()])?;
    let (rest, count) = stem.rsplit_once("-of-")?;
    let (rest, number) = rest.rsplit_once('-')?;
    let number_of = |digits: &str| {
        let is_number = digits.len() == 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten()
    };
    Some((rest, number_of(number)?, number_of(count)?))
        .filter(|(_, number, count)| (1..=*count).contains(number))
}

/// The name of a GGUF file; `folder` is that of the one it lies in, for files with a name that tells nothing.
pub(super) fn of_gguf(origin: Origin, file: &str, folder: &str) -> String {
    let stem = match part(file) {
        Some((stem, ..)) => stem,
        None if is_gguf(file) => &file[..file.len() - ENDING.len()],
        None => file,
    };
    // Older versions of llama.cpp keep OWNER_REPOSITORY_FILE, and repositories with such files end in -GGUF.
    if origin == Origin::LlamaCpp
        && let Some((_, name)) = stem.rsplit_once("-GGUF_").filter(|(_, name)| !name.is_empty())
    {
        return name.to_owned();
    }
    match stem.to_lowercase() {
        plain if plain == "model" => folder.to_owned(),
        plain if plain.starts_with("ggml-model") => format!("{folder}/{stem}"),
        _ => stem.to_owned(),
    }
}

/// The name of a model in the cache of Hugging Face: of a file by its path in the repository `OWNER/NAME`, or of the
/// repository itself.
pub fn hub_model_name(repository: &str, file: Option<&str>) -> String {
    let Some(file) = file else { return repository.to_owned() };
    let (folder, file) = file.rsplit_once('/').unwrap_or((repository, file));
    of_gguf(Origin::HuggingFace, file, folder.rsplit('/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_tell_nothing_are_named_by_their_folder() {
        let name = |origin, file| of_gguf(origin, file, "Jan-v1-4B");
        assert_eq!(name(Origin::Jan, "model.gguf"), "Jan-v1-4B");
        assert_eq!(name(Origin::Jan, "model-00001-of-00002.gguf"), "Jan-v1-4B");
        assert_eq!(name(Origin::LmStudio, "ggml-model-Q4_K.GGUF"), "Jan-v1-4B/ggml-model-Q4_K");
        assert_eq!(name(Origin::Folder, "tale-Q8_0-00001-of-00003.gguf"), "tale-Q8_0");
        assert_eq!(
            name(Origin::LlamaCpp, "owner_tale-1b-it-GGUF_tale-1b-it-Q4_K_M.gguf"),
            "tale-1b-it-Q4_K_M"
        );
        assert_eq!(name(Origin::LlamaCpp, "tale-1b-it-Q4_K_M.gguf"), "tale-1b-it-Q4_K_M");
    }

    #[test]
    fn parts_have_two_numbers_of_five_digits() {
        assert_eq!(part("a-b-00002-of-00003.gguf"), Some(("a-b", 2, 3)));
        for whole in [
            "a.gguf",
            "a-0001-of-0003.gguf",
            "a-00004-of-00003.gguf",
            "a-00000-of-00003.gguf",
            "a-00001-of-00003.bin",
        ] {
            assert_eq!(part(whole), None, "{whole}");
        }
        assert!(!is_gguf(".gguf") && !is_gguf("é") && is_gguf("é.GGUF"));
    }
}
