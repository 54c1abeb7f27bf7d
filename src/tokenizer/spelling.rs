//! How a vocabulary spells bytes: as the 256 characters of byte-level BPE, or as `<0xNN>` beside plain text.

use std::sync::LazyLock;

use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence;
use tokenizers::decoders::strip::Strip;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::normalizers::replace::Replace;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;

/// Which pieces stand for raw bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// All: each character of a piece is one byte (GPT-2's table).
    ByteLevel,
    /// Pieces of the form `<0xNN>`; all others are text.
    ByteFallback,
    /// None.
    Text,
}

impl Spelling {
    /// As the decoder reads pieces.
    pub(super) fn of(decoder: Option<&DecoderWrapper>) -> Self {
        match decoder {
            Some(DecoderWrapper::ByteLevel(_)) => Self::ByteLevel,
            Some(DecoderWrapper::ByteFallback(_)) => Self::ByteFallback,
            Some(DecoderWrapper::Sequence(sequence)) => {
                let mut parts = sequence.get_decoders().iter().map(|part| Self::of(Some(part)));
                parts.find(|&part| part != Self::Text).unwrap_or(Self::Text)
            }
            _ => Self::Text,
        }
    }

    /// The bytes of a piece that this spelling reads as raw bytes; `None` where the decoder has to be asked.
    pub(super) fn bytes(self, piece: &str) -> Option<Vec<u8>> {
        match self {
            Self::ByteLevel => {
                let bytes: Option<Vec<u8>> = piece.chars().map(byte_of).collect();
                Some(bytes.unwrap_or_else(|| piece.as_bytes().to_vec()))
            }
            // An ASCII byte is a whole character, and a decoder may strip it at the start: ask the decoder.
            Self::ByteFallback => fallback_byte(piece).filter(|byte| !byte.is_ascii()).map(|byte| vec![byte]),
            Self::Text => None,
        }
    }

    /// A piece with `<0xE4>` for each byte that belongs to no whole character in it. What is whole beside such bytes
    /// stands as itself and not as the letters of the byte alphabet, which would be two spellings in one.
    pub(super) fn readable(self, piece: String) -> String {
        let bytes: Option<Vec<u8>> = piece.chars().map(byte_of).collect();
        let (Self::ByteLevel, Some(bytes)) = (self, bytes) else { return piece };
        if std::str::from_utf8(&bytes).is_ok() {
            return piece;
        }
        let mut readable = String::new();
        for chunk in bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    ' ' => readable.push('▁'),
                    control if control.is_ascii_control() => readable.push_str(&spelled(control as u8)),
                    letter => readable.push(letter),
                }
            }
            readable.extend(chunk.invalid().iter().copied().map(spelled));
        }
        readable
    }
}

/// The decoder for a file that has none: what its pre-tokenizer or normaliser did, undone.
pub(super) fn missing_decoder(tokenizer: &tokenizers::Tokenizer) -> Option<DecoderWrapper> {
    let splitter = tokenizer.get_pre_tokenizer().and_then(undo_pre_tokenizer);
    splitter.or_else(|| tokenizer.get_normalizer().and_then(undo_normalizer))
}

fn undo_pre_tokenizer(pre_tokenizer: &PreTokenizerWrapper) -> Option<DecoderWrapper> {
    match pre_tokenizer {
        PreTokenizerWrapper::ByteLevel(_) => Some(ByteLevel::default().into()),
        PreTokenizerWrapper::Metaspace(metaspace) => {
            Some(Sequence::new(vec![ByteFallback::new().into(), metaspace.clone().into()]).into())
        }
        PreTokenizerWrapper::Sequence(parts) => parts.as_ref().iter().find_map(undo_pre_tokenizer),
        _ => None,
    }
}

fn undo_normalizer(normalizer: &NormalizerWrapper) -> Option<DecoderWrapper> {
    match normalizer {
        NormalizerWrapper::ByteLevel(_) => Some(ByteLevel::default().into()),
        NormalizerWrapper::Prepend(prepend) if prepend.prepend == "▁" => {
            let spaces = Replace::new("▁", " ").ok()?;
            let parts =
                [spaces.into(), ByteFallback::new().into(), Fuse::new().into(), Strip::new(' ', 1, 0).into()];
            Some(Sequence::new(parts.to_vec()).into())
        }
        NormalizerWrapper::Sequence(parts) => parts.as_ref().iter().find_map(undo_normalizer),
        _ => None,
    }
}

/// The byte of a piece such as `<0xE2>`.
fn fallback_byte(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() != 2 { None } else { u8::from_str_radix(digits, 16).ok() }
}

/// The byte that a character of a byte-level piece stands for. Printable Latin-1 characters stand for
/// themselves; the other 68 bytes, in order, are the characters from U+0100 on (GPT-2's `encoder.py`).
fn byte_of(character: char) -> Option<u8> {
    static SHIFTED: LazyLock<Vec<u8>> =
        LazyLock::new(|| (0..=u8::MAX).filter(|&byte| !stands_for_itself(byte)).collect());
    match u32::from(character) {
        code @ 0..=0xff => Some(code as u8).filter(|&byte| stands_for_itself(byte)),
        code => SHIFTED.get(code as usize - 0x100).copied(),
    }
}

fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

/// A byte as vocabularies with byte fallback write it.
pub(super) fn spelled(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

#[cfg(test)]
mod tests {
    use super::Spelling;

    #[test]
    fn beside_bytes_of_no_character_all_is_spelled_as_with_byte_fallback() {
        // 漢 is E6 BC A2, é is C3 A9.
        for (piece, readable) in [
            ("¢", "<0xA2>"),
            ("æ¼", "<0xE6><0xBC>"),
            ("Ġæ", "▁<0xE6>"),
            ("Ċæ", "<0x0A><0xE6>"),
            ("éæ", "<0xE9><0xE6>"),
            ("Ã©æ", "é<0xE6>"),
            // What is whole stays as the vocabulary has it.
            ("Ġthe", "Ġthe"),
            ("æ¼¢", "æ¼¢"),
        ] {
            assert_eq!(Spelling::ByteLevel.readable(piece.to_owned()), readable, "{piece}");
        }
    }
}
