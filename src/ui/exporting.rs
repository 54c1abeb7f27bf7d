//! What the window does to let a run, a table or a pane out as a file. The data are taken here; files are made on a thread
//! of their own.

use std::path::PathBuf;

use eframe::egui_wgpu::RenderState;
use egui::Context;

use super::app::App;
use super::exports::Export;
use super::pane::Pane;
use super::panels::layers;
use super::picture;
use super::scene::Scene;
use super::trace_files::{FileWork, Save};
use crate::export::table::Table;
use crate::export::{csv, page, strategy_tables, tables};
use crate::session::{Notice, Severity};
use crate::trace::file;

impl App {
    /// Shows the card that asks where to, or says why there is nothing to write.
    pub(super) fn show_export(&mut self, export: Export) {
        let run = self.view.run.as_deref();
        let lacking = match export {
            Export::Trace | Export::Page if run.is_none_or(|run| run.line.is_empty()) => {
                Some("There is no run yet: press Run first.")
            }
            Export::Table(pane) if self.table(pane).is_none() => {
                Some("It shows nothing yet: run a prompt and select a step.")
            }
            _ => None,
        };
        if let Some(detail) = lacking {
            let title = format!("No {} to write", export.noun());
            self.view.tell(Notice { severity: Severity::Information, title, detail: detail.to_owned() });
            return;
        }
        let cards = &mut self.state.cards;
        if cards.saving_before != Some(export) {
            let folder = PathBuf::from(&cards.save_path).parent().map(PathBuf::from).unwrap_or_default();
            cards.save_path = folder.join(export.file_name(run)).display().to_string();
        }
        cards.taken_path = None;
        (cards.saving, cards.saving_before) = (Some(export), Some(export));
        cards.focus_path = true;
    }

    /// Writes what the card or the dialog asked about.
    pub(super) fn export(&mut self, export: Export, path: PathBuf, replace: bool, ctx: &Context) {
        let save = Save { noun: export.noun(), path, replace };
        let run = || self.view.run.clone();
        self.file_work = match export {
            Export::Trace => run().map(|run| {
                FileWork::save(save, ctx, move |path| {
                    file::write(path, &run).map_err(|error| error.to_string())
                })
            }),
            Export::Page => run().map(|run| {
                FileWork::save(save, ctx, move |path| {
                    page::write(path, &run).map_err(|error| error.to_string())
                })
            }),
            Export::Table(pane) => self.table(pane).map(|table| {
                FileWork::save(save, ctx, move |path| {
                    let written = csv::write(path, &table);
                    written.map_err(|error| format!("{} cannot be written: {error}", path.display()))
                })
            }),
            Export::Picture(pane) => self.picture(pane, save, ctx),
        };
    }

    fn picture(&mut self, pane: Pane, save: Save, ctx: &Context) -> Option<FileWork> {
        let Some(gpu) = self.window_gpu.clone() else {
            self.view.tell(Notice {
                severity: Severity::Error,
                title: "The picture could not be saved".to_owned(),
                detail: "This window is not drawn by a GPU's driver, which pictures need.".to_owned(),
            });
            return None;
        };
        let (state, tree) = (&mut self.state, self.tree.clone());
        let mut actions = Vec::new();
        let scene = Scene { view: &self.view, state, actions: &mut actions };
        let drawn = picture::draw(ctx, scene, tree, pane)?;
        let RenderState { device, queue, .. } = gpu;
        Some(FileWork::save(save, ctx, move |path| drawn.write(path, &device, &queue)))
    }

    /// What a pane shows, as a table; `None` while it shows nothing, and for panes without one.
    fn table(&self, pane: Pane) -> Option<Table> {
        let run = self.view.run.as_deref().filter(|run| !run.line.is_empty())?;
        let place = self.state.cursor.shown(run.line.len());
        let node = place.and_then(|place| run.line.get(place)).copied();
        match pane {
            Pane::Text => Some(tables::steps(run)),
            Pane::Pipeline => Some(tables::pipeline(run, &run.nodes[node?])),
            Pane::Strategy => Some(strategy_tables::weighed(run, run.step_of(node?)?)),
            Pane::Layers => layers::table(self.view.probed.as_ref()?.found.as_ref().ok()?),
            Pane::Pinned => Some(tables::pinned(run)).filter(|table| !table.rows.is_empty()),
            _ => None,
        }
    }
}
