//! Jinja's filters of what has items.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, State, Value};

use super::objects::{Generator, Group};
use super::sorting::sorted;
use super::values::{bind, failure, integer_or, items, needed, pay, text};
use super::{access, comparison, mappings, operators};

/// Filters of what has items.
pub(super) fn sequences(
    state: &State,
    name: &str,
    value: &Value,
    arguments: &[Value],
) -> Result<Value, Error> {
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
            let pairs = sorted(state, mappings::pairs(state, value)?, key, reverse)?;
            Ok(pairs.into_iter().map(tuple).collect())
        }
        "unique" => {
            let [sensitive, attribute] = bind(arguments, ["case_sensitive", "attribute"])?;
            let keys = Keys::new(state, attribute, sensitive);
            let (mut seen, mut unique): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
            for item in items(state, value)? {
                let key = mappings::key(&keys.of(&item)?)?;
                let mut is_new = true;
                for other in &seen {
                    is_new &= !comparison::equal(state, &key, other)?;
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

pub(super) fn tuple((key, value): (Value, Value)) -> Value {
    Value::from(Tuple::from([key, value]))
}

/// What an attribute such as `a.b.0` is of an item.
pub(super) fn attribute_of(item: &Value, attribute: &Value, default: Option<&Value>) -> Result<Value, Error> {
    let Some(path) = attribute.as_str() else {
        let found = access::item(item, attribute)?;
        return Ok(if found.is_undefined() { default.cloned().unwrap_or_default() } else { found });
    };
    let mut value = item.clone();
    for part in path.split('.') {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let key =
            part.parse::<i64>().ok().filter(|_| is_number).map_or_else(|| Value::from(part), Value::from);
        value = access::item(&value, &key)?;
        if let (true, Some(default)) = (value.is_undefined(), default) {
            value = default.clone();
        }
    }
    Ok(value)
}

/// The items of a value, or their attributes.
pub(super) fn keyed(state: &State, value: &Value, attribute: Option<Value>) -> Result<Vec<Value>, Error> {
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

fn grouped(state: &State, value: &Value, arguments: &[Value]) -> Result<Value, Error> {
    let [attribute, default, sensitive] = bind(arguments, ["attribute", "default", "case_sensitive"])?;
    let mut keys = Keys::new(state, Some(needed(attribute)?), sensitive);
    keys.default = default.filter(|default| !default.is_none());
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for item in sorted(state, items(state, value)?, |item| keys.of(item), false)? {
        let key = keys.of(&item)?;
        match groups.last_mut() {
            Some((last, group)) if comparison::equal(state, last, &key)? => group.push(item),
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
