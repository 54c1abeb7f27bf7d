//! From arguments to a model that is ready and a prompt to give it.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::arguments::{CompareOptions, ConversationOptions, ModelOptions, PromptOptions, SpecialOption};
use super::error::CliError;
use super::interrupt;
use super::named::{draft_source, source};
use super::output::{StatusLine, status};
use crate::decoding::{DecodingSettings, StrategyInputs, check_prompt};
use crate::gpu::{Device, GpuError};
use crate::session::command::{LoadRequest, SpecialTokens};
use crate::session::{
    self, ApiKey, DraftModel, GpuLoader, LoadError, LoadPart, Loader, Prompt, ReadyModel, RunError, Share,
    VocabularyMatch,
};
use crate::tokenizer::chat::{Conversation, Message};
use crate::tokenizer::without_byte_order_mark;
use crate::units::bytes;

/// Loads the model, with progress on stderr. Ctrl-C ends it with [`crate::session::LoadError::Stopped`].
pub(super) fn load(options: &ModelOptions) -> Result<ReadyModel, CliError> {
    load_with(options, &Beside::default()).map(|loaded| loaded.ready)
}

/// Loads the model and makes ids of a prompt that it can compute. `None` where Ctrl-C ended that.
pub(super) fn load_with_prompt(
    options: &ModelOptions,
    prompt: &PromptOptions,
    special: &SpecialOption,
) -> Result<Option<(ReadyModel, Vec<u32>)>, CliError> {
    let prompt = self::prompt(prompt, special)?;
    let ready = match load(options) {
        Err(CliError::Load(LoadError::Stopped)) => return Ok(None),
        ready => ready?,
    };
    let ids = ready.tokenise(&prompt).map_err(CliError::Begin)?;
    check_prompt(&ids, &*ready.model).map_err(|error| CliError::Begin(error.into()))?;
    Ok(Some((ready, ids)))
}

/// Models to load beside the model.
#[derive(Default)]
pub(super) struct Beside<'a> {
    /// One that drafts for it.
    pub draft: Option<&'a PathBuf>,
    /// One that reads what it decodes.
    pub other: Option<&'a CompareOptions>,
}

/// The model, and those beside it.
pub(super) struct Loaded {
    /// The model.
    pub ready: ReadyModel,
    /// The one that drafts for it.
    pub draft: Option<DraftModel>,
    /// The one that reads what it decodes.
    pub other: Option<ReadyModel>,
}

/// Loads the model, and others beside it.
pub(super) fn load_with(options: &ModelOptions, beside: &Beside<'_>) -> Result<Loaded, CliError> {
    let mut loader = GpuLoader::default();
    let draft = beside.draft.map(|path| draft_source(path).map(LoadRequest::of)).transpose()?;
    let other = beside.other.map(|compare| other_request(options, compare)).transpose()?.flatten();
    if options.gpu_memory.is_some() {
        draft.iter().try_for_each(|draft| loader.leave_room_for(draft)).map_err(CliError::LoadDraft)?;
        other.iter().try_for_each(|other| loader.leave_room_for(other)).map_err(CliError::LoadOther)?;
    }
    let ready = watched(&mut loader, &request(options)?, GpuLoader::load)?;
    let draft = match &draft {
        Some(draft) => {
            let draft = watched(&mut loader, draft, GpuLoader::load_beside);
            let draft = DraftModel::for_model(draft.map_err(CliError::LoadDraft)?, &ready)?;
            draft.warning().iter().for_each(|warning| status(&format!("warning: {warning}")));
            Some(draft)
        }
        None => None,
    };
    let other = match &other {
        Some(request) => {
            let other = watched(&mut loader, request, GpuLoader::load_beside).map_err(CliError::LoadOther)?;
            if VocabularyMatch::of(&ready, &other)? == VocabularyMatch::Sizes {
                status(
                    "warning: only the sizes of the vocabularies were compared, as a tokenizer is missing",
                );
            }
            Some(other)
        }
        None => None,
    };
    Ok(Loaded { ready, draft, other })
}

/// Which model to compare with, if that is wanted.
fn other_request(options: &ModelOptions, compare: &CompareOptions) -> Result<Option<LoadRequest>, CliError> {
    let weights = compare.compare_weights.unwrap_or_default();
    let cache = options.kv;
    Ok(match (&compare.compare_with, compare.compare_weights) {
        (Some(path), _) => Some(LoadRequest { weights, cache, ..LoadRequest::of(draft_source(path)?) }),
        (None, Some(weights)) => Some(LoadRequest { weights, ..request(options)? }),
        (None, None) => None,
    })
}

/// What the strategy uses beside the model, with progress on stderr where that has to be loaded.
pub(super) fn strategy_inputs(
    settings: &DecodingSettings,
    ready: &mut ReadyModel,
    draft: Option<&DraftModel>,
) -> Result<StrategyInputs, RunError> {
    let mut line = StatusLine::new();
    let inputs =
        session::strategy_inputs(settings, ready, draft, &mut |part, share| report(&mut line, part, share));
    line.clear();
    inputs
}

/// Opens the adapter that was chosen, or the first one that works, tells of those that do not, and sets its limit.
pub(super) fn open_device(options: &ModelOptions) -> Result<Device, GpuError> {
    let device = Device::open(options.adapter.as_deref())?;
    device.limit_memory(options.gpu_memory);
    let passed_over = device.passed_over.iter().map(|failed| failed.passed_over_for(&device.info));
    passed_over.for_each(|warning| status(&format!("warning: {warning}")));
    Ok(device)
}

/// A way of loading.
type Load = fn(&mut GpuLoader, &LoadRequest, &mut session::Progress<'_>) -> Result<ReadyModel, LoadError>;

/// Calls `load` with progress on stderr, and tells the warnings.
fn watched(loader: &mut GpuLoader, request: &LoadRequest, load: Load) -> Result<ReadyModel, LoadError> {
    log::info!("loading {}", request.source.name());
    let mut line = StatusLine::new();
    let ready = load(loader, request, &mut |part, share| report(&mut line, part, share));
    line.clear();
    loader.take_warnings().iter().for_each(|warning| status(&format!("warning: {warning}")));
    let ready = ready?;
    ready.warnings.iter().for_each(|warning| status(&format!("warning: {warning}")));
    Ok(ready)
}

/// Shows how far loading is; ends it after Ctrl-C.
pub(super) fn report(line: &mut StatusLine, part: LoadPart, share: Share) -> ControlFlow<()> {
    line.show(&load_words(part, share));
    if interrupt::pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// How far loading is, in words.
fn load_words(part: LoadPart, Share { done, total }: Share) -> String {
    let name = part.name();
    match part {
        LoadPart::Uploading => format!("loading: {name}, {} of {}", bytes(done), bytes(total)),
        _ if total > 0 => format!("loading: {name}, {done} of {total}"),
        _ => format!("loading: {name}"),
    }
}

/// What to load.
pub(super) fn request(options: &ModelOptions) -> Result<LoadRequest, CliError> {
    Ok(LoadRequest {
        source: source(options.model.as_ref())?,
        adapter: options.adapter.clone(),
        context: options.context,
        weights: options.weights,
        cache: options.kv,
        gpu_memory: options.gpu_memory,
        key: ApiKey::from_environment().map_err(LoadError::Server).map_err(CliError::Load)?,
    })
}

/// The prompt that was given.
pub(super) fn prompt(options: &PromptOptions, special: &SpecialOption) -> Result<Prompt, CliError> {
    if let Some(ids) = &options.prompt_ids {
        return Ok(Prompt::Ids(ids.clone()));
    }
    let text = match &options.prompt_file {
        Some(file) => {
            let text = std::fs::read_to_string(file);
            let text = text.map_err(|reason| CliError::Prompt { file: file.clone(), reason })?;
            without_byte_order_mark(&text).to_owned()
        }
        None => options.prompt.clone().unwrap_or_default(),
    };
    if special.chat {
        return Ok(Prompt::Chat(conversation(text, &special.conversation)?));
    }
    let special = if special.no_special { SpecialTokens::Omit } else { SpecialTokens::Add };
    Ok(Prompt::Text { text, special })
}

/// A conversation that ends in what the user says.
fn conversation(text: String, options: &ConversationOptions) -> Result<Conversation, CliError> {
    let mut messages: Vec<Message> =
        options.system.iter().map(|system| Message::new("system", system)).collect();
    if let Some(file) = &options.turns {
        let malformed = |reason: String| CliError::Turns { file: file.clone(), reason };
        let text = std::fs::read_to_string(file).map_err(|error| malformed(error.to_string()))?;
        let turns: Vec<Message> = serde_json::from_str(without_byte_order_mark(&text))
            .map_err(|error| malformed(format!("it has to be a JSON list of objects: {error}")))?;
        messages.extend(turns);
    }
    messages.push(Message::new("user", &text));
    Ok(Conversation { messages, arguments: options.template_arg.iter().cloned().collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_line_names_the_part_and_its_share() {
        let words = |part, done, total| load_words(part, Share { done, total });
        assert_eq!(words(LoadPart::Reading, 0, 0), "loading: reading files");
        assert_eq!(words(LoadPart::Uploading, 1536, 4096), "loading: uploading weights, 1.54 kB of 4.10 kB");
        assert_eq!(words(LoadPart::Making, 7, 25), "loading: making kernels, 7 of 25");
        assert_eq!(words(LoadPart::Compiling, 12, 40), "loading: compiling kernels, 12 of 40");
        assert_eq!(words(LoadPart::WarmingUp, 1, 4), "loading: warming up, 1 of 4");
    }
}
