//! Loading in words: which part it is in, what that part does, and how much of it is done.

use super::definitions::{self, Definition};
use super::format;
use crate::session::{LoadPart, Share};

/// The part and its share in a few words, the weightier ones first, parted by ` · `.
pub(super) fn figure(part: LoadPart, share: Share) -> String {
    let Share { done, total } = share;
    let name = part.name();
    match (part, share.fraction()) {
        (LoadPart::Uploading, Some(fraction)) => {
            format!("uploading {:.0} % · of {}", fraction * 100.0, format::bytes(total))
        }
        (LoadPart::Compiling, Some(_)) => format!("kernel {} of {total} · {name}", (done + 1).min(total)),
        (LoadPart::WarmingUp, Some(_)) => format!("{name} · pass {} of {total}", (done + 1).min(total)),
        (LoadPart::Making, Some(_)) => format!("{name} · {done} of {total}"),
        _ => format!("{name}…"),
    }
}

/// What a part does.
pub(super) fn meaning(part: LoadPart) -> &'static str {
    match part {
        LoadPart::Reading => "Reads the files' headers, the configuration and the tokenizer.",
        LoadPart::Connecting => "Asks the server what it can do.",
        LoadPart::Opening => "Opens the GPU.",
        LoadPart::Uploading => "Checks every tensor and copies the weights to the GPU.",
        LoadPart::Making => "Makes the kernels that the model's shapes need.",
        LoadPart::Trying => "Times variants of kernels on this GPU; the fastest is remembered.",
        LoadPart::Compiling => "Runs each kernel once, because many drivers compile at first use.",
        LoadPart::WarmingUp => "Runs whole passes once.",
    }
}

/// What a part's share counts; `None` where it counts nothing.
pub(super) fn counts(part: LoadPart) -> Option<&'static Definition> {
    match part {
        LoadPart::Reading | LoadPart::Connecting | LoadPart::Opening | LoadPart::Trying => None,
        LoadPart::Uploading => Some(&definitions::UPLOADED),
        LoadPart::Making => Some(&definitions::KERNELS_MADE),
        LoadPart::Compiling => Some(&definitions::KERNELS_COMPILED),
        LoadPart::WarmingUp => Some(&definitions::PASSES_RUN),
    }
}

/// A part's share as the number that [`counts`] defines.
pub(super) fn count(part: LoadPart, share: Share) -> String {
    let Share { done, total } = share;
    let amount = if part == LoadPart::Uploading { format::bytes } else { format::count };
    if total > 0 { format!("{} of {}", amount(done), amount(total)) } else { amount(done) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_named_with_its_share() {
        let words = |part, done, total| figure(part, Share { done, total });
        assert_eq!(words(LoadPart::Uploading, 250_000_000, 1_000_000_000), "uploading 25 % · of 1.00 GB");
        assert_eq!(words(LoadPart::Compiling, 11, 40), "kernel 12 of 40 · compiling kernels");
        assert_eq!(words(LoadPart::Compiling, 40, 40), "kernel 40 of 40 · compiling kernels");
        assert_eq!(words(LoadPart::WarmingUp, 0, 4), "warming up · pass 1 of 4");
        assert_eq!(words(LoadPart::Making, 3, 25), "making kernels · 3 of 25");
        assert_eq!(words(LoadPart::Reading, 0, 0), "reading files…");
        for part in LoadPart::ALL {
            let unknown = counts(part).is_none();
            assert_eq!(
                unknown,
                matches!(
                    part,
                    LoadPart::Reading | LoadPart::Connecting | LoadPart::Opening | LoadPart::Trying
                )
            );
        }
    }
}
