//! Opening bad files: each gets one error that names the file and the cause, and none a panic.

use std::fs;
use std::path::Path;

use logitscope::formats;
use logitscope::model::WeightFormat;
use logitscope::model::weight_format::Encoding;
use proptest::prelude::*;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::formats::fixture;

/// A copy of a fixture to be changed.
pub fn copy_of(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

/// Changes the configuration of such a copy.
pub fn edit_config(folder: &Path, change: impl FnOnce(&mut Value)) {
    let path = folder.join("config.json");
    // Some have infinite numbers, which stay.
    let mut config = formats::json::read(&fs::read(&path).unwrap()).unwrap();
    change(&mut config);
    fs::write(path, config.to_string()).unwrap();
}

/// The header as JSON, and the data.
fn split(contents: &[u8]) -> (Value, Vec<u8>) {
    let length = u64::from_le_bytes(contents[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&contents[8..8 + length]).unwrap(), contents[8 + length..].to_vec())
}

fn joined(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn edit_header(folder: &Path, change: impl FnOnce(&mut Value)) {
    let path = folder.join("model.safetensors");
    let (mut header, data) = split(&fs::read(&path).unwrap());
    change(&mut header);
    fs::write(path, joined(&header.to_string(), &data)).unwrap();
}

/// Opens what must not open, and checks that the error has every one of `parts`.
fn assert_refused(path: &Path, parts: &[&str]) {
    let Err(error) = formats::open(path).map(|model| model.name) else {
        panic!("it opened, but the error has to say {parts:?}");
    };
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "the error has to say {part:?}: {text}");
    }
    assert!(!text.contains('\n'), "one line: {text}");
}

fn assert_header_refused(change: impl FnOnce(&mut Value), parts: &[&str]) {
    let folder = copy_of("llama-f32");
    edit_header(folder.path(), change);
    assert_refused(folder.path(), &[&["model.safetensors"], parts].concat());
}

pub fn assert_config_refused(fixture: &str, change: impl FnOnce(&mut Value), parts: &[&str]) {
    let folder = copy_of(fixture);
    edit_config(folder.path(), change);
    assert_refused(folder.path(), parts);
}

const NORM: &str = "model.norm.weight";

#[test]
fn paths_without_a_model() {
    assert_refused(Path::new("no/such/folder"), &["no/such/folder", "no such file"]);
    let folder = tempfile::tempdir().unwrap();
    assert_refused(folder.path(), &["looked for model.safetensors and model.safetensors.index.json"]);
    fs::write(folder.path().join("pytorch_model.bin"), b"").unwrap();
    assert_refused(folder.path(), &["pytorch_model.bin", "only safetensors"]);
    fs::write(folder.path().join("tiny.gguf"), b"GGUF").unwrap();
    assert_refused(folder.path(), &["tiny.gguf", "open that file itself"]);
    assert_refused(&folder.path().join("tiny.gguf"), &["tiny.gguf", "the version", "cut short"]);
    assert_refused(&folder.path().join("pytorch_model.bin"), &["no weight file"]);
    fs::write(folder.path().join("a.safetensors"), b"").unwrap();
    fs::write(folder.path().join("b.safetensors"), b"").unwrap();
    assert_refused(folder.path(), &["2 .safetensors files", "no index"]);
}

#[test]
fn a_missing_or_broken_config() {
    let folder = copy_of("llama-f32");
    fs::remove_file(folder.path().join("config.json")).unwrap();
    assert_refused(folder.path(), &["config.json", "missing"]);
    let others = [
        ("params.json", "the form with config.json"),
        ("model_index.json", "images or video"),
        ("adapter_config.json", "an adapter (LoRA)"),
    ];
    for (file, what) in others {
        fs::write(folder.path().join(file), "{}").unwrap();
        assert_refused(folder.path(), &["config.json", "missing", file, what]);
    }
    fs::write(folder.path().join("config.json"), "{\"model_type\": \"llama\",").unwrap();
    assert_refused(folder.path(), &["config.json", "not valid JSON"]);
    fs::write(folder.path().join("config.json"), "[1]").unwrap();
    assert_refused(folder.path(), &["config.json", "JSON object"]);
    fs::write(folder.path().join("config.json"), "[".repeat(100_000)).unwrap();
    assert_refused(folder.path(), &["config.json", "not valid JSON"]);
}

#[test]
fn a_truncated_weight_file() {
    let folder = copy_of("llama-f32");
    let path = folder.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    for (length, cause) in [
        (0, "ends after 0 bytes"),
        (5, "ends after 5 bytes"),
        (100, "cut short"),
        (whole.len() - 1, "cut short"),
        (whole.len() / 2, "cut short"),
    ] {
        fs::write(&path, &whole[..length]).unwrap();
        assert_refused(folder.path(), &["model.safetensors", cause]);
    }
    fs::write(&path, [&whole[..], b"more"].concat()).unwrap();
    assert_refused(folder.path(), &["model.safetensors", "4 bytes follow"]);
}

#[test]
fn a_header_length_beyond_the_file() {
    let folder = copy_of("llama-f32");
    let path = folder.path().join("model.safetensors");
    let mut contents = fs::read(&path).unwrap();
    for length in [contents.len() as u64, 1 << 40, u64::MAX] {
        contents[..8].copy_from_slice(&length.to_le_bytes());
        fs::write(&path, &contents).unwrap();
        assert_refused(folder.path(), &["model.safetensors", &format!("claims {length} bytes")]);
    }
}

#[test]
fn files_of_another_kind() {
    let folder = copy_of("llama-f32");
    let path = folder.path().join("model.safetensors");
    fs::write(&path, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n").unwrap();
    assert_refused(folder.path(), &["model.safetensors", "Git LFS pointer", "git lfs pull"]);
    fs::write(&path, joined("[1, 2, 3]", b"")).unwrap();
    assert_refused(folder.path(), &["model.safetensors", "not a safetensors file"]);
    fs::write(&path, joined("{\"a\": ", b"")).unwrap();
    assert_refused(folder.path(), &["model.safetensors", "header is malformed"]);
    fs::write(&path, joined("{\"a\u{0}\": 1}", b"")).unwrap();
    assert_refused(folder.path(), &["model.safetensors", "header is malformed"]);
}

#[test]
fn tensors_in_the_wrong_place() {
    let shift = |offsets: [i64; 2]| {
        move |header: &mut Value| {
            for (index, by) in offsets.iter().enumerate() {
                let offset = &mut header[NORM]["data_offsets"][index];
                *offset = json!(offset.as_i64().unwrap() + by);
            }
        }
    };
    assert_header_refused(shift([1 << 40, 1 << 40]), &[NORM, "cut short"]);
    assert_header_refused(shift([-120, -120]), &["overlap"]);
    assert_header_refused(shift([-2, -2]), &["overlap those of", "by 2"]);
    assert_header_refused(shift([200, 0]), &[NORM, "backwards"]);
    assert_header_refused(shift([0, -4]), &[NORM, "shape [30]", "120 bytes", "116"]);
    assert_header_refused(|header| header[NORM]["data_offsets"] = json!([-4, 116]), &[NORM, "malformed"]);
    assert_header_refused(|header| header[NORM]["data_offsets"] = json!([0]), &[NORM, "malformed"]);
    // A gap where a tensor was.
    assert_header_refused(
        |header| {
            header.as_object_mut().unwrap().remove(NORM);
        },
        &["model.safetensors"],
    );
}

#[test]
fn shapes_that_cannot_be() {
    let shaped = |shape: Value| move |header: &mut Value| header[NORM]["shape"] = shape;
    assert_header_refused(shaped(json!([31])), &[NORM, "124 bytes", "120"]);
    assert_header_refused(shaped(json!([u64::MAX, u64::MAX])), &[NORM, "more bytes than can be"]);
    assert_header_refused(shaped(json!([-30])), &[NORM, "malformed"]);
    assert_header_refused(shaped(json!([1e30])), &[NORM, "malformed"]);
    assert_header_refused(shaped(json!([5, 6])), &[NORM, "[5, 6]", "config.json makes it [30]"]);
}

#[test]
fn element_types_that_cannot_be_read() {
    assert_header_refused(|header| header[NORM]["dtype"] = json!("Q9"), &[NORM, "Q9", "unknown"]);
    assert_header_refused(|header| header[NORM]["dtype"] = json!("I32"), &[NORM, "I32", "F16"]);
    assert_header_refused(|header| header[NORM]["dtype"] = json!("F64"), &[NORM, "240 bytes"]);
}

#[test]
fn a_tensor_that_comes_twice() {
    let folder = copy_of("llama-f32");
    let path = folder.path().join("model.safetensors");
    let (header, data) = split(&fs::read(&path).unwrap());
    let text = header.to_string();
    let doubled = format!("{},\"{NORM}\":{}}}", &text[..text.len() - 1], header[NORM]);
    fs::write(&path, joined(&doubled, &data)).unwrap();
    assert_refused(folder.path(), &["model.safetensors", NORM, "twice"]);
}

#[test]
fn tensors_that_are_missing_or_unread() {
    let renamed = |from: &'static str, to: &'static str| {
        move |header: &mut Value| {
            let entry = header.as_object_mut().unwrap().remove(from).unwrap();
            header[to] = entry;
        }
    };
    let folder = copy_of("llama-f32");
    edit_header(folder.path(), renamed(NORM, "model.nrom.weight"));
    assert_refused(folder.path(), &[NORM, "missing", "[30]"]);

    // One more than the configuration has layers for.
    let folder = copy_of("llama-f32");
    edit_config(folder.path(), |config| config["num_hidden_layers"] = json!(1));
    assert_refused(folder.path(), &["model.layers.1.", "nothing in a llama decoder"]);
    let folder = copy_of("llama-f32");
    edit_config(folder.path(), |config| config["num_hidden_layers"] = json!(3));
    assert_refused(folder.path(), &["model.layers.2.input_layernorm.weight", "missing"]);
    let folder = copy_of("llama-f32");
    edit_config(folder.path(), |config| config["num_hidden_layers"] = json!(4000));
    assert_refused(folder.path(), &["4000 layers", "21 tensors"]);

    // The file's own spelling: this one writes no prefix.
    let folder = copy_of("gpt2-bare-names");
    edit_header(folder.path(), renamed("h.1.attn.c_attn.weight", "h.1.attn.c_atn.weight"));
    assert_refused(folder.path(), &["tensor h.1.attn.c_attn.weight", "missing", "[24, 72]"]);

    // A tied model has no use for another head; an untied one cannot do without.
    let folder = copy_of("llama-f32");
    edit_header(folder.path(), renamed("lm_head.weight", "lm_head.kernel"));
    assert_refused(folder.path(), &["tensor lm_head.weight", "missing"]);
}

#[test]
fn experts_that_are_missing_or_differ() {
    const LAST: &str = "model.layers.1.block_sparse_moe.experts.3.w3.weight";
    let folder = copy_of("mixtral");
    edit_header(folder.path(), |header| {
        let header = header.as_object_mut().unwrap();
        let tensor = header.remove(LAST).unwrap();
        header.insert("model.layers.1.block_sparse_moe.experts.4.w3.weight".to_owned(), tensor);
    });
    assert_refused(folder.path(), &[LAST, "missing", "[16, 24]"]);

    let folder = copy_of("mixtral");
    let path = folder.path().join("model.safetensors");
    let contents = fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&contents).unwrap();
    let halves = WeightFormat::F32.convert(tensors.tensor(LAST).unwrap().data(), Encoding::F16);
    let views = tensors.iter().map(|(name, view)| match name {
        LAST => (name, TensorView::new(Dtype::F16, view.shape().to_vec(), &halves).unwrap()),
        _ => (name, view),
    });
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    assert_refused(folder.path(), &[LAST, "otherwise than", "experts.0.w3"]);

    assert_config_refused(
        "mixtral",
        |config| config["num_local_experts"] = json!(5),
        &["[4, 24]", "[5, 24]"],
    );
    assert_config_refused("mixtral", |config| config["num_experts_per_tok"] = json!(9), &["9"]);
    assert_config_refused(
        "qwen2_moe",
        |config| config["mlp_only_layers"] = json!([-1]),
        &["mlp_only_layers"],
    );
    assert_config_refused(
        "qwen2_moe-dense-layer",
        |config| config["mlp_only_layers"] = json!([]),
        &["layers.1.mlp"],
    );
}

#[test]
fn a_tied_pair_with_different_numbers_is_kept_apart_and_told() {
    let folder = copy_of("llama-f32");
    edit_config(folder.path(), |config| config["tie_word_embeddings"] = json!(true));
    let model = formats::open(folder.path()).unwrap();
    assert_eq!(model.config.head, logitscope::model::config::HeadWeights::Separate);
    assert!(model.warnings[0].contains("lm_head.weight"), "{:?}", model.warnings);
}

#[test]
fn sizes_that_cannot_be() {
    for (value, cause) in [
        (json!(0), "whole number from 1"),
        (json!(-30), "whole number from 1"),
        (json!(30.5), "whole number from 1"),
        (json!("30"), "whole number from 1"),
        (json!(null), "cannot be built without it"),
        (json!(1e300), "whole number from 1"),
    ] {
        let set = |config: &mut Value| config["hidden_size"] = value.clone();
        assert_config_refused("llama-f32", set, &["config.json", "hidden_size", cause]);
    }
    for field in
        ["vocab_size", "intermediate_size", "max_position_embeddings", "head_dim", "num_attention_heads"]
    {
        let set = |config: &mut Value| config[field] = json!(1_u64 << 40);
        assert_config_refused("llama-f32", set, &["config.json", "1099511627776"]);
    }
    let many_layers = |config: &mut Value| config["num_hidden_layers"] = json!(u64::MAX);
    assert_config_refused("llama-f32", many_layers, &["config.json", "num_hidden_layers", "at most"]);
    let uneven = |config: &mut Value| config["num_key_value_heads"] = json!(4);
    assert_config_refused("llama-f32", uneven, &["config.json", "multiple of the 4 key/value heads"]);
    let odd = |config: &mut Value| config["head_dim"] = json!(7);
    assert_config_refused("llama-f32", odd, &["config.json", "rotary width", "even"]);
    let wide = |config: &mut Value| config["n_embd"] = json!(31);
    assert_config_refused("gpt2-f32", wide, &["config.json", "n_embd", "multiple of n_head"]);
    let long = |config: &mut Value| config["n_positions"] = json!(129);
    assert_config_refused("gpt2-f32", long, &["transformer.wpe.weight", "[128, 30]", "[129, 30]"]);
    let zero = |config: &mut Value| config["rms_norm_eps"] = json!(0.0);
    assert_config_refused("llama-f32", zero, &["config.json", "epsilon"]);
}

#[test]
fn choices_that_are_unsupported() {
    let family = |config: &mut Value| config["model_type"] = json!("mamba");
    assert_config_refused(
        "llama-f32",
        family,
        &["config.json", "it is Mamba 1 (`mamba`)", "This program opens", "GPT-2, "],
    );
    let encoder = |config: &mut Value| config["model_type"] = json!("t5");
    assert_config_refused("llama-f32", encoder, &["config.json", "`t5`", "decoders without an encoder"]);
    let unknown = |config: &mut Value| config["model_type"] = json!("x".repeat(1000));
    assert_config_refused(
        "llama-f32",
        unknown,
        &[&format!("`{}`, which is not known", "x".repeat(60)), "GPT-2, "],
    );
    let nameless = |config: &mut Value| config["model_type"] = json!(null);
    assert_config_refused("llama-f32", nameless, &["config.json", "model_type"]);
    let activation = |config: &mut Value| config["activation_function"] = json!("mish");
    assert_config_refused("gpt2-f32", activation, &["activation_function", "quick_gelu", "gelu_new"]);
    let cross = |config: &mut Value| config["add_cross_attention"] = json!(true);
    assert_config_refused("gpt2-f32", cross, &["add_cross_attention", "encoder"]);
    let window = |config: &mut Value| config["sliding_window"] = json!(4096);
    assert_config_refused("llama-f32", window, &["sliding_window is 4096", "not supported"]);
    let quantised = |config: &mut Value| config["quantization_config"] = json!({"bits": 4});
    assert_config_refused("llama-f32", quantised, &["quantization_config", "original weights"]);
    let scaling = |config: &mut Value| config["rope_scaling"] = json!({"type": "spiral", "factor": 2.0});
    assert_config_refused("llama-bare-names", scaling, &["rope_scaling.type", "spiral", "unknown"]);
    let dynamic = |config: &mut Value| config["rope_scaling"] = json!({"type": "dynamic"});
    assert_config_refused("llama-bare-names", dynamic, &["rope_scaling.factor is missing"]);
    let layers = |config: &mut Value| config["num_hidden_layers"] = json!(40);
    assert_config_refused("baichuan", layers, &["num_hidden_layers is 40", "13B", "linear biases"]);
    let second = |config: &mut Value| config["architectures"] = json!(["BaichuanForCausalLM"]);
    assert_config_refused("baichuan", second, &["architectures", "Baichuan 2", "LM head"]);
    let sparse = |config: &mut Value| config["sparse_config"] = json!({"kernel_size": 32});
    assert_config_refused("minicpm", sparse, &["sparse_config", "not supported"]);
    let bases = |config: &mut Value| config["layer_rope_theta"] = json!([1000.0]);
    assert_config_refused("granite_swa", bases, &["layer_rope_theta", "each of the 4 layers"]);
    let unnormalised = |config: &mut Value| config["use_qk_norm"] = json!(false);
    assert_config_refused("hunyuan_v1_dense", unnormalised, &["use_qk_norm", "published"]);
    let no_divisors = |config: &mut Value| config["rope_scaling"] = json!({"type": "longrope"});
    assert_config_refused(
        "llama-bare-names",
        no_divisors,
        &["rope_scaling.short_factor is missing", "a list of 4"],
    );
    let no_factor = |config: &mut Value| config["rope_scaling"] = json!({"rope_type": "linear"});
    assert_config_refused("llama-bare-names", no_factor, &["rope_scaling.factor is missing"]);
    let zero = |config: &mut Value| config["rope_scaling"] = json!({"rope_type": "linear", "factor": 0});
    assert_config_refused("llama-bare-names", zero, &["rope_scaling.factor is 0", "above 0"]);
    let stranger =
        |config: &mut Value| config["rope_scaling"] = json!({"type": "linear", "factor": 2, "twist": 1});
    assert_config_refused("llama-bare-names", stranger, &["rope_scaling.twist is 1", "unknown"]);
    let interleaved = |config: &mut Value| config["rope_interleaved"] = json!(true);
    assert_config_refused("llama-f32", interleaved, &["rope_interleaved", "neighbouring"]);
    let none = |config: &mut Value| config["rotary_dim"] = json!(null);
    assert_config_refused("gptj", none, &["rotary_dim is null", "how many"]);
    let partial = |config: &mut Value| config["partial_rotary_factor"] = json!(0.5);
    assert_config_refused("llama-f32", partial, &["partial_rotary_factor", "whole heads"]);
}

#[test]
fn layers_of_kinds_that_are_not_there() {
    let named = "granitemoehybrid-mamba";
    let stranger = |config: &mut Value| config["layer_types"] = json!(["mamba", "attention", "moe"]);
    assert_config_refused(named, stranger, &["layer_types", "attention", "mamba", "are supported"]);
    let few = |config: &mut Value| config["layer_types"] = json!(["mamba", "attention"]);
    assert_config_refused(named, few, &["layer_types", "each of the 3 layers"]);
    let named = "nemotron_h";
    let stranger = |config: &mut Value| config["hybrid_override_pattern"] = json!("M*+M");
    assert_config_refused(
        named,
        stranger,
        &["hybrid_override_pattern", "+ stands for no kind", "M, *, - and E"],
    );
    let few = |config: &mut Value| config["hybrid_override_pattern"] = json!("M*-");
    assert_config_refused(named, few, &["hybrid_override_pattern", "3 letters", "4 layers"]);
    let none = |config: &mut Value| config["hybrid_override_pattern"] = json!(null);
    assert_config_refused(named, none, &["hybrid_override_pattern", "what kind of block"]);
}

#[test]
fn convolutions_with_channels_and_taps_exchanged() {
    let folder = copy_of("mamba2");
    edit_header(folder.path(), |header| {
        let convolutions = header.as_object_mut().unwrap().iter_mut();
        for (_, tensor) in convolutions.filter(|(name, _)| name.ends_with("conv1d.weight")) {
            tensor["shape"].as_array_mut().unwrap().reverse();
        }
    });
    assert_refused(folder.path(), &["layers.0.mixer.conv1d.weight", "[4, 1, 88]", "[88, 1, 4]"]);
}

#[test]
fn states_of_sizes_that_do_not_fit() {
    let zero = |config: &mut Value| config["n_groups"] = json!(0);
    assert_config_refused("mamba2", zero, &["n_groups is 0", "from 1"]);
    let odd = |config: &mut Value| config["n_groups"] = json!(4);
    assert_config_refused("mamba2", odd, &["n_groups is 4", "num_heads, 6, has to be a multiple"]);
    let wide = |config: &mut Value| config["head_dim"] = json!(10);
    assert_config_refused("mamba2", wide, &["head_dim is 10", "6 heads", "48 that expand makes"]);
    let auto = |config: &mut Value| {
        config["mamba_d_head"] = json!("auto");
        config["mamba_n_heads"] = json!(5);
        config["mamba_n_groups"] = json!(1);
    };
    assert_config_refused(
        "granitemoehybrid-mamba",
        auto,
        &["mamba_expand is 2", "48 elements", "mamba_n_heads, 5, does not divide"],
    );
    let short = |config: &mut Value| config["conv_kernel"] = json!(1);
    assert_config_refused("nemotron_h", short, &["conv_kernel is 1", "2 to 64 rows"]);
    let backwards = |config: &mut Value| config["time_step_limit"] = json!([1.0, 0.5]);
    assert_config_refused("mamba2", backwards, &["time_step_limit", "two numbers from 0"]);
    let factors = |config: &mut Value| config["ssm_multipliers"] = json!([1.0, 2.0]);
    assert_config_refused("falcon_h1", factors, &["ssm_multipliers", "a list of 5 numbers"]);
    let none = |config: &mut Value| config["key_multiplier"] = json!(0.0);
    assert_config_refused("falcon_h1", none, &["key_multiplier is 0", "finite number other than 0"]);
    let relu = |config: &mut Value| config["mamba_hidden_act"] = json!("relu");
    assert_config_refused("nemotron_h", relu, &["mamba_hidden_act", "only silu"]);
    let latent = |config: &mut Value| config["moe_latent_size"] = json!(8);
    assert_config_refused("nemotron_h-experts", latent, &["moe_latent_size is 8", "not supported"]);
}

#[test]
fn idle_fields_and_unknown_ones_do_not_stand_in_the_way() {
    let folder = copy_of("llama-f32");
    edit_config(folder.path(), |config| {
        config["sliding_window"] = json!(null);
        config["logit_scale"] = json!(1.0);
        config["use_qk_norm"] = json!(false);
        config["rope_interleaved"] = json!(false);
        config["rope_parameters"]["finetuned"] = json!(true);
        config["rope_parameters"]["factor"] = json!(null);
        config["layer_types"] = json!(["full_attention", "full_attention"]);
        config["favourite_colour"] = json!("blue");
    });
    let model = formats::open(folder.path()).unwrap();
    assert_eq!(model.warnings.len(), 1);
    assert!(model.warnings[0].ends_with("ignored: favourite_colour"), "{:?}", model.warnings);
}

#[test]
fn special_ids_that_make_no_sense() {
    let folder = copy_of("llama-f32");
    let path = folder.path().join("generation_config.json");
    fs::write(&path, "{\"eos_token_id\": [2, 5000, -1]}").unwrap();
    let model = formats::open(folder.path()).unwrap();
    assert_eq!(model.special.eos, [2]);
    assert!(model.warnings[0].contains("[5000, -1]"), "{:?}", model.warnings);
    fs::write(&path, "{\"eos_token_id\": \"end\"}").unwrap();
    assert_refused(folder.path(), &["generation_config.json", "eos_token_id", "token id"]);
}

#[test]
fn an_index_that_lies() {
    const SHARD: &str = "model-00002-of-00004.safetensors";
    let edited = |change: &dyn Fn(&mut Value)| {
        let folder = copy_of("llama-sharded");
        let path = folder.path().join("model.safetensors.index.json");
        let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut index);
        fs::write(path, index.to_string()).unwrap();
        folder
    };
    let refused = |change: &dyn Fn(&mut Value), parts: &[&str]| assert_refused(edited(change).path(), parts);

    let folder = copy_of("llama-sharded");
    fs::remove_file(folder.path().join(SHARD)).unwrap();
    assert_refused(folder.path(), &[SHARD, "missing", "model.safetensors.index.json"]);

    refused(
        &|index| index["weight_map"][NORM] = json!("model-00001-of-00004.safetensors"),
        &[NORM, "but it is in"],
    );
    refused(&|index| index["weight_map"]["model.extra"] = json!(SHARD), &["model.extra", "no such tensor"]);
    refused(&|index| index["weight_map"] = json!([]), &["index.json", "no `weight_map`"]);
    refused(&|index| index["weight_map"] = json!({}), &["index.json", "empty"]);
    for path in ["../secrets.safetensors", "/etc/passwd", "a/b.safetensors", "..", "a\\b", "C:x", ""] {
        refused(&|index| index["weight_map"][NORM] = json!(path), &[NORM, "same folder"]);
    }
    refused(&|index| index["weight_map"][NORM] = json!(7), &[NORM, "same folder"]);

    // The same tensors twice.
    let folder = edited(&|index| index["weight_map"][NORM] = json!("again.safetensors"));
    fs::copy(folder.path().join(SHARD), folder.path().join("again.safetensors")).unwrap();
    assert_refused(folder.path(), &["again.safetensors", "as well"]);
}

#[test]
fn inspection_of_a_model_that_cannot_be_opened() {
    let folder = copy_of("llama-f32");
    edit_config(folder.path(), |config| config["model_type"] = json!("mamba"));
    let facts = formats::inspect(folder.path()).unwrap();
    assert!(!facts.supported);
    assert!(facts.problems[0].contains("mamba"), "{:?}", facts.problems);
    assert_eq!(facts.architecture.layers, Some(2));
    assert_eq!(facts.formats[0].format, "f32");

    let folder = copy_of("llama-f32");
    fs::write(folder.path().join("model.safetensors"), b"short").unwrap();
    let facts = formats::inspect(folder.path()).unwrap();
    assert!(facts.problems[0].contains("model.safetensors"), "{:?}", facts.problems);
    assert_eq!((facts.supported, facts.architecture.width), (false, Some(30)));

    let gguf = folder.path().join("tiny.gguf");
    fs::write(&gguf, b"GGUF").unwrap();
    assert!(formats::inspect(&gguf).unwrap().problems[0].contains("cut short"));
    assert!(formats::inspect(&folder.path().join("nothing")).is_err());
}

/// Any byte, or rather one that keeps a header readable.
fn wrong_byte() -> impl Strategy<Value = u8> {
    prop_oneof![1 => any::<u8>(), 4 => b'0'..=b'9', 1 => prop::sample::select(b"{}[],:\"-.eFBI\\".to_vec())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever a few wrong bytes do to a header, the answer is a model or an error.
    #[test]
    fn flipped_bytes_in_a_header_never_panic(
        flips in prop::collection::vec((0_usize..2300, wrong_byte()), 1..6),
        gpt2 in any::<bool>(),
    ) {
        let folder = copy_of(if gpt2 { "gpt2-bare-names" } else { "llama-bare-names" });
        let path = folder.path().join("model.safetensors");
        let mut contents = fs::read(&path).unwrap();
        for (place, byte) in flips {
            contents[place] = byte;
        }
        fs::write(&path, contents).unwrap();
        open_and_read_everything(folder.path());
    }

    #[test]
    fn odd_values_in_a_config_never_panic(
        field in 0_usize..40,
        value in prop_oneof![
            any::<i64>().prop_map(|number| json!(number)),
            (0_u64..200).prop_map(|number| json!(number)),
            any::<f64>().prop_map(|number| json!(number)),
            any::<bool>().prop_map(|flag| json!(flag)),
            Just(json!(null)),
            Just(json!("linear")),
            Just(json!([1, 2])),
            (any::<f32>(), any::<f32>()).prop_map(|(a, b)| {
                json!({"rope_type": "yarn", "factor": a, "original_max_position_embeddings": b, "rope_theta": 1.5})
            }),
        ],
        gpt2 in any::<bool>(),
    ) {
        let folder = copy_of(if gpt2 { "gpt2-bare-names" } else { "llama-llama3" });
        edit_config(folder.path(), |config| {
            let names: Vec<String> = config.as_object().unwrap().keys().cloned().collect();
            config[&names[field % names.len()]] = value;
        });
        open_and_read_everything(folder.path());
    }
}

fn open_and_read_everything(folder: &Path) {
    // The inspection goes the same way, and has to tell what opening meets.
    let facts = formats::inspect(folder).expect("the folder is there");
    match formats::open(folder) {
        Err(error) => {
            assert!(!facts.supported);
            assert!(facts.problems.contains(&error.to_string()), "{error} is not in {:?}", facts.problems);
        }
        Ok(model) => {
            for (index, info) in model.weights.tensors().iter().enumerate() {
                let bytes = model.weights.read(index, 0..info.rows).unwrap();
                assert_eq!(bytes.len(), info.rows * info.row_bytes());
            }
        }
    }
}
