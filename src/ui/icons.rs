//! Icons drawn by hand, so that they share one weight and follow the text colour.

use std::f32::consts::TAU;

use egui::{Color32, Painter, Pos2, Rect, Shape, Stroke, pos2, vec2};

/// An icon on a 16-point square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Icon {
    /// The program's own sign: three bars of a distribution.
    Logo,
    /// Run.
    Play,
    /// Pause.
    Pause,
    /// One step.
    Step,
    /// Stop.
    Stop,
    /// Light theme.
    Sun,
    /// Dark theme.
    Moon,
    /// The system's theme.
    Half,
    /// Notices.
    Bell,
    /// Help.
    Question,
    /// Close or remove.
    Cross,
    /// Done.
    Check,
    /// Back to the default.
    Reset,
    /// Add.
    Plus,
    /// Open downwards.
    Down,
    /// What comes before.
    Up,
    /// Another random value.
    Dice,
    /// Follow the newest step.
    Follow,
    /// Copy to the clipboard.
    Copy,
    /// Save.
    Save,
    /// Let something out as a file.
    Export,
    /// One held against another: a balance.
    Scales,
    /// Panes beside each other.
    Panes,
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A branch: one line that leaves another.
    Branch,
    /// Pin a token.
    Pin,
    /// Runs side by side.
    Lanes,
    /// Change it.
    Pencil,
    /// Lessons.
    Book,
    /// A server: two boxes, one above the other.
    Server,
}

impl Icon {
    /// Paints the icon around a centre; `scale` 1 is 16 points.
    pub(super) fn paint(self, painter: &Painter, center: Pos2, scale: f32, color: Color32) {
        let stroke = Stroke::new(1.5 * scale.clamp(0.8, 1.4), color);
        let at = |x: f32, y: f32| pos2(center.x + (x - 8.0) * scale, center.y + (y - 8.0) * scale);
        let line = |points: &[(f32, f32)]| {
            painter.line(points.iter().map(|&(x, y)| at(x, y)).collect(), stroke);
        };
        let fill = |points: &[(f32, f32)]| {
            let points = points.iter().map(|&(x, y)| at(x, y)).collect();
            painter.add(Shape::convex_polygon(points, color, Stroke::NONE));
        };
        let block = |x: f32, y: f32, w: f32, h: f32, radius: f32| {
            painter.rect_filled(Rect::from_min_size(at(x, y), vec2(w, h) * scale), radius * scale, color);
        };
        let arc = |cx: f32, cy: f32, r: f32, from: f32, to: f32| {
            let points = (0..=24)
                .map(|i| {
                    let angle = TAU * (from + (to - from) * i as f32 / 24.0);
                    at(cx + r * angle.cos(), cy + r * angle.sin())
                })
                .collect();
            painter.line(points, stroke);
        };
        match self {
            Self::Branch => {
                line(&[(4.5, 2.0), (4.5, 14.0)]);
                line(&[(4.5, 10.0), (8.0, 9.2), (10.5, 7.2), (11.5, 4.5)]);
                painter.circle_filled(at(11.8, 3.4), 2.2 * scale, color);
            }
            Self::Pin => {
                block(5.0, 1.8, 6.0, 2.0, 0.75);
                fill(&[(6.2, 3.0), (9.8, 3.0), (9.8, 7.0), (12.0, 9.6), (4.0, 9.6), (6.2, 7.0)]);
                line(&[(8.0, 9.4), (8.0, 14.4)]);
            }
            Self::Server => {
                for top in [2.5, 9.0] {
                    line(&[(2.5, top), (13.5, top), (13.5, top + 4.5), (2.5, top + 4.5), (2.5, top)]);
                    painter.circle_filled(at(5.2, top + 2.25), 1.0 * scale, color);
                }
            }
            Self::Lanes => {
                line(&[(3.5, 2.5), (3.5, 13.5)]);
                line(&[(8.0, 2.5), (8.0, 13.5)]);
                line(&[(12.5, 2.5), (12.5, 13.5)]);
            }
            Self::Pencil => {
                line(&[(10.4, 3.0), (13.0, 5.6), (6.0, 12.6), (2.8, 13.2), (3.4, 10.0), (10.4, 3.0)]);
                line(&[(8.6, 4.8), (11.2, 7.4)]);
            }
            Self::Book => {
                line(&[(8.0, 4.2), (6.2, 3.0), (2.2, 3.0), (2.2, 12.6), (6.2, 12.6), (8.0, 13.8)]);
                line(&[(8.0, 4.2), (9.8, 3.0), (13.8, 3.0), (13.8, 12.6), (9.8, 12.6), (8.0, 13.8)]);
                line(&[(8.0, 4.2), (8.0, 13.8)]);
            }
            Self::Logo => {
                block(1.5, 8.0, 3.5, 6.5, 1.0);
                block(6.25, 1.5, 3.5, 13.0, 1.0);
                block(11.0, 5.0, 3.5, 9.5, 1.0);
            }
            Self::Play => fill(&[(4.5, 2.5), (13.5, 8.0), (4.5, 13.5)]),
            Self::Pause => {
                block(4.0, 3.0, 3.0, 10.0, 0.75);
                block(9.0, 3.0, 3.0, 10.0, 0.75);
            }
            Self::Step => {
                fill(&[(3.5, 3.0), (10.5, 8.0), (3.5, 13.0)]);
                block(11.0, 3.0, 2.25, 10.0, 0.75);
            }
            Self::Stop => block(3.5, 3.5, 9.0, 9.0, 1.5),
            Self::Sun => {
                painter.circle_stroke(center, 3.0 * scale, stroke);
                for i in 0..8 {
                    let angle = TAU * i as f32 / 8.0;
                    let (sin, cos) = angle.sin_cos();
                    line(&[(8.0 + 5.2 * cos, 8.0 + 5.2 * sin), (8.0 + 6.8 * cos, 8.0 + 6.8 * sin)]);
                }
            }
            Self::Moon => {
                arc(8.0, 8.0, 5.6, -0.07, 0.68);
                arc(10.6, 5.4, 4.35, 0.155, 0.595);
            }
            Self::Half => {
                painter.circle_stroke(center, 5.6 * scale, stroke);
                let points = (0..=24)
                    .map(|i| {
                        let angle = TAU * (0.25 + 0.5 * i as f32 / 24.0);
                        at(8.0 + 5.6 * angle.cos(), 8.0 + 5.6 * angle.sin())
                    })
                    .collect();
                painter.add(Shape::convex_polygon(points, color, Stroke::NONE));
            }
            Self::Bell => {
                line(&[(3.0, 11.5), (13.0, 11.5)]);
                line(&[(4.2, 11.5), (4.2, 7.0)]);
                line(&[(11.8, 11.5), (11.8, 7.0)]);
                arc(8.0, 7.0, 3.8, 0.5, 1.0);
                arc(8.0, 12.4, 1.5, 0.05, 0.45);
            }
            Self::Question => {
                arc(8.0, 6.0, 2.8, 0.5, 1.14);
                line(&[(9.9, 8.1), (8.0, 9.4), (8.0, 10.6)]);
                painter.circle_filled(at(8.0, 13.1), 1.0 * scale, color);
            }
            Self::Cross => {
                line(&[(4.5, 4.5), (11.5, 11.5)]);
                line(&[(11.5, 4.5), (4.5, 11.5)]);
            }
            Self::Check => line(&[(3.5, 8.5), (6.8, 11.8), (12.8, 4.8)]),
            Self::Reset => {
                arc(8.0, 8.4, 4.8, -0.12, 0.62);
                fill(&[(1.6, 6.9), (6.6, 7.1), (3.6, 2.9)]);
            }
            Self::Plus => {
                line(&[(8.0, 3.5), (8.0, 12.5)]);
                line(&[(3.5, 8.0), (12.5, 8.0)]);
            }
            Self::Dice => {
                let rect = Rect::from_min_size(at(2.5, 2.5), vec2(11.0, 11.0) * scale);
                painter.rect_stroke(rect, 2.5 * scale, stroke, egui::StrokeKind::Inside);
                for (x, y) in [(5.8, 5.8), (8.0, 8.0), (10.2, 10.2)] {
                    painter.circle_filled(at(x, y), 1.1 * scale, color);
                }
            }
            Self::Follow => {
                line(&[(2.5, 8.0), (9.5, 8.0)]);
                line(&[(6.7, 5.0), (9.7, 8.0), (6.7, 11.0)]);
                line(&[(12.8, 3.5), (12.8, 12.5)]);
            }
            Self::Down => line(&[(4.5, 6.3), (8.0, 9.8), (11.5, 6.3)]),
            Self::Up => line(&[(4.5, 9.7), (8.0, 6.2), (11.5, 9.7)]),
            Self::Copy => {
                let rect = Rect::from_min_size(at(2.5, 5.5), vec2(8.0, 8.0) * scale);
                painter.rect_stroke(rect, 1.5 * scale, stroke, egui::StrokeKind::Inside);
                line(&[(6.0, 3.2), (12.8, 3.2), (12.8, 10.0)]);
            }
            Self::Export => {
                line(&[(8.0, 10.0), (8.0, 2.7)]);
                line(&[(4.8, 5.7), (8.0, 2.5), (11.2, 5.7)]);
                line(&[(2.8, 9.5), (2.8, 13.2), (13.2, 13.2), (13.2, 9.5)]);
            }
            Self::Scales => {
                line(&[(8.0, 2.2), (8.0, 13.6)]);
                line(&[(5.0, 13.6), (11.0, 13.6)]);
                line(&[(3.0, 4.6), (8.0, 3.6), (13.0, 4.6)]);
                line(&[(3.0, 4.6), (1.4, 9.4), (4.6, 9.4), (3.0, 4.6)]);
                line(&[(13.0, 4.6), (11.4, 9.4), (14.6, 9.4), (13.0, 4.6)]);
            }
            Self::Panes => {
                line(&[(2.8, 3.2), (13.2, 3.2), (13.2, 12.8), (2.8, 12.8), (2.8, 3.2)]);
                line(&[(2.8, 7.4), (13.2, 7.4)]);
                line(&[(8.8, 7.4), (8.8, 12.8)]);
            }
            Self::Save => {
                line(&[(8.0, 2.5), (8.0, 9.8)]);
                line(&[(4.8, 6.8), (8.0, 10.0), (11.2, 6.8)]);
                line(&[(2.8, 10.5), (2.8, 13.2), (13.2, 13.2), (13.2, 10.5)]);
            }
            Self::File => {
                line(&[
                    (9.2, 2.2),
                    (3.8, 2.2),
                    (3.8, 13.8),
                    (12.2, 13.8),
                    (12.2, 5.2),
                    (9.2, 2.2),
                    (9.2, 5.2),
                    (12.2, 5.2),
                ]);
            }
            Self::Folder => {
                line(&[
                    (2.2, 12.5),
                    (2.2, 3.8),
                    (6.2, 3.8),
                    (7.8, 5.6),
                    (13.8, 5.6),
                    (13.8, 12.5),
                    (2.2, 12.5),
                ]);
            }
        }
    }
}

/// The program's sign as the window's icon.
pub(super) fn window_icon() -> egui::IconData {
    const SIDE: usize = 64;
    const GROUND: [u8; 4] = [0x1B, 0x20, 0x38, 0xFF];
    const BAR: [u8; 4] = [0x7C, 0x94, 0xFF, 0xFF];
    // Left, top and bottom of the three bars, in pixels.
    const BARS: [[usize; 3]; 3] = [[13, 34, 51], [27, 13, 51], [41, 24, 51]];
    let mut rgba = vec![0; SIDE * SIDE * 4];
    for y in 0..SIDE {
        for x in 0..SIDE {
            let corner = |v: usize| 12_usize.saturating_sub(v.min(SIDE - 1 - v));
            if corner(x).pow(2) + corner(y).pow(2) > 12 * 12 {
                continue;
            }
            let bar = BARS
                .iter()
                .any(|[left, top, bottom]| (*left..left + 10).contains(&x) && (*top..*bottom).contains(&y));
            rgba[(y * SIDE + x) * 4..][..4].copy_from_slice(if bar { &BAR } else { &GROUND });
        }
    }
    egui::IconData { rgba, width: SIDE as u32, height: SIDE as u32 }
}
