//! What a model would take, beside what an adapter has.

use logitscope::gpu::{self, AdapterInfo, Device, GpuError};
use logitscope::model::CacheFormat;
use logitscope::session::inspect::TooLarge;
use logitscope::session::{
    AdapterMatch, AdapterRoom, GpuLoader, Limit, LoadRequest, Loader, ModelCard, ModelSource,
};
use serde_json::json;
use tempfile::TempDir;

use super::formats::fixture;
use super::malformed::{copy_of, edit_config};

/// Bytes of one position's keys in a layer of `llama-f32`: two heads of eight elements of f32.
const KEY_BYTES: u64 = 2 * 8 * 4;

/// A small model with a context of 2²⁴ positions, which no adapter's binding can hold.
pub fn long_model() -> TempDir {
    let folder = copy_of("llama-f32");
    edit_config(folder.path(), |config| config["max_position_embeddings"] = json!(1 << 24));
    folder
}

fn request(path: impl Into<std::path::PathBuf>) -> LoadRequest {
    LoadRequest { cache: Some(CacheFormat::F32), ..LoadRequest::of(ModelSource::Path(path.into())) }
}

/// The adapter of the tests as it would be with these limits.
fn adapter(binding_bytes: u64, memory_bytes: Option<u64>) -> AdapterInfo {
    AdapterInfo { binding_bytes, memory_bytes, ..gpu::find(None).expect("an adapter") }
}

fn compared(request: &LoadRequest, adapter: AdapterInfo) -> (ModelCard, AdapterRoom) {
    let card = ModelCard::beside(request, Ok(adapter)).expect("the headers are whole");
    match card.adapter.clone() {
        AdapterMatch::Adapter(room) => (card, room),
        AdapterMatch::Nothing { problem } => panic!("not compared: {problem}"),
    }
}

#[test]
fn a_context_ends_where_a_layers_keys_fill_a_binding() {
    let folder = long_model();
    let request = request(folder.path());
    // A page more and a position less than a page more.
    for (bytes, positions) in
        [(1600 * KEY_BYTES, 1600), (1616 * KEY_BYTES - 1, 1600), (1616 * KEY_BYTES, 1616)]
    {
        let (_, room) = compared(&request, adapter(bytes, None));
        let fit = room.fit.clone().expect("the model is supported");
        assert_eq!((fit.binding_positions, fit.memory_positions), (positions, None), "{bytes} bytes");
        assert_eq!(fit.context(), positions);
        assert_eq!([room.limit_of(positions), room.limit_of(positions + 1)], [None, Some(Limit::Binding)]);
    }
    let (_, room) = compared(&LoadRequest { context: Some(100), ..request }, adapter(1 << 20, None));
    assert_eq!(room.fit.map(|fit| fit.context()), Some(100), "no more than was asked for");
}

#[test]
fn a_context_ends_where_everything_fills_the_memory() {
    let folder = long_model();
    let short = request(folder.path());
    let short = LoadRequest { context: Some(5000), ..short };
    let need = compared(&short, adapter(1 << 30, None)).0.memory.expect("the model is supported");
    let long = request(folder.path());
    let fit = |bytes| {
        let (_, room) = compared(&long, adapter(1 << 30, Some(bytes)));
        let limits = [4999, 5000, 5001].map(|context| room.limit_of(context));
        (room.fit.expect("the model is supported").context(), limits)
    };
    let memory = Some(Limit::Memory);
    assert_eq!(fit(need.total_bytes), (5000, [None, None, memory]));
    assert_eq!(fit(need.total_bytes - 1), (4999, [None, memory, memory]));
    assert_eq!(fit(1000), (0, [memory; 3]), "the weights alone are larger");
}

#[test]
fn a_limit_ends_a_context_as_the_memory_does() {
    let folder = long_model();
    let ends = |gpu_memory| {
        let request = LoadRequest { gpu_memory, ..request(folder.path()) };
        let room = compared(&request, adapter(1 << 30, Some(16 << 30))).1;
        let longest = room.fit.as_ref().expect("the model is supported").context();
        (longest, [longest, longest + 1].map(|context| room.limit_of(context)))
    };
    let (whole, limits) = ends(None);
    assert_eq!(limits, [None, Some(Limit::Binding)]);
    let (limited, limits) = ends(Some(256 << 20));
    assert!(limited > 1000 && limited < whole / 2, "{limited} of {whole}");
    assert_eq!(limits, [None, Some(Limit::Memory)]);
}

#[test]
fn what_exceeds_a_binding_is_named() {
    let request = request(fixture("llama-f32"));
    let too_large = |bytes| compared(&request, adapter(bytes, None)).1.fit.expect("supported").too_large;
    assert_eq!(too_large(1 << 20), []);
    // Eight rows of 30 elements, padded to 32, in f32.
    let rows = 8 * 32 * 4;
    let embedding = |large: &TooLarge| large.what == "embed.tokens";
    let found = too_large(rows - 1);
    assert_eq!(found.iter().find(|large| embedding(large)).map(|large| large.bytes), Some(rows), "{found:?}");
    assert!(!too_large(rows).iter().any(embedding));
    // A chunk of 128 rows of 46 elements, padded to 64.
    let found = too_large(128 * 64 * 4 - 1);
    assert!(found.iter().all(|large| large.what.starts_with("activations (")), "{found:?}");
    let gate = |large: &TooLarge| large.what == "activations (feed-forward gate)";
    assert_eq!(found.iter().find(|large| gate(large)).map(|large| large.bytes), Some(128 * 64 * 4));
    assert!(!too_large(128 * 64 * 4).iter().any(gate));
}

#[test]
fn the_engine_shortens_a_context_to_what_the_card_says() {
    let folder = long_model();
    let request = request(folder.path());
    // Opened first: the card then compares with the adapter that turned out to work.
    let device = Device::open(None).expect("tests need an adapter");
    let AdapterMatch::Adapter(room) = ModelCard::read(&request).expect("the headers are whole").adapter
    else {
        panic!("tests need an adapter")
    };
    assert_eq!((&room.name, room.binding_bytes), (&device.info.name, device.info.binding_bytes));
    if room.backend == "Vulkan" {
        assert!(room.memory_bytes.is_some_and(|bytes| bytes > 1 << 28), "{:?}", room.memory_bytes);
    }
    let fit = room.fit.expect("the model is supported");
    let ready = GpuLoader::default()
        .load(&request, &mut |_, _| std::ops::ControlFlow::Continue(()))
        .expect("it loads");
    assert_eq!(ready.loaded.model.context, fit.binding_positions);
    assert_eq!(ready.model.context(), fit.binding_positions);
    assert!(fit.binding_positions < 1 << 24, "the adapter's binding is the limit here");
}

#[test]
fn without_an_adapter_the_card_says_so_and_the_rest() {
    let request = request(fixture("llama-f32"));
    let card = ModelCard::beside(&request, Err(GpuError::NoAdapter)).expect("the headers are whole");
    assert!(card.facts.supported && card.memory.is_some());
    let AdapterMatch::Nothing { problem } = &card.adapter else { panic!("it was compared: {card:?}") };
    assert!(problem.contains("no GPU was found"), "{problem}");
}

#[test]
fn what_does_not_fit_a_memory_apart_runs_with_layers_in_the_computers() {
    let source = ModelSource::BuiltIn;
    let request = LoadRequest { context: Some(300), ..LoadRequest::of(source) };
    let own = |kind: &str, bytes| {
        // With a driver of which nothing is remembered.
        let driver = "of a test".to_owned();
        AdapterInfo { kind: kind.to_owned(), driver, ..adapter(1 << 27, Some(bytes)) }
    };
    let (card, whole) = compared(&request, own("discrete GPU", 1 << 30));
    assert!(whole.streamed.is_none() && whole.no_room.is_none(), "{whole:?}");
    let need = card.memory.expect("it opens").total_bytes;
    let (_, less) = compared(&request, own("discrete GPU", need - 500_000));
    let streamed = less.streamed.expect("some layers have no room");
    assert!(streamed.streaming.resident_layers < streamed.streaming.layers);
    assert!(!streamed.measured && streamed.most_tokens_per_s > 0.0);
    assert_eq!(less.limit_of(300), Some(Limit::Layers));
    assert!(streamed.speed().contains("assumed"), "{}", streamed.speed());
    let (_, shared) = compared(&request, own("integrated GPU", need - 500_000));
    assert!(shared.streamed.is_none(), "all memory is the computer's");
    let (_, none) = compared(&request, own("discrete GPU", 1 << 20));
    assert!(none.no_room.expect("nothing fits").contains("at least"));
}
