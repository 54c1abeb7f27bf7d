//! A model of eight words that counts: after each token comes the next one, and after the last the first.
//! It can be slow, and it can break, at a pass of the test's choice.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use logitscope::model::batch::RowOutput;
use logitscope::model::language_model::{CacheUsage, PassTiming};
use logitscope::model::selection::RowHandle;
use logitscope::model::{Batch, LanguageModel, ModelError, Outputs, SequenceId};
use logitscope::reference::selection::RecentRows;
use logitscope::session::command::LoadRequest;
use logitscope::session::event::Loaded;
use logitscope::session::{GenerationDefaults, LoadError, LoadPart, Loader, Progress, ReadyModel, Share};
use logitscope::tokenizer::Tokenizer;
use logitscope::trace::{AdapterFacts, ModelFacts};

use super::support;

/// The words, by id.
pub const WORDS: [&str; 8] = ["zero", "one", "two", "three", "four", "five", "six", "seven"];
/// Positions: so many that no test fills them.
pub const CONTEXT: usize = 100_000;

/// What the fake does, by pass.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// What each pass takes.
    pub pass: Duration,
    /// What each of the ten slices of loading takes.
    pub load_slice: Duration,
    /// The pass, from 0 over the whole life of the model, that goes wrong, and how.
    pub broken_pass: Option<(usize, Breakage)>,
    /// Without a tokenizer.
    pub textless: bool,
}

/// Ways to go wrong.
#[derive(Clone, Debug)]
pub enum Breakage {
    /// An error.
    Error(ModelError),
    /// A bug.
    Panic,
}

/// The counting model.
pub struct Fake {
    /// How many words it has.
    pub vocabulary: usize,
    behaviour: Behaviour,
    passes: usize,
    lengths: HashMap<SequenceId, usize>,
    next: u32,
    recent: RecentRows,
}

impl Fake {
    /// With nothing cached.
    pub fn new(behaviour: Behaviour) -> Self {
        Self {
            vocabulary: WORDS.len(),
            behaviour,
            passes: 0,
            lengths: HashMap::new(),
            next: support::handles(),
            recent: RecentRows::default(),
        }
    }
}

impl LanguageModel for Fake {
    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn context(&self) -> usize {
        CONTEXT
    }

    fn max_rows(&self) -> usize {
        4
    }

    fn new_sequence(&mut self) -> SequenceId {
        self.next += 1;
        self.lengths.insert(SequenceId(self.next), 0);
        SequenceId(self.next)
    }

    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        let length = self.lengths[&sequence];
        let fork = self.new_sequence();
        self.lengths.insert(fork, length);
        Ok(fork)
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) {
        self.lengths.insert(sequence, length);
    }

    fn release(&mut self, sequence: SequenceId) {
        self.lengths.remove(&sequence).expect("released once");
    }

    fn length(&self, sequence: SequenceId) -> usize {
        self.lengths[&sequence]
    }

    fn forward(&mut self, batch: &Batch) -> Result<Outputs, ModelError> {
        sleep(self.behaviour.pass);
        let broken = self.behaviour.broken_pass.as_ref().filter(|(pass, _)| *pass == self.passes);
        self.passes += 1;
        match broken.map(|(_, breakage)| breakage) {
            Some(Breakage::Error(error)) => return Err(error.clone()),
            Some(Breakage::Panic) => panic!("the fake model broke, as the test asked"),
            None => {}
        }
        let mut outputs = Outputs::default();
        for row in &batch.rows {
            *self.lengths.get_mut(&row.sequence).expect("a known sequence") += 1;
            let next = (row.token as usize + 1) % self.vocabulary;
            let logits =
                (0..self.vocabulary).map(|id| if id == next { 5.0 } else { id as f32 / 10.0 }).collect();
            match row.output {
                RowOutput::Nothing => {}
                RowOutput::Logits => outputs.logits.push(logits),
                RowOutput::Summary(params) => {
                    outputs.summaries.push(self.recent.summarise(logits, &params));
                }
            }
        }
        outputs.timing = PassTiming { total_seconds: 1e-6, ..PassTiming::default() };
        Ok(outputs)
    }

    fn accept(&mut self, sequence: SequenceId, rows: &[usize]) -> Result<(), ModelError> {
        *self.lengths.get_mut(&sequence).expect("a known sequence") += rows.len();
        Ok(())
    }

    fn read_row(&mut self, row: RowHandle) -> Result<Option<Vec<f32>>, ModelError> {
        Ok(self.recent.read(row))
    }

    fn pin(&mut self, tokens: &[u32]) {
        self.recent.pinned = tokens.to_vec();
    }

    fn cache_usage(&self) -> CacheUsage {
        let pages = self.lengths.values().sum();
        CacheUsage {
            pages,
            page_positions: 1,
            bytes: pages as u64,
            allocated_bytes: pages as u64,
            ..CacheUsage::default()
        }
    }
}

/// Loads the counting model whatever is asked for, unless the path is `missing`; of `special`, three is a special
/// token.
pub struct FakeLoader(pub Behaviour);

impl Loader for FakeLoader {
    fn adapters(&mut self) -> Vec<AdapterFacts> {
        vec![AdapterFacts { name: "fake adapter".to_owned(), ..AdapterFacts::default() }]
    }

    fn load(&mut self, request: &LoadRequest, progress: &mut Progress<'_>) -> Result<ReadyModel, LoadError> {
        let start = Instant::now();
        let name = request.source.name();
        if name == "missing" {
            return Err(LoadError::Context { name, asked: 0, most: CONTEXT });
        }
        for slice in 1..=10 {
            sleep(self.0.load_slice);
            if progress(LoadPart::Uploading, Share::of(slice, 10)).is_break() {
                return Err(LoadError::Stopped);
            }
        }
        let special: &[u32] = if name == "special" { &[3] } else { &[] };
        let model = ModelFacts { name, vocabulary: WORDS.len(), context: CONTEXT, ..ModelFacts::default() };
        let loaded = Loaded {
            model,
            adapter: AdapterFacts::default(),
            seconds: start.elapsed().as_secs_f64(),
            scratch_bytes: 0,
            variants: Vec::new(),
            eos: vec![7],
            tokenizer_problem: None,
            defaults: GenerationDefaults::default(),
            chat_problem: None,
            chat_switches: Vec::new(),
            has_drafting_head: false,
            server: None,
        };
        let tokenizer = (!self.0.textless).then(|| tokenizer_of(&WORDS, special));
        let model = Box::new(Fake::new(self.0.clone()));
        Ok(ReadyModel {
            model,
            tokenizer,
            drafting_head: None,
            loaded,
            warnings: vec!["it only counts".to_owned()],
        })
    }

    /// A counting model as well; `shorter` has a word less, `backwards` has the words the other way round, and
    /// `wordless` has no tokenizer.
    fn load_beside(
        &mut self,
        request: &LoadRequest,
        progress: &mut Progress<'_>,
    ) -> Result<ReadyModel, LoadError> {
        let mut ready = self.load(request, progress)?;
        match &*ready.loaded.model.name {
            "shorter" => {
                let vocabulary = WORDS.len() - 1;
                ready.model = Box::new(Fake { vocabulary, ..Fake::new(self.0.clone()) });
            }
            "backwards" => {
                let mut words = WORDS;
                words.reverse();
                ready.tokenizer = Some(tokenizer_of(&words, &[]));
            }
            "wordless" => ready.tokenizer = None,
            _ => {}
        }
        Ok(ready)
    }
}

/// Words between spaces, some of them special tokens.
fn tokenizer_of(words: &[&str], special: &[u32]) -> Tokenizer {
    let special = special.iter().map(|&id| {
        serde_json::json!({"id": id, "content": words[id as usize], "special": true, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false})
    });
    let special: Vec<serde_json::Value> = special.collect();
    let words: serde_json::Map<String, serde_json::Value> =
        (0..).zip(words).map(|(id, word)| ((*word).to_owned(), serde_json::Value::from(id))).collect();
    let json = serde_json::json!({
        "version": "1.0",
        "added_tokens": special,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "zero"},
    });
    Tokenizer::from_json(json.to_string().as_bytes(), None).expect("a whole tokenizer")
}
