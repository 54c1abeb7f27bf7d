//! Tokenizers from a `tokenizer.model`, the file of the SentencePiece library: a protobuf message of pieces with
//! scores, how it was trained, and how it normalises.
//!
//! Reads the few fields that decide on the ids (`sentencepiece_model.proto` of that library) and nothing else.

use serde_json::Value;

use super::codec::Tokenizer;
use super::error::TokenizerError;
use super::gguf::{GgufVocabulary, kind};

/// `TrainerSpec.model_type`.
mod model_type {
    pub(super) const UNIGRAM: u64 = 1;
    pub(super) const BPE: u64 = 2;
}

impl Tokenizer {
    /// From the contents of a `tokenizer.model`; `config` is `tokenizer_config.json`, `added` is
    /// `added_tokens.json`.
    pub fn from_sentencepiece(
        contents: &[u8],
        config: Option<&Value>,
        added: Option<&Value>,
    ) -> Result<Self, TokenizerError> {
        let malformed = |reason| TokenizerError::SentencePiece { reason };
        let vocabulary = read(contents).map_err(malformed)?;
        let mut with_defaults = vocabulary.special_tokens();
        for (name, value) in config.and_then(Value::as_object).into_iter().flatten() {
            with_defaults[name] = value.clone();
        }
        if !["add_bos_token", "add_eos_token"].iter().any(|flag| with_defaults[flag].is_boolean()) {
            // transformers' own defaults: its BPE tokenizers of this kind begin with BOS, the unigram ones do not.
            with_defaults["add_bos_token"] = (vocabulary.model == "llama").into();
        }
        Self::from_pieces(&vocabulary, &with_defaults, added)
    }
}

/// The model's pieces and settings, in the words that GGUF has for them.
fn read(contents: &[u8]) -> Result<GgufVocabulary, String> {
    let mut vocabulary = GgufVocabulary {
        add_space_prefix: Some(true),
        remove_extra_whitespaces: Some(true),
        ..GgufVocabulary::default()
    };
    let mut algorithm = model_type::UNIGRAM;
    let mut message = Message(contents);
    while let Some(field) = message.next()? {
        match field {
            (1, Field::Bytes(piece)) => read_piece(piece, &mut vocabulary)?,
            (2, Field::Bytes(trainer)) => {
                let mut trainer = Message(trainer);
                while let Some(field) = trainer.next()? {
                    if let (3, Field::Whole(number)) = field {
                        algorithm = number;
                    }
                }
            }
            (3, Field::Bytes(normalizer)) => read_normalizer(normalizer, &mut vocabulary)?,
            _ => {}
        }
    }
    vocabulary.model = match algorithm {
        model_type::UNIGRAM => "t5".to_owned(),
        model_type::BPE => "llama".to_owned(),
        other => return Err(format!("its algorithm is number {other}, neither unigram (1) nor BPE (2)")),
    };
    let named = |text: &str| vocabulary.tokens.iter().position(|token| token == text).map(|id| id as u64);
    let unknown = vocabulary.kinds.iter().position(|&kind| kind == kind::UNKNOWN).map(|id| id as u64);
    let (bos, eos) = (named("<s>"), named("</s>"));
    Ok(GgufVocabulary { bos, eos, unknown, ..vocabulary })
}

/// `SentencePiece { piece = 1; score = 2; type = 3 }`
fn read_piece(contents: &[u8], vocabulary: &mut GgufVocabulary) -> Result<(), String> {
    let index = vocabulary.tokens.len();
    let (mut text, mut score, mut its_kind) = ("", 0.0, kind::NORMAL);
    let mut message = Message(contents);
    while let Some(field) = message.next()? {
        match field {
            (1, Field::Bytes(bytes)) => {
                text = std::str::from_utf8(bytes).map_err(|_| format!("piece {index} is not valid UTF-8"))?;
            }
            (2, Field::Float(number)) => score = f64::from(number),
            (3, Field::Whole(number)) => its_kind = number as f64,
            _ => {}
        }
    }
    vocabulary.tokens.push(text.to_owned());
    vocabulary.scores.push(score);
    vocabulary.kinds.push(its_kind);
    Ok(())
}

/// `NormalizerSpec { precompiled_charsmap = 2; add_dummy_prefix = 3; remove_extra_whitespaces = 4 }`
fn read_normalizer(contents: &[u8], vocabulary: &mut GgufVocabulary) -> Result<(), String> {
    let mut message = Message(contents);
    while let Some(field) = message.next()? {
        match field {
            (2, Field::Bytes(map)) => vocabulary.precompiled_charsmap = map.to_vec(),
            (3, Field::Whole(flag)) => vocabulary.add_space_prefix = Some(flag != 0),
            (4, Field::Whole(flag)) => vocabulary.remove_extra_whitespaces = Some(flag != 0),
            _ => {}
        }
    }
    Ok(())
}

/// What is left of a protobuf message.
struct Message<'a>(&'a [u8]);

/// A field's value; of 64-bit numbers none is needed.
enum Field<'a> {
    Whole(u64),
    Float(f32),
    Bytes(&'a [u8]),
    Skipped,
}

impl<'a> Message<'a> {
    /// The next field's number and value; `None` at the end.
    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.whole()?;
        let value = match key & 7 {
            0 => Field::Whole(self.whole()?),
            1 => {
                self.take(8)?;
                Field::Skipped
            }
            2 => {
                let length = self.whole()?;
                Field::Bytes(self.take(length)?)
            }
            5 => {
                let bytes = self.take(4)?;
                Field::Float(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            }
            other => {
                return Err(format!(
                    "it has a field of wire type {other}, so it is not a SentencePiece model"
                ));
            }
        };
        Ok(Some((key >> 3, value)))
    }

    /// A variable-length number: seven bits a byte, the lowest first.
    fn whole(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("it has a number of more than 64 bits, so it is not a SentencePiece model".to_owned())
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], String> {
        let taken = usize::try_from(length).ok().and_then(|length| self.0.split_at_checked(length));
        let left = self.0.len();
        let (taken, rest) =
            taken.ok_or_else(|| format!("a field of {length} bytes goes beyond the {left} that are left"))?;
        self.0 = rest;
        Ok(taken)
    }
}
