//! Which model of a repository fits a computer best.

use super::offers::Offer;

/// The memory that is counted on where no adapter tells.
const USUAL_MEMORY: u64 = 4_000_000_000;
/// A file no larger than this is fast on most computers, so that a better one is worth its bytes.
const SMALL: u64 = 2_500_000_000;
/// The format that most people take where memory is short: little is lost, and it is half of eight bits.
const USUAL: &str = "Q4_K_M";

/// Whether a model with a short context fits a device's memory, by the size of its files alone; `None` where it is not
/// known.
pub fn fits(offer: &Offer, memory_bytes: Option<u64>) -> Option<bool> {
    memory_bytes.map(|memory| need(offer) <= memory)
}

/// The memory that it takes, roughly: the weights, a tenth for what is computed, and a cache.
fn need(offer: &Offer) -> u64 {
    let bytes = offer.bytes();
    bytes + bytes / 10 + 200_000_000
}

/// The index of the model to take: the best one that is small, otherwise the usual one with four bits that fits,
/// otherwise the largest that fits, otherwise the smallest there is. More than eight bits are worth no memory.
pub fn suggested(offers: &[Offer], memory_bytes: Option<u64>) -> Option<usize> {
    let memory = memory_bytes.unwrap_or(USUAL_MEMORY);
    let usable = || (0..offers.len()).filter(|index| offers[*index].problem.is_none());
    let bits =
        |index: &usize| offers[*index].bits.unwrap_or(if offers[*index].opens.is_none() { 16 } else { 8 });
    let bytes = |index: &usize| offers[*index].bytes();
    let fitting: Vec<usize> = usable().filter(|index| need(&offers[*index]) <= memory).collect();
    let of = |least: u32, most: u32| {
        fitting.iter().copied().filter(move |index| (least..=most).contains(&bits(index)))
    };
    let usual = |index: &usize| offers[*index].quantisation.as_deref() == Some(USUAL);
    let better = |index: &usize| (bits(index), bytes(index));
    of(4, 8)
        .filter(|index| bytes(index) <= SMALL)
        .max_by_key(better)
        .or_else(|| of(4, 4).find(usual))
        .or_else(|| of(4, 4).max_by_key(better))
        .or_else(|| of(1, 8).min_by_key(|index| (bits(index).abs_diff(4), bytes(index))))
        .or_else(|| fitting.iter().copied().min_by_key(bytes))
        .or_else(|| usable().filter(|index| bits(index) >= 4).min_by_key(bytes))
        .or_else(|| usable().min_by_key(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::order::RemoteFile;

    fn offer(name: &str, megabytes: u64) -> Offer {
        let format = crate::hub::quantisation::by_name(name);
        let bytes = megabytes * 1_000_000;
        let is_file = name.ends_with(".gguf");
        Offer {
            name: name.to_owned(),
            files: vec![RemoteFile { path: name.to_owned(), bytes, tag: None }],
            opens: is_file.then(|| name.to_owned()),
            bits: format.as_ref().map(|format| format.bits),
            quantisation: format.map(|format| format.name),
            problem: None,
        }
    }

    fn choice(offers: &[Offer], gigabytes: Option<u64>) -> &str {
        let index = suggested(offers, gigabytes.map(|gigabytes| gigabytes * 1_000_000_000)).unwrap();
        &offers[index].name
    }

    #[test]
    fn what_is_suggested_fits() {
        let eight_billion = ["Q2_K", "Q3_K_M", "Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16"]
            .iter()
            .zip([3200, 4000, 4700, 4900, 5700, 6600, 8500, 16000])
            .map(|(format, size)| offer(&format!("tale-{format}.gguf"), size))
            .collect::<Vec<_>>();
        assert_eq!(choice(&eight_billion, Some(24)), "tale-Q4_K_M.gguf");
        assert_eq!(choice(&eight_billion, Some(5)), "tale-Q3_K_M.gguf", "the nearest to four bits that fits");
        assert_eq!(choice(&eight_billion, Some(2)), "tale-Q4_0.gguf", "nothing fits: the smallest of use");
        assert_eq!(choice(&eight_billion, None), "tale-Q2_K.gguf");
        let small = [offer("s-Q4_K_M.gguf", 105), offer("s-Q8_0.gguf", 145), offer("s-F16.gguf", 270)];
        assert_eq!(choice(&small, Some(8)), "s-Q8_0.gguf");
        let mut broken = small.clone();
        broken[1].problem = Some("only 1 of its 2 parts".to_owned());
        assert_eq!(choice(&broken, Some(8)), "s-Q4_K_M.gguf");
        assert_eq!(choice(&[offer("safetensors", 500)], Some(8)), "safetensors");
        assert_eq!(choice(&[offer("safetensors", 500), offer("x.gguf", 300)], Some(8)), "x.gguf");
        assert_eq!(suggested(&[], None), None);
        assert_eq!(fits(&small[0], None), None);
        assert_eq!(fits(&eight_billion[6], Some(8_000_000_000)), Some(false));
    }
}
