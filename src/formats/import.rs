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
use crate::model::config::{FeedForwardKind, HeadWeights, LayerConfig};
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
    /// Indices into [`Checkpoint::tensors`] of those that hold as many of its rows each, one below the other; none
    /// for [`Recipe::Ones`].
    stored: Vec<usize>,
    /// The format of their elements.
    format: WeightFormat,
    /// How each one's rows are found.
    recipe: Recipe,
}

impl ImportedWeights {
    /// Number of weights that the files hold for the plan.
    pub fn parameters(&self) -> u64 {
        let stored = self.tensors.iter().zip(&self.sources).filter(|(_, source)| !source.stored.is_empty());
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
        Ok(source.read(&self.checkpoint, info, rows))
    }
}

impl Source {
    /// Rows `rows` of the canonical tensor `info`, which has them.
    fn read<'a>(&self, checkpoint: &'a Checkpoint, info: &TensorInfo, rows: Range<usize>) -> Cow<'a, [u8]> {
        if rows.is_empty() {
            return Cow::Borrowed(&[]);
        }
        if self.stored.is_empty() {
            return self.recipe.read(&[], info.columns, self.format, rows);
        }
        let of_each = info.rows / self.stored.len();
        let part = |part: usize| {
            let first = part * of_each;
            let rows = rows.start.max(first) - first..rows.end.min(first + of_each) - first;
            if let Recipe::Contiguous { offset } = self.recipe {
                let bytes = |rows: usize| offset + rows * info.row_bytes();
                checkpoint.prepare(self.stored[part], bytes(rows.start)..bytes(rows.end));
            }
            self.recipe.read(checkpoint.bytes(self.stored[part]), info.columns, self.format, rows)
        };
        let mut parts = rows.start / of_each..=(rows.end - 1) / of_each;
        if parts.start() == parts.end() {
            return part(*parts.start());
        }
        Cow::Owned(parts.by_ref().flat_map(|number| part(number).into_owned()).collect())
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
        let wanted = Wanted::of(family, config, spec, &specs, &names);
        let info =
            |format| TensorInfo { name: spec.name.clone(), rows: spec.rows, columns: spec.columns, format };
        if wanted.layout == Layout::Ones {
            let format = WeightFormat::F32;
            tensors.push(info(format));
            sources.push(Source { stored: Vec::new(), format, recipe: Recipe::Ones });
            continue;
        }
        let alias = pair.embedding.filter(|_| spec.name == EMBEDDING);
        let stored = match alias {
            Some(head) => vec![head],
            None => wanted.find(&names).map_err(|missing| {
                let reason = format!("it is missing; config.json makes it {:?}", wanted.shape());
                FormatError::tensor(folder, &missing, reason)
            })?,
        };
        let format = check(&checkpoint, &stored, &wanted)?;
        read.extend(&stored);
        let recipe = wanted.recipe(format);
        tensors.push(info(if recipe == Recipe::PlusOne { WeightFormat::F32 } else { format }));
        sources.push(Source { stored, format, recipe });
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

/// The stored tensors that a canonical one is made from, as far as the family's table tells.
struct Wanted<'a> {
    /// The layer that it belongs to, if it belongs to one.
    layer: Option<&'a LayerConfig>,
    /// Their name, without prefix; `*` stands for an expert's number.
    stored: String,
    /// How many there are, one below the other: one for each expert where the name has a `*`.
    parts: usize,
    prefix: Prefix,
    layout: Layout,
    spec: &'a TensorSpec,
    /// Rows of all canonical tensors that a stored one holds.
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
        config: &'a ModelConfig,
        spec: &'a TensorSpec,
        specs: &HashMap<&str, &TensorSpec>,
        names: &PrefixedNames,
    ) -> Self {
        let (module, ending) = split_ending(&spec.name);
        let (pattern, number) = numbered(module);
        let with_layer = |pattern: &str| match number {
            Some(number) => pattern.replace('#', number),
            None => pattern.to_owned(),
        };
        let stored_ending = if ending == TABLE { ".weight" } else { ending };
        // Variants of a family may have other names for the same: the one that is there counts.
        let rows = || family.mappings().filter(|mapping| mapping.holds.contains(&pattern.as_str()));
        let is_stored = |mapping: &&Mapping| {
            names.has(&format!("{}{stored_ending}", with_layer(mapping.stored).replace('*', "0")))
        };
        let (stored, layout, holds, prefix) = match rows().find(is_stored).or_else(|| rows().next()) {
            Some(Mapping { stored, layout, holds }) => (*stored, *layout, *holds, Prefix::Usual),
            None if pattern == "head" => (family.head, Layout::OutputsByInputs, &["head"][..], Prefix::Never),
            None => unreachable!("the {} table has no row for {pattern}", family.name),
        };
        let layer = number.and_then(|number| number.parse::<usize>().ok()).and_then(|i| config.layers.get(i));
        let parts = if stored.contains('*') { experts(layer) } else { 1 };
        let units = |pattern: &str| {
            let name = format!("{}{}", with_layer(pattern), if ending == TABLE { "" } else { ending });
            // A vector is stacked element by element.
            let all = specs
                .get(name.as_str())
                .map_or(0, |spec| if is_vector(spec) { spec.columns } else { spec.rows });
            all / parts
        };
        Self {
            layer,
            stored: format!("{}{stored_ending}", with_layer(stored)),
            parts,
            prefix,
            layout,
            spec,
            all_rows: holds.iter().map(|part| units(part)).sum(),
            rows_before: holds.iter().take_while(|part| **part != pattern).map(|part| units(part)).sum(),
        }
    }

    /// The stored tensors, or the name of the first that is missing, as these files would spell it.
    fn find(&self, names: &PrefixedNames) -> Result<Vec<usize>, String> {
        let find = |name: String| match self.prefix {
            Prefix::Usual => names.find(&name).ok_or_else(|| names.spelled(&name)),
            Prefix::Never => names.checkpoint.and_then(|checkpoint| checkpoint.find(&name)).ok_or(name),
        };
        (0..self.parts).map(|part| find(self.stored.replace('*', &part.to_string()))).collect()
    }

    /// The shape that each stored tensor has to have.
    fn shape(&self) -> Vec<usize> {
        match (is_vector(self.spec), self.layout) {
            (true, _) => vec![self.all_rows],
            (false, Layout::InputsByOutputs) => vec![self.spec.columns, self.all_rows],
            (false, Layout::After(rows)) => vec![self.all_rows + rows, self.spec.columns],
            (false, Layout::ByExpert) => {
                vec![experts(self.layer), self.all_rows / experts(self.layer), self.spec.columns]
            }
            (false, _) => vec![self.all_rows, self.spec.columns],
        }
    }

    fn recipe(&self, format: WeightFormat) -> Recipe {
        let attention = self.layer.map(|layer| &layer.attention);
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
            (Layout::InputsByOutputs, _) if unit == Unit::Row => {
                Recipe::Transposed { stored_columns: self.all_rows, first_column: self.rows_before }
            }
            (Layout::ByKeyValueHead, Some(attention)) => by_group(attention.key_value_heads),
            (Layout::ByExpert, _) if units < self.all_rows => by_group(experts(self.layer)),
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

/// The experts of the layer; 1 where it has none.
fn experts(layer: Option<&LayerConfig>) -> usize {
    match layer.map(|layer| layer.feed_forward.kind) {
        Some(FeedForwardKind::Experts(experts)) => experts.count,
        _ => 1,
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

/// The element format of the stored tensors, if it is one of ours, the same for all, and each shape is as needed.
fn check(
    checkpoint: &Checkpoint,
    stored: &[usize],
    wanted: &Wanted<'_>,
) -> Result<WeightFormat, FormatError> {
    let check = |index: usize| {
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
    };
    let format = check(stored[0])?;
    for index in &stored[1..] {
        if check(*index)? != format {
            let (first, other) = (&checkpoint.tensors[stored[0]].stored, &checkpoint.tensors[*index].stored);
            let reason = format!("its elements are stored otherwise than those of {}", first.name);
            return Err(FormatError::tensor(checkpoint.place(*index), &other.name, reason));
        }
    }
    Ok(format)
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
