//! What the window does to connect to servers: it asks for their models, and keeps keys for as long as it runs.
//! Never before a person presses the button that says whom it asks.

use egui::Context;

use super::action::Action;
use super::app::App;
use super::asking::Asking;
use super::connect_card::{ConnectAction, Served};
use crate::decoding::StrategyKind;
use crate::session::event::Loaded;
use crate::session::{ApiKey, KEY_VARIABLE, ModelSource, Notice, ServedModel, ServerAddress, Severity};

impl App {
    pub(super) fn perform_on_servers(&mut self, action: ConnectAction, ctx: &Context) {
        let card = &mut self.state.cards.connect;
        match action {
            ConnectAction::Show if card.shows => card.shows = false,
            ConnectAction::Show => {
                (card.shows, card.focus, self.state.cards.open) = (true, true, false);
                card.has_variable = std::env::var_os(KEY_VARIABLE).is_some_and(|key| !key.is_empty());
                if card.address.is_empty()
                    && let Some(last) = self.state.remembered.servers.first()
                {
                    card.address.clone_from(last);
                }
            }
            ConnectAction::Back => {
                card.shows = false;
                self.stop_asking();
                self.perform(ctx, Action::ShowOpen);
            }
            ConnectAction::Fill(address) => {
                (card.address, card.focus, card.served) = (address, true, Served::Nothing);
                self.asking = None;
            }
            ConnectAction::Ask => self.ask_server(ctx),
            ConnectAction::Stop => self.stop_asking(),
            ConnectAction::ForgetKey(address) => {
                self.state.keys.forget(&address);
            }
            ConnectAction::ForgetServers => self.state.remembered.servers.clear(),
        }
    }

    fn stop_asking(&mut self) {
        self.asking = None;
        let served = &mut self.state.cards.connect.served;
        if matches!(served, Served::Asking(_)) {
            *served = Served::Nothing;
        }
    }

    fn ask_server(&mut self, ctx: &Context) {
        let card = &mut self.state.cards.connect;
        self.asking = None;
        let typed = std::mem::take(&mut card.key);
        let asked = card.typed().and_then(|address| {
            if !typed.trim().is_empty() {
                let key = ApiKey::new(&typed).map_err(|error| error.to_string())?;
                self.state.keys.set(&address, key);
            }
            Ok(address)
        });
        let asked = asked.and_then(|address| Ok((self.key_for(&address)?, address)));
        let card = &mut self.state.cards.connect;
        card.selected = 0;
        match asked {
            Ok((key, address)) => {
                card.served = Served::Asking(address.clone());
                self.asking = Some(Asking::start(address, key, ctx));
            }
            Err(problem) => card.served = Served::Failed(problem),
        }
    }

    /// The key for a server: the one that was typed for it, or that of the variable.
    fn key_for(&self, address: &ServerAddress) -> Result<Option<ApiKey>, String> {
        match self.state.keys.get(address) {
            Some(key) => Ok(Some(key.clone())),
            None => ApiKey::from_environment().map_err(|error| error.to_string()),
        }
    }

    /// The key with which a model is loaded.
    pub(super) fn key_of(&self, source: &ModelSource) -> Option<ApiKey> {
        match source {
            ModelSource::Server(address) => self.key_for(address).ok().flatten(),
            ModelSource::BuiltIn | ModelSource::BuiltInDraft | ModelSource::Path(_) => None,
        }
    }

    /// Takes in what the server said.
    pub(super) fn take_served(&mut self) {
        let Some(asking) = &self.asking else { return };
        let Some(answer) = asking.answer() else { return };
        let address = asking.address.clone();
        self.asking = None;
        let card = &mut self.state.cards.connect;
        card.served = match answer {
            Ok(models) if models.is_empty() => {
                Served::Failed(format!("{} serves no model now.", address.host()))
            }
            Ok(models) => {
                let named = |model: &ServedModel| Some(model.id.as_str()) == address.model();
                card.selected = models.iter().position(named).unwrap_or_default();
                Served::There { address, models }
            }
            Err(problem) => {
                card.focus_key = problem.wants_key;
                Served::Failed(problem.words)
            }
        };
    }

    /// Lets go of a strategy that the model which was just opened cannot follow, and says so.
    pub(super) fn fit_strategy(&mut self, loaded: &Loaded) {
        let strategy = &mut self.state.remembered.decoding.strategy;
        let (fits, why) = match (*strategy, &loaded.server) {
            (StrategyKind::Server, None) => (
                StrategyKind::Sample,
                "The strategy Server is for models on a server; this one is on this computer.",
            ),
            (StrategyKind::Contrastive, Some(_)) => (
                StrategyKind::Greedy,
                "Contrastive search needs the final hidden states, which no server sends.",
            ),
            _ => return,
        };
        *strategy = fits;
        self.view.tell(Notice {
            severity: Severity::Information,
            title: format!("Strategy: {}", fits.name()),
            detail: format!("{why} So the strategy is now {}.", fits.name()),
        });
    }
}
