//! Jinja's filters.

use std::cmp::Ordering;

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Environment, Error, State, Value};

use super::objects::{Generator, Group};
use super::python::{
    Arguments, bind, failure, float, integer_or, items, kind, needed, pay, repr, split, str, text,
};
use super::{json, methods, numbers, operators, strings, words};

/// The filters there are.
pub(super) const NAMES: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "capitalize",
    "center",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "filesizeformat",
    "first",
    "float",
    "forceescape",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "random",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "striptags",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "wordcount",
    "wordwrap",
    "xmlattr",
];

/// Gives a template its filters.
pub(super) fn add_to(environment: &mut Environment) {
    for &name in NAMES {
        environment.add_filter(name, move |state: &mut State, arguments: Arguments| {
            let arguments = arguments.into_values();
            let (value, arguments) =
                arguments.split_first().ok_or_else(|| failure("a filter needs a value"))?;
            call(state, name, value, arguments)
        });
    }
}

fn call(state: &mut State, name: &str, value: &Value, arguments: &[Value]) -> Result<Value, Error> {
    match name {
        "capitalize" | "lower" | "upper" => {
            let [] = bind(arguments, [])?;
            let own = Value::from(str(state, value)?);
            same_safety(value, strings::call(state, &own, name, &[])?)
        }
        "center" | "format" | "indent" | "replace" | "string" | "striptags" | "title" | "trim"
        | "truncate" | "urlencode" | "wordcount" | "wordwrap" | "xmlattr" => {
            words::call(state, name, value, arguments)
        }
        "abs" | "filesizeformat" | "float" | "int" | "round" => numbers::call(state, name, value, arguments),
        "map" => mapped(state, value, arguments),
        "select" | "reject" | "selectattr" | "rejectattr" => selected(state, name, value, arguments),
        "tojson" => json::to_json(state, value, arguments),
        "default" | "d" => {
            let [default, falsy] = bind(arguments, ["default_value", "boolean"])?;
            let falsy = falsy.is_some_and(|falsy| falsy.is_true());
            let is_missing = value.is_undefined() || falsy && !value.is_true();
            Ok(if is_missing { default.unwrap_or_else(|| Value::from("")) } else { value.clone() })
        }
        "attr" => {
            let [name] = bind(arguments, ["name"])?;
            let name = needed(name)?;
            let is_dict = methods::is_dict(value) && !methods::has(value, text(&name)?);
            if is_dict { Ok(Value::UNDEFINED) } else { operators::attribute(value, text(&name)?) }
        }
        "escape" | "e" | "forceescape" | "safe" => {
            let [] = bind(arguments, [])?;
            let own = str(state, value)?;
            pay(state, own.len() * 5)?;
            if name == "safe" || name != "forceescape" && value.is_safe() {
                return Ok(Value::from_safe_string(own));
            }
            Ok(Value::from_safe_string(escape(&own)))
        }
        "join" => {
            let [separator, attribute] = bind(arguments, ["d", "attribute"])?;
            let separator =
                separator.map_or_else(|| Ok(String::new()), |separator| str(state, &separator))?;
            let mut joined = String::new();
            for (index, item) in keyed(state, value, attribute)?.iter().enumerate() {
                let item = str(state, item)?;
                pay(state, separator.len() + item.len())?;
                joined.push_str(if index > 0 { &separator } else { "" });
                joined.push_str(&item);
            }
            Ok(Value::from(joined))
        }
        "length" | "count" => {
            let [] = bind(arguments, [])?;
            operators::length(value)
        }
        "list" => {
            let [] = bind(arguments, [])?;
            Ok(Value::from(items(state, value)?))
        }
        "items" => {
            let [] = bind(arguments, [])?;
            if !value.is_undefined() && !methods::is_dict(value) {
                return Err(failure("can only get item pairs from a mapping"));
            }
            let pairs = if value.is_undefined() { Vec::new() } else { methods::pairs(state, value)? };
            Ok(Generator::of(pairs.into_iter().map(tuple).collect()))
        }
        "pprint" => {
            let [] = bind(arguments, [])?;
            pretty(state, value)
        }
        _ => sequences(state, name, value, arguments),
    }
}

/// Filters of what has items.
fn sequences(state: &State, name: &str, value: &Value, arguments: &[Value]) -> Result<Value, Error> {
    match name {
        "first" | "last" | "random" => {
            let [] = bind(arguments, [])?;
            if name == "last" && value.downcast_object_ref::<Generator>().is_some() {
                return Err(failure("a generator has no last item: make a list of it"));
            }
            let mut all = items(state, value)?;
            if name == "random" && all.len() > 1 {
                return Err(failure("nothing is chosen by chance here"));
            }
            let found = if name == "first" { all.into_iter().next() } else { all.pop() };
            Ok(found.unwrap_or_default())
        }
        "reverse" => {
            let [] = bind(arguments, [])?;
            if let Some(own) = value.as_str() {
                return Ok(Value::from(own.chars().rev().collect::<String>()));
            }
            let mut all = items(state, value)?;
            all.reverse();
            Ok(Generator::of(all))
        }
        "sum" => {
            let [attribute, start] = bind(arguments, ["attribute", "start"])?;
            let mut sum = start.unwrap_or_else(|| Value::from(0));
            for item in keyed(state, value, attribute)? {
                if sum.kind() == ValueKind::String {
                    return Err(failure("texts have no sum: join them"));
                }
                sum = operators::sum(state, sum, item)?;
                pay(state, 64)?;
            }
            Ok(sum)
        }
        "max" | "min" => {
            let [sensitive, attribute] = bind(arguments, ["case_sensitive", "attribute"])?;
            let keys = Keys::new(state, attribute, sensitive);
            let all = sorted(state, items(state, value)?, |item| keys.of(item), name == "max")?;
            Ok(all.into_iter().next().unwrap_or_default())
        }
        "sort" => {
            let [reverse, sensitive, attribute] =
                bind(arguments, ["reverse", "case_sensitive", "attribute"])?;
            let keys = Keys::new(state, attribute, sensitive);
            let reverse = reverse.is_some_and(|reverse| reverse.is_true());
            Ok(Value::from(sorted(state, items(state, value)?, |item| keys.all_of(item), reverse)?))
        }
        "dictsort" => {
            let [sensitive, by, reverse] = bind(arguments, ["case_sensitive", "by", "reverse"])?;
            let by_value = match by.as_ref().map_or(Ok("key"), text)? {
                "key" => false,
                "value" => true,
                _ => return Err(failure("dictsort goes by key or by value")),
            };
            let keys = Keys::new(state, None, sensitive);
            let key = |(key, value): &(Value, Value)| keys.of(if by_value { value } else { key });
            let reverse = reverse.is_some_and(|reverse| reverse.is_true());
            let pairs = sorted(state, methods::pairs(state, value)?, key, reverse)?;
            Ok(pairs.into_iter().map(tuple).collect())
        }
        "unique" => {
            let [sensitive, attribute] = bind(arguments, ["case_sensitive", "attribute"])?;
            let keys = Keys::new(state, attribute, sensitive);
            let (mut seen, mut unique): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
            for item in items(state, value)? {
                let key = operators::key(&keys.of(&item)?)?;
                let mut is_new = true;
                for other in &seen {
                    is_new &= !operators::equal(state, &key, other)?;
                }
                if is_new {
                    seen.push(key);
                    unique.push(item);
                }
            }
            Ok(Generator::of(unique))
        }
        "groupby" => grouped(state, value, arguments),
        "batch" => {
            let [size, fill] = bind(arguments, ["linecount", "fill_with"])?;
            let size = usize::try_from(integer_or(Some(&needed(size)?), 0)?).unwrap_or(0).max(1);
            let fill = fill.filter(|fill| !fill.is_none());
            let all = items(state, value)?;
            let rows = all.chunks(size).map(|row| {
                let mut row = row.to_vec();
                if let Some(fill) = &fill {
                    pay(state, size.saturating_sub(row.len()).saturating_mul(64))?;
                    row.resize(size, fill.clone());
                }
                Ok(Value::from(row))
            });
            Ok(Generator::of(rows.collect::<Result<_, Error>>()?))
        }
        "slice" => {
            let [count, fill] = bind(arguments, ["slices", "fill_with"])?;
            let count = usize::try_from(integer_or(Some(&needed(count)?), 0)?).unwrap_or(0);
            let all = items(state, value)?;
            if count == 0 {
                return Err(failure("a list has no zero slices"));
            }
            pay(state, count.saturating_mul(64))?;
            let (each, longer) = (all.len() / count, all.len() % count);
            let fill = fill.filter(|fill| !fill.is_none());
            let rows = (0..count).map(|index| {
                let begin = index * each + index.min(longer);
                let mut row = all[begin..begin + each + usize::from(index < longer)].to_vec();
                row.extend(fill.clone().filter(|_| index >= longer));
                Value::from(row)
            });
            Ok(Generator::of(rows.collect()))
        }
        _ => Err(failure(format!("there is no filter {name}"))),
    }
}

fn tuple((key, value): (Value, Value)) -> Value {
    Value::from(Tuple::from([key, value]))
}

/// A text that is as safe as another.
pub(super) fn same_safety(like: &Value, value: Value) -> Result<Value, Error> {
    match value.as_str() {
        Some(text) if like.is_safe() => Ok(Value::from_safe_string(text.to_owned())),
        _ => Ok(value),
    }
}

/// A text for HTML, unless it is one already.
pub(super) fn escaped(value: &Value) -> Result<String, Error> {
    let own = text(value)?;
    Ok(if value.is_safe() { own.to_owned() } else { escape(own) })
}

/// Markupsafe's `escape`.
pub(super) fn escape(own: &str) -> String {
    let mut escaped = String::with_capacity(own.len());
    for character in own.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\'' => escaped.push_str("&#39;"),
            '"' => escaped.push_str("&#34;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Whether Python has a value as a list or a tuple, which JSON can write.
pub(super) fn is_listed(value: &Value) -> bool {
    let is_range = value.downcast_object_ref::<super::objects::Range>().is_some();
    methods::is_list(value) && !is_range || value.downcast_object_ref::<Group>().is_some()
}

/// What an attribute such as `a.b.0` is of an item.
fn attribute_of(item: &Value, attribute: &Value, default: Option<&Value>) -> Result<Value, Error> {
    let Some(path) = attribute.as_str() else {
        let found = operators::item(item, attribute)?;
        return Ok(if found.is_undefined() { default.cloned().unwrap_or_default() } else { found });
    };
    let mut value = item.clone();
    for part in path.split('.') {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let key =
            part.parse::<i64>().ok().filter(|_| is_number).map_or_else(|| Value::from(part), Value::from);
        value = operators::item(&value, &key)?;
        if let (true, Some(default)) = (value.is_undefined(), default) {
            value = default.clone();
        }
    }
    Ok(value)
}

/// The items of a value, or their attributes.
fn keyed(state: &State, value: &Value, attribute: Option<Value>) -> Result<Vec<Value>, Error> {
    let all = items(state, value)?;
    match attribute.filter(|attribute| !attribute.is_none()) {
        Some(attribute) => all.iter().map(|item| attribute_of(item, &attribute, None)).collect(),
        None => Ok(all),
    }
}

/// What items are compared by: an attribute or themselves, by default without regard to case.
struct Keys<'a> {
    state: &'a State<'a, 'a>,
    attribute: Option<Value>,
    sensitive: bool,
    default: Option<Value>,
}

impl<'a> Keys<'a> {
    fn new(state: &'a State, attribute: Option<Value>, sensitive: Option<Value>) -> Self {
        let attribute = attribute.filter(|attribute| !attribute.is_none());
        let sensitive = sensitive.is_some_and(|sensitive| sensitive.is_true());
        Self { state, attribute, sensitive, default: None }
    }

    fn of(&self, item: &Value) -> Result<Value, Error> {
        let key = match &self.attribute {
            Some(attribute) => attribute_of(item, attribute, self.default.as_ref())?,
            None => item.clone(),
        };
        self.fold(key)
    }

    fn fold(&self, key: Value) -> Result<Value, Error> {
        match key.as_str() {
            Some(text) if !self.sensitive => {
                pay(self.state, text.len())?;
                Ok(Value::from(text.to_lowercase()))
            }
            _ => Ok(key),
        }
    }

    /// By all attributes that a text with commas names.
    fn all_of(&self, item: &Value) -> Result<Value, Error> {
        match self.attribute.as_ref().and_then(Value::as_str) {
            Some(names) if names.contains(',') => {
                let keys =
                    names.split(',').map(|name| self.fold(attribute_of(item, &Value::from(name), None)?));
                Ok(Value::from(keys.collect::<Result<Vec<_>, Error>>()?))
            }
            _ => self.of(item),
        }
    }
}

/// Sorted by a key, equal ones as they stood, as Python's `sorted`. An order that contradicts itself cannot panic.
pub(super) fn sorted<T>(
    state: &State,
    items: Vec<T>,
    key: impl Fn(&T) -> Result<Value, Error>,
    reverse: bool,
) -> Result<Vec<T>, Error> {
    let keyed = items.into_iter().map(|item| Ok((key(&item)?, item)));
    let keyed: Vec<(Value, T)> = keyed.collect::<Result<_, Error>>()?;
    let merged = merge(state, keyed, reverse)?;
    Ok(merged.into_iter().map(|(_, item)| item).collect())
}

fn merge<T>(state: &State, mut items: Vec<(Value, T)>, reverse: bool) -> Result<Vec<(Value, T)>, Error> {
    if items.len() < 2 {
        return Ok(items);
    }
    let right = items.split_off(items.len() / 2);
    let mut right = merge(state, right, reverse)?.into_iter().peekable();
    let mut left = merge(state, items, reverse)?.into_iter().peekable();
    let mut merged = Vec::new();
    while let (Some((first, _)), Some((second, _))) = (left.peek(), right.peek()) {
        let order = operators::order(state, second, first, 0)?;
        let comes_first = order == Some(if reverse { Ordering::Greater } else { Ordering::Less });
        merged.extend(if comes_first { right.next() } else { left.next() });
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}

fn grouped(state: &State, value: &Value, arguments: &[Value]) -> Result<Value, Error> {
    let [attribute, default, sensitive] = bind(arguments, ["attribute", "default", "case_sensitive"])?;
    let mut keys = Keys::new(state, Some(needed(attribute)?), sensitive);
    keys.default = default.filter(|default| !default.is_none());
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for item in sorted(state, items(state, value)?, |item| keys.of(item), false)? {
        let key = keys.of(&item)?;
        match groups.last_mut() {
            Some((last, group)) if operators::equal(state, last, &key)? => group.push(item),
            _ => groups.push((key, vec![item])),
        }
    }
    let named = groups.into_iter().map(|(key, group)| {
        // The name of a group is that of its first item, with its case.
        let first = match (&keys.attribute, group.first()) {
            (Some(attribute), Some(first)) => attribute_of(first, attribute, keys.default.as_ref())?,
            _ => key,
        };
        Ok(Group::of(first, Value::from(group)))
    });
    Ok(Value::from(named.collect::<Result<Vec<_>, Error>>()?))
}

fn mapped(state: &mut State, value: &Value, arguments: &[Value]) -> Result<Value, Error> {
    let all = if value.is_undefined() { Vec::new() } else { items(state, value)? };
    let (positional, mut named) = split(arguments)?;
    let mut made = Vec::with_capacity(all.len());
    if let ([], Some(place)) = (positional, named.iter().position(|(name, _)| name == "attribute")) {
        let attribute = named.remove(place).1;
        let default = named.iter().position(|(name, _)| name == "default").map(|place| named.remove(place).1);
        if !named.is_empty() {
            return Err(failure("map takes an attribute and a default"));
        }
        for item in all {
            made.push(attribute_of(
                &item,
                &attribute,
                default.as_ref().filter(|default| !default.is_none()),
            )?);
        }
        return Ok(Generator::of(made));
    }
    let (filter, rest) = arguments.split_first().ok_or_else(|| failure("map requires a filter argument"))?;
    let filter = text(filter)?;
    for item in all {
        let arguments: Vec<Value> = std::iter::once(item).chain(rest.iter().cloned()).collect();
        made.push(state.apply_filter(filter, &arguments)?);
        pay(state, 64)?;
    }
    Ok(Generator::of(made))
}

fn selected(state: &mut State, name: &str, value: &Value, arguments: &[Value]) -> Result<Value, Error> {
    let all = if value.is_undefined() { Vec::new() } else { items(state, value)? };
    let wanted = name.starts_with("select");
    let (attribute, rest) = match arguments.split_first() {
        _ if !name.ends_with("attr") => (None, arguments),
        Some((attribute, rest)) => (Some(attribute), rest),
        None => return Err(failure("missing parameter for attribute name")),
    };
    let mut kept = Vec::new();
    for item in all {
        let tested =
            attribute.map_or_else(|| Ok(item.clone()), |attribute| attribute_of(&item, attribute, None))?;
        let holds = match rest.split_first() {
            Some((test, rest)) => {
                let arguments: Vec<Value> = std::iter::once(tested).chain(rest.iter().cloned()).collect();
                state.perform_test(text(test)?, &arguments)?
            }
            None => tested.is_true(),
        };
        pay(state, 64)?;
        if holds == wanted {
            kept.push(item);
        }
    }
    Ok(Generator::of(kept))
}

/// `pprint`, for what fits one line; mappings are in the order of their keys.
fn pretty(state: &State, value: &Value) -> Result<Value, Error> {
    let ordered = ordered(state, value, 0)?;
    let text = repr(state, &ordered)?;
    if text.chars().count() > 80 {
        return Err(failure("pprint breaks lines in a way that is not known here"));
    }
    Ok(Value::from(text))
}

fn ordered(state: &State, value: &Value, depth: usize) -> Result<Value, Error> {
    if depth > 100 {
        return Err(failure("values are nested too deep"));
    }
    if methods::is_dict(value) {
        let pairs = sorted(state, methods::pairs(state, value)?, |(key, _)| Ok(key.clone()), false)?;
        let pairs = pairs.into_iter().map(|(key, value)| Ok((key, ordered(state, &value, depth + 1)?)));
        return Ok(Value::from_pairs(pairs.collect::<Result<Vec<_>, Error>>()?));
    }
    if is_listed(value) {
        let all = items(state, value)?
            .iter()
            .map(|item| ordered(state, item, depth + 1))
            .collect::<Result<Vec<_>, _>>()?;
        return Ok(if value.is_tuple() { Value::from(Tuple::from(all)) } else { Value::from(all) });
    }
    Ok(value.clone())
}

/// Numbers, texts and such for the modules beside.
pub(super) fn number_of(value: &Value) -> Result<f64, Error> {
    float(value).ok_or_else(|| failure(format!("a number is needed in place of {}", kind(value))))
}
