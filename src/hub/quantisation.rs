//! The format of a GGUF file's weights, by its name.

/// A format by its usual name, and how many bits a weight takes, roughly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quantisation {
    pub name: String,
    pub bits: u32,
}

/// The format that a file's name tells, in the way of llama.cpp's names: `tale-1b-Q4_K_M.gguf`.
pub(super) fn by_name(file: &str) -> Option<Quantisation> {
    let words = file.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| !word.is_empty()).rev().find_map(of_word)
}

fn of_word(word: &str) -> Option<Quantisation> {
    let name = word.to_uppercase();
    let bits = match name.as_str() {
        "F32" | "FP32" => 32,
        "F16" | "BF16" | "FP16" => 16,
        "MXFP4" | "MXFP4_MOE" | "NVFP4" => 4,
        "TQ1_0" => 1,
        "TQ2_0" => 2,
        name => {
            let rest = name.strip_prefix("IQ").or_else(|| name.strip_prefix('Q'))?;
            let (digit, rest) = rest.split_at_checked(1)?;
            let known = rest.is_empty() || rest.starts_with('_');
            digit.parse().ok().filter(|bits| known && (1..=8).contains(bits))?
        }
    };
    Some(Quantisation { name, bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_formats() {
        for (file, name, bits) in [
            ("tale-1b-it-Q4_K_M.gguf", "Q4_K_M", 4),
            ("tale-q8_0.gguf", "Q8_0", 8),
            ("Tale.IQ4_XS.gguf", "IQ4_XS", 4),
            ("BF16/tale-BF16-00001-of-00002.gguf", "BF16", 16),
            ("tale-UD-Q2_K_XL.gguf", "Q2_K_XL", 2),
            ("tale-mxfp4.gguf", "MXFP4", 4),
            ("Q6_K/tale.gguf", "Q6_K", 6),
        ] {
            let found = by_name(file).unwrap();
            assert_eq!((found.name.as_str(), found.bits), (name, bits), "{file}");
        }
        for file in ["tale.gguf", "qwerty-7b.gguf", "Q.gguf", "q9_0.gguf", "tale-q4x.gguf"] {
            assert_eq!(by_name(file), None, "{file}");
        }
    }
}
