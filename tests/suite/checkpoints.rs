//! Real checkpoints on the GPU, for what is held to references: the tiny ones of the fixtures, and the built-in one.

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use logitscope::decoding::DecodingSettings;
use logitscope::gpu::{Device, Engine};
use logitscope::model::{CacheFormat, LanguageModel};
use logitscope::session::decode::uninterrupted;
use logitscope::session::event::Loaded;
use logitscope::session::{Decode, ModelSource, Opened, Prompt, ReadyModel, WeightsChoice};
use logitscope::trace::{AdapterFacts, Run};

use super::support;

/// A checkpoint of `tests/fixtures/families`, or `built-in`.
pub fn source(name: &str) -> ModelSource {
    let families = support::fixture("families");
    if name == "built-in" { ModelSource::BuiltIn } else { ModelSource::Path(families.join(name)) }
}

/// The checkpoint's files, with keys and values in f32 as the references have them.
pub fn opened(source: &ModelSource) -> Opened {
    Opened::open(source, None, WeightsChoice::Original)
        .unwrap_or_else(|error| panic!("{source:?}: {error}"))
        .with_cache(Some(CacheFormat::F32))
}

/// The checkpoint's model on the GPU.
pub fn engine(opened: &Opened) -> Engine {
    let mut progress = |_, _| ControlFlow::Continue(());
    opened.engine(device(), &mut progress).unwrap_or_else(|error| panic!("{}: {error}", opened.file.path))
}

/// A checkpoint whose model is computed by this one.
pub fn with_model(opened: Opened, model: Box<dyn LanguageModel>) -> ReadyModel {
    let loaded = Loaded {
        model: opened.facts(),
        adapter: AdapterFacts::default(),
        seconds: 0.0,
        scratch_bytes: 0,
        variants: Vec::new(),
        eos: opened.file.special.eos,
        tokenizer_problem: opened.tokenizer_problem,
        defaults: opened.file.generation,
        chat_problem: None,
        chat_switches: Vec::new(),
        has_drafting_head: false,
        server: None,
    };
    ReadyModel {
        model,
        tokenizer: opened.tokenizer,
        drafting_head: None,
        loaded,
        warnings: opened.file.warnings,
    }
}

/// The checkpoint on the GPU.
pub fn ready(name: &str) -> ReadyModel {
    let opened = opened(&source(name));
    let model = Box::new(engine(&opened));
    with_model(opened, model)
}

/// Decodes to the end; nothing stays in the cache.
pub fn decode(ready: &mut ReadyModel, prompt: &[u32], settings: &DecodingSettings) -> Run {
    let mut decode = Decode::begin(ready, &Prompt::Ids(prompt.to_vec()), settings).expect("a good prompt");
    while decode.run.stop.is_none() {
        uninterrupted(|control| decode.advance(ready, control)).expect("a step");
    }
    let run = decode.end(ready);
    assert_eq!(ready.model.cache_usage().bytes, 0, "sequences that nobody released");
    run
}

/// One device for all checkpoints, so that equal kernels are compiled once.
fn device() -> Arc<Device> {
    static DEVICE: OnceLock<Arc<Device>> = OnceLock::new();
    Arc::clone(DEVICE.get_or_init(super::support::device))
}
