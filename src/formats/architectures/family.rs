//! What there is to know about a family, and the words in which the families say it.

use super::refused::refuse_active;
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::formats::source::ScaledTensor;
use crate::model::ModelConfig;
use crate::model::config::limits;

/// What there is to know about a family.
#[derive(Clone, Copy)]
pub struct Family {
    /// Its `model_type`.
    pub name: &'static str,
    /// Reads the decoder from `config.json`.
    pub read: fn(&Fields, &dyn StoredNames) -> Result<ModelConfig, FormatError>,
    /// The factors that `config.json` puts on tensors, where these cannot stand elsewhere.
    pub scaled: fn(&Fields, &ModelConfig) -> Result<Vec<ScaledTensor>, FormatError>,
    /// The field of `config.json` in which its decoder is described, where the rest describes more than that.
    pub part: Option<&'static str>,
    /// What files may write before the names of [`Self::tensors`]; the usual one first.
    pub prefixes: &'static [&'static str],
    /// From stored modules to canonical ones, in any number of lists.
    pub tensors: &'static [&'static [Mapping]],
    /// The stored module of the LM head's matrix.
    pub head: &'static str,
    /// What files may write before [`Self::head`].
    pub head_prefixes: &'static [&'static str],
    /// Names of stored tensors that real files carry and nothing needs; `#` stands for a layer's number, and `*` at the
    /// end for anything.
    pub ignored: &'static [&'static str],
    /// How many layers files have after those of the decoder, that only draft tokens.
    pub drafting_layers: usize,
    /// Where the files have the tensors of a drafting head, by the names of [`Self::tensors`].
    pub drafting_head: DraftingNames,
    /// What layers' numbers begin with in the stored names.
    pub first_layer: usize,
    /// What the names of tensors begin with that belong to other parts of the model than its decoder.
    pub other_parts: &'static [&'static str],
    /// Fields of `config.json` that change nothing in what is computed from a prompt.
    pub harmless_fields: &'static [&'static str],
}

/// Where files have the tensors of the block that drafts tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DraftingNames {
    /// Nowhere that is known here.
    Unknown,
    /// Behind prefixes of its own, its layer counted from 0.
    Apart(&'static [&'static str]),
    /// As one more layer of the decoder.
    LastLayer,
}

impl Family {
    /// Names of the drafting head behind a decoder of so many layers, where the family has some.
    pub fn of_drafting_head(&self, layers: usize) -> Option<Self> {
        match self.drafting_head {
            DraftingNames::Unknown => None,
            DraftingNames::Apart(prefixes) => Some(Self { prefixes, ..*self }),
            DraftingNames::LastLayer => Some(Self { first_layer: layers, ..*self }),
        }
    }

    /// The stored modules that hold a canonical one, whose layer's number is `#`, for the `layer`-th layer from the first.
    pub fn modules(&self, canonical: &str, layer: usize) -> impl Iterator<Item = String> {
        let number = (self.first_layer + layer).to_string();
        let holding = self.mappings().filter(move |mapping| mapping.holds.contains(&canonical));
        holding.map(move |mapping| mapping.stored.replace('#', &number))
    }

    /// What describes the decoder, where that is only a part of `config.json`.
    pub fn part<'a>(&self, fields: &Fields<'a>) -> Result<Option<Fields<'a>>, FormatError> {
        let Some(name) = self.part else { return Ok(None) };
        refuse_active(fields)?;
        match fields.optional_object(name)? {
            None => Err(fields.error(name, "it has to describe the decoder")),
            part => Ok(part),
        }
    }

    /// Whether real files carry a tensor of this name, with `#` for its layer's number, that nothing needs.
    pub fn ignores(&self, name: &str) -> bool {
        let bare = self.prefixes.iter().filter_map(|prefix| name.strip_prefix(prefix));
        bare.chain([name]).any(|name| {
            self.ignored.iter().any(|ignored| match ignored.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => name == *ignored,
            })
        })
    }

    /// Whether the tensor of this name belongs to another part of the model than its decoder.
    pub fn is_of_other_part(&self, name: &str) -> bool {
        self.other_parts.iter().any(|part| name.starts_with(part))
    }

    /// Every row of [`Self::tensors`].
    pub fn mappings(&self) -> impl Iterator<Item = &'static Mapping> {
        self.tensors.iter().copied().flatten()
    }
}

/// One stored module (a name without `.weight` or `.bias`) and the canonical modules that it holds.
///
/// Where `holds` names tensors with their endings, `stored` is a whole name too.
///
/// `#` stands for the layer's number; `*`, in a stored module, for an expert's, whose matrices are stacked, or
/// for a head's, and `{a,b}` for each of these names, whose rows are stacked too. A stored table or vector that is canonically called just `embed.tokens`
/// has the ending `.weight` in the file.
pub struct Mapping {
    /// The stored module, without prefix.
    pub stored: &'static str,
    /// How its matrix is laid out.
    pub layout: Layout,
    /// The canonical modules whose rows it stacks, in order.
    pub holds: &'static [&'static str],
}

/// Which tensors a file stores, for configurations that leave it to the file whether there is a bias.
pub trait StoredNames {
    /// Whether there is a tensor of this name, with any of the family's prefixes.
    fn has(&self, name: &str) -> bool;

    /// The only element of the tensor of this name, if there is such a tensor of numbers that are not quantised.
    fn number(&self, _name: &str) -> Option<f64> {
        None
    }

    /// Whether there is a matrix of the LM head, whose stored module is `head`.
    fn has_head(&self, head: &str) -> bool {
        self.has(&format!("{head}.weight"))
    }
}

/// A module stored as it is needed.
pub(super) const fn stored(stored: &'static str, holds: &'static [&'static str]) -> Mapping {
    Mapping { stored, layout: Layout::OutputsByInputs, holds }
}

/// A module stored in another layout.
pub(super) const fn laid_out(
    layout: Layout,
    stored: &'static str,
    holds: &'static [&'static str],
) -> Mapping {
    Mapping { stored, layout, holds }
}

/// The indices of as many layers as field `name` says, if that is a number to build a model with.
pub(super) fn layer_indices(fields: &Fields, name: &str) -> Result<std::ops::Range<usize>, FormatError> {
    let layers = fields.size(name)?;
    if layers > limits::LAYERS {
        return Err(fields.error(name, format!("at most {} make sense", limits::LAYERS)));
    }
    Ok(0..layers)
}
