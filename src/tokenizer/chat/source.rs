//! A template's source as minijinja reads it, where Jinja reads it otherwise.
//!
//! Line breaks are one character, literals have Python's escapes, `{% generation %}` is a call that has its own scope,
//! and a few spellings that minijinja refuses are put in others. Lines keep their numbers.

/// Operators that one tag may have, and branches that a template may have: each nests what minijinja builds.
const MAX_NESTING: usize = 4000;

/// What stands for `generation`: a function that calls its caller. In letters that no template has.
pub(super) const GENERATION: &str = "ꜱgenerationꜱ";

/// Rewrites a template's source, or says why it is none.
pub(super) fn prepared(source: &str) -> Result<String, String> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut rewriting =
        Rewriting { source: &source, at: 0, to: String::with_capacity(source.len()), branches: 0 };
    rewriting.all()?;
    Ok(rewriting.to)
}

struct Rewriting<'a> {
    source: &'a str,
    at: usize,
    to: String,
    branches: usize,
}

/// One token within a tag.
#[derive(Debug, Clone, PartialEq)]
enum Token<'a> {
    Space(&'a str),
    Name(&'a str),
    Number(&'a str),
    Text(String),
    Sign(&'a str),
}

impl<'a> Rewriting<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    /// Copies as much as it is.
    fn copy(&mut self, length: usize) {
        self.to.push_str(&self.source[self.at..self.at + length]);
        self.at += length;
    }

    fn refuse<T>(&self, reason: &str) -> Result<T, String> {
        let line = self.source[..self.at].matches('\n').count() + 1;
        Err(format!("line {line}: {reason}"))
    }

    fn all(&mut self) -> Result<(), String> {
        while let Some(begin) = self.rest().find('{') {
            self.copy(begin);
            match self.rest().as_bytes().get(1) {
                Some(b'#') => {
                    let end = self.rest()[2..].find("#}").map_or(self.rest().len(), |end| end + 4);
                    self.copy(end);
                }
                Some(b'%') if self.raw() => {}
                Some(b'%') => self.tag("%}")?,
                Some(b'{') => self.tag("}}")?,
                _ => self.copy(1),
            }
        }
        self.copy(self.rest().len());
        Ok(())
    }

    /// A raw block, if one begins here. In Jinja a line break behind its first tag is part of it.
    fn raw(&mut self) -> bool {
        let Some(opening) = tag_of(self.rest(), "raw") else { return false };
        let keeps = !self.rest()[..opening - 2].ends_with(['-', '+']);
        self.copy(opening);
        if keeps && self.rest().starts_with('\n') {
            self.to.push('\n');
        }
        let mut from = 0;
        while let Some(found) = self.rest()[from..].find("{%") {
            from += found;
            if let Some(closing) = tag_of(&self.rest()[from..], "endraw") {
                self.copy(from + closing);
                return true;
            }
            from += 2;
        }
        // Without an end; the parser says so.
        self.copy(self.rest().len());
        true
    }

    /// A tag with an expression or a statement.
    fn tag(&mut self, end: &str) -> Result<(), String> {
        self.copy(2);
        if self.rest().starts_with(['-', '+']) {
            self.copy(1);
        }
        let mut tokens = Vec::new();
        let mut open = 0_usize;
        let mut signs = 0;
        loop {
            let rest = self.rest();
            let closes = rest.strip_prefix(['-', '+']).unwrap_or(rest).starts_with(end);
            if open == 0 && closes || rest.is_empty() {
                break;
            }
            let token = self.token(tokens.last())?;
            match &token {
                Token::Sign("(" | "[" | "{") => {
                    open += 1;
                    signs += 1;
                }
                Token::Sign(")" | "]" | "}") => open = open.saturating_sub(1),
                Token::Sign("," | ":") => {}
                Token::Sign(_) | Token::Name("if" | "and" | "or" | "not" | "in" | "is") => signs += 1,
                _ => {}
            }
            tokens.push(token);
        }
        if signs > MAX_NESTING {
            return self.refuse("an expression has too many operators");
        }
        self.write(tokens, end)
    }

    fn token(&mut self, before: Option<&Token<'a>>) -> Result<Token<'a>, String> {
        let rest = self.rest();
        let first = rest.chars().next().unwrap_or_default();
        let while_is = |is: fn(char) -> bool| &rest[..rest.find(|c| !is(c)).unwrap_or(rest.len())];
        let token = if first.is_whitespace() {
            Token::Space(while_is(char::is_whitespace))
        } else if first == '_' || unicode_ident::is_xid_start(first) {
            Token::Name(while_is(|c| c == '_' || unicode_ident::is_xid_continue(c)))
        } else if first.is_ascii_digit() {
            let after_dot = matches!(before, Some(Token::Sign(".")));
            Token::Number(self.number(after_dot)?)
        } else if first == '\'' || first == '"' {
            return self.literal(first).map(Token::Text);
        } else {
            Token::Sign(&rest[..first.len_utf8()])
        };
        self.at += match &token {
            Token::Space(own) | Token::Name(own) | Token::Number(own) | Token::Sign(own) => own.len(),
            Token::Text(_) => 0,
        };
        Ok(token)
    }

    /// A number as Jinja has it. What it reads as several tokens is refused, since nothing can stand so.
    fn number(&self, after_dot: bool) -> Result<&'a str, String> {
        let rest = self.rest();
        let digits = |from: usize| {
            let end = rest[from..].find(|c: char| !c.is_ascii_digit() && c != '_');
            end.map_or(rest.len(), |end| from + end)
        };
        if let Some(b'b' | b'B' | b'o' | b'O' | b'x' | b'X') =
            rest.as_bytes().get(1).filter(|_| rest.starts_with('0'))
        {
            let end = rest[2..]
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .map_or(rest.len(), |end| end + 2);
            return Ok(&rest[..end]);
        }
        let whole = digits(0);
        let mut end = whole;
        let is_digit = |at: usize| rest.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
        if !after_dot {
            if rest[end..].starts_with('.') && is_digit(end + 1) {
                end = digits(end + 1);
            }
            if rest[end..].starts_with(['e', 'E']) {
                let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
                if is_digit(end + 1 + sign) {
                    end = digits(end + 1 + sign);
                }
            }
        }
        let number = &rest[..end];
        let leads = number.len() == whole
            && number.starts_with('0')
            && number.contains(|c: char| c != '0' && c != '_');
        if leads || number.contains("__") || number.ends_with('_') {
            return self.refuse("a number is malformed");
        }
        Ok(number)
    }

    /// A literal text with Python's escapes, as one with minijinja's.
    fn literal(&mut self, mark: char) -> Result<String, String> {
        let begin = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(character) = self.rest().chars().next() else {
                // Without an end; the parser says so.
                return Ok(self.source[begin..].to_owned());
            };
            self.at += character.len_utf8();
            match character {
                '\\' => self.escape(&mut text)?,
                _ if character == mark => break,
                _ => text.push(character),
            }
        }
        let mark = mark.to_string();
        Ok(format!("{mark}{}{mark}", text.replace('\\', "\\\\").replace(&mark, &format!("\\{mark}"))))
    }

    /// What stands behind a backslash.
    fn escape(&mut self, to: &mut String) -> Result<(), String> {
        let Some(letter) = self.rest().chars().next() else { return Ok(()) };
        self.at += letter.len_utf8();
        let digits = match letter {
            'x' => Some(2),
            'u' => Some(4),
            'U' => Some(8),
            _ => None,
        };
        if let Some(digits) = digits {
            let code =
                self.rest().get(..digits).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let character = code.and_then(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?));
            let Some(character) = character else {
                return self.refuse("an escape in a literal is malformed");
            };
            to.push(character);
            self.at += digits;
            return Ok(());
        }
        match letter {
            '\n' => {}
            '\\' | '\'' | '"' => to.push(letter),
            'a' => to.push('\x07'),
            'b' => to.push('\x08'),
            'f' => to.push('\x0c'),
            'n' => to.push('\n'),
            'r' => to.push('\r'),
            't' => to.push('\t'),
            'v' => to.push('\x0b'),
            'N' => return self.refuse("characters cannot be escaped by name here"),
            '0'..='7' => {
                self.at -= 1;
                let octal =
                    self.rest().bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
                to.extend(char::from_u32(u32::from_str_radix(&self.rest()[..octal], 8).unwrap_or(0)));
                self.at += octal;
            }
            _ if letter.is_ascii() => to.extend(['\\', letter]),
            // Python has escaped it before it looks at the backslash.
            _ => to.push_str(&super::repr::escape(letter)),
        }
        Ok(())
    }

    /// Writes a tag's tokens, and what follows up to its end.
    fn write(&mut self, mut tokens: Vec<Token<'a>>, end: &str) -> Result<(), String> {
        let solid: Vec<usize> =
            (0..tokens.len()).filter(|at| !matches!(tokens[*at], Token::Space(_))).collect();
        let word = match solid.first().map(|at| &tokens[*at]) {
            Some(Token::Name(word)) if end == "%}" => *word,
            _ => "",
        };
        if let (Some(last), true) =
            (solid.last().filter(|last| tokens[**last] == Token::Sign(":")), solid.len() > 1)
        {
            // As Python ends such a line.
            tokens[*last] = Token::Space("");
        }
        if matches!(word, "elif" | "if" | "for") {
            self.branches += usize::from(word == "elif");
            if self.branches > MAX_NESTING {
                return self.refuse("a template has too many branches");
            }
        }
        let first = solid.first().copied().unwrap_or(0);
        match (word, solid.len()) {
            ("generation", 1) => {
                tokens[first] = Token::Text(format!("call {GENERATION}()"));
                tokens.push(Token::Space(" "));
            }
            ("endgeneration", 1) => tokens[first] = Token::Name("endcall"),
            ("print", 2..) => {
                tokens[first] = Token::Text("if true %}{{".to_owned());
                tokens.push(Token::Text(" }}{% endif ".to_owned()));
            }
            _ => {}
        }
        let tuple = match word {
            "for" => tuple_of_loop(&tokens),
            "with" => targets_of_with(&tokens),
            _ if end == "}}" && has_comma(&tokens) => Some((0, tokens.len())),
            _ => None,
        };
        if let Some((from, to)) = tuple {
            tokens.insert(to, Token::Sign(")"));
            tokens.insert(from, Token::Sign("("));
        }
        let mut operand = false;
        for token in &tokens {
            match token {
                Token::Space(space) => {
                    self.to.push_str(space);
                    continue;
                }
                // Minijinja has no sign of plus; twice minus is the same.
                Token::Sign("+") if !operand => self.to.push_str("- -"),
                Token::Number(number) => {
                    self.to.push_str(number);
                    self.to.push(' ');
                }
                Token::Text(own) => self.to.push_str(own),
                Token::Name(own) | Token::Sign(own) => self.to.push_str(own),
            }
            operand = match token {
                Token::Name(name) => !matches!(*name, "if" | "else" | "and" | "or" | "not" | "in" | "is"),
                Token::Sign(sign) => matches!(*sign, ")" | "]" | "}"),
                _ => true,
            };
        }
        Ok(())
    }
}

/// Where what a loop goes through begins and ends, if it is a tuple without brackets.
fn tuple_of_loop(tokens: &[Token]) -> Option<(usize, usize)> {
    let from = tokens.iter().position(|token| *token == Token::Name("in"))? + 1;
    let mut open = 0;
    let end = tokens[from..].iter().position(|token| {
        match token {
            Token::Sign("(" | "[" | "{") => open += 1,
            Token::Sign(")" | "]" | "}") => open -= 1,
            _ => {}
        }
        open == 0 && matches!(token, Token::Name("if" | "recursive"))
    });
    let to = end.map_or(tokens.len(), |end| from + end);
    has_comma(&tokens[from..to]).then_some((from, to))
}

/// Where the first targets of `with` begin and end, if they are several without brackets.
fn targets_of_with(tokens: &[Token]) -> Option<(usize, usize)> {
    let from = tokens.iter().position(|token| *token == Token::Name("with"))? + 1;
    let to = from + tokens[from..].iter().position(|token| *token == Token::Sign("="))?;
    has_comma(&tokens[from..to]).then_some((from, to))
}

/// Whether a comma stands outside of all brackets.
fn has_comma(tokens: &[Token]) -> bool {
    let mut open = 0;
    tokens.iter().any(|token| {
        match token {
            Token::Sign("(" | "[" | "{") => open += 1,
            Token::Sign(")" | "]" | "}") => open -= 1,
            _ => {}
        }
        open == 0 && *token == Token::Sign(",")
    })
}

/// The length of a tag that has one word, if it stands here.
fn tag_of(source: &str, word: &str) -> Option<usize> {
    let inside = source.strip_prefix("{%")?;
    let inside = inside.strip_prefix(['-', '+']).unwrap_or(inside).trim_start();
    let rest = inside.strip_prefix(word)?.trim_start();
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest).strip_prefix("%}")?;
    Some(source.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_minijinja_reads_otherwise_changes() {
        let same = [
            "a { b {{ x['}}'] }} {# {% generation %} '\\U #} {% raw %}{% generation %}{{ '\\U0001F600' {% endraw %}",
            "{%- set generation = {'a': {'b': [-x.y]}} -%}{{- a - b + c -}}",
            "{{ 'open",
        ];
        for source in same {
            assert_eq!(prepared(source).as_deref(), Ok(source));
        }
        assert_eq!(prepared("a\r\nb\rc\n").as_deref(), Ok("a\nb\nc\n"));
        let called = format!("{{%- call {GENERATION}()  -%}}a{{%endcall%}}");
        assert_eq!(prepared("{%- generation -%}a{%endgeneration%}"), Ok(called));
        assert_eq!(prepared("{{ '\\U0001F600\\q\\101' }}").as_deref(), Ok("{{ '😀\\\\qA' }}"));
        assert!(prepared("{{ '\\N{BULLET}' }}").unwrap_err().contains("line 1"));
    }
}
