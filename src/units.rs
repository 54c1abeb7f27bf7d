//! Quantities as a person reads them, the same in the window and in the terminal.

/// Bytes in decimal units: `512 B`, `16.0 MB`, `7.10 GB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1e3;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{} {}", three_digits(value), UNITS[unit])
}

/// Three digits of a number from 1 on.
pub fn three_digits(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_decimal_units_and_three_digits() {
        let texts =
            [(0, "0 B"), (999, "999 B"), (1536, "1.54 kB"), (999_600, "1.00 MB"), (16_000_000, "16.0 MB")];
        for (count, text) in texts {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(bytes(400 << 20), "419 MB");
        assert_eq!(bytes(7_100_000_000), "7.10 GB");
        assert_eq!(bytes(u64::MAX), "18447 PB");
    }
}
