//! Choices of other rooms as words of the command line, with the help that a newcomer reads.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::decoding::Drafter;
use crate::session::{CacheFormat, WeightsChoice};
use crate::trace::StrategyKind;

impl ValueEnum for StrategyKind {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Greedy => "Always the most likely token",
            Self::Sample => "A random draw from what temperature, top-k, top-p and min-p leave",
            Self::Beam => "Beam search: several texts at once, of which the most probable ones stay",
            Self::Contrastive => {
                "Contrastive search: of the likely tokens the one least like what came before"
            }
            Self::Speculative => {
                "Greedy decoding, or sampling where one of these is set, of drafted tokens, several in one pass"
            }
            Self::Lookahead => {
                "Greedy decoding that guesses ahead by itself and verifies several tokens in one pass"
            }
            Self::Server => "The server's own choice, for a model on a server: its stages, its draws",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

impl ValueEnum for Drafter {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Lookup, Self::Model, Self::Head]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Best => return None,
            Self::Lookup => ("lookup", "What followed the same tokens earlier in prompt or text"),
            Self::Model => ("model", "The model of --draft-model"),
            Self::Head => {
                ("mtp", "The model's own head for multi-token prediction, where its files have one")
            }
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl ValueEnum for WeightsChoice {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Original => "As in the file",
            Self::F16 => "Half precision, 2 bytes a weight",
            Self::Q8_0 => "Bytes with a scale for each 32, 8.5 bits a weight",
            Self::Q4_0 => {
                "Half bytes with a scale for each 32, 4.5 bits a weight; embeddings and LM head in q8_0"
            }
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

impl ValueEnum for CacheFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::F16, Self::F32]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::F16 => ("f16", "Half precision: half the memory and half the reading"),
            Self::F32 => ("f32", "As they are computed"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}
