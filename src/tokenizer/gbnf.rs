//! GBNF, the grammar format of llama.cpp, in the terms of llguidance's Lark dialect.
//!
//! Every terminal becomes single characters: a lexer that takes the longest match would otherwise lose what a
//! grammar over characters allows, such as `"a" "bd" | "ab" "c"` before `abd`. Knows no tokens.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Groups within groups.
const DEEPEST: usize = 64;
/// Most repetitions that a `{n}` may ask for.
const MOST_REPETITIONS: u32 = 10_000;

/// What stands for the empty text.
const NOTHING: &str = "\"\"";

/// What is wrong with a grammar's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct GbnfError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

/// The same grammar for llguidance; its beginning is the rule `root`.
pub(super) fn to_lark(text: &str) -> Result<String, GbnfError> {
    let mut reader = Reader { rest: text, line: 1, rules: BTreeMap::new() };
    let mut lark = String::new();
    reader.skip(Lines::Cross);
    while !reader.rest.is_empty() {
        let (line, name) = (reader.line, reader.name()?);
        reader.skip(Lines::Stay);
        if !reader.take("::=") {
            return Err(reader.expected(&format!("`::=` after the name `{name}`")));
        }
        reader.skip(Lines::Cross);
        let number = reader.number(name);
        let rule = reader.rules.get_mut(name).expect("it was numbered");
        if rule.defined {
            return Err(GbnfError { line, reason: format!("the rule `{name}` is there twice") });
        }
        rule.defined = true;
        let body = reader.alternatives(0)?;
        if !(reader.rest.is_empty() || reader.rest.starts_with(['\n', '\r'])) {
            return Err(reader.expected("the end of the rule"));
        }
        writeln!(lark, "r{number}: {body}").expect("a string takes everything");
        reader.skip(Lines::Cross);
    }
    if let Some((name, rule)) = reader.rules.iter().find(|(_, rule)| !rule.defined) {
        return Err(GbnfError { line: rule.line, reason: format!("there is no rule `{name}`") });
    }
    match reader.rules.get("root") {
        Some(root) => Ok(format!("start: r{}\n{lark}", root.number)),
        None => Err(GbnfError { line: 1, reason: "there is no rule `root`, where a text begins".to_owned() }),
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    rules: BTreeMap<&'a str, Rule>,
}

struct Rule {
    number: usize,
    /// Where it is first named.
    line: usize,
    defined: bool,
}

/// Whether blanks may go over the end of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    Cross,
    Stay,
}

impl<'a> Reader<'a> {
    fn alternatives(&mut self, depth: usize) -> Result<String, GbnfError> {
        if depth > DEEPEST {
            return Err(self.error(format!("groups are nested more than {DEEPEST} deep")));
        }
        let mut all = self.sequence(depth)?;
        loop {
            // In a rule of several lines the bar may also begin the next line.
            let (rest, line) = (self.rest, self.line);
            self.skip(Lines::Cross);
            if !self.take("|") {
                if depth == 0 {
                    (self.rest, self.line) = (rest, line);
                }
                return Ok(all);
            }
            self.skip(Lines::Cross);
            all += " | ";
            all += &self.sequence(depth)?;
        }
    }

    fn sequence(&mut self, depth: usize) -> Result<String, GbnfError> {
        let mut parts: Vec<String> = Vec::new();
        let lines = if depth == 0 { Lines::Stay } else { Lines::Cross };
        loop {
            let part = match self.rest.chars().next() {
                Some('"') => self.literal()?,
                Some('[') => self.class()?,
                Some('.') => {
                    self.take(".");
                    "/(?s:.)/".to_owned()
                }
                Some('(') => {
                    self.take("(");
                    self.skip(Lines::Cross);
                    let inner = self.alternatives(depth + 1)?;
                    self.skip(Lines::Cross);
                    if !self.take(")") {
                        return Err(self.expected("`)`"));
                    }
                    format!("({inner})")
                }
                Some(letter) if is_name(letter) => {
                    let name = self.name()?;
                    format!("r{}", self.number(name))
                }
                _ => break,
            };
            let part = self.repeated(part)?;
            parts.push(part);
            self.skip(lines);
        }
        Ok(if parts.is_empty() { NOTHING.to_owned() } else { parts.join(" ") })
    }

    /// The part with what follows it: `*`, `+`, `?`, `{n}`, `{n,}` or `{n,m}`. At most none of it is nothing; that, as
    /// well as an empty literal, cannot be repeated, as in llama.cpp.
    fn repeated(&mut self, mut part: String) -> Result<String, GbnfError> {
        loop {
            if part == NOTHING && self.rest.starts_with(['*', '+', '?', '{']) {
                let sign = &self.rest[..1];
                return Err(self.error(format!("there is nothing before `{sign}` that could be repeated")));
            }
            if let Some(sign) = ["*", "+", "?"].into_iter().find(|sign| self.take(sign)) {
                part = format!("({part}){sign}");
            } else if self.take("{") {
                let Some((inside, rest)) = self.rest.split_once('}') else {
                    return Err(self.expected("`}`"));
                };
                let (from, to) = inside.split_once(',').unwrap_or((inside, inside));
                let number = |text: &str| repetitions(text.trim()).filter(|&n| n <= MOST_REPETITIONS);
                let open = to.trim().is_empty() && inside.contains(',');
                let (Some(from), Some(to)) = (number(from), if open { Some(0) } else { number(to) }) else {
                    let most =
                        format!("`{{{inside}}}` is not a number of repetitions up to {MOST_REPETITIONS}");
                    return Err(self.error(most));
                };
                if !open && to < from {
                    return Err(self.error(format!("`{{{inside}}}` goes backwards")));
                }
                self.rest = rest;
                part = match (open, to) {
                    (true, _) => format!("({part}){{{from},}}"),
                    (false, 0) => NOTHING.to_owned(),
                    (false, to) => format!("({part}){{{from},{to}}}"),
                };
            } else {
                return Ok(part);
            }
        }
    }

    /// `"text"`, a character after the other.
    fn literal(&mut self) -> Result<String, GbnfError> {
        self.take("\"");
        let mut letters = Vec::new();
        loop {
            match self.character('"')? {
                Some(letter) => letters.push(format!("/{}/", code(letter))),
                None if letters.is_empty() => return Ok(NOTHING.to_owned()),
                None => return Ok(format!("({})", letters.join(" "))),
            }
        }
    }

    /// `[abc]`, `[a-z]`, `[^...]`.
    fn class(&mut self) -> Result<String, GbnfError> {
        self.take("[");
        let mut class = String::from(if self.take("^") { "/[^" } else { "/[" });
        let empty = class.len();
        while let Some(from) = self.character(']')? {
            class += &code(from);
            if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                self.take("-");
                match self.character(']')? {
                    Some(to) if to >= from => class += &format!("-{}", code(to)),
                    _ => {
                        return Err(self.error(format!("the range that begins with `{from}` goes backwards")));
                    }
                }
            }
        }
        if class.len() == empty {
            return Err(self.error("a class of characters is empty".to_owned()));
        }
        Ok(class + "]/")
    }

    /// The next character of a literal or class, escapes read; `None` at its end.
    fn character(&mut self, end: char) -> Result<Option<char>, GbnfError> {
        let mut letters = self.rest.chars();
        let letter = match letters.next() {
            Some('\\') => {
                let escape = letters.next();
                let digits = match escape {
                    Some('x') => 2,
                    Some('u') => 4,
                    Some('U') => 8,
                    _ => 0,
                };
                let letter = match escape {
                    Some('n') => Some('\n'),
                    Some('r') => Some('\r'),
                    Some('t') => Some('\t'),
                    Some(plain @ ('\\' | '"' | '[' | ']' | '-' | '^')) => Some(plain),
                    Some('x' | 'u' | 'U') => {
                        let hexadecimal = letters.as_str().get(..digits);
                        letters = letters.as_str().get(digits..).unwrap_or_default().chars();
                        hexadecimal.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32)
                    }
                    _ => None,
                };
                let unknown =
                    || self.error("a `\\` has no meaning here: write `\\\\` for the sign itself".to_owned());
                Some(letter.ok_or_else(unknown)?)
            }
            Some(letter) if letter == end => None,
            Some('\n') | None => return Err(self.expected(&format!("`{end}`"))),
            Some(letter) => Some(letter),
        };
        self.rest = letters.as_str();
        Ok(letter)
    }

    fn name(&mut self) -> Result<&'a str, GbnfError> {
        let length = self.rest.find(|letter| !is_name(letter)).unwrap_or(self.rest.len());
        if length == 0 {
            return Err(self.expected("the name of a rule"));
        }
        let (name, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(name)
    }

    fn number(&mut self, name: &'a str) -> usize {
        let (number, line) = (self.rules.len(), self.line);
        self.rules.entry(name).or_insert(Rule { number, line, defined: false }).number
    }

    fn take(&mut self, sign: &str) -> bool {
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Skips blanks and comments.
    fn skip(&mut self, lines: Lines) {
        loop {
            match self.rest.chars().next() {
                Some(' ' | '\t') => self.rest = &self.rest[1..],
                Some('\r') if lines == Lines::Cross => self.rest = &self.rest[1..],
                Some('\n') if lines == Lines::Cross => {
                    self.rest = &self.rest[1..];
                    self.line += 1;
                }
                Some('#') => self.rest = &self.rest[self.rest.find('\n').unwrap_or(self.rest.len())..],
                _ => return,
            }
        }
    }

    fn expected(&self, what: &str) -> GbnfError {
        let found =
            self.rest.chars().next().map_or("the end".to_owned(), |c| format!("`{}`", c.escape_debug()));
        self.error(format!("{what} is expected instead of {found}"))
    }

    fn error(&self, reason: String) -> GbnfError {
        GbnfError { line: self.line, reason }
    }
}

/// A number of repetitions: digits alone, without a sign.
fn repetitions(text: &str) -> Option<u32> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-' || letter == '_'
}

/// A character in a regular expression, whatever it means there.
fn code(letter: char) -> String {
    format!("\\x{{{:x}}}", u32::from(letter))
}
