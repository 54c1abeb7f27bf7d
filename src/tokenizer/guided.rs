//! A grammar of a model's answer, which waits until the model has thought.

use super::codec::Tokenizer;
use super::grammar::{Grammar, GrammarError, only_ends};
use super::markers::{Opened, Thinking, first_tag, rest_of_openings, thinking};

/// A grammar of a model's answer: before it come thinking, which is free, and two line ends at most.
pub struct AnswerGrammar {
    grammar: Grammar,
    /// What the prompt ended within.
    opened: Opened,
    /// The text of each id; a special token's is its spelling.
    texts: Vec<String>,
    /// The ids of which a text can go on to an opening marker's first tag.
    tags: Vec<u32>,
    eos: Vec<u32>,
    /// Whether line ends may come before what the grammar describes: it has no say in them itself.
    line_ends: bool,
    allowed: Vec<bool>,
}

/// Most line ends between thinking and answer.
const MOST_LINE_ENDS: usize = 2;

impl AnswerGrammar {
    /// A grammar that waits until the model has thought, behind this prompt; `eos` are the tokens that end the text,
    /// which they may not while the model thinks.
    pub fn new(
        mut grammar: Grammar,
        tokenizer: &Tokenizer,
        vocabulary: usize,
        eos: &[u32],
        prompt: &[u32],
    ) -> Result<Self, GrammarError> {
        let texts: Vec<String> = (0..vocabulary as u32).map(|id| tokenizer.spelled_out(id)).collect();
        let opened = Opened::by(prompt.iter().filter_map(|&id| texts.get(id as usize)).map(String::as_str));
        let tags = rest_of_openings("").filter_map(|opening| tokenizer.id(first_tag(opening))).collect();
        let first = grammar.allowed(&[])?;
        let line_ends = !first.iter().zip(&texts).any(|(&allowed, text)| allowed && is_line_ends(text));
        Ok(Self { grammar, opened, texts, tags, eos: eos.to_vec(), line_ends, allowed: Vec::new() })
    }

    /// For each id whether it may follow the new tokens; as [`Grammar::allowed`].
    pub fn allowed(&mut self, generated: &[u32]) -> Result<&[bool], GrammarError> {
        match thinking(self.texts_of(generated), self.opened) {
            Thinking::Goes => self.allowed = vec![true; self.texts.len()],
            Thinking::MayBegin(written) => {
                // What has begun a marker may be an answer as well, unless the grammar has no such text.
                let answer = self.grammar.allowed(generated).map(<[bool]>::to_vec);
                let answer = if written.is_empty() { answer? } else { answer.unwrap_or_default() };
                self.allowed = if answer.is_empty() { vec![false; self.texts.len()] } else { answer };
                self.allow_openings(&written);
                return Ok(&self.allowed);
            }
            Thinking::Ended(first) => {
                let answer = &generated[first..];
                let blanks = if first == 0 { 0 } else { self.leading_line_ends(answer) };
                let skipped = first + blanks;
                let allowed = self.grammar.allowed(&generated[skipped..]);
                self.allowed = allowed.map_err(|error| error.behind(skipped))?.to_vec();
                if self.line_ends && first > 0 && blanks == answer.len() {
                    self.allow_line_ends(answer);
                }
                return Ok(&self.allowed);
            }
        }
        for &id in &self.eos {
            if let Some(allowed) = self.allowed.get_mut(id as usize) {
                *allowed = false;
            }
        }
        Ok(&self.allowed)
    }

    /// Whether nothing but the end can follow the new tokens.
    pub fn is_complete(&mut self, generated: &[u32]) -> Result<bool, GrammarError> {
        let eos = self.eos.clone();
        Ok(only_ends(self.allowed(generated)?, &eos))
    }

    fn texts_of<'a>(&'a self, tokens: &'a [u32]) -> impl Iterator<Item = &'a str> {
        tokens.iter().map(|&id| self.texts.get(id as usize).map_or("", String::as_str))
    }

    /// Allows what leads on to an opening marker of thinking.
    fn allow_openings(&mut self, written: &str) {
        if written.is_empty() {
            for &id in &self.tags {
                self.allowed[id as usize] = true;
            }
            return;
        }
        for rest in rest_of_openings(written) {
            for (allowed, text) in self.allowed.iter_mut().zip(&self.texts) {
                *allowed |= !text.is_empty() && rest.starts_with(text.as_str());
            }
        }
    }

    /// How many tokens of an answer are line ends before what the grammar describes.
    fn leading_line_ends(&self, answer: &[u32]) -> usize {
        if !self.line_ends {
            return 0;
        }
        let mut left = MOST_LINE_ENDS;
        let fits = |text: &&str| {
            let fits = is_line_ends(text) && text.len() <= left;
            left -= if fits { text.len() } else { 0 };
            fits
        };
        self.texts_of(answer).take_while(fits).count()
    }

    /// Allows line ends behind those that stand before the answer.
    fn allow_line_ends(&mut self, before: &[u32]) {
        let left = MOST_LINE_ENDS - self.texts_of(before).map(str::len).sum::<usize>();
        for (allowed, text) in self.allowed.iter_mut().zip(&self.texts) {
            *allowed |= is_line_ends(text) && text.len() <= left;
        }
    }
}

fn is_line_ends(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'\n')
}
