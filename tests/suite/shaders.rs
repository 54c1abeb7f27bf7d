//! Every shader is valid, and translates to what Metal and DirectX take.

use std::collections::{BTreeMap, HashMap, HashSet};

use logitscope::gpu::{
    AttentionChoice, AttentionUnits, Kernel, KernelChoice, KernelUse, LinearVariant, Matrices, MatrixUnits,
    Override, PrefillAttention, Reduction, Variant, kernel_source, kernel_uses, selection_uses, variants,
};
use logitscope::model::config::{BlockNorms, FeedForwardKind, NormKind, Positions, Xielu};
use logitscope::model::weight_format::GridFormat;
use logitscope::model::weights::TensorInfo;
use logitscope::model::{CacheFormat, ModelConfig, Plan, WeightFormat, fuse, plan_decoder};
use logitscope::synthetic::{SyntheticWeights, shapes};
use naga::back::{hlsl, msl, spv};
use naga::proc::Layouter;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, ShaderStage};

use super::fused;

/// Workgroup memory that every adapter offers (WebGPU's default limit).
const WORKGROUP_BYTES: u32 = 16 << 10;
/// Bytes of a binding that every adapter offers (WebGPU's default limit).
const BINDING_BYTES: u64 = 128 << 20;

/// Choices by which every kernel is used by some plan.
fn choices() -> Vec<KernelChoice> {
    let gpu = KernelChoice::GPU;
    let subgroups = Reduction::Subgroups { least: 4 };
    let groups = |blocks| LinearVariant::GemvPerWorkgroup { blocks };
    let mut choices = vec![
        KernelChoice::CPU,
        KernelChoice::CPU_SHUFFLE,
        gpu,
        KernelChoice { one_row: groups(2), few_rows: groups(2), ..gpu },
        KernelChoice { reduction: subgroups, ..gpu },
        KernelChoice { reduction: subgroups, one_row: groups(2), reduce_lanes: 128, ..gpu },
        KernelChoice { reduce_lanes: 256, ..gpu },
    ];
    choices.extend(Matrices::all().map(|matrices| KernelChoice {
        many_rows: LinearVariant::GemmCooperative { matrices, lanes: 128 },
        ..gpu
    }));
    choices.extend(MatrixUnits::ALL.map(|units| KernelChoice {
        attention: AttentionChoice { prefill: attention_units(units), ..gpu.attention },
        ..gpu
    }));
    choices
}

/// Attention by these units on an adapter of much workgroup memory.
fn attention_units(units: MatrixUnits) -> PrefillAttention {
    PrefillAttention::MatrixUnits(AttentionUnits { units, lanes: 128, workgroup_bytes: 64 << 10 })
}

/// Plans that have every op between them, plain and fused.
fn plans() -> Vec<Plan> {
    let mut all = Vec::new();
    let tiny = fused::plans().chain([fused::ordered()]).collect::<Vec<_>>();
    let models = configs().iter().map(plan_decoder).collect::<Vec<_>>();
    for plain in tiny.into_iter().chain(models) {
        let weights = SyntheticWeights::new(&plain, WeightFormat::F16).expect("f16 fits every row");
        all.push(fuse(&plain, &weights).plan);
        all.push(plain);
    }
    let halves = all.iter().map(|plan| Plan { cache_format: CacheFormat::F16, ..plan.clone() });
    let singles = all.iter().map(|plan| Plan { cache_format: CacheFormat::F32, ..plan.clone() });
    halves.chain(singles).collect()
}

/// One layer of real models' shapes, and of others that stretch what workgroups have to hold.
fn configs() -> Vec<ModelConfig> {
    let shape = |name: &str| {
        let mut config = shapes::config(name).expect("a name from the list");
        config.layers.truncate(1);
        config
    };
    let mut wide = shape("qwen3-0.6b");
    wide.layers[0].attention.as_mut().unwrap().head_width = 256;
    wide.logits.cap = Some(30.0);
    let mut many_groups = shape("llama-3.2-1b");
    many_groups.layers[0].attention.as_mut().unwrap().key_value_heads = 1;
    let mut learned = shape("stories15m");
    learned.positions = Positions::Learned { rows: 256 };
    learned.feed_forwards().for_each(|block| block.kind = FeedForwardKind::Plain);
    let mut layers = shape("smollm2-135m");
    layers.final_norm.kind = NormKind::Layer;
    layers.layers[0].attention_norms = BlockNorms::before(layers.final_norm);
    let xielu = FeedForwardKind::Xielu(Xielu::learned(0.5, 0.5, 0.5, -1e-6));
    layers.feed_forwards().for_each(|block| block.kind = xielu);
    let mut all = vec![shape("smollm2-135m"), shape("llama-7b"), wide, many_groups, learned, layers];
    all.extend(["qwen3.5-0.8b", "lfm2.5-1.2b", "nemotron-3-nano-4b", "glm-4.7-flash"].map(shape));
    all
}

/// What an engine would use for these plans whose matrices have this format.
fn uses_of(plans: &[Plan], format: WeightFormat) -> Vec<KernelUse> {
    let mut uses: Vec<KernelUse> = Vec::new();
    let mut seen: HashSet<String> = HashSet::new();
    let mut add = |found: KernelUse| {
        if seen.insert(format!("{found:?}")) {
            uses.push(found);
        }
    };
    for plan in plans {
        let info = |spec: &logitscope::model::plan::TensorSpec| TensorInfo {
            name: spec.name.clone(),
            rows: spec.rows,
            columns: spec.columns,
            format,
        };
        let tensors: Vec<TensorInfo> = plan.tensors.iter().map(info).collect();
        for choice in choices() {
            // A vector may have any format; a matrix of f32 goes through no units of f16.
            let found = kernel_uses(plan, &tensors, choice, BINDING_BYTES).expect("rows fit bindings");
            found.into_iter().for_each(&mut add);
            let vocabulary = plan.buffer(plan.logits).columns;
            selection_uses(vocabulary, choice).into_iter().for_each(&mut add);
        }
    }
    // Three kernels belong to no plan.
    add(Kernel::LoopCanary.into());
    for kernel in [Kernel::Arithmetic, Kernel::Copy] {
        add(KernelUse { variant: kernel.into(), overrides: vec![Override::Workgroup(64)] });
    }
    uses
}

/// A kernel before its overrides have values.
fn parsed(variant: Variant) -> (naga::Module, ModuleInfo) {
    let source = kernel_source(variant);
    let module = naga::front::wgsl::parse_str(&source)
        .unwrap_or_else(|error| panic!("{variant:?}: {}", error.emit_to_string(&source)));
    let for_matrices = match variant.units {
        None => Capabilities::empty(),
        Some(_) => Capabilities::COOPERATIVE_MATRIX | Capabilities::SHADER_FLOAT16,
    };
    let info = Validator::new(
        ValidationFlags::all(),
        Capabilities::SHADER_FLOAT16_IN_FLOAT32
            | Capabilities::SUBGROUP
            | Capabilities::SHADER_INT64
            | for_matrices,
    )
    .validate(&module)
    .unwrap_or_else(|error| panic!("{variant:?}: {}", error.emit_to_string(&source)));
    (module, info)
}

/// The kernel with its overrides replaced by values.
fn specialised((module, info): &(naga::Module, ModuleInfo), used: &KernelUse) -> (naga::Module, ModuleInfo) {
    let declared = |name: &str| module.overrides.iter().any(|(_, known)| known.name.as_deref() == Some(name));
    let constants: naga::back::PipelineConstants =
        used.constants().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(constants.len(), used.overrides.len(), "an override is given twice: {used:?}");
    assert_eq!(constants.len(), module.overrides.len(), "one value for each override: {used:?}");
    assert!(constants.keys().all(|name| declared(name)), "{used:?}");
    let entry = Some((ShaderStage::Compute, "main"));
    let (module, info) = naga::back::pipeline_constants::process_overrides(module, info, entry, &constants)
        .unwrap_or_else(|error| panic!("{used:?}: {error}"));
    (module.into_owned(), info.into_owned())
}

/// The flags and choices among the overrides: what else there is are sizes and factors.
fn flags(used: &KernelUse) -> String {
    let kind = |value: &&Override| {
        let name = value.name();
        let (_, kind) = Override::ALL.iter().find(|(known, _)| *known == name).expect("every override");
        *kind == "bool" || ["FINISH", "ROWS_WORD"].contains(&name)
    };
    used.overrides.iter().filter(kind).map(|value| format!("{value:?} ")).collect()
}

#[test]
fn every_kernel_is_valid_and_translates_to_vulkan_metal_and_directx() {
    let plans = plans();
    // Of kernels that read weights one use is enough: sizes and flags meet in the other tests.
    let mut chosen: BTreeMap<String, KernelUse> = BTreeMap::new();
    for format in WeightFormat::ALL {
        // The tiny plans have every op that reads weights.
        let plans =
            if format == WeightFormat::F16 { &plans[..] } else { &plans[..2 * (fused::SHAPES.len() + 1)] };
        for used in uses_of(plans, format) {
            let key = match used.variant.format {
                Some(_) => format!("{:?}", used.variant),
                None => format!("{:?} {}", used.variant, flags(&used)),
            };
            chosen.entry(key).or_insert(used);
        }
    }
    for used in chosen.values() {
        translate(used);
    }
    let mut seen: Vec<Variant> = chosen.values().map(|used| used.variant).collect();
    seen.sort_by_key(|variant| format!("{variant:?}"));
    seen.dedup();
    for variant in variants() {
        assert!(seen.contains(&variant) || never_chosen(variant), "no plan uses {variant:?}");
    }
    let of_weights = seen.iter().filter(|variant| variant.format.is_some()).count();
    let others = seen.len() - of_weights;
    assert_eq!((of_weights, others), (914, 43), "kernels that read weights × formats, and other kernels");
}

/// f32 weights never go through units that round to f16.
fn never_chosen(variant: Variant) -> bool {
    variant.units.is_some_and(MatrixUnits::rounds) && variant.format == Some(WeightFormat::F32)
}

/// Holds what a kernel becomes for each kind of driver to what it should be.
fn translate(used: &KernelUse) {
    let variant = used.variant;
    let (module, info) = specialised(&parsed(variant), used);
    let options = msl::Options { lang_version: (2, 3), fake_missing_bindings: true, ..Default::default() };
    let pipeline = msl::PipelineOptions::default();
    let (metal, _) = msl::write_string(&module, &info, &options, &pipeline)
        .unwrap_or_else(|error| panic!("{used:?} to MSL: {error}"));
    assert!(metal.contains("kernel void"), "{used:?}: no Metal kernel");

    let options = spv::Options { lang_version: (1, 3), capabilities: None, ..Default::default() };
    let words = spv::write_vec(&module, &info, &options, None)
        .unwrap_or_else(|error| panic!("{used:?} to SPIR-V: {error}"));
    assert!(words.len() > 100, "{used:?}: no Vulkan kernel");

    if variant.units.is_some() {
        // DirectX has no matrix units that wgpu offers.
        assert!(metal.contains("simdgroup_multiply_accumulate"), "{used:?}: no matrix units on Metal");
        return;
    }
    let options = hlsl::Options {
        // What the DXC compiler takes; subgroups need it.
        shader_model: hlsl::ShaderModel::V6_0,
        fake_missing_bindings: true,
        ..Default::default()
    };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &hlsl::PipelineOptions::default())
        .write(&module, &info, None)
        .unwrap_or_else(|error| panic!("{used:?} to HLSL: {error}"));
    assert!(text.contains("numthreads"), "{used:?}: no DirectX kernel");
}

/// Workgroup memory that attention by matrix units takes for the heads that the kernel is specialised for.
fn memory_of_attention(units: MatrixUnits, used: &KernelUse) -> u32 {
    let vec8s = used.overrides.iter().find_map(|value| match *value {
        Override::HeadVec8s(vec8s) => Some(vec8s),
        _ => None,
    });
    let PrefillAttention::MatrixUnits(attention) = attention_units(units) else { unreachable!() };
    attention.memory_bytes(vec8s.expect("heads have a width"))
}

#[test]
fn no_kernel_takes_more_workgroup_memory_than_its_adapters_have() {
    let mut kernels: HashMap<Variant, (naga::Module, ModuleInfo)> = HashMap::new();
    // How weights are stored makes no difference to it, but for grids: these are the largest.
    let plans = plans();
    let grids = uses_of(&plans, WeightFormat::Grids(GridFormat::Iq1S));
    for used in uses_of(&plans, WeightFormat::F16).into_iter().chain(grids) {
        let variant = used.variant;
        let most = match (variant.units, variant.tile) {
            (None, _) => WORKGROUP_BYTES,
            // Asked of an adapter before it gets the kernel.
            (Some(units), Some(tile)) => Matrices { units, tile }.memory_bytes(),
            (Some(units), None) => memory_of_attention(units, &used),
        };
        let (module, _) = specialised(kernels.entry(variant).or_insert_with(|| parsed(variant)), &used);
        let mut layouter = Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let bytes: u32 = module
            .global_variables
            .iter()
            .filter(|(_, variable)| variable.space == AddressSpace::WorkGroup)
            .map(|(_, variable)| layouter[variable.ty].size)
            .sum();
        assert!(bytes <= most, "{used:?}: {bytes} bytes of workgroup memory");
    }
}

#[test]
fn every_kernel_says_what_it_does_and_where_its_twin_is() {
    for variant in variants() {
        let source = kernel_source(variant);
        for part in ["// Split:", "// Twin:"] {
            assert!(source.contains(part), "{variant:?} lacks its {part} line");
        }
        if let Some(path) = source.split("// Twin: ").nth(1).and_then(|rest| rest.lines().next())
            && path.starts_with("src/")
        {
            let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path.trim());
            assert!(file.exists(), "{variant:?}: its twin {path} does not exist");
        }
    }
}

#[test]
fn the_program_writes_the_sources_that_it_compiles_where_it_is_told_to() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = super::support::program()
        .args(["adapters", "-v"])
        .env("LOGITSCOPE_DUMP_WGSL", folder.path())
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Opening a device runs its first work.
    let canary = KernelUse::from(Kernel::LoopCanary);
    let written = std::fs::read_to_string(folder.path().join(format!("{}.wgsl", canary.id())));
    assert!(written.expect("the canary's source").ends_with(&kernel_source(canary.variant)));
}
