//! What the `tokenizers` library says of a file that it does not understand, in words for people.

use serde_json::Value;

/// The names of the library's own kinds, and the parts of the file that they stand for.
const PARTS: [(&str, &str); 5] = [
    ("PreTokenizer", "pre_tokenizer"),
    ("PostProcessor", "post_processor"),
    ("Normalizer", "normalizer"),
    ("Decoder", "decoder"),
    ("Model", "model"),
];

/// Why `tokenizer_json` cannot be used: what the library `told`, or where that speaks of the library's insides, what is wrong.
pub(super) fn words(told: &str, tokenizer_json: &[u8]) -> String {
    match serde_json::from_slice::<Value>(tokenizer_json) {
        Err(_) if tokenizer_json.trim_ascii().is_empty() => "it is empty".to_owned(),
        Err(error) if error.is_eof() => {
            format!("it ends in the middle, in line {}; it is cut short", error.line())
        }
        Err(error) => format!("it is not JSON: {error}"),
        Ok(file) => inner_kind(told).map_or_else(|| plain(told), |part| unknown_part(&file, part)),
    }
}

/// The part of the file that a kind of the library stands for, where it speaks of one.
fn inner_kind(told: &str) -> Option<&'static str> {
    let (_, kind) = told.split_once("did not match any variant of untagged enum ")?;
    PARTS.into_iter().find(|(name, _)| kind.starts_with(name)).map(|(_, part)| part)
}

/// A part that is of no kind that is known, or lacks something.
fn unknown_part(file: &Value, part: &str) -> String {
    let part_of = &file[part];
    match part_of["type"].as_str() {
        Some(kind) => {
            let kind: String = kind.chars().take(40).flat_map(char::escape_debug).collect();
            format!("its {part} of type {kind} is of a kind that is not known, or lacks something")
        }
        None if part_of.is_null() => format!("it has no {part}"),
        None => format!("its {part} has no type, and is like none that is known"),
    }
}

/// The library's words, without its names for its own types.
fn plain(told: &str) -> String {
    match told.split_once("untagged enum ") {
        Some(_) => "a part of it is of no kind that is known".to_owned(),
        None if told.starts_with("Model missing") => "it has no model".to_owned(),
        None => told.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::tokenizer::Tokenizer;

    fn reason(file: &str) -> String {
        let told = Tokenizer::from_json(file.as_bytes(), None).err().expect("it cannot be used").to_string();
        assert!(!told.contains("untagged") && !told.contains("Untagged"), "{told}");
        told
    }

    #[test]
    fn nothing_of_the_librarys_insides_is_told() {
        let model = r#""model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}"#;
        let with = |part: &str| format!("{{{part}, {model}}}");
        let cases = [
            (with(r#""pre_tokenizer": {"type": "Foo"}"#), "pre_tokenizer of type Foo is of a kind"),
            (with(r#""normalizer": {"kind": 3}"#), "normalizer has no type"),
            (with(r#""decoder": {"type": "Baz"}"#), "decoder of type Baz"),
            (with(r#""post_processor": {"type": "Bar"}"#), "post_processor of type Bar"),
            ("{}".to_owned(), "it has no model"),
            (r#"{"model": {"vocab": 3}}"#.to_owned(), "its model has no type"),
            (r#"{"model": {"type": "BPE""#.to_owned(), "it ends in the middle, in line 1; it is cut short"),
            ("#".to_owned(), "it is not JSON"),
        ];
        for (file, why) in cases {
            let told = reason(&file);
            assert!(told.contains(why), "{file}: {told}");
        }
    }
}
