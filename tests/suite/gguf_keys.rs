//! What single keys and tensors of GGUF files mean, and what it means that they are not there: as llama.cpp's loader has
//! it (of llama-cpp-python 0.3.36, `src/llama-model.cpp` and `src/models/`).

use logitscope::formats::{self, ModelFile};
use logitscope::model::Weights;
use logitscope::model::config::{LayerConfig, NormKind};
use logitscope::model::rotary::RotaryScaling;

use super::formats::fixture;
use super::gguf_edit::{ARRAY, BOOL, F32, Gguf, I32, TEXT, Tensor, U8, U32, array, families};

fn first(model: ModelFile) -> LayerConfig {
    model.config.layers[0].clone()
}

fn scaling(file: Gguf) -> RotaryScaling {
    first(file.model()).attention.unwrap().rotary.unwrap().scaling
}

#[test]
fn a_factor_without_a_type_is_linear_and_none_at_zero() {
    let plain = || Gguf::family("qwen2");
    let (factor, old, kind) =
        ("qwen2.rope.scaling.factor", "qwen2.rope.scale_linear", "qwen2.rope.scaling.type");
    let linear = |factor| RotaryScaling::Linear { factor };
    assert_eq!(scaling(plain()), RotaryScaling::Plain);
    assert_eq!(scaling(plain().with_number(factor, 4.0)), linear(4.0));
    assert_eq!(scaling(plain().with_number(old, 4.0)), linear(4.0));
    assert_eq!(scaling(plain().with_number(factor, 3.0).with_number(old, 4.0)), linear(3.0));
    assert_eq!(scaling(plain().with_number(factor, 0.0)), RotaryScaling::Plain);
    assert_eq!(scaling(plain().with_number(factor, 0.0).with_number(old, 4.0)), RotaryScaling::Plain);
    assert_eq!(scaling(plain().with_number(factor, 1.0)), RotaryScaling::Plain);
    assert_eq!(scaling(plain().with_text(kind, "linear")), RotaryScaling::Plain);
    assert_eq!(scaling(plain().with_text(kind, "linear").with_number(old, 2.0)), linear(2.0));
    assert_eq!(scaling(plain().with_text(kind, "none").with_number(factor, 4.0)), RotaryScaling::Plain);
    for (value, what) in [(0.0, 1.0), (2.0, 2.0)] {
        let RotaryScaling::Yarn { factor, attention_factor, .. } =
            scaling(plain().with_text(kind, "yarn").with_number(factor, value))
        else {
            panic!("it is YaRN")
        };
        assert_eq!(factor, what);
        assert!((attention_factor - (0.1 * what.ln() + 1.0)).abs() < 1e-12);
    }
    for value in [-2.0, f32::NAN, f32::INFINITY] {
        let error = plain().with_number(factor, value).refusal();
        assert!(error.contains(factor) && error.contains("above 0"), "{error}");
    }
    let error = plain().with_number("qwen2.rope.scaling.yarn_twist", 2.0).refusal();
    assert!(error.contains("qwen2.rope.scaling.yarn_twist") && error.contains("unknown"), "{error}");
}

#[test]
fn a_file_without_its_type_of_scaling_is_what_transformers_folder_is() {
    let key = "llama.rope.scaling.type";
    let file = Gguf::family("llama-linear");
    assert!(file.has(key));
    let folder = formats::open(&fixture("llama-linear")).unwrap();
    assert_eq!(first(file.without(key).model()).attention, folder.config.layers[0].attention);
}

#[test]
fn divisors_and_a_factor_work_together() {
    let divisors = |file: Gguf| match scaling(file) {
        RotaryScaling::Divided { divisors } => divisors,
        other => panic!("{other:?}"),
    };
    let plain = divisors(Gguf::family("llama-llama3"));
    let stretched = divisors(Gguf::family("llama-llama3").with_number("llama.rope.scaling.factor", 4.0));
    assert!(plain.iter().zip(&stretched).all(|(plain, stretched)| 4.0 * plain == *stretched));
    let error = Gguf::family("llama-llama3")
        .with_number("llama.rope.scaling.factor", 4.0)
        .with_text("llama.rope.scaling.type", "yarn")
        .refusal();
    assert!(error.contains("rope_freqs.weight") && error.contains("unclear"), "{error}");
}

#[test]
fn divisors_of_another_number_are_told_by_their_tensor() {
    let error = Gguf::family("phi3-long").with_tensor("rope_factors_long.weight", &[1], &[2.0]).refusal();
    assert!(error.contains(": tensor rope_factors_long.weight is [2.0]: it has to be a list of"), "{error}");
}

#[test]
fn a_factor_on_attention_counts_in_long_rope() {
    let RotaryScaling::LongRope { attention_factor, .. } =
        scaling(Gguf::family("phi3-long").with_number("phi3.rope.scaling.attn_factor", 1.5))
    else {
        panic!("it is LongRoPE")
    };
    assert_eq!(attention_factor, 1.5);
}

/// The families with windows in some layers, and their architectures.
const WINDOWED: [(&str, &str); 6] = [
    ("cohere2", "cohere2"),
    ("gemma2", "gemma2"),
    ("gemma3_text", "gemma3"),
    ("olmo3", "olmo2"),
    ("exaone4", "exaone4"),
    ("gpt_oss", "gpt-oss"),
];

fn windows(model: &ModelFile) -> Vec<bool> {
    model
        .config
        .layers
        .iter()
        .map(|layer| layer.attention.as_ref().unwrap().scores.window.is_some())
        .collect()
}

#[test]
fn a_pattern_of_windows_may_be_flags_numbers_or_a_period() {
    for (name, architecture) in WINDOWED {
        let key = format!("{architecture}.attention.sliding_window_pattern");
        let plain = Gguf::family(name).model();
        let layers = plain.config.layers.len();
        for number in 0..1_u32 << layers {
            let flags: Vec<bool> = (0..layers).map(|layer| number >> layer & 1 == 1).collect();
            let as_kind = |kind: u32| {
                let value = |flag: &bool| match kind {
                    BOOL | U8 => vec![u8::from(*flag)],
                    _ => u32::from(*flag).to_le_bytes().to_vec(),
                };
                array(kind, &flags.iter().map(value).collect::<Vec<_>>())
            };
            for kind in [BOOL, U8, U32, I32] {
                let model = Gguf::family(name).with(&key, ARRAY, &as_kind(kind)).model();
                assert_eq!(windows(&model), flags, "{name}, type {kind}");
            }
        }
        for period in 0..=layers + 1 {
            let model = Gguf::family(name).with_whole(&key, period as u32).model();
            // llama_hparams::set_swa_pattern.
            let expected: Vec<bool> =
                (0..layers).map(|layer| period == 0 || layer % period < period - 1).collect();
            assert_eq!(windows(&model), expected, "{name}, period {period}");
        }
        let short = array(BOOL, &vec![vec![1]; layers + 1]);
        for (kind, value, cause) in [
            (TEXT, array(0, &[])[4..].to_vec(), "whole number"),
            (F32, 2.5_f32.to_le_bytes().to_vec(), "whole number"),
            (ARRAY, array(TEXT, &[vec![0; 8]]), "0 and 1"),
            (ARRAY, short, "each of the"),
        ] {
            let error = Gguf::family(name).with(&key, kind, &value).refusal();
            assert!(error.contains(&key) && error.contains(cause), "{name}: {error}");
        }
    }
}

fn values(weights: &dyn Weights, name: &str, rows: Option<std::ops::Range<usize>>) -> Vec<f32> {
    let index = weights.tensors().iter().position(|info| info.name == name).unwrap();
    let info = &weights.tensors()[index];
    info.format.decode(&weights.read(index, rows.unwrap_or(0..info.rows)).unwrap())
}

#[test]
fn a_factor_beside_a_matrix_multiplies_what_it_makes() {
    // As they are, turned, fused, by expert, and in blocks.
    for (name, module, canonical) in [
        ("qwen2", "blk.1.attn_v", &["layers.1.attention.value"][..]),
        ("qwen2", "output", &["head"]),
        ("granite", "blk.0.attn_q", &["layers.0.attention.query"]),
        (
            "phi3",
            "blk.0.attn_qkv",
            &["layers.0.attention.query", "layers.0.attention.key", "layers.0.attention.value"],
        ),
        ("phi3", "blk.1.ffn_up", &["layers.1.feed_forward.gate", "layers.1.feed_forward.up"]),
        ("mixtral", "blk.1.ffn_gate_inp", &["layers.1.feed_forward.router"]),
        ("mixtral", "blk.1.ffn_down_exps", &["layers.1.feed_forward.experts.down"]),
        ("gpt_oss-mxfp4", "blk.0.ffn_up_exps", &["layers.0.feed_forward.experts.up"]),
    ] {
        let plain = Gguf::family(name).model();
        let scale = format!("{module}.scale");
        let experts = if module.ends_with("exps") {
            Gguf::family(name).tensors.iter().find(|t| t.name == format!("{module}.weight")).unwrap().sizes[2]
        } else {
            1
        };
        for count in [1, experts] {
            let factors: Vec<f32> = (0..count).map(|index| -0.75 + 1.5 * index as f32).collect();
            let scaled = Gguf::family(name).with_tensor(&scale, &[count], &factors).model();
            for info in plain.weights.tensors() {
                let is_scaled = canonical.iter().any(|module| info.name == format!("{module}.weight"));
                let mut expected = values(&*plain.weights, &info.name, None);
                let of_each = expected.len() / count as usize;
                if is_scaled {
                    let pairs = expected.chunks_mut(of_each).zip(&factors);
                    pairs.for_each(|(part, factor)| part.iter_mut().for_each(|value| *value *= factor));
                }
                let found = values(&*scaled.weights, &info.name, None);
                assert!(found == expected, "{name}: {} with {scale}", info.name);
                let rows = info.rows / 3..info.rows / 2 + 1;
                let part = &expected[rows.start * info.columns..rows.end * info.columns];
                assert!(values(&*scaled.weights, &info.name, Some(rows)) == part, "{name}: {}", info.name);
            }
        }
        let error = Gguf::family(name).with_tensor(&scale, &[7], &[1.0; 7]).refusal();
        assert!(error.contains(&scale) && error.contains("[7]"), "{error}");
    }
    // Nothing multiplies a norm or a table, and no other scale is known.
    for name in ["blk.0.attn_norm.scale", "token_embd.scale", "blk.0.attn_q.input_scale"] {
        let error = Gguf::family("qwen2").with_tensor(name, &[1], &[2.0]).refusal();
        assert!(error.contains(name) && error.contains("nothing"), "{error}");
    }
}

fn all() -> Vec<(String, Gguf)> {
    let mut names: Vec<String> = std::fs::read_dir(families())
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".gguf")?.to_owned()))
        .collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), Gguf::family(&name))).collect()
}

fn architecture(file: &Gguf) -> String {
    let (_, _, value) =
        file.entries.iter().find(|(key, ..)| key == "general.architecture").expect("it names one");
    String::from_utf8(value[8..].to_vec()).unwrap()
}

#[test]
fn keys_that_llama_cpp_needs_are_needed() {
    let mut refused = 0;
    for (name, file) in all() {
        let architecture = architecture(&file);
        for key in [
            "embedding_length",
            "block_count",
            "context_length",
            "attention.head_count",
            "attention.layer_norm_rms_epsilon",
            "attention.layer_norm_epsilon",
            "logit_scale",
        ] {
            let key = format!("{architecture}.{key}");
            // Nemotron's files have both, and EXAONE's, of which one is read; Granite's logits are as they are without theirs.
            let is_spare = [
                "nemotron.attention.layer_norm_rms_epsilon",
                "exaone.attention.layer_norm_epsilon",
                "granitehybrid.logit_scale",
            ]
            .contains(&key.as_str());
            if !file.has(&key) || is_spare {
                continue;
            }
            let error = file.clone().without(&key).refusal();
            assert!(error.contains(&key) && error.contains("missing"), "{name}: {error}");
            refused += 1;
        }
    }
    assert!(refused > 150, "{refused}");
    for (name, key) in [
        ("gpt_neox", "gptneox.use_parallel_residual"),
        ("cohere2", "cohere2.attention.sliding_window"),
        ("gpt_oss", "gpt-oss.attention.sliding_window"),
        ("granite_swa", "granite_swa.attention.sliding_window"),
        ("minicpm", "minicpm.embedding_scale"),
        ("minicpm", "minicpm.residual_scale"),
    ] {
        let error = Gguf::family(name).without(key).refusal();
        assert!(error.contains(key) && error.contains("missing"), "{name}: {error}");
    }
}

#[test]
fn keys_that_llama_cpp_can_do_without_have_its_values() {
    // Not the families' own, which are others.
    for (name, architecture) in [("gemma3_text", "gemma3"), ("smollm3", "smollm3"), ("olmo3", "olmo2")] {
        let model = Gguf::family(name).without(&format!("{architecture}.rope.freq_base")).model();
        let thetas =
            model.config.layers.iter().filter_map(|layer| layer.attention.as_ref().unwrap().rotary.as_ref());
        let full = model
            .config
            .layers
            .iter()
            .position(|layer| layer.attention.as_ref().unwrap().scores.window.is_none());
        let rotary = model.config.layers[full.unwrap_or(0)].attention.as_ref().unwrap().rotary.as_ref();
        assert!(rotary.is_none_or(|rotary| rotary.theta == 10_000.0), "{name}");
        assert!(thetas.clone().any(|rotary| rotary.theta == 10_000.0), "{name}");
    }
    let layer = first(Gguf::family("granite").without("granite.attention.scale").model());
    assert_eq!(
        layer.attention.as_ref().unwrap().scale,
        (layer.attention.as_ref().unwrap().head_width as f32).sqrt().recip()
    );
    let layer = first(Gguf::family("granite").without("granite.residual_scale").model());
    assert_eq!(layer.residual.scale, 1.0);
    let model = Gguf::family("gemma3_text").without("gemma3.attention.sliding_window").model();
    assert!(!windows(&model).contains(&true));
    let epsilon = "olmo.attention.layer_norm_epsilon";
    let layer = first(Gguf::family("olmo").with_number(epsilon, 1e-3).model());
    let norm = layer.attention_norms.before.unwrap();
    assert_eq!((norm.kind, norm.epsilon), (NormKind::Layer, 1e-3));
}

/// Gemma's fixtures with as many heads as share out their width.
fn with_even_heads(name: &str, architecture: &str) -> Gguf {
    let mut file = Gguf::family(name).with_whole(&format!("{architecture}.attention.head_count"), 3);
    for layer in 0..4 {
        for part in ["attn_q", "attn_output"] {
            let name = format!("blk.{layer}.{part}.weight");
            if file.tensors.iter().any(|tensor| tensor.name == name) {
                file = file.with_tensor(&name, &[24, 24], &[0.5; 24 * 24]);
            }
        }
    }
    file
}

#[test]
fn the_width_of_heads_is_their_share_where_no_key_says_it() {
    for (name, architecture) in [("gemma2", "gemma2"), ("gemma3_text", "gemma3"), ("gemma", "gemma")] {
        let file = with_even_heads(name, architecture);
        let key = |name: &str| format!("{architecture}.attention.{name}");
        let bare = file.clone().without(&key("key_length")).without(&key("value_length"));
        let (with, without) = (file.model().config, bare.model().config);
        assert_eq!(without.layers, with.layers, "{name}");
        let attention = without.layers[0].attention.as_ref().unwrap();
        assert_eq!((attention.head_width, attention.scale), (8, 8.0_f32.sqrt().recip()), "{name}");
        let error = file.clone().without(&key("head_count")).without(&key("key_length")).refusal();
        assert!(error.contains(&key("head_count")), "{error}");
    }
    // As many key/value heads as there are heads.
    let key = "gemma3.attention.head_count_kv";
    let error = Gguf::family("gemma3_text").without(key).refusal();
    assert!(error.contains("blk.0.attn_k") && error.contains("[16, 24]"), "{error}");
}

#[test]
fn a_number_for_each_layer_is_the_number_where_all_are_alike() {
    for (name, architecture) in [("stablelm", "stablelm"), ("glm4", "glm4"), ("phi", "phi2")] {
        let key = format!("{architecture}.attention.head_count");
        let plain = Gguf::family(name);
        let heads = plain.clone().model().config.layers[0].attention.as_ref().unwrap().heads as u32;
        let layers = plain.clone().model().config.layers.len();
        let list = array(U32, &vec![heads.to_le_bytes().to_vec(); layers]);
        let model =
            plain.clone().without(&format!("{architecture}.attention.key_length")).with(&key, ARRAY, &list);
        assert_eq!(model.model().config.layers, plain.model().config.layers, "{name}");
    }
}

#[test]
fn values_that_cannot_be_are_refused_by_key() {
    let refused = |name: &str, key: &str, kind: u32, value: &[u8], cause: &str| {
        let error = Gguf::family(name).with(key, kind, value).refusal();
        assert!(error.contains(cause) && !error.contains("config.json"), "{name}: {error}");
    };
    let nan = f32::NAN.to_le_bytes();
    refused("qwen2", "qwen2.attention.layer_norm_rms_epsilon", F32, &nan, "epsilon is NaN");
    refused("qwen2", "qwen2.rope.freq_base", F32, &f32::INFINITY.to_le_bytes(), "base");
    refused("granite", "granite.attention.scale", F32, &nan, "attention scale is NaN");
    refused("cohere", "command-r.logit_scale", F32, &nan, "logits' scale is NaN");
    refused("gemma2", "gemma2.attn_logit_softcapping", F32, &nan, "NaN");
    refused("olmo-clipped", "olmo.attention.clamp_kqv", F32, &nan, "olmo.attention.clamp_kqv is NaN");
    refused("olmo-clipped", "olmo.attention.clamp_kqv", F32, &(-1.0_f32).to_le_bytes(), "above 0");
    refused("olmo2", "olmo2.attention.sliding_window", TEXT, &[0; 8], "olmo2.attention.sliding_window");
    refused("mixtral", "llama.expert_count", TEXT, &[0; 8], "llama.expert_count");
    refused("llama-llama3", "llama.attention.causal", BOOL, &[0], "llama.attention.causal");
    refused(
        "falcon-groups",
        "falcon.attention.key_length",
        U32,
        &9_u32.to_le_bytes(),
        "falcon.attention.key_length",
    );
    refused("qwen2", "qwen2.embedding_length", U32, &[0; 4], "metadata qwen2.embedding_length is 0");
    refused("qwen2", "qwen2.block_count", U32, &[255; 4], "metadata qwen2.block_count is 4294967295");
    refused("qwen2", "qwen2.embedding_length", U32, &25_u32.to_le_bytes(), "multiple of");
    refused("qwen2", "qwen2.rope.freq_base", TEXT, &[0; 8], "metadata qwen2.rope.freq_base is");
    refused("phi", "phi2.rope.dimension_count", U32, &99_u32.to_le_bytes(), "phi2.rope.dimension_count");
    let plain = |name: &str, value: &[u8]| Gguf::family(name).with("llama.attention.causal", BOOL, value);
    assert!(plain("llama-llama3", &[1]).opened().is_ok());
    // 0 is no limit, as nothing is.
    let clip = |value: f32| {
        first(Gguf::family("olmo-clipped").with_number("olmo.attention.clamp_kqv", value).model())
    };
    assert_eq!(clip(0.0).attention.as_ref().unwrap().clip, None);
    assert_eq!(clip(2.5).attention.as_ref().unwrap().clip, Some(2.5));
}

/// No message about a GGUF file names a file or a field that it does not have.
#[test]
fn messages_name_the_metadatas_own_keys() {
    let mut refused = 0;
    for (name, file) in all() {
        let architecture = architecture(&file);
        for (key, kind, value) in &file.entries {
            let sizes = [[0; 4], [7, 0, 0, 0], [255; 4]];
            let numbers = [0.0, -1.0, f32::NAN].map(f32::to_le_bytes);
            let changes = match *kind {
                U32 => sizes,
                F32 => numbers,
                _ => continue,
            };
            for change in
                changes.iter().filter(|change| change[..] != value[..] && key.starts_with(&architecture))
            {
                let changed = file.clone().with(key, *kind, change);
                let (_folder, path) = changed.stored();
                let facts = formats::inspect(&path).unwrap();
                for text in facts.problems.iter().chain(&facts.warnings) {
                    let fields = [
                        "config.json",
                        "hidden_size",
                        "num_",
                        "_eps",
                        "max_position",
                        "rope_scaling",
                        " n_embd",
                        " n_head",
                    ];
                    let named = fields.iter().find(|field| text.contains(**field));
                    assert_eq!(named, None, "{name}: {text}");
                }
                refused += usize::from(!facts.supported);
            }
        }
        let odd = file.with_number(&format!("{architecture}.favourite_number"), 7.0).model();
        let warning = format!(
            "its metadata has keys that are unknown here and ignored: {architecture}.favourite_number"
        );
        assert_eq!(odd.warnings, [warning], "{name}");
    }
    assert!(refused > 300, "{refused}");
}

#[test]
fn missing_tensors_are_told_by_what_the_metadata_makes_them() {
    let mut file = Gguf::family("qwen2");
    file.tensors.retain(|tensor| tensor.name != "blk.1.attn_v.weight");
    let error = file.refusal();
    assert!(
        error.contains("blk.1.attn_v.weight") && error.contains("the metadata makes it [8, 24]"),
        "{error}"
    );
}

#[test]
fn files_that_belong_to_a_model_and_are_none() {
    let plain = || Gguf::family("qwen2");
    for (kind, what) in
        [("adapter", "an adapter (LoRA)"), ("mmproj", "the image or sound part"), ("imatrix", "measurements")]
    {
        let error = plain().with_text("general.type", kind).refusal();
        assert!(error.contains("general.type") && error.contains(what), "{error}");
    }
    plain().with_text("general.type", "model").model();
    let error = plain().with_text("general.architecture", "clip").refusal();
    assert!(error.contains("`clip`") && error.contains("open the file of the language model"), "{error}");
    let error = plain().with_text("general.architecture", "rwkv7").refusal();
    assert!(error.contains("it is RWKV (`rwkv7`)") && error.contains("This program opens"), "{error}");
}

#[test]
fn fused_queries_and_keys_whose_neighbours_rotate_are_those_that_stand_apart() {
    let apart = Gguf::family("glm");
    let mut fused = apart.clone();
    for (layer, ending) in [(0, "weight"), (0, "bias"), (1, "weight"), (1, "bias")] {
        let names = ["q", "k", "v"].map(|part| format!("blk.{layer}.attn_{part}.{ending}"));
        let parts = names.each_ref().map(|name| apart.tensors.iter().find(|t| t.name == *name).unwrap());
        fused.tensors.retain(|tensor| !names.contains(&tensor.name));
        let rows = parts.iter().map(|part| part.sizes[part.sizes.len() - 1]).sum();
        let sizes = [&parts[0].sizes[..parts[0].sizes.len() - 1], &[rows]].concat();
        let bytes = parts.map(|part| &part.bytes[..4 * part.sizes.iter().product::<u64>() as usize]).concat();
        fused.tensors.push(Tensor {
            name: format!("blk.{layer}.attn_qkv.{ending}"),
            sizes,
            element: parts[0].element,
            bytes,
        });
    }
    let (apart, fused) = (apart.model(), fused.model());
    assert_eq!(apart.config, fused.config);
    for info in apart.weights.tensors() {
        let [one, other] = [&apart, &fused].map(|model| values(&*model.weights, &info.name, None));
        assert_eq!(one, other, "{}", info.name);
    }
}
