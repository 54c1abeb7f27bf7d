//! From stored tensors to canonical ones: each tensor of the plan gets the stored bytes and the recipe that
//! make it; a stored tensor that nothing reads is refused.
//!
//! Errors use the file's own names. Families are data here ([`Family`]); none is named.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::architectures::{Family, StoredNames};
use super::checkpoint::{Checkpoint, CheckpointTensor};
use super::error::FormatError;
use super::names::PrefixedNames;
use super::orders::orders;
use super::rewrite::{BLOCKS, Layout, Recipe, SCALES};
use super::safetensors::Element;
use super::source::{ScaledTensor, Source};
use super::tensor_recipes::{TensorRecipe, numbered};
use crate::model::config::HeadWeights;
use crate::model::decoder::drafting::{SHARED_WITH_HEAD, plan_drafting_head};
use crate::model::plan::{Plan, TensorSpec};
use crate::model::weight_format::BlockFormat;
use crate::model::weights::{TensorInfo, Weights, WeightsError};
use crate::model::{ModelConfig, WeightFormat, plan_decoder};

/// The canonical tensors of opened files.
pub struct ImportedWeights {
    tensors: Vec<TensorInfo>,
    sources: Vec<Source>,
    checkpoint: Checkpoint,
    /// Whether the files have a head that drafts, which [`import_drafting_head`] finds.
    pub has_drafting_head: bool,
}

impl ImportedWeights {
    /// Multiplies tensors, which are in f32 from then on.
    pub(super) fn scale(&mut self, scaled: &[ScaledTensor]) {
        for (info, source) in self.tensors.iter_mut().zip(&mut self.sources) {
            let (pattern, _) = numbered(&info.name);
            let Some(scaled) = scaled.iter().find(|scaled| scaled.name == pattern) else { continue };
            source.scale(&scaled.runs);
            info.format = WeightFormat::F32;
        }
    }

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
        Ok(source.computed(&self.checkpoint, info, rows))
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
    let names = PrefixedNames::of(family, Some(&checkpoint));
    // Every layer has tensors of its own: a configuration of more layers than that is not worth planning.
    if config.layers.len() > checkpoint.tensors.len() {
        let reason = format!(
            "{} describes {} layers, but the weight files have only {} tensors",
            checkpoint.description(),
            config.layers.len(),
            checkpoint.tensors.len()
        );
        return Err(FormatError::malformed(folder, reason));
    }
    let pair = tied_pair(family, config, &names, &checkpoint, tied_pairs);
    if pair.is_separate {
        config.head = HeadWeights::Separate;
        warnings.push(format!(
            "{} ties the head to the embedding table, but the files hold a {}.weight with other numbers; \
             the head's own are used",
            checkpoint.description(),
            family.head
        ));
    }
    let plan = plan_decoder(config);
    let mut read: HashSet<usize> = pair.ignored.into_iter().collect();
    let of_decoder = Named { family, names: &names, table: pair.embedding };
    let (tensors, sources) = tensors(&plan, config, |_| &of_decoder, &checkpoint, folder, &mut read)?;
    refuse_unread(family, config.layers.len(), &checkpoint, &read)?;
    warnings.extend(other_parts_warning(family, &checkpoint));
    // A head's block is as those of the decoder with attention.
    let has_drafting_head = config.layers.iter().any(|layer| layer.attention.is_some())
        && has_drafting_head(family, config.layers.len(), &checkpoint);
    Ok(ImportedWeights { tensors, sources, checkpoint, has_drafting_head })
}

/// Whether there is a head that drafts behind a decoder of so many layers, and that it can be run: of one block, with the
/// decoder's own embedding table and LM head.
fn has_drafting_head(family: &Family, layers: usize, checkpoint: &Checkpoint) -> bool {
    let Some(family) = family.of_drafting_head(layers) else { return false };
    let names = PrefixedNames::of(&family, Some(checkpoint));
    let is_stored = |canonical: &str, layer| {
        family.modules(canonical, layer).any(|module| names.has(&format!("{module}.weight")))
    };
    let has_own_ends = OWN_ENDS.iter().any(|end| {
        let module = end.replace('#', &layers.to_string());
        checkpoint.find(&format!("{module}.weight")).is_some()
    });
    is_stored("layers.#.join.token", 0) && !is_stored("layers.#.attention.norm", 1) && !has_own_ends
}

/// Embedding tables and LM heads that a drafting head may have for itself.
const OWN_ENDS: [&str; 3] = ["mtp.embed_tokens", "blk.#.nextn.embed_tokens", "blk.#.nextn.shared_head_head"];

/// Finds every tensor of the head that drafts behind a decoder. `decoder` is that one's configuration, `config` the
/// head's.
pub fn import_drafting_head(
    family: &Family,
    decoder: &ModelConfig,
    config: &ModelConfig,
    checkpoint: Checkpoint,
    folder: &str,
) -> Result<ImportedWeights, FormatError> {
    let names = PrefixedNames::of(family, Some(&checkpoint));
    // What files say of a tied pair was compared before.
    let table = tied_pair(family, decoder, &names, &checkpoint, TiedPairs::Trusted).embedding;
    let of_decoder = Named { family, names: &names, table };
    let own_family = family.of_drafting_head(decoder.layers.len()).unwrap_or(*family);
    let own_names = PrefixedNames::of(&own_family, Some(&checkpoint));
    let own = Named { family: &own_family, names: &own_names, table: None };
    let named = |name: &str| if SHARED_WITH_HEAD.contains(&name) { &of_decoder } else { &own };
    let plan = plan_drafting_head(config);
    let (tensors, sources) = tensors(&plan, config, named, &checkpoint, folder, &mut HashSet::new())?;
    Ok(ImportedWeights { tensors, sources, checkpoint, has_drafting_head: false })
}

/// Where tensors of a family are found.
struct Named<'a> {
    family: &'a Family,
    names: &'a PrefixedNames<'a>,
    /// The stored tensor that is the embedding table, where it has another name than the family's.
    table: Option<usize>,
}

/// Finds every tensor of a plan, and adds what it reads to `read`. `named` tells where the tensor of a name is found.
fn tensors<'a>(
    plan: &Plan,
    config: &ModelConfig,
    named: impl Fn(&str) -> &'a Named<'a>,
    checkpoint: &Checkpoint,
    folder: &str,
    read: &mut HashSet<usize>,
) -> Result<(Vec<TensorInfo>, Vec<Source>), FormatError> {
    let specs: HashMap<&str, &TensorSpec> =
        plan.tensors.iter().map(|spec| (spec.name.as_str(), spec)).collect();
    let (mut tensors, mut sources) = (Vec::new(), Vec::new());
    for spec in &plan.tensors {
        let &Named { family, names, table } = named(&spec.name);
        let wanted = TensorRecipe::of(family, config, spec, &specs, names);
        let info =
            |format| TensorInfo { name: spec.name.clone(), rows: spec.rows, columns: spec.columns, format };
        if wanted.layout == Layout::Ones {
            let format = WeightFormat::F32;
            tensors.push(info(format));
            sources.push(Source::new(Vec::new(), format, Recipe::Ones));
            continue;
        }
        let alias = table.filter(|_| spec.name == EMBEDDING);
        let missing = |name: String, shape: Vec<usize>| {
            FormatError::tensor(
                folder,
                &name,
                format!("it is missing; {} makes it {shape:?}", checkpoint.description()),
            )
        };
        let stored = match alias {
            Some(head) => vec![head],
            None => wanted.find(names).map_err(|name| missing(name, wanted.shape()))?,
        };
        read.extend(&stored);
        if wanted.layout == Layout::AlternatingByExpertInBlocks {
            let scales = wanted.stored.replace(BLOCKS, SCALES);
            let shape = wanted.scales_shape();
            let scales = names.find(&scales).ok_or_else(|| missing(names.spelled(&scales), shape.clone()))?;
            read.insert(scales);
            check_bytes(checkpoint, stored[0], &wanted.shape())?;
            check_bytes(checkpoint, scales, &shape)?;
            let (format, recipe) =
                (WeightFormat::Blocks(BlockFormat::Mxfp4), Recipe::Contiguous { offset: 0 });
            tensors.push(info(format));
            let scales = Some((scales, wanted.turns()));
            sources.push(Source::new(stored, format, recipe).with_scales(scales));
            continue;
        }
        let format = check(checkpoint, &stored, &wanted)?;
        let recipe = wanted.recipe(format);
        // Latent keys' are decoded to be turned.
        let is_turned = recipe.stored_row(0, 1).is_none() && wanted.layout != Layout::LatentKeys;
        if checkpoint.is_joined(stored[0]) && is_turned {
            let name = &checkpoint.tensors[stored[0]].stored.name;
            let reason = "it is quantised, but stored otherwise than row by row; use the original weights";
            return Err(FormatError::tensor(checkpoint.place(stored[0]), name, reason));
        }
        let factors = if wanted.is_linear() {
            factors(family, checkpoint, &stored, &wanted, read)?
        } else {
            Vec::new()
        };
        let mut source = Source::new(stored, format, recipe).with_factors(factors);
        if let Some(added) = TensorRecipe::added(family, config, spec, &specs, names) {
            let stored = added.find(names).map_err(|name| missing(name, added.shape()))?;
            read.extend(&stored);
            let format = check(checkpoint, &stored, &added)?;
            source.add(Source::new(stored, format, added.recipe(format)));
        }
        tensors.push(info(source.format_of_result()));
        sources.push(source);
    }
    let orders = orders(plan, checkpoint, &sources)?;
    tensors.extend(orders.iter().map(|(info, _)| info.clone()));
    sources.extend(orders.into_iter().map(|(_, source)| source));
    Ok((tensors, sources))
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
    let head = names.find_head(&format!("{}.weight", family.head));
    let (HeadWeights::Tied, Some(head)) = (config.head, head) else { return TiedPair::default() };
    let module = family.mappings().find(|mapping| mapping.holds.contains(&EMBEDDING));
    let table = module.and_then(|mapping| names.find(&format!("{}.weight", mapping.stored)));
    let same = |table| tied_pairs == TiedPairs::Trusted || checkpoint.are_same(table, head);
    match table {
        None => TiedPair { embedding: Some(head), ..TiedPair::default() },
        Some(table) if same(table) => TiedPair { ignored: Some(head), ..TiedPair::default() },
        Some(_) => TiedPair { is_separate: true, ..TiedPair::default() },
    }
}

/// The element format of the stored tensors, if it is one of ours, the same for all, and each shape is as needed.
fn check(
    checkpoint: &Checkpoint,
    stored: &[usize],
    wanted: &TensorRecipe<'_>,
) -> Result<WeightFormat, FormatError> {
    if wanted.is_spread() {
        check_together(checkpoint, stored, wanted)?;
    }
    let check = |index: usize| {
        let stored = &checkpoint.tensors[index].stored;
        let refuse = |reason: String| Err(FormatError::tensor(checkpoint.place(index), &stored.name, reason));
        if !wanted.is_spread() && !wanted.fits(&stored.shape) {
            let needed = wanted.shape();
            let makes = checkpoint.description();
            return refuse(format!("its shape is {:?}, but {makes} makes it {needed:?}", stored.shape));
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

/// Whether the rows of several stored tensors of other sizes than each other are those of a canonical one.
fn check_together(
    checkpoint: &Checkpoint,
    stored: &[usize],
    wanted: &TensorRecipe<'_>,
) -> Result<(), FormatError> {
    let tensor = |index: usize| &checkpoint.tensors[index].stored;
    let shapes: Vec<&[usize]> = stored.iter().map(|&index| tensor(index).shape.as_slice()).collect();
    if wanted.fit_together(&shapes) {
        return Ok(());
    }
    let names: Vec<&str> = stored.iter().map(|&index| tensor(index).name.as_str()).collect();
    let (makes, needed) = (checkpoint.description(), wanted.shape());
    let reason = format!(
        "the shapes of {} are {shapes:?}, but {makes} makes them {needed:?} one below the other",
        names.join(", ")
    );
    Err(FormatError::tensor(checkpoint.place(stored[0]), names[0], reason))
}

/// The factors on the rows of a linear map, where the file has some: one on a stored matrix, or one on each expert's.
fn factors(
    family: &Family,
    checkpoint: &Checkpoint,
    stored: &[usize],
    wanted: &TensorRecipe<'_>,
    read: &mut HashSet<usize>,
) -> Result<Vec<f32>, FormatError> {
    // A family may have another use for a tensor of that name.
    let is_other = |factor: &usize| {
        let (pattern, _) = numbered(&checkpoint.tensors[*factor].stored.name);
        family.mappings().any(|mapping| mapping.stored == pattern)
    };
    let factor = |matrix: usize| checkpoint.factor(matrix).filter(|factor| !is_other(factor));
    if stored.iter().all(|&matrix| factor(matrix).is_none()) {
        return Ok(Vec::new());
    }
    let mut factors = Vec::new();
    for &matrix in stored {
        let count = wanted.matrices();
        let Some(index) = factor(matrix) else {
            factors.resize(factors.len() + count, 1.0);
            continue;
        };
        read.insert(index);
        let tensor = &checkpoint.tensors[index].stored;
        let elements: usize = tensor.shape.iter().product();
        if tensor.element != Element::Weight(WeightFormat::F32) || ![1, count].contains(&elements) {
            let (name, shape) = (tensor.element.name(), &tensor.shape);
            let numbers =
                if count == 1 { "one number".to_owned() } else { format!("{count} numbers, or one") };
            let reason =
                format!("it is {shape:?} of {name}, but a factor on a matrix has to be {numbers} in F32");
            return Err(FormatError::tensor(checkpoint.place(index), &tensor.name, reason));
        }
        let found = WeightFormat::F32.decode(checkpoint.bytes(index));
        factors.extend(found.iter().copied().cycle().take(count));
    }
    Ok(factors)
}

/// Whether a stored tensor has single bytes for elements, in this shape.
fn check_bytes(checkpoint: &Checkpoint, index: usize, shape: &[usize]) -> Result<(), FormatError> {
    let stored = &checkpoint.tensors[index].stored;
    let refuse = |reason: String| Err(FormatError::tensor(checkpoint.place(index), &stored.name, reason));
    match &stored.element {
        Element::Other(name) if name == "U8" && stored.shape == shape => Ok(()),
        Element::Other(name) if name == "U8" => {
            let makes = checkpoint.description();
            refuse(format!("its shape is {:?}, but {makes} makes it {shape:?}", stored.shape))
        }
        other => refuse(format!("its elements are stored as {}, where bytes are expected", other.name())),
    }
}

/// A warning about the tensors of other parts than the decoder, where there are some.
fn other_parts_warning(family: &Family, checkpoint: &Checkpoint) -> Option<String> {
    let is_of_other_part = |tensor: &&CheckpointTensor| family.is_of_other_part(&tensor.stored.name);
    let tensors = match checkpoint.tensors.iter().filter(is_of_other_part).count() {
        0 => return None,
        1 => "1 tensor".to_owned(),
        count => format!("{count} tensors"),
    };
    Some(format!("the image part of this {} model, {tensors}, is not used: it reads text only", family.name))
}

fn refuse_unread(
    family: &Family,
    layers: usize,
    checkpoint: &Checkpoint,
    read: &HashSet<usize>,
) -> Result<(), FormatError> {
    let drafting = layers..layers.saturating_add(family.drafting_layers);
    let is_ignored = |name: &str| {
        let (pattern, number) = numbered(name);
        let layer = number.and_then(|number| number.parse().ok());
        family.ignores(&pattern)
            || layer.is_some_and(|layer| drafting.contains(&layer))
            || family.is_of_other_part(name)
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
