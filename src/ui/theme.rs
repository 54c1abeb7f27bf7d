//! Design tokens: colours, spacing, type. The only file that holds a colour, a font or a distance that more
//! than one panel uses.

use std::sync::Arc;

use egui::epaint::Shadow;
use egui::epaint::text::{FontTweak, VariationCoords};
use egui::{
    Color32, Context, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Stroke, TextStyle,
    Theme, Ui, Visuals, vec2,
};

/// Below this width, in points, the window shows one pane at a time and the run buttons in the top bar.
pub const NARROW: f32 = 820.0;

/// Height below which a window is low, in points.
pub const LOW: f32 = 600.0;

/// Height of the timeline in a window of this height.
pub fn timeline_height(window: f32) -> f32 {
    if window < LOW { 92.0 } else { 132.0 }
}

/// Distances, in points, on a grid of four.
pub mod space {
    /// Between things that belong together.
    pub const XS: f32 = 4.0;
    /// Between neighbours.
    pub const S: f32 = 8.0;
    /// Between rows of a group.
    pub const M: f32 = 12.0;
    /// Margin of a panel.
    pub const L: f32 = 16.0;
    /// Between groups.
    pub const XL: f32 = 24.0;
}

/// Sizes of type, in points.
pub mod size {
    /// Section titles and axis labels.
    pub const CAPTION: f32 = 10.5;
    /// Secondary text and numbers in tables.
    pub const SMALL: f32 = 12.0;
    /// Everything else.
    pub const BODY: f32 = 13.0;
    /// Titles of cards.
    pub const TITLE: f32 = 15.0;
    /// The one figure that a panel is about.
    pub const DISPLAY: f32 = 22.0;
}

/// Corner radius of controls and chips, in points.
pub const RADIUS: u8 = 6;

/// The colours of one theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// Behind everything.
    pub window: Color32,
    /// Panels.
    pub surface: Color32,
    /// Controls, cards and rows on a panel.
    pub raised: Color32,
    /// A control under the pointer.
    pub hover: Color32,
    /// Hairlines.
    pub line: Color32,
    /// Outlines of controls.
    pub outline: Color32,
    /// Text to read first.
    pub text: Color32,
    /// Text to read second.
    pub secondary: Color32,
    /// Captions, axes, what is cut.
    pub tertiary: Color32,
    /// The one accent: what is selected, what runs, what to press.
    pub accent: Color32,
    /// The accent as a background.
    pub accent_soft: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// Done.
    pub good: Color32,
    /// Look at it.
    pub warning: Color32,
    /// Did not work.
    pub error: Color32,
    /// The second curve of a chart.
    pub second: Color32,
}

/// Dark.
pub const DARK: Palette = Palette {
    window: Color32::from_rgb(0x0E, 0x0F, 0x13),
    surface: Color32::from_rgb(0x15, 0x17, 0x1C),
    raised: Color32::from_rgb(0x1E, 0x21, 0x28),
    hover: Color32::from_rgb(0x27, 0x2B, 0x34),
    line: Color32::from_rgb(0x24, 0x27, 0x2F),
    outline: Color32::from_rgb(0x33, 0x38, 0x43),
    text: Color32::from_rgb(0xE8, 0xEA, 0xEE),
    secondary: Color32::from_rgb(0xA9, 0xAF, 0xBB),
    tertiary: Color32::from_rgb(0x7F, 0x87, 0x96),
    accent: Color32::from_rgb(0x7C, 0x94, 0xFF),
    accent_soft: Color32::from_rgb(0x25, 0x2C, 0x4A),
    on_accent: Color32::from_rgb(0x0B, 0x0E, 0x1C),
    good: Color32::from_rgb(0x4C, 0xC3, 0x8A),
    warning: Color32::from_rgb(0xF2, 0xB8, 0x4B),
    error: Color32::from_rgb(0xF4, 0x6A, 0x6E),
    second: Color32::from_rgb(0xE0, 0x9F, 0x5C),
};

/// Light.
pub const LIGHT: Palette = Palette {
    window: Color32::from_rgb(0xF1, 0xF2, 0xF5),
    surface: Color32::from_rgb(0xFC, 0xFC, 0xFD),
    raised: Color32::from_rgb(0xF0, 0xF1, 0xF4),
    hover: Color32::from_rgb(0xE5, 0xE7, 0xEC),
    line: Color32::from_rgb(0xE3, 0xE5, 0xEA),
    outline: Color32::from_rgb(0xD0, 0xD4, 0xDC),
    text: Color32::from_rgb(0x16, 0x18, 0x1D),
    secondary: Color32::from_rgb(0x50, 0x57, 0x66),
    tertiary: Color32::from_rgb(0x70, 0x78, 0x88),
    accent: Color32::from_rgb(0x3B, 0x55, 0xD9),
    accent_soft: Color32::from_rgb(0xE3, 0xE8, 0xFC),
    on_accent: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    good: Color32::from_rgb(0x17, 0x80, 0x4F),
    warning: Color32::from_rgb(0x9A, 0x64, 0x00),
    error: Color32::from_rgb(0xC9, 0x2A, 0x35),
    second: Color32::from_rgb(0xB2, 0x63, 0x12),
};

/// The colours of the theme in use.
pub fn palette(ui: &Ui) -> &'static Palette {
    if ui.visuals().dark_mode { &DARK } else { &LIGHT }
}

/// Proportional type.
pub fn regular(size: f32) -> FontId {
    FontId::new(size, FontFamily::Proportional)
}

/// Proportional type for titles and figures.
pub fn semibold(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name("semibold".into()))
}

/// Monospace, for tokens and numbers in columns.
pub fn mono(size: f32) -> FontId {
    FontId::new(size, FontFamily::Monospace)
}

/// Gives a context the fonts and both themes.
pub fn install(ctx: &Context) {
    ctx.set_fonts(fonts());
    for theme in [Theme::Dark, Theme::Light] {
        ctx.style_mut_of(theme, |style| {
            let palette = match theme {
                Theme::Dark => &DARK,
                Theme::Light => &LIGHT,
            };
            style.visuals = visuals(theme, palette);
            style.text_styles = [
                (TextStyle::Small, regular(size::CAPTION)),
                (TextStyle::Body, regular(size::BODY)),
                (TextStyle::Button, regular(size::BODY)),
                (TextStyle::Heading, semibold(size::TITLE)),
                (TextStyle::Monospace, mono(size::BODY)),
            ]
            .into();
            let spacing = &mut style.spacing;
            spacing.item_spacing = vec2(space::S, space::S);
            spacing.button_padding = vec2(10.0, 5.0);
            spacing.interact_size = vec2(36.0, 28.0);
            spacing.menu_margin = Margin::same(8);
            spacing.window_margin = Margin::same(16);
            spacing.slider_rail_height = 4.0;
            spacing.icon_width = 16.0;
            spacing.icon_width_inner = 8.0;
            spacing.combo_width = 80.0;
            spacing.tooltip_width = 320.0;
            spacing.scroll.bar_width = 8.0;
            spacing.scroll.floating_width = 4.0;
            style.interaction.tooltip_delay = 0.35;
            style.interaction.selectable_labels = false;
            style.animation_time = 0.12;
        });
    }
}

fn fonts() -> FontDefinitions {
    const INTER: &[u8] = include_bytes!("../../assets/fonts/Inter-subset.ttf");
    const MONO: &[u8] = include_bytes!("../../assets/fonts/JetBrainsMono-subset.ttf");
    let weight = |weight: f32| {
        let mut data = FontData::from_static(INTER);
        data.tweak = FontTweak { coords: VariationCoords::new([("wght", weight)]), ..FontTweak::default() };
        Arc::new(data)
    };
    let mut fonts = FontDefinitions::default();
    fonts.font_data.insert("Inter".into(), weight(430.0));
    fonts.font_data.insert("Inter semibold".into(), weight(620.0));
    fonts.font_data.insert("JetBrains Mono".into(), Arc::new(FontData::from_static(MONO)));

    // The fonts that come with egui stay as fallbacks, for symbols that ours lack.
    let families = &mut fonts.families;
    let fallback = families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    let with = |first: &str| [first.to_owned()].into_iter().chain(fallback.clone()).collect::<Vec<_>>();
    families.insert(FontFamily::Proportional, with("Inter"));
    families.insert(FontFamily::Name("semibold".into()), with("Inter semibold"));
    let mut monospace = vec!["JetBrains Mono".to_owned(), "Inter".to_owned()];
    monospace.extend(families.get(&FontFamily::Monospace).cloned().unwrap_or_default());
    families.insert(FontFamily::Monospace, monospace);
    fonts
}

fn visuals(theme: Theme, palette: &Palette) -> Visuals {
    let mut visuals = match theme {
        Theme::Dark => Visuals::dark(),
        Theme::Light => Visuals::light(),
    };
    let radius = CornerRadius::same(RADIUS);
    visuals.panel_fill = palette.surface;
    visuals.window_fill = palette.surface;
    visuals.window_stroke = Stroke::new(1.0, palette.outline);
    visuals.window_corner_radius = CornerRadius::same(10);
    visuals.menu_corner_radius = CornerRadius::same(8);
    visuals.extreme_bg_color = palette.window;
    visuals.text_edit_bg_color = Some(palette.window);
    visuals.faint_bg_color = palette.raised;
    visuals.code_bg_color = palette.raised;
    visuals.hyperlink_color = palette.accent;
    visuals.warn_fg_color = palette.warning;
    visuals.error_fg_color = palette.error;
    visuals.weak_text_color = Some(palette.tertiary);
    visuals.selection.bg_fill = palette.accent_soft;
    visuals.selection.stroke = Stroke::new(1.0, palette.accent);
    visuals.slider_trailing_fill = true;
    visuals.handle_shape = egui::style::HandleShape::Circle;
    visuals.text_cursor.stroke = Stroke::new(1.5, palette.accent);
    visuals.disabled_alpha = 0.4;
    let shadow = Shadow {
        offset: [0, 8],
        blur: 24,
        spread: 0,
        color: Color32::from_black_alpha(if theme == Theme::Dark { 120 } else { 36 }),
    };
    visuals.popup_shadow = shadow;
    visuals.window_shadow = shadow;
    let widgets = &mut visuals.widgets;
    for (state, fill, outline, text) in [
        (&mut widgets.noninteractive, palette.surface, palette.line, palette.secondary),
        (&mut widgets.inactive, palette.raised, palette.outline, palette.text),
        (&mut widgets.hovered, palette.hover, palette.outline, palette.text),
        (&mut widgets.active, palette.hover, palette.accent, palette.text),
        (&mut widgets.open, palette.hover, palette.outline, palette.text),
    ] {
        state.bg_fill = fill;
        state.weak_bg_fill = fill;
        state.bg_stroke = Stroke::new(1.0, outline);
        state.fg_stroke = Stroke::new(1.0, text);
        state.corner_radius = radius;
        state.expansion = 0.0;
    }
    visuals
}
