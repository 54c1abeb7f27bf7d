//! Latent keys and values: their kernels against the twin, what they take of the cache, how their weights are stored, and
//! what is refused.

use logitscope::gpu::{KernelChoice, estimate_memory};
use logitscope::model::config::NormKind;
use logitscope::model::plan::{
    AttentionOp, AttentionValues, BufferId, CacheWidths, Columns, Op, Plan, TensorId,
};
use logitscope::model::weight_format::{Encoding, GridFormat};
use logitscope::model::weights::TensorInfo;
use logitscope::model::{CacheFormat, ModelConfig, WeightFormat, plan_decoder};
use logitscope::synthetic::shapes;
use serde_json::{Value, json};

use super::attention::{SPLITTING, compare_chains, compare_tree};
use super::gguf_edit::Gguf;
use super::kernels::{Pair, ROWS, batch_buffer, choices, plan, tensor};
use super::malformed::assert_config_refused;

use CacheFormat::{F16, F32};

const CPU: KernelChoice = KernelChoice::CPU;
const GPU: KernelChoice = KernelChoice::GPU;
const SHUFFLE: KernelChoice = KernelChoice::CPU_SHUFFLE;
/// The number of q8_0 in GGUF files.
const Q8_0: u32 = 8;

/// Attention over one key of which values are a part.
fn latent_plan([heads, rotating, rank]: [usize; 3], format: CacheFormat) -> Plan {
    let (query, key, output) = (BufferId(0), BufferId(1), BufferId(2));
    let head_width = rotating + rank;
    let ops = vec![
        Op::CacheWrite { layer: 0, key, value: None },
        Op::Attention(AttentionOp {
            layer: 0,
            heads,
            key_value_heads: 1,
            head_width,
            values: AttentionValues::OfKeys { first: rotating },
            scale: 1.0 / (head_width as f32).sqrt(),
            scores: Default::default(),
            sinks: None,
            query: Columns { buffer: query, first: 0 },
            output,
            prologue: None,
        }),
    ];
    let buffers = vec![
        batch_buffer("queries", heads * head_width),
        batch_buffer("latent keys", head_width),
        batch_buffer("mixed", heads * rank),
    ];
    let mut plan = plan(ops, buffers, Vec::new());
    plan.cache_format = format;
    plan.cache_widths.push(CacheWidths { keys: head_width, values: 0 });
    plan
}

#[test]
fn attention_to_parts_of_keys_agrees() {
    for (shape, format, choice) in [
        // GLM-4.7-Flash's, and one that shares no load.
        ([20, 64, 512], F16, GPU),
        ([13, 64, 512], F32, CPU),
        // Half a block is padding; heads in several workgroups; nothing rotates; less rank than what rotates.
        ([3, 8, 20], F16, SPLITTING),
        ([10, 16, 40], F32, SHUFFLE),
        ([4, 0, 24], F16, SHUFFLE),
        ([5, 32, 8], F32, SPLITTING),
    ] {
        let what = format!("latent attention {shape:?} in {}", format.name());
        let plan = latent_plan(shape, format);
        compare_chains(&plan, choice, &[1, 14, 1, 1, 30, 65, 1], &what);
    }
    compare_chains(&latent_plan([6, 32, 256], F16), SPLITTING, &[250, 5, 1, 1, 240, 1, 99, 3, 1], "splits");
}

#[test]
fn attention_of_trees_to_parts_of_keys_agrees() {
    compare_tree(&latent_plan([4, 8, 16], F32), GPU);
    compare_tree(&latent_plan([4, 8, 16], F16), SPLITTING);
    compare_tree(&latent_plan([3, 16, 24], F16), SHUFFLE);
}

#[test]
fn linear_maps_by_head_agree_in_every_format_and_shape() {
    let grids = [WeightFormat::Grids(GridFormat::Iq3Xxs), WeightFormat::Grids(GridFormat::Iq2S)];
    let formats = Encoding::ALL.map(Encoding::format).into_iter().chain(grids);
    // Heads, elements that stay, columns and rows: fewer and more columns than lanes take at once.
    for [heads, kept, columns, rows] in
        [[1, 0, 4, 4], [3, 8, 12, 16], [5, 4, 36, 8], [2, 0, 512, 12], [3, 64, 192, 32], [2, 4, 256, 20]]
    {
        let op = Op::HeadLinear { weight: TensorId(0), heads, kept, input: BufferId(0), output: BufferId(1) };
        let buffers = vec![
            batch_buffer("heads", heads * (kept + columns)),
            batch_buffer("mapped", heads * (kept + rows)),
        ];
        let plan = plan(vec![op], buffers, vec![tensor("matrices", heads * rows, columns)]);
        let formats = formats.clone().map(|format| (format, CPU));
        for (format, choice) in formats.chain(choices().map(|choice| (WeightFormat::F16, choice))) {
            if !columns.is_multiple_of(format.block_elements()) {
                continue;
            }
            let mut pair = Pair::new(&plan, format, choice);
            for rows in [1, 33] {
                let name = format.name();
                pair.compare_rows(rows, &format!("{heads} × ({kept} + {columns}) {name} {choice:?}"));
            }
        }
    }
}

#[test]
fn norms_of_some_columns_leave_the_others_alone() {
    for choice in choices() {
        let op = Op::HeadNorm {
            kind: NormKind::Rms,
            epsilon: 1e-6,
            weight: Some(TensorId(0)),
            heads: 1,
            head_width: 20,
            columns: Columns { buffer: BufferId(0), first: 8 },
        };
        let plan = plan(vec![op], vec![batch_buffer("latent keys", 31)], vec![tensor("norm", 1, 20)]);
        let mut pair = Pair::new(&plan, WeightFormat::F32, choice);
        for rows in ROWS {
            pair.compare_rows(rows, &format!("{choice:?}"));
        }
    }
}

fn shape(name: &str) -> ModelConfig {
    shapes::config(name).expect("a name from the list")
}

/// What a position takes: 576 elements a layer, once.
#[test]
fn only_latent_vectors_and_what_rotates_are_cached() {
    for (name, layers) in [("glm-4.7-flash", 47), ("deepseek-v2-lite", 27)] {
        let config = shape(name);
        assert_eq!(config.cache_bytes_per_position(), 4 * layers * 576);
        let plan = Plan { cache_format: F16, ..plan_decoder(&config) };
        assert_eq!(plan.cache_bytes_per_position(), 2 * layers * 576);
        let info = |spec: &logitscope::model::plan::TensorSpec| TensorInfo {
            name: spec.name.clone(),
            rows: spec.rows,
            columns: spec.columns,
            format: WeightFormat::F16,
        };
        let tensors: Vec<TensorInfo> = plan.tensors.iter().map(info).collect();
        assert_eq!(estimate_memory(&plan, &tensors, 1000).cache_bytes, 1000 * 2 * layers * 576);
    }
}

/// Files of GLM-4.7-Flash do not say how experts are chosen: it is known by its sizes, as llama.cpp knows it.
#[test]
fn files_of_one_architecture_are_of_the_family_that_they_describe() {
    let scores = "deepseek2.expert_gating_func";
    let family = |file: &Gguf| file.model().family;
    assert_eq!(family(&Gguf::family("glm4_moe_lite")), "deepseek_v3");
    assert_eq!(family(&Gguf::family("deepseek_v2")), "deepseek_v2");
    assert_eq!(family(&Gguf::family("deepseek_v2").with_whole(scores, 1)), "deepseek_v2");
    let silent = Gguf::family("glm4_moe_lite").without(scores).with_whole("deepseek2.block_count", 48);
    let refusal = silent.with_whole("deepseek2.vocab_size", 154_880).refusal();
    assert!(refusal.contains("154880 tokens"), "{refusal}");
}

#[test]
fn what_no_published_model_has_is_refused() {
    let method = |config: &mut Value| config["topk_method"] = json!("noaux_tc");
    assert_config_refused("deepseek_v2", method, &["topk_method is \"noaux_tc\"", "group_limited_greedy"]);
    let sum = |config: &mut Value| config["norm_topk_prob"] = json!(true);
    assert_config_refused("deepseek_v2", sum, &["norm_topk_prob", "never divided"]);
    let scores = |config: &mut Value| config["scoring_func"] = json!("softmax");
    assert_config_refused("deepseek_v3", scores, &["scoring_func", "only sigmoid"]);
    let odd = |config: &mut Value| config["kv_lora_rank"] = json!(12);
    assert_config_refused("minicpm3", odd, &["the rank of keys and values is 12", "multiple of 8"]);
    let rotates = |config: &mut Value| config["qk_rope_head_dim"] = json!(6);
    assert_config_refused(
        "minicpm3-whole-queries",
        rotates,
        &["the rotating width of a head is 6", "multiple of 8"],
    );
    let mixed = |config: &mut Value| config["mlp_layer_types"] = json!(["sparse", "dense"]);
    assert_config_refused("glm4_moe_lite", mixed, &["mlp_layer_types", "only first layers"]);
    let refusal = Gguf::family("minicpm3").without("minicpm3.attention.q_lora_rank").refusal();
    assert!(refusal.contains("minicpm3.attention.q_lora_rank") && refusal.contains("missing"), "{refusal}");
    let narrow = Gguf::family("deepseek_v2").with_whole("deepseek2.attention.key_length_mla", 8).refusal();
    assert!(narrow.contains("deepseek2.attention.key_length_mla"), "{narrow}");
}

/// Keys' matrices lie the other way around than attention needs them: quantised ones are decoded, and turned in f32.
#[test]
fn quantised_matrices_of_keys_are_decoded_to_be_turned() {
    const HEADS: usize = 3;
    const PLAIN: usize = 12;
    const RANK: usize = 32;
    let mut file = Gguf::family("deepseek_v2-whole-queries");
    let stored = file.tensors.iter_mut().find(|tensor| tensor.name == "blk.0.attn_kv_b.weight");
    let stored = stored.expect("keys and values in one matrix");
    let exact: Vec<f32> = WeightFormat::F32.decode(&stored.bytes);
    (stored.element, stored.bytes) = (Q8_0, Encoding::Q8_0.encode(&exact));
    // Each head's rows of keys, and then of values.
    let rounded = WeightFormat::Q8_0.decode(&stored.bytes);
    let of_head = rounded.len() / HEADS;
    let turned = (0..HEADS * RANK * PLAIN).map(|element| {
        let (head, rest) = (element / (RANK * PLAIN), element % (RANK * PLAIN));
        rounded[head * of_head + rest % PLAIN * RANK + rest / PLAIN]
    });
    let turned: Vec<f32> = turned.collect();
    let weights = file.model().weights;
    let place =
        |name: &str| weights.tensors().iter().position(|info| info.name == name).expect("it is there");
    let keys = place("layers.0.attention.query_to_latent.weight");
    let info = &weights.tensors()[keys];
    assert_eq!((info.format, info.rows, info.columns), (WeightFormat::F32, HEADS * RANK, PLAIN));
    for rows in [0..info.rows, 5..70, 31..33, 64..64] {
        let found = info.format.decode(&weights.read(keys, rows.clone()).expect("readable"));
        assert_eq!(found, turned[rows.start * PLAIN..rows.end * PLAIN], "{rows:?}");
    }
    // Values are as they are stored.
    assert_eq!(weights.tensors()[place("layers.0.attention.value.weight")].format, WeightFormat::Q8_0);
}
