//! Quantised folders that are broken, that contradict themselves, or that come in parts.

use std::fs;
use std::ops::Range;
use std::path::Path;

use logitscope::formats;
use serde_json::{Value, json};

use super::quantised::{FOLDERS, folder, formats_and_faults};

/// The folder copied, with a changed configuration and tensors renamed: what opening it says.
fn refused(name: &str, config: impl FnOnce(&mut Value), renamed: &[(&str, &str)]) -> String {
    refused_with(name, config, |header| {
        let entries = header.as_object_mut().unwrap();
        for (old, new) in renamed {
            let key = entries.keys().find(|key| key.contains(old)).unwrap().clone();
            let entry = entries.remove(&key).unwrap();
            entries.insert(key.replace(old, new), entry);
        }
    })
}

/// The same with a changed list of tensors.
fn refused_with(name: &str, config: impl FnOnce(&mut Value), header: impl FnOnce(&mut Value)) -> String {
    refused_changed(name, config, |list, _| header(list))
}

/// The same with changed bytes of a tensor of the first layer.
fn refused_bytes(name: &str, tensor: &str, change: impl FnOnce(&mut [u8])) -> String {
    refused_changed(name, |_| {}, |list, data| change(&mut data[bytes_of(list, tensor)]))
}

/// The same with anything changed.
fn refused_changed(
    name: &str,
    config: impl FnOnce(&mut Value),
    change: impl FnOnce(&mut Value, &mut [u8]),
) -> String {
    let changed = tempfile::tempdir().unwrap();
    copy_changed(&folder(name), changed.path(), config, change);
    let error = formats::open(changed.path()).err().expect("it is broken").to_string();
    let facts = formats::inspect(changed.path()).unwrap();
    assert!(!facts.supported && facts.problems.contains(&error), "{:?}", facts.problems);
    error
}

/// Copies a folder with a changed configuration and a changed list of tensors, or changed bytes.
fn copy_changed(
    from: &Path,
    to: &Path,
    config: impl FnOnce(&mut Value),
    change: impl FnOnce(&mut Value, &mut [u8]),
) {
    let mut value: Value = serde_json::from_slice(&fs::read(from.join("config.json")).unwrap()).unwrap();
    config(&mut value);
    fs::write(to.join("config.json"), value.to_string()).unwrap();
    let (mut header, mut data) = tensors(from);
    change(&mut header, &mut data);
    write_tensors(&to.join("model.safetensors"), &header, &data);
}

fn write_tensors(path: &Path, header: &Value, data: &[u8]) {
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    fs::write(path, [&length[..], header.as_bytes(), data].concat()).unwrap();
}

/// The list of a folder's tensors, and their bytes.
fn tensors(folder: &Path) -> (Value, Vec<u8>) {
    let bytes = fs::read(folder.join("model.safetensors")).unwrap();
    let (length, rest) = bytes.split_at(8);
    let (header, data) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
    (serde_json::from_slice(header).unwrap(), data.to_vec())
}

/// Where a tensor of the first layer has its bytes.
fn bytes_of(header: &Value, tensor: &str) -> Range<usize> {
    let at = |index: usize| of_layer(header, tensor)["data_offsets"][index].as_u64().unwrap() as usize;
    at(0)..at(1)
}

fn of_layer<'a>(header: &'a Value, tensor: &str) -> &'a Value {
    &header[format!("model.layers.0.{tensor}")]
}

/// Gives a tensor of the first layer another shape of as many elements.
fn reshape(header: &mut Value, tensor: &str, shape: [usize; 2]) {
    header[format!("model.layers.0.{tensor}")]["shape"] = json!(shape);
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
    let error = refused("mlx-bf16", |config| config["quantization"]["mode"] = json!("mxfp6"), &[]);
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
    let other = |config: &mut Value| config["quantization_config"]["format"] = json!("mxfp6-pack-quantized");
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
    let error = refused("gptq-int4", |config| config["quantization_config"]["bits"] = json!(5), &[]);
    assert!(error.contains("matrices of 2, 3, 4 and 8 bits can be read"), "{error}");
    let error =
        refused("awq-int4", |config| config["quantization_config"]["quant_method"] = json!("hqq"), &[]);
    assert!(error.contains("quantization_config") && error.contains("MLX"), "{error}");
}

#[test]
fn words_whose_parts_do_not_fit_are_refused_by_name() {
    let setting = |name: &str, field: &str, value: Value| {
        refused(name, |config| config["quantization_config"][field] = value, &[])
    };
    let error = setting("gptq-int4", "checkpoint_format", json!("gptq_p"));
    assert!(
        error.contains("checkpoint_format is \"gptq_p\"") && error.contains("gptq and gptq_v2"),
        "{error}"
    );
    let error = setting("gptq-int4", "is_marlin_format", json!(true));
    assert!(error.contains("is_marlin_format") && error.contains("Marlin"), "{error}");
    let error = setting("gptq-int4", "pack_dtype", json!("int16"));
    assert!(error.contains("pack_dtype") && error.contains("int32"), "{error}");
    let error = setting("awq-int4", "bits", json!(8));
    assert!(error.contains("bits is 8") && error.contains("4 bits"), "{error}");
    let error = setting("awq-int4", "version", json!("marlin"));
    assert!(error.contains("version") && error.contains("gemm, gemv and gemv_fast"), "{error}");
    let error = setting("awq-int4", "backend", json!("llm-awq"));
    assert!(error.contains("backend") && error.contains("llm-awq"), "{error}");
    // More groups than there are scales.
    let error = setting("awq-gemv", "group_size", json!(1));
    assert!(error.contains("scales") && error.contains("96 in groups of 1"), "{error}");
    let error = setting("awq-fast", "group_size", json!(4));
    assert!(error.contains("scales") && error.contains("in groups of 4"), "{error}");

    let same = |_: &mut Value| {};
    let order = "self_attn.q_proj.g_idx";
    let without = [("layers.0.self_attn.q_proj.g_idx", "layers.0.self_attn.q_proj.other")];
    let error = refused("gptq-order", same, &without);
    assert!(error.contains(order) && error.contains("missing"), "{error}");
    // A group that there is not, and one with too many inputs.
    for group in [-1_i32, 2, 1] {
        let error = refused_bytes("gptq-order", order, |bytes| {
            let places = bytes.as_chunks_mut::<4>().0;
            let first = places.iter_mut().find(|bytes| i32::from_le_bytes(**bytes) == 0).unwrap();
            *first = group.to_le_bytes();
        });
        assert!(error.contains(order) && error.contains("32 columns into each group"), "{group}: {error}");
    }
    let short = |header: &mut Value| header[format!("model.layers.0.{order}")]["dtype"] = json!("F32");
    let error = refused_with("gptq-order", same, short);
    assert!(error.contains(order) && error.contains("where I32 is expected"), "{error}");
    let short = |header: &mut Value| reshape(header, "mlp.up_proj.weight_g_idx", [2, 32]);
    let error = refused_with("packed-order", same, short);
    assert!(error.contains("up_proj.weight_g_idx") && error.contains("[64] is expected"), "{error}");
}

#[test]
fn what_older_libraries_say_may_stand_in_a_file_of_its_own() {
    for (name, file) in [("gptq-int3", "quantize_config.json"), ("awq-gemv", "quant_config.json")] {
        let changed = tempfile::tempdir().unwrap();
        let mut settings = json!({});
        let take = |config: &mut Value| {
            settings = config.as_object_mut().unwrap().remove("quantization_config").unwrap();
            settings.as_object_mut().unwrap().remove("quant_method");
            if let Some(bits) =
                settings.as_object_mut().unwrap().remove("bits").filter(|_| name == "awq-gemv")
            {
                settings["w_bit"] = bits;
                settings["q_group_size"] = settings.as_object_mut().unwrap().remove("group_size").unwrap();
            } else {
                settings["bits"] = json!(3);
            }
        };
        copy_changed(&folder(name), changed.path(), take, |_, _| {});
        fs::write(changed.path().join(file), settings.to_string()).unwrap();
        let (_, faults) = formats_and_faults(name, changed.path());
        assert_eq!(faults, Vec::<String>::new());
        // Beside a folder without such tensors it says nothing.
        copy_changed(&folder("fp8-blocks"), changed.path(), |_| {}, |_, _| {});
        fs::write(changed.path().join(file), "{").unwrap();
        assert!(formats::open(changed.path()).is_ok());
    }
}

#[test]
fn floats_whose_parts_do_not_fit_are_refused_by_name() {
    let same = |_: &mut Value| {};
    for (field, value) in [("bits", 8), ("group_size", 64)] {
        let error = refused("mlx-floats", |config| config["quantization"][field] = json!(value), &[]);
        assert!(error.contains(&format!("quantization.{field} is {value}")), "{error}");
    }
    // Another mode than the tensors are of: scales are for other groups then.
    let mode = |config: &mut Value| {
        config["quantization"]["mode"] = json!("nvfp4");
        config["quantization"]["group_size"] = json!(16);
    };
    let error = refused("mlx-floats", mode, &[]);
    assert!(error.contains(".weight") && error.contains("its shape is"), "{error}");
    let error = refused("mlx-floats", |config| config["quantization"]["mode"] = json!("affine"), &[]);
    assert!(error.contains("scales") && error.contains("U8; scales of F16 and BF16"), "{error}");
    let error = refused("mlx-bf16", |config| config["quantization"]["mode"] = json!("mxfp4"), &[]);
    assert!(error.contains("group_size is 64") && error.contains("this mode has 32"), "{error}");
    let error = refused_with("mlx-floats", same, |header| reshape(header, "mlp.up_proj.scales", [64, 3]));
    assert!(error.contains("up_proj.weight") && error.contains("[64, 12]"), "{error}");

    for (name, overall) in [("compressed-nvfp4", "weight_global_scale"), ("model-opt", "weight_scale_2")] {
        let error = refused(name, same, &[(&format!("0.mlp.up_proj.{overall}"), "0.mlp.up_proj.other")]);
        let needed = error.contains(&format!("up_proj.{overall}")) && error.contains("missing");
        assert!(needed, "{error}");
        let scales = |header: &mut Value| reshape(header, "mlp.up_proj.weight_scale", [64, 8]);
        let error = refused_with(name, same, scales);
        assert!(error.contains("up_proj.weight_scale") && error.contains("[128, 4]"), "{error}");
        let integers = |header: &mut Value| {
            header[format!("model.layers.0.mlp.up_proj.{overall}")]["dtype"] = json!("I32");
        };
        let error = refused_with(name, same, integers);
        assert!(error.contains(overall) && error.contains("where F32 is expected"), "{error}");
    }
    // Rows of half a group.
    let halves = |header: &mut Value| reshape(header, "mlp.down_proj.weight_packed", [1024, 4]);
    let error = refused_with("compressed-nvfp4", same, halves);
    assert!(
        error.contains("down_proj") && error.contains("8 elements") && error.contains("of 16"),
        "{error}"
    );
    let halves = |header: &mut Value| reshape(header, "self_attn.q_proj.weight", [256, 16]);
    let error = refused_with("compressed-mx", same, halves);
    assert!(error.contains("q_proj") && error.contains("16 elements") && error.contains("of 32"), "{error}");
    let algorithm = |config: &mut Value| config["quantization_config"]["quant_algo"] = json!("W4A16_AWQ");
    let error = refused("model-opt", algorithm, &[]);
    assert!(error.contains("quantization_config.quant_algo") && error.contains("NVFP4"), "{error}");
    let of_layer = |config: &mut Value| {
        let layers = &mut config["quantization_config"]["quantized_layers"];
        layers["model.layers.0.mlp.up_proj"]["quant_algo"] = json!("W4A16_AWQ");
    };
    assert!(refused("model-opt", of_layer, &[]).contains("up_proj.quant_algo"));
    let groups = |config: &mut Value| {
        config["quantization_config"]["config_groups"]["group_1"]["format"] = json!("mxfp6-pack-quantized");
    };
    assert!(refused("compressed-mx", groups, &[]).contains("group_1.format"));
}

#[test]
fn what_model_opt_says_may_stand_in_a_file_of_its_own() {
    let changed = tempfile::tempdir().unwrap();
    let mut settings = json!({"producer": {"name": "modelopt", "version": "0.47.0"}});
    let take = |config: &mut Value| {
        let mut said = config.as_object_mut().unwrap().remove("quantization_config").unwrap();
        said.as_object_mut().unwrap().remove("quant_method");
        settings["quantization"] = said;
    };
    copy_changed(&folder("model-opt"), changed.path(), take, |_, _| {});
    let file = changed.path().join("hf_quant_config.json");
    fs::write(&file, settings.to_string()).unwrap();
    let (formats, faults) = formats_and_faults("model-opt", changed.path());
    assert_eq!((formats, faults), (vec!["e4m3-g64-f32", "nvfp4-scaled"], Vec::new()));
    settings["quantization"]["quant_algo"] = json!("W8A8_SQ_PER_CHANNEL");
    fs::write(&file, settings.to_string()).unwrap();
    let error = formats::open(changed.path()).err().expect("another algorithm").to_string();
    assert!(error.contains("hf_quant_config.json") && error.contains("quant_algo"), "{error}");
}

#[test]
fn parts_of_a_matrix_may_lie_in_several_files() {
    for (name, _) in FOLDERS {
        let changed = tempfile::tempdir().unwrap();
        fs::copy(folder(name).join("config.json"), changed.path().join("config.json")).unwrap();
        let (header, data) = tensors(&folder(name));
        let mut shards = [(json!({}), Vec::new()), (json!({}), Vec::new())];
        let mut places = json!({});
        let tensors = header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__");
        for (index, (tensor, entry)) in tensors.enumerate() {
            // Each other one: codes of many matrices lie elsewhere than their scales.
            let second = index % 2;
            let (list, bytes) = &mut shards[second];
            let range = [0, 1].map(|index| entry["data_offsets"][index].as_u64().unwrap() as usize);
            let begin = bytes.len();
            bytes.extend_from_slice(&data[range[0]..range[1]]);
            list[tensor] = entry.clone();
            list[tensor]["data_offsets"] = json!([begin, bytes.len()]);
            places[tensor] = json!(format!("{second}.safetensors"));
        }
        for (index, (list, bytes)) in shards.iter().enumerate() {
            write_tensors(&changed.path().join(format!("{index}.safetensors")), list, bytes);
        }
        let index = json!({ "weight_map": places }).to_string();
        fs::write(changed.path().join("model.safetensors.index.json"), index).unwrap();
        let (_, faults) = formats_and_faults(name, changed.path());
        assert!(faults.is_empty(), "{faults:?}");
    }
}

#[test]
fn scales_that_are_no_numbers_are_counted() {
    // In each the first step of the first row.
    for (name, tensor) in [
        ("mlx-floats", "mlp.up_proj.scales"),
        ("mlx-floats", "self_attn.q_proj.scales"),
        ("mlx-nvfp4", "mlp.up_proj.scales"),
        ("compressed-nvfp4", "mlp.up_proj.weight_scale"),
        ("compressed-mx", "self_attn.q_proj.weight_scale"),
        ("model-opt", "mlp.up_proj.weight_scale"),
    ] {
        let changed = tempfile::tempdir().unwrap();
        let spoil = |header: &mut Value, data: &mut [u8]| data[bytes_of(header, tensor).start] = 255;
        copy_changed(&folder(name), changed.path(), |_| {}, spoil);
        let file = formats::open(changed.path()).unwrap_or_else(|error| panic!("{error}"));
        let counts = file.weights.tensors().iter().enumerate();
        let counts = counts.map(|(index, tensor)| {
            tensor.format.count_non_finite(&file.weights.read(index, 0..tensor.rows).unwrap())
        });
        assert_eq!(counts.sum::<usize>(), 1, "{name}: {tensor}");
    }
}

#[test]
fn matrices_of_bits_and_bytes_that_do_not_fit_are_refused_by_name() {
    let same = |_: &mut Value| {};
    let module = "mlp.up_proj.weight";
    let state = format!("{module}.quant_state.bitsandbytes__nf4");
    for part in [".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"] {
        let error = refused("bnb-nf4", same, &[(&format!("{module}{part}"), "mlp.up_proj.weight.other")]);
        assert!(error.contains(&format!("{module}{part}")) && error.contains("missing"), "{error}");
    }
    // What the matrix says of itself, as long as it was.
    for (old, new, said) in [
        ("[96, 64]", "[64, 64]", "64 · 64 codes"),
        ("[96, 64]", "[96, -4]", "shape"),
        ("\"blocksize\": 64", "\"blocksize\": 32", "absmax"),
        ("\"blocksize\": 64", "\"blocksize\":  0", "blocksize"),
        ("\"nested_blocksize\": 256", "\"nested_blocksize\":  64", "nested_absmax"),
        ("\"nested_offset\"", "\"nested_others\"", "absmax"),
        ("}", "]", "JSON"),
    ] {
        let error = refused_bytes("bnb-nf4", &state, |bytes| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            assert!(text.contains(old) && old.len() == new.len(), "{text}: {old}, {new}");
            bytes.copy_from_slice(text.replacen(old, new, 1).as_bytes());
        });
        assert!(error.contains("up_proj") && error.contains(said), "{old} {new}: {error}");
    }
    let error = refused_bytes("bnb-fp4", &format!("{module}.quant_map"), |bytes| bytes[..4].fill(0x3f));
    assert!(error.contains("quant_map") && error.contains("other numbers"), "{error}");
    let error = refused_bytes("bnb-int8", "mlp.up_proj.weight_format", |bytes| bytes[0] = 2);
    assert!(error.contains("weight_format") && error.contains("row by row"), "{error}");
    let error = refused("bnb-int8", same, &[("mlp.up_proj.SCB", "mlp.up_proj.other")]);
    assert!(error.contains("up_proj.SCB") && error.contains("missing"), "{error}");
}

#[test]
fn every_method_that_transformers_knows_is_read_or_refused_by_its_name() {
    let list = fs::read_to_string(folder("methods.txt")).unwrap();
    // Those with a folder among the fixtures; bitsandbytes' two are one in files, and mxfp4 is gpt-oss'.
    let read = [
        "awq",
        "bitsandbytes_4bit",
        "bitsandbytes_8bit",
        "compressed-tensors",
        "fbgemm_fp8",
        "fp8",
        "gptq",
        "metal",
        "mxfp8",
    ];
    let mut refused_for = Vec::new();
    for method in list.lines() {
        let changed = tempfile::tempdir().unwrap();
        let name = |config: &mut Value| config["quantization_config"] = json!({"quant_method": method});
        copy_changed(&folder("fp8-blocks"), changed.path(), name, |_, _| {});
        let error = formats::open(changed.path()).err().map(|error| error.to_string()).unwrap_or_default();
        let is_refused = error.contains("cannot be read: fp8, mxfp8,");
        assert_eq!(is_refused, !read.contains(&method), "{method}: {error}");
        assert!(!error.contains("weights of this kind"), "{method}: {error}");
        if is_refused {
            assert!(error.contains(method), "{method}: {error}");
            refused_for.push(error.split(" cannot be read").next().unwrap().to_owned());
        }
    }
    assert_eq!(refused_for.len(), 18);
    refused_for.sort();
    refused_for.dedup();
    assert_eq!(refused_for.len(), 18, "each has a sentence of its own");
}
