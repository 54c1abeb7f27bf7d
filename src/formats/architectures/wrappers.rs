//! Models for images and text with a decoder inside: which part of `config.json` describes it, and where their files
//! put its tensors. Only the decoder is opened.
//!
//! Defaults are those of Hugging Face transformers 5.23.

use super::family::Family;
use super::refused::refuse_active;
use super::{exaone4, gemma4, glm4, llama4, muse_glimmer, qwen2, qwen3, qwen3_5, qwen3_5_moe, qwen3_moe};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;

/// A model that has other parts besides its decoder.
pub(super) struct Wrapper {
    /// Its `model_type`.
    pub name: &'static str,
    /// The decoder inside.
    inside: Inside,
    /// What its files write before the names of the decoder's tensors.
    prefixes: &'static [&'static str],
    /// What the names of the other parts' tensors begin with.
    other_parts: &'static [&'static str],
    /// Whether the head is the embedding table where neither a field nor a tensor tells.
    is_tied: bool,
}

/// Which decoders can be inside.
enum Inside {
    /// One, whose part of `config.json` has one of these names.
    Own(Family, &'static [&'static str]),
    /// As [`Self::Own`]; older files have its fields among those of the whole.
    OwnOrFlat(Family, &'static [&'static str]),
    /// Any that can be opened by itself; this one where the part does not name it.
    Any(&'static str),
}

/// Every one that can be opened.
pub(super) const WRAPPERS: &[Wrapper] = &[
    Wrapper {
        name: "exaone4_5",
        inside: Inside::Own(exaone4::FAMILY, &["exaone4", "exaone4_5_text"]),
        ..LIKE_QWEN
    },
    Wrapper { name: "glm4v", inside: Inside::Own(glm4::INSIDE, &["glm4v_text"]), ..LIKE_QWEN },
    Wrapper { name: "glm46v", inside: Inside::Own(glm4::INSIDE, &["glm4v_text"]), ..LIKE_QWEN },
    Wrapper { name: "idefics3", ..LIKE_IDEFICS },
    Wrapper { name: "internvl", inside: Inside::Any("qwen2"), is_tied: true, ..LIKE_LLAVA },
    Wrapper {
        name: "llama4",
        inside: Inside::Own(llama4::FAMILY, &["llama4_text"]),
        other_parts: llama4::OTHER_PARTS,
        ..LIKE_LLAVA
    },
    Wrapper { name: "llava", ..LIKE_LLAVA },
    Wrapper { name: "llava_next", ..LIKE_LLAVA },
    Wrapper { name: "llava_onevision", inside: Inside::Any("qwen2"), ..LIKE_LLAVA },
    Wrapper { name: "gemma4", inside: Inside::Own(gemma4::FAMILY, &["gemma4_text", "gemma4"]), ..LIKE_GEMMA },
    Wrapper {
        name: "gemma4_unified",
        inside: Inside::Own(gemma4::UNIFIED, &["gemma4_unified_text", "gemma4_unified"]),
        ..LIKE_GEMMA
    },
    Wrapper { name: "lfm2_vl", inside: Inside::Any("lfm2"), is_tied: true, ..LIKE_LLAVA },
    Wrapper { name: "mistral3", inside: Inside::Any("mistral"), is_tied: true, ..LIKE_LLAVA },
    Wrapper { name: "smolvlm", ..LIKE_IDEFICS },
    Wrapper {
        name: "muse_glimmer",
        inside: Inside::Own(muse_glimmer::FAMILY, &["muse_glimmer_text", "muse_glimmer"]),
        prefixes: &["model.language_model."],
        other_parts: muse_glimmer::OTHER_PARTS,
        is_tied: false,
    },
    Wrapper {
        name: "qwen2_vl",
        inside: Inside::OwnOrFlat(qwen2::INSIDE, &["qwen2_vl_text", "qwen2_vl"]),
        ..LIKE_QWEN
    },
    Wrapper {
        name: "qwen2_5_vl",
        inside: Inside::OwnOrFlat(qwen2::INSIDE, &["qwen2_5_vl_text", "qwen2_5_vl"]),
        ..LIKE_QWEN
    },
    Wrapper {
        name: "qwen3_vl",
        inside: Inside::Own(qwen3::INSIDE, &["qwen3_vl_text", "qwen3_vl"]),
        ..LIKE_QWEN
    },
    Wrapper {
        name: "qwen3_vl_moe",
        inside: Inside::Own(qwen3_moe::INSIDE, &["qwen3_vl_moe_text", "qwen3_vl_moe"]),
        ..LIKE_QWEN
    },
    Wrapper {
        name: "qwen3_5",
        inside: Inside::Own(qwen3_5::FAMILY, &["qwen3_5_text", "qwen3_5"]),
        ..LIKE_QWEN
    },
    Wrapper {
        name: "qwen3_5_moe",
        inside: Inside::Own(qwen3_5_moe::FAMILY, &["qwen3_5_moe_text", "qwen3_5_moe"]),
        ..LIKE_QWEN
    },
];

/// What LLaVA's files write before the names of the decoder's tensors: first as published, then as newer transformers do.
pub(super) const LLAVA_PREFIXES: &[&str] = &["language_model.model.", "model.language_model."];

/// What the names of the other parts' tensors begin with in such files.
pub(super) const LLAVA_OTHER_PARTS: &[&str] = &[
    "vision_tower.",
    "multi_modal_projector.",
    "image_newline",
    "model.vision_tower.",
    "model.multi_modal_projector.",
    "model.image_newline",
];

/// Names as LLaVA has them.
const LIKE_LLAVA: Wrapper = Wrapper {
    name: "",
    inside: Inside::Any("llama"),
    prefixes: LLAVA_PREFIXES,
    other_parts: LLAVA_OTHER_PARTS,
    is_tied: false,
};

/// Names as Idefics has them.
const LIKE_IDEFICS: Wrapper = Wrapper {
    prefixes: &["model.text_model."],
    other_parts: &["model.vision_model.", "model.connector."],
    ..LIKE_LLAVA
};

/// Names as Gemma 4 has them.
const LIKE_GEMMA: Wrapper = Wrapper {
    prefixes: &["model.language_model."],
    other_parts: gemma4::OTHER_PARTS,
    is_tied: true,
    ..LIKE_LLAVA
};

/// Names as Qwen's models have them: new, then as first published.
const LIKE_QWEN: Wrapper = Wrapper {
    prefixes: &["model.language_model.", "model."],
    other_parts: &["model.visual.", "visual."],
    ..LIKE_LLAVA
};

const PART: &str = "text_config";
const TIED: &str = "tie_word_embeddings";

impl Wrapper {
    /// The decoder inside: its family, with the names that these files have, and the fields that describe it.
    pub(super) fn decoder<'a>(
        &self,
        whole: &Fields<'a>,
        families: &[Family],
    ) -> Result<(Family, Fields<'a>), FormatError> {
        let part = whole.optional_object(PART)?;
        let (part, is_whole) = match (part, &self.inside) {
            (Some(part), _) => (part, false),
            (None, Inside::OwnOrFlat(..)) => (whole.or_sizes(&[]), true),
            (None, _) => return Err(whole.error(PART, "it has to describe the decoder")),
        };
        let named = part.optional_text("model_type")?.filter(|_| !is_whole);
        let inner = match &self.inside {
            Inside::Own(family, names) | Inside::OwnOrFlat(family, names) => {
                let is_known = named.is_none_or(|named| names.contains(&named));
                is_known.then_some(*family)
            }
            Inside::Any(usual) => {
                let named = named.unwrap_or(usual);
                let is_inner = |family: &&Family| family.name == named && family.part.is_none();
                families.iter().find(is_inner).copied()
            }
        };
        if !is_whole {
            refuse_active(whole)?;
        }
        let Some(inner) = inner else {
            let reason = format!("no decoder of this kind can be opened inside a {} model", self.name);
            return Err(part.error("model_type", reason));
        };
        let family = Family {
            name: self.name,
            prefixes: self.prefixes,
            head_prefixes: &["", "language_model."],
            other_parts: self.other_parts,
            ..inner
        };
        Ok((family, part))
    }

    /// Whether the head is the embedding table. `None` leaves it to whether the head is stored.
    ///
    /// The field has its place in the whole; older files have it in the part.
    pub(super) fn ties(&self, whole: &Fields, part: &Fields) -> Result<Option<bool>, FormatError> {
        let (outer, inner) = (whole.optional_flag(TIED)?, part.optional_flag(TIED)?);
        Ok(match (outer, inner) {
            (Some(true), _) => Some(true),
            (_, Some(true)) => None,
            (None, _) if self.is_tied => None,
            _ => Some(false),
        })
    }
}
