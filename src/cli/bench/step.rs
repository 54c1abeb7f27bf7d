//! Where the time of an incremental step goes: by part, and on the GPU by kind of op.

use std::time::Instant;

use serde::Serialize;

use super::steps;
use crate::cli::output::{rate, seconds};
use crate::gpu::{Engine, OpCost};
use crate::model::batch::RowOutput;
use crate::model::{Batch, LanguageModel, ModelError};
use crate::units::counted;

/// Steps whose average is told.
const STEPS: usize = 8;

/// An incremental step in parts, on average over some steps.
#[derive(Serialize)]
pub(super) struct StepCost {
    /// Positions in the KV cache.
    context: usize,
    /// From the call to the logits, by the clock.
    seconds: f64,
    /// Of these, placing the row, writing what varies, and submitting commands.
    encode_seconds: f64,
    /// Of these, waiting for the GPU and taking the logits.
    wait_seconds: f64,
    /// Of the waiting, recording the next step's commands.
    ahead_seconds: f64,
    /// Of these, everything else.
    other_seconds: f64,
    /// Computing, by GPU timestamps; null where the adapter has none.
    gpu_seconds: Option<f64>,
    /// Times that the CPU waits for the GPU.
    waits: f64,
    /// Dispatches.
    dispatches: f64,
    /// Dispatches of a layer.
    layer_dispatches: f64,
    /// GPU time of each kind of op, most first; empty where the adapter has no timestamps. Each op is timed by
    /// itself, so that their sum is a little more than `gpu_seconds`.
    ops: Vec<OpKindCost>,
}

/// What the ops of one kind cost a step.
#[derive(Serialize)]
struct OpKindCost {
    /// The op and what it works on, such as `linear feed_forward.down`.
    op: String,
    /// How many ops.
    count: usize,
    dispatches: usize,
    gpu_seconds: f64,
    /// Bytes of weights that they read; 0 where that depends on the token.
    weight_bytes: u64,
    /// Those bytes a second, as a share of the copy bandwidth.
    bandwidth_share: f64,
}

impl StepCost {
    /// Measures steps of the engine after `context` positions.
    pub(super) fn measure(
        engine: &mut Engine,
        context: usize,
        copy_bandwidth: f64,
    ) -> Result<Self, ModelError> {
        let context = context.clamp(1, (engine.context() - 1).max(1));
        let sequence = steps::filled(engine, context)?;
        let step = |engine: &mut Engine| {
            engine.truncate(sequence, context);
            engine.forward(&Batch::chain(sequence, context, &[0], RowOutput::Logits))
        };
        // The first step may still pay for something.
        step(engine)?;
        let (mut encode_seconds, mut wait_seconds, mut ahead_seconds) = (0.0, 0.0, 0.0);
        let mut gpu_seconds = Some(0.0);
        let before = engine.device.traffic();
        let begin = Instant::now();
        for _ in 0..STEPS {
            let timing = step(engine)?.timing;
            encode_seconds += timing.encode_seconds;
            wait_seconds += timing.wait_seconds;
            ahead_seconds += timing.ahead_seconds;
            gpu_seconds = gpu_seconds.zip(timing.gpu_seconds).map(|(sum, more)| sum + more);
        }
        let seconds = begin.elapsed().as_secs_f64();
        let after = engine.device.traffic();
        let ops =
            ops(engine, &Batch::chain(sequence, context, &[0], RowOutput::Logits), context, copy_bandwidth)?;
        engine.release(sequence);
        let each = |sum: f64| sum / STEPS as f64;
        Ok(Self {
            context,
            seconds: each(seconds),
            encode_seconds: each(encode_seconds),
            wait_seconds: each(wait_seconds),
            ahead_seconds: each(ahead_seconds),
            other_seconds: each((seconds - encode_seconds - wait_seconds).max(0.0)),
            gpu_seconds: gpu_seconds.map(each),
            waits: each((after.waits - before.waits) as f64),
            dispatches: each((after.dispatches - before.dispatches) as f64),
            layer_dispatches: engine.layer_dispatches(1),
            ops,
        })
    }

    /// The same for a person.
    pub(super) fn text(&self) -> String {
        let mut text = format!("  a step at {}\n", counted(self.context, "position"));
        let mut line = |what: &str, much: f64, more: &str| {
            text += &format!("    {what:<30} {:>8}{more}\n", seconds(much));
        };
        line("from call to logits", self.seconds, "");
        line("encoding and submitting", self.encode_seconds, "");
        line("waiting for the GPU", self.wait_seconds, &format!("   {:.1} waits", self.waits));
        line("  recording the next meanwhile", self.ahead_seconds, "");
        line("other work of the CPU", self.other_seconds, "");
        if let Some(gpu) = self.gpu_seconds {
            let more = format!("   {:.0} dispatches, {:.1} a layer", self.dispatches, self.layer_dispatches);
            line("computing on the GPU", gpu, &more);
        }
        let sum: f64 = self.ops.iter().map(|op| op.gpu_seconds).sum();
        for op in &self.ops {
            let percent = 100.0 * rate(op.gpu_seconds, sum);
            let of_copy = match op.weight_bytes {
                0 => String::new(),
                _ => format!("   {:.1} % of the copy bandwidth", 100.0 * op.bandwidth_share),
            };
            let what = format!("{} × {}", op.count, op.op);
            text +=
                &format!("      {what:<46} {:>10}   {percent:>4.1} %{of_copy}\n", seconds(op.gpu_seconds));
        }
        text
    }
}

/// The costs of a pass by kind of op, most first; of several passes the fastest.
fn ops(
    engine: &mut Engine,
    batch: &Batch,
    context: usize,
    copy_bandwidth: f64,
) -> Result<Vec<OpKindCost>, ModelError> {
    let sequence = batch.rows[0].sequence;
    let mut fastest: Option<Vec<_>> = None;
    for _ in 0..STEPS {
        engine.truncate(sequence, context);
        let Some(costs) = engine.profile(batch)? else { return Ok(Vec::new()) };
        let sum = |costs: &[OpCost]| costs.iter().map(|cost| cost.seconds).sum::<f64>();
        if fastest.as_ref().is_none_or(|fastest| sum(&costs) < sum(fastest)) {
            fastest = Some(costs);
        }
    }
    let mut answers: Vec<OpKindCost> = Vec::new();
    for cost in fastest.unwrap_or_default() {
        let plan = engine.plan();
        let (op, weight_bytes) = (plan.kind(cost.op), engine.weight_bytes(cost.op));
        let at = answers.iter().position(|answer| answer.op == op).unwrap_or_else(|| {
            let (count, dispatches, gpu_seconds, weight_bytes, bandwidth_share) = (0, 0, 0.0, 0, 0.0);
            answers.push(OpKindCost { op, count, dispatches, gpu_seconds, weight_bytes, bandwidth_share });
            answers.len() - 1
        });
        answers[at].count += 1;
        answers[at].dispatches += cost.dispatches;
        answers[at].gpu_seconds += cost.seconds;
        answers[at].weight_bytes += weight_bytes;
    }
    for answer in &mut answers {
        let bytes_a_second = rate(answer.weight_bytes as f64, answer.gpu_seconds);
        answer.bandwidth_share = rate(bytes_a_second, copy_bandwidth);
    }
    answers.sort_by(|one, other| other.gpu_seconds.total_cmp(&one.gpu_seconds));
    Ok(answers)
}
