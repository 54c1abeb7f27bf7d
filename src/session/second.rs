//! A second model beside the model, which reads the text of the first lane and tells what it would have said: what is told
//! of it, and what a watcher knows.

use super::loading_beside::LoadingBeside;
use super::opinion::SecondOpinion;
use crate::gpu::{LoadPart, Share};
use crate::trace::ModelFacts;

/// What happened to the second model.
#[derive(Clone, Debug, PartialEq)]
pub enum SecondEvent {
    /// It is being loaded; the one before it is gone.
    LoadStarted {
        /// Its name.
        name: String,
    },
    /// Loading it went on.
    LoadProgress {
        /// What is being done.
        part: LoadPart,
        /// How much of that is done.
        share: Share,
    },
    /// It is ready.
    Loaded(Box<ModelFacts>),
    /// There is none now: it was dropped, or a notice before says why it could not be loaded.
    Dropped,
    /// Whether it reads along.
    Reads(bool),
    /// It read some more of the first lane's text.
    Read {
        /// The place in the line of the first of the opinions; what was said of this place and later ones is void.
        place: usize,
        /// One for each step that was read, in order.
        opinions: Vec<SecondOpinion>,
        /// Bytes that its KV cache and states take now.
        cache_bytes: u64,
    },
}

/// What a watcher knows of the second model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SecondView {
    /// The one that is ready.
    pub model: Option<ModelFacts>,
    /// The one that is being loaded.
    pub loading: Option<LoadingBeside>,
    /// Whether it reads along.
    pub reads: bool,
    /// What it said of the first lane's steps, by their place in the line.
    pub opinions: Vec<SecondOpinion>,
    /// Bytes that its KV cache and states took when it read last.
    pub cache_bytes: u64,
}

impl SecondView {
    /// Takes one event in.
    pub(super) fn apply(&mut self, event: SecondEvent) {
        match event {
            SecondEvent::LoadStarted { name } => {
                let loading = Some(LoadingBeside { name, ..LoadingBeside::default() });
                *self = Self { loading, ..Self::default() };
            }
            SecondEvent::LoadProgress { part, share } => {
                if let Some(loading) = &mut self.loading {
                    (loading.part, loading.share) = (part, share);
                }
            }
            SecondEvent::Loaded(facts) => *self = Self { model: Some(*facts), ..Self::default() },
            SecondEvent::Dropped => *self = Self::default(),
            SecondEvent::Reads(reads) => self.reads = reads,
            SecondEvent::Read { place, opinions, cache_bytes } => {
                self.opinions.truncate(place);
                self.opinions.extend(opinions);
                self.cache_bytes = cache_bytes;
            }
        }
    }

    /// Forgets what was said, as the lanes begin anew.
    pub(super) fn forget(&mut self) {
        (self.opinions, self.cache_bytes) = (Vec::new(), 0);
    }
}
