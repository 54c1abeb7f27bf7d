//! What a model's text is made of besides its answer: thinking and calls of tools, told apart by the markers that the
//! families write around them.
//!
//! Knows texts of tokens alone; a special token's text is its spelling.

use std::ops::Range;

/// What a part of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// What the reader gets.
    Answer,
    /// What the model writes for itself first.
    Thinking,
    /// A call of a tool, with its arguments.
    ToolCall,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Its tokens, markers included.
    pub tokens: Range<usize>,
    /// Whether its closing marker was written; an answer has none, and is closed by what follows.
    pub closed: bool,
}

/// The text of a token.
#[derive(Clone, Copy, Debug)]
pub struct TokenText<'a> {
    /// The text, or a special token's spelling.
    pub text: &'a str,
    /// Whether a reader sees it; special tokens are not seen.
    pub is_seen: bool,
}

/// What stands around a part of a kind.
#[derive(Debug)]
pub struct Markers {
    kind: PartKind,
    open: &'static str,
    /// Nothing, where it goes on to the end.
    close: Option<&'static str>,
    /// What opens the answer after it, where one has a marker of its own.
    answer: Option<&'static str>,
}

const fn thoughts(open: &'static str, close: &'static str) -> Markers {
    Markers { kind: PartKind::Thinking, open, close: Some(close), answer: None }
}

const fn calls(open: &'static str, close: &'static str) -> Markers {
    Markers { kind: PartKind::ToolCall, open, close: Some(close), answer: None }
}

/// The markers of the families, as their chat templates have them.
static MARKERS: [Markers; 27] = [
    thoughts("<think>", "</think>"),
    thoughts("<thinking>", "</thinking>"),
    thoughts("<thought>", "</thought>"),
    thoughts("[THINK]", "[/THINK]"),
    thoughts("◁think▷", "◁/think▷"),
    thoughts("<seed:think>", "</seed:think>"),
    thoughts("<|inner_prefix|>", "<|inner_suffix|>"),
    thoughts("<|START_THINKING|>", "<|END_THINKING|>"),
    thoughts("<|channel>thought", "<channel|>"),
    Markers {
        answer: Some("<|channel|>final<|message|>"),
        ..thoughts("<|channel|>analysis<|message|>", "<|end|>")
    },
    Markers { answer: Some("to=user<|message|>"), ..thoughts("to=self<|message|>", "<|eom|>") },
    calls("<tool_call>", "</tool_call>"),
    calls("<function_call>", "</function_call>"),
    calls("<|tool_call>", "<tool_call|>"),
    calls("<|tool_call|>", "<|/tool_call|>"),
    calls("<|tool_call_start|>", "<|tool_call_end|>"),
    calls("<seed:tool_call>", "</seed:tool_call>"),
    calls("<minimax:tool_call>", "</minimax:tool_call>"),
    calls("<atem:function_calls>", "</atem:function_calls>"),
    calls("<|tools_prefix|>", "<|tools_suffix|>"),
    calls("<|START_ACTION|>", "<|END_ACTION|>"),
    calls("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
    calls("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
    calls("<|channel|>commentary to=", "<|call|>"),
    calls("<|start|>assistant to=functions.", "<|call|>"),
    Markers { close: None, ..calls("[TOOL_CALLS]", "") },
    Markers { close: None, ..calls("<|python_tag|>", "") },
];

/// What a chat template ends with where the model writes itself for whom it speaks.
const HEADER: &str = "<|start|>assistant";

/// What a prompt ends within.
#[derive(Clone, Copy, Debug, Default)]
pub enum Opened {
    /// Nothing that it marked.
    #[default]
    Nothing,
    /// An answer, behind thinking that it closed.
    Answer,
    /// A part whose opening marker it wrote.
    Part(&'static Markers),
    /// The words that say what part begins.
    Header,
}

impl Opened {
    /// What a prompt ends within, by the texts of its tokens: templates write the marker for a model that is to think
    /// first.
    pub fn by<'a>(prompt: impl DoubleEndedIterator<Item = &'a str>) -> Self {
        /// More tokens than any marker has, blanks behind it included.
        const TOKENS: usize = 48;
        let mut last: Vec<&str> = prompt.rev().take(TOKENS).collect();
        last.reverse();
        let text = last.concat();
        let text = text.trim_end();
        match MARKERS.iter().find(|markers| text.ends_with(markers.open)) {
            Some(markers) => Self::Part(markers),
            None if text.ends_with(HEADER) => Self::Header,
            None if openings().filter_map(|markers| markers.close).any(|close| text.ends_with(close)) => {
                Self::Answer
            }
            None => Self::Nothing,
        }
    }
}

/// The parts of a text, in order; together they hold all of its tokens. The prompt before it ended within `opened`.
pub fn parts(tokens: &[TokenText<'_>], opened: Opened) -> Vec<Part> {
    let text = Joined::of(tokens.iter().map(|token| token.text));
    let mut parts: Vec<Part> = Vec::new();
    let mut inside = match opened {
        Opened::Part(markers) => Some(markers),
        Opened::Nothing | Opened::Answer | Opened::Header => None,
    };
    let mut kind = inside.map_or(PartKind::Answer, |markers| markers.kind);
    let (mut from, mut first) = (0, 0);
    loop {
        let found = match inside {
            Some(markers) => markers.close.and_then(|close| text.find(close, from)).map(|at| (at, None)),
            None => opening(&text, from).map(|(at, markers)| (at, Some(markers))),
        };
        let Some((at, next)) = found else { break };
        let end = match next {
            Some(_) => text.token_of(at.start),
            None => text.token_of(at.end - 1) + 1,
        };
        parts.push(Part { kind, tokens: first..end.max(first), closed: true });
        (kind, inside) = (next.map_or(PartKind::Answer, |markers| markers.kind), next);
        (from, first) = (at.end, end.max(first));
    }
    parts.push(Part { kind, tokens: first..tokens.len(), closed: false });
    join_unseen(tokens, parts)
}

/// The first opening marker behind a place; of two at the same place the longer one.
fn opening(text: &Joined, from: usize) -> Option<(Range<usize>, &'static Markers)> {
    let found = MARKERS.iter().filter_map(|markers| Some((text.find(markers.open, from)?, markers)));
    found.min_by_key(|(at, _)| (at.start, std::cmp::Reverse(at.end)))
}

/// Adds answers without anything to read, such as the line ends between two calls or the header before the next part, to
/// the part before them, or else to the one after.
fn join_unseen(tokens: &[TokenText<'_>], parts: Vec<Part>) -> Vec<Part> {
    let reads = |token: &TokenText<'_>| token.is_seen && !token.text.trim().is_empty();
    let mut joined: Vec<Part> = Vec::new();
    let mut waiting = None;
    for mut part in parts {
        let of_part = &tokens[part.tokens.clone()];
        let header = || of_part.iter().map(|token| token.text).collect::<String>().trim() == HEADER;
        let is_seen = part.kind != PartKind::Answer || (of_part.iter().any(reads) && !header());
        match joined.last_mut() {
            _ if is_seen => {
                part.tokens.start = waiting.take().unwrap_or(part.tokens.start);
                joined.push(part);
            }
            Some(before) => before.tokens.end = part.tokens.end,
            None => waiting = waiting.or(Some(part.tokens.start)),
        }
    }
    if joined.is_empty() && !tokens.is_empty() {
        joined.push(Part { kind: PartKind::Answer, tokens: 0..tokens.len(), closed: false });
    }
    joined
}

/// Where a text stands that may begin with thinking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// It may go on to an opening marker, of which it has written so much, or be an answer.
    MayBegin(String),
    /// It thinks, or has not come to the answer yet.
    Goes,
    /// The answer begins at this token.
    Ended(usize),
}

/// Where a text stands, behind a prompt that ended within `opened`.
pub fn thinking<'a>(tokens: impl Iterator<Item = &'a str>, opened: Opened) -> Thinking {
    let text = Joined::of(tokens);
    let begun = text.all.len() - text.all.trim_start().len();
    let written = &text.all[begun..];
    let (markers, from) = match opened {
        Opened::Header => return text.after(answers(), 0),
        Opened::Part(markers) if markers.kind == PartKind::Thinking => (markers, 0),
        Opened::Part(_) | Opened::Answer => return Thinking::Ended(0),
        Opened::Nothing => match openings().find(|markers| written.starts_with(markers.open)) {
            Some(markers) => (markers, begun + markers.open.len()),
            None if openings().any(|markers| may_become(written, markers.open)) => {
                return Thinking::MayBegin(written.to_owned());
            }
            None => return Thinking::Ended(0),
        },
    };
    match (markers.close.and_then(|close| text.find(close, from)), markers.answer) {
        (None, _) => Thinking::Goes,
        (Some(close), None) => Thinking::Ended(text.token_of(close.end - 1) + 1),
        (Some(close), Some(answer)) => text.after([answer].into_iter(), close.end),
    }
}

/// Whether a text has begun an opening marker, with its first tag as a whole, or nothing at all.
fn may_become(written: &str, opening: &str) -> bool {
    opening.starts_with(written) && (written.is_empty() || written.len() >= first_tag(opening).len())
}

/// How a text that has written `written` may go on to an opening marker of thinking.
pub fn rest_of_openings(written: &str) -> impl Iterator<Item = &'static str> {
    openings().filter_map(move |markers| markers.open.strip_prefix(written)).filter(|rest| !rest.is_empty())
}

/// The first tag of an opening marker, which vocabularies have as one token.
pub fn first_tag(opening: &str) -> &str {
    opening.split_inclusive(['>', ']', '▷']).next().unwrap_or(opening)
}

/// What ends thinking in a vocabulary that `has` the opening marker's tag.
pub fn ends_of_thinking(has: impl Fn(&str) -> bool) -> impl Iterator<Item = &'static str> {
    openings().filter(move |markers| has(first_tag(markers.open))).filter_map(|markers| markers.close)
}

fn openings() -> impl Iterator<Item = &'static Markers> {
    MARKERS.iter().filter(|markers| markers.kind == PartKind::Thinking)
}

fn answers() -> impl Iterator<Item = &'static str> {
    MARKERS.iter().filter_map(|markers| markers.answer)
}

/// The texts of tokens as one.
struct Joined {
    all: String,
    /// Where each token begins.
    starts: Vec<usize>,
}

impl Joined {
    fn of<'a>(tokens: impl Iterator<Item = &'a str>) -> Self {
        let (mut all, mut starts) = (String::new(), Vec::new());
        for token in tokens {
            starts.push(all.len());
            all.push_str(token);
        }
        Self { all, starts }
    }

    /// The first place of a text behind a byte.
    fn find(&self, wanted: &str, from: usize) -> Option<Range<usize>> {
        let start = from + self.all.get(from..)?.find(wanted)?;
        Some(start..start + wanted.len())
    }

    /// The token that a byte belongs to.
    fn token_of(&self, byte: usize) -> usize {
        self.starts.partition_point(|&start| start <= byte).saturating_sub(1)
    }

    /// Where the answer begins: behind the first of its markers that comes behind a byte.
    fn after(&self, markers: impl Iterator<Item = &'static str>, from: usize) -> Thinking {
        let first = markers.filter_map(|marker| self.find(marker, from)).map(|at| at.end).min();
        first.map_or(Thinking::Goes, |end| Thinking::Ended(self.token_of(end - 1) + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of these tokens, as kind, text and whether they are closed; tokens in `<` and `[` are not seen.
    fn read(prompt: &[&str], tokens: &[&str]) -> Vec<(PartKind, String, bool)> {
        let texts: Vec<TokenText<'_>> =
            tokens.iter().map(|&text| TokenText { text, is_seen: !text.starts_with(['<', '[']) }).collect();
        let parts = parts(&texts, Opened::by(prompt.iter().copied()));
        let covered: Vec<usize> = parts.iter().flat_map(|part| part.tokens.clone()).collect();
        assert_eq!(covered, (0..tokens.len()).collect::<Vec<_>>(), "each token is in one part");
        parts.into_iter().map(|part| (part.kind, tokens[part.tokens].concat(), part.closed)).collect()
    }

    fn is(kind: PartKind, text: &str, closed: bool) -> (PartKind, String, bool) {
        (kind, text.to_owned(), closed)
    }

    #[test]
    fn thinking_answers_and_calls_are_told_apart() {
        use PartKind::{Answer, Thinking, ToolCall};
        let said = |parts: Vec<(PartKind, String, bool)>, expected: &[(PartKind, &str, bool)]| {
            let expected: Vec<_> =
                expected.iter().map(|&(kind, text, closed)| is(kind, text, closed)).collect();
            assert_eq!(parts, expected);
        };
        said(read(&["Once"], &[" upon", " a", " time"]), &[(Answer, " upon a time", false)]);
        said(read(&["Once"], &[]), &[]);
        // The template opened it, and blanks follow.
        said(
            read(
                &["<|im_start|>", "assistant", "\n", "<think>", "\n"],
                &["Well", ".", "</think>", "\n\n", "42"],
            ),
            &[(Thinking, "Well.</think>", true), (Answer, "\n\n42", false)],
        );
        // The template opened and closed it: no thinking.
        said(read(&["<think>", "\n\n", "</think>", "\n\n"], &["42"]), &[(Answer, "42", false)]);
        // The model opens it, behind a line end of its own, and has not come to an end.
        said(read(&["assistant"], &["\n", "<think>", "Well"]), &[(Thinking, "\n<think>Well", false)]);
        // Markers spelled in ordinary tokens, one of which goes on.
        said(
            read(&["x"], &["<", "think", ">Hm", ".</", "think", ">\n", "Yes"]),
            &[(Thinking, "<think>Hm.</think>\n", true), (Answer, "Yes", false)],
        );
        // Two calls, and line ends between and behind them.
        said(
            read(
                &["x"],
                &[
                    "Let me see",
                    "<tool_call>",
                    "{}",
                    "</tool_call>",
                    "\n",
                    "<tool_call>",
                    "[1]",
                    "</tool_call>",
                    "<|im_end|>",
                ],
            ),
            &[
                (Answer, "Let me see", true),
                (ToolCall, "<tool_call>{}</tool_call>\n", true),
                (ToolCall, "<tool_call>[1]</tool_call><|im_end|>", true),
            ],
        );
        // Channels: analysis, then a call, then the answer.
        said(
            read(
                &["<|start|>", "assistant"],
                &[
                    "<|channel|>",
                    "analysis",
                    "<|message|>",
                    "Hm",
                    "<|end|>",
                    "<|start|>",
                    "assistant",
                    "<|channel|>",
                    "commentary",
                    " to",
                    "=functions",
                    ".f",
                    "<|message|>",
                    "{}",
                    "<|call|>",
                ],
            ),
            &[
                (Thinking, "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant", true),
                (ToolCall, "<|channel|>commentary to=functions.f<|message|>{}<|call|>", true),
            ],
        );
        // A call without a closing marker goes on to the end.
        said(read(&["x"], &["[TOOL_CALLS]", "f", "{}"]), &[(ToolCall, "[TOOL_CALLS]f{}", false)]);
    }

    #[test]
    fn an_answer_begins_where_thinking_ends() {
        let stands = |prompt: &[&str], tokens: &[&str]| {
            super::thinking(tokens.iter().copied(), Opened::by(prompt.iter().copied()))
        };
        let may_begin = |text: &str| Thinking::MayBegin(text.to_owned());
        assert_eq!(stands(&["x"], &[]), may_begin(""));
        assert_eq!(stands(&["x"], &["{"]), Thinking::Ended(0));
        assert_eq!(stands(&["x"], &["<", "thi"]), Thinking::Ended(0), "no tag, but an answer's text");
        assert_eq!(stands(&["x"], &["<|channel>"]), may_begin("<|channel>"));
        assert_eq!(stands(&["x"], &["<think>", "a"]), Thinking::Goes);
        assert_eq!(stands(&["x"], &["<think>", "a", "</", "think>\n", "b"]), Thinking::Ended(4));
        assert_eq!(stands(&["<think>", "\n"], &[]), Thinking::Goes);
        assert_eq!(stands(&["<think>", "\n"], &["a", "</think>"]), Thinking::Ended(2));
        assert_eq!(stands(&["<think>", "\n\n", "</think>", "\n\n"], &["a"]), Thinking::Ended(0));
        // The answer has a marker of its own, with thinking before it and without.
        let header = ["<|start|>", "assistant"];
        let last = ["<|channel|>", "final", "<|message|>"];
        assert_eq!(stands(&header, &[]), Thinking::Goes);
        assert_eq!(stands(&header, &last), Thinking::Ended(3));
        let analysis = ["<|channel|>", "analysis", "<|message|>", "a", "<|end|>"];
        assert_eq!(stands(&header, &analysis), Thinking::Goes);
        assert_eq!(stands(&header, &[&analysis[..], &last].concat()), Thinking::Ended(8));
    }

    #[test]
    fn ends_of_thinking_are_those_of_markers_that_a_vocabulary_has() {
        let of = |tags: &[&str]| ends_of_thinking(|tag| tags.contains(&tag)).collect::<Vec<_>>();
        assert_eq!(of(&["<think>", "<|end|>"]), ["</think>"]);
        assert_eq!(of(&["<|channel|>"]), ["<|end|>"]);
        assert_eq!(of(&[]), [""; 0]);
    }
}
