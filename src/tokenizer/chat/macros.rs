//! Macros that take arguments as Python does.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Tuple};
use minijinja::{Error, State, Value};

use super::objects::plain;
use super::values::{failure, items, split};

/// A macro with Python's way of taking arguments: what is not given gets its default in the macro's own scope, and
/// what is too much goes into `varargs` and `kwargs`.
#[derive(Debug)]
pub(super) struct Macro {
    inner: Value,
    name: String,
    names: Vec<String>,
    catches: Catches,
}

/// What of a call beyond its parameters a macro speaks of.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Catches {
    pub(super) varargs: bool,
    pub(super) kwargs: bool,
    pub(super) caller: bool,
}

impl Catches {
    /// For the call that makes a macro.
    pub(super) fn to_value(self) -> Value {
        Value::from(vec![self.varargs, self.kwargs, self.caller])
    }

    fn from_value(value: &Value) -> Result<Self, Error> {
        let is = |index| value.get_item_by_index(index).map(|flag| flag.is_true());
        Ok(Self { varargs: is(0)?, kwargs: is(1)?, caller: is(2)? })
    }
}

/// Makes a [`Macro`] of minijinja's, its name, its parameters' names, and [`Catches`].
pub(super) fn make_macro(
    state: &mut State<'_, '_>,
    inner: Value,
    name: &str,
    names: Value,
    catches: Value,
) -> Result<Value, Error> {
    let names = items(state, &names)?.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    Ok(Value::from_object(Macro {
        inner,
        name: name.to_owned(),
        names,
        catches: Catches::from_value(&catches)?,
    }))
}

impl Object for Macro {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        plain()
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "name" => Value::from(self.name.as_str()),
            "arguments" => Value::from(Tuple::from(self.names.iter().map(Value::from).collect::<Vec<_>>())),
            "catch_varargs" => Value::from(self.catches.varargs),
            "catch_kwargs" => Value::from(self.catches.kwargs),
            "caller" => Value::from(self.catches.caller),
            _ => return None,
        })
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, arguments: &[Value]) -> Result<Value, Error> {
        let (positional, mut named) = split(arguments)?;
        let (own, rest) = positional.split_at(positional.len().min(self.names.len()));
        let mut given: Vec<Option<Value>> = own.iter().cloned().map(Some).collect();
        for name in &self.names[own.len()..] {
            let place = named.iter().position(|(given, _)| given == name);
            given.push(place.map(|place| named.remove(place).1));
        }
        let are_given: Vec<bool> = given.iter().map(Option::is_some).collect();
        let mut all: Vec<Value> = given.into_iter().map(Option::unwrap_or_default).collect();
        all.push(Value::from(are_given));
        let caller = named.iter().position(|(name, _)| name == "caller").map(|place| named.remove(place).1);
        match (caller, self.catches.caller) {
            (caller, true) => all.push(caller.unwrap_or_default()),
            (Some(_), false) => return Err(failure(format!("macro {} calls no caller", self.name))),
            (None, false) => {}
        }
        if self.catches.kwargs {
            all.push(Value::from_pairs(named));
        } else if let Some((name, _)) = named.first() {
            return Err(failure(format!("macro {} takes no argument {name}", self.name)));
        }
        if self.catches.varargs {
            all.push(Value::from(Tuple::from(rest.to_vec())));
        } else if !rest.is_empty() {
            let most = self.names.len();
            return Err(failure(format!("macro {} takes not more than {most} arguments", self.name)));
        }
        self.inner.call(state, &all)
    }
}
