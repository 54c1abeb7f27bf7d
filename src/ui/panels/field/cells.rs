//! Where the cells lie, and the one texture that paints them.

use egui::{Color32, ColorImage, Pos2, Rect, TextureHandle, TextureOptions, Ui, vec2};

use crate::session::WholeRow;
use crate::ui::colours::{mix, quantity};
use crate::ui::theme::palette;

/// How the cells fill a rectangle: in rows from the left top, by id.
pub(super) struct Cells {
    /// The rectangle.
    pub rect: Rect,
    /// Cells of a row.
    pub columns: usize,
    /// All cells.
    pub count: usize,
    rows: usize,
}

/// What the texture depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub run: u64,
    pub node: usize,
    pub stage: Option<usize>,
    pub columns: usize,
    pub dark: bool,
}

impl Cells {
    /// For so many tokens, as square as it goes.
    pub(super) fn new(rect: Rect, count: usize) -> Self {
        let columns = (count as f32 * rect.width() / rect.height().max(1.0)).sqrt().ceil();
        let columns = (columns as usize).clamp(1, count.max(1));
        Self { rect, columns, count, rows: count.div_ceil(columns).max(1) }
    }

    /// The cell of a token.
    pub(super) fn cell(&self, id: u32) -> Rect {
        let size = self.size();
        let (row, column) = (id as usize / self.columns, id as usize % self.columns);
        let min = self.rect.min + vec2(column as f32 * size.x, row as f32 * size.y);
        Rect::from_min_size(min, size)
    }

    /// The token whose cell is at a place.
    pub(super) fn id_at(&self, place: Pos2) -> Option<u32> {
        let (at, size) = (place - self.rect.min, self.size());
        if at.x < 0.0 || at.y < 0.0 {
            return None;
        }
        let (column, row) = ((at.x / size.x) as usize, (at.y / size.y) as usize);
        let id = row * self.columns + column;
        (column < self.columns && id < self.count).then_some(id as u32)
    }

    fn size(&self) -> egui::Vec2 {
        vec2(self.rect.width() / self.columns as f32, self.rect.height() / self.rows as f32)
    }
}

/// Whether a token that `cut` says was cut is lit after a stage; without one all are.
pub(super) fn is_lit(cut: Option<u8>, stage: Option<usize>) -> bool {
    stage.is_none_or(|stage| cut.is_none_or(|cut| usize::from(cut) > stage))
}

/// The logits that the ends of the colours stand for: the highest, and the one that a hundredth lies below.
pub(super) fn range(logits: &[f32]) -> [f32; 2] {
    let mut finite: Vec<f32> = logits.iter().copied().filter(|logit| logit.is_finite()).collect();
    if finite.is_empty() {
        return [0.0, 1.0];
    }
    let highest = finite.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let place = finite.len() / 100;
    let (_, low, _) = finite.select_nth_unstable_by(place, f32::total_cmp);
    [*low, highest]
}

/// The texture, painted anew only when something it shows changed.
pub(super) fn texture(ui: &Ui, key: Key, row: &WholeRow) -> TextureHandle {
    let id = ui.scope_id().with("vocabulary field");
    let known = ui.data(|data| data.get_temp::<(Key, TextureHandle)>(id));
    if let Some((_, texture)) = known.filter(|(before, _)| *before == key) {
        return texture;
    }
    let texture = ui.ctx().load_texture("vocabulary field", image(ui, key, row), TextureOptions::NEAREST);
    ui.data_mut(|data| data.insert_temp(id, (key, texture.clone())));
    texture
}

/// Forgets the texture: in a copy of the window's memory, of another context than the texture's.
pub(crate) fn forget_texture(ctx: &egui::Context) {
    ctx.data_mut(|data| data.remove_by_type::<(Key, TextureHandle)>());
}

fn image(ui: &Ui, key: Key, row: &WholeRow) -> ColorImage {
    /// Colours of the map: more than an eye tells apart.
    const SHADES: usize = 256;
    let ground = palette(ui).surface;
    let bright: Vec<Color32> =
        (0..SHADES).map(|shade| quantity(ui, shade as f32 / (SHADES - 1) as f32)).collect();
    let dim: Vec<Color32> = bright.iter().map(|color| mix(ground, *color, 0.16)).collect();
    let [low, high] = range(&row.logits);
    let span = (high - low).max(f32::MIN_POSITIVE);
    let rows = row.logits.len().div_ceil(key.columns).max(1);
    let shade = |logit: f32| (((logit - low) / span).clamp(0.0, 1.0) * (SHADES - 1) as f32) as usize;
    let cells = row.logits.iter().zip(&row.cut_by);
    let color = |(logit, cut): (&f32, &Option<u8>)| match is_lit(*cut, key.stage) {
        true => bright[shade(*logit)],
        false => dim[shade(*logit)],
    };
    let mut pixels: Vec<Color32> = cells.map(color).collect();
    pixels.resize(key.columns * rows, Color32::TRANSPARENT);
    ColorImage::new([key.columns, rows], pixels)
}

#[cfg(test)]
mod tests {
    use egui::pos2;

    use super::*;

    #[test]
    fn every_token_is_found_in_its_own_cell() {
        for (count, size) in
            [(1, (100.0, 50.0)), (7, (30.0, 300.0)), (4096, (800.0, 240.0)), (151_936, (700.0, 160.0))]
        {
            let rect = Rect::from_min_size(pos2(10.0, 20.0), vec2(size.0, size.1));
            let cells = Cells::new(rect, count);
            for id in (0..count).step_by(count.div_ceil(500)).chain([count - 1]) {
                let cell = cells.cell(id as u32);
                assert!(rect.expand(0.1).contains_rect(cell), "{count}: {id} lies in the field");
                assert_eq!(cells.id_at(cell.center()), Some(id as u32), "{count}");
            }
            assert_eq!(cells.id_at(rect.min - vec2(1.0, 0.0)), None);
        }
    }

    #[test]
    fn what_is_cut_is_dim_from_its_stage_on() {
        assert!(is_lit(Some(1), None) && is_lit(Some(1), Some(0)) && is_lit(None, Some(7)));
        assert!(!is_lit(Some(1), Some(1)) && !is_lit(Some(1), Some(2)));
        let logits: Vec<f32> = (0..1000).map(|id| id as f32).chain([f32::NEG_INFINITY, f32::NAN]).collect();
        assert_eq!(range(&logits), [10.0, 999.0]);
        assert_eq!(range(&[f32::NAN]), [0.0, 1.0]);
    }
}
