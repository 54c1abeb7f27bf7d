//! Python's objects that minijinja has not, or not as Python has them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, State, Value};

use super::values::{Arguments, bind, failure, integer_or, needed};

/// The most numbers that a range may have.
const MAX_RANGE: i128 = 100_000;

/// Python's `range`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    start: i128,
    stop: i128,
    step: i128,
}

impl Range {
    fn len(self) -> i128 {
        let span = if self.step > 0 { self.stop - self.start } else { self.start - self.stop };
        let step = self.step.abs();
        ((span + step - 1) / step).max(0)
    }

    /// What stands from one place to another.
    pub(super) fn part(self, start: i128, stop: i128, step: i128) -> Self {
        let at = |place: i128| self.start + place * self.step;
        Self { start: at(start), stop: at(stop), step: self.step * step }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            1 => write!(f, "range({}, {})", self.start, self.stop),
            step => write!(f, "range({}, {}, {step})", self.start, self.stop),
        }
    }
}

impl Object for Range {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = i128::try_from(key.as_usize()?).ok().filter(|index| *index < self.len())?;
        i64::try_from(self.start + index * self.step).ok().map(Value::from)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(usize::try_from(self.len()).unwrap_or(0))
    }
}

/// `range(stop)`, `range(start, stop, step)`.
pub(super) fn range(arguments: Arguments) -> Result<Value, Error> {
    let arguments = arguments.into_values();
    let [first, second, step] = bind(&arguments, ["", "", ""])?;
    let first = needed(first)?;
    let (start, stop) = match second {
        Some(stop) => (integer_or(Some(&first), 0)?, integer_or(Some(&stop), 0)?),
        None => (0, integer_or(Some(&first), 0)?),
    };
    let step = integer_or(step.as_ref(), 1)?;
    let far = [start, stop, step].iter().any(|number| i64::try_from(*number).is_err());
    if step == 0 || far {
        return Err(failure("range() takes no step of zero and no numbers beyond 64 bits"));
    }
    let range = Range { start, stop, step };
    if range.len() > MAX_RANGE {
        return Err(failure("a range may have 100000 numbers at most"));
    }
    Ok(Value::from_object(range))
}

/// What `keys`, `values` and `items` of a mapping give.
#[derive(Debug)]
pub(super) struct View {
    name: &'static str,
    items: Vec<Value>,
}

impl View {
    /// A view with what it shows.
    pub(super) fn of(name: &'static str, items: Vec<Value>) -> Value {
        Value::from_object(Self { name, items })
    }

    /// What Python calls it.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }
}

impl Object for View {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items.clone())
    }
}

/// What a filter such as `map` gives: it can be gone through once, and is true whatever it holds.
#[derive(Debug)]
pub(super) struct Generator(Mutex<Vec<Value>>);

impl Generator {
    /// A generator of what it will give.
    pub(super) fn of(items: Vec<Value>) -> Value {
        Value::from_object(Self(Mutex::new(items)))
    }
}

impl Object for Generator {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        None
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }
}

/// What `groupby` gives for each group: a pair whose parts have names.
#[derive(Debug)]
pub(super) struct Group {
    name: Value,
    items: Value,
}

impl Group {
    /// A group with its name.
    pub(super) fn of(name: Value, items: Value) -> Value {
        Value::from_object(Self { name, items })
    }
}

impl Object for Group {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match (key.as_str(), key.as_usize()) {
            (Some("grouper"), _) | (_, Some(0)) => Some(self.name.clone()),
            (Some("list"), _) | (_, Some(1)) => Some(self.items.clone()),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(2)
    }
}

/// What may be called but has nothing to show.
pub(super) fn plain() -> ObjectRepr {
    ObjectRepr::Plain
}

/// A method with the value that it belongs to, as `'text'.upper` gives it.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) of: Value,
    pub(super) name: String,
}

impl Object for Method {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        plain()
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, arguments: &[Value]) -> Result<Value, Error> {
        self.of.call_method(state, &self.name, arguments)
    }
}

/// The template itself, whose blocks minijinja calls.
#[derive(Debug)]
pub(super) struct ItSelf;

impl Object for ItSelf {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        plain()
    }
}
