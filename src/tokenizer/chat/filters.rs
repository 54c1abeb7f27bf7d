//! Jinja's filters.

use minijinja::value::Tuple;
use minijinja::{Environment, Error, State, Value};

use super::kinds::is_listed;
use super::objects::Generator;
use super::repr::{repr, str};
use super::safety::{escape, same_safety};
use super::sequences::{attribute_of, keyed, sequences, tuple};
use super::sorting::sorted;
use super::values::{Arguments, bind, failure, items, needed, pay, split, text};
use super::{access, json, kinds, mappings, method_names, numbers, strings, words};

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
            let is_dict = kinds::is_dict(value) && !method_names::has(value, text(&name)?);
            if is_dict { Ok(Value::UNDEFINED) } else { access::attribute(value, text(&name)?) }
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
            access::length(value)
        }
        "list" => {
            let [] = bind(arguments, [])?;
            Ok(Value::from(items(state, value)?))
        }
        "items" => {
            let [] = bind(arguments, [])?;
            if !value.is_undefined() && !kinds::is_dict(value) {
                return Err(failure("can only get item pairs from a mapping"));
            }
            let pairs = if value.is_undefined() { Vec::new() } else { mappings::pairs(state, value)? };
            Ok(Generator::of(pairs.into_iter().map(tuple).collect()))
        }
        "pprint" => {
            let [] = bind(arguments, [])?;
            pretty(state, value)
        }
        _ => sequences(state, name, value, arguments),
    }
}

/// `map`. As in Jinja, nothing becomes of what is false, be it iterable or not.
fn mapped(state: &mut State, value: &Value, arguments: &[Value]) -> Result<Value, Error> {
    if !value.is_true() {
        return Ok(Generator::of(Vec::new()));
    }
    let all = items(state, value)?;
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

/// `select` and its like; of what is false, as [`mapped`].
fn selected(state: &mut State, name: &str, value: &Value, arguments: &[Value]) -> Result<Value, Error> {
    if !value.is_true() {
        return Ok(Generator::of(Vec::new()));
    }
    let all = items(state, value)?;
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
    if kinds::is_dict(value) {
        let pairs = sorted(state, mappings::pairs(state, value)?, |(key, _)| Ok(key.clone()), false)?;
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
