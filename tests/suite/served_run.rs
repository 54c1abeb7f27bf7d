//! A model on a server and a run of it, made by hand: 20 of 512 log-probabilities of a row are sent.

use logitscope::session::event::{Loaded, RunStarted, RunUpdate};
use logitscope::session::{Answer, Capability, Event, ServerFacts, ServerKind};
use logitscope::trace::{
    AdapterFacts, Candidate, Counters, ModelFacts, Node, NodeTiming, Others, Phase, PhaseFigures, Phases,
    PromptToken, Run, ServedBy, StrategyKind,
};

use super::window_script::{Scripted, loaded};

/// V, and how many of a row are sent.
pub const VOCABULARY: usize = 512;
pub const SENT: usize = 20;

/// What a server with the usual limits is.
pub fn facts() -> ServerFacts {
    let row = |what, answer, detail: &str| Capability { what, answer, detail: detail.to_owned() };
    ServerFacts {
        kind: ServerKind::Vllm,
        version: Some("0.32.0".to_owned()),
        model: "tale-260k".to_owned(),
        root: None,
        vocabulary: Some(VOCABULARY),
        context: 511,
        most_listed: SENT,
        whole_rows: false,
        prompt_rows: true,
        several_at_once: true,
        eos: vec![2],
        knows_ids: true,
        tokenises: true,
        rows: vec![
            row("Log-probabilities", Answer::Yes, "It sends the log-probabilities of tokens."),
            row(
                "Tokens of a row",
                Answer::Limited("20".to_owned()),
                "It lists the 20 highest tokens of 512.",
            ),
            row("End of a text", Answer::No, "It does not tell which tokens end a text."),
        ],
    }
}

/// The model as the worker reports it.
pub fn served() -> Loaded {
    let engine = "vLLM 0.32.0".to_owned();
    Loaded {
        model: ModelFacts {
            name: "tale-260k".to_owned(),
            path: "http://127.0.0.1:8000#tale-260k".to_owned(),
            vocabulary: VOCABULARY,
            context: 511,
            server: Some(ServedBy { engine: engine.clone(), most_listed: SENT, whole_rows: false }),
            ..ModelFacts::default()
        },
        adapter: AdapterFacts {
            index: 0,
            name: "127.0.0.1:8000".to_owned(),
            backend: engine,
            kind: "server".to_owned(),
            driver: String::new(),
        },
        seconds: 0.25,
        scratch_bytes: 0,
        variants: Vec::new(),
        eos: vec![2],
        server: Some(facts()),
        ..loaded()
    }
}

/// Steps of a text, of which the last one's token is below all that was sent.
pub fn nodes() -> Vec<Node> {
    let words = [" upon", " a", " time"];
    let pass = |(index, word): (usize, &&str)| {
        // p halves from token to token, so that the rest has 2⁻²⁰.
        let p = |place: usize| 0.5_f32.powi(place as i32 + 1);
        let mut candidates: Vec<Candidate> = (0..SENT)
            .map(|place| Candidate {
                token: 100 + place as u32,
                piece: format!("▁word{place}"),
                logit: p(place).ln(),
                probability: p(place),
                raw_probability: p(place),
                ..Candidate::default()
            })
            .collect();
        let below = index == 2;
        if below {
            let low = 2e-7_f32;
            candidates.push(Candidate {
                token: 7,
                piece: "▁rare".to_owned(),
                logit: low.ln(),
                probability: low,
                raw_probability: low,
                ..Candidate::default()
            });
        }
        let chosen = candidates[if below { SENT } else { 0 }].clone();
        let listed: f32 = candidates.iter().map(|one| one.raw_probability).sum();
        let rest = (1.0 - listed).max(0.0);
        let count = VOCABULARY - candidates.len();
        Node {
            parent: index.checked_sub(1),
            step: index + 1,
            phase: if index == 0 { Phase::Initiation } else { Phase::Incremental },
            token: chosen.token,
            piece: chosen.piece,
            text: (*word).to_owned(),
            logit: chosen.logit,
            log_probability: chosen.logit,
            rank: if below { SENT + 1 } else { 1 },
            // 2 ln 2, and what the rest may add at most.
            entropy: 1.386,
            entropy_at_most: Some(1.402),
            others: Others { count, kept: count, probability: rest, raw_probability: rest, highest: None },
            candidates,
            timing: NodeTiming {
                total_seconds: 0.030,
                wait_seconds: 0.028,
                server_seconds: Some(0.020),
                choose_seconds: 0.002,
                ..NodeTiming::default()
            },
            counters: Counters { rows: 1, ..Counters::default() },
            ..Node::default()
        }
    };
    words.iter().enumerate().map(pass).collect()
}

fn phases() -> Phases {
    let figures = |seconds, amount| PhaseFigures { seconds, amount };
    Phases {
        load: figures(0.25, 0),
        tokenise: figures(0.004, 2),
        initiation: figures(0.03, 1),
        incremental: figures(0.06, 2),
        incremental_steps: 2,
        detokenise: figures(0.001, 3),
    }
}

fn prompt() -> Vec<PromptToken> {
    let token = |(index, text): (usize, &str)| PromptToken {
        token: index as u32 + 1,
        piece: text.to_owned(),
        text: text.to_owned(),
        ..PromptToken::default()
    };
    ["<s>", " Once"].into_iter().enumerate().map(token).collect()
}

/// The run.
pub fn run(strategy: StrategyKind) -> Run {
    let loaded = served();
    let mut run = Run {
        model: loaded.model,
        adapter: loaded.adapter,
        strategy,
        prompt: prompt(),
        phases: phases(),
        ..Run::default()
    };
    nodes().into_iter().for_each(|node| run.push(node));
    run
}

/// Lets the worker report the run, which waits then.
pub fn tell(script: &Scripted, strategy: StrategyKind) {
    let run = run(strategy);
    script.tell(Event::RunStarted(Box::new(RunStarted {
        prompt: run.prompt,
        strategy,
        seed: 0,
        step_input: run.step_input,
        continued_positions: 0,
        long_rope: None,
        phases: run.phases,
    })));
    script.tell(Event::Stepped(Box::new(RunUpdate {
        tip: Some(run.nodes.len() - 1),
        nodes: run.nodes,
        steps: Vec::new(),
        sequences: Vec::new(),
        phases: run.phases,
    })));
    script.tell(Event::Paused);
}
