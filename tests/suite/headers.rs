//! What is told of real models by their headers: files that declare all of their tensors and have no data.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use logitscope::gpu::{self, AdapterInfo};
use logitscope::model::{CacheFormat, WeightsChoice, plan_decoder};
use logitscope::session::inspect::MemoryNeed;
use logitscope::session::{AdapterMatch, AdapterRoom, LoadRequest, ModelCard, ModelSource};
use logitscope::synthetic::shapes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::support;

/// What a script says of a model's files.
#[derive(Deserialize)]
struct Description {
    config: Value,
    /// A name, the numbers that stand for each `#` in it, and a shape.
    tensors: Vec<(String, Vec<Vec<usize>>, Vec<u64>)>,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    parameters: u64,
    weight_bytes: u64,
    cache_bytes_per_position: u64,
}

/// The names that a name with `#` stands for.
fn names(pattern: &str, numbers: &[Vec<usize>]) -> Vec<String> {
    numbers.iter().fold(vec![pattern.to_owned()], |names, numbers| {
        let with_each =
            |name: String| numbers.iter().map(move |number| name.replacen('#', &number.to_string(), 1));
        names.into_iter().flat_map(with_each).collect()
    })
}

/// A folder with the configuration, and a file that is as long as the model's and has its header alone. Systems for which
/// the rest of such a file takes no place run this.
fn write(folder: &Path, description: &Description) {
    let mut header = Map::new();
    let mut end = 0;
    for (pattern, numbers, shape) in &description.tensors {
        let bytes = 2 * shape.iter().product::<u64>();
        for name in names(pattern, numbers) {
            header
                .insert(name, json!({ "dtype": "BF16", "shape": shape, "data_offsets": [end, end + bytes] }));
            end += bytes;
        }
    }
    let header = Value::Object(header).to_string();
    let mut file = File::create(folder.join("model.safetensors")).expect("created");
    file.write_all(&(header.len() as u64).to_le_bytes()).expect("written");
    file.write_all(header.as_bytes()).expect("written");
    file.set_len(8 + header.len() as u64 + end).expect("a file with a hole");
    fs::write(folder.join("config.json"), description.config.to_string()).expect("written");
}

#[test]
fn memory_of_real_models_is_told_by_their_headers() {
    for model in ["gemma-4-e2b", "gemma-4-12b", "glm-4.7-flash", "muse-glimmer-30b"] {
        let text = fs::read(support::fixture("headers").join(format!("{model}.json"))).expect("readable");
        let description: Description = serde_json::from_slice(&text).expect("the script's format");
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &description);
        let request = LoadRequest {
            source: ModelSource::Path(folder.path().to_owned()),
            adapter: None,
            context: None,
            weights: WeightsChoice::Original,
            cache: Some(CacheFormat::F16),
            gpu_memory: None,
            key: None,
        };
        let card = ModelCard::read(&request).expect("headers");
        assert_eq!(card.facts.problems, Vec::<String>::new(), "{model}");
        let Expected { parameters, weight_bytes, cache_bytes_per_position } = description.expected;
        let near = |told: u64, right: u64, what: &str| {
            let apart = (told as f64 / right as f64 - 1.0).abs();
            assert!(apart < 0.05, "{model}: {what} is told as {told}, but it is {right}");
        };
        let full = card.memory.expect("it can be opened");
        assert_eq!(Some(full.context as u64), context(&description.config), "{model}");
        for need in card.shorter.iter().chain([&full]) {
            let MemoryNeed { context, weight_bytes: weights, cache_bytes, total_bytes, .. } = *need;
            let cache = cache_bytes_per_position * context as u64;
            near(weights, weight_bytes, "the weights' size");
            near(cache_bytes, cache, "the cache's size");
            near(total_bytes, weight_bytes + cache, "all together");
        }
        // No tensor has to be in one binding, not even a table for all layers.
        let binding_bytes = 128 << 20;
        let adapter = AdapterInfo { binding_bytes, ..gpu::find(None).expect("an adapter") };
        let beside = ModelCard::beside(&request, Ok(adapter)).expect("headers").adapter;
        let AdapterMatch::Adapter(AdapterRoom { fit: Some(fit), .. }) = beside else { panic!("{beside:?}") };
        assert_eq!(fit.too_large, [], "{model}");
        // The shape of this name is the same model.
        let shape = plan_decoder(&shapes::config(model).expect("a shape"));
        let counted = shape.tensors.iter().map(|spec| (spec.rows * spec.columns) as u64).sum();
        near(counted, parameters, "the number of weights of its shape");
        near(card.facts.parameters, parameters, "the number of weights");
    }
}

/// Positions by the configuration.
fn context(config: &Value) -> Option<u64> {
    config.get("text_config").unwrap_or(config)["max_position_embeddings"].as_u64()
}
