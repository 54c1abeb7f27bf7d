//! Numbers as they were typed: one beyond its range is corrected, and that is told.

use std::ops::RangeInclusive;
use std::time::Duration;

use egui::{Context, Id, Ui};

use crate::ui::widgets::hint;

/// Seconds that a correction stays told.
const STAYS: f64 = 8.0;

/// What was typed into one field, and when, in the window's seconds.
#[derive(Clone, Copy)]
pub(super) struct Typed(Id);

impl Typed {
    /// Of the field with this name.
    pub(super) fn of(ui: &Ui, name: &str) -> Self {
        Self(ui.scope_id().with(("typed", name)))
    }

    /// Reads a number as egui does, and remembers it.
    pub(super) fn parser(self, ui: &Ui) -> impl Fn(&str) -> Option<f64> + use<> {
        let ctx = ui.ctx().clone();
        move |text| {
            let number = parse(text)?;
            self.remember(&ctx, number);
            Some(number)
        }
    }

    fn remember(self, ctx: &Context, number: f64) {
        let now = ctx.input(|input| input.time);
        ctx.data_mut(|data| data.insert_temp(self.0, (number, now)));
    }

    /// Tells that the number typed last was beyond the range, for some seconds.
    pub(super) fn tell_correction(self, ui: &mut Ui, range: &RangeInclusive<f64>) {
        let Some((number, born)) = ui.data(|data| data.get_temp::<(f64, f64)>(self.0)) else { return };
        let left = STAYS - (ui.input(|input| input.time) - born);
        if left <= 0.0 {
            return;
        }
        if let Some(words) = correction(number, range) {
            hint(ui, &words);
            ui.ctx().request_repaint_after(Duration::from_secs_f64(left + 0.05));
        }
    }
}

/// A number with any signs of minus and spaces between its digits.
fn parse(text: &str) -> Option<f64> {
    let plain: String =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| if c == '−' { '-' } else { c }).collect();
    plain.parse().ok().filter(|number: &f64| !number.is_nan())
}

/// What became of a number beyond its range.
fn correction(number: f64, range: &RangeInclusive<f64>) -> Option<String> {
    let (least, most) = (range.start(), range.end());
    if number > *most {
        Some(format!("{number} is more than the most, {most}: it is {most} now."))
    } else if number < *least {
        Some(format!("{number} is less than the least, {least}: it is {least} now."))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_beyond_its_range_is_told_with_what_it_became() {
        assert_eq!(parse(" −2\u{2009}000.5 "), Some(-2000.5));
        assert_eq!(parse("x"), None);
        let range = 0.05..=2.0;
        assert_eq!(correction(1.0, &range), None);
        let told = |number| correction(number, &range).unwrap_or_default();
        assert_eq!(told(5.0), "5 is more than the most, 2: it is 2 now.");
        assert_eq!(told(-1.0), "-1 is less than the least, 0.05: it is 0.05 now.");
    }
}
