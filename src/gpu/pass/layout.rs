//! The words of the pass buffer, as `shaders/lib/pass.wgsl` has them; a test holds both together.

macro_rules! shared {
    ($($name:ident = $value:expr;)*) => {
        $(pub(super) const $name: usize = $value;)*

        #[cfg(test)]
        const SHARED: &[(&str, u64)] = &[$((stringify!($name), $name as u64),)*];
    };
}

shared! {
    PASS_ROWS = 0;
    PASS_OUTPUTS = 1;
    PASS_ROWS_AT = 2;
    PASS_OUTPUTS_AT = 3;
    PASS_SAMPLING_AT = 4;
    PASS_SPLIT_STEP = 5;
    PASS_SPLITS = 6;
    PASS_TILES_AT = 7;
    PASS_WALKS_AT = 8;
    PASS_PINNED = 9;
    PASS_PINNED_AT = 10;
    PASS_ANGLES_AT = 11;

    NOTHING = 0xffff_ffff;

    ROW_WORDS = 12;
    ROW_TOKEN = 0;
    ROW_POSITION = 1;
    ROW_SLOT = 2;
    ROW_CACHED = 3;
    ROW_PAGES_AT = 4;
    ROW_CHAIN_AT = 5;
    ROW_CHAIN_LENGTH = 6;
    ROW_PARENT = 7;
    ROW_STATE_FROM = 8;
    ROW_STATE_TO = 9;

    TILE_WORDS = 8;
    TILE_PAGES_AT = 0;
    TILE_LONGEST = 1;
    TILE_ROWS_AT = 2;
    TILE_ROW_COUNT = 3;
    TILE_CHAINS_AT = 4;
    TILE_CHAINED = 5;

    WALK_WORDS = 4;
    WALK_FROM = 0;
    WALK_ROWS_AT = 1;
    WALK_ROW_COUNT = 2;
    WALK_FIRST_OWN = 3;

    SAMPLING_WORDS = 8;
    SAMPLING_INVERSE_TEMPERATURE = 0;
    SAMPLING_TOP_K = 1;
    SAMPLING_TOP_P = 2;
    SAMPLING_MIN_P = 3;
    SAMPLING_POINT = 4;
}

/// Words before the first row's record.
pub(super) const HEADER_WORDS: usize = 22;

/// Most rotary tables that a plan may use.
pub(crate) const MOST_TABLES: usize = HEADER_WORDS - PASS_ANGLES_AT;

/// Where the number of output rows lies, in bytes.
pub(crate) const OUTPUT_COUNT: u64 = 4 * PASS_OUTPUTS as u64;

/// Where the first row's token lies, in bytes.
pub(crate) const FIRST_TOKEN: u64 = 4 * (HEADER_WORDS + ROW_TOKEN) as u64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::gpu::kernels::shader_text;

    #[test]
    fn the_shaders_have_the_same_words() {
        shader_text::assert_shared("lib/pass.wgsl", SHARED);
        let here: BTreeSet<&str> = SHARED.iter().map(|(name, _)| *name).collect();
        let there = shader_text::constants("lib/pass.wgsl");
        assert_eq!(here, there.keys().map(String::as_str).collect(), "no word is known to one side alone");
    }

    #[test]
    fn no_shader_reads_a_word_by_its_number() {
        for (file, text) in shader_text::all() {
            for (number, line) in (1..).zip(text.lines()) {
                let indices = line.split("pass_data[").skip(1);
                let literal = |rest: &str| rest.split(']').next().is_some_and(has_number);
                assert!(!indices.into_iter().any(literal), "shaders/{file}:{number}: {line}");
            }
        }
    }

    /// Whether an index has a number in it that is no part of a name.
    fn has_number(index: &str) -> bool {
        let words = index.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        words.into_iter().any(|word| word.starts_with(|letter: char| letter.is_ascii_digit()))
    }
}
