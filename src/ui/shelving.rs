//! What the window does about the models on this computer: it looks for them while the open card shows.

use std::path::{Path, PathBuf};

use egui::Context;

use super::app::App;
use super::looking::Looking;
use super::shelf::Phase;
use crate::library::Environment;

impl App {
    /// The window, with the folders of this system to look for models in; without them it looks into those alone that a
    /// person added.
    pub fn looking_in(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Looks for models while the open card shows, or a page that offers them, and takes in what is found.
    pub(super) fn look_for_models(&mut self, ctx: &Context) {
        let offers = self.environment.home.is_some() && self.state.offers_models(&self.view);
        let cards = &mut self.state.cards;
        if !cards.open && !offers {
            self.looking = None;
            cards.shelf.phase = Phase::Waiting;
            return;
        }
        if cards.shelf.phase == Phase::Waiting {
            cards.shelf.begin();
            let remembered = &self.state.remembered;
            let (added, adapter) = (remembered.library_folders.clone(), remembered.adapter.clone());
            self.looking = Some(Looking::start(self.environment.clone(), added, adapter, ctx));
        }
        if self.looking.as_ref().is_some_and(|looking| looking.take(&mut cards.shelf)) {
            self.looking = None;
        }
    }

    /// Looks into another folder from now on.
    pub(super) fn add_library_folder(&mut self, folder: PathBuf) {
        self.state.remembered.add_library_folder(folder);
        self.look_again();
    }

    /// Looks no more into a folder.
    pub(super) fn forget_library_folder(&mut self, folder: &Path) {
        self.state.remembered.library_folders.retain(|known| known.as_path() != folder);
        self.look_again();
    }

    /// Looks for models anew, where they are looked for.
    pub(super) fn look_again(&mut self) {
        self.looking = None;
        self.state.cards.shelf.phase = Phase::Waiting;
    }
}
