//! A pane as a picture of twice its size on the screen: the window is laid out once more, without a pointer and for a finer
//! grid of pixels, and the part with the pane is drawn off screen.

use std::io;
use std::path::Path;
use std::time::Duration;

use eframe::egui_wgpu::{Renderer, RendererOptions, ScreenDescriptor};
use eframe::wgpu::{
    Buffer, BufferDescriptor, BufferUsages, Color as GpuColor, CommandBuffer, CommandEncoder,
    CommandEncoderDescriptor, Device, Extent3d, LoadOp, MapMode, Operations, PollType, Queue,
    RenderPassColorAttachment, RenderPassDescriptor, StoreOp, TexelCopyBufferInfo, TexelCopyBufferLayout,
    Texture, TextureDescriptor, TextureDimension, TextureFormat, TextureUsages, TextureViewDescriptor,
};
use egui::epaint::ImageDelta;
use egui::{ClippedPrimitive, Color32, Context, RawInput, TextureId};
use egui_tiles::Tree;

use super::arrangement;
use super::layout;
use super::pane::CompactPane;
use super::pane::Pane;
use super::panels::field;
use super::scene::Scene;
use super::theme;
use crate::whole_file;

/// Pixels of the picture for each of the screen's.
const SCALE: f32 = 2.0;

/// Times that the window is laid out: what fits itself to its content has settled then.
const LAYOUTS: usize = 3;

/// As egui draws: colours as they are stored.
const FORMAT: TextureFormat = TextureFormat::Rgba8Unorm;

/// Longest wait for the GPU.
const PATIENCE: Duration = Duration::from_secs(20);

/// A pane, laid out.
pub(super) struct Drawn {
    size: [u32; 2],
    pixels_per_point: f32,
    ground: Color32,
    textures: Vec<(TextureId, ImageDelta)>,
    shapes: Vec<ClippedPrimitive>,
}

/// Lays a pane out as the window shows it, or would if its tab were chosen.
pub(super) fn draw(ctx: &Context, mut scene: Scene<'_>, mut tree: Tree<Pane>, pane: Pane) -> Option<Drawn> {
    let off_screen = Context::default();
    // Where things are scrolled and what is unfolded is in the memory; its textures belong to the other context.
    off_screen.memory_mut(|memory| *memory = ctx.memory(Clone::clone));
    theme::install(&off_screen);
    field::forget_texture(&off_screen);
    egui::Popup::close_all(&off_screen);
    off_screen.set_theme(ctx.theme());

    arrangement::show(&mut tree, pane);
    let compact = std::mem::replace(&mut scene.state.compact_pane, CompactPane::Pane(pane));
    let cards = std::mem::take(&mut scene.state.cards);
    let toasts = std::mem::take(&mut scene.state.toasts);
    let mut drawn = None;
    let mut textures = Vec::new();
    for _ in 0..LAYOUTS {
        scene.state.pane_places.clear();
        let mut output = off_screen.run_ui(input(ctx), |ui| layout::show(ui, &mut scene, &mut tree));
        let changed = output.textures_delta.set.drain();
        textures.extend(changed.flat_map(|(id, images)| images.into_iter().map(move |image| (id, image))));
        output.textures_delta.clear();
        drawn = Some((output.shapes, output.pixels_per_point));
    }
    let place = scene.state.pane_places.iter().find(|(one, _)| *one == pane).map(|(_, place)| *place);
    (scene.state.compact_pane, scene.state.cards, scene.state.toasts) = (compact, cards, toasts);

    let (mut shapes, pixels_per_point) = drawn?;
    let place = place.filter(|place| place.is_positive())?;
    shapes.retain(|shape| shape.clip_rect.intersects(place));
    for shape in &mut shapes {
        shape.clip_rect = shape.clip_rect.intersect(place).translate(-place.min.to_vec2());
        shape.shape.translate(-place.min.to_vec2());
    }
    let pixels = |points: f32| (points * pixels_per_point).round().max(1.0) as u32;
    let dark = ctx.theme() == egui::Theme::Dark;
    Some(Drawn {
        size: [pixels(place.width()), pixels(place.height())],
        pixels_per_point,
        ground: if dark { theme::DARK.surface } else { theme::LIGHT.surface },
        textures,
        shapes: off_screen.tessellate(shapes, pixels_per_point),
    })
}

/// The window's size and time, and nothing that a person does.
fn input(ctx: &Context) -> RawInput {
    let native = ctx.native_pixels_per_point().unwrap_or(1.0) * SCALE;
    let mut input = RawInput {
        screen_rect: Some(ctx.input(|input| input.viewport_rect())),
        max_texture_side: Some(ctx.input(|input| input.max_texture_side)),
        time: Some(ctx.input(|input| input.time)),
        ..RawInput::default()
    };
    let viewport = input.viewports.entry(input.viewport_id).or_default();
    viewport.native_pixels_per_point = Some(native);
    input
}

impl Drawn {
    /// Draws it, and writes it as PNG; the file appears whole or not at all.
    pub(super) fn write(self, path: &Path, device: &Device, queue: &Queue) -> Result<(), String> {
        let [width, height] = self.size;
        let most = device.limits().max_texture_dimension_2d;
        if width.max(height) > most {
            return Err(format!(
                "the picture would be {width} × {height} pixels, and this GPU draws at most {most}: make the window smaller"
            ));
        }
        let pixels = self.pixels(device, queue)?;
        let written = whole_file::write(path, |file| encode(file, [width, height], &pixels));
        written.map_err(|error| format!("{} cannot be written: {error}", path.display()))
    }

    /// Its pixels, row by row, four bytes each.
    fn pixels(self, device: &Device, queue: &Queue) -> Result<Vec<u8>, String> {
        let [width, height] = self.size;
        let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor { label: Some("picture") });
        let texture = device.create_texture(&TextureDescriptor {
            label: Some("picture"),
            size: Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: TextureDimension::D2,
            format: FORMAT,
            usage: TextureUsages::RENDER_ATTACHMENT | TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let uploads = self.paint(device, queue, &mut encoder, &texture);

        // Rows of a copy begin at multiples of 256 bytes.
        let row = (width * 4).next_multiple_of(256);
        let buffer = device.create_buffer(&BufferDescriptor {
            label: Some("picture"),
            size: u64::from(row) * u64::from(height),
            usage: BufferUsages::COPY_DST | BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let layout = TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None };
        let copy = TexelCopyBufferInfo { buffer: &buffer, layout };
        encoder.copy_texture_to_buffer(texture.as_image_copy(), copy, texture.size());
        queue.submit(uploads.into_iter().chain([encoder.finish()]));
        let bytes = read(device, &buffer)?;
        let line = width as usize * 4;
        Ok(bytes.chunks(row as usize).flat_map(|padded| &padded[..line]).copied().collect())
    }

    /// Records the commands that paint it; those to submit before them.
    fn paint(
        self,
        device: &Device,
        queue: &Queue,
        encoder: &mut CommandEncoder,
        texture: &Texture,
    ) -> Vec<CommandBuffer> {
        let mut renderer = Renderer::new(device, FORMAT, RendererOptions::default());
        for (id, image) in &self.textures {
            renderer.update_texture(device, queue, *id, image);
        }
        let screen = ScreenDescriptor { size_in_pixels: self.size, pixels_per_point: self.pixels_per_point };
        let uploads = renderer.update_buffers(device, queue, encoder, &self.shapes, &screen);
        let [r, g, b, _] = self.ground.to_array().map(|channel| f64::from(channel) / 255.0);
        let attachment = RenderPassColorAttachment {
            view: &texture.create_view(&TextureViewDescriptor::default()),
            resolve_target: None,
            ops: Operations { load: LoadOp::Clear(GpuColor { r, g, b, a: 1.0 }), store: StoreOp::Store },
            depth_slice: None,
        };
        let pass = encoder.begin_render_pass(&RenderPassDescriptor {
            label: Some("picture"),
            color_attachments: &[Some(attachment)],
            ..RenderPassDescriptor::default()
        });
        renderer.render(&mut pass.forget_lifetime(), &self.shapes, &screen);
        uploads
    }
}

/// Waits for what was submitted, and reads a buffer of it.
fn read(device: &Device, buffer: &Buffer) -> Result<Vec<u8>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the GPU did not hand it over: {error}");
    let (sender, mapped) = std::sync::mpsc::channel();
    buffer.slice(..).map_async(MapMode::Read, move |result| {
        // Nobody waits any more if the wait was too long.
        let _ = sender.send(result);
    });
    let wait = PollType::Wait { submission_index: None, timeout: Some(PATIENCE) };
    device.poll(wait).map_err(|error| failed(&error))?;
    mapped.recv().map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    let bytes = buffer.slice(..).get_mapped_range().map_err(|error| failed(&error))?;
    Ok(bytes.to_vec())
}

fn encode(file: &mut impl io::Write, [width, height]: [u32; 2], pixels: &[u8]) -> io::Result<()> {
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    Ok(writer.finish()?)
}
