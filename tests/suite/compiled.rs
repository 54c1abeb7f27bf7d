//! What a real GPU's compiler makes of the kernels of a step, by a part of `cargo bench --bench compiled`.

use std::collections::BTreeSet;

use logitscope::gpu::Kernel;

use driver::{NullDevice, for_generation};

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
const WAVES: [(&str, u64); 2] = [(RDNA, 8), ("renoir", 2)];
const RDNA: &str = "phoenix";

#[test]
fn kernels_of_steps_stay_in_the_registers_of_real_gpus() {
    if let Ok(gpu) = std::env::var("RADV_FORCE_FAMILY") {
        let (_, waves) = WAVES.into_iter().find(|(known, _)| *known == gpu).expect("started by this test");
        return compile(waves, gpu == RDNA);
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

fn compile(least_waves: u64, counts_instructions: bool) {
    let device = NullDevice::open().expect("a device that compiles");
    let mut seen = BTreeSet::new();
    for subject in subjects::all(device.has_matrix_units) {
        let variant = subject.used.variant;
        let limit =
            FORMATS.iter().find(|(name, _)| variant.format.is_some_and(|format| format.name() == *name));
        let is_of_step = matches!(variant.kernel, Kernel::GemvPerWorkgroup | Kernel::GemvFewRows);
        let Some((format, most)) = limit.filter(|_| is_of_step) else { continue };
        let spirv =
            translate::spirv(&subject.used).unwrap_or_else(|error| panic!("{}: {error}", subject.name));
        let compiled = device.compile(&spirv).unwrap_or_else(|error| panic!("{}: {error}", subject.name));
        let told =
            format!("{} on {} ({}), waves of {}", subject.name, device.name, device.driver, compiled.lanes);
        let count = |name: &str| compiled.counts[name];
        assert_eq!(count("Spilled VGPRs"), 0, "{told}: registers are spilled");
        assert!(count("Subgroups per SIMD") >= least_waves, "{told}: {} a SIMD", count("Subgroups per SIMD"));

        let turn = listing::busiest_loop(&compiled.assembly).expect("a loop over the weights");
        assert_eq!(turn.scratch, 0, "{told}: memory for registers");
        let work = subjects::work_of_turn(&subject.used).expect("a linear map's work");
        let (vector, multiply_adds) =
            (turn.vector as f64 / work as f64, turn.multiply_adds as f64 / work as f64);
        assert!(
            multiply_adds > 0.7,
            "{told}: {multiply_adds} multiply-adds a weight: not the loop over the weights"
        );
        assert!(turn.loads > 0 && turn.workgroup <= work, "{told}: {turn:?}");
        // The norm of an input that few rows of the weight share takes more.
        let shares_norm = subject.name.contains("gate") || !subject.name.contains("norm");
        if counts_instructions && shares_norm {
            assert!(vector <= *most, "{told}: {vector} vector instructions a weight");
        }
        seen.insert((*format, variant.kernel.name()));
    }
    assert_eq!(seen.len(), 2 * FORMATS.len(), "{seen:?}");
}
