//! Finds stop texts in a text that arrives in pieces, also across their borders.

/// A matcher of several texts. Empty texts never match.
#[derive(Clone, Debug, Default)]
pub struct StopTexts {
    texts: Vec<Matcher>,
}

/// A stop text that appeared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopMatch {
    /// Which text: its index in the list given to [`StopTexts::new`].
    pub text: usize,
    /// Bytes of the pushed piece up to the end of the match.
    pub end: usize,
}

/// How far one text is matched (Knuth, Morris and Pratt 1977).
#[derive(Clone, Debug)]
struct Matcher {
    pattern: Vec<u8>,
    /// `borders[n]`: the longest proper prefix of the first n + 1 bytes that is also their suffix.
    borders: Vec<usize>,
    matched: usize,
}

impl StopTexts {
    /// Nothing matched yet.
    pub fn new(texts: &[String]) -> Self {
        Self { texts: texts.iter().map(|text| Matcher::new(text.as_bytes())).collect() }
    }

    /// Takes the next piece of the text; the match that ends first, and of those that end together the one
    /// listed first. After a match, further pieces go on after the end of that match.
    pub fn push(&mut self, piece: &str) -> Option<StopMatch> {
        for (index, &byte) in piece.as_bytes().iter().enumerate() {
            let mut found = None;
            for (text, matcher) in self.texts.iter_mut().enumerate() {
                if matcher.push(byte) && found.is_none() {
                    found = Some(StopMatch { text, end: index + 1 });
                }
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Bytes at the end of the text that match the beginning of each stop text.
    pub fn matched(&self) -> Vec<usize> {
        self.texts.iter().map(|matcher| matcher.matched).collect()
    }
}

impl Matcher {
    fn new(pattern: &[u8]) -> Self {
        let mut borders = vec![0; pattern.len()];
        for end in 1..pattern.len() {
            let mut border = borders[end - 1];
            while border > 0 && pattern[border] != pattern[end] {
                border = borders[border - 1];
            }
            borders[end] = border + usize::from(pattern[border] == pattern[end]);
        }
        Self { pattern: pattern.to_vec(), borders, matched: 0 }
    }

    /// Whether the text is complete with this byte.
    fn push(&mut self, byte: u8) -> bool {
        if self.pattern.is_empty() {
            return false;
        }
        if self.matched == self.pattern.len() {
            self.matched = self.borders[self.matched - 1];
        }
        while self.matched > 0 && self.pattern[self.matched] != byte {
            self.matched = self.borders[self.matched - 1];
        }
        self.matched += usize::from(self.pattern[self.matched] == byte);
        self.matched == self.pattern.len()
    }
}
