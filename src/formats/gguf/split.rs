//! GGUF models in several files: `NAME-00001-of-00003.gguf` and so on, each of which says which part it is.

use std::ffi::{OsStr, OsString};

use super::Metadata;
use crate::formats::error::FormatError;

const NUMBER: &str = "split.no";
const COUNT: &str = "split.count";
const TENSORS: &str = "split.tensors.count";

/// The names of all parts of the model that `file` (with `metadata`) belongs to, the first first; itself alone where
/// it is not split.
pub fn part_names(file: &OsStr, metadata: &Metadata) -> Result<Vec<OsString>, FormatError> {
    let count = metadata.whole(COUNT)?.unwrap_or(1);
    if count <= 1 {
        return Ok(vec![file.to_owned()]);
    }
    let Some(file) = file.to_str() else {
        let reason = format!(
            "it is {count}, but the file's name is not UTF-8, so the other parts' cannot be told; rename them"
        );
        return Err(metadata.error(COUNT, reason));
    };
    let Some((stem, number, named_count)) = parse(file) else {
        let reason = format!(
            "it is {count}, but the file's name does not end in -00001-of-{count:05}.gguf; rename it"
        );
        return Err(metadata.error(COUNT, reason));
    };
    if count != named_count || number == 0 || number > count {
        let reason = format!("it is {count}, but by its name the file is part {number} of {named_count}");
        return Err(metadata.error(COUNT, reason));
    }
    // The name has five digits for the count, which so is below 100,000.
    Ok((1..=count).map(|number| format!("{stem}-{number:05}-of-{count:05}.gguf").into()).collect())
}

/// Checks that the metadata is that of part `index` (from 0) of `count`.
pub fn check_part(metadata: &Metadata, index: usize, count: usize) -> Result<(), FormatError> {
    let (found, parts) = (metadata.whole(NUMBER)?, metadata.whole(COUNT)?);
    if parts != Some(count as u64) {
        let parts = parts.map_or("missing".to_owned(), |parts| parts.to_string());
        return Err(metadata.error(COUNT, format!("it is {parts}, but the other parts say {count}")));
    }
    if found != Some(index as u64) {
        let found = found.map_or("missing".to_owned(), |found| found.to_string());
        return Err(
            metadata.error(NUMBER, format!("it is {found}, but by its name the file is number {index}"))
        );
    }
    Ok(())
}

/// Checks that all parts together have as many tensors as the first one says, if it does.
pub fn check_tensors(first: &Metadata, tensors: usize) -> Result<(), FormatError> {
    match first.whole(TENSORS)? {
        Some(claimed) if claimed != tensors as u64 => {
            Err(first.error(TENSORS, format!("it is {claimed}, but all parts together have {tensors}")))
        }
        _ => Ok(()),
    }
}

/// The name without its ending, the part's number from 1, and the number of parts.
fn parse(file: &str) -> Option<(&str, u64, u64)> {
    let (rest, count) = file.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let number_of = |digits: &str| {
        let is_number = digits.len() == 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten()
    };
    Some((stem, number_of(number)?, number_of(count)?))
}
