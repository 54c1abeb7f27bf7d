//! Folders whose matrices are quantised: what their codes mean, the logits that follow, and folders that are broken.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use logitscope::formats;
use logitscope::model::batch::RowOutput;
use logitscope::model::{Batch, CacheFormat, LanguageModel, WeightFormat};
use logitscope::reference::Reference;
use logitscope::session::{ModelSource, Opened, WeightsChoice};
use serde_json::{Value, json};

use super::gguf::hash;
use super::support::{device, fixture};

/// The folder with experts, which its files have together.
const EXPERTS: &str = "mlx-experts";

/// The folders, and the formats that their matrices come to.
const FOLDERS: [(&str, &[&str]); 13] = [
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
    ("awq-int4", &["int4-g32-f16-zeros"]),
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
];

fn folder(name: &str) -> PathBuf {
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

#[test]
fn every_form_means_what_its_own_library_says_bit_for_bit() {
    for (name, formats) in FOLDERS {
        let file = formats::open(&folder(name)).unwrap_or_else(|error| panic!("{error}"));
        let hashes = expected(name)["hashes"].clone();
        let mut found: Vec<&str> = Vec::new();
        for (module, expected) in hashes.as_object().unwrap() {
            let ours = canonical(module);
            let index = file.weights.tensors().iter().position(|tensor| tensor.name == ours).unwrap();
            let tensor = &file.weights.tensors()[index];
            // In parts, as loading may ask for them.
            let parts = [0..3, 3..3, 3..tensor.rows].map(|rows| file.weights.read(index, rows).unwrap());
            let values = tensor.format.decode(&parts.concat());
            assert_eq!(hash(&values), expected.as_str().unwrap(), "{name}: {module}");
            assert!(matches!(tensor.format, WeightFormat::Groups(_)), "{name}: {module}");
            found.push(tensor.format.name());
        }
        found.sort();
        found.dedup();
        assert_eq!(found, formats, "{name}");
    }
}

fn logits_agree(model: &mut dyn LanguageModel, name: &str) {
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
            let near = (ours - expected).abs() < 1e-4 * largest;
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
        logits_agree(&mut twin.unwrap(), name);
    }
}

#[test]
fn the_gpu_computes_the_logits_of_the_same_weights_in_f32() {
    let mut progress = |_, _| ControlFlow::Continue(());
    for (name, _) in FOLDERS {
        logits_agree(&mut opened(name).engine(device(), &mut progress).unwrap(), name);
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
        let of_feed_forward = if name == EXPERTS { 4 + 4 * 3 * 32 + 1 } else { 3 * 96 };
        assert_eq!(facts.parameters, 64 * (2 * 64 + 2 * 64 + 2 * 32 + of_feed_forward + 3), "{name}");
    }
}

/// The folder copied, with a changed configuration and tensors renamed: what opening it says.
fn refused(name: &str, config: impl FnOnce(&mut Value), renamed: &[(&str, &str)]) -> String {
    let changed = tempfile::tempdir().unwrap();
    copy_changed(&folder(name), changed.path(), config, renamed);
    let error = formats::open(changed.path()).err().expect("it is broken").to_string();
    let facts = formats::inspect(changed.path()).unwrap();
    assert!(!facts.supported && facts.problems.contains(&error), "{:?}", facts.problems);
    error
}

fn copy_changed(from: &Path, to: &Path, config: impl FnOnce(&mut Value), renamed: &[(&str, &str)]) {
    let mut value: Value = serde_json::from_slice(&fs::read(from.join("config.json")).unwrap()).unwrap();
    config(&mut value);
    fs::write(to.join("config.json"), value.to_string()).unwrap();
    let bytes = fs::read(from.join("model.safetensors")).unwrap();
    let (length, rest) = bytes.split_at(8);
    let (header, data) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
    let mut header = String::from_utf8(header.to_vec()).unwrap();
    for (old, new) in renamed {
        assert!(header.contains(old), "{old}");
        header = header.replace(old, new);
    }
    let length = (header.len() as u64).to_le_bytes();
    fs::write(to.join("model.safetensors"), [&length[..], header.as_bytes(), data].concat()).unwrap();
}

#[test]
fn folders_whose_parts_do_not_fit_are_refused_by_name() {
    let same = |_: &mut Value| {};
    let without_scales = [("layers.0.mlp.up_proj.scales", "layers.0.mlp.up_proj.steps")];
    let error = refused("mlx-bf16", same, &without_scales);
    assert!(
        error.contains("up_proj.weight") && error.contains("up_proj.scales") && error.contains("missing"),
        "{error}"
    );

    let error = refused("mlx-bf16", |config| config["quantization"]["bits"] = json!(7), &[]);
    assert!(error.contains("quantization.bits is 7") && error.contains("2, 3, 4, 5, 6 and 8"), "{error}");
    let error = refused("mlx-bf16", |config| config["quantization"]["mode"] = json!("mxfp8"), &[]);
    assert!(error.contains("quantization.mode") && error.contains("affine"), "{error}");
    // Words of another precision than is said.
    let error = refused("mlx-bf16", |config| config["quantization"]["bits"] = json!(8), &[]);
    assert!(error.contains("weight") && error.contains("shape") && error.contains("expected"), "{error}");

    let error = refused("fp8-blocks", same, &[("up_proj.weight_scale_inv", "up_proj.weight_scale_own")]);
    assert!(error.contains("up_proj.weight_scale") && error.contains("missing"), "{error}");
    let blocks = |sizes: Value| {
        refused("fp8-blocks", |config| config["quantization_config"]["weight_block_size"] = sizes, &[])
    };
    assert!(blocks(json!([0, 32])).contains("weight_block_size"));
    let error = blocks(json!([64, 64]));
    assert!(error.contains("weight_scale_inv") && error.contains("[1, 1]"), "{error}");

    let error = refused(
        "packed-int4",
        |config| {
            config["quantization_config"]["config_groups"]["group_0"]["weights"]["num_bits"] = json!(3);
        },
        &[],
    );
    assert!(error.contains("4 or 8 bits"), "{error}");
    let other = |config: &mut Value| config["quantization_config"]["format"] = json!("nvfp4-pack-quantized");
    let error = refused("packed-int4", other, &[]);
    assert!(error.contains("quantization_config.format") && error.contains("pack-quantized, "), "{error}");
    let error = refused(
        "packed-int4-zeros",
        same,
        &[("0.mlp.up_proj.weight_zero_point", "0.mlp.up_proj.weight_zero_other")],
    );
    assert!(error.contains("up_proj.weight_zero_point") && error.contains("missing"), "{error}");
    // Groups of another size than the scales are for.
    for size in [0, 16, 64] {
        for name in ["gptq-int4", "awq-int4"] {
            let error =
                refused(name, |config| config["quantization_config"]["group_size"] = json!(size), &[]);
            assert!(error.contains("scales") && error.contains(&format!("says {size}")), "{name}: {error}");
        }
        let groups = |config: &mut Value| {
            config["quantization_config"]["config_groups"]["group_0"]["weights"]["group_size"] = json!(size);
        };
        let error = refused("packed-int4", groups, &[]);
        assert!(error.contains("weight_scale") && error.contains(&format!("says {size}")), "{error}");
    }
    let error = refused("gptq-int4", |config| config["quantization_config"]["bits"] = json!(3), &[]);
    assert!(error.contains("matrices of 2, 4, 8 bits can be read"), "{error}");
    let error = refused("gptq-int4", |config| config["quantization_config"]["desc_act"] = json!(true), &[]);
    assert!(error.contains("desc_act") && error.contains("order"), "{error}");
    let error = refused("awq-int4", |config| config["quantization_config"]["version"] = json!("gemv"), &[]);
    assert!(error.contains("version") && error.contains("gemm"), "{error}");
    let error =
        refused("awq-int4", |config| config["quantization_config"]["quant_method"] = json!("hqq"), &[]);
    assert!(error.contains("quantization_config") && error.contains("MLX"), "{error}");
}
