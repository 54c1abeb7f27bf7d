//! A worker that follows a script: it answers the window's commands with the events of a made-up but consistent
//! run, at once and on the same thread, and keeps the commands for the tests to look at.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use logitscope::decoding::CacheUse;
use logitscope::session::event::{Loaded, RunStarted, RunUpdate};
use logitscope::session::{
    Command, Event, GenerationDefaults, LanesRequest, Notice, Pace, Peeked, PinnedToken, Prompt, RunRequest,
    SecondCommand, SecondEvent, Severity, WholeRow,
};
use logitscope::trace::{
    AdapterFacts, Candidate, ChosenBy, Counters, Draw, Expectation, Expected, ModelFacts, Node, NodeTiming,
    Others, Phase, PhaseFigures, Phases, Pinned, PromptToken, Run, StageRecord, StateCounters, StepDetail,
    StepInput, StopReason, StrategyStep, Token,
};
use logitscope::ui::Worker;

/// Words of the made-up text; each is one token.
const STORY: &str = " there was a little girl who lived with her mother in a small house near the great \
                     forest , and every evening the old king went out to look for the golden bird that sang so \
                     sweetly .\n The youngest son said to himself : “ I will go into the wide world and seek my \
                     fortune . ” So he took his bread and his staff";

/// Entries of the made-up vocabulary.
const VOCABULARY: usize = 4096;

/// What the script and the test share.
#[derive(Default)]
pub struct Script {
    /// Events that the window has not taken yet.
    pub events: VecDeque<Event>,
    /// Every command so far.
    pub commands: Vec<Command>,
    /// What the strategy weighs at the next steps.
    pub details: VecDeque<StepDetail>,
    /// The states that are stored after the next steps.
    pub states: Option<StateCounters>,
    /// How long the next steps wait for the bus.
    pub bus_seconds: Option<f64>,
    /// For how long the GPU has not answered.
    pub gpu_silence: Option<Duration>,
    /// Whether runs are refused.
    pub refuses: bool,
    /// Whether single steps are left to do, as by a worker that is busy with a long prompt.
    pub patient: bool,
    /// The newest run; it stays for branches.
    pub run: Run,
    live: Option<Live>,
    /// The newest run's request.
    request: Option<RunRequest>,
    /// Requests and runs of the lanes beside it.
    lanes: Vec<(RunRequest, Run)>,
}

/// A run that goes on.
struct Live {
    request: RunRequest,
    phases: Phases,
}

/// The worker's end and the test's end of one script.
#[derive(Clone, Default)]
pub struct Scripted(pub Rc<RefCell<Script>>);

impl Worker for Scripted {
    fn send(&mut self, command: Command) {
        self.0.borrow_mut().take(command);
    }

    fn receive(&mut self) -> Option<Event> {
        self.0.borrow_mut().events.pop_front()
    }

    fn gpu_silence(&self) -> Option<Duration> {
        self.0.borrow().gpu_silence
    }
}

impl Scripted {
    /// Makes some steps of a run at full speed.
    pub fn steps(&self, count: usize) {
        for _ in 0..count {
            self.0.borrow_mut().step();
        }
    }

    /// Makes some steps of a lane beside the newest run. From the third on its words are others.
    pub fn lane_steps(&self, lane: usize, count: usize) {
        let mut script = self.0.borrow_mut();
        for _ in 0..count {
            let (request, run) = &mut script.lanes[lane - 1];
            let step = run.line.len() + 1;
            let rows = prompt(text_of(&request.prompt)).len();
            let mut node = node(step, rows, request);
            if step > 2 {
                node.token += 1000;
                node.text = format!(" other{step}");
            }
            let index = run.nodes.len();
            run.push(node);
            let nodes = vec![run.nodes[index].clone()];
            let phases = Phases {
                initiation: PhaseFigures { seconds: 0.01, amount: rows as u64 },
                incremental: PhaseFigures { seconds: 0.02 * index as f64, amount: index as u64 },
                incremental_steps: index,
                ..Phases::default()
            };
            let (steps, sequences) = (Vec::new(), Vec::new());
            let update = Box::new(RunUpdate { nodes, tip: Some(index), steps, sequences, phases });
            script.events.push_back(Event::LaneStepped { lane, update });
        }
    }

    /// Tells the window something.
    pub fn tell(&self, event: Event) {
        self.0.borrow_mut().events.push_back(event);
    }

    /// The last command.
    pub fn last(&self) -> Command {
        self.0.borrow().commands.last().expect("the window sent a command").clone()
    }
}

impl Script {
    fn take(&mut self, command: Command) {
        // The window counts the prompt by itself: no test of what a person asked for wants to see that.
        if let Command::Count(counted) = &command {
            let tokens = Some(prompt(text_of(counted)).len());
            self.events.push_back(Event::Counted { tokens });
            return;
        }
        self.commands.push(command.clone());
        match command {
            Command::DescribeAdapters => {
                self.events.push_back(Event::AdaptersDescribed("0: a GPU\n   kernels: fast\n".to_owned()));
            }
            Command::ListAdapters => self.events.push_back(Event::Adapters(vec![adapter()])),
            Command::Load(_) => {
                self.events.push_back(Event::LoadStarted { name: model().name });
                self.events.push_back(Event::Loaded(Box::new(loaded())));
                self.events.push_back(Event::Pinned(pinned(&[])));
            }
            Command::Count(_) => unreachable!("it was answered above"),
            Command::Start(request) => self.start(request),
            Command::ScorePrompt => self.score_prompt(),
            Command::BreakWhen(_) | Command::EndPeek => {}
            Command::StartLanes(request) => self.start_lanes(request),
            Command::ShowLane(lane) => self.events.push_back(Event::LaneShown { lane }),
            Command::ReadRow { node } => self.read_row(node),
            Command::Peek { node, token } => {
                let tokens = vec![self::token(711, "Ġthree"), self::token(494, "Ġkings")];
                self.events.push_back(Event::Peeked(Peeked { node, token, tokens, done: true }));
            }
            Command::Pin(ids) => self.events.push_back(Event::Pinned(pinned(&ids))),
            Command::FindTokens(query) => {
                let tokens = vec![token(494, "Ġking"), token(631, "king")];
                self.events.push_back(Event::FoundTokens { query, tokens });
            }
            Command::Resume => self.events.push_back(Event::Resumed),
            Command::Pause => self.events.push_back(Event::Paused),
            Command::StepOnce if self.patient => {}
            Command::StepOnce => {
                self.step();
                self.events.push_back(Event::Paused);
            }
            Command::Branch { node, token, pace } => self.branch(node, token, pace),
            Command::Follow { tip } => {
                // Nodes that a test told the window of itself are not the script's.
                if tip < self.run.nodes.len() {
                    self.run.follow(Some(tip));
                }
                self.events.push_back(Event::Followed { tip, stop: None });
                self.events.push_back(Event::Paused);
            }
            Command::LoadDraft(source) => {
                let facts = ModelFacts { name: source.name(), ..loaded().model };
                self.events.push_back(Event::DraftLoaded(Box::new(facts)));
            }
            Command::DropDraft => self.events.push_back(Event::DraftDropped),
            Command::Second(command) => self.second(command),
            // A test tells the window itself what was found.
            Command::Probe(_) | Command::Profile(_) | Command::MapCache => {}
            Command::Compare | Command::EndComparison => {}
            Command::Stop => self.finish(StopReason::Cancelled),
        }
    }

    /// What was asked of another model; a test tells the window itself what that says.
    fn second(&mut self, command: SecondCommand) {
        let mut tell = |event| self.events.push_back(Event::Second(event));
        match command {
            SecondCommand::Load(request) => {
                let model = ModelFacts { name: request.source.name(), ..loaded().model };
                tell(SecondEvent::Loaded(Box::new(model)));
                tell(SecondEvent::Reads(true));
            }
            SecondCommand::Drop => tell(SecondEvent::Dropped),
            SecondCommand::Read => tell(SecondEvent::Reads(true)),
            SecondCommand::EndReading => tell(SecondEvent::Reads(false)),
        }
    }

    fn start(&mut self, request: RunRequest) {
        if self.refuses {
            let (title, detail) = ("The run cannot begin".to_owned(), "It is too long.".to_owned());
            self.events.push_back(Event::Notice(Notice { severity: Severity::Error, title, detail }));
            return;
        }
        let started = started(&request);
        let (total, phases) = (started.prompt.len(), started.phases);
        self.events.push_back(Event::RunStarted(Box::new(started)));
        self.events.push_back(Event::InitiationProgress { done: 0, total });
        let pace = request.pace;
        self.run = Run::default();
        self.request = Some(request.clone());
        self.live = Some(Live { request, phases });
        if pace == Pace::SingleStep && !self.patient {
            self.step();
            self.events.push_back(Event::Paused);
        }
    }

    /// Begins the first lane as a run, and has the others wait for [`Scripted::lane_steps`].
    fn start_lanes(&mut self, request: LanesRequest) {
        let LanesRequest { prompt, lanes, pace } = request;
        let mut requests = lanes.into_iter().map(|settings| {
            let prompt = prompt.clone();
            RunRequest { prompt, settings, pace }
        });
        let first = requests.next().expect("there is a lane");
        self.start(first);
        let begun = self.events.pop_back().expect("progress");
        let others: Vec<RunRequest> = requests.collect();
        let started = others.iter().map(started).collect();
        self.events.push_back(Event::LanesStarted(started));
        self.events.push_back(begun);
        self.lanes = others.into_iter().map(|request| (request, Run::default())).collect();
    }

    /// A row that has the node's candidates; a top-k of 12 cut all others.
    fn read_row(&mut self, node: usize) {
        let mut logits: Vec<f32> = (0..VOCABULARY).map(|id| 1.4 * noise(id, node) as f32).collect();
        let mut cut_by = vec![Some(1); VOCABULARY];
        for (rank, candidate) in self.run.nodes[node].candidates.iter().enumerate() {
            logits[candidate.token as usize] = candidate.logit;
            cut_by[candidate.token as usize] = (rank >= 12).then_some(1);
        }
        let pieces = (0..VOCABULARY).map(|id| format!("Ġword{id}"));
        self.events.push_back(Event::Vocabulary(pieces.collect()));
        self.events.push_back(Event::Row(std::sync::Arc::new(WholeRow { node, logits, cut_by })));
    }

    /// Every token of the prompt but the first, each a nat less expected than the one before.
    fn score_prompt(&mut self) {
        let request = self.request.as_ref().expect("a run was begun");
        let scores = (1..prompt(text_of(&request.prompt)).len()).map(|index| Expectation {
            log_probability: -(index as f32),
            rank: 10 * index,
            entropy: 0.5 * index as f32,
            likeliest: vec![Expected {
                token: Token { id: 900, piece: "Ġmidnight".into() },
                probability: 0.5,
            }],
            ..Expectation::default()
        });
        self.events.push_back(Event::PromptScored { first: 1, scores: scores.collect() });
    }

    fn step(&mut self) {
        let Some(live) = &mut self.live else { return };
        let step = self.run.line.len() + 1;
        let rows = prompt(text_of(&live.request.prompt)).len();
        let mut node = node(step, rows, &live.request);
        node.counters.states = self.states;
        node.timing.bus_seconds = self.bus_seconds;
        let phases = &mut live.phases;
        let seconds = node.timing.total_seconds;
        if step == 1 {
            phases.initiation = PhaseFigures { seconds, amount: rows as u64 };
        } else {
            phases.incremental.seconds += seconds;
            phases.incremental.amount += 1;
            phases.incremental_steps += 1;
        }
        phases.detokenise.amount += 1;
        phases.detokenise.seconds += 4e-6;
        let phases = *phases;
        let done = step >= live.request.settings.stop.max_tokens;
        let index = self.run.nodes.len();
        self.run.push(node);
        let steps = self.details.pop_front().map(|detail| StrategyStep { nodes: index..index + 1, detail });
        self.events.push_back(Event::Stepped(Box::new(RunUpdate {
            tip: Some(index),
            nodes: vec![self.run.nodes[index].clone()],
            steps: steps.into_iter().collect(),
            sequences: Vec::new(),
            phases,
        })));
        if done {
            self.finish(StopReason::MaxTokens);
        }
    }

    fn branch(&mut self, node: usize, token: u32, pace: Pace) {
        let mut chosen = self.run.nodes[node].chosen_by_hand(token).expect("a candidate of the node");
        chosen.text = chosen.piece.replace('Ġ', " ");
        let index = self.run.nodes.len();
        self.run.nodes.push(chosen.clone());
        self.run.follow(Some(index));
        if self.live.is_none() {
            let request = self.request.clone().expect("a run was begun");
            self.live = Some(Live { request, phases: Phases::default() });
        }
        self.events.push_back(Event::Branched(Box::new(RunUpdate {
            nodes: vec![chosen],
            tip: Some(index),
            steps: Vec::new(),
            sequences: Vec::new(),
            phases: Phases::default(),
        })));
        if pace == Pace::SingleStep {
            self.events.push_back(Event::Paused);
        }
    }

    fn finish(&mut self, stop: StopReason) {
        if let Some(live) = self.live.take() {
            self.events.push_back(Event::Finished { stop, phases: live.phases });
        }
    }
}

/// The beginning of a run.
fn started(request: &RunRequest) -> RunStarted {
    let prompt = prompt(text_of(&request.prompt));
    let phases = Phases {
        load: PhaseFigures { seconds: 0.42, amount: 10_800_000 },
        tokenise: PhaseFigures { seconds: 0.000_18, amount: prompt.len() as u64 },
        ..Phases::default()
    };
    let step_input = match request.settings.cache {
        CacheUse::Reuse => StepInput::NewTokens,
        CacheUse::Recompute => StepInput::WholeText,
    };
    let (strategy, seed) = (request.settings.strategy, request.settings.seed);
    RunStarted { prompt, strategy, seed, step_input, continued_positions: 0, long_rope: None, phases }
}

/// The made-up model.
pub fn model() -> ModelFacts {
    ModelFacts {
        name: "fairy tales".into(),
        path: "built-in".into(),
        family: "llama".into(),
        parameters: 5_410_048,
        weights: "bf16".into(),
        layers: 6,
        width: 256,
        heads: 8,
        key_value_heads: 4,
        head_width: 32,
        vocabulary: VOCABULARY,
        context: 1024,
        weight_bytes: 10_820_096,
        cache_bytes_per_position: 6144,
        ..ModelFacts::default()
    }
}

fn token(id: u32, piece: &str) -> Token {
    Token { id, piece: piece.to_owned() }
}

/// These tokens and the end of the text, which pins itself.
fn pinned(ids: &[u32]) -> Vec<PinnedToken> {
    let own = ids.iter().map(|&id| (token(id, &format!("Ġword{id}")), false));
    let all = std::iter::once((token(0, "<|end|>"), true)).chain(own);
    all.map(|(token, automatic)| PinnedToken { token, automatic }).collect()
}

/// The made-up adapter.
pub fn adapter() -> AdapterFacts {
    AdapterFacts {
        index: 0,
        name: "llvmpipe (LLVM 19.1.7, 256 bits)".into(),
        backend: "Vulkan".into(),
        kind: "CPU".into(),
        driver: "llvmpipe Mesa 25.0.7".into(),
    }
}

/// What loading it reports.
pub fn loaded() -> Loaded {
    Loaded {
        model: model(),
        adapter: adapter(),
        seconds: 0.42,
        scratch_bytes: 3_200_000,
        variants: vec!["row a thread".into()],
        eos: vec![0],
        tokenizer_problem: None,
        defaults: GenerationDefaults::default(),
        chat_problem: None,
        chat_switches: Vec::new(),
        has_drafting_head: false,
        server: None,
    }
}

fn text_of(prompt: &Prompt) -> &str {
    match prompt {
        Prompt::Text { text, .. } => text,
        Prompt::Chat(conversation) => {
            let last = conversation.messages.last().expect("somebody speaks");
            last.0["content"].as_str().expect("a text")
        }
        Prompt::Ids(_) => panic!("the window sends texts"),
    }
}

fn prompt(text: &str) -> Vec<PromptToken> {
    text.split_inclusive(' ')
        .enumerate()
        .map(|(index, word)| PromptToken {
            token: 300 + index as u32,
            piece: word.replace(' ', "Ġ"),
            text: word.to_owned(),
            ..PromptToken::default()
        })
        .collect()
}

/// A number in 0–1 that depends on two others.
fn noise(a: usize, b: usize) -> f64 {
    let mut z =
        (a as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (b as u64).wrapping_mul(0xD1B5_4A32_D192_ED03);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

fn words() -> Vec<String> {
    STORY
        .split_inclusive([' ', '\n'])
        .map(|word| format!(" {}", word.trim_end_matches(' ')))
        .skip(1)
        .collect()
}

/// A step with a temperature of 0.8 and a top-k of 12 when sampling, none when greedy; all numbers belong
/// together.
fn node(step: usize, prompt_rows: usize, request: &RunRequest) -> Node {
    let words = words();
    let sampling = request.settings.strategy != logitscope::decoding::StrategyKind::Greedy;
    let sharpness = 0.35 + 1.3 * noise(step, 1) as f32;
    let logits: Vec<f32> = (0..40).map(|rank| 11.0 - sharpness * (rank as f32).powf(0.8) * 1.2).collect();
    let rest = 1.4_f32.exp() * (VOCABULARY - 40) as f32;
    let sum: f32 = logits.iter().map(|logit| logit.exp()).sum::<f32>() + rest;
    let (temperature, top_k) = (0.8_f32, 12);
    let kept = |rank: usize| !sampling || rank < top_k;
    let scaled = |logit: f32| if sampling { logit / temperature } else { logit };
    let scaled_sum: f32 =
        if sampling { logits.iter().take(top_k).map(|logit| (scaled(*logit)).exp()).sum() } else { sum };
    let mut candidates: Vec<Candidate> = logits
        .iter()
        .enumerate()
        .map(|(rank, &logit)| Candidate {
            token: 400 + ((step * 7 + rank * 13) % 900) as u32,
            piece: words[(step - 1 + rank * 5) % words.len()].replace(' ', "Ġ").replace('\n', "Ċ"),
            logit,
            after: match (sampling, kept(rank)) {
                (false, _) => Vec::new(),
                (true, true) => vec![scaled(logit), scaled(logit)],
                (true, false) => vec![scaled(logit)],
            },
            cut_by: (!kept(rank)).then_some(1),
            probability: if kept(rank) { scaled(logit).exp() / scaled_sum } else { 0.0 },
            raw_probability: logit.exp() / sum,
        })
        .collect();
    let value = noise(step, request.settings.seed as usize + 99);
    let mut chosen = 0;
    let mut from = 0.0;
    if sampling {
        for (rank, candidate) in candidates.iter().enumerate().take(top_k) {
            let p = f64::from(candidate.probability);
            if value < from + p || rank == top_k - 1 {
                chosen = rank;
                break;
            }
            from += p;
        }
    }
    // The story goes on whichever candidate was chosen.
    let text = words[(step - 1) % words.len()].clone();
    candidates[chosen].piece = text.replace(' ', "Ġ").replace('\n', "Ċ");
    let picked = candidates[chosen].clone();
    let seconds = if step == 1 { 0.031 } else { 0.019 + 0.009 * noise(step, 5) };
    let entropy = candidates.iter().map(|c| -c.raw_probability * c.raw_probability.ln()).sum();
    Node {
        chosen_by: ChosenBy::Strategy,
        parent: step.checked_sub(2),
        step,
        phase: if step == 1 { Phase::Initiation } else { Phase::Incremental },
        token: picked.token,
        piece: picked.piece,
        text,
        held: Vec::new(),
        logit: picked.logit,
        log_probability: picked.logit - sum.ln(),
        rank: chosen + 1,
        entropy,
        entropy_at_most: None,
        log_sum_exp: sum.ln(),
        stages: if sampling {
            vec![
                StageRecord {
                    name: "temperature".into(),
                    setting: "0.8".into(),
                    kept: VOCABULARY,
                    changed: VOCABULARY,
                    state: None,
                },
                StageRecord {
                    name: "top-k".into(),
                    setting: "12".into(),
                    kept: 12,
                    ..StageRecord::default()
                },
            ]
        } else {
            Vec::new()
        },
        others: Others {
            count: VOCABULARY - 40,
            kept: if sampling { 0 } else { VOCABULARY - 40 },
            probability: if sampling { 0.0 } else { rest / sum },
            raw_probability: rest / sum,
            highest: Some(1.4),
        },
        draw: sampling.then(|| Draw {
            value,
            seed: request.settings.seed,
            step: step as u64,
            from,
            to: from + f64::from(picked.probability),
        }),
        candidates,
        pinned: vec![Pinned {
            token: 0,
            logit: 11.0 - 9.0 * noise(step, 7) as f32,
            rank: 1 + (60.0 * noise(step, 8)) as usize,
            probability: 0.0,
        }],
        timing: NodeTiming {
            total_seconds: seconds,
            encode_seconds: 0.0006,
            wait_seconds: 0.0,
            gpu_seconds: Some(seconds * 0.86),
            bus_seconds: None,
            server_seconds: None,
            choose_seconds: 0.0009,
        },
        counters: Counters {
            rows: if step == 1 { prompt_rows } else { 1 },
            cached_positions: prompt_rows + step - 1,
            cache_bytes: 6144 * 16 * ((prompt_rows + step - 1) as u64).div_ceil(16),
            states: None,
        },
    }
}
