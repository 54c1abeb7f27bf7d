//! Folders whose matrices are quantised: what their codes mean, and the logits that follow.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use logitscope::formats;
use logitscope::model::batch::RowOutput;
use logitscope::model::orders::order_name;
use logitscope::model::{Batch, CacheFormat, LanguageModel, WeightFormat, Weights};
use logitscope::reference::Reference;
use logitscope::session::{ModelSource, Opened, WeightsChoice};
use serde_json::Value;

use super::gguf::hash;
use super::support::{EXACT, device, fixture, logits_tolerance};

/// The folder with experts, which its files have together.
const EXPERTS: &str = "mlx-experts";

/// gpt-oss as mlx-lm has it.
const GPT_OSS: &str = "mlx-gpt-oss";

/// That whose head is its embedding.
const TIED: &str = "mlx-tied";

/// The folders, and the formats that their matrices come to.
pub(super) const FOLDERS: [(&str, &[&str]); 41] = [
    (EXPERTS, &["int4-g32-bf16", "int8-g64-bf16"]),
    ("fp8-blocks", &["e4m3-g32-f32"]),
    ("fp8-matrices", &["e4m3-g32-f32", "e4m3-g64-f32"]),
    ("compressed-floats", &["e4m3-g32-f32", "e4m3-g64-f32"]),
    ("compressed-int8", &["int8-g32-f32", "int8-g64-f32"]),
    ("packed-int4", &["int4-g32-bf16-zeros"]),
    ("packed-int4-zeros", &["int4-g32-f16-zeros"]),
    ("packed-int8", &["int8-g32-bf16-zeros", "int8-g64-bf16-zeros"]),
    ("gptq-int4", &["int4-g32-f16-zeros"]),
    ("gptq-int2", &["int2-g32-f16-zeros"]),
    ("gptq-int3", &["int3-g32-f16-zeros", "int3-g64-f16-zeros"]),
    ("gptq-int8", &["int8-g32-f16-zeros", "int8-g64-f16-zeros"]),
    ("gptq-order", &["int4-g32-f16-zeros"]),
    ("gptq-v2", &["int4-g32-f16-zeros", "int8-g32-f16-zeros"]),
    ("packed-order", &["int4-g32-bf16-zeros"]),
    ("awq-int4", &["int4-g32-f16-zeros"]),
    ("awq-rows", &["int4-g32-f16-zeros", "int4-g64-f16-zeros"]),
    ("awq-gemv", &["int4-g32-f16-zeros"]),
    ("awq-fast", &["int4-g64-f16"]),
    (
        "mlx-bf16",
        &[
            "int2-g32-bf16",
            "int3-g32-bf16",
            "int4-g64-bf16",
            "int5-g64-bf16",
            "int6-g64-bf16",
            "int8-g32-bf16",
            "int8-g64-bf16",
        ],
    ),
    (
        "mlx-f16",
        &[
            "int2-g32-f16",
            "int3-g32-f16",
            "int4-g64-f16",
            "int5-g64-f16",
            "int6-g64-f16",
            "int8-g32-f16",
            "int8-g64-f16",
        ],
    ),
    ("mlx-floats", &["e4m3-g32-f32", "int8-g64-bf16", "mxfp4", "nvfp4"]),
    ("mlx-nvfp4", &["mxfp4", "nvfp4"]),
    ("mlx-gpt-oss", &["int8-g64-bf16", "mxfp4"]),
    ("compressed-nvfp4", &["nvfp4-scaled"]),
    ("compressed-mx", &["e4m3-g32-f32", "mxfp4"]),
    ("model-opt", &["e4m3-g64-f32", "nvfp4-scaled"]),
    ("bnb-nf4", &["nf4-g32-f32", "nf4-g64-f32"]),
    ("bnb-fp4", &["fp4-g32-f32", "fp4-g64-f32"]),
    // Rows, or groups, that are no whole number of blocks.
    ("odd-nf4", &["f32", "nf4-g64-f32"]),
    ("odd-nvfp4", &["f32", "nvfp4-scaled"]),
    ("odd-int4", &["f32"]),
    ("odd-fp8", &["e4m3-g64-f32", "f32"]),
    ("fp8-powers", &["e4m3-g32-f32"]),
    ("mxfp8-rows", &["e4m3-g32-f32"]),
    ("fbgemm", &["e4m3-g32-f32", "e4m3-g64-f32"]),
    ("metal", &["int4-g32-bf16"]),
    // Embeddings and heads.
    (TIED, &["int4-g32-bf16"]),
    ("packed-ends", &["int4-g32-bf16-zeros"]),
    ("gptq-head", &["int4-g32-f16-zeros"]),
    // Of eight bits, which have no hashes.
    ("bnb-int8", &[]),
];

pub(super) fn folder(name: &str) -> PathBuf {
    fixture("quantised").join(name)
}

fn expected(name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder(name).join("expected.json")).unwrap()).unwrap()
}

/// The canonical name of a stored module's matrix.
fn canonical(module: &str) -> String {
    match module {
        "lm_head" => "head.weight".to_owned(),
        "model.embed_tokens" => "embed.tokens".to_owned(),
        _ => {
            let parts = [
                ("mlp.experts.gate_proj", "feed_forward.experts.gate"),
                ("mlp.experts.up_proj", "feed_forward.experts.up"),
                ("mlp.experts.down_proj", "feed_forward.experts.down"),
                ("mlp.router", "feed_forward.router"),
                ("mlp.switch_mlp.gate_proj", "feed_forward.experts.gate"),
                ("mlp.switch_mlp.up_proj", "feed_forward.experts.up"),
                ("mlp.switch_mlp.down_proj", "feed_forward.experts.down"),
                ("self_attn.q_proj", "attention.query"),
                ("self_attn.k_proj", "attention.key"),
                ("self_attn.v_proj", "attention.value"),
                ("self_attn.o_proj", "attention.output"),
                ("mlp.gate_proj", "feed_forward.gate"),
                ("mlp.up_proj", "feed_forward.up"),
                ("mlp.down_proj", "feed_forward.down"),
                ("mlp.gate", "feed_forward.router"),
            ];
            let module = module.strip_prefix("model.").unwrap();
            let (stored, ours) = parts.iter().find(|(stored, _)| module.ends_with(stored)).unwrap();
            format!("{}.weight", module.replace(stored, ours))
        }
    }
}

/// The formats of the matrices of a folder with the tensors of `name`, and those that are not what their library says.
pub(super) fn formats_and_faults(name: &str, folder: &Path) -> (Vec<&'static str>, Vec<String>) {
    let file = formats::open(folder).unwrap_or_else(|error| panic!("{error}"));
    let hashes = expected(name)["hashes"].clone();
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for (module, expected) in hashes.as_object().unwrap() {
        let ours = canonical(module);
        let index = file.weights.tensors().iter().position(|tensor| tensor.name == ours).unwrap();
        let tensor = &file.weights.tensors()[index];
        // In parts, as loading may ask for them.
        let parts = [0..3, 3..3, 3..tensor.rows].map(|rows| file.weights.read(index, rows).unwrap());
        let values = tensor.format.decode(&parts.concat());
        if hash(&in_stored_order(&*file.weights, &ours, values)) != expected.as_str().unwrap() {
            faults.push(format!("{name}: {module}"));
        }
        found.push(tensor.format.name());
    }
    found.sort();
    found.dedup();
    (found, faults)
}

/// The numbers of a matrix with their columns as its file has them, where these are in an order of their own.
fn in_stored_order(weights: &dyn Weights, name: &str, values: Vec<f32>) -> Vec<f32> {
    let order = weights.tensors().iter().position(|tensor| tensor.name == order_name(name));
    let Some(order) = order else { return values };
    let order = WeightFormat::F32.decode(&weights.read(order, 0..1).unwrap());
    let mut stored = vec![0.0; values.len()];
    for (row, stored) in values.chunks_exact(order.len()).zip(stored.chunks_exact_mut(order.len())) {
        row.iter().zip(&order).for_each(|(value, place)| stored[*place as usize] = *value);
    }
    stored
}

#[test]
fn every_form_means_what_its_own_library_says_bit_for_bit() {
    let mut all_faults = Vec::new();
    for (name, formats) in FOLDERS {
        let (found, faults) = formats_and_faults(name, &folder(name));
        assert_eq!(found, formats, "{name}");
        all_faults.extend(faults);
    }
    assert!(all_faults.is_empty(), "{}", all_faults.join(", "));
}

fn logits_agree(model: &mut dyn LanguageModel, name: &str, tolerance: f32) {
    let expected = expected(name);
    let ids: Vec<u32> = serde_json::from_value(expected["ids"].clone()).unwrap();
    let sequence = model.new_sequence();
    // The prompt at once, and its last token on its own.
    let (last, first) = ids.split_last().unwrap();
    let mut logits =
        model.forward(&Batch::chain_of_outputs(sequence, 0, first, RowOutput::Logits)).unwrap().logits;
    let step = Batch::chain_of_outputs(sequence, first.len(), &[*last], RowOutput::Logits);
    logits.extend(model.forward(&step).unwrap().logits);
    for (position, expected) in expected["logits"].as_object().unwrap() {
        let expected: Vec<f32> = serde_json::from_value(expected.clone()).unwrap();
        let ours = &logits[position.parse::<usize>().unwrap()];
        let largest = expected.iter().fold(1.0_f32, |largest, logit| largest.max(logit.abs()));
        for (ours, expected) in ours.iter().zip(expected) {
            let near = (ours - expected).abs() < tolerance * largest;
            assert!(near, "{name}, position {position}: {ours}, not {expected}");
        }
    }
}

fn opened(name: &str) -> Opened {
    let opened = Opened::open(&ModelSource::Path(folder(name)), None, WeightsChoice::Original).unwrap();
    // The reference's own.
    opened.with_cache(Some(CacheFormat::F32))
}

#[test]
fn the_twin_computes_the_logits_of_the_same_weights_in_f32() {
    for (name, _) in FOLDERS {
        let opened = opened(name);
        let twin = Reference::new(opened.plan.clone(), opened.context, &*opened.file.weights);
        logits_agree(&mut twin.unwrap(), name, EXACT);
    }
}

#[test]
fn the_gpu_computes_the_logits_of_the_same_weights_in_f32() {
    let mut progress = |_, _| ControlFlow::Continue(());
    for (name, _) in FOLDERS {
        let mut engine = opened(name).engine(device(), &mut progress).unwrap();
        let tolerance = logits_tolerance(&engine);
        logits_agree(&mut engine, name, tolerance);
    }
}

#[test]
fn headers_tell_the_formats_and_all_bytes() {
    for (name, formats) in FOLDERS {
        let facts = formats::inspect(&folder(name)).unwrap();
        assert_eq!((facts.supported, &facts.problems[..]), (true, &[][..]), "{name}");
        let of_tokenizer = |warning: &String| warning.contains("tokenizer.json");
        assert!(facts.warnings.iter().all(of_tokenizer), "{name}: {:?}", facts.warnings);
        let told = |format: &&str| facts.formats.iter().any(|share| share.format == **format);
        assert!(formats.iter().all(told), "{name}: {:?}", facts.formats);
        // The numbers of the model, whatever they are stored in.
        let of_feed_forward = match name {
            EXPERTS => 4 + 4 * 3 * 32 + 1,
            // Biases, and the sinks of two heads.
            GPT_OSS => 4 + 4 * 3 * 32 + 3 + 8,
            "mlx-nvfp4" | "compressed-nvfp4" | "model-opt" | "awq-fast" => 3 * 128,
            "odd-nf4" => 3 * 304,
            "odd-nvfp4" => 3 * 80,
            name if name.starts_with("odd") => 3 * 48,
            _ => 3 * 96,
        };
        let more = match name {
            GPT_OSS => 4 + 2,
            // A bias for every row of a matrix.
            "gptq-order" => 7 * 64,
            _ => 0,
        };
        let ends = if name == TIED { 64 } else { 2 * 64 };
        assert_eq!(facts.parameters, 64 * (ends + 2 * 64 + 2 * 32 + of_feed_forward + 3) + more, "{name}");
    }
}
