//! Python's objects that minijinja has not, or not as Python has them.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple};
use minijinja::{Error, State, Value};

use super::methods;
use super::python::{Arguments, bind, failure, integer_or, items, needed, split};

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
fn plain() -> ObjectRepr {
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
            [from] => methods::pairs(state, from)?,
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
        methods::from_keys(state, arguments)
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

/// `lipsum(n)`, whose texts are made by chance: none is the only one that can be had.
pub(super) fn lipsum(arguments: Arguments) -> Result<Value, Error> {
    let [count, ..] = bind(&arguments.into_values(), ["n", "html", "min", "max"])?;
    match integer_or(count.as_ref(), 5)? {
        0 => Ok(Value::from("")),
        _ => Err(failure("no texts are made by chance here")),
    }
}

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
