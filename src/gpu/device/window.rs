//! The adapter that draws the window. The window has a device of its own, and may well be drawn by another adapter than
//! the one that computes.

use std::sync::{Mutex, PoisonError};

use wgpu::{Adapter, Backend, DeviceDescriptor, DeviceType, PowerPreference, Surface};

use super::adapter_info::{AdapterInfo, describe};
use super::failures::{self, Asked, FailedAdapter, Failures, Problem};
use super::waiting::{FIRST_PATIENCE, FirstFailure, Unfinished, poll};

/// The first of these adapters that can present to the surface and works, in the order in which wgpu itself would choose;
/// or why there is none.
pub fn adapter_for_window(
    adapters: &[Adapter],
    surface: Option<&Surface<'_>>,
    preference: PowerPreference,
    descriptor: &dyn Fn(&Adapter) -> DeviceDescriptor<'static>,
) -> Result<Adapter, String> {
    let presents = |adapter: &&Adapter| surface.is_none_or(|surface| adapter.is_surface_supported(surface));
    let mut able: Vec<&Adapter> = adapters.iter().filter(presents).collect();
    able.sort_by_key(|adapter| order(adapter.get_info().device_type, preference));
    let described = able.into_iter().enumerate().map(|(index, adapter)| (describe(index, adapter), adapter));
    let candidates: Vec<(AdapterInfo, &Adapter)> = described.collect();
    let memory = Mutex::new(Failures::default());
    let opened = failures::open_first(&candidates, Asked::Nothing, &memory, |_, adapter| {
        try_out(adapter, &descriptor(adapter)).map(|()| (*adapter).clone())
    });
    let (Ok((_, failed)) | Err(failed)) = &opened;
    remember(failed);
    opened.map(|(adapter, _)| adapter).map_err(|failed| reason(&failed))
}

/// As wgpu orders them.
fn order(kind: DeviceType, preference: PowerPreference) -> u8 {
    match (kind, preference) {
        (_, PowerPreference::None) => 0,
        (DeviceType::DiscreteGpu, PowerPreference::HighPerformance) => 1,
        (DeviceType::IntegratedGpu, PowerPreference::HighPerformance) => 2,
        (DeviceType::IntegratedGpu, PowerPreference::LowPower) => 1,
        (DeviceType::DiscreteGpu, PowerPreference::LowPower) => 2,
        (DeviceType::Other, _) => 3,
        (DeviceType::VirtualGpu, _) => 4,
        (DeviceType::Cpu, _) => 5,
    }
}

/// Tells the engine of adapters that took a device and then failed, so that it need not wait for them as well. What was
/// merely refused may be granted to the engine, which asks for something else.
fn remember(failed: &[FailedAdapter]) {
    let mut known = failures::KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    for FailedAdapter { info, problem } in failed {
        log::info!("{} does not draw the window: {problem}", info.full_name());
        if matches!(problem, Problem::FailedAtOnce(_) | Problem::Silent { .. }) {
            known.note(info, Some(problem.clone()));
        }
    }
}

fn reason(failed: &[FailedAdapter]) -> String {
    if failed.is_empty() {
        return "there is no GPU driver that can draw on this display".to_owned();
    }
    let each =
        failed.iter().map(|FailedAdapter { info, problem }| format!("{}: {problem}", info.full_name()));
    format!("no adapter of this machine can draw it: {}", each.collect::<Vec<_>>().join("; "))
}

/// Opens the adapter as the window will, and draws nothing on a small picture.
fn try_out(adapter: &Adapter, descriptor: &DeviceDescriptor<'_>) -> Result<(), Problem> {
    // The devices of an adapter of GL share one context with the surface, and it comes last anyway.
    if adapter.get_info().backend == Backend::Gl {
        return Ok(());
    }
    let (device, queue) = pollster::block_on(adapter.request_device(descriptor))
        .map_err(|error| Problem::Refused(error.to_string()))?;
    let worked = draw(&device, &queue);
    if worked.is_err() {
        // Left alone: to close a device that hangs is to wait for it, perhaps for ever.
        std::mem::forget((device, queue));
    }
    worked
}

fn draw(device: &wgpu::Device, queue: &wgpu::Queue) -> Result<(), Problem> {
    let failure = FirstFailure::watch(device);
    let picture = device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size: wgpu::Extent3d { width: 16, height: 16, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
        view_formats: &[],
    });
    let view = picture.create_view(&wgpu::TextureViewDescriptor::default());
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    drop(encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view: &view,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations::default(),
        })],
        ..Default::default()
    }));
    let submission_index = Some(queue.submit([encoder.finish()]));
    let waited = poll(device, wgpu::PollType::Wait { submission_index, timeout: Some(FIRST_PATIENCE) });
    failure.check().map_err(Problem::from)?;
    waited.map_err(|unfinished| match unfinished {
        Unfinished::Silent(_) => Problem::Silent { seconds: FIRST_PATIENCE.as_secs() },
        Unfinished::Lost => Problem::from(unfinished.error()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every adapter here, as the window would list them.
    fn adapters() -> Vec<Adapter> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY))
    }

    #[test]
    fn the_window_gets_an_adapter_that_works() {
        let descriptor = |_: &Adapter| DeviceDescriptor::default();
        let chosen =
            adapter_for_window(&adapters(), None, PowerPreference::HighPerformance, &descriptor).unwrap();
        assert!(try_out(&chosen, &DeviceDescriptor::default()).is_ok());
    }

    #[test]
    fn adapters_that_do_not_work_are_named_with_their_reasons() {
        let limits = wgpu::Limits { max_texture_dimension_2d: u32::MAX, ..Default::default() };
        let descriptor =
            |_: &Adapter| DeviceDescriptor { required_limits: limits.clone(), ..DeviceDescriptor::default() };
        let adapters = adapters();
        let refused = adapter_for_window(&adapters, None, PowerPreference::None, &descriptor).unwrap_err();
        assert!(
            refused.contains(&adapters[0].get_info().name) && refused.contains("does not open"),
            "{refused}"
        );
        let none = adapter_for_window(&[], None, PowerPreference::None, &descriptor).unwrap_err();
        assert!(none.contains("no GPU driver"), "{none}");
    }
}
