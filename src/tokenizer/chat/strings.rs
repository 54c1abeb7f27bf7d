//! The methods of Python's texts.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};
use unicode_general_category::{GeneralCategory as Category, get_general_category};

use super::repr::{is_printable, is_space};
use super::str_format::str_format;
use super::string_parts::{lines, part, partition, parts, strip};
use super::values::{bind, failure, integer, integer_or, items, needed, pay, split, text};
use super::{access, casing, safety};

/// Calls a text's method. One that is safe for HTML stays so, and makes safe what it takes in.
pub(super) fn call_safely(
    state: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    if !value.is_safe() {
        return call(state, value, method, arguments);
    }
    if matches!(method, "format" | "format_map" | "join" | "translate") {
        return Err(failure(format!("{method} of a text that is safe for HTML is not known here")));
    }
    let (positional, named) = split(arguments)?;
    if !named.is_empty() {
        return Err(failure("methods of texts that are safe for HTML take no names here"));
    }
    let escaped = positional.iter().enumerate().map(|(index, argument)| match argument.as_str() {
        Some(_) if method == "replace" && index == 1 => safety::escaped(argument).map(Value::from),
        _ => Ok(argument.clone()),
    });
    let made = call(state, value, method, &escaped.collect::<Result<Vec<_>, Error>>()?)?;
    if method.ends_with("split") || method.ends_with("partition") || method == "splitlines" {
        let parts = items(state, &made)?.into_iter().map(|part| safety::same_safety(value, part));
        let parts = parts.collect::<Result<Vec<_>, Error>>()?;
        return Ok(if made.is_tuple() { Value::from(Tuple::from(parts)) } else { Value::from(parts) });
    }
    safety::same_safety(value, made)
}

/// Calls the method of a text that is not safe for HTML.
pub(super) fn call(
    state: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    let own = text(value)?;
    // What a method makes of a text is seldom longer than three times the text.
    pay(state, own.len())?;
    if let Some(changed) = changed(own, method) {
        let [] = bind(arguments, [])?;
        return Ok(Value::from(changed));
    }
    if let Some(is) = is(own, method) {
        let [] = bind(arguments, [])?;
        return Ok(Value::from(is));
    }
    match method {
        "strip" | "lstrip" | "rstrip" => stripped(own, method, arguments),
        "split" | "rsplit" => {
            let [separator, most] = bind(arguments, ["sep", "maxsplit"])?;
            let most = usize::try_from(integer_or(most.as_ref(), -1)?).unwrap_or(usize::MAX);
            let parts = parts(own, method, separator.filter(|value| !value.is_none()).as_ref(), most)?;
            pay(state, parts.len() * 64)?;
            Ok(parts.into_iter().map(Value::from).collect())
        }
        "splitlines" => {
            let [keep] = bind(arguments, ["keepends"])?;
            let lines = lines(own, keep.is_some_and(|keep| keep.is_true()));
            pay(state, lines.len() * 64)?;
            Ok(lines.into_iter().map(Value::from).collect())
        }
        "partition" | "rpartition" => {
            let [separator] = bind(arguments, [""])?;
            partition(own, text(&needed(separator)?)?, method == "rpartition")
        }
        "startswith" | "endswith" => begins_or_ends(state, own, method, arguments),
        "find" | "rfind" | "index" | "rindex" | "count" => found(own, method, arguments),
        "replace" => {
            let [old, new, count] = bind(arguments, ["", "", ""])?;
            let (old, new) = (needed(old)?, needed(new)?);
            let count = integer_or(count.as_ref(), -1)?;
            replaced(state, own, text(&old)?, text(&new)?, count).map(Value::from)
        }
        "center" | "ljust" | "rjust" => {
            let [width, fill] = bind(arguments, ["", ""])?;
            let width = integer_or(Some(&needed(width)?), 0)?;
            let fill = fill.as_ref().map_or(Ok(" "), text)?;
            let mut fills = fill.chars();
            let (Some(fill), None) = (fills.next(), fills.next()) else {
                return Err(failure("one character is needed to fill with"));
            };
            padded(state, own, width, fill, method).map(Value::from)
        }
        "zfill" => {
            let [width] = bind(arguments, [""])?;
            let sign = own.len() - own.strip_prefix(['+', '-']).unwrap_or(own).len();
            let width = integer_or(Some(&needed(width)?), 0)? - sign as i128;
            Ok(Value::from(own[..sign].to_owned() + &padded(state, &own[sign..], width, '0', "rjust")?))
        }
        "removeprefix" | "removesuffix" => {
            let [edge] = bind(arguments, [""])?;
            let edge = needed(edge)?;
            let edge = text(&edge)?;
            let rest = if method == "removeprefix" { own.strip_prefix(edge) } else { own.strip_suffix(edge) };
            Ok(Value::from(rest.unwrap_or(own)))
        }
        "expandtabs" => {
            let [width] = bind(arguments, ["tabsize"])?;
            expanded(state, own, integer_or(width.as_ref(), 8)?).map(Value::from)
        }
        "join" => {
            let [parts] = bind(arguments, [""])?;
            let mut joined = String::new();
            for (index, part) in items(state, &needed(parts)?)?.iter().enumerate() {
                let part = text(part)?;
                let separator = if index > 0 { own } else { "" };
                pay(state, separator.len() + part.len())?;
                joined.push_str(separator);
                joined.push_str(part);
            }
            Ok(Value::from(joined))
        }
        "format" => {
            let (positional, named) = split(arguments)?;
            let named = Value::from_pairs(named);
            str_format(state, own, Some(positional), &named).map(Value::from)
        }
        "format_map" => {
            let [named] = bind(arguments, [""])?;
            str_format(state, own, None, &needed(named)?).map(Value::from)
        }
        "encode" => {
            let [encoding, errors] = bind(arguments, ["encoding", "errors"])?;
            utf8(encoding.as_ref(), errors.as_ref())?;
            Ok(Value::from_bytes(own.as_bytes().to_vec()))
        }
        "maketrans" => translation(arguments),
        "translate" => {
            let [table] = bind(arguments, [""])?;
            translated(state, own, &needed(table)?).map(Value::from)
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

/// Calls a method of bytes.
pub(super) fn call_bytes(value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    let bytes = value.as_bytes().unwrap_or_default();
    match method {
        "decode" => {
            let [encoding, errors] = bind(arguments, ["encoding", "errors"])?;
            utf8(encoding.as_ref(), errors.as_ref())?;
            let text = std::str::from_utf8(bytes).map_err(|error| failure(error.to_string()))?;
            Ok(Value::from(text))
        }
        "hex" => {
            let [] = bind(arguments, [])?;
            Ok(Value::from(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

/// Accepts no encoding but UTF-8.
fn utf8(encoding: Option<&Value>, errors: Option<&Value>) -> Result<(), Error> {
    let encoding = encoding.map_or(Ok("utf-8"), text)?.to_lowercase().replace('_', "-");
    let strict = errors.map_or(Ok("strict"), text)? == "strict";
    if matches!(encoding.as_str(), "utf-8" | "utf8") && strict {
        return Ok(());
    }
    Err(failure(format!("the encoding {encoding} with such handling of errors is not known")))
}

/// What methods without arguments make of a text.
fn changed(own: &str, method: &str) -> Option<String> {
    Some(match method {
        "upper" => own.to_uppercase(),
        "lower" => own.to_lowercase(),
        "title" => casing::title(own),
        "capitalize" => casing::capitalize(own),
        "swapcase" => casing::swap(own),
        "casefold" => casing::fold(own),
        _ => return None,
    })
}

/// What methods say about a text.
pub(super) fn is(own: &str, method: &str) -> Option<bool> {
    let all = |is: fn(char) -> bool| !own.is_empty() && own.chars().all(is);
    Some(match method {
        "isascii" => own.is_ascii(),
        "isspace" => all(is_space),
        "isprintable" => own.chars().all(is_printable),
        "isalpha" => all(is_letter),
        "isalnum" => all(|c| is_letter(c) || casing::is_numeric(c)),
        "isdecimal" => all(|c| get_general_category(c) == Category::DecimalNumber),
        "isdigit" => all(casing::is_digit),
        "isnumeric" => all(casing::is_numeric),
        "islower" => {
            own.chars().any(char::is_lowercase)
                && !own.chars().any(|c| c.is_uppercase() || casing::is_title(c))
        }
        "isupper" => {
            own.chars().any(char::is_uppercase)
                && !own.chars().any(|c| c.is_lowercase() || casing::is_title(c))
        }
        "istitle" => casing::is_titled(own),
        "isidentifier" => {
            let mut characters = own.chars();
            let begins = |c| c == '_' || unicode_ident::is_xid_start(c);
            characters.next().is_some_and(begins) && characters.all(unicode_ident::is_xid_continue)
        }
        _ => return None,
    })
}

/// Python's `str.isalpha` for one character.
fn is_letter(character: char) -> bool {
    matches!(
        get_general_category(character),
        Category::UppercaseLetter
            | Category::LowercaseLetter
            | Category::TitlecaseLetter
            | Category::ModifierLetter
            | Category::OtherLetter
    )
}

fn stripped(own: &str, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    let [characters] = bind(arguments, [""])?;
    let characters = characters.filter(|value| !value.is_none());
    let characters = characters.as_ref().map(text).transpose()?;
    Ok(Value::from(strip(own, characters, method != "rstrip", method != "lstrip")))
}

fn begins_or_ends(state: &State, own: &str, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    let [edges, start, stop] = bind(arguments, ["", "", ""])?;
    let edges = needed(edges)?;
    let edges = if edges.is_tuple() { items(state, &edges)? } else { vec![edges] };
    let part = part(own, start.as_ref(), stop.as_ref())?;
    for edge in &edges {
        let edge = text(edge)?;
        let is = |(_, part): (usize, &str)| {
            if method == "startswith" { part.starts_with(edge) } else { part.ends_with(edge) }
        };
        if part.is_some_and(is) {
            return Ok(Value::from(true));
        }
    }
    Ok(Value::from(false))
}

fn found(own: &str, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    let [wanted, start, stop] = bind(arguments, ["", "", ""])?;
    let wanted = needed(wanted)?;
    let wanted = text(&wanted)?;
    let part = part(own, start.as_ref(), stop.as_ref())?;
    if method == "count" {
        let count = |(_, part): (usize, &str)| part.matches(wanted).count();
        return Ok(Value::from(part.map_or(0, count)));
    }
    let at = part.and_then(|(from, part)| {
        let at = if method.starts_with('r') { part.rfind(wanted) } else { part.find(wanted) };
        at.map(|at| own[..from + at].chars().count())
    });
    match at {
        Some(at) => Ok(Value::from(at)),
        None if method.ends_with("find") => Ok(Value::from(-1)),
        None => Err(failure("substring not found")),
    }
}

/// `str.replace`; a negative count means all.
pub(super) fn replaced(state: &State, own: &str, old: &str, new: &str, count: i128) -> Result<String, Error> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let most = (own.len() / old.len().max(1)).saturating_add(1).min(count);
    pay(state, own.len().saturating_add(most.saturating_mul(new.len())))?;
    Ok(own.replacen(old, new, count))
}

/// A text in the middle, on the left or on the right of so many characters.
pub(super) fn padded(
    state: &State,
    own: &str,
    width: i128,
    fill: char,
    method: &str,
) -> Result<String, Error> {
    let missing = width.saturating_sub(own.chars().count() as i128).max(0);
    let missing = usize::try_from(missing).unwrap_or(usize::MAX);
    pay(state, missing.saturating_mul(4))?;
    let left = match method {
        "ljust" => 0,
        "rjust" => missing,
        // Python's own way to share what is odd.
        _ => missing / 2 + (missing & usize::try_from(width).unwrap_or(0) & 1),
    };
    let fills = |count| std::iter::repeat_n(fill, count);
    Ok(fills(left).chain(own.chars()).chain(fills(missing - left)).collect())
}

fn expanded(state: &State, own: &str, width: i128) -> Result<String, Error> {
    let width = usize::try_from(width).unwrap_or(0);
    let mut column = 0;
    let mut expanded = String::with_capacity(own.len());
    for character in own.chars() {
        if character == '\t' {
            let spaces = if width == 0 { 0 } else { width - column % width };
            pay(state, spaces)?;
            expanded.extend(std::iter::repeat_n(' ', spaces));
            column += spaces;
        } else {
            expanded.push(character);
            column = if matches!(character, '\n' | '\r') { 0 } else { column + 1 };
        }
    }
    Ok(expanded)
}

/// `str.maketrans`: a table by code points.
fn translation(arguments: &[Value]) -> Result<Value, Error> {
    let [from, to, without] = bind(arguments, ["", "", ""])?;
    let from = needed(from)?;
    let code = |character: char| Value::from(character as u32);
    let Some(to) = to else {
        let pairs = from.try_iter()?.map(|key| {
            let mut characters = key.as_str().unwrap_or_default().chars();
            let single = characters.next().filter(|_| characters.next().is_none());
            let value = from.get_item(&key)?;
            Ok((single.map_or(key, code), value))
        });
        return Ok(Value::from_pairs(pairs.collect::<Result<Vec<_>, Error>>()?));
    };
    let (from, to) = (text(&from)?, text(&to)?);
    if from.chars().count() != to.chars().count() {
        return Err(failure("both texts of a translation must be of one length"));
    }
    let without = without.as_ref().map_or(Ok(""), text)?;
    let pairs = from.chars().zip(to.chars()).map(|(from, to)| (code(from), code(to)));
    Ok(Value::from_pairs(pairs.chain(without.chars().map(|c| (code(c), Value::from(()))))))
}

fn translated(state: &State, own: &str, table: &Value) -> Result<String, Error> {
    let mut translated = String::with_capacity(own.len());
    for character in own.chars() {
        let to = access::item(table, &Value::from(character as u32))?;
        match to.kind() {
            ValueKind::Undefined => translated.push(character),
            ValueKind::None => {}
            ValueKind::String => {
                pay(state, text(&to)?.len())?;
                translated.push_str(text(&to)?);
            }
            _ => {
                let code = integer(&to).and_then(|code| u32::try_from(code).ok());
                translated.push(code.and_then(char::from_u32).ok_or_else(|| failure("no such character"))?);
            }
        }
    }
    Ok(translated)
}
