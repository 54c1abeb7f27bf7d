//! GGUF files: every format of elements, the way to a decoder, and files that are broken.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use logitscope::formats::{self, gguf, safetensors::Element};
use logitscope::model::batch::RowOutput;
use logitscope::model::weight_format::BlockFormat;
use logitscope::model::{Batch, CacheFormat, LanguageModel, WeightFormat};
use logitscope::reference::Reference;
use logitscope::session::{LoadRequest, ModelCard, ModelSource, Opened, WeightsChoice};
use logitscope::tokenizer::AddSpecial;

use super::support::{EXACT, Numbers, device, fixture, logits_tolerance, program};

fn tiny() -> PathBuf {
    fixture("gguf/tiny.gguf")
}

/// The files that have every format between them.
fn files() -> [PathBuf; 3] {
    [tiny(), fixture("gguf/grids.gguf"), few_bits()]
}

/// One of the files, with factors on some matrices.
fn few_bits() -> PathBuf {
    fixture("gguf/few_bits.gguf")
}

fn reference(file: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(file.with_extension("json")).unwrap()).unwrap()
}

/// FNV-1a, as the fixture's script has it.
pub fn hash(values: &[f32]) -> String {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[test]
fn every_format_means_what_gguf_py_says_bit_for_bit() {
    let mut formats = Vec::new();
    for file in files() {
        let contents = fs::read(&file).unwrap();
        let (_, tensors) = gguf::read_header("file", &contents).unwrap();
        for tensor in &tensors {
            let Element::Weight(format) = tensor.element else {
                panic!("{} cannot be computed with", tensor.name)
            };
            let values = format.decode(&contents[tensor.bytes.clone()]);
            let expected = &reference(&file)["hashes"][&tensor.name];
            assert_eq!(hash(&values), expected.as_str().unwrap(), "{} in {}", tensor.name, format.name());
            formats.push(format);
        }
    }
    // Groups come from folders.
    let is_missing =
        |format: &WeightFormat| !formats.contains(format) && !matches!(format, WeightFormat::Groups(_));
    let missing: Vec<_> = WeightFormat::ALL.into_iter().filter(is_missing).collect();
    assert_eq!(missing, [WeightFormat::Blocks(BlockFormat::Nvfp4Scaled)], "whose factors are apart");
}

#[test]
fn factors_on_whole_matrices_of_nvfp4_join_its_blocks() {
    let file = formats::open(&few_bits()).unwrap();
    for (stored, name) in [
        ("blk.0.attn_v.weight", "layers.0.attention.value.weight"),
        ("blk.0.attn_output.weight", "layers.0.attention.output.weight"),
        ("output.weight", "head.weight"),
    ] {
        let index = file.weights.tensors().iter().position(|tensor| tensor.name == name).unwrap();
        let tensor = &file.weights.tensors()[index];
        assert_eq!(tensor.format.name(), "nvfp4-scaled", "{name}");
        // In two parts, as loading may ask for them.
        let halves = [0..3, 3..tensor.rows].map(|rows| file.weights.read(index, rows).unwrap().into_owned());
        let values = tensor.format.decode(&halves.concat());
        let expected = reference(&few_bits())["scaled"][stored].clone();
        assert_eq!(hash(&values), expected.as_str().unwrap(), "{name}");
    }
}

fn logits_agree(model: &mut dyn LanguageModel, file: &Path, tolerance: f32) {
    let reference = reference(file);
    let ids: Vec<u32> = serde_json::from_value(reference["ids"].clone()).unwrap();
    let sequence = model.new_sequence();
    let batch = Batch::chain_of_outputs(sequence, 0, &ids, RowOutput::Logits);
    let logits = model.forward(&batch).unwrap().logits;
    for (position, expected) in reference["logits"].as_object().unwrap() {
        let expected: Vec<f32> = serde_json::from_value(expected.clone()).unwrap();
        let ours = &logits[position.parse::<usize>().unwrap()];
        let largest = expected.iter().fold(1.0_f32, |largest, logit| largest.max(logit.abs()));
        for (ours, expected) in ours.iter().zip(expected) {
            let near = (ours - expected).abs() < tolerance * largest;
            assert!(near, "{}, position {position}: {ours}, not {expected}", file.display());
        }
    }
}

fn opened(file: &Path) -> Opened {
    let opened = Opened::open(&ModelSource::Path(file.to_owned()), None, WeightsChoice::Original).unwrap();
    // The reference's own.
    opened.with_cache(Some(CacheFormat::F32))
}

#[test]
fn the_twin_computes_the_logits_of_the_same_weights_in_f32() {
    for file in files() {
        let opened = opened(&file);
        let twin = Reference::new(opened.plan.clone(), opened.context, &*opened.file.weights);
        logits_agree(&mut twin.unwrap(), &file, EXACT);
    }
}

#[test]
fn the_gpu_computes_the_logits_of_the_same_weights_in_f32() {
    let mut progress = |_, _| ControlFlow::Continue(());
    for file in files() {
        let mut engine = opened(&file).engine(device(), &mut progress).unwrap();
        let tolerance = logits_tolerance(&engine);
        logits_agree(&mut engine, &file, tolerance);
    }
}

#[test]
fn a_quantised_file_can_be_brought_into_other_formats() {
    for choice in [WeightsChoice::F16, WeightsChoice::Q8_0, WeightsChoice::Q4_0] {
        let opened = Opened::open(&ModelSource::Path(tiny()), None, choice).unwrap();
        let twin = Reference::new(opened.plan.clone(), opened.context, &*opened.file.weights);
        assert!(twin.is_ok(), "{}", choice.name());
    }
}

#[test]
fn a_file_tells_what_it_holds_before_it_is_opened() {
    let facts = formats::inspect(&tiny()).unwrap();
    assert_eq!((facts.supported, &facts.problems[..]), (true, &[][..]));
    assert_eq!((facts.name.as_str(), facts.architecture.layers), ("tiny", Some(2)));
    assert!(facts.formats.iter().any(|share| share.format == "q4_k"));
}

/// A file being made.
struct Maker {
    entries: Vec<Vec<u8>>,
    tensors: Vec<Vec<u8>>,
    data: Vec<u8>,
}

/// A text as the format stores it.
pub fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

fn entry(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&string(key)[..], &kind.to_le_bytes(), value].concat()
}

/// The fixture with more metadata, and the length of what stands before its data.
pub fn tiny_with(mut entries: Vec<Vec<u8>>) -> (Vec<u8>, usize) {
    let plain = fs::read(tiny()).unwrap();
    // What is put in has to be a multiple of the alignment.
    let filler = |length: usize| entry("filler", 8, &string(&"x".repeat(length)));
    let length = entries.iter().map(Vec::len).sum::<usize>() + filler(0).len();
    entries.push(filler(length.next_multiple_of(32) - length));
    let count = u64::from_le_bytes(plain[16..24].try_into().unwrap()) + entries.len() as u64;
    let entries = entries.concat();
    let (_, tensors) = gguf::read_header("tiny.gguf", &plain).unwrap();
    let data = tensors.iter().map(|tensor| tensor.bytes.start).min().unwrap();
    let made = [&plain[..16], &count.to_le_bytes(), &entries, &plain[24..]].concat();
    (made, data + entries.len())
}

fn tensor(name: &str, dimensions: &[u64], element: u32, offset: u64) -> Vec<u8> {
    let mut bytes = string(name);
    bytes.extend((dimensions.len() as u32).to_le_bytes());
    dimensions.iter().for_each(|size| bytes.extend(size.to_le_bytes()));
    bytes.extend(element.to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes
}

impl Maker {
    fn new() -> Self {
        let architecture = entry("general.architecture", 8, &string("llama"));
        Self { entries: vec![architecture], tensors: vec![tensor("a", &[8], 0, 0)], data: vec![0; 64] }
    }

    fn bytes(&self) -> Vec<u8> {
        self.with_head(b"GGUF", 3, self.tensors.len() as u64, self.entries.len() as u64)
    }

    fn with_head(&self, magic: &[u8], version: u32, tensors: u64, entries: u64) -> Vec<u8> {
        let mut bytes =
            [magic, &version.to_le_bytes(), &tensors.to_le_bytes(), &entries.to_le_bytes()].concat();
        self.entries.iter().chain(&self.tensors).for_each(|part| bytes.extend(part));
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend(&self.data);
        bytes
    }
}

/// Reading the header fails, with these words in the reason.
fn assert_refused(bytes: &[u8], words: &[&str]) {
    let error = gguf::read_header("broken.gguf", bytes).expect_err("it is broken").to_string();
    for word in words.iter().chain(&["broken.gguf"]) {
        assert!(error.contains(word), "{error:?} lacks {word:?}");
    }
}

#[test]
fn heads_that_make_no_sense_are_refused() {
    let maker = Maker::new();
    assert!(gguf::read_header("good.gguf", &maker.bytes()).is_ok());
    assert!(gguf::read_header("good.gguf", &maker.with_head(b"GGUF", 2, 1, 1)).is_ok());
    assert_refused(&maker.with_head(b"GGML", 3, 1, 1), &["begins with GGML"]);
    assert_refused(&maker.with_head(b"GGUF", 1, 1, 1), &["version 1"]);
    assert_refused(&maker.with_head(b"GGUF", 4, 1, 1), &["version 4"]);
    assert_refused(&maker.with_head(b"GGUF", 3 << 24, 1, 1), &["big-endian"]);
    assert_refused(
        &maker.with_head(b"GGUF", 3, u64::MAX, 1),
        &["number of tensors", "more than", "cut short or damaged"],
    );
    assert_refused(&maker.with_head(b"GGUF", 3, 1, 1 << 40), &["number of metadata entries", "more than"]);
    assert_refused(b"GG", &["cut short"]);
    assert_refused(&maker.bytes()[..60], &["cut short"]);
}

#[test]
fn metadata_that_makes_no_sense_is_refused() {
    let with = |entry: Vec<u8>| {
        let mut maker = Maker::new();
        maker.entries.push(entry);
        maker.bytes()
    };
    let array = |kind: u32, count: u64| [&kind.to_le_bytes()[..], &count.to_le_bytes()].concat();
    assert_refused(&with(entry("k", 8, &u64::MAX.to_le_bytes())), &["metadata k", "cut short"]);
    assert_refused(&with(entry("k", 13, &[])), &["metadata k", "type 13", "cut short or damaged"]);
    assert_refused(&with(entry("k", 9, &array(6, 1 << 60))), &["elements of metadata k", "more than"]);
    assert_refused(&with(entry("k", 9, &array(99, 1))), &["metadata k", "type 99"]);
    let nested = array(9, 1).repeat(9);
    assert_refused(&with(entry("k", 9, &nested)), &["metadata k", "deep", "cut short or damaged"]);
    assert_refused(&with(entry("general.architecture", 8, &string("x"))), &["general.architecture", "twice"]);
    assert_refused(&with(entry("general.alignment", 4, &7_u32.to_le_bytes())), &["general.alignment", "7"]);
    assert_refused(
        &with(entry("general.alignment", 8, &string("x"))),
        &["general.alignment", "whole number"],
    );
}

#[test]
fn tensors_that_make_no_sense_are_refused() {
    let with = |tensors: &[Vec<u8>]| {
        let mut maker = Maker::new();
        maker.tensors = tensors.to_vec();
        maker.bytes()
    };
    assert_refused(&with(&[tensor("a", &[8], 77, 0)]), &["tensor a", "77"]);
    assert_refused(&with(&[tensor("a", &[8], 0, 4)]), &["tensor a", "alignment"]);
    assert_refused(&with(&[tensor("a", &[17], 0, 0)]), &["tensor a", "outside"]);
    assert_refused(&with(&[tensor("a", &[8], 0, 96)]), &["tensor a", "outside"]);
    assert_refused(&with(&[tensor("a", &[8], 0, u64::MAX - 31)]), &["tensor a", "outside"]);
    assert_refused(&with(&[tensor("a", &[1 << 40, 1 << 40], 0, 0)]), &["tensor a", "outside"]);
    assert_refused(&with(&[tensor("a", &[1; 5], 0, 0)]), &["tensor a", "5 dimensions"]);
    assert_refused(&with(&[tensor("a", &[40], 2, 0)]), &["tensor a", "Q4_0", "32"]);
    assert_refused(&with(&[tensor("a", &[8], 0, 0), tensor("a", &[8], 0, 32)]), &["tensor a", "twice"]);
    assert_refused(
        &with(&[tensor("a", &[16], 0, 0), tensor("b", &[8], 0, 32)]),
        &["tensor b", "overlap", "of a"],
    );
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_header_claims_is_allocated_for_only_as_far_as_the_file_goes() {
    // Each claims at least 2 GiB, in a file of some hundred bytes.
    const CLAIM: u64 = 1 << 31;
    let maker = Maker::new();
    let with = |entry: Vec<u8>| Maker { entries: vec![entry], ..Maker::new() }.bytes();
    let of_tensor = |tensor: Vec<u8>| Maker { tensors: vec![tensor], ..Maker::new() }.bytes();
    let array = |kind: u32| [&kind.to_le_bytes()[..], &CLAIM.to_le_bytes()].concat();
    let table = [&CLAIM.to_le_bytes()[..], &[b'{'; 64]].concat();
    let files = [
        ("tensors.gguf", maker.with_head(b"GGUF", 3, CLAIM, 1)),
        ("entries.gguf", maker.with_head(b"GGUF", 3, 1, CLAIM)),
        ("text.gguf", with(entry("k", 8, &CLAIM.to_le_bytes()))),
        ("key.gguf", with([&CLAIM.to_le_bytes()[..], b"k"].concat())),
        ("bytes.gguf", with(entry("k", 9, &array(0)))),
        ("texts.gguf", with(entry("k", 9, &array(8)))),
        ("lists.gguf", with(entry("k", 9, &array(9)))),
        ("rows.gguf", of_tensor(tensor("a", &[8, CLAIM], 0, 0))),
        ("table.safetensors", table),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let output = std::process::Command::new("sh")
            .args(["-c", "ulimit -v 1500000 && exec \"$0\" inspect \"$1\""])
            .args([program().get_program(), path.as_os_str()])
            // Drivers take room of their own.
            .env("VK_DRIVER_FILES", "/nowhere.json")
            .env("VK_ICD_FILENAMES", "/nowhere.json")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {} {errors}", output.status);
        assert!(errors.starts_with("error: the model could not be inspected: "), "{name}: {errors}");
    }
}

/// Opens a folder's file after writing some.
fn opening(files: &[(&str, Vec<u8>)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, bytes)| fs::write(folder.path().join(name), bytes).unwrap());
    formats::open(&folder.path().join(files[0].0)).err().expect("it is broken").to_string()
}

fn part(number: u16, count: u16) -> Vec<u8> {
    let mut maker = Maker::new();
    maker.entries.push(entry("split.no", 2, &number.to_le_bytes()));
    maker.entries.push(entry("split.count", 2, &count.to_le_bytes()));
    maker.tensors = vec![tensor(&format!("t{number}"), &[8], 0, 0)];
    maker.bytes()
}

#[test]
fn splits_that_do_not_fit_together_are_refused() {
    let (first, second) = ("m-00001-of-00002.gguf", "m-00002-of-00002.gguf");
    let missing = opening(&[(first, part(0, 2))]);
    assert!(missing.contains(second) && missing.contains("missing"), "{missing}");
    let renamed = opening(&[("m.gguf", part(0, 2))]);
    assert!(renamed.contains("split.count") && renamed.contains("rename"), "{renamed}");
    let again = opening(&[(first, part(0, 2)), (second, part(0, 2))]);
    assert!(again.contains(second) && again.contains("split.no"), "{again}");
    let other = opening(&[(first, part(0, 2)), (second, part(1, 3))]);
    assert!(other.contains(second) && other.contains("split.count"), "{other}");
    // Both parts are there: what is missing now is a decoder.
    let whole = opening(&[(second, part(1, 2)), (first, part(0, 2))]);
    assert!(!whole.contains("split"), "{whole}");
}

#[test]
fn a_vocabulary_of_another_size_than_the_table_is_refused() {
    let mut bytes = fs::read(tiny()).unwrap();
    let key = b"llama.vocab_size";
    let at = bytes.windows(key.len()).position(|window| window == key).unwrap() + key.len() + 4;
    bytes[at] += 1;
    let error = opening(&[("m.gguf", bytes)]);
    assert!(error.contains("vocab_size") && error.contains("33") && error.contains("32"), "{error}");
}

#[test]
fn a_file_whose_token_scores_say_nothing_says_so_and_runs_on_ids() {
    let letters = ('a'..='z').map(String::from);
    let tokens: Vec<String> =
        letters.chain(["ab", "bc", "cd", "de", "ef", "fg"].map(str::to_owned)).collect();
    let list = |kind: u32, items: Vec<u8>| {
        [&kind.to_le_bytes()[..], &(tokens.len() as u64).to_le_bytes(), &items].concat()
    };
    let scores = tokens.iter().flat_map(|_| (-1000.0_f32).to_le_bytes()).collect();
    let (bytes, _) = tiny_with(vec![
        entry("tokenizer.ggml.model", 8, &string("llama")),
        entry("tokenizer.ggml.tokens", 9, &list(8, tokens.iter().flat_map(|token| string(token)).collect())),
        entry("tokenizer.ggml.scores", 9, &list(6, scores)),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flat.gguf");
    fs::write(&path, bytes).unwrap();
    let request = LoadRequest { cache: Some(CacheFormat::F32), ..LoadRequest::of(ModelSource::Path(path)) };
    let said = |warnings: &[String]| {
        warnings.iter().filter(|warning| warning.contains("all its token scores are -1000")).count()
    };
    let card = ModelCard::read(&request).unwrap();
    assert!(card.facts.supported, "{:?}", card.facts.problems);
    assert_eq!(said(&card.facts.warnings), 1, "{:?}", card.facts.warnings);
    let opened = Opened::open(&request.source, None, WeightsChoice::Original).unwrap();
    let opened = opened.with_cache(request.cache);
    assert!(opened.tokenizer.is_none());
    assert_eq!(said(&opened.file.warnings), 1);
    let twin = Reference::new(opened.plan.clone(), opened.context, &*opened.file.weights);
    logits_agree(&mut twin.unwrap(), &tiny(), EXACT);
}

#[test]
fn a_file_with_any_bytes_changed_opens_or_is_refused_and_never_worse() {
    let whole = fs::read(tiny()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.gguf");
    let mut numbers = Numbers::new(1);
    let mut below = |most: usize| ((numbers.next() + 1.0) / 2.0 * most as f32) as usize % most;
    let mut refused = 0;
    for _ in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..1 + below(3) {
            // The header is about 3,000 bytes.
            let at = below(3000);
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff, below(256) as u8][below(6)];
        }
        if below(8) == 0 {
            bytes.truncate(below(whole.len()));
        }
        fs::write(&path, &bytes).unwrap();
        refused += usize::from(formats::open(&path).is_err());
        formats::inspect(&path).unwrap();
    }
    assert!(refused > 100, "only {refused} were refused");
}

/// An array's value.
fn array(kind: u32, count: usize, items: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(count as u64).to_le_bytes(), items].concat()
}

/// The fixture with these texts at the end of a vocabulary of letters, of this type, and with further entries.
fn tiny_with_tokens(texts: &[&[u8]], kind: i32, further: Vec<Vec<u8>>) -> (tempfile::TempDir, PathBuf) {
    let letters = (0..32 - texts.len() as u8).map(|index| vec![b'A' + index]);
    let tokens: Vec<Vec<u8>> = letters.chain(texts.iter().map(|text| text.to_vec())).collect();
    let kinds = (0..32).map(|id| if id < 32 - texts.len() { 1 } else { kind });
    let stored = tokens.iter().flat_map(|token| [&(token.len() as u64).to_le_bytes()[..], token].concat());
    let scores = (0..32).flat_map(|id| (-(id as f32)).to_le_bytes());
    let mut entries = vec![
        entry("tokenizer.ggml.model", 8, &string("llama")),
        entry("tokenizer.ggml.tokens", 9, &array(8, 32, &stored.collect::<Vec<u8>>())),
        entry("tokenizer.ggml.scores", 9, &array(6, 32, &scores.collect::<Vec<u8>>())),
        entry(
            "tokenizer.ggml.token_type",
            9,
            &array(5, 32, &kinds.flat_map(i32::to_le_bytes).collect::<Vec<u8>>()),
        ),
    ];
    entries.extend(further);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    fs::write(&path, tiny_with(entries).0).unwrap();
    (folder, path)
}

fn id(name: &str, id: i32) -> Vec<u8> {
    entry(&format!("tokenizer.ggml.{name}_token_id"), 5, &id.to_le_bytes())
}

#[test]
fn tokens_that_end_a_text_are_told_by_keys_and_by_their_texts() {
    let ends = |texts: &[&str], kind: i32, further: Vec<Vec<u8>>| {
        let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        let (_folder, path) = tiny_with_tokens(&texts, kind, further);
        let inspected = formats::inspect(&path).unwrap().special.eos;
        let opened = Opened::open(&ModelSource::Path(path), None, WeightsChoice::Original).unwrap();
        assert_eq!(inspected, opened.file.special.eos);
        (opened.file.special.eos, opened.tokenizer.unwrap())
    };
    // Each text alone, as llama.cpp's list has them, of whatever type.
    for text in [
        "<|eot_id|>",
        "<|im_end|>",
        "<|end|>",
        "<|return|>",
        "<|call|>",
        "<|flush|>",
        "<|calls|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "</s>",
        "<|eom_id|>",
        "<EOT>",
        "_<EOT>",
        "[EOT]",
        "[EOS]",
        "<|end_of_text|>",
        "<end_of_utterance>",
        "<eos>",
        "<turn|>",
        "<|tool_response>",
        "<｜end▁of▁sentence｜>",
        "[e~[",
        "<|fim_pad|>",
        "<fim-pad>",
        "<fim_pad>",
        "<PAD>",
        "[PAD]",
        "<|fim_repo|>",
        "<|repo_name|>",
        "<fim-repo>",
        "<REPO>",
        "<reponame>",
        "<|file_sep|>",
    ] {
        for kind in [3, 1] {
            let (eos, tokenizer) = ends(&[text, "<|x|>"], kind, vec![id("eos", 2)]);
            assert_eq!(eos, [2, 30], "{text}");
            assert_eq!(tokenizer.encode(text, AddSpecial::Never).unwrap(), [30], "{text}");
            assert!(tokenizer.is_special(30) && tokenizer.is_special(31) == (kind == 3), "{text}");
        }
    }
    let of = |texts: &[&str], further| ends(texts, 3, further).0;
    // Keys go first, and nothing comes twice.
    let keys =
        vec![id("eos", 31), id("eot", 4), id("eom", 5), id("fim_pad", 6), id("fim_rep", 7), id("fim_sep", 8)];
    assert_eq!(of(&["<|im_end|>", "</s>"], keys), [31, 4, 5, 6, 7, 8, 30]);
    // A key takes the place of the texts for what stands around files.
    assert_eq!(of(&["<PAD>", "<|fim_pad|>"], vec![id("fim_pad", 3)]), [3]);
    // Other tokens tell that these end nothing.
    assert_eq!(of(&["<|end|>", "<|return|>", "<|call|>"], Vec::new()), [30, 31]);
    assert_eq!(of(&["<|end|>", "<|flush|>", "<|calls|>"], Vec::new()), [30, 31]);
    assert_eq!(of(&["<|end|>", "<|return|>"], Vec::new()), [30, 31]);
    assert_eq!(of(&["<|end|>", "<|call|>"], Vec::new()), [30, 31]);
    assert_eq!(of(&["</s>", "<|tool_response>"], Vec::new()), [31]);
    assert_eq!(of(&["<|eot_id|> ", "<start_of_turn>", "im_end"], Vec::new()), [0_u32; 0]);
}

#[test]
fn special_ids_outside_the_vocabulary_are_told_and_count_for_nothing() {
    for outside in [-1, 32, i32::MAX, i32::MIN] {
        let ids = ["bos", "eos", "eot", "unknown"].map(|name| id(name, outside));
        let (_folder, path) = tiny_with_tokens(&[b"<|im_end|>"], 3, ids.to_vec());
        let opened = Opened::open(&ModelSource::Path(path), None, WeightsChoice::Original).unwrap();
        assert_eq!((opened.file.special.bos, &opened.file.special.eos[..]), (None, &[31][..]));
        for name in ["bos_token_id", "eos_token_id", "unknown_token_id"] {
            let told = |warning: &&String| {
                warning.contains(name)
                    && warning.contains(&outside.to_string())
                    && warning.contains("32; ignored")
            };
            assert_eq!(
                opened.file.warnings.iter().filter(told).count(),
                1,
                "{name}: {:?}",
                opened.file.warnings
            );
        }
        let ids = opened.tokenizer.unwrap().encode("AB<|im_end|>", AddSpecial::AsFileSays).unwrap();
        assert!(ids.ends_with(&[0, 1, 31]) || ids.ends_with(&[31]), "{ids:?}");
    }
    let text = entry("tokenizer.ggml.eos_token_id", 8, &string("end"));
    let error = opening(&[("m.gguf", tiny_with(vec![text]).0)]);
    assert!(error.contains("tokenizer.ggml.eos_token_id: it has to be a whole number"), "{error}");
}

#[test]
fn a_vocabulary_with_odd_tokens_opens_and_says_so() {
    let texts: [&[u8]; 5] = [b"A", b"", b"", b"\xe2\x82", b"\xe2\x82"];
    let (_folder, path) = tiny_with_tokens(&texts, 1, Vec::new());
    let opened = Opened::open(&ModelSource::Path(path), None, WeightsChoice::Original).unwrap();
    let told = opened.file.warnings.iter().find(|warning| warning.contains("not UTF-8")).expect("a warning");
    assert!(told.starts_with("5 of its tokens, the first of them 0, are empty"), "{told}");
    let tokenizer = opened.tokenizer.unwrap();
    assert_eq!((tokenizer.bytes(0), tokenizer.bytes(27)), (b"A".to_vec(), b"A".to_vec()));
    assert_eq!((tokenizer.id("A"), tokenizer.bytes(31)), (Some(27), b"\xe2\x82".to_vec()));
    assert_eq!(tokenizer.vocabulary_size(), 32);
}
