//! The perceptual colour map for quantities. Colour never stands alone: the number is in a tooltip or beside it.

use egui::{Color32, Ui};

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
