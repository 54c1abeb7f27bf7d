//! The runs beside the newest one, where several go on side by side: whose turn it is, and the prompt that they share.

use super::decode::Decode;
use super::live_run::LiveRun;
use super::load::ReadyModel;
use crate::decoding::initiation::{ChunkSize, PassCost, Prefill};
use crate::decoding::strategy::longest;
use crate::decoding::{CacheUse, Control, DecodingError, DecodingSettings, StrategyKind};
use crate::model::batch::RowOutput;
use crate::model::{LanguageModel, ModelError, SequenceId};
use crate::trace::PhaseFigures;

/// The runs of the lanes; none where the newest run has no others beside it.
#[derive(Default)]
pub(super) struct Lanes {
    /// By lane; `None` for the newest run's.
    beside: Vec<Option<LiveRun>>,
    /// The lane of the newest run.
    shown: usize,
    /// The lane that is to make the next step, if it moves.
    turn: usize,
    /// The prompt, while it is computed for all of them.
    pub shared: Option<SharedPrompt>,
}

impl Lanes {
    /// Lanes whose first is the newest run.
    pub(super) fn beside(others: Vec<LiveRun>, shared: Option<SharedPrompt>) -> Self {
        let beside = std::iter::once(None).chain(others.into_iter().map(Some)).collect();
        Self { beside, shown: 0, turn: 0, shared }
    }

    /// The lane of the newest run, if it is one of several.
    pub(super) fn shown(&self) -> Option<usize> {
        (!self.beside.is_empty()).then_some(self.shown)
    }

    /// The first lane's run, where `newest` is the newest run; `None` where there are no lanes.
    pub(super) fn first<'a>(&'a self, newest: Option<&'a LiveRun>) -> Option<&'a LiveRun> {
        match self.shown()? {
            0 => newest,
            _ => self.others().next(),
        }
    }

    /// All but the newest run.
    pub(super) fn others(&self) -> impl Iterator<Item = &LiveRun> {
        self.beside.iter().flatten()
    }

    /// The same, to be changed.
    pub(super) fn others_mut(&mut self) -> impl Iterator<Item = (usize, &mut LiveRun)> {
        self.beside.iter_mut().enumerate().filter_map(|(lane, run)| Some((lane, run.as_mut()?)))
    }

    /// The run of a lane that is not the newest run's.
    pub(super) fn other(&mut self, lane: usize) -> Option<&mut LiveRun> {
        self.beside.get_mut(lane)?.as_mut()
    }

    /// Whose turn it is of those that move; `None` where it is the newest run's.
    pub(super) fn take_turn(&mut self, newest_moves: bool) -> Option<usize> {
        let count = self.beside.len();
        let moves = |lane: usize| self.beside[lane].as_ref().map_or(newest_moves, LiveRun::moves);
        let lane = (0..count).map(|offset| (self.turn + offset) % count).find(|&lane| moves(lane))?;
        self.turn = (lane + 1) % count;
        (lane != self.shown).then_some(lane)
    }

    /// Lets a lane's run be the newest one; whether there is such a lane.
    pub(super) fn show(&mut self, lane: usize, newest: &mut Option<LiveRun>) -> bool {
        let Some(run) = self.beside.get_mut(lane).and_then(Option::take) else {
            return self.shown() == Some(lane);
        };
        self.beside[self.shown] = newest.replace(run);
        self.shown = lane;
        true
    }

    /// Frees what the others hold in the model, and forgets them.
    pub(super) fn end(&mut self, ready: &mut ReadyModel) {
        let lanes = std::mem::take(self);
        if let Some(shared) = lanes.shared {
            shared.release(&mut *ready.model);
        }
        for run in lanes.beside.into_iter().flatten() {
            run.decode.end(ready);
        }
    }
}

/// The beginning of a prompt, computed once for several runs: all but the last token, so that each of them computes
/// that one's row in the same way.
pub(super) struct SharedPrompt {
    ids: Vec<u32>,
    /// The lanes that begin in it.
    pub takers: Vec<usize>,
    sequence: SequenceId,
    chunk: ChunkSize,
    cost: PassCost,
    /// What it took so far.
    pub figures: PhaseFigures,
}

impl SharedPrompt {
    /// For runs with these settings; `None` where there is too little to share.
    pub(super) fn new(
        model: &mut dyn LanguageModel,
        ids: &[u32],
        lanes: &[DecodingSettings],
    ) -> Option<Self> {
        let shares: Vec<usize> = (0..lanes.len()).filter(|&lane| shares(&lanes[lane])).collect();
        let longest = |lane: usize| longest(ids.len(), lanes[lane].stop.max_tokens, model.context());
        let is_long = |lane: usize| model.short_texts().is_some_and(|short| longest(lane) > short);
        let first = *shares.first()?;
        let alike = |lane: &usize| is_long(*lane) == is_long(first);
        let takers: Vec<usize> = shares.into_iter().filter(alike).collect();
        let (longest, (_, ids)) = (longest(first), ids.split_last()?);
        (takers.len() > 1 && !ids.is_empty()).then(|| Self {
            ids: ids.to_vec(),
            takers,
            sequence: model.new_sequence_for(longest),
            chunk: ChunkSize::default(),
            cost: PassCost::default(),
            figures: PhaseFigures::default(),
        })
    }

    /// Computes what is left of it.
    pub(super) fn advance(
        &mut self,
        model: &mut dyn LanguageModel,
        control: &mut Control<'_>,
    ) -> Result<(), DecodingError> {
        let Self { sequence, chunk, cost, .. } = self;
        let start = std::time::Instant::now();
        let passed =
            Prefill { model, sequence: *sequence, chunk, cost, control }.pass(&self.ids, RowOutput::Nothing);
        self.figures.seconds += start.elapsed().as_secs_f64();
        self.figures.amount = self.cost.rows as u64;
        passed.map(drop)
    }

    /// How many tokens it has.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Lets a run begin in a fork of it.
    pub(super) fn lend(&self, decode: &mut Decode, ready: &mut ReadyModel) -> Result<(), ModelError> {
        let fork = ready.model.fork(self.sequence)?;
        decode.adopt(ready, fork);
        Ok(())
    }

    /// Frees it; the runs that began in it keep what they share.
    pub(super) fn release(self, model: &mut dyn LanguageModel) {
        model.release(self.sequence);
    }
}

/// Whether a run with these settings can begin in what another one has cached.
fn shares(settings: &DecodingSettings) -> bool {
    settings.cache == CacheUse::Reuse && settings.strategy != StrategyKind::Contrastive
}
