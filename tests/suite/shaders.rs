//! Every shader is valid, and translates to what Metal and DirectX take.

use logitscope::gpu::{MatrixUnits, Variant, kernel_source, variants};
use naga::back::{hlsl, msl, spv};
use naga::proc::Layouter;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, ShaderStage};

/// Workgroup memory that every adapter offers (WebGPU's default limit).
const WORKGROUP_BYTES: u32 = 16 << 10;

/// Overrides have no default on purpose; these are the values of a mid-sized model.
fn constants(module: &naga::Module) -> naga::back::PipelineConstants {
    let values = [
        ("WORKGROUP", 256.0),
        ("TILE", 32.0),
        ("COLUMNS", 4096.0),
        ("COLUMNS4", 1024.0),
        ("HALVES", 1.0),
        ("OCTETS", 16.0),
        ("HEAD_LANES", 16.0),
        ("STREAMS", 16.0),
        ("SHARED", 4.0),
        ("QUERY_BLOCKS", 128.0),
        ("MIXED", 512.0),
        ("WEIGHTS", 256.0),
        ("TILE_BLOCKS", 544.0),
        ("KEY_COLUMNS", 8.0),
        ("KEY_STRIDE", 17.0),
        ("STRIDE4", 1024.0),
        ("FIRST4", 0.0),
        ("OUTPUT_STRIDE4", 1024.0),
        ("PARTIAL", 132.0),
        ("PARTIAL4", 33.0),
        ("VALUE_STRIDE", 4096.0),
        ("READY_STRIDE", 4096.0),
        ("HAS_NORMS", 1.0),
        ("APPEND", 1.0),
        ("SPLIT", 1.0),
        ("HAS_SINKS", 1.0),
        ("HEADS", 32.0),
        ("GROUPS", 8.0),
        ("HEAD_WIDTH", 256.0),
        ("HEAD_BLOCKS", 64.0),
        ("WEIGHT_WIDTH", 256.0),
        ("SUBTRACTS_MEAN", 1.0),
        ("FACTOR", 0.1),
        ("WINDOW", 512.0),
        ("SCORE_CAP", 50.0),
        ("LINEAR_BIAS", 1.0),
        ("EXPERTS", 64.0),
        ("ACTIVE", 4.0),
        ("OF_CHOSEN", 0.0),
        ("EXPERT_ROWS", 256.0),
        ("SLOT_BLOCKS", 64.0),
        ("ROUTES_STRIDE", 32.0),
        ("GATE_STRIDE", 32.0),
        ("BLOCKS", 64.0),
        ("CAP", 30.0),
        ("LIMIT", 8.0),
        ("PAIRS", 64.0),
        ("STRIDE", 4096.0),
        ("OUTPUT_STRIDE", 4096.0),
        ("FIRST", 0.0),
        ("FIRST_KEY", 4096.0),
        ("FIRST_VALUE", 5120.0),
        ("ROW_BLOCKS", 1024.0),
        ("UNITS", 512.0),
        ("INPUT_BLOCKS", 1024.0),
        ("FIRST_BLOCK", 0.0),
        ("SHARD_BLOCKS", 1024.0),
        ("HAS_NORM", 1.0),
        // The most sums at once, and the room that the program leaves them at most.
        ("PARTS", 2.0),
        ("AT_ONCE", 8.0),
        ("SLOTS", 18.0),
        ("SUMMANDS", if has_slots(module) { 1024.0 } else { 256.0 }),
        ("FINISH", 3.0),
        ("OUTPUT_BLOCKS", 1024.0),
        ("FIRST_ROW", 0.0),
        ("SHARD_ROWS", 4096.0),
        ("ROWS_WORD", 0.0),
        ("TABLE", 0.0),
        ("EPSILON", 1e-5),
        ("SCALE", 0.1),
        ("ACTIVATION", 0.0),
        ("PAGE_POSITIONS", 16.0),
        ("HAS_BIAS", 1.0),
        ("HAS_POSITIONS", 1.0),
        ("VOCABULARY", 32_000.0),
        ("BLOCK4", 2.0),
        ("BLOCKS", 4096.0),
    ];
    let declared = |name: &str| module.overrides.iter().any(|(_, known)| known.name.as_deref() == Some(name));
    let values = values.into_iter().filter(|(name, _)| declared(name));
    let mut values: naga::back::PipelineConstants =
        values.map(|(name, value)| (name.to_owned(), value)).collect();
    // Attention over tiles has eight lanes for each of eight groups of rows, always.
    if declared("KEY_COLUMNS") {
        values.insert("WORKGROUP".to_owned(), 64.0);
    }
    values
}

/// Whether the kernel makes as many sums at once as the program says, rather than one.
fn has_slots(module: &naga::Module) -> bool {
    module.overrides.iter().any(|(_, known)| known.name.as_deref() == Some("SLOTS"))
}

/// The kernel, validated, with its overrides replaced by values.
fn validated(variant: Variant) -> (naga::Module, ModuleInfo) {
    let source = kernel_source(variant);
    let module = naga::front::wgsl::parse_str(&source)
        .unwrap_or_else(|error| panic!("{variant:?}: {}", error.emit_to_string(&source)));
    let for_matrices = match variant.kernel.matrix_units() {
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
    let entry = Some((ShaderStage::Compute, "main"));
    let constants = constants(&module);
    let (module, info) = naga::back::pipeline_constants::process_overrides(&module, &info, entry, &constants)
        .unwrap_or_else(|error| panic!("{variant:?}: {error}"));
    (module.into_owned(), info.into_owned())
}

#[test]
fn every_kernel_is_valid_and_translates_to_vulkan_metal_and_directx() {
    let mut seen = 0;
    for variant in variants() {
        let (module, info) = validated(variant);
        let options =
            msl::Options { lang_version: (2, 3), fake_missing_bindings: true, ..Default::default() };
        let pipeline = msl::PipelineOptions::default();
        let (metal, _) = msl::write_string(&module, &info, &options, &pipeline)
            .unwrap_or_else(|error| panic!("{variant:?} to MSL: {error}"));
        assert!(metal.contains("kernel void"), "{variant:?}: no Metal kernel");

        let options = spv::Options { lang_version: (1, 3), capabilities: None, ..Default::default() };
        let words = spv::write_vec(&module, &info, &options, None)
            .unwrap_or_else(|error| panic!("{variant:?} to SPIR-V: {error}"));
        assert!(words.len() > 100, "{variant:?}: no Vulkan kernel");

        if variant.kernel.matrix_units().is_some() {
            // DirectX has no matrix units that wgpu offers.
            assert!(metal.contains("simdgroup_multiply_accumulate"), "{variant:?}: no matrix units on Metal");
            seen += 1;
            continue;
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
            .unwrap_or_else(|error| panic!("{variant:?} to HLSL: {error}"));
        assert!(text.contains("numthreads"), "{variant:?}: no DirectX kernel");
        seen += 1;
    }
    assert!(seen >= 14);
}

#[test]
fn no_kernel_takes_more_workgroup_memory_than_its_adapters_have() {
    for variant in variants() {
        let most = match variant.kernel.matrix_units() {
            None => WORKGROUP_BYTES,
            // Asked of an adapter before it gets the kernel.
            Some(_) => MatrixUnits::MOST_MEMORY,
        };
        let (module, _) = validated(variant);
        let mut layouter = Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let bytes: u32 = module
            .global_variables
            .iter()
            .filter(|(_, variable)| variable.space == AddressSpace::WorkGroup)
            .map(|(_, variable)| layouter[variable.ty].size)
            .sum();
        assert!(bytes <= most, "{variant:?}: {bytes} bytes of workgroup memory");
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
