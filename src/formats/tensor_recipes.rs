//! Which stored tensors a canonical one is made from, by the family's table, and how.
//!
//! Names, shapes and recipes; files are for [`super::import`].

use std::collections::HashMap;

use super::architectures::{Family, Mapping, StoredNames};
use super::names::PrefixedNames;
use super::rewrite::{Layout, Order, Recipe, Unit};
use crate::model::config::{FeedForwardKind, KeysValues, Latent, LayerConfig, RecurrentConfig, StateHeads};
use crate::model::plan::TensorSpec;
use crate::model::weight_format::BlockFormat;
use crate::model::{ModelConfig, WeightFormat};

/// The stored tensors that a canonical one is made from, as far as the family's table tells.
pub(super) struct TensorRecipe<'a> {
    /// The layer that it belongs to, if it belongs to one.
    layer: Option<&'a LayerConfig>,
    /// Their name, without prefix; `*` stands for an expert's or a head's number, `{a,b}` for each of these.
    pub stored: String,
    /// How many there are, one below the other: one for each expert or head where the name has a `*`.
    parts: usize,
    prefix: Prefix,
    pub layout: Layout,
    spec: &'a TensorSpec,
    /// Rows of all canonical tensors that a stored one holds.
    all_rows: usize,
    /// Rows of those that come before this one.
    rows_before: usize,
    /// Which of those it is, and how many they are.
    turn: (usize, usize),
}

/// The rows of a family's table that are about a tensor.
struct Rows<'a> {
    family: &'a Family,
    spec: &'a TensorSpec,
    /// The tensor's module, with `#` for the layer's number, and what comes after it.
    pattern: String,
    ending: &'static str,
    /// Both together.
    whole: String,
    number: Option<&'a str>,
}

impl<'a> Rows<'a> {
    fn of(family: &'a Family, spec: &'a TensorSpec) -> Self {
        let (module, ending) = split_ending(&spec.name);
        let (pattern, number) = numbered(module);
        let whole = format!("{pattern}{ending}");
        Self { family, spec, pattern, ending, whole, number }
    }

    /// All of them: variants of a family may have other names for the same.
    fn all(&self) -> impl Iterator<Item = &'static Mapping> {
        let holds =
            |mapping: &&Mapping| mapping.holds.contains(&self.pattern.as_str()) || self.names_tensor(mapping);
        self.family.mappings().filter(holds)
    }

    /// A row is about modules or, where it names an ending, about single tensors.
    fn names_tensor(&self, mapping: &Mapping) -> bool {
        mapping.holds.contains(&self.whole.as_str()) && self.ending != TABLE
    }

    /// A stored name's pattern with the layer's number there.
    fn stored_name(&self, pattern: &str) -> String {
        match self.number.and_then(|number| number.parse::<usize>().ok()) {
            Some(number) => pattern.replace('#', &(self.family.first_layer + number).to_string()),
            None => pattern.to_owned(),
        }
    }

    /// A canonical name's pattern with the layer's number.
    fn with_layer(&self, pattern: &str) -> String {
        match self.number {
            Some(number) => pattern.replace('#', number),
            None => pattern.to_owned(),
        }
    }

    fn stored_ending(&self) -> &'static str {
        if self.ending == TABLE { ".weight" } else { self.ending }
    }

    fn full_name(&self, mapping: &Mapping) -> String {
        match self.names_tensor(mapping) {
            true => self.stored_name(mapping.stored),
            false => format!("{}{}", self.stored_name(mapping.stored), self.stored_ending()),
        }
    }

    fn is_stored(&self, mapping: &Mapping, names: &PrefixedNames) -> bool {
        spread(&self.full_name(mapping).replace('*', "0")).any(|name| names.has(&name))
    }
}

/// Which of the family's prefixes a stored name comes with.
enum Prefix {
    Usual,
    OfHead,
}

impl<'a> TensorRecipe<'a> {
    /// That of a tensor, or of the first part of one that is a sum.
    pub(super) fn of(
        family: &'a Family,
        config: &'a ModelConfig,
        spec: &'a TensorSpec,
        specs: &HashMap<&str, &TensorSpec>,
        names: &PrefixedNames,
    ) -> Self {
        let rows = Rows::of(family, spec);
        let row = rows.all().find(|row| rows.is_stored(row, names)).or_else(|| rows.all().next());
        Self::by_row(&rows, row, config, specs)
    }

    /// Of what is added to a recurrent block's time steps the second part, where files store two: that of the linear map, which
    /// lies among those of others, beside one of its own.
    pub(super) fn added(
        family: &'a Family,
        config: &'a ModelConfig,
        spec: &'a TensorSpec,
        specs: &HashMap<&str, &TensorSpec>,
        names: &PrefixedNames,
    ) -> Option<Self> {
        if !spec.name.ends_with("recurrent.time_step.bias") {
            return None;
        }
        let rows = Rows::of(family, spec);
        let row = rows.all().filter(|row| rows.is_stored(row, names)).nth(1)?;
        Some(Self::by_row(&rows, Some(row), config, specs))
    }

    fn by_row(
        rows: &Rows<'a>,
        row: Option<&Mapping>,
        config: &'a ModelConfig,
        specs: &HashMap<&str, &TensorSpec>,
    ) -> Self {
        let Rows { family, spec, pattern, ending, number, .. } = rows;
        let (ending, number, spec) = (*ending, *number, *spec);
        let (stored, layout, holds, prefix) = match row {
            Some(Mapping { stored, layout, holds }) => (*stored, *layout, *holds, Prefix::Usual),
            None if *pattern == "head" => {
                (family.head, Layout::OutputsByInputs, &["head"][..], Prefix::OfHead)
            }
            None => unreachable!("the {} table has no row for {pattern}", family.name),
        };
        let layer = number.and_then(|number| number.parse::<usize>().ok()).and_then(|i| config.layers.get(i));
        let parts = match layer.and_then(|layer| layer.attention.as_ref()) {
            _ if !stored.contains('*') => 1,
            Some(attention) if pattern.ends_with("query_norm") => attention.heads,
            Some(attention) if pattern.ends_with("key_norm") => attention.key_value_heads,
            _ => experts(layer),
        };
        let is_whole = row.is_some_and(|row| rows.names_tensor(row));
        let part = if is_whole { rows.whole.as_str() } else { pattern.as_str() };
        let units = |part: &str| {
            let name = format!("{}{}", rows.with_layer(part), if is_whole { "" } else { ending });
            // A vector is stacked element by element.
            let all = specs
                .get(name.as_str())
                .map_or(0, |spec| if is_vector(spec) { spec.columns } else { spec.rows });
            all / parts
        };
        Self {
            layer,
            stored: row
                .map_or_else(|| format!("{stored}{}", rows.stored_ending()), |row| rows.full_name(row)),
            parts,
            prefix,
            layout,
            spec,
            all_rows: holds.iter().map(|part| units(part)).sum(),
            rows_before: holds.iter().take_while(|other| **other != part).map(|part| units(part)).sum(),
            turn: (holds.iter().take_while(|other| **other != part).count(), holds.len()),
        }
    }

    /// The stored tensors, or the name of the first that is missing, as these files would spell it.
    pub(super) fn find(&self, names: &PrefixedNames) -> Result<Vec<usize>, String> {
        let find = |name: String| match self.prefix {
            Prefix::Usual => names.find(&name).ok_or_else(|| names.spelled(&name)),
            Prefix::OfHead => names.find_head(&name).ok_or(name),
        };
        let parts = (0..self.parts).map(|part| self.stored.replace('*', &part.to_string()));
        parts.flat_map(|name| spread(&name).map(find).collect::<Vec<_>>()).collect()
    }

    /// Whether its rows are spread over several stored tensors, which may differ in size.
    pub(super) fn is_spread(&self) -> bool {
        self.stored.contains('{')
    }

    /// Whether stored tensors of these shapes have the rows that it is spread over, or the elements of a vector.
    pub(super) fn fit_together(&self, shapes: &[&[usize]]) -> bool {
        let elements = |shape: &&[usize]| shape.iter().try_fold(1_usize, |all, size| all.checked_mul(*size));
        let sizes: Option<Vec<usize>> = shapes.iter().map(elements).collect();
        let has_columns = |shape: &&[usize]| matches!(shape, [_, columns] if *columns == self.spec.columns);
        let needed = if is_vector(self.spec) { self.all_rows } else { self.all_rows * self.spec.columns };
        sizes.is_some_and(|sizes| sizes.iter().sum::<usize>() == needed && !sizes.contains(&0))
            && match self.taps() {
                Some(taps) => shapes.iter().all(|shape| is_of_channels(shape, taps)),
                None => is_vector(self.spec) || shapes.iter().all(has_columns),
            }
    }

    /// How many weights each channel has, where it is a convolution's.
    fn taps(&self) -> Option<usize> {
        let recurrent = self.layer.and_then(|layer| layer.recurrent.as_ref());
        let kernel = recurrent.map(|block| block.convolution().kernel);
        kernel.filter(|_| self.spec.name.ends_with(CONVOLUTION))
    }

    /// The shape that each stored tensor has to have.
    pub(super) fn shape(&self) -> Vec<usize> {
        let experts = experts(self.layer);
        if let Some(taps) = self.taps() {
            return vec![self.all_rows / taps, 1, taps];
        }
        match (is_vector(self.spec), self.layout) {
            (true, Layout::ByExpert | Layout::AlternatingByExpert) => vec![experts, self.all_rows / experts],
            (true, _) => vec![self.all_rows],
            (false, Layout::InputsByOutputs) => vec![self.spec.columns, self.all_rows],
            (false, Layout::SideBySide) => vec![self.spec.rows, self.turn.1 * self.spec.columns],
            (false, Layout::LatentKeys | Layout::LatentValues) if let Some(latent) = self.latent() => {
                vec![self.heads() * (latent.plain_width + latent.value_width), latent.rank]
            }
            (false, Layout::ByHead) => {
                vec![self.heads(), self.all_rows / self.heads(), self.spec.columns]
            }
            (false, Layout::After(rows)) => vec![self.all_rows + rows, self.spec.columns],
            (false, Layout::ByExpert | Layout::AlternatingByExpert) => {
                vec![experts, self.all_rows / experts, self.spec.columns]
            }
            (false, Layout::ByExpertTurned | Layout::AlternatingByExpertTurned) => {
                vec![experts, self.spec.columns, self.all_rows / experts]
            }
            (false, Layout::AlternatingByExpertInBlocks) => [self.scales_shape(), vec![16]].concat(),
            (false, _) => vec![self.all_rows, self.spec.columns],
        }
    }

    /// The shape of the scales of blocks that have them apart.
    pub(super) fn scales_shape(&self) -> Vec<usize> {
        let experts = experts(self.layer);
        vec![experts, self.all_rows / experts, self.spec.columns / BlockFormat::Mxfp4.block_elements()]
    }

    /// The order of rows that take turns with those of others.
    pub(super) fn turns(&self) -> Order {
        Order::Strided { length: 1, stride: self.turn.1, first: self.turn.0 }
    }

    pub(super) fn recipe(&self, format: WeightFormat) -> Recipe {
        let attention = self.layer.and_then(|layer| layer.attention.as_ref());
        let (unit, units, unit_bytes) = match is_vector(self.spec) {
            true => (Unit::Element, self.spec.columns, format.bytes(1)),
            false => (Unit::Row, self.spec.rows / self.parts, format.bytes(self.spec.columns)),
        };
        // Whatever a group's share of the rows is, it is the same for each.
        let by_group = |groups: usize| {
            let order = Order::Strided {
                length: units / groups,
                stride: self.all_rows / groups,
                first: self.rows_before / groups,
            };
            Recipe::Reordered { order, unit }
        };
        match (self.layout, attention) {
            (Layout::InputsByOutputs, _) if unit == Unit::Row => Recipe::Transposed {
                stored_columns: self.all_rows,
                first_column: self.rows_before,
                step: 1,
                rows_each: self.spec.rows,
                rows_between: 0,
            },
            (Layout::ByExpertTurned, _) if unit == Unit::Row => Recipe::Transposed {
                stored_columns: self.all_rows / experts(self.layer),
                first_column: self.rows_before / experts(self.layer),
                step: 1,
                rows_each: self.spec.rows / experts(self.layer),
                rows_between: 0,
            },
            (Layout::AlternatingByExpertTurned, _) if unit == Unit::Row => Recipe::Transposed {
                stored_columns: self.all_rows / experts(self.layer),
                first_column: self.turn.0,
                step: self.turn.1,
                rows_each: self.spec.rows / experts(self.layer),
                rows_between: 0,
            },
            (Layout::AlternatingByExpert | Layout::AlternatingByExpertTurned, _) if self.turn.1 > 1 => {
                Recipe::Reordered { order: self.turns(), unit }
            }
            // A stored row is one of each.
            (Layout::SideBySide, _) => Recipe::Reordered { order: self.turns(), unit },
            (Layout::ByKeyValueHead, Some(attention)) => by_group(attention.key_value_heads),
            (Layout::ByQueryHead, Some(attention)) => by_group(attention.heads),
            (Layout::ByKeyHead, _) if let Some(heads) = self.state_heads() => {
                if !self.spec.name.ends_with(STATE_INPUT) {
                    return by_group(heads.groups);
                }
                let (key, values) = (heads.key_width, heads.values() / heads.groups);
                let stride = self.all_rows / heads.groups;
                let order = Order::Parts { lengths: [key, key, values], stride, runs: heads.groups };
                Recipe::Reordered { order, unit }
            }
            (Layout::ByExpert, _) if units < self.all_rows => by_group(experts(self.layer)),
            (Layout::NeighboursRotate, Some(attention))
                if let Some(rotary) = &attention.rotary
                    && !self.is_of_values() =>
            {
                let (first, pairs) = (self.rows_before, rotary.width / 2);
                let order = Order::Pairs { first, head: attention.head_width, pairs };
                Recipe::Reordered { order, unit }
            }
            (Layout::RotatingLast, Some(attention)) if let Some(latent) = self.latent() => {
                let rotating = attention.rotating_width();
                let is_query = self.spec.name.contains("attention.query.");
                let head = rotating + if is_query { latent.plain_width } else { latent.rank };
                Recipe::Reordered {
                    order: Order::RotatingLast { head, rotating, pairs: latent.stored_pairs },
                    unit,
                }
            }
            (Layout::LatentKeys, _) if let Some(latent) = self.latent() => Recipe::Transposed {
                stored_columns: latent.rank,
                first_column: 0,
                step: 1,
                rows_each: latent.rank,
                rows_between: latent.value_width,
            },
            (Layout::LatentValues, _) if let Some(latent) = self.latent() => {
                let (length, first) = (latent.value_width, latent.plain_width);
                let order = Order::Strided { length, stride: first + length, first };
                Recipe::Reordered { order, unit }
            }
            (Layout::StoredMinusOne, _) if self.spec.name.ends_with(".weight") => Recipe::PlusOne,
            (Layout::Logarithms, _) => Recipe::MinusExponential,
            (Layout::After(rows), _) => Recipe::Contiguous { offset: unit_bytes * rows },
            _ => Recipe::Contiguous { offset: unit_bytes * self.rows_before },
        }
    }

    /// Query heads of the layer.
    fn heads(&self) -> usize {
        self.layer.and_then(|layer| layer.attention.as_ref()).map_or(1, |attention| attention.heads)
    }

    /// The layer's latent keys and values.
    fn latent(&self) -> Option<Latent> {
        match self.layer?.attention.as_ref()?.keys_values.source {
            KeysValues::Latent(latent) => Some(latent),
            _ => None,
        }
    }

    /// The heads of the layer's state of matrices.
    fn state_heads(&self) -> Option<&StateHeads> {
        match self.layer?.recurrent.as_ref()? {
            RecurrentConfig::GatedDelta(block) => Some(&block.heads),
            RecurrentConfig::Mamba2(block) => Some(&block.heads),
            RecurrentConfig::ShortConvolution(_) => None,
        }
    }

    /// Whether it is of attention's values, which do not rotate.
    fn is_of_values(&self) -> bool {
        self.spec.name.contains(".attention.value.")
    }

    /// Whether it is the matrix of a linear map, rather than a vector or a table.
    pub(super) fn is_linear(&self) -> bool {
        self.spec.name.ends_with(".weight") && !is_vector(self.spec)
    }

    /// How many matrices a stored tensor holds of it: one for each expert where it is all of theirs.
    pub(super) fn matrices(&self) -> usize {
        match self.layout {
            Layout::ByExpert => experts(self.layer),
            _ => 1,
        }
    }

    /// Whether a stored tensor of this shape can be it: the weights of heads and of a convolution's channels may have a row
    /// for each, a matrix of one row may be a vector, and the biases that choose experts a row.
    pub(super) fn fits(&self, shape: &[usize]) -> bool {
        let is_of_heads = OF_HEADS.iter().any(|ending| self.spec.name.ends_with(ending));
        let elements = || shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        let is_one_row = self.all_rows == 1 && shape == [self.spec.columns];
        shape == self.shape()
            || is_one_row
            || self.spec.name.ends_with(SELECTION) && shape == [1, self.all_rows]
            || is_of_heads && shape.len() == 2 && elements() == Some(self.all_rows)
            || self.taps().is_some_and(|taps| is_of_channels(shape, taps))
                && elements() == Some(self.all_rows)
    }
}

/// What the names of biases end with that choose experts.
const SELECTION: &str = "selection.bias";

/// Whether a shape is that of so many weights for each channel, with another dimension between them or without.
fn is_of_channels(shape: &[usize], taps: usize) -> bool {
    matches!(shape, [_, last] | [_, 1, last] if *last == taps)
}

/// The experts of the layer; 1 where it has none.
fn experts(layer: Option<&LayerConfig>) -> usize {
    match layer.and_then(|layer| layer.feed_forward).map(|block| block.kind) {
        Some(FeedForwardKind::Experts(experts)) => experts.count,
        _ => 1,
    }
}

/// The names that one with `{a,b}` in it stands for.
fn spread(name: &str) -> impl Iterator<Item = String> {
    let parts = name.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    let (before, each, after) = match parts {
        Some((before, (each, after))) => (before, each, after),
        None => (name, "", ""),
    };
    each.split(',').map(move |one| format!("{before}{one}{after}"))
}

/// The canonical ending of a table, which has none: `embed.tokens`.
const TABLE: &str = "";

fn split_ending(name: &str) -> (&str, &'static str) {
    let with = |ending: &'static str| name.strip_suffix(ending).map(|module| (module, ending));
    with(".weight").or_else(|| with(".bias")).unwrap_or((name, TABLE))
}

/// Vectors with elements for each head, or for each group of elements, which may be stored with a row for each.
const OF_HEADS: [&str; 5] =
    ["query_norm.weight", "key_norm.weight", "recurrent.norm.weight", "rate.weight", "skip.weight"];

/// The weights of a convolution: a vector, the taps of each channel one after the other.
const CONVOLUTION: &str = "convolution.weight";

/// The matrix that gives a state's queries, keys and values.
const STATE_INPUT: &str = "recurrent.input.weight";

/// Whether the tensor is a vector by its place in a decoder: a bias, a norm's scale, the heads' sinks, or what a recurrent
/// block has for each head or channel.
fn is_vector(spec: &TensorSpec) -> bool {
    [".bias", "norm.weight", "sinks.weight", "rate.weight", "skip.weight", "factors.weight", CONVOLUTION]
        .iter()
        .any(|ending| spec.name.ends_with(ending))
}

/// The name with its layer's number as `#`, and that number.
pub(super) fn numbered(name: &str) -> (String, Option<&str>) {
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let Some(number) = name.split('.').find(is_number) else { return (name.to_owned(), None) };
    let parts: Vec<&str> = name.split('.').map(|part| if part == number { "#" } else { part }).collect();
    (parts.join("."), Some(number))
}
