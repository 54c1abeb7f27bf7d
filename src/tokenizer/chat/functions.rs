//! Jinja's and Python's functions that make objects.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use minijinja::value::{Object, ObjectRepr, Tuple};
use minijinja::{Error, State, Value};

use super::mappings;
use super::objects::plain;
use super::values::{Arguments, bind, failure, integer_or, split};

/// Jinja's `cycler`.
#[derive(Debug)]
struct Cycler {
    items: Vec<Value>,
    place: AtomicUsize,
}

impl Object for Cycler {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        plain()
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let place = self.place.load(Ordering::Relaxed);
        match key.as_str()? {
            "current" => self.items.get(place).cloned(),
            "items" => Some(Value::from(Tuple::from(self.items.clone()))),
            "pos" => Some(Value::from(place)),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        let [] = bind(arguments, [])?;
        let place = self.place.load(Ordering::Relaxed);
        match name {
            "next" => {
                self.place.store((place + 1) % self.items.len(), Ordering::Relaxed);
                Ok(self.items[place].clone())
            }
            "reset" => {
                self.place.store(0, Ordering::Relaxed);
                Ok(Value::from(()))
            }
            _ => Err(failure(format!("a cycler has no method {name}"))),
        }
    }
}

/// `cycler(*items)`.
pub(super) fn cycler(arguments: Arguments) -> Result<Value, Error> {
    let arguments = arguments.into_values();
    let (items, named) = split(&arguments)?;
    if items.is_empty() || !named.is_empty() {
        return Err(failure("cycler() takes one item or more"));
    }
    Ok(Value::from_object(Cycler { items: items.to_vec(), place: AtomicUsize::new(0) }))
}

/// Jinja's `joiner`.
#[derive(Debug)]
struct Joiner {
    separator: Value,
    used: AtomicBool,
}

impl Object for Joiner {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        plain()
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "sep" => Some(self.separator.clone()),
            "used" => Some(Value::from(self.used.load(Ordering::Relaxed))),
            _ => None,
        }
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, arguments: &[Value]) -> Result<Value, Error> {
        let [] = bind(arguments, [])?;
        let used = self.used.swap(true, Ordering::Relaxed);
        Ok(if used { self.separator.clone() } else { Value::from("") })
    }
}

/// `joiner(sep=', ')`.
pub(super) fn joiner(arguments: Arguments) -> Result<Value, Error> {
    let [separator] = bind(&arguments.into_values(), ["sep"])?;
    let separator = separator.unwrap_or_else(|| Value::from(", "));
    Ok(Value::from_object(Joiner { separator, used: AtomicBool::new(false) }))
}

/// The `dict` function, with its `fromkeys`.
#[derive(Debug)]
pub(super) struct Dict;

impl Object for Dict {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        plain()
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, arguments: &[Value]) -> Result<Value, Error> {
        let (positional, named) = split(arguments)?;
        let mut pairs = match positional {
            [] => Vec::new(),
            [from] => mappings::pairs(state, from)?,
            _ => return Err(failure("dict() takes one value at most")),
        };
        pairs.extend(named.into_iter().map(|(name, value)| (Value::from(name), value)));
        Ok(Value::from_pairs(pairs))
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        if name != "fromkeys" {
            return Err(failure(format!("dict has no method {name}")));
        }
        mappings::from_keys(state, arguments)
    }
}

/// `lipsum(n)`, whose texts are made by chance: none is the only one that can be had.
pub(super) fn lipsum(arguments: Arguments) -> Result<Value, Error> {
    let [count, ..] = bind(&arguments.into_values(), ["n", "html", "min", "max"])?;
    match integer_or(count.as_ref(), 5)? {
        0 => Ok(Value::from("")),
        _ => Err(failure("no texts are made by chance here")),
    }
}
