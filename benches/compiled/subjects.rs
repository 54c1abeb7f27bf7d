//! The kernels that real models' plans use, in every format of weights.

use std::collections::BTreeMap;

use logitscope::gpu::{
    AdapterClass, AttentionChoice, Capabilities, FinishKind, Kernel, KernelChoice, KernelUse, MatrixUnits,
    Override, PrefillAttention, kernel_uses, selection_uses,
};
use logitscope::model::config::ModelConfig;
use logitscope::model::plan::TensorSpec;
use logitscope::model::weights::TensorInfo;
use logitscope::model::{CacheFormat, Plan, WeightFormat, fuse, plan_decoder};
use logitscope::synthetic::{SyntheticWeights, shapes};

/// Bytes of a binding that GPUs offer.
const BINDING_BYTES: u64 = 2 << 30;
/// The shape whose linear maps are looked at in every format, and the one whose experts are.
const DENSE: &str = "llama-3.2-1b";
const EXPERTS: &str = "glm-4.7-flash";
/// Shapes that have all other kernels between them.
const OTHERS: [&str; 5] = ["qwen3-0.6b", "qwen3.5-0.8b", "lfm2.5-1.2b", "nemotron-3-nano-4b", "gemma-4-e2b"];

/// Heads, key/value heads and width of published models whose attention of a step takes other numbers of heads at once:
/// Llama 7B, SmolLM2 135M, Qwen3 14B, Qwen2.5 7B, gpt-oss 20B.
const HEADS: [[usize; 3]; 5] = [[32, 32, 128], [9, 3, 64], [40, 8, 128], [28, 4, 128], [64, 8, 64]];

/// A kernel to look at.
pub(crate) struct Subject {
    /// What it is, in a few words; no two have the same.
    pub(crate) name: String,
    pub(crate) used: KernelUse,
}

/// Every kernel that an adapter of AMD's would use for these shapes, one for each name.
pub(crate) fn all(has_matrix_units: bool) -> Vec<Subject> {
    let capabilities = Capabilities {
        class: AdapterClass::Gpu,
        subgroup_lanes: Some(32..=64),
        has_int64: true,
        matrix_units: if has_matrix_units { vec![MatrixUnits::Half16] } else { Vec::new() },
        workgroup_lanes: 1024,
        workgroup_bytes: 64 << 10,
    };
    let first = KernelChoice::candidates(&capabilities)[0];
    let mut choices = vec![first];
    choices.extend(
        first.prefill_candidates(&capabilities)[1..]
            .iter()
            .map(|&many_rows| KernelChoice { many_rows, ..first }),
    );
    let by_units = capabilities.attention_units().into_iter().map(PrefillAttention::MatrixUnits);
    let attention: Vec<_> = by_units
        .map(|prefill| KernelChoice { attention: AttentionChoice { prefill, ..first.attention }, ..first })
        .collect();

    let mut found = BTreeMap::new();
    let mut add = |used: KernelUse| {
        found.entry(name(&used)).or_insert(used);
    };
    for format in WeightFormat::ALL {
        for choice in &choices {
            if choice.many_rows.suits(format) {
                uses(DENSE, format, *choice).into_iter().for_each(&mut add);
            }
        }
        uses(EXPERTS, format, first).into_iter().for_each(&mut add);
    }
    for shape in OTHERS {
        for choice in attention.iter().chain([&first]) {
            uses(shape, WeightFormat::F16, *choice).into_iter().for_each(&mut add);
        }
    }
    for heads in HEADS {
        let mut config = shapes::config(DENSE).expect("a name from the list");
        for attention in config.layers.iter_mut().filter_map(|layer| layer.attention.as_mut()) {
            [attention.heads, attention.key_value_heads, attention.head_width] = heads;
        }
        let is_step = |used: &KernelUse| used.variant.kernel == Kernel::AttentionStep;
        uses_of(config, WeightFormat::F16, first).into_iter().filter(is_step).for_each(&mut add);
    }
    found.into_iter().map(|(name, used)| Subject { name, used }).collect()
}

/// What a layer of a shape uses, and the choice of tokens after it.
fn uses(shape: &str, format: WeightFormat, choice: KernelChoice) -> Vec<KernelUse> {
    uses_of(shapes::config(shape).expect("a name from the list"), format, choice)
}

fn uses_of(mut config: ModelConfig, format: WeightFormat, choice: KernelChoice) -> Vec<KernelUse> {
    // Layers of each kind are among the first.
    config.layers.truncate(6);
    let plain = plan_decoder(&config);
    let weights = SyntheticWeights::new(&plain, WeightFormat::F16).expect("f16 fits every row");
    let plan = Plan { cache_format: CacheFormat::F16, ..fuse(&plain, &weights).plan };
    let tensors: Vec<TensorInfo> = plan.tensors.iter().map(|spec| info(spec, format)).collect();
    let mut all = kernel_uses(&plan, &tensors, choice, BINDING_BYTES).expect("rows fit bindings");
    all.extend(selection_uses(plan.buffer(plan.logits).columns, choice));
    all
}

/// A tensor in a format, if its rows are whole blocks of it.
fn info(spec: &TensorSpec, format: WeightFormat) -> TensorInfo {
    let fits = spec.rows > 1 && spec.columns.is_multiple_of(format.block_elements());
    let format = if fits { format } else { WeightFormat::F16 };
    TensorInfo { name: spec.name.clone(), rows: spec.rows, columns: spec.columns, format }
}

/// A name by what tells kernels apart but for their sizes.
fn name(used: &KernelUse) -> String {
    let mut words = vec![used.variant.kernel.name().to_owned()];
    // Prompts' products are the same with and without a gate.
    let is_step = matches!(used.variant.kernel, Kernel::GemvPerWorkgroup | Kernel::GemvFewRows);
    let has_width = used.overrides.iter().any(|value| matches!(value, Override::HeadWidth(_)));
    words.extend(used.variant.format.map(|format| format.name().to_owned()));
    words.extend(used.variant.tile.map(|tile| format!("{tile:?}").to_lowercase()));
    for value in &used.overrides {
        words.extend(match *value {
            Override::Finish(FinishKind::Gate) if is_step => Some("gate".to_owned()),
            Override::HasNorm(true) => Some("norm".to_owned()),
            Override::Split(true) => Some("split".to_owned()),
            Override::AtOnce(rows) if rows < 8 => Some(format!("{rows} rows")),
            Override::FusedAppend(true) => Some("append".to_owned()),
            Override::HeadWidth(width) => Some(format!("width {width}")),
            Override::HeadVec8s(eights) if !has_width => Some(format!("width {}", 8 * eights)),
            Override::Shared(heads) => Some(format!("{heads} heads")),
            Override::KvF16(false) => Some("f32 cache".to_owned()),
            Override::Delta(true) => Some("delta".to_owned()),
            _ => None,
        });
    }
    words.join(" ")
}

/// Multiplications and additions of one lane in a turn of the busiest loop, where they can be told: those of the weights
/// that it loads, for each row of the batch.
pub(crate) fn work_of_turn(used: &KernelUse) -> Option<usize> {
    let value = |name: &str| {
        used.overrides.iter().find(|known| known.name() == name).map(|known| known.value() as usize)
    };
    let of_unit = || value("COLUMNS")?.checked_div(value("UNITS")?);
    match used.variant.kernel {
        Kernel::GemvPerWorkgroup => Some(4 * value("PARTS")? * of_unit()?),
        // One part after the other.
        Kernel::GemvFewRows => Some(4 * of_unit()? * value("AT_ONCE")?),
        _ => None,
    }
}
