//! What a real GPU's compiler makes of the kernels of a step, by a part of `cargo bench --bench compiled`.

use std::collections::BTreeSet;

use logitscope::gpu::Kernel;

use driver::{Compiled, CompilingDevice, for_generation};
use subjects::Subject;

#[path = "../../benches/compiled/driver.rs"]
mod driver;
#[path = "../../benches/compiled/listing.rs"]
mod listing;
#[path = "../../benches/compiled/subjects.rs"]
mod subjects;
#[path = "../../benches/compiled/translate.rs"]
mod translate;

const TEST: &str = "suite::compiled::kernels_of_steps_stay_in_the_registers_of_real_gpus";
/// Formats with every way of unpacking, and the most vector instructions that a weight may take in one row.
const FORMATS: [(&str, f64); 12] = [
    ("f16", 1.7),
    ("q8_0", 3.5),
    ("q4_0", 3.5),
    ("q4_1", 4.5),
    ("q2_k", 4.5),
    ("q3_k", 4.5),
    ("q4_k", 4.5),
    ("q5_k", 4.5),
    ("q6_k", 4.5),
    ("iq4_xs", 5.0),
    ("mxfp4", 5.0),
    ("nf4-g64-f32", 5.0),
];
/// Generations, and the fewest waves of a SIMD. Those before RDNA have half the registers, and no instruction that multiplies
/// by an f16 as it lies.
const WAVES: [(&str, u64); 3] = [(RDNA, 8), ("renoir", 2), (LARGE, 8)];
const RDNA: &str = "phoenix";
/// Half as many registers again, of which its compiler makes use.
const LARGE: &str = "navi31";

#[test]
fn kernels_of_steps_stay_in_the_registers_of_real_gpus() {
    if let Ok(gpu) = std::env::var("RADV_FORCE_FAMILY") {
        let (_, waves) = WAVES.into_iter().find(|(known, _)| *known == gpu).expect("started by this test");
        return compile(&gpu, waves);
    }
    for (gpu, _) in WAVES {
        let Some(mut child) = for_generation(gpu) else {
            let must = std::env::var_os("LOGITSCOPE_WITH_COMPILERS").is_some();
            assert!(!must, "Mesa's driver for AMD is not installed");
            eprintln!("skipped: Mesa's driver for AMD is not installed");
            return;
        };
        let output = child.args([TEST, "--exact"]).output().expect("this program starts once more");
        assert!(output.status.success(), "{gpu}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

fn compile(gpu: &str, least_waves: u64) {
    let counts_instructions = gpu == RDNA;
    let device = CompilingDevice::open().expect("a device that compiles");
    let mut seen = BTreeSet::new();
    for subject in subjects::all(device.has_matrix_units) {
        let variant = subject.used.variant;
        let format = variant.format.map(|format| format.name());
        let most = FORMATS.iter().find(|(name, _)| format == Some(name)).map(|(_, most)| *most);
        let is_of_step = matches!(variant.kernel, Kernel::GemvPerWorkgroup | Kernel::GemvFewRows);
        let is_wide = match variant.kernel {
            // Fewer waves have better reasons there: docs/gpu.md.
            Kernel::AttentionStep => gpu == LARGE && subject.name.contains("8 heads"),
            // What limits it is workgroup memory: wide heads have few workgroups.
            Kernel::AttentionCooperative => !subject.name.ends_with(" 64"),
            _ => false,
        };
        if matches!(
            variant.kernel,
            Kernel::AttentionTiles | Kernel::AttentionCooperative | Kernel::AttentionStep
        ) {
            let fewer = if variant.kernel == Kernel::AttentionStep { 6 } else { 4 };
            stays_in_registers(&device, &subject, if is_wide { least_waves.min(fewer) } else { least_waves });
            seen.insert((variant.kernel.name(), subject.name));
        } else if gpu == LARGE {
            // The same registers as the others', and more of them.
        } else if let Some(most) = most.filter(|_| is_of_step) {
            let (compiled, told) = stays_in_registers(&device, &subject, least_waves);
            // The norm of an input that few rows of the weight share takes more.
            let shares_norm = subject.name.contains("gate") || !subject.name.contains("norm");
            let limit = if counts_instructions && shares_norm { most } else { f64::INFINITY };
            issues_few_instructions(&compiled, &subject, limit, &told);
            seen.insert((variant.kernel.name(), format.unwrap_or_default().to_owned()));
        }
    }
    // Attention of prompts with heads of 64, 128 and 256 elements besides, with and without matrix units; of steps, eleven numbers
    // of heads and widths, split and whole, the nine of them that are not latent with and without what comes before.
    let linear_maps = if gpu == LARGE { 0 } else { 2 * FORMATS.len() };
    let of_prompts = if device.has_matrix_units { 6 } else { 3 };
    assert_eq!(seen.len(), linear_maps + of_prompts + 2 * (2 * 9 + 1), "{seen:?}");
}

/// Compiles a kernel, and holds that no register is spilled and that a SIMD has so many waves; with words for what is held
/// besides.
fn stays_in_registers(device: &CompilingDevice, subject: &Subject, least_waves: u64) -> (Compiled, String) {
    let name = &subject.name;
    let spirv = translate::spirv(&subject.used).unwrap_or_else(|error| panic!("{name}: {error}"));
    let compiled = device.compile(&spirv).unwrap_or_else(|error| panic!("{name}: {error}"));
    let told = format!("{name} on {} ({}), waves of {}", device.name, device.driver, compiled.lanes);
    let (spilled, waves) = (compiled.counts["Spilled VGPRs"], compiled.counts["Subgroups per SIMD"]);
    assert_eq!(spilled, 0, "{told}: registers are spilled");
    assert!(waves >= least_waves, "{told}: {waves} a SIMD");
    (compiled, told)
}

/// Holds what a turn of the loop over a linear map's weights issues.
fn issues_few_instructions(compiled: &Compiled, subject: &Subject, limit: f64, told: &str) {
    let turn = listing::busiest_loop(&compiled.assembly).expect("a loop over the weights");
    assert_eq!(turn.scratch, 0, "{told}: memory for registers");
    let work = subjects::work_of_turn(&subject.used).expect("a linear map's work");
    let share = |count: usize| count as f64 / work as f64;
    assert!(share(turn.multiply_adds) > 0.7, "{told}: not the loop over the weights: {turn:?}");
    assert!(turn.loads > 0 && turn.workgroup <= work, "{told}: {turn:?}");
    assert!(share(turn.vector) <= limit, "{told}: {} vector instructions a weight", share(turn.vector));
}
