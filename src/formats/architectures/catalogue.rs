//! The families by the names that people know: what can be opened, and what cannot, with what is missing for it.
//!
//! `docs/families.md`, `inspect` and every refusal are made of these two tables.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// What a file is that belongs to models and is no language model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Other {
    /// A change to another model's weights (LoRA).
    Adapter,
    /// The part that reads images or sound for a model (`mmproj`).
    ImagePart,
    /// A model that makes vectors of texts, or reads them in both directions.
    Embedding,
    /// A model with an encoder.
    Encoder,
    /// A model that makes images or video.
    ImageMaker,
    /// Measurements for quantising a model.
    Measurements,
}

impl Other {
    /// What a GGUF file says that it is by its `general.type`, where that is no language model.
    pub fn of_gguf_type(kind: &str) -> Option<Self> {
        match kind {
            "adapter" => Some(Self::Adapter),
            "mmproj" => Some(Self::ImagePart),
            "imatrix" => Some(Self::Measurements),
            _ => None,
        }
    }

    /// So many of them, in words.
    pub fn counted(self, count: usize) -> String {
        let (one, several) = match self {
            Self::Adapter => ("adapter (LoRA)", "adapters (LoRA)"),
            Self::ImagePart => ("image or sound part (mmproj)", "image or sound parts (mmproj)"),
            Self::Embedding => ("embedding model", "embedding models"),
            Self::Encoder => ("model with an encoder", "models with an encoder"),
            Self::ImageMaker => ("model that makes images", "models that make images"),
            Self::Measurements => ("file of measurements (imatrix)", "files of measurements (imatrix)"),
        };
        format!("{count} {}", if count == 1 { one } else { several })
    }
}

/// Models that can be opened.
pub struct Known {
    /// What people call them.
    pub name: &'static str,
    /// The `model_type`s of their folders.
    pub folders: &'static [&'static str],
    /// The `general.architecture`s of their GGUF files.
    pub gguf: &'static [&'static str],
    /// What there is to know besides; empty where nothing is.
    pub remark: &'static str,
}

/// Models that cannot be opened, which people have on their disks.
pub struct Lacking {
    /// What people call them.
    pub name: &'static str,
    /// The `model_type`s of their folders and the `general.architecture`s of their GGUF files.
    pub kinds: &'static [&'static str],
    /// What this program lacks for them, or what they lack.
    pub lacks: &'static str,
    /// What they are, where they are no language models.
    pub other: Option<Other>,
}

const fn known(
    name: &'static str,
    folders: &'static [&'static str],
    gguf: &'static [&'static str],
    remark: &'static str,
) -> Known {
    Known { name, folders, gguf, remark }
}

const fn lacking(name: &'static str, kinds: &'static [&'static str], lacks: &'static str) -> Lacking {
    Lacking { name, kinds, lacks, other: None }
}

const fn no_language_model(
    other: Other,
    name: &'static str,
    kinds: &'static [&'static str],
    lacks: &'static str,
) -> Lacking {
    Lacking { name, kinds, lacks, other: Some(other) }
}

const EXPERTS: &str = "with experts";
const TEXT_ALONE: &str = "the decoder inside, with text alone";

/// Every family that can be opened, by name.
pub const KNOWN: &[Known] = &[
    known("AFM", &["arcee"], &["arcee"], ""),
    known("Apertus", &["apertus"], &["apertus"], ""),
    known("Baichuan 7B", &["baichuan"], &["baichuan"], ""),
    known("BLOOM", &["bloom"], &["bloom"], ""),
    known("Command A with experts", &["cohere2_moe"], &["cohere2moe"], EXPERTS),
    known("Command R and A", &["cohere", "cohere2"], &["command-r", "cohere2"], ""),
    known(
        "DeepSeek V2 Lite and V3",
        &["deepseek_v2", "deepseek_v3"],
        &["deepseek2"],
        "latent attention; with experts; and GigaChat 3, Kanana 2",
    ),
    known("dots.llm1", &["dots1"], &["dots1"], EXPERTS),
    known(
        "ERNIE 4.5",
        &["ernie4_5", "ernie4_5_moe"],
        &["ernie4_5", "ernie4_5-moe"],
        "dense and with experts",
    ),
    known("EXAONE 3", &["exaone"], &["exaone"], ""),
    known("EXAONE 4", &["exaone4"], &["exaone4"], ""),
    known("EXAONE 4.5", &["exaone4_5"], &[], TEXT_ALONE),
    known("Falcon", &["falcon"], &["falcon"], ""),
    known("Falcon-H1", &["falcon_h1"], &["falcon-h1"], "attention and Mamba side by side"),
    known("Gemma 1 and 2", &["gemma", "gemma2"], &["gemma", "gemma2"], ""),
    known("Gemma 3", &["gemma3", "gemma3_text"], &["gemma3"], "images left out"),
    known(
        "Gemma 4",
        &["gemma4", "gemma4_unified", "gemma4_text", "gemma4_unified_text"],
        &["gemma4"],
        "E2B, E4B, 12B, 26B-A4B, 31B; images and sound left out",
    ),
    known("GLM-4", &["glm4"], &["glm4"], ""),
    known("GLM-4-9B", &["glm"], &["chatglm"], ""),
    known("GLM-4.5 and 4.6", &["glm4_moe"], &["glm4moe"], EXPERTS),
    known(
        "GLM-4.7-Flash",
        &["glm4_moe_lite"],
        &[],
        "latent attention; with experts; GGUF files call it deepseek2",
    ),
    known("GLM-4V", &["glm4v", "glm46v"], &[], TEXT_ALONE),
    known("GPT-2", &["gpt2"], &["gpt2"], ""),
    known("GPT-J", &["gptj"], &[], ""),
    known("GPT-Neo", &["gpt_neo"], &[], ""),
    known("GPT-NeoX and Pythia", &["gpt_neox"], &["gptneox"], ""),
    known("gpt-oss", &["gpt_oss"], &["gpt-oss"], EXPERTS),
    known(
        "Granite 3",
        &["granite", "granitemoe", "granitemoeshared"],
        &["granite", "granitemoe"],
        "dense and with experts",
    ),
    known("Granite 4", &["granitemoehybrid"], &["granitehybrid"], "with Mamba layers and without"),
    known("Granite with windows", &["granite_swa"], &["granite_swa"], ""),
    known(
        "Hunyuan",
        &["hunyuan_v1_dense", "hunyuan_v1_moe"],
        &["hunyuan-dense", "hunyuan-moe"],
        "dense and with experts",
    ),
    known("Idefics 3", &["idefics3"], &[], TEXT_ALONE),
    known("InternLM 2 and 3", &["internlm2", "internlm3"], &["internlm2"], ""),
    known("InternVL", &["internvl"], &[], TEXT_ALONE),
    known("K-EXAONE", &["exaone_moe"], &["exaone-moe"], EXPERTS),
    known("Laguna", &["laguna"], &["laguna"], EXPERTS),
    known("LFM2 and LFM2.5", &["lfm2", "lfm2_moe"], &["lfm2", "lfm2moe"], "with short convolutions"),
    known("LFM2-VL", &["lfm2_vl"], &[], TEXT_ALONE),
    known("LFM3", &["lfm3"], &[], "with short convolutions"),
    known("Ling and Ring", &["bailing_moe"], &["bailingmoe", "bailingmoe2"], EXPERTS),
    known("Llama", &["llama"], &["llama"], "and what is built like it: SmolLM2, TinyLlama, Yi, MiniCPM5"),
    known("Llama 4", &["llama4", "llama4_text"], &["llama4"], "with experts; images left out"),
    known("LLaVA", &["llava", "llava_next", "llava_onevision"], &[], TEXT_ALONE),
    known("Mamba 2", &["mamba2"], &["mamba2"], "a state alone, without attention"),
    known("Mellum 2", &["mellum"], &["mellum"], EXPERTS),
    known("MiniCPM", &["minicpm"], &["minicpm"], ""),
    known("MiniCPM3", &["minicpm3"], &["minicpm3"], "latent attention"),
    known("MiniMax-M2", &["minimax_m2"], &["minimax-m2"], EXPERTS),
    known("Ministral 3 and Devstral Small 2", &["ministral3"], &["mistral3"], ""),
    known("Mistral", &["mistral"], &[], "GGUF files call it llama"),
    known("Mistral Small 3 and Ministral 3 with images", &["mistral3"], &[], TEXT_ALONE),
    known("Mixtral", &["mixtral"], &[], "with experts; GGUF files call it llama"),
    known("Muse Glimmer", &["muse_glimmer", "muse_glimmer_text"], &["muse-glimmer"], "images left out"),
    known("Nemotron and Minitron", &["nemotron"], &["nemotron"], ""),
    known(
        "Nemotron Nano 2 and 3",
        &["nemotron_h"],
        &["nemotron_h", "nemotron_h_moe"],
        "mostly Mamba layers; with experts and without",
    ),
    known("OLMo", &["olmo", "olmo2", "olmo3"], &["olmo", "olmo2"], ""),
    known("OLMo Hybrid", &["olmo_hybrid"], &[], "mostly delta-rule layers"),
    known("OLMoE", &["olmoe"], &["olmoe"], EXPERTS),
    known("OPT", &["opt"], &[], ""),
    known("Phi 1 and 2", &["phi"], &["phi2"], ""),
    known("Phi-3 and Phi-4", &["phi3"], &["phi3"], ""),
    known("Phi-3.5-MoE", &["phimoe"], &[], EXPERTS),
    known("Qwen 1.5 and 2", &["qwen2", "qwen2_moe"], &["qwen2", "qwen2moe"], "dense and with experts"),
    known("Qwen2-VL and Qwen2.5-VL", &["qwen2_vl", "qwen2_5_vl"], &["qwen2vl"], TEXT_ALONE),
    known("Qwen3", &["qwen3", "qwen3_moe"], &["qwen3", "qwen3moe"], "dense and with experts"),
    known("Qwen3-Next", &["qwen3_next"], &["qwen3next"], "mostly delta-rule layers, with experts"),
    known("Qwen3-VL", &["qwen3_vl", "qwen3_vl_moe"], &["qwen3vl", "qwen3vlmoe"], TEXT_ALONE),
    known(
        "Qwen3.5, 3.6 and 3.8",
        &["qwen3_5", "qwen3_5_moe", "qwen3_5_text", "qwen3_5_moe_text"],
        &["qwen35", "qwen35moe"],
        "mostly delta-rule layers; dense and with experts; images left out",
    ),
    known("Seed-OSS", &["seed_oss"], &["seed_oss"], ""),
    known("SmolLM3", &["smollm3"], &["smollm3"], ""),
    known("SmolVLM", &["smolvlm"], &[], TEXT_ALONE),
    known("StableLM", &["stablelm"], &["stablelm"], ""),
    known("StarCoder2", &["starcoder2"], &["starcoder2"], ""),
    known("Trinity", &["afmoe"], &["afmoe"], EXPERTS),
];

/// What people have that cannot be opened, by name.
pub const LACKING: &[Lacking] = &[
    lacking(
        "BitNet",
        &["bitnet", "bitnet-b1.58"],
        "weights and activations that are rounded as it runs are missing here",
    ),
    lacking(
        "DeepSeek V3.2 and V4",
        &["deepseek_v32", "deepseek_v4", "deepseek32", "deepseek4"],
        "attention that picks its positions by an index is missing here",
    ),
    lacking(
        "Gemma 3n",
        &["gemma3n", "gemma3n_text"],
        "its four streams (AltUp) and low-rank blocks (Laurel) are missing here",
    ),
    lacking("Grok", &["grok-1", "grok"], "its routers and caps are missing here"),
    lacking("Jamba", &["jamba"], "the first kind of Mamba layers is missing here"),
    lacking(
        "Kimi Linear",
        &["kimi_linear", "kimi-linear"],
        "delta-rule layers with a decay for each channel, and latent attention, are missing here",
    ),
    lacking(
        "Ling 3",
        &["bailing_hybrid", "bailingmoe3"],
        "delta-rule layers with a decay for each channel, and latent attention, are missing here",
    ),
    lacking("Mamba 1", &["mamba", "falcon_mamba"], "the first kind of Mamba layers is missing here"),
    lacking("Mistral Small 4", &["mistral4"], "latent attention is missing here"),
    lacking("MPT", &["mpt"], "its names of tensors are not read here"),
    lacking("Nanbeige 4.2", &["nanbeige"], "layers that are computed in several loops are missing here"),
    lacking("PaliGemma", &["paligemma"], "rows that see later ones are missing here"),
    lacking("PLaMo 2", &["plamo2"], "the first kind of Mamba layers is missing here"),
    lacking(
        "RWKV",
        &["rwkv", "rwkv5", "rwkv6", "rwkv7", "rwkv6qwen2", "arwkv7"],
        "its token shift and its kind of state are missing here",
    ),
    lacking("ZAYA1", &["zaya"], "its convolutions in attention are missing here"),
    no_language_model(
        Other::Embedding,
        "a model that reads texts in both directions, such as BERT or an embedding model",
        &[
            "bert",
            "nomic-bert",
            "modern-bert",
            "modernbert",
            "roberta",
            "xlm-roberta",
            "gemma-embedding",
            "jina-bert-v2",
        ],
        "it does not continue a text, so that there are no next tokens to watch",
    ),
    no_language_model(
        Other::Encoder,
        "a model with an encoder, such as T5 or Whisper",
        &["t5", "t5encoder", "umt5", "mt5", "bart", "mbart", "whisper", "marian", "m2m_100", "t5gemma"],
        "only decoders without an encoder can be opened",
    ),
    no_language_model(
        Other::ImagePart,
        "the image or sound part of a model (`mmproj`)",
        &["clip", "clip_vision_model", "siglip", "siglip_vision_model"],
        "it has no decoder; open the file of the language model that it belongs to",
    ),
    no_language_model(
        Other::ImageMaker,
        "a model that makes images or video",
        &["flux", "sd1", "sd3", "sdxl", "wan", "ltxv", "hidream", "qwen_image", "lumina2", "aura"],
        "it is no language model",
    ),
];

/// What is known of a file's or folder's family by what it calls itself.
pub fn find(kind: &str) -> Option<Result<&'static Known, &'static Lacking>> {
    let is_known = |row: &&Known| row.folders.contains(&kind) || row.gguf.contains(&kind);
    let is_lacking = |row: &&Lacking| row.kinds.contains(&kind);
    let known = KNOWN.iter().find(is_known).map(Ok);
    known.or_else(|| LACKING.iter().find(is_lacking).map(Err))
}

/// What a file or folder of this family is, where it is no language model.
pub fn other(kind: &str) -> Option<Other> {
    find(kind)?.err()?.other
}

/// Why a family cannot be opened, in words for people; and what can be instead.
pub fn refusal(kind: &str) -> String {
    format!("{}. This program opens {}", reason(kind), names())
}

/// Why a family cannot be opened, in words for people.
pub fn reason(kind: &str) -> String {
    match find(kind) {
        Some(Err(lacking)) => format!("it is {} (`{kind}`): {}", lacking.name, lacking.lacks),
        // In the other container: of those few that a GGUF file cannot have, or a folder.
        Some(Ok(known)) => format!("it is {} (`{kind}`), which cannot be opened in this form", known.name),
        None => format!("it is of the family `{kind}`, which is not known here"),
    }
}

/// Every family that can be opened.
fn names() -> String {
    KNOWN.iter().map(|row| row.name).collect::<Vec<_>>().join(", ")
}

/// Both tables as Markdown.
pub fn markdown() -> String {
    let names = |names: &[&str]| match names {
        [] => "–".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    };
    let mut text = "| family | folders (`model_type`) | GGUF files (`general.architecture`) | |\n| --- | --- | --- | --- |\n"
        .to_owned();
    for Known { name, folders, gguf, remark } in KNOWN {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {name} | {} | {} | {remark} |", names(folders), names(gguf));
    }
    text.push_str(
        "\nWhat cannot be opened, and why:\n\n| what | calls itself | why not |\n| --- | --- | --- |\n",
    );
    for Lacking { name, kinds, lacks, .. } in LACKING {
        let _ = writeln!(text, "| {name} | {} | {lacks} |", names(kinds));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::gguf::architectures;
    use super::super::{FAMILIES, WRAPPERS};
    use super::*;

    fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn every_family_has_one_row_and_every_row_its_families() {
        let mut opened =
            sorted(FAMILIES.iter().map(|family| family.name).chain(WRAPPERS.iter().map(|w| w.name)));
        opened.dedup();
        assert_eq!(opened, sorted(KNOWN.iter().flat_map(|row| row.folders).copied()));
        assert_eq!(
            sorted(architectures().into_iter()),
            sorted(KNOWN.iter().flat_map(|row| row.gguf).copied())
        );
        let known: Vec<&str> =
            KNOWN.iter().flat_map(|row| row.folders.iter().chain(row.gguf)).copied().collect();
        let lacking = sorted(LACKING.iter().flat_map(|row| row.kinds).copied());
        assert!(lacking.iter().all(|kind| !known.contains(kind)), "what can be opened lacks nothing");
        assert!(lacking.is_sorted_by(|one, next| one < next), "none twice");
    }

    #[test]
    fn the_rows_stand_by_name() {
        assert!(KNOWN.is_sorted_by_key(|row| row.name.to_lowercase()));
        // Things that are no families come last.
        let families = LACKING.iter().filter(|row| row.other.is_none());
        assert!(families.is_sorted_by_key(|row| row.name.to_lowercase()));
    }

    fn text_of(file: &str) -> String {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        std::fs::read_to_string(path).unwrap().replace("\r\n", "\n")
    }

    #[test]
    fn the_readme_names_them_all() {
        let readme = text_of("README.md").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(readme.contains(&format!("These families open: {}.", names())), "README.md: {}", names());
    }

    #[test]
    fn the_page_of_the_families_is_made_of_the_tables() {
        let page = text_of("docs/families.md");
        let tables = markdown();
        assert!(page.ends_with(&tables), "docs/families.md has to end with:\n\n{tables}");
    }
}
