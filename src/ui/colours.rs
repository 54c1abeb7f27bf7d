//! The perceptual colour map for quantities. Colour never stands alone: the number is in a tooltip or beside it.

use egui::{Color32, Ui};
use egui_plot::LineStyle;

/// Samples of viridis (van der Walt and Smith, CC0) at ninths of 0–1; between them colours are mixed.
const VIRIDIS: [[u8; 3]; 10] = [
    [0x44, 0x01, 0x54],
    [0x48, 0x28, 0x78],
    [0x3E, 0x49, 0x89],
    [0x31, 0x68, 0x8E],
    [0x26, 0x82, 0x8E],
    [0x1F, 0x9E, 0x89],
    [0x35, 0xB7, 0x79],
    [0x6E, 0xCE, 0x58],
    [0xB5, 0xDE, 0x2B],
    [0xFD, 0xE7, 0x25],
];

/// The colour of a value from 0 (dark violet) to 1 (yellow); values outside are clamped, NaN is 0.
fn viridis(value: f32) -> Color32 {
    let value = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
    let position = value * (VIRIDIS.len() - 1) as f32;
    let index = (position as usize).min(VIRIDIS.len() - 2);
    let part = position - index as f32;
    let [r, g, b] = std::array::from_fn(|channel| {
        let from = f32::from(VIRIDIS[index][channel]);
        let to = f32::from(VIRIDIS[index + 1][channel]);
        (from + (to - from) * part).round() as u8
    });
    Color32::from_rgb(r, g, b)
}

/// The colour of a quantity on a theme: the end of the map that would vanish in the ground is left out.
pub(super) fn quantity(ui: &Ui, value: f32) -> Color32 {
    let value = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
    viridis(if ui.visuals().dark_mode { 0.2 + 0.8 * value } else { 0.92 * value })
}

/// The colour of a weight on a ground, which 0 leaves as it is: of its root, so that small ones show beside large ones.
pub(super) fn weight_tint(ui: &Ui, ground: Color32, weight: f32) -> Color32 {
    let share = weight.max(0.0).sqrt();
    mix(ground, quantity(ui, share), (share * 1.6).min(0.8))
}

/// How one of several lines in a plot looks: no two of the first 24 look alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Series {
    /// Its colour.
    pub color: Color32,
    /// Its dashes, where colours repeat.
    pub style: LineStyle,
}

/// Colours that stay apart for most eyes, on dark and on light ground.
const ON_DARK: [u32; 8] = [0x6EA8FE, 0xF0A04B, 0x5FC98E, 0xF27D8B, 0xB794F6, 0x4FC3D9, 0xE3CF5B, 0xC9A27E];
const ON_LIGHT: [u32; 8] = [0x2F5BD0, 0xB4560B, 0x1B7F4D, 0xC22B4A, 0x7A3EC8, 0x0D7A91, 0x8A7400, 0x7A5230];

/// The look of a line by its number.
pub(super) fn series(ui: &Ui, index: usize) -> Series {
    let colors = if ui.visuals().dark_mode { ON_DARK } else { ON_LIGHT };
    let [_, r, g, b] = colors[index % colors.len()].to_be_bytes();
    let style = match index / colors.len() % 3 {
        0 => LineStyle::Solid,
        1 => LineStyle::Dashed { length: 6.0 },
        _ => LineStyle::Dotted { spacing: 4.0 },
    };
    Series { color: Color32::from_rgb(r, g, b), style }
}

/// Mixes two opaque colours; 0 is the first.
pub(super) fn mix(first: Color32, second: Color32, part: f32) -> Color32 {
    first.lerp_to_gamma(second, part.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_meets_its_ends_and_grows_brighter() {
        assert_eq!(viridis(0.0), Color32::from_rgb(0x44, 0x01, 0x54));
        assert_eq!(viridis(1.0), Color32::from_rgb(0xFD, 0xE7, 0x25));
        assert_eq!(viridis(f32::NAN), viridis(-3.0));
        let brightness = |value: f32| {
            let colour = viridis(value);
            0.2126 * f32::from(colour.r()) + 0.7152 * f32::from(colour.g()) + 0.0722 * f32::from(colour.b())
        };
        for step in 0..50 {
            assert!(brightness((step + 1) as f32 / 50.0) > brightness(step as f32 / 50.0));
        }
    }
}
