//! Twin of `Op::Xielu`: the expanded integral of ELU, in place.

use crate::model::config::Xielu;

/// buffer = p·x² + β·x above 0, otherwise n·(e^min(x, ε) − 1 − x) + β·x, element by element.
pub(super) fn xielu(numbers: Xielu, buffer: &mut [f32]) {
    let Xielu { positive, negative, linear, least } = numbers;
    let [positive, negative, linear, least] = [positive, negative, linear, least].map(f64::from);
    for value in buffer {
        let x = f64::from(*value);
        let curved = match x > 0.0 {
            true => positive * x * x,
            false => negative * (x.min(least).exp_m1() - x),
        };
        *value = (curved + linear * x) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// e⁻¹ − 1 + 1 = 0.36787944; the learned numbers 0 give p = ln 2 and n = β + ln 2.
    #[test]
    fn both_sides_give_what_the_formula_says() {
        let numbers = Xielu { positive: 0.5, negative: 2.0, linear: 0.25, least: -1e-6 };
        let mut values = [2.0, -1.0];
        xielu(numbers, &mut values);
        let expected = [0.5 * 4.0 + 0.25 * 2.0, 2.0 * 0.367_879_44 - 0.25];
        assert!(values.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-6), "{values:?}");
        let learned = Xielu::learned(0.0, 0.0, 0.5, -1e-6);
        let ln_2 = std::f32::consts::LN_2;
        assert!((learned.positive - ln_2).abs() < 1e-7 && (learned.negative - 0.5 - ln_2).abs() < 1e-7);
        assert_eq!(Xielu::learned(100.0, -100.0, 0.5, 0.0).positive, 100.0);
    }
}
