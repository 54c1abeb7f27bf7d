//! How byte-level BPE goes about a text before it merges: the kinds that `tokenizer.ggml.pre` names, each as the
//! `tokenizer.json` of the models behind that name has it.
//!
//! A kind stands here if it is known how its models' own tokenizer splits. Where that is not known to the last
//! character, but all readers of GGUF agree, the kind says what is in doubt; other kinds are refused with the reason.

use serde_json::{Value, json};

use super::error::short;

/// Splits words as GPT-2 does (Radford et al. 2019, `encoder.py`).
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// As GPT-4's `cl100k_base`, with up to three digits together.
const THREE_DIGITS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// The same with each digit alone.
const ONE_DIGIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// As Qwen3.5, where combining marks are part of a word.
const MARKED_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// As GPT-4's with digits in runs of any length; MiniCPM5 takes these apart before.
const DIGIT_RUNS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// As Seed-Coder, where line breaks after punctuation stand alone.
const LONE_BREAKS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+";
/// As GPT-4o's `o200k_base`, which minds large and small letters.
const CASED: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// As Kimi K2's `tiktoken` pattern: GPT-4o's with Chinese characters on their own, and no `/` after punctuation.
const CASED_BESIDE_HAN: &str = r"\p{Han}+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// As Mistral's Tekken: without contractions, each digit alone.
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Letters of scripts with two cases, with a space before, as the first DeepSeek models have them.
const CASED_LETTERS: &str = r"\s?[\x{41}-\x{5A}\x{61}-\x{7A}\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF}\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}]+";
/// The punctuation of the same models.
const WIDE_PUNCTUATION: &str =
    r"\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+";
/// Chinese, and what lies around it, in the same models.
const EAST_ASIAN: &str = r"[\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+";
/// DeepSeek V3's rules, after digits by threes and Chinese and Japanese on their own.
const DEEPSEEK3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;
/// Digits by threes from the last on, where a word ends with them: the newer Cohere models'.
const DIGITS_FROM_LAST: &str = r"\d{1,3}(?=(?:\d{3})*\b)";
/// The same of every run of digits, as Trinity's.
const RUNS_FROM_LAST: &str = r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))";
/// Scripts that Trinity keeps apart: Chinese, Japanese, Thai, Lao, Khmer, Burmese and Korean.
const SCRIPTS_APART: &str = r"[\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{F900}-\x{FAFF}\x{3040}-\x{309F}\x{30A0}-\x{30FF}\x{FF65}-\x{FF9F}\x{2F00}-\x{2FDF}\x{E40}-\x{E7F}\x{E80}-\x{EFF}\x{1780}-\x{17FF}\x{1000}-\x{109F}\x{AA60}-\x{AA7F}\x{A9E0}-\x{A9FF}\x{AC00}-\x{D7AF}\x{1100}-\x{11FF}]+";
/// As K-EXAONE, whose words go on over single spaces.
const WORDS_AND_SPACES: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+";
/// DeepSeek V3's rules with each line break alone, as Spark has them.
const SPARK: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+"##;
/// Korean, wide punctuation, Bopomofo, and Chinese with Japanese, each apart, as Youtu has them.
const SCRIPTS_OF_YOUTU: &str = r"[\x{AC00}-\x{D7A3}\x{3131}-\x{318E}]+|[\x{FF01}\x{2026}\x{201C}\x{201D}\x{2018}\x{2019}\x{2014}\x{FF1A}\x{FF1B}\x{FF0C}\x{3001}-\x{303F}\x{FE30}-\x{FE4F}]+|[\x{3105}-\x{312F}]+|[\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+";
/// As GPT-4o's with each digit alone.
const CASED_ONE_DIGIT: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Each digit alone and no contractions: apostrophes stay with what follows.
const NO_CONTRACTIONS: &str =
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// As GPT-4's, with spaces in runs of powers of two, as Jais 2.
const SPACES_BY_POWERS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}";
/// BLOOM's words: all but spaces and the punctuation of several scripts.
const BLOOM: &str = r" ?[^(\s|.,!?…。，、।۔،)]+";

/// One step of splitting; each goes to work on what the one before left.
enum Step {
    /// Every match of a regular expression becomes a piece of its own, and so does what lies between.
    Pattern(&'static str),
    /// Runs of punctuation become pieces.
    Punctuation,
    /// Runs of digits become pieces; after [`Self::Gpt2Bytes`] that is a question of their bytes' characters.
    Digits,
    /// GPT-2's rule and the change to bytes in one; without it that change is the last step.
    Gpt2Bytes,
}

use Step::{Digits, Gpt2Bytes, Pattern, Punctuation};

/// DeepSeek V3's steps.
const OF_DEEPSEEK3: &[Step] =
    &[Pattern(r"\p{N}{1,3}"), Pattern(r"[\x{4E00}-\x{9FA5}\x{3040}-\x{30FF}]+"), Pattern(DEEPSEEK3)];

/// Doubt about kinds whose models' tokenizer may compose characters before it splits.
const NORMAL_FORM: &str = "is read without a normal form, as by other readers of GGUF: if the model's own tokenizer composes accents first, a text with decomposed ones gets other ids there";
/// Doubt about kinds that all readers of GGUF split as Llama 3.
const AS_LLAMA3: &str = "is split as by other readers of GGUF: the model's own tokenizer may part spaces, digits and punctuation otherwise, and then gives some texts other ids";

/// Doubt about kinds whose models' tokenizer begins each text with two tokens that the metadata does not name.
const NO_BEGINNING: &str = "begins no text with [gMASK] and <sop>, as with other readers of GGUF: the model's own tokenizer puts both first, and so do chat templates; write them where you use none";

/// How one kind goes about a text.
pub(super) struct Splitting {
    steps: &'static [Step],
    /// Normal form, in the words of the `tokenizers` format.
    normal_form: Option<&'static str>,
    /// Whether a piece that is a token as it stands is left whole.
    pub whole_tokens_first: bool,
    /// Whether BOS is added where the file does not say.
    pub adds_bos: bool,
    /// What is not certain about the ids, after the kind's name.
    doubt: Option<&'static str>,
}

impl Splitting {
    /// The splitting that `tokenizer.ggml.pre` names, or why there is none.
    pub(super) fn of_kind(name: &str) -> Result<Self, String> {
        let plain = |steps| Self {
            steps,
            normal_form: None,
            whole_tokens_first: false,
            adds_bos: false,
            doubt: None,
        };
        let composed = |steps| Self { normal_form: Some("NFC"), ..plain(steps) };
        let perhaps_composed = |steps| Self { doubt: Some(NORMAL_FORM), ..plain(steps) };
        let whole = |steps| Self { whole_tokens_first: true, ..plain(steps) };
        Ok(match name {
            "gpt-2" | "phi-2" => plain(&[Pattern(GPT2)]),
            // GPT-NeoX's tokenizer, which MPT took as it is and OLMo with other special tokens.
            "mpt" | "olmo" => composed(&[Pattern(GPT2)]),
            "smollm" | "starcoder" | "refact" | "codeshell" => plain(&[Pattern(r"\p{N}"), Pattern(GPT2)]),
            "command-r" => Self { adds_bos: true, ..composed(&[Pattern(r"\p{N}"), Pattern(GPT2)]) },
            "qwen2" | "deepseek-r1-qwen" => composed(&[Pattern(ONE_DIGIT)]),
            "qwen35" => composed(&[Pattern(MARKED_WORDS)]),
            // LFM2.5's pattern is spelled otherwise and matches alike.
            "llama-bpe" | "llama3" | "llama-v3" | "lfm2" => {
                Self { adds_bos: true, ..whole(&[Pattern(THREE_DIGITS)]) }
            }
            "falcon3" | "falcon-h1" | "midm-2.0" => {
                Self { adds_bos: true, doubt: Some(AS_LLAMA3), ..whole(&[Pattern(THREE_DIGITS)]) }
            }
            "chatglm-bpe" => Self { doubt: Some(NO_BEGINNING), ..plain(&[Pattern(THREE_DIGITS)]) },
            "glm4" | "glm5" => Self { doubt: Some(NO_BEGINNING), ..whole(&[Pattern(THREE_DIGITS)]) },
            "dbrx" | "smaug-bpe" => plain(&[Pattern(THREE_DIGITS)]),
            "gpt-4o" => plain(&[Pattern(CASED)]),
            "kimi-k2" => whole(&[Pattern(CASED_BESIDE_HAN)]),
            "llama4" => Self { adds_bos: true, ..whole(&[Pattern(CASED)]) },
            "tekken" => Self { adds_bos: true, ..whole(&[Pattern(TEKKEN)]) },
            // Tekken's vocabulary where no BOS is added: Nemotron 3 and Pixtral. Both were trained on Tekken's own
            // split; that of Llama 3, which other readers take here, gives marks and some apostrophes other ids.
            "pixtral" => whole(&[Pattern(TEKKEN)]),
            "falcon" => plain(&[Punctuation, Gpt2Bytes, Digits, Pattern("[0-9][0-9][0-9]")]),
            "deepseek-llm" => plain(&[
                Pattern(r"[\r\n]"),
                Pattern(CASED_LETTERS),
                Pattern(WIDE_PUNCTUATION),
                Pattern(r"\s+$"),
                Pattern(EAST_ASIAN),
                Pattern(r"\p{N}"),
            ]),
            "deepseek-coder" => plain(&[
                Pattern(r"[\r\n]"),
                Pattern(r"\s?\p{L}+"),
                Pattern(r"\s?\p{P}+"),
                Pattern(EAST_ASIAN),
                Pattern(r"\p{N}"),
            ]),
            "deepseek-v3" => plain(OF_DEEPSEEK3),
            "hunyuan-dense" | "hy_v4" | "joyai-llm" => perhaps_composed(OF_DEEPSEEK3),
            "spark2_5" => perhaps_composed(&[
                Pattern(r"\p{N}{1,3}"),
                Pattern(r"[\x{4E00}-\x{9FA5}\x{3040}-\x{30FF}]+"),
                Pattern(SPARK),
                Pattern(r"\p{N}"),
            ]),
            "afmoe" => {
                perhaps_composed(&[Pattern(RUNS_FROM_LAST), Pattern(SCRIPTS_APART), Pattern(DEEPSEEK3)])
            }
            "minimax-m2" | "kanana2" | "talkie" => perhaps_composed(&[Pattern(CASED)]),
            "tiny_aya" | "cohere2moe" => perhaps_composed(&[Pattern(DIGITS_FROM_LAST), Pattern(CASED)]),
            "exaone-moe" => perhaps_composed(&[Pattern(WORDS_AND_SPACES)]),
            "youtu" => Self {
                whole_tokens_first: true,
                ..perhaps_composed(&[Pattern(SCRIPTS_OF_YOUTU), Pattern(CASED_ONE_DIGIT)])
            },
            "ufakzeka" => perhaps_composed(&[Pattern(NO_CONTRACTIONS)]),
            "jais-2" => perhaps_composed(&[Pattern(SPACES_BY_POWERS)]),
            "hunyuan" | "stablelm2" | "megrez" | "solar-open" | "grok-2" | "kormo" => {
                perhaps_composed(&[Pattern(ONE_DIGIT)])
            }
            // Ling's pattern is spelled otherwise and matches alike.
            "bailingmoe" | "bailingmoe2" => perhaps_composed(&[Pattern(ONE_DIGIT)]),
            "laguna" => perhaps_composed(&[Pattern(r"[^\n]+|\n+"), Pattern(ONE_DIGIT)]),
            "mellum2" | "exaone" | "minerva-7b" => perhaps_composed(&[Pattern(r"\p{N}"), Pattern(GPT2)]),
            "exaone4" | "trillion" | "granite-docling" | "jais" | "gigachat" | "a.x-4.0" | "mellum" => {
                perhaps_composed(&[Pattern(GPT2)])
            }
            "minicpm5" => Self {
                whole_tokens_first: true,
                ..perhaps_composed(&[Pattern(r"\p{N}{1,3}"), Pattern(DIGIT_RUNS)])
            },
            "seed-coder" => perhaps_composed(&[Pattern(LONE_BREAKS)]),
            "bloom" => plain(&[Pattern(BLOOM)]),
            "poro-chat" | "gpt3-finnish" => perhaps_composed(&[Pattern(BLOOM)]),
            "viking" => perhaps_composed(&[Pattern(BLOOM), Pattern(r"\p{N}")]),
            other => return Err(refusal(other)),
        })
    }

    /// What is not certain about the ids of a kind, in one sentence.
    pub(super) fn doubt_about(name: &str) -> Option<String> {
        let doubt = Self::of_kind(name).ok()?.doubt?;
        Some(format!("its kind `{name}` (tokenizer.ggml.pre) {doubt}"))
    }

    /// The normaliser, as `tokenizer.json` has it.
    pub(super) fn normalizer(&self) -> Value {
        self.normal_form.map_or(Value::Null, |form| json!({"type": form}))
    }

    /// The splitting as `tokenizer.json` has it; `leading_space` puts a space before a text that has none.
    pub(super) fn pre_tokenizer(&self, leading_space: bool) -> Value {
        let bytes = |use_regex: bool| {
            json!({
                "type": "ByteLevel", "add_prefix_space": leading_space, "trim_offsets": true,
                "use_regex": use_regex,
            })
        };
        // There the space comes before splitting.
        if let [Pattern(GPT2)] = self.steps {
            return bytes(true);
        }
        let mut steps: Vec<Value> = self.steps.iter().map(|step| match step {
            Pattern(regex) => {
                json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false})
            }
            Punctuation => json!({"type": "Punctuation", "behavior": "Contiguous"}),
            Digits => json!({"type": "Digits", "individual_digits": false}),
            Gpt2Bytes => bytes(true),
        }).collect();
        if !self.steps.iter().any(|step| matches!(step, Gpt2Bytes)) {
            steps.push(bytes(false));
        }
        json!({"type": "Sequence", "pretokenizers": steps})
    }
}

/// Why a kind is not read.
fn refusal(name: &str) -> String {
    match name {
        "default" => "the file does not say how a text is split (tokenizer.ggml.pre)".to_owned(),
        // Between digits, where nothing is; and of two whose tokens are no bytes.
        "superbpe" | "chameleon" | "sarvam-moe" | "whitespace" => {
            format!(
                "its kind `{name}` (tokenizer.ggml.pre) splits a text by rules that cannot be followed here"
            )
        }
        other => {
            let other = short(other);
            format!("how its kind `{other}` splits a text (tokenizer.ggml.pre) is not known")
        }
    }
}
