//! From stored tensors to canonical ones: each tensor of the plan gets the stored bytes and the recipe that
//! make it; a stored tensor that nothing reads is refused.
//!
//! Errors use the file's own names. Families are data here ([`Family`]); none is named.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::architectures::{Family, Mapping, StoredNames};
use super::checkpoint::Checkpoint;
use super::error::FormatError;
use super::rewrite::{Layout, Order, Recipe, Unit};
use super::safetensors::Element;
use crate::model::config::HeadWeights;
use crate::model::plan::TensorSpec;
use crate::model::weights::{TensorInfo, WeightFormat, Weights, WeightsError};
use crate::model::{ModelConfig, plan_decoder};

/// The canonical tensors of opened files.
pub struct ImportedWeights {
    tensors: Vec<TensorInfo>,
    sources: Vec<Source>,
    checkpoint: Checkpoint,
}

/// Where a canonical tensor comes from.
struct Source {
    /// Index into [`Checkpoint::tensors`]; `None` for [`Recipe::Ones`].
    stored: Option<usize>,
    /// The format of its elements.
    format: WeightFormat,
    recipe: Recipe,
}

impl ImportedWeights {
    /// Number of weights that the files hold for the plan.
    pub fn parameters(&self) -> u64 {
        let stored = self.tensors.iter().zip(&self.sources).filter(|(_, source)| source.stored.is_some());
        stored.map(|(tensor, _)| tensor.rows as u64 * tensor.columns as u64).sum()
    }
}

impl Weights for ImportedWeights {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn read(&self, index: usize, rows: Range<usize>) -> Result<Cow<'_, [u8]>, WeightsError> {
        let (info, source) = (&self.tensors[index], &self.sources[index]);
        if rows.start > rows.end || rows.end > info.rows {
            let reason = format!("rows {rows:?} were asked for, but it has {}", info.rows);
            return Err(WeightsError { tensor: info.name.clone(), reason });
        }
        if let (Recipe::Contiguous { offset }, Some(stored)) = (source.recipe, source.stored) {
            let bytes = |rows: usize| offset + rows * info.row_bytes();
            self.checkpoint.prepare(stored, bytes(rows.start)..bytes(rows.end));
        }
        let stored = source.stored.map_or(&[][..], |stored| self.checkpoint.bytes(stored));
        Ok(source.recipe.read(stored, info.columns, source.format, rows))
    }
}

/// A family's view of the stored names.
pub struct PrefixedNames<'a> {
    /// The files; `None` where they could not be read.
    pub checkpoint: Option<&'a Checkpoint>,
    /// What may come before a name.
    pub prefixes: &'a [&'a str],
}

impl PrefixedNames<'_> {
    fn find(&self, name: &str) -> Option<usize> {
        let checkpoint = self.checkpoint?;
        self.prefixes.iter().find_map(|prefix| checkpoint.find(&format!("{prefix}{name}")))
    }

    /// The name as these files would spell it: with the prefix that most of them have.
    fn spelled(&self, name: &str) -> String {
        let count = |prefix: &&&str| {
            let tensors = self.checkpoint.map_or(&[][..], |checkpoint| &checkpoint.tensors);
            tensors.iter().filter(|tensor| tensor.stored.name.starts_with(**prefix)).count()
        };
        let used = self.prefixes.iter().find(|prefix| prefix.is_empty() || 2 * count(prefix) > count(&&""));
        format!("{}{name}", used.unwrap_or(&""))
    }
}

impl StoredNames for PrefixedNames<'_> {
    fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}

/// What to do where a tied configuration's files hold both the embedding table and the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TiedPairs {
    /// Read both, and tie them only if they are the same.
    Compared,
    /// Believe the configuration, without reading any weights.
    Trusted,
}

/// Finds every tensor that the decoder needs. `folder` is the place to name for a tensor that no file has.
///
/// A tied pair of which both are stored with different numbers is not tied: `config` is changed, and a line
/// in `warnings` says so.
pub fn import(
    family: &Family,
    config: &mut ModelConfig,
    checkpoint: Checkpoint,
    tied_pairs: TiedPairs,
    folder: &str,
    warnings: &mut Vec<String>,
) -> Result<ImportedWeights, FormatError> {
    let names = PrefixedNames { checkpoint: Some(&checkpoint), prefixes: family.prefixes };
    // Every layer has tensors of its own: a configuration of more layers than that is not worth planning.
    if config.layers.len() > checkpoint.tensors.len() {
        let reason = format!(
            "config.json describes {} layers, but its weight files have only {} tensors",
            config.layers.len(),
            checkpoint.tensors.len()
        );
        return Err(FormatError::malformed(folder, reason));
    }
    let pair = tied_pair(family, config, &names, &checkpoint, tied_pairs);
    if pair.is_separate {
        config.head = HeadWeights::Separate;
        warnings.push(format!(
            "config.json ties the head to the embedding table, but the files hold a {}.weight with other numbers; \
             the head's own are used",
            family.head
        ));
    }
    let plan = plan_decoder(config);
    let specs: HashMap<&str, &TensorSpec> =
        plan.tensors.iter().map(|spec| (spec.name.as_str(), spec)).collect();

    let mut read: HashSet<usize> = pair.ignored.into_iter().collect();
    let (mut tensors, mut sources) = (Vec::new(), Vec::new());
    for spec in &plan.tensors {
        let wanted = Wanted::of(family, spec, &specs, &names);
        let info =
            |format| TensorInfo { name: spec.name.clone(), rows: spec.rows, columns: spec.columns, format };
        if wanted.layout == Layout::Ones {
            let format = WeightFormat::F32;
            tensors.push(info(format));
            sources.push(Source { stored: None, format, recipe: Recipe::Ones });
            continue;
        }
        let alias = pair.embedding.filter(|_| spec.name == EMBEDDING);
        let stored = alias.or_else(|| wanted.find(&names)).ok_or_else(|| {
            let shape = wanted.shape();
            let reason = format!("it is missing; config.json makes it {shape:?}");
            FormatError::tensor(folder, &wanted.spelled(&names), reason)
        })?;
        let format = check(&checkpoint, stored, &wanted)?;
        read.insert(stored);
        let recipe = wanted.recipe(format, config);
        tensors.push(info(if recipe == Recipe::PlusOne { WeightFormat::F32 } else { format }));
        sources.push(Source { stored: Some(stored), format, recipe });
    }
    refuse_unread(family, &checkpoint, &read)?;
    Ok(ImportedWeights { tensors, sources, checkpoint })
}

const EMBEDDING: &str = "embed.tokens";

/// What a tied configuration's files make of the embedding table and the head.
#[derive(Default)]
struct TiedPair {
    /// The stored tensor that is the embedding table, where it is stored under the head's name.
    embedding: Option<usize>,
    /// The stored tensor that only repeats the table.
    ignored: Option<usize>,
    /// Whether both are stored, with different numbers.
    is_separate: bool,
}

fn tied_pair(
    family: &Family,
    config: &ModelConfig,
    names: &PrefixedNames,
    checkpoint: &Checkpoint,
    tied_pairs: TiedPairs,
) -> TiedPair {
    let head = checkpoint.find(&format!("{}.weight", family.head));
    let (HeadWeights::Tied, Some(head)) = (config.head, head) else { return TiedPair::default() };
    let module = family.mappings().find(|mapping| mapping.holds.contains(&EMBEDDING));
    let table = module.and_then(|mapping| names.find(&format!("{}.weight", mapping.stored)));
    let same = |table| tied_pairs == TiedPairs::Trusted || checkpoint.bytes(table) == checkpoint.bytes(head);
    match table {
        None => TiedPair { embedding: Some(head), ..TiedPair::default() },
        Some(table) if same(table) => TiedPair { ignored: Some(head), ..TiedPair::default() },
        Some(_) => TiedPair { is_separate: true, ..TiedPair::default() },
    }
}

/// The stored tensor that a canonical one is made from, as far as the family's table tells.
struct Wanted<'a> {
    /// The layer that it belongs to, if it belongs to one.
    layer: Option<usize>,
    /// Its name, without prefix.
    stored: String,
    prefix: Prefix,
    layout: Layout,
    spec: &'a TensorSpec,
    /// Rows of all canonical tensors that it holds.
    all_rows: usize,
    /// Rows of those that come before this one.
    rows_before: usize,
}

/// Whether a stored name comes with the family's prefix.
enum Prefix {
    Usual,
    Never,
}

impl<'a> Wanted<'a> {
    fn of(
        family: &Family,
        spec: &'a TensorSpec,
        specs: &HashMap<&str, &TensorSpec>,
        names: &PrefixedNames,
    ) -> Self {
        let (module, ending) = split_ending(&spec.name);
        let (pattern, layer) = numbered(module);
        let with_layer = |pattern: &str| match layer {
            Some(layer) => pattern.replace('#', layer),
            None => pattern.to_owned(),
        };
        let stored_ending = if ending == TABLE { ".weight" } else { ending };
        // Variants of a family may have other names for the same: the one that is there counts.
        let rows = || family.mappings().filter(|mapping| mapping.holds.contains(&pattern.as_str()));
        let is_stored =
            |mapping: &&Mapping| names.has(&format!("{}{stored_ending}", with_layer(mapping.stored)));
        let (stored, layout, holds, prefix) = match rows().find(is_stored).or_else(|| rows().next()) {
            Some(Mapping { stored, layout, holds }) => (*stored, *layout, *holds, Prefix::Usual),
            None if pattern == "head" => (family.head, Layout::OutputsByInputs, &["head"][..], Prefix::Never),
            None => unreachable!("the {} table has no row for {pattern}", family.name),
        };
        let units = |pattern: &str| {
            let name = format!("{}{}", with_layer(pattern), if ending == TABLE { "" } else { ending });
            // A vector is stacked element by element.
            specs.get(name.as_str()).map_or(0, |spec| if is_vector(spec) { spec.columns } else { spec.rows })
        };
        Self {
            layer: layer.and_then(|layer| layer.parse().ok()),
            stored: format!("{}{stored_ending}", with_layer(stored)),
            prefix,
            layout,
            spec,
            all_rows: holds.iter().map(|part| units(part)).sum(),
            rows_before: holds.iter().take_while(|part| **part != pattern).map(|part| units(part)).sum(),
        }
    }

    fn find(&self, names: &PrefixedNames) -> Option<usize> {
        match self.prefix {
            Prefix::Usual => names.find(&self.stored),
            Prefix::Never => names.checkpoint?.find(&self.stored),
        }
    }

    /// Its name as these files would spell it.
    fn spelled(&self, names: &PrefixedNames) -> String {
        match self.prefix {
            Prefix::Usual => names.spelled(&self.stored),
            Prefix::Never => self.stored.clone(),
        }
    }

    /// The shape that the stored tensor has to have.
    fn shape(&self) -> Vec<usize> {
        match (is_vector(self.spec), self.layout) {
            (true, _) => vec![self.all_rows],
            (false, Layout::InputsByOutputs) => vec![self.spec.columns, self.all_rows],
            (false, Layout::After(rows)) => vec![self.all_rows + rows, self.spec.columns],
            (false, _) => vec![self.all_rows, self.spec.columns],
        }
    }

    fn recipe(&self, format: WeightFormat, config: &ModelConfig) -> Recipe {
        let attention = self.layer.and_then(|layer| config.layers.get(layer)).map(|layer| &layer.attention);
        let (unit, units, unit_bytes) = match is_vector(self.spec) {
            true => (Unit::Element, self.spec.columns, format.bytes(1)),
            false => (Unit::Row, self.spec.rows, format.bytes(self.spec.columns)),
        };
        match (self.layout, attention) {
            (Layout::InputsByOutputs, _) if unit == Unit::Row => {
                Recipe::Transposed { stored_columns: self.all_rows, first_column: self.rows_before }
            }
            (Layout::ByKeyValueHead, Some(attention)) => {
                // Whatever a key/value head's share of the rows is, it is the same for each.
                let share = |rows: usize| rows / attention.key_value_heads;
                let order = Order::Strided {
                    length: share(units),
                    stride: share(self.all_rows),
                    first: share(self.rows_before),
                };
                Recipe::Reordered { order, unit }
            }
            (Layout::NeighboursRotate, Some(attention)) if let Some(rotary) = &attention.rotary => {
                let order = Order::Pairs { head: attention.head_width, pairs: rotary.width / 2 };
                Recipe::Reordered { order, unit }
            }
            (Layout::OneLess, _) if self.spec.name.ends_with(".weight") => Recipe::PlusOne,
            (Layout::After(rows), _) => Recipe::Contiguous { offset: unit_bytes * rows },
            _ => Recipe::Contiguous { offset: unit_bytes * self.rows_before },
        }
    }

    /// Whether a stored tensor of this shape can be it: the weights of heads may have a row for each.
    fn fits(&self, shape: &[usize]) -> bool {
        let is_of_heads = self.spec.name.ends_with("_norm.weight") && self.layout == Layout::NeighboursRotate;
        let elements = || shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        shape == self.shape() || is_of_heads && shape.len() == 2 && elements() == Some(self.all_rows)
    }
}

/// The canonical ending of a table, which has none: `embed.tokens`.
const TABLE: &str = "";

fn split_ending(name: &str) -> (&str, &'static str) {
    let with = |ending: &'static str| name.strip_suffix(ending).map(|module| (module, ending));
    with(".weight").or_else(|| with(".bias")).unwrap_or((name, TABLE))
}

/// Whether the tensor is a vector by its place in a decoder: a bias, or a norm's scale.
fn is_vector(spec: &TensorSpec) -> bool {
    spec.name.ends_with("norm.weight") || spec.name.ends_with(".bias")
}

/// The name with its layer's number as `#`, and that number.
fn numbered(name: &str) -> (String, Option<&str>) {
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let Some(number) = name.split('.').find(is_number) else { return (name.to_owned(), None) };
    let parts: Vec<&str> = name.split('.').map(|part| if part == number { "#" } else { part }).collect();
    (parts.join("."), Some(number))
}

/// The element format of the stored tensor, if it is one of ours and the shape is as needed.
fn check(checkpoint: &Checkpoint, index: usize, wanted: &Wanted<'_>) -> Result<WeightFormat, FormatError> {
    let stored = &checkpoint.tensors[index].stored;
    let refuse = |reason: String| Err(FormatError::tensor(checkpoint.place(index), &stored.name, reason));
    if !wanted.fits(&stored.shape) {
        let needed = wanted.shape();
        return refuse(format!("its shape is {:?}, but config.json makes it {needed:?}", stored.shape));
    }
    match &stored.element {
        Element::Weight(format) => Ok(*format),
        Element::Other(name) => refuse(format!(
            "its elements are stored as {name}; F32, F16, BF16 and GGUF's usual blocks can be read"
        )),
    }
}

fn refuse_unread(family: &Family, checkpoint: &Checkpoint, read: &HashSet<usize>) -> Result<(), FormatError> {
    let is_ignored = |name: &str| {
        let (pattern, _) = numbered(name);
        family.prefixes.iter().filter_map(|p| pattern.strip_prefix(p)).any(|n| family.ignored.contains(&n))
            || family.other_parts.iter().any(|part| name.starts_with(part))
    };
    let mut unread = (0..checkpoint.tensors.len())
        .filter(|index| !read.contains(index) && !is_ignored(&checkpoint.tensors[*index].stored.name));
    let Some(first) = unread.next() else { return Ok(()) };
    let others = match unread.count() {
        0 => String::new(),
        others => format!(" (nor {others} others)"),
    };
    let reason = format!(
        "nothing in a {} decoder of this configuration reads it{others}; its numbers would be ignored",
        family.name
    );
    Err(FormatError::tensor(checkpoint.place(first), &checkpoint.tensors[first].stored.name, reason))
}
