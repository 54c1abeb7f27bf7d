//! What the window does to connect to servers: it asks for their models, and has keys kept.
//! Never before a person presses the button that says whom it asks.

use std::sync::Arc;

use egui::Context;

use super::action::Action;
use super::app::App;
use super::asking::{self, Asking, Said, WithKey};
use super::connect_card::{ConnectAction, Served};
use crate::decoding::StrategyKind;
use crate::session::event::Loaded;
use crate::session::{ApiKey, KEY_VARIABLE, Kept, ModelSource, Notice, ServedModel, ServerKeys, Severity};

impl App {
    /// The window, with keys of servers kept there.
    pub fn keeping_keys_in(mut self, keys: ServerKeys) -> Self {
        self.server_keys = Arc::new(keys);
        self
    }

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
                let key = self.state.keys.forget(&address);
                let answer = asking::forget(&address, Arc::clone(&self.server_keys), ctx);
                // Of a key that was in memory alone the keyring has nothing to say.
                self.forgetting = key.filter(|key| key.kept == Some(Kept::InKeyring)).map(|_| answer);
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
        card.selected = 0;
        let typed = std::mem::take(&mut card.key);
        let asked = card.typed().and_then(|address| {
            let key = match self.state.keys.get(&address) {
                _ if !typed.trim().is_empty() => {
                    WithKey::Typed(ApiKey::new(&typed).map_err(|error| error.to_string())?)
                }
                Some(key) => WithKey::InUse(key.clone()),
                None => WithKey::Found,
            };
            Ok((address, key))
        });
        match asked {
            Ok((address, key)) => {
                card.served = Served::Asking(address.clone());
                self.asking = Some(Asking::start(address, key, Arc::clone(&self.server_keys), ctx));
            }
            Err(problem) => card.served = Served::Failed(problem),
        }
    }

    /// The key with which a model is loaded: the one that its server took, or that of the variable.
    pub(super) fn key_of(&self, source: &ModelSource) -> Option<ApiKey> {
        let ModelSource::Server(address) = source else { return None };
        let in_use = self.state.keys.get(address).map(|key| key.key.clone());
        in_use.or_else(|| ApiKey::from_environment().ok().flatten())
    }

    /// Takes in what the server said, and what the keyring did.
    pub(super) fn take_served(&mut self) {
        if let Some(Err(problem)) = self.forgetting.as_ref().and_then(|answer| answer.try_recv().ok()) {
            self.forgetting = None;
            self.view.tell(Notice {
                severity: Severity::Warning,
                title: "The key is still in the keyring".to_owned(),
                detail: format!("{problem}. Remove the entry “Logitscope” there yourself."),
            });
        }
        let Some(asking) = &self.asking else { return };
        let Some(answer) = asking.answer() else { return };
        let address = asking.address.clone();
        self.asking = None;
        let card = &mut self.state.cards.connect;
        card.served = match answer {
            Ok(Said { models, key }) => {
                if let Some(key) = key {
                    self.state.keys.set(&address, key);
                }
                if models.is_empty() {
                    Served::Failed(format!("{} serves no model now.", address.host()))
                } else {
                    let named = |model: &ServedModel| Some(model.id.as_str()) == address.model();
                    card.selected = models.iter().position(named).unwrap_or_default();
                    Served::There { address, models }
                }
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
