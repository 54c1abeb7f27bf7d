//! The models in a repository: its GGUF files, those of one model as one, and the repository itself where it is a
//! model's folder.

use std::collections::BTreeMap;

use super::order::RemoteFile;
use super::quantisation;
use crate::library::{gguf_part, is_gguf};

/// What stands in the place of a file's name for the repository as a folder.
pub const FOLDER: &str = "safetensors";

/// Files beside the weights that a folder's model is opened with.
const BESIDE: [&str; 11] = [
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    CONFIG,
];
const CONFIG: &str = "config.json";
const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";

/// Parts of a GGUF file's name that tell that it is no language model.
const NO_MODELS: [&str; 2] = ["mmproj", "imatrix"];

/// A model in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The file, the first of several; [`FOLDER`] for the repository itself.
    pub name: String,
    /// What is downloaded, in this order.
    pub files: Vec<RemoteFile>,
    /// The file to open; `None` for the folder.
    pub opens: Option<String>,
    /// The format of the weights, as far as names tell.
    pub quantisation: Option<String>,
    /// Bits of a weight, roughly.
    pub bits: Option<u32>,
    /// Why it is of no use here.
    pub problem: Option<String>,
}

impl Offer {
    /// Bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// The models among a repository's files, the smallest first.
pub(super) fn offers(files: &[RemoteFile]) -> Vec<Offer> {
    let mut offers = of_gguf(files);
    offers.extend(of_folder(files));
    offers.sort_by_cached_key(|offer| (offer.opens.is_none(), offer.bytes(), offer.name.clone()));
    offers
}

fn of_gguf(files: &[RemoteFile]) -> Vec<Offer> {
    let mut models: BTreeMap<(&str, u32), Vec<&RemoteFile>> = BTreeMap::new();
    for file in files.iter().filter(|file| is_gguf(&file.path)) {
        let last = file.path.rsplit('/').next().unwrap_or_default().to_lowercase();
        if NO_MODELS.iter().any(|part| last.contains(part)) {
            continue;
        }
        let (stem, _, count) = gguf_part(&file.path).unwrap_or((&file.path, 1, 1));
        models.entry((stem, count)).or_default().push(file);
    }
    let offer = |((_, count), mut parts): ((&str, u32), Vec<&RemoteFile>)| {
        parts.sort_by(|one, other| one.path.cmp(&other.path));
        let first = parts.first()?;
        let format = quantisation::by_name(&first.path);
        let missing = (parts.len() < count as usize)
            .then(|| format!("only {} of its {count} parts are in the repository", parts.len()));
        Some(Offer {
            name: first.path.clone(),
            opens: Some(first.path.clone()),
            files: parts.iter().map(|part| (*part).clone()).collect(),
            bits: format.as_ref().map(|format| format.bits),
            quantisation: format.map(|format| format.name),
            problem: missing,
        })
    };
    models.into_iter().filter_map(offer).collect()
}

/// The repository as a folder. Its configuration comes last: without it, what came so far is taken for no model.
fn of_folder(files: &[RemoteFile]) -> Option<Offer> {
    let named = |name: &str| files.iter().find(|file| file.path == name);
    named(CONFIG)?;
    let is_shard = |file: &&RemoteFile| {
        let numbered = file.path.strip_prefix("model-").and_then(|rest| rest.strip_suffix(".safetensors"));
        numbered.is_some_and(|numbers| numbers.contains("-of-"))
    };
    let weights: Vec<&RemoteFile> = match (named(SINGLE), named(INDEX)) {
        (Some(single), _) => vec![single],
        (None, Some(index)) => files.iter().filter(is_shard).chain([index]).collect(),
        (None, None) => {
            let is_weights =
                |file: &&RemoteFile| file.path.ends_with(".safetensors") && !file.path.contains('/');
            let mut weights = files.iter().filter(is_weights);
            // Of several without an index none is the model.
            vec![weights.next().filter(|_| weights.next().is_none())?]
        }
    };
    let beside = BESIDE.iter().filter_map(|name| named(name));
    Some(Offer {
        name: FOLDER.to_owned(),
        files: weights.into_iter().chain(beside).cloned().collect(),
        opens: None,
        quantisation: None,
        bits: None,
        problem: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<RemoteFile> {
        let file = |(index, name): (usize, &&str)| RemoteFile {
            path: (*name).to_owned(),
            bytes: index as u64 + 1,
            tag: None,
        };
        names.iter().enumerate().map(file).collect()
    }

    fn paths(offer: &Offer) -> Vec<&str> {
        offer.files.iter().map(|file| file.path.as_str()).collect()
    }

    #[test]
    fn parts_are_one_model_and_what_is_none_is_left_out() {
        let offers = offers(&files(&[
            "README.md",
            "tale-Q8_0.gguf",
            "mmproj-tale-F16.gguf",
            "BF16/tale-BF16-00002-of-00002.gguf",
            "BF16/tale-BF16-00001-of-00002.gguf",
            "Q2/tale-Q2_K-00001-of-00003.gguf",
        ]));
        let names: Vec<&str> = offers.iter().map(|offer| offer.name.as_str()).collect();
        assert_eq!(
            names,
            ["tale-Q8_0.gguf", "Q2/tale-Q2_K-00001-of-00003.gguf", "BF16/tale-BF16-00001-of-00002.gguf"]
        );
        assert_eq!(
            paths(&offers[2]),
            ["BF16/tale-BF16-00001-of-00002.gguf", "BF16/tale-BF16-00002-of-00002.gguf"]
        );
        assert_eq!(offers[2].bytes(), 9);
        assert!(offers[1].problem.as_deref().unwrap().contains("1 of its 3 parts"));
    }

    #[test]
    fn a_folder_is_what_it_is_opened_with() {
        let sharded = offers(&files(&[
            "config.json",
            "tokenizer.json",
            "model-00002-of-00002.safetensors",
            "model-00001-of-00002.safetensors",
            "model.safetensors.index.json",
            "consolidated.safetensors",
            "original/tokenizer.model",
            "pytorch_model.bin",
        ]));
        let expected = [
            "model-00002-of-00002.safetensors",
            "model-00001-of-00002.safetensors",
            "model.safetensors.index.json",
            "tokenizer.json",
            "config.json",
        ];
        assert_eq!(paths(&sharded[0]), expected);
        assert_eq!((sharded[0].name.as_str(), &sharded[0].opens), (FOLDER, &None));
        assert_eq!(
            paths(&offers(&files(&["config.json", "model.safetensors"]))[0]),
            ["model.safetensors", "config.json"]
        );
        for none in [
            &["config.json", "pytorch_model.bin"][..],
            &["model.safetensors"],
            &["config.json", "a.safetensors", "b.safetensors"],
        ] {
            assert_eq!(offers(&files(none)), [], "{none:?}");
        }
    }
}
