//! OLMo (Groeneveld et al. 2024): LayerNorm without weights.

use super::rope::Rope;
use super::{Family, Mapping, StoredNames, laid_out, usual};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{Bias, NormConfig, NormKind};

pub(super) const FAMILY: Family = Family {
    name: "olmo",
    read,
    part: None,
    prefixes: usual::PREFIXES,
    tensors: &[usual::ATTENTION, usual::FEED_FORWARD, NORMS],
    head: usual::HEAD,
    ignored: usual::ROTARY_TABLES,
    other_parts: &[],
    harmless_fields: &[],
};

const NORMS: &[Mapping] =
    &[laid_out(Layout::Ones, "", &["layers.#.attention.norm", "layers.#.feed_forward.norm", "final_norm"])];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let norm = NormConfig { kind: NormKind::Layer, epsilon: 1e-5, bias: Bias::Absent };
    usual::read(fields, names, norm, Rope::default())
}
