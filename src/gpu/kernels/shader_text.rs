//! The texts of `shaders/`, for tests that hold them to the program's own numbers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders")
}

/// Every file: its path within `shaders/`, and its text.
pub(crate) fn all() -> Vec<(String, String)> {
    let (mut folders, mut files) = (vec![root()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root()).expect("inside").to_string_lossy().replace('\\', "/");
            files.push((name, std::fs::read_to_string(&path).expect("UTF-8")));
        }
    }
    files
}

/// The numbers that a file has as constants, by their names; those that are computed from others are left out.
pub(crate) fn constants(file: &str) -> BTreeMap<String, f64> {
    let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let constant = |line: &str| {
        let (name, rest) = line.trim_start().strip_prefix("const ")?.split_once(": ")?;
        let value = rest.split_once(" = ")?.1.trim_end_matches(';').trim_end_matches('u');
        Some((name.to_owned(), value.parse().ok()?))
    };
    text.lines().filter_map(constant).collect()
}

/// Holds the program's constants to those of a file.
pub(crate) fn assert_shared(file: &str, shared: &[(&str, u64)]) {
    let of_shader = constants(file);
    for (name, value) in shared {
        assert_eq!(of_shader.get(*name), Some(&(*value as f64)), "{name} of shaders/{file}");
    }
}
