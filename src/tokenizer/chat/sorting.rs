//! Python's `sorted`.

use std::cmp::Ordering;

use minijinja::{Error, State, Value};

use super::comparison;

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
        let order = comparison::order(state, second, first, 0)?;
        let comes_first = order == Some(if reverse { Ordering::Greater } else { Ordering::Less });
        merged.extend(if comes_first { right.next() } else { left.next() });
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}
