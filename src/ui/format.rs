//! Numbers and tokens as a person reads them.

use crate::trace::LongRope;
pub(super) use crate::units::signed;
use crate::units::three_digits;
pub(super) use crate::units::{bytes, count, parameters};

/// Seconds with a fitting unit: `850 µs`, `41.3 ms`, `1.90 s`, `2 min 05 s`.
pub(super) fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "–".to_owned();
    }
    match seconds {
        0.0 => "0 ms".to_owned(),
        s if s < 0.000_999_5 => format!("{:.0} µs", s * 1e6),
        s if s < 0.099_95 => format!("{:.1} ms", s * 1e3),
        s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        s if s < 9.995 => format!("{s:.2} s"),
        s if s < 99.95 => format!("{s:.1} s"),
        s => {
            let whole = s.round() as u64;
            format!("{} min {:02} s", whole / 60, whole % 60)
        }
    }
}

/// Which of a model's two sets of rotary frequencies a run has, and why.
pub(super) fn long_rope(rope: LongRope) -> String {
    let (longest, short) = (count(rope.longest as u64), count(rope.short_texts as u64));
    match rope.is_long() {
        true => format!("for long texts: up to {longest} positions, more than {short}"),
        false => format!("for short texts: up to {longest} positions, no more than {short}"),
    }
}

/// A probability in per cent, with more digits as it gets smaller: `42.1 %`, `0.031 %`, `< 0.001 %`.
pub(super) fn probability(probability: f32) -> String {
    let percent = probability * 100.0;
    match percent {
        p if p.is_nan() => "–".to_owned(),
        0.0 => "0 %".to_owned(),
        p if p >= 99.95 => format!("{p:.0} %"),
        p if p >= 1.0 => format!("{p:.1} %"),
        p if p >= 0.1 => format!("{p:.2} %"),
        p if p >= 0.001 => format!("{p:.3} %"),
        _ => "< 0.001 %".to_owned(),
    }
}

/// A logit or similar, with a real minus sign.
pub(super) fn value(value: f32) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "∞".to_owned() } else { "−∞".to_owned() };
    }
    signed(&format!("{value:.3}"))
}

/// A rank, from 1, among the tokens of a vocabulary; its size is 0 where it is unknown: `3 of 49 152`.
pub(super) fn rank(rank: usize, vocabulary: usize) -> String {
    let rank = count(rank as u64);
    if vocabulary > 0 { format!("{rank} of {}", count(vocabulary as u64)) } else { rank }
}

/// An entropy in nats with so many digits; a range where only its ends are known: `1.231`, `1.231–1.304`.
pub(super) fn entropy(least: f32, most: Option<f32>, digits: usize) -> String {
    let written = |value: f32| format!("{value:.digits$}");
    match most.map(written).filter(|most| *most != written(least)) {
        Some(most) => format!("{}–{most}", written(least)),
        None => written(least),
    }
}

/// A log-probability or a score of sums of them: `−3.214`.
pub(super) fn score(score: f64) -> String {
    value(score as f32)
}

/// Tokens a second: `38.2`, `1 204`.
pub(super) fn rate(rate: f64) -> String {
    if !rate.is_finite() {
        return "–".to_owned();
    }
    if rate >= 1000.0 { count(rate.round() as u64) } else { three_digits(rate) }
}

/// `1 token`, `2 tokens`.
pub(super) fn plural(count: usize, one: &str) -> String {
    let number = self::count(count as u64);
    if count == 1 { format!("{number} {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_change_units_without_a_jump() {
        assert_eq!(seconds(0.00085), "850 µs");
        assert_eq!(seconds(0.0413), "41.3 ms");
        assert_eq!(seconds(0.4129), "413 ms");
        assert_eq!(seconds(0.9999), "1.00 s");
        assert_eq!(seconds(1.9), "1.90 s");
        assert_eq!(seconds(125.0), "2 min 05 s");
        assert_eq!(seconds(f64::NAN), "–");
    }

    #[test]
    fn an_entropy_is_a_range_where_its_ends_differ_in_what_is_written() {
        assert_eq!(entropy(1.2312, None, 3), "1.231");
        assert_eq!(entropy(1.2312, Some(1.3044), 3), "1.231–1.304");
        assert_eq!(entropy(1.2312, Some(1.2314), 3), "1.231");
        assert_eq!(entropy(1.2312, Some(1.3044), 1), "1.2–1.3");
    }

    #[test]
    fn counts_and_bytes() {
        assert_eq!(count(1_234_567), "1\u{2009}234\u{2009}567");
        assert_eq!(parameters(5_400_000), "5.40 million");
        assert_eq!(plural(1, "token"), "1 token");
        assert_eq!(plural(23, "token"), "23 tokens");
    }

    #[test]
    fn small_probabilities_stay_above_zero() {
        assert_eq!(probability(0.421), "42.1 %");
        assert_eq!(probability(0.00031), "0.031 %");
        assert_eq!(probability(1e-9), "< 0.001 %");
        assert_eq!(probability(0.0), "0 %");
        assert_eq!(probability(0.9999), "100 %");
        assert_eq!(value(-3.25), "−3.250");
    }
}
