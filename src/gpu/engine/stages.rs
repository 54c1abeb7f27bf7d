//! The commands of a pass in stages, while they are recorded: what is submitted together, and what has to be there before.

use wgpu::CommandEncoder;

use crate::gpu::device::Device;
use crate::gpu::program::Resources;
use crate::gpu::weights::Choice;

/// Commands that are submitted together.
pub(super) struct Stage {
    pub commands: wgpu::CommandBuffer,
    /// The copies of layers among them, by their numbers, in their order.
    pub copies: Vec<usize>,
    /// The place of the layer whose chosen experts have to be there before.
    pub needs_experts: Option<usize>,
    /// Whether they end with a copy for the CPU of what a router chose.
    pub tells_routes: bool,
}

/// Stages while they are recorded.
pub(super) struct Staging<'a> {
    device: &'a Device,
    resources: &'a Resources,
    /// Where the next commands go.
    pub encoder: CommandEncoder,
    copies: Vec<usize>,
    needs_experts: Option<usize>,
    stages: Vec<Stage>,
}

impl<'a> Staging<'a> {
    pub(super) fn new(device: &'a Device, resources: &'a Resources) -> Self {
        let (encoder, copies, needs_experts, stages) = (device.encoder(), Vec::new(), None, Vec::new());
        Self { device, resources, encoder, copies, needs_experts, stages }
    }

    /// Records copies of layers in the computer's memory, by their numbers.
    pub(super) fn copy(&mut self, copies: &[usize]) {
        copies.iter().for_each(|&copy| self.resources.host.copies[copy].record(&mut self.encoder));
        self.copies.extend(copies);
    }

    /// Begins another stage.
    pub(super) fn cut(&mut self) {
        self.end(false);
    }

    /// Has what was chosen for so many rows copied to a buffer for the CPU, and begins another stage, which is not waited for
    /// with it.
    pub(super) fn tell_routes(&mut self, choice: Choice, rows: usize, buffer: &wgpu::Buffer) {
        let routes = self.resources.activation(choice.routes);
        self.encoder.copy_buffer_to_buffer(routes, 0, buffer, 0, choice.routes_bytes(rows));
        self.end(true);
    }

    /// Begins a stage that needs the experts of the layer of a place: those of the routes that were told last.
    pub(super) fn need_experts(&mut self, place: usize) {
        // Since then nothing was recorded but copies.
        if !self.copies.is_empty() {
            self.end(false);
        }
        self.needs_experts = Some(place);
    }

    pub(super) fn finish(mut self) -> Vec<Stage> {
        self.end(false);
        self.stages
    }

    fn end(&mut self, tells_routes: bool) {
        let encoder = std::mem::replace(&mut self.encoder, self.device.encoder());
        self.stages.push(Stage {
            commands: encoder.finish(),
            copies: std::mem::take(&mut self.copies),
            needs_experts: self.needs_experts.take(),
            tells_routes,
        });
    }
}
