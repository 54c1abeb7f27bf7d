//! Which class of tokenizer a family has, in transformers' names, where all its models have the same.
//!
//! A folder without `tokenizer.json` may leave it at that. Families whose models share a class but split texts
//! differently (Llama's, StarCoder2's, Granite's `GPT2Tokenizer`) are left out: for them only `tokenizer.json` tells.

/// The class of a `model_type`; `None` where that does not say it.
pub fn tokenizer_class(model_type: &str) -> Option<&'static str> {
    match model_type {
        "gpt2" | "gpt_neo" | "gptj" | "opt" | "phi" => Some("GPT2Tokenizer"),
        "qwen2" | "qwen2_moe" | "qwen3" | "qwen3_moe" => Some("Qwen2Tokenizer"),
        "qwen2_vl" | "qwen2_5_vl" | "qwen3_vl" | "qwen3_vl_moe" => Some("Qwen2Tokenizer"),
        "qwen3_5" | "qwen3_5_moe" => Some("Qwen3_5Tokenizer"),
        _ => None,
    }
}
