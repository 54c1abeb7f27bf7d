//! Jinja's filters of texts.

use fancy_regex::Regex;
use minijinja::{Error, State, Value};

use super::repr::{is_printable, str};
use super::values::{bind, failure, integer_or, items, needed, pay, split, text};
use super::{casing, kinds, mappings, percent, safety, string_parts, strings};

/// How Python's `textwrap` takes a line to pieces: white space, words that break behind hyphens, and dashes.
const PIECES: &str = concat!(
    r#"[\t\n\x0b\x0c\r ]+|(?<=[\w!"'&.,?])-{2,}(?=\w)|"#,
    r#"[^\t\n\x0b\x0c\r ]+?(?:-(?:(?<=[^\d\W]{2}-)|(?<=[^\d\W]-[^\d\W]-))(?=[^\d\W]-?[^\d\W])|"#,
    r#"(?=[\t\n\x0b\x0c\r ]|\z)|(?<=[\w!"'&.,?])(?=-{2,}\w))"#
);

pub(super) fn call(state: &State, name: &str, value: &Value, arguments: &[Value]) -> Result<Value, Error> {
    let own = str(state, value)?;
    pay(state, own.len())?;
    let made = match name {
        "string" => {
            let [] = bind(arguments, [])?;
            own
        }
        "center" => {
            let [width] = bind(arguments, ["width"])?;
            strings::padded(state, &own, integer_or(width.as_ref(), 80)?, ' ', "center")?
        }
        "format" => {
            let (positional, named) = split(arguments)?;
            if !positional.is_empty() && !named.is_empty() {
                return Err(failure("can't handle positional and keyword arguments at the same time"));
            }
            let values = if named.is_empty() {
                Value::from(minijinja::value::Tuple::from(positional.to_vec()))
            } else {
                Value::from_pairs(named)
            };
            percent::percent(state, &own, &values)?
        }
        "indent" => indented(state, &own, arguments)?,
        "replace" => {
            let [old, new, count] = bind(arguments, ["old", "new", "count"])?;
            let (old, new) = (str(state, &needed(old)?)?, str(state, &needed(new)?)?);
            let count = count.filter(|count| !count.is_none());
            return Ok(Value::from(strings::replaced(
                state,
                &own,
                &old,
                &new,
                integer_or(count.as_ref(), -1)?,
            )?));
        }
        "striptags" => {
            let [] = bind(arguments, [])?;
            // The library takes them for common spaces.
            if ["&nbsp", "&ensp", "&emsp", "&thinsp", "&#160", "&#xa0", "&#xA0"]
                .iter()
                .any(|space| own.contains(space))
            {
                return Err(failure("striptags knows no uncommon spaces here"));
            }
            return Ok(Value::from(minijinja_contrib::filters::striptags(own)));
        }
        "title" => {
            let [] = bind(arguments, [])?;
            titled(&own)
        }
        "trim" => {
            let [characters] = bind(arguments, ["chars"])?;
            let characters = characters.filter(|characters| !characters.is_none());
            string_parts::strip(&own, characters.as_ref().map(text).transpose()?, true, true).to_owned()
        }
        "truncate" => truncated(&own, arguments)?,
        "urlencode" => {
            let [] = bind(arguments, [])?;
            return url_encoded(state, value).map(Value::from);
        }
        "wordcount" => {
            let [] = bind(arguments, [])?;
            let words = own.split(|c: char| !is_word(c)).filter(|word| !word.is_empty());
            return Ok(Value::from(words.count()));
        }
        "wordwrap" => wrapped(state, &own, arguments)?,
        _ => return attributes(state, value, arguments).map(Value::from_safe_string),
    };
    safety::same_safety(value, Value::from(made))
}

/// A character of a word for regular expressions.
fn is_word(character: char) -> bool {
    character == '_' || casing::is_numeric(character) || character.is_alphabetic() && is_printable(character)
}

fn indented(state: &State, own: &str, arguments: &[Value]) -> Result<String, Error> {
    let [width, first, blank] = bind(arguments, ["width", "first", "blank"])?;
    let is = |option: Option<Value>| option.is_some_and(|option| option.is_true());
    let indention = match width.as_ref().and_then(Value::as_str) {
        Some(indention) => indention.to_owned(),
        None => strings::padded(state, "", integer_or(width.as_ref(), 4)?, ' ', "ljust")?,
    };
    let ended = format!("{own}\n");
    let (first, blank) = (is(first), is(blank));
    let mut made = String::new();
    for (index, line) in string_parts::lines(&ended, false).into_iter().enumerate() {
        pay(state, indention.len() + line.len())?;
        if index > 0 {
            made.push('\n');
        }
        if if index == 0 { first } else { blank || !line.is_empty() } {
            made.push_str(&indention);
        }
        made.push_str(line);
    }
    Ok(made)
}

/// Jinja's own title case: the first letter of what white space, hyphens and brackets separate.
fn titled(own: &str) -> String {
    let mut inside = false;
    let mut made = String::new();
    for character in own.chars() {
        let separates = super::repr::is_space(character) || "-({[<".contains(character);
        if separates || inside {
            made.extend(character.to_lowercase());
        } else {
            made.extend(character.to_uppercase());
        }
        inside = !separates;
    }
    made
}

fn truncated(own: &str, arguments: &[Value]) -> Result<String, Error> {
    let [length, kill, end, leeway] = bind(arguments, ["length", "killwords", "end", "leeway"])?;
    let end = end.unwrap_or_else(|| Value::from("..."));
    let end = text(&end)?;
    let leeway = leeway.filter(|leeway| !leeway.is_none());
    let (length, leeway) = (integer_or(length.as_ref(), 255)?, integer_or(leeway.as_ref(), 5)?);
    let room = length.saturating_sub(end.chars().count() as i128);
    if room < 0 || leeway < 0 {
        return Err(failure("truncate leaves no room for its end"));
    }
    if own.chars().count() as i128 <= length.saturating_add(leeway) {
        return Ok(own.to_owned());
    }
    let cut: String = own.chars().take(usize::try_from(room).unwrap_or(usize::MAX)).collect();
    let kept = match cut.rsplit_once(' ') {
        Some((before, _)) if !kill.is_some_and(|kill| kill.is_true()) => before,
        _ => &cut,
    };
    Ok(format!("{kept}{end}"))
}

fn wrapped(state: &State, own: &str, arguments: &[Value]) -> Result<String, Error> {
    let names = ["width", "break_long_words", "wrapstring", "break_on_hyphens"];
    let [width, long, between, hyphens] = bind(arguments, names)?;
    let width = usize::try_from(integer_or(width.as_ref(), 79)?).unwrap_or(0);
    if width == 0 {
        return Err(failure("lines need a width"));
    }
    let is = |option: Option<Value>| option.is_none_or(|option| option.is_true());
    let (long, hyphens) = (is(long), is(hyphens));
    let between = between.filter(|between| !between.is_none()).unwrap_or_else(|| Value::from("\n"));
    let pieces = Regex::new(PIECES).map_err(|error| failure(error.to_string()))?;
    let mut lines = Vec::new();
    for (index, line) in string_parts::lines(own, false).into_iter().enumerate() {
        let mut chunks = Vec::new();
        if hyphens {
            for piece in pieces.find_iter(line) {
                chunks.push(piece.map_err(|error| failure(error.to_string()))?.as_str());
            }
        } else {
            chunks.extend(line.split_inclusive(is_blank).flat_map(|word| {
                let (word, blank) = word.split_at(word.trim_end_matches(is_blank).len());
                [word, blank]
            }));
            chunks.retain(|chunk| !chunk.is_empty());
        }
        pay(state, chunks.len() * 64)?;
        let wrapped = lines_of(joined_blanks(chunks), width, long, hyphens);
        // A line without words is a line all the same.
        lines.push(wrapped.join(text(&between)?));
        pay(state, index + line.len())?;
    }
    pay(state, lines.len().saturating_mul(text(&between)?.len()))?;
    Ok(lines.join(text(&between)?))
}

/// White space that lines break at.
fn is_blank(character: char) -> bool {
    matches!(character, '\t'..='\r' | ' ')
}

/// Neighbouring pieces of white space are one.
fn joined_blanks(chunks: Vec<&str>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for chunk in chunks {
        match joined.last_mut() {
            Some(last) if chunk.chars().all(is_blank) && last.chars().all(is_blank) => last.push_str(chunk),
            _ => joined.push(chunk.to_owned()),
        }
    }
    joined
}

/// Lines of so many characters at most, as `textwrap` fills them.
fn lines_of(mut chunks: Vec<String>, width: usize, long: bool, hyphens: bool) -> Vec<String> {
    let blank = |chunk: &String| chunk.chars().all(super::repr::is_space);
    let mut lines: Vec<String> = Vec::new();
    chunks.reverse();
    while !chunks.is_empty() {
        let mut line: Vec<String> = Vec::new();
        let mut length = 0;
        if !lines.is_empty() && chunks.last().is_some_and(blank) {
            chunks.pop();
        }
        while let Some(chunk) = chunks.pop_if(|chunk| length + chunk.chars().count() <= width) {
            length += chunk.chars().count();
            line.push(chunk);
        }
        if let Some(chunk) = chunks.pop_if(|chunk| chunk.chars().count() > width) {
            if long {
                let characters: Vec<char> = chunk.chars().collect();
                let mut end = width - length;
                let hyphen = characters[..end].iter().rposition(|c| *c == '-');
                if let Some(hyphen) =
                    hyphen.filter(|at| hyphens && characters[..*at].iter().any(|c| *c != '-'))
                {
                    end = hyphen + 1;
                }
                line.push(characters[..end].iter().collect());
                chunks.push(characters[end..].iter().collect());
            } else if line.is_empty() {
                line.push(chunk);
            } else {
                chunks.push(chunk);
            }
        }
        line.pop_if(|chunk| blank(chunk));
        if !line.is_empty() {
            lines.push(line.concat());
        }
    }
    lines
}

fn url_encoded(state: &State, value: &Value) -> Result<String, Error> {
    let part = |value: &Value, in_query: bool| {
        let mut part = String::new();
        for byte in str(state, value)?.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                    part.push(char::from(byte))
                }
                b'/' if !in_query => part.push('/'),
                b' ' if in_query => part.push('+'),
                _ => part.push_str(&format!("%{byte:02X}")),
            }
        }
        pay(state, part.len())?;
        Ok::<_, Error>(part)
    };
    if value.as_str().is_some() || value.as_object().is_none() {
        return part(value, false);
    }
    let pairs = if kinds::is_dict(value) {
        mappings::pairs(state, value)?
    } else {
        let pairs = items(state, value)?.into_iter().map(|pair| match items(state, &pair)?.as_slice() {
            [key, value] => Ok((key.clone(), value.clone())),
            _ => Err(failure("pairs of a key and a value are needed")),
        });
        pairs.collect::<Result<_, Error>>()?
    };
    let pairs = pairs.iter().map(|(key, value)| Ok(format!("{}={}", part(key, true)?, part(value, true)?)));
    Ok(pairs.collect::<Result<Vec<_>, Error>>()?.join("&"))
}

/// `xmlattr`.
fn attributes(state: &State, value: &Value, arguments: &[Value]) -> Result<String, Error> {
    let [space] = bind(arguments, ["autospace"])?;
    let mut made = Vec::new();
    for (key, value) in mappings::pairs(state, value)? {
        if value.is_none() || value.is_undefined() {
            continue;
        }
        let key = str(state, &key)?;
        if key.contains(|c: char| super::repr::is_space(c) || "/>=".contains(c)) {
            return Err(failure(format!("invalid character in attribute name: {key}")));
        }
        let value = if value.is_safe() { str(state, &value)? } else { safety::escape(&str(state, &value)?) };
        made.push(format!("{}=\"{value}\"", safety::escape(&key)));
    }
    let begins = space.is_none_or(|space| space.is_true()) && !made.is_empty();
    Ok(format!("{}{}", if begins { " " } else { "" }, made.join(" ")))
}
