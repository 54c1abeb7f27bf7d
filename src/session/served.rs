//! Models on servers, as the session loads them.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::event::Loaded;
use super::load::{LoadError, ReadyModel};
use crate::formats::GenerationDefaults;
use crate::gpu::{LoadPart, Progress, Share};
use crate::servers::{self, ApiKey, ServedDecoder, ServerAddress, ServerError};
use crate::trace::{AdapterFacts, ModelFacts, ServedBy};
use crate::units::LayersKeep;

/// How long it waits between two questions whether to go on.
const SLICE: Duration = Duration::from_millis(10);

/// Connects to a model on a server.
pub(super) fn load(
    address: &ServerAddress,
    key: Option<ApiKey>,
    context: Option<usize>,
    progress: &mut Progress<'_>,
) -> Result<ReadyModel, LoadError> {
    let start = Instant::now();
    let served = connect(address, key, progress)?;
    let most = served.facts.context;
    if let Some(asked) = context.filter(|context| !(1..=most).contains(context)) {
        return Err(LoadError::Context { name: served.facts.model, asked, most });
    }
    Ok(ready(served, context, start))
}

/// Connects on another thread, so that `progress` can end it.
fn connect(
    address: &ServerAddress,
    key: Option<ApiKey>,
    progress: &mut Progress<'_>,
) -> Result<ServedDecoder, LoadError> {
    let interrupt = AtomicBool::new(false);
    let opened = std::thread::scope(|scope| {
        let opening = scope.spawn(|| servers::open(address, key, &interrupt));
        while !opening.is_finished() {
            if let ControlFlow::Break(()) = progress(LoadPart::Connecting, Share::default()) {
                interrupt.store(true, Ordering::Release);
            }
            std::thread::sleep(SLICE);
        }
        opening.join()
    });
    match opened {
        Ok(Err(ServerError::Stopped)) => Err(LoadError::Stopped),
        Ok(opened) => Ok(opened?),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn ready(served: ServedDecoder, context: Option<usize>, start: Instant) -> ReadyModel {
    let ServedDecoder { mut model, tokenizer, facts, address, chat_problem } = served;
    model.limit_context(context);
    let context = context.unwrap_or(facts.context);
    let engine = facts.engine();
    let vocabulary = facts.vocabulary.unwrap_or_default();
    let server =
        ServedBy { engine: engine.clone(), most_listed: facts.most_listed, whole_rows: facts.whole_rows };
    let loaded = Loaded {
        model: ModelFacts {
            name: facts.model.clone(),
            path: address.to_string(),
            family: String::new(),
            parameters: 0,
            weights: String::new(),
            layers: 0,
            width: 0,
            heads: 0,
            key_value_heads: 0,
            head_width: 0,
            vocabulary,
            context,
            weight_bytes: 0,
            cache_bytes_per_position: 0,
            state_bytes_per_sequence: 0,
            layers_keep: LayersKeep::default(),
            streaming: None,
            server: Some(server),
        },
        adapter: AdapterFacts {
            index: 0,
            name: address.host().to_owned(),
            backend: engine,
            kind: "server".to_owned(),
            driver: String::new(),
        },
        seconds: start.elapsed().as_secs_f64(),
        scratch_bytes: 0,
        variants: Vec::new(),
        eos: facts.eos.clone(),
        tokenizer_problem: tokenizer.is_none().then(|| "the server makes no ids of texts".to_owned()),
        defaults: GenerationDefaults::default(),
        chat_problem,
        chat_switches: Vec::new(),
        has_drafting_head: false,
        server: Some(facts),
    };
    ReadyModel { model: Box::new(model), tokenizer, drafting_head: None, loaded, warnings: Vec::new() }
}
