//! What a step of 28 layers costs the CPU before the GPU has its commands.
//!
//! A step like the one before finds its commands recorded: what varies is written, and they are submitted. A step
//! unlike it records them first, which is also what recording ahead costs while the GPU computes. The layers are
//! narrow: the CPU's work depends on how many dispatches there are, and not on how long they take.
//!
//!     cargo bench --bench submission -- [--adapter INDEX|NAME] [--json]

#[path = "shared/mod.rs"]
mod shared;

use std::error::Error;
use std::ops::ControlFlow;

use logitscope::gpu::{Device, Engine};
use logitscope::model::batch::RowOutput;
use logitscope::model::language_model::PassTiming;
use logitscope::model::selection::SamplingParams;
use logitscope::model::{Batch, LanguageModel, ModelError, WeightFormat, fuse, plan_decoder};
use logitscope::synthetic::{SyntheticWeights, shapes};
use serde_json::json;

/// As many as Qwen3 0.6B and Llama 3.2 3B have.
const LAYERS: usize = 28;
/// Short of what attention splits.
const POSITIONS: usize = 200;
/// Times that so many positions are computed.
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut adapter, mut as_json) = (None, false);
    shared::read_options("--adapter INDEX|NAME, --json", |option, value| {
        match option {
            "--adapter" => adapter = Some(value()?),
            "--json" => as_json = true,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let mut engine = engine(Device::open(adapter.as_deref())?)?;
    let summary = RowOutput::Summary(SamplingParams::GREEDY);
    let before = engine.device.traffic().dispatches;
    let alike = steps(&mut engine, [summary; 2])?;
    let dispatches = (engine.device.traffic().dispatches - before) / (POSITIONS * ROUNDS) as u64;
    let unlike = steps(&mut engine, [summary, RowOutput::Logits])?;

    let ready = spread(&alike, |timing| timing.encode_seconds);
    let ahead = spread(&alike, |timing| timing.ahead_seconds);
    let anew = spread(&unlike, |timing| timing.encode_seconds);
    let info = &engine.device.info;
    if as_json {
        let row = json!({
            "commit": shared::commit(), "adapter": info.full_name(), "driver": info.driver, "layers": LAYERS, "dispatches": dispatches,
            "unit": "seconds: least, median", "encode": ready, "ahead": ahead, "encode_anew": anew,
        });
        println!("{row}");
        return Ok(());
    }
    println!("{} ({}), {}", info.name, info.backend, info.driver);
    println!("{LAYERS} layers, {dispatches} dispatches a step                    least    median");
    let line = |what: &str, [least, median]: [f64; 2]| {
        println!("{what:<45} {:>7.3} ms {:>7.3} ms", least * 1e3, median * 1e3);
    };
    line("until the GPU has commands recorded ahead", ready);
    line("recording them while it computes", ahead);
    line("until the GPU has commands recorded anew", anew);
    Ok(())
}

/// A model of [`LAYERS`] layers as stories15M has them, with the kernels that the adapter gets.
fn engine(device: Device) -> Result<Engine, Box<dyn Error>> {
    let mut config = shapes::config("stories15m").ok_or("no such shape")?;
    config.layers = vec![config.layers[0].clone(); LAYERS];
    config.vocabulary = 1024;
    let plan = plan_decoder(&config);
    let weights = SyntheticWeights::new(&plan, WeightFormat::F32)?;
    let fused = fuse(&plan, &weights);
    let mut progress = |_, _| ControlFlow::Continue(());
    let mut engine = Engine::load(device, fused.plan.clone(), 256, &fused.weights, &mut progress)?;
    engine.warm_up()?;
    Ok(engine)
}

/// Steps of one row, whose outputs alternate.
fn steps(engine: &mut Engine, outputs: [RowOutput; 2]) -> Result<Vec<PassTiming>, ModelError> {
    let mut timings = Vec::new();
    for _ in 0..ROUNDS {
        let sequence = engine.new_sequence();
        for position in 0..POSITIONS {
            let batch = Batch::chain(sequence, position, &[0], outputs[(position + 1) % 2]);
            timings.push(engine.forward(&batch)?.timing);
        }
        engine.release(sequence);
    }
    Ok(timings)
}

/// The least and the median of what the timings tell.
fn spread(timings: &[PassTiming], of: impl Fn(&PassTiming) -> f64) -> [f64; 2] {
    let mut seconds: Vec<f64> = timings.iter().map(of).collect();
    seconds.sort_by(f64::total_cmp);
    [seconds[0], seconds[seconds.len() / 2]]
}
