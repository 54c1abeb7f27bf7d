//! The grammar stage: masks against brute force over a small vocabulary.

use std::collections::BTreeMap;

use logitscope::tokenizer::Tokenizer;
use logitscope::tokenizer::grammar::{Grammar, GrammarError, GrammarLanguage, check};
use logitscope::tokenizer::guided::AnswerGrammar;
use serde_json::json;

/// A byte-level tokenizer of these tokens; the last one is special.
fn tokenizer(words: &[&str]) -> Tokenizer {
    let spell = |word: &str| word.replace(' ', "Ġ").replace('\n', "Ċ").replace('é', "Ã©");
    let vocabulary: BTreeMap<String, usize> = words.iter().map(|word| spell(word)).zip(0..).collect();
    let last = words.len() - 1;
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
        "added_tokens": [{"id": last, "content": words[last], "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []}
    });
    Tokenizer::from_json(file.to_string().as_bytes(), None).expect("a good tokenizer")
}

const WORDS: [&str; 13] = ["a", "b", "c", "d", "ab", "bd", "abc", "abd", "cc", " ", "é", "a b", "<end>"];
const EOS: u32 = 12;

/// Grammars and all their texts up to some length.
fn languages() -> Vec<(&'static str, Vec<String>)> {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let words = |count: usize| {
        // All texts of "a", "b" and "cc" with a space between.
        let mut all: Vec<String> = owned(&["a", "b", "cc"]);
        let mut last = all.clone();
        for _ in 1..count {
            last =
                last.iter().flat_map(|text| ["a", "b", "cc"].map(|word| format!("{text} {word}"))).collect();
            all.extend(last.clone());
        }
        all
    };
    vec![
        // A lexer that takes the longest match would lose `abd`.
        ("root ::= \"ab\" \"c\" | \"a\" \"bd\"", owned(&["abc", "abd"])),
        ("root ::= [a-b]{2,3} \"é\"?", {
            let pairs: Vec<String> = ["aa", "ab", "ba", "bb"]
                .iter()
                .flat_map(|p| ["", "a", "b"].map(|l| format!("{p}{l}")))
                .collect();
            pairs.iter().flat_map(|pair| ["", "é"].map(|end| format!("{pair}{end}"))).collect()
        }),
        ("root ::= word (\" \" word){0,4}\nword ::= \"a\" | \"b\" | \"c\" \"c\"", words(5)),
        ("root ::= root \"a\" | \"b\"", (0..12).map(|n| format!("b{}", "a".repeat(n))).collect()),
        ("root ::= \"c\" root \"d\" | \"\"", (0..12).map(|n| "c".repeat(n) + &"d".repeat(n)).collect()),
        (
            "root ::= [^a-z] .",
            owned(&[" a", " b", " c", " d", "  ", " é", "éa", "éb", "éc", "éd", "é ", "éé"]),
        ),
    ]
}

#[test]
fn a_mask_is_what_brute_force_over_the_vocabulary_finds() {
    let tokenizer = tokenizer(&WORDS);
    let mut places = 0;
    for (rules, texts) in languages() {
        let new =
            || Grammar::new(GrammarLanguage::Gbnf, rules, &tokenizer, WORDS.len(), &[EOS]).expect("good");
        let mut going = new();
        let mut open: Vec<Vec<u32>> = vec![vec![]];
        for _ in 0..4 {
            let mut next = Vec::new();
            for tokens in open {
                let text: String = tokens.iter().map(|&id| WORDS[id as usize]).collect();
                let expected: Vec<bool> = WORDS
                    .iter()
                    .zip(0..)
                    .map(|(word, id)| match id {
                        EOS => texts.contains(&text),
                        _ => texts.iter().any(|whole| whole.starts_with(&format!("{text}{word}"))),
                    })
                    .collect();
                assert_eq!(
                    going.allowed(&tokens).expect("it can be told"),
                    expected,
                    "{rules:?} after {text:?}"
                );
                assert_eq!(new().allowed(&tokens).expect("it can be told"), expected, "from the beginning");
                let complete = expected[..EOS as usize].iter().all(|allowed| !allowed);
                assert_eq!(going.is_complete(&tokens), Ok(complete), "{rules:?} after {text:?}");
                places += 1;
                for id in (0..EOS).filter(|&id| expected[id as usize]) {
                    next.push([tokens.as_slice(), &[id]].concat());
                }
            }
            open = next;
        }
    }
    assert!(places > 100, "{places}");
}

/// Whether a text is one of a grammar's, and each of its beginnings the beginning of one.
fn takes(language: GrammarLanguage, grammar: &str, text: &str) -> bool {
    let words: Vec<String> = (32..127u8).map(|byte| char::from(byte).to_string()).collect();
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.push("<end>");
    let eos = words.len() as u32 - 1;
    let made = Grammar::new(language, grammar, &tokenizer(&words), words.len(), &[eos]);
    let mut made = made.unwrap_or_else(|error| panic!("{grammar}: {error}"));
    let ids: Vec<u32> = text.bytes().map(|byte| u32::from(byte) - 32).collect();
    made.allowed(&ids).is_ok_and(|allowed| allowed[eos as usize])
}

/// Repetitions as llama.cpp's parser rewrites them: of at most none of a thing nothing is left.
#[test]
fn repetitions_are_llama_cpps() {
    let takes = |rules: &str, text: &str| takes(GrammarLanguage::Gbnf, rules, text);
    for item in ["\"a\"", "[ab]", ".", "(\"a\" | \"b\")", "one"] {
        for (repetition, least, most) in [
            ("{0}", 0, 0),
            ("{0,0}", 0, 0),
            ("{ 0 , 0 }", 0, 0),
            ("{00}", 0, 0),
            ("{0,}", 0, 9),
            ("{0,2}", 0, 2),
            ("{1}", 1, 1),
            ("{2,}", 2, 9),
            ("{1,3}", 1, 3),
            ("*", 0, 9),
        ] {
            let rules = format!("root ::= \"x\" {item}{repetition} \"y\"\none ::= \"a\"");
            for count in 0..6 {
                let text = format!("x{}y", "a".repeat(count));
                assert_eq!(takes(&rules, &text), (least..=most).contains(&count), "{rules:?} and {text}");
            }
        }
    }
    assert!(takes("root ::= \"a\"{0}", "") && !takes("root ::= \"a\"{0}", "a"));
    assert!(takes("root ::= (\"a\"{0} \"b\"{0}){3} \"c\"", "c"));
    assert!(takes("root ::= (\"a\" | \"b\"{0})* \"c\"", "aac"), "nothing may be repeated inside of a group");
    for (rules, complaint) in [
        ("root ::= \"a\"{,3}", "is not a number of repetitions"),
        ("root ::= \"a\"{,}", "is not a number of repetitions"),
        ("root ::= \"a\"{}", "is not a number of repetitions"),
        ("root ::= \"a\"{+2}", "is not a number of repetitions"),
        ("root ::= \"a\"{-1}", "is not a number of repetitions"),
        ("root ::= \"a\"{1,2,3}", "is not a number of repetitions"),
        ("root ::= \"a\"{0}*", "there is nothing before `*` that could be repeated"),
        ("root ::= \"\"{2}", "there is nothing before `{` that could be repeated"),
        ("root ::= b{0}", "there is no rule `b`"),
        ("root ::= \"a\"{1,0}", "goes backwards"),
    ] {
        let error = check(GrammarLanguage::Gbnf, rules).expect_err(rules).to_string();
        assert!(error.contains(complaint), "{rules}: {error}");
    }
}

/// By the definition of whole numbers, up to where doubles hold them all; beyond, a schema is refused.
#[test]
fn whole_numbers_of_a_schema_are_held_exactly_or_refused() {
    let takes = |schema: &str, text: &str| takes(GrammarLanguage::JsonSchema, schema, text);
    let most: i64 = 9_007_199_254_740_991;
    for sign in [1, -1] {
        for edge in [0, 1, 4_503_599_627_370_497, most - 1, most].map(|edge| sign * edge) {
            for number in (edge - 2)..=(edge + 2) {
                let constant = format!("{{\"const\": {edge}}}");
                assert_eq!(takes(&constant, &number.to_string()), number == edge, "{constant}: {number}");
                let list = format!("{{\"enum\": [{edge}, \"x\"]}}");
                assert_eq!(takes(&list, &number.to_string()), number == edge, "{list}: {number}");
                for (keyword, holds) in [
                    ("minimum", number >= edge),
                    ("maximum", number <= edge),
                    ("exclusiveMinimum", number > edge),
                    ("exclusiveMaximum", number < edge),
                ] {
                    let schema = format!("{{\"type\": \"integer\", \"{keyword}\": {edge}}}");
                    assert_eq!(takes(&schema, &number.to_string()), holds, "{schema}: {number}");
                }
            }
        }
    }
    // Without a bound a number may have any digits.
    assert!(takes("{\"type\": \"integer\"}", "9007199254740993"));
    assert!(takes("{\"type\": \"integer\", \"minimum\": 3}", "184467440737095516170"));
    for number in
        ["9007199254740993", "-9007199254740993", "9223372036854775807", "18446744073709551616", "1e300"]
    {
        for schema in [
            format!("{{\"const\": {number}}}"),
            format!("{{\"enum\": [1, {number}]}}"),
            format!("{{\"type\": \"integer\", \"minimum\": {number}}}"),
            format!(
                "{{\"properties\": {{\"a\": {{\"type\": \"integer\", \"exclusiveMaximum\": {number}}}}}}}"
            ),
            format!("{{\"type\": \"array\", \"items\": {{\"const\": {{\"id\": [{number}]}}}}}}"),
        ] {
            let error = check(GrammarLanguage::JsonSchema, &schema).expect_err(&schema);
            assert!(matches!(error, GrammarError::Rounded { .. }), "{schema}: {error}");
            let message = error.to_string();
            assert!(
                message.contains(&format!("has the number {number}, which would be rounded")),
                "{message}"
            );
        }
    }
    let long = format!("{{\"const\": {}}}", "7".repeat(5000));
    let error = check(GrammarLanguage::JsonSchema, &long).expect_err("too long").to_string();
    assert!(error.len() < 400 && error.contains("777…"), "{error}");
}

#[test]
fn a_byte_order_mark_before_a_grammar_is_no_part_of_it() {
    assert!(takes(GrammarLanguage::Gbnf, "\u{feff}root ::= \"a\"", "a"));
    assert!(takes(GrammarLanguage::JsonSchema, "\u{feff}{\"const\": 12}", "12"));
    assert_eq!(check(GrammarLanguage::Gbnf, "\u{feff} \n"), Err(GrammarError::Empty));
    assert!(check(GrammarLanguage::Gbnf, "\u{feff}\u{feff}root ::= \"a\"").is_err(), "one is enough");
}

#[test]
fn a_token_against_the_grammar_is_told_with_its_place() {
    let tokenizer = tokenizer(&WORDS);
    let new = |rules, eos: &[u32]| Grammar::new(GrammarLanguage::Gbnf, rules, &tokenizer, WORDS.len(), eos);
    let mut grammar = new("root ::= \"abc\"", &[EOS]).expect("good");
    assert_eq!(grammar.allowed(&[0, 3]), Err(GrammarError::Outside { token: 3, place: 2 }));
    assert!(grammar.allowed(&[0]).is_ok_and(|allowed| allowed[1]), "it goes on from the tokens before");
    // A token that ends the text may do so where the grammar ends, and is no text elsewhere.
    let mut grammar = new("root ::= \"abc\"", &[1]).expect("good");
    assert!(grammar.allowed(&[0]).is_err(), "only b can follow, and that would end the text");
    let mut grammar = new("root ::= \"ax\"", &[EOS]).expect("good for other tokens");
    assert!(matches!(grammar.allowed(&[0]), Err(GrammarError::Stuck { place: 1, .. })));
}

#[test]
fn bad_grammars_are_refused_with_one_clear_line() {
    let cases = [
        (GrammarLanguage::Gbnf, "  \n", "the grammar is empty"),
        (GrammarLanguage::Gbnf, "start ::= \"a\"", "line 1: there is no rule `root`"),
        (GrammarLanguage::Gbnf, "root ::= a\n\na ::= b", "line 3: there is no rule `b`"),
        (GrammarLanguage::Gbnf, "root ::= \"a\"\nroot ::= \"b\"", "line 2: the rule `root` is there twice"),
        (GrammarLanguage::Gbnf, "root = \"a\"", "`::=` after the name `root` is expected instead of `=`"),
        (GrammarLanguage::Gbnf, "root ::= [z-a]", "goes backwards"),
        (GrammarLanguage::Gbnf, "root ::= \"a\"{3,1}", "`{3,1}` goes backwards"),
        (GrammarLanguage::Gbnf, "root ::= \"a\"{99999}", "is not a number of repetitions up to 10000"),
        (GrammarLanguage::Gbnf, "root ::= \"\\q\"", "a `\\` has no meaning here"),
        (GrammarLanguage::JsonSchema, "{\"type\":", "the JSON schema is not JSON: EOF"),
        (GrammarLanguage::JsonSchema, "{\"type\": \"strange\"}", "the grammar cannot be used: "),
        (GrammarLanguage::Regex, "[a-c", "the grammar cannot be used: unclosed character class"),
    ];
    for (language, text, expected) in cases {
        let message = check(language, text).expect_err(text).to_string();
        assert!(message.contains(expected), "{text:?}: {message}");
        // The place in the text is shown below.
        let mut below = message.lines().skip(1);
        assert!(below.all(|line| line.starts_with("    ")), "{message}");
        assert!(message.lines().count() == 1 || language == GrammarLanguage::Regex, "{message}");
    }
    let deep = format!("root ::= {}\"a\"{}", "(".repeat(5000), ")".repeat(5000));
    assert!(check(GrammarLanguage::Gbnf, &deep).is_err());
    let long = format!("root ::= {}", "\"a\" ".repeat(100_000));
    assert!(matches!(check(GrammarLanguage::Gbnf, &long), Err(GrammarError::TooLong { .. })));
    let nested = "{\"items\":".repeat(200) + "{}" + &"}".repeat(200);
    assert!(check(GrammarLanguage::JsonSchema, &nested).is_err());
}

/// A grammar of answers over these words, of which the last ends the text, behind a prompt; and the ids of words.
fn answers(rules: &str, prompt: &[&str]) -> (AnswerGrammar, impl Fn(&[&str]) -> Vec<u32> + use<>) {
    const WORDS: [&str; 10] = ["a", "b", "<", "\n", "\n\n", "\n\n\n", "<think>", "</think>", " ", "<end>"];
    let id = |word: &&str| WORDS.iter().position(|known| known == word).expect("a word") as u32;
    let ids = move |words: &[&str]| words.iter().map(id).collect::<Vec<u32>>();
    let (tokenizer, eos) = (tokenizer(&WORDS), [WORDS.len() as u32 - 1]);
    let grammar = Grammar::new(GrammarLanguage::Gbnf, rules, &tokenizer, WORDS.len(), &eos).expect("good");
    (AnswerGrammar::new(grammar, &tokenizer, WORDS.len(), &eos, &ids(prompt)).expect("good"), ids)
}

/// What may follow some words.
fn follows(rules: &str, prompt: &[&str], written: &[&str]) -> Vec<u32> {
    let (mut grammar, ids) = answers(rules, prompt);
    let allowed = grammar.allowed(&ids(written)).expect("it can be told");
    allowed.iter().zip(0..).filter(|(allowed, _)| **allowed).map(|(_, id)| id).collect()
}

#[test]
fn a_grammar_can_wait_until_the_model_has_thought() {
    let rules = "root ::= \"ab\"";
    let (_, ids) = answers(rules, &[]);
    let all_but_end = ids(&["a", "b", "<", "\n", "\n\n", "\n\n\n", "<think>", "</think>", " "]);
    // The prompt opened thinking: free until it is closed, and not to be ended.
    assert_eq!(follows(rules, &["<think>", "\n"], &[]), all_but_end);
    assert_eq!(follows(rules, &["<think>", "\n"], &["b", "b", "<think>"]), all_but_end);
    // Then the answer, behind two line ends at most.
    let closed = ["b", "</think>"];
    assert_eq!(follows(rules, &["<think>"], &closed), ids(&["a", "\n", "\n\n"]));
    assert_eq!(follows(rules, &["<think>"], &[&closed[..], &["\n"]].concat()), ids(&["a", "\n"]));
    assert_eq!(follows(rules, &["<think>"], &[&closed[..], &["\n\n"]].concat()), ids(&["a"]));
    assert_eq!(follows(rules, &["<think>"], &[&closed[..], &["\n\n", "a"]].concat()), ids(&["b"]));
    assert_eq!(follows(rules, &["<think>"], &[&closed[..], &["a", "b"]].concat()), ids(&["<end>"]));
    // The model may open it itself, at its beginning alone.
    assert_eq!(follows(rules, &["a"], &[]), ids(&["a", "<think>"]));
    assert_eq!(follows(rules, &["a"], &["<think>"]), all_but_end);
    assert_eq!(follows(rules, &["a"], &["a"]), ids(&["b"]));
    assert_eq!(follows(rules, &["a"], &["<think>", "</think>"]), ids(&["a", "\n", "\n\n"]));
    // The template wrote empty thinking: the answer begins at once.
    assert_eq!(follows(rules, &["<think>", "\n\n", "</think>", "\n\n"], &[]), ids(&["a"]));
    // A grammar of an answer that may begin with line ends has a say in them itself.
    let blanks = "root ::= \"\\n\"{3} \"a\"";
    assert_eq!(follows(blanks, &["<think>"], &closed), ids(&["\n", "\n\n", "\n\n\n"]));
    assert_eq!(follows(blanks, &["<think>"], &[&closed[..], &["\n\n"]].concat()), ids(&["\n"]));
    // An answer that begins as a marker does is an answer.
    assert_eq!(follows("root ::= \"<a\"", &["a"], &["<"]), ids(&["a"]));
}

#[test]
fn a_grammar_that_waited_is_told_by_the_places_of_the_whole_text() {
    let (mut grammar, ids) = answers("root ::= \"ab\"", &["<think>"]);
    assert_eq!(grammar.is_complete(&ids(&["b"])), Ok(false));
    assert_eq!(grammar.is_complete(&ids(&["b", "</think>", "\n", "a"])), Ok(false));
    assert_eq!(grammar.is_complete(&ids(&["b", "</think>", "\n", "a", "b"])), Ok(true));
    let outside = grammar.allowed(&ids(&["b", "</think>", "\n", "a", "a"])).err();
    assert_eq!(outside, Some(GrammarError::Outside { token: ids(&["a"])[0], place: 5 }));
}
