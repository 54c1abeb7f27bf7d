//! What a watcher knows of runs side by side: one a lane. The one on show has its place in [`super::View::run`].

use std::sync::Arc;

use super::event::RunStarted;
use crate::trace::{PhaseFigures, Run};

/// Runs side by side, by lane.
#[derive(Clone, Debug, Default)]
pub struct LaneRuns {
    /// `None` for the one on show.
    beside: Vec<Option<Arc<Run>>>,
    /// The lane on show; `None` while the window shows another run.
    shown: Option<usize>,
    /// What the lanes share of initiation: token rows and seconds, which no lane's own figures hold.
    pub shared: PhaseFigures,
}

/// What a lane is called.
pub fn lane_letter(lane: usize) -> char {
    (b'A' + (lane % 26) as u8) as char
}

impl LaneRuns {
    /// Lanes that begin; the first is the run on show, `first`.
    pub(super) fn begin(first: &Run, others: Vec<RunStarted>) -> Self {
        let run = |started: RunStarted| started.run(first.model.clone(), first.adapter.clone());
        let others = others.into_iter().map(|started| Some(Arc::new(run(started))));
        Self { beside: std::iter::once(None).chain(others).collect(), shown: Some(0), ..Self::default() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.beside.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.beside.is_empty()
    }

    /// The lane on show.
    pub fn shown(&self) -> Option<usize> {
        self.shown
    }

    /// The run of a lane, where `on_show` is the one on show.
    pub(super) fn run<'a>(&'a self, lane: usize, on_show: Option<&'a Run>) -> Option<&'a Run> {
        if self.shown == Some(lane) { on_show } else { self.beside.get(lane)?.as_deref() }
    }

    /// The same, to be changed.
    pub(super) fn run_mut<'a>(
        &'a mut self,
        lane: usize,
        on_show: &'a mut Option<Arc<Run>>,
    ) -> Option<&'a mut Run> {
        let run =
            if self.shown == Some(lane) { on_show.as_mut() } else { self.beside.get_mut(lane)?.as_mut() };
        run.map(Arc::make_mut)
    }

    /// Lets a lane be the one on show.
    pub(super) fn show(&mut self, lane: usize, on_show: &mut Option<Arc<Run>>) {
        if self.shown == Some(lane) || lane >= self.beside.len() {
            return;
        }
        self.put_away(on_show);
        *on_show = self.beside[lane].take();
        self.shown = Some(lane);
    }

    /// Makes room for a run that is no lane.
    pub(super) fn put_away(&mut self, on_show: &mut Option<Arc<Run>>) {
        if let Some(shown) = self.shown.take() {
            self.beside[shown] = on_show.take();
        }
    }
}
