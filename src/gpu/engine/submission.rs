//! Handing a pass to the GPU, stage by stage; where a stage needs experts, the CPU reads which ones the router chose, and
//! brings them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wgpu::SubmissionIndex;

use super::recorder::Routes;
use super::stages::Stage;
use crate::gpu::device::Device;
use crate::gpu::weights::HostLayers;
use crate::model::ModelError;

/// A pass that the GPU has all of.
pub(super) struct Handed {
    pub submission: SubmissionIndex,
    /// How long the CPU waited for routers.
    pub waited: Duration,
}

/// Submits stages one after the other. Where an interruption is to be answered, no more than two are ahead of the GPU, and
/// those after it are dropped.
pub(super) fn hand_over(
    device: &Device,
    host: &HostLayers,
    stages: Vec<Stage>,
    routes: Option<&Routes>,
    interrupt: Option<&AtomicBool>,
) -> Result<Handed, ModelError> {
    let go_on = || match interrupt.is_some_and(|interrupt| interrupt.load(Ordering::Relaxed)) {
        true => Err(ModelError::Interrupted),
        false => Ok(()),
    };
    let mut submitted: Vec<SubmissionIndex> = Vec::with_capacity(stages.len());
    let (mut told, mut waited) = (None, Duration::ZERO);
    for Stage { commands, copies, needs_experts, tells_routes } in stages {
        if let (Some(_), [.., before, _]) = (interrupt, &submitted[..]) {
            device.wait_for(Some(before.clone()))?;
            go_on()?;
        }
        let mut experts = None;
        if let Some(place) = needs_experts {
            let (routes, told) =
                routes.zip(told.take()).expect("a router told before its experts are needed");
            let choice = host.layers[place].choice.expect("a layer that is waited for has a router");
            let begin = Instant::now();
            let chosen = routes.read(device, choice, told)?;
            waited += begin.elapsed();
            go_on()?;
            experts = host.bring_experts(device, place, &chosen);
        }
        let submission = device.submit_commands(experts.into_iter().chain([commands]));
        host.brought(device, copies);
        if tells_routes {
            told = Some(submission.clone());
        }
        submitted.push(submission);
    }
    Ok(Handed { submission: submitted.pop().expect("a pass has commands"), waited })
}
