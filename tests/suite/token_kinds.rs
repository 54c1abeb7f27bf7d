//! Ways of splitting a text that GGUF files and tokenizer classes name, against each family's own pattern; see
//! `tests/fixtures/tokenizers/kinds`.

use std::collections::BTreeMap;

use logitscope::tokenizer::gguf::{GgufVocabulary, kind};
use logitscope::tokenizer::merges::MergesFiles;
use logitscope::tokenizer::{AddSpecial, Tokenizer};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Expected {
    tokens: Vec<String>,
    merges: Vec<(String, String)>,
    texts: Vec<String>,
    /// Ids of each text, by kind.
    kinds: BTreeMap<String, Vec<Vec<u32>>>,
    /// `tokenizer.json` without vocabulary and merges, by kind.
    folders: BTreeMap<String, Value>,
}

impl Expected {
    fn read() -> Self {
        serde_json::from_str(include_str!("../fixtures/tokenizers/kinds/kinds.json")).unwrap()
    }

    /// The vocabulary as a converter writes it; its last token is the end of a text.
    fn metadata(&self, pre: &str) -> GgufVocabulary {
        let end = self.tokens.len() - 1;
        let mut kinds = vec![kind::NORMAL; end];
        kinds.push(kind::CONTROL);
        GgufVocabulary {
            model: "gpt2".to_owned(),
            pre: Some(pre.to_owned()),
            tokens: self.tokens.clone(),
            kinds,
            merges: self.merges.iter().map(|(left, right)| format!("{left} {right}")).collect(),
            bos: Some(end as u64),
            ..GgufVocabulary::default()
        }
    }

    /// Fails unless the tokenizer gives each text the kind's ids, and makes of them what was split.
    fn assert_ids(&self, kind: &str, tokenizer: &Tokenizer, composed: bool) {
        for (text, ids) in self.texts.iter().zip(&self.kinds[kind]) {
            assert_eq!(&tokenizer.encode(text, AddSpecial::Never).unwrap(), ids, "{kind}: {text:?}");
            if !composed {
                assert_eq!(&tokenizer.decode(ids), text, "{kind}");
            }
        }
    }
}

#[test]
fn each_kind_gives_the_ids_of_its_families_own_pattern() {
    let expected = Expected::read();
    assert!(expected.kinds.len() >= 50 && expected.texts.len() >= 23);
    for kind in expected.kinds.keys() {
        let tokenizer = Tokenizer::from_gguf(&expected.metadata(kind)).unwrap();
        expected.assert_ids(kind, &tokenizer, kind.starts_with("qwen"));
    }
    // Kinds that are easily taken for one another differ on these texts.
    let similar = [
        ("qwen2", "qwen35"),
        ("qwen2", "bailingmoe2"),
        ("qwen2", "laguna"),
        ("qwen2", "seed-coder"),
        ("pixtral", "llama-bpe"),
        ("pixtral", "gpt-4o"),
        ("kimi-k2", "gpt-4o"),
        ("minicpm5", "lfm2"),
        ("hunyuan-dense", "minicpm5"),
        ("mellum2", "gpt-2"),
        ("exaone", "exaone4"),
        ("glm4", "chatglm-bpe"),
        ("minimax-m2", "kimi-k2"),
        ("exaone-moe", "exaone4"),
        ("cohere2moe", "gpt-4o"),
        ("afmoe", "deepseek-v3"),
        ("spark2_5", "deepseek-v3"),
        ("youtu", "gpt-4o"),
        ("ufakzeka", "hunyuan"),
        ("jais-2", "llama-bpe"),
        ("viking", "poro-chat"),
        ("hunyuan", "qwen2"),
    ];
    for (one, other) in similar {
        assert_ne!(expected.kinds[one], expected.kinds[other], "{one}, {other}");
    }
}

#[test]
fn a_tokenizer_json_with_the_same_pattern_gives_the_same_ids() {
    let expected = Expected::read();
    let ids = expected.tokens.iter().zip(0..).map(|(token, id)| (token.clone(), json!(id)));
    let ids = Value::Object(ids.collect());
    for (kind, folder) in &expected.folders {
        let mut file = folder.clone();
        file["model"]["vocab"] = ids.clone();
        file["model"]["merges"] = json!(expected.merges);
        let tokenizer = Tokenizer::from_json(file.to_string().as_bytes(), None).unwrap();
        expected.assert_ids(kind, &tokenizer, true);
    }
    let families = ["cohere2moe", "exaone-moe", "minimax-m2", "qwen2", "qwen35"];
    assert!(expected.folders.keys().eq(families));
}

#[test]
fn vocab_and_merges_are_split_as_the_class_of_the_family_does() {
    let expected = Expected::read();
    let end = expected.tokens.len() - 1;
    let ids: BTreeMap<&String, usize> = expected.tokens[..end].iter().zip(0..).collect();
    let lines = expected.merges.iter().map(|(left, right)| format!("{left} {right}\n"));
    let (vocabulary, merges) = (json!(ids).to_string(), lines.collect::<String>());
    let added = json!({"<|endoftext|>": end});
    for (stated_class, family_class, kind) in [
        (Some("Qwen2Tokenizer"), Some("Qwen2Tokenizer"), "qwen2"),
        (None, Some("Qwen3_5Tokenizer"), "qwen35"),
        (Some("Qwen3_5Tokenizer"), None, "qwen35"),
        (Some("Qwen2TokenizerFast"), Some("Qwen3_5Tokenizer"), "qwen35"),
    ] {
        let tokenizer = Tokenizer::from_merges(MergesFiles {
            vocabulary: vocabulary.as_bytes(),
            merges: merges.as_bytes(),
            added_tokens: Some(&added),
            config: None,
            stated_class,
            family_class,
        });
        expected.assert_ids(kind, &tokenizer.unwrap(), true);
    }
}

#[test]
fn the_beginning_of_a_text_is_marked_where_the_families_own_tokenizer_marks_it() {
    let expected = Expected::read();
    let first = |metadata: &GgufVocabulary| {
        let tokenizer = Tokenizer::from_gguf(metadata).unwrap();
        let ids = tokenizer.encode("the", AddSpecial::AsFileSays).unwrap();
        ids.first().map(|&id| u64::from(id)) == metadata.bos
    };
    for (kind, marked) in [("lfm2", true), ("falcon-h1", true), ("pixtral", false), ("qwen35", false)] {
        assert_eq!(first(&expected.metadata(kind)), marked, "{kind}");
        // What a file says itself goes before.
        let says = GgufVocabulary { add_bos: Some(!marked), ..expected.metadata(kind) };
        assert_eq!(first(&says), !marked, "{kind}");
    }
}

#[test]
fn what_is_not_certain_about_a_kind_is_told() {
    let expected = Expected::read();
    for kind in ["qwen35", "lfm2", "pixtral", "kimi-k2", "no such kind"] {
        assert!(expected.metadata(kind).oddities().is_empty(), "{kind}");
    }
    for (kind, cause) in [
        ("falcon-h1", "`falcon-h1` (tokenizer.ggml.pre) is split as by other readers of GGUF"),
        ("falcon3", "may part spaces, digits and punctuation otherwise"),
        ("minicpm5", "`minicpm5` (tokenizer.ggml.pre) is read without a normal form"),
        ("laguna", "a text with decomposed ones gets other ids"),
        ("exaone", "`exaone` (tokenizer.ggml.pre) is read without a normal form"),
        ("exaone4", "a text with decomposed ones gets other ids"),
        ("glm4", "`glm4` (tokenizer.ggml.pre) begins no text with [gMASK] and <sop>"),
        ("chatglm-bpe", "write them where you use none"),
    ] {
        let told = expected.metadata(kind).oddities();
        assert!(told.len() == 1 && told[0].contains(cause), "{kind}: {told:?}");
    }
    // Of SentencePiece's model the kind says nothing.
    let other = GgufVocabulary { model: "llama".to_owned(), ..expected.metadata("falcon-h1") };
    assert!(other.oddities().is_empty());
}
