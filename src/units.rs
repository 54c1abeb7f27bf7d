//! Quantities as a person reads them, the same in the window and in the terminal.

use serde::{Deserialize, Serialize};

/// How many layers of a model keep which memory of a sequence; together they are all layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayersKeep {
    /// A KV cache alone: keys and values of every position.
    pub cache_only: usize,
    /// A state alone, of a size that does not depend on the positions.
    pub state_only: usize,
    /// Both.
    pub both: usize,
    /// Nothing of their own, since they read another layer's KV cache.
    #[serde(default)]
    pub shared: usize,
    /// Neither.
    pub neither: usize,
    /// What those KV caches have of a position in the first such layer, where keys and values are latent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent: Option<LatentParts>,
}

/// The elements of a position in a KV cache from which keys and values of all heads are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatentParts {
    /// Of the latent vector.
    pub latent: usize,
    /// Of the part of the keys that rotates.
    pub rotating: usize,
}

impl LatentParts {
    /// `512 latent + 64 rotating`.
    pub fn words(&self) -> String {
        format!("{} latent + {} rotating", self.latent, self.rotating)
    }
}

impl LayersKeep {
    /// Layers with a state.
    pub fn states(&self) -> usize {
        self.state_only + self.both
    }

    /// Layers with a KV cache.
    pub fn caches(&self) -> usize {
        self.cache_only + self.both
    }

    /// What layers keep, as far as there are such: `6 KV cache · 18 state`.
    pub fn words(&self) -> String {
        let kinds = [
            (self.cache_only, "KV cache"),
            (self.state_only, "state"),
            (self.both, "KV cache and state"),
            (self.shared, "another layer's KV cache"),
            (self.neither, "neither"),
        ];
        let kinds = kinds.into_iter().filter(|(count, _)| *count > 0);
        kinds.map(|(count, kind)| format!("{count} {kind}")).collect::<Vec<_>>().join(" · ")
    }
}

/// A model of which some layers stay in the computer's memory and cross the bus in passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streaming {
    /// Layers of the model that have matrices of their own.
    pub layers: usize,
    /// Those of them whose matrices are on the GPU.
    pub resident_layers: usize,
    /// Bytes of the others, which are in the computer's memory: each crosses the bus in every pass, but for experts, of which
    /// a pass of few rows brings only those that it takes.
    pub bus_bytes: u64,
    /// Bytes that cross the bus at most in a pass of one row; `None` where that is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_bytes: Option<u64>,
    /// Bytes of weights on the GPU, the buffers in which those layers take turns among them.
    pub gpu_bytes: u64,
}

impl Streaming {
    /// `24 of 32 layers on the GPU, 3.20 GB cross the bus a pass`, and with experts `24 of 32 layers on the GPU, at most 410 MB of
    /// the others' 3.20 GB cross the bus for a token`.
    pub fn words(&self) -> String {
        let Self { layers, resident_layers, bus_bytes, step_bytes, .. } = self;
        let (all, on_gpu) = (bytes(*bus_bytes), format!("{resident_layers} of {layers} layers on the GPU"));
        match step_bytes.map(bytes) {
            None => format!("{on_gpu}, {all} cross the bus a pass"),
            Some(step) => format!("{on_gpu}, at most {step} of the others' {all} cross the bus for a token"),
        }
    }

    /// Bytes that cross the bus at most for one token, in a pass of its own.
    pub fn bytes_of_a_step(&self) -> u64 {
        self.step_bytes.unwrap_or(self.bus_bytes)
    }
}

/// Bytes as a person types them: `512MB`, `6.5 GB`, `4GiB`, or a number of bytes.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 9] = [
        ("", 1.0),
        ("b", 1.0),
        ("kb", 1e3),
        ("mb", 1e6),
        ("gb", 1e9),
        ("tb", 1e12),
        ("kib", 1024.0),
        ("mib", 1_048_576.0),
        ("gib", 1_073_741_824.0),
    ];
    let expected = || format!("`{text}` is not a size, such as 512MB, 6.5GB or 4GiB");
    let typed = text.trim().to_lowercase();
    let end = typed.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(typed.len());
    let (number, unit) = typed.split_at(end);
    let number: f64 = number.parse().map_err(|_| expected())?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(expected)?;
    let bytes = number * factor;
    if bytes >= 1.0 && bytes < u64::MAX as f64 { Ok(bytes as u64) } else { Err(expected()) }
}

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

/// A large count in words: `5.40 million`, `7.00 billion`; below a million with thin spaces.
pub fn parameters(count: u64) -> String {
    match count {
        0..1_000_000 => self::count(count),
        1_000_000..1_000_000_000 => format!("{} million", three_digits(count as f64 / 1e6)),
        _ => format!("{} billion", three_digits(count as f64 / 1e9)),
    }
}

/// A count with a thin space between thousands.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + 8);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// A count in its place in a line: from five digits on with thin spaces.
pub fn grouped(number: u64) -> String {
    if number < 10_000 { number.to_string() } else { count(number) }
}

/// How many there are: `1 row`, `12 rows`, `4096 tokens`; `one` is the noun of a single one, whose plural ends in s. From
/// five digits on with thin spaces.
pub fn counted(number: usize, one: &str) -> String {
    let digits = grouped(number as u64);
    if number == 1 { format!("{digits} {one}") } else { format!("{digits} {one}s") }
}

/// A number as it is printed, with a real minus sign in place of a hyphen, also in its exponent.
pub fn signed(number: &str) -> String {
    number.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_named_by_what_they_keep() {
        let keep = |[cache_only, state_only, both, neither]: [usize; 4]| {
            LayersKeep { cache_only, state_only, both, neither, ..LayersKeep::default() }.words()
        };
        let shared = LayersKeep { cache_only: 15, shared: 20, ..LayersKeep::default() };
        assert_eq!(shared.words(), "15 KV cache · 20 another layer's KV cache");
        assert_eq!(keep([6, 18, 0, 0]), "6 KV cache · 18 state");
        assert_eq!(keep([0, 0, 44, 0]), "44 KV cache and state");
        assert_eq!(keep([4, 23, 0, 25]), "4 KV cache · 23 state · 25 neither");
        assert_eq!(keep([0, 64, 0, 0]), "64 state");
        assert_eq!(keep([0; 4]), "");
    }

    #[test]
    fn what_is_counted_is_one_or_several() {
        assert_eq!([0, 1, 2, 9999].map(|n| counted(n, "row")), ["0 rows", "1 row", "2 rows", "9999 rows"]);
        assert_eq!(counted(131_072, "position"), "131\u{2009}072 positions");
        assert_eq!(signed(&format!("{:.1e}", -0.000012)), "−1.2e−5");
    }

    #[test]
    fn typed_sizes_are_bytes() {
        for (text, bytes) in [
            ("512MB", 512_000_000),
            ("6.5 GB", 6_500_000_000),
            ("4GiB", 4 << 30),
            (" 100 mib ", 100 << 20),
            ("4096", 4096),
            ("1kB", 1000),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "GB", "-1GB", "1.2.3GB", "5 parsecs", "0", "1e30GB", "999999999TB0"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

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
