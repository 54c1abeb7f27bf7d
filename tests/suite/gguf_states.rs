//! GGUF files of families with Mamba 2's blocks: what their keys mean and which are refused, and that factors which are
//! in the weights make what the folder's configuration makes.

use logitscope::model::batch::RowOutput;
use logitscope::model::config::{LayerConfig, Mamba2Config, RecurrentConfig};
use logitscope::model::{Batch, LanguageModel, plan_decoder};
use logitscope::reference::Reference;
use serde_json::Value;

use super::formats::fixture;
use super::gguf_edit::{ARRAY, F32, Gguf, U32, array, families};

fn state(layer: &LayerConfig) -> Mamba2Config {
    match layer.recurrent {
        Some(RecurrentConfig::Mamba2(state)) => state,
        _ => panic!("{layer:?}"),
    }
}

fn with_list(file: Gguf, key: &str, numbers: &[u32]) -> Gguf {
    let numbers: Vec<Vec<u8>> = numbers.iter().map(|number| number.to_le_bytes().to_vec()).collect();
    file.with(key, ARRAY, &array(U32, &numbers))
}

fn assert_refused(file: &Gguf, parts: &[&str]) {
    let error = file.refusal();
    assert!(parts.iter().all(|part| error.contains(part)), "{error}");
}

#[test]
fn layers_are_of_the_kind_that_zeros_say() {
    let model = Gguf::family("nemotron_h").model();
    let kinds =
        model.config.layers.iter().map(|layer| {
            [layer.recurrent.is_some(), layer.attention.is_some(), layer.feed_forward.is_some()]
        });
    let [state, attention, feed_forward] = [[true, false, false], [false, true, false], [false, false, true]];
    assert!(kinds.eq([state, attention, feed_forward, state]));
    // One number counts for all layers.
    let model = Gguf::family("nemotron_h").with_whole("nemotron_h.attention.head_count_kv", 2).opened();
    assert!(model.is_err_and(|error| error.to_string().contains("attn_")), "a layer without heads has some");
}

#[test]
fn time_steps_have_no_limits_where_llama_cpp_knows_none() {
    let model = Gguf::family("nemotron_h").model();
    assert_eq!(state(&model.config.layers[0]).time_step, [0.0, f32::INFINITY]);
    let folder = logitscope::formats::open(&fixture("nemotron_h")).unwrap();
    assert_eq!(state(&folder.config.layers[0]).time_step, [0.001, f32::INFINITY]);
}

#[test]
fn biases_are_where_tensors_are() {
    use logitscope::model::config::Bias::{Absent, Present};
    let biases = |name: &str| {
        let state = state(&Gguf::family(name).model().config.layers[0]);
        [state.convolution.bias, state.input_bias, state.output_bias]
    };
    assert_eq!(biases("mamba2"), [Present, Absent, Absent]);
    assert_eq!(biases("mamba2-tied"), [Absent, Present, Present]);
}

#[test]
fn lists_and_sizes_that_do_not_fit() {
    let file = || Gguf::family("nemotron_h");
    let heads = "nemotron_h.attention.head_count_kv";
    assert_refused(&with_list(file(), heads, &[0, 2, 0]), &[heads, "3 numbers", "4 layers"]);
    let widths = "nemotron_h.feed_forward_length";
    assert_refused(&with_list(file(), widths, &[0, 0, 28, 0, 0]), &[widths, "5 numbers", "4 layers"]);
    let fractions = [0.5_f32; 4].map(|number| number.to_le_bytes().to_vec());
    let fractions = file().with(widths, ARRAY, &array(F32, &fractions));
    assert_refused(&fractions, &[widths, "whole numbers from 0"]);
    let groups = "nemotron_h.ssm.group_count";
    assert_refused(&file().with_whole(groups, 0), &[groups, "is 0", "from 1"]);
    assert_refused(&file().with_whole(groups, 4), &[groups, "ssm.time_step_rank, 6, has to be a multiple"]);
    let inner = "nemotron_h.ssm.inner_size";
    assert_refused(&file().with_whole(inner, 37), &[inner, "37", "ssm.time_step_rank, 6, does not divide"]);
    assert_refused(&file().without(inner), &[inner, "missing"]);
    let steps = "nemotron_h.ssm.time_step_rank";
    assert_refused(&file().without(steps), &[steps, "missing"]);
    let kernel = "nemotron_h.ssm.conv_kernel";
    assert_refused(&file().with_whole(kernel, 1), &[kernel, "2 to 64 rows"]);
    let state = "nemotron_h.ssm.state_size";
    assert_refused(&file().with_whole(state, 0), &[state, "is 0", "from 1"]);
    assert_refused(&file().with_whole(state, 11), &["ssm_in.weight", "shape"]);
    let granite = "granitehybrid.attention.head_count_kv";
    let file = with_list(Gguf::family("granitemoehybrid-mamba"), granite, &[0, 1]);
    assert_refused(&file, &[granite, "2 numbers", "3 layers"]);
}

#[test]
fn factors_in_the_weights_and_heads_in_another_order_make_the_same_logits() {
    for name in ["falcon_h1", "falcon_h1-norm", "nemotron_h", "nemotron_h-experts", "granitemoehybrid-mamba"]
    {
        let model = logitscope::formats::open(&families().join(format!("{name}.gguf"))).unwrap();
        let plan = plan_decoder(&model.config);
        let mut twin = Reference::new(plan, model.config.context, &*model.weights).expect("readable weights");
        let expected = std::fs::read(fixture(name).join("expected.json")).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        let numbers = |value: &Value| -> Vec<f64> {
            value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
        };
        let ids: Vec<u32> = numbers(&expected["short"]["ids"]).into_iter().map(|id| id as u32).collect();
        let sequence = twin.new_sequence();
        let batch = Batch::chain_of_outputs(sequence, 0, &ids, RowOutput::Logits);
        let logits = twin.forward(&batch).unwrap().logits;
        for (ours, theirs) in logits.iter().zip(expected["short"]["logits"].as_array().unwrap()) {
            for (ours, theirs) in ours.iter().zip(numbers(theirs)) {
                assert!((f64::from(*ours) - theirs).abs() < 1e-3, "{name}: {ours} for {theirs}");
            }
        }
    }
}
