//! Summaries of rows of logits, and the choice of a token from one: by sorting, in f64.

use std::collections::VecDeque;

use crate::model::selection::{
    MOST_CANDIDATES, PinnedLogit, RECENT_ROWS, RowHandle, SamplingParams, Summary, Unlisted,
};

/// The newest rows of logits that were summarised.
#[derive(Clone, Debug, Default)]
pub struct RecentRows {
    rows: VecDeque<(RowHandle, Vec<f32>)>,
    next: u64,
    /// Tokens of which summaries tell where they stand.
    pub pinned: Vec<u32>,
}

impl RecentRows {
    /// Summarises a row, and keeps it until [`RECENT_ROWS`] newer ones took its place.
    pub fn summarise(&mut self, logits: Vec<f32>, sampling: &SamplingParams) -> Summary {
        let row = RowHandle(self.next);
        self.next += 1;
        let pinned = pinned(&logits, &self.pinned);
        let summary = Summary { pinned, ..summarise(row, &logits, sampling) };
        if self.rows.len() == RECENT_ROWS {
            self.rows.pop_front();
        }
        self.rows.push_back((row, logits));
        summary
    }

    /// The row, if it is still there.
    pub fn read(&self, wanted: RowHandle) -> Option<Vec<f32>> {
        self.rows.iter().find(|(row, _)| *row == wanted).map(|(_, logits)| logits.clone())
    }
}

/// The summary of a row that is not empty.
pub fn summarise(row: RowHandle, logits: &[f32], sampling: &SamplingParams) -> Summary {
    // The addition makes −0 the equal of +0.
    let height =
        |id: u32| Some(logits[id as usize]).filter(|logit| logit.is_finite()).unwrap_or(f32::MIN) + 0.0;
    let mut tokens: Vec<u32> = (0..logits.len() as u32).collect();
    tokens.sort_by(|&a, &b| height(b).total_cmp(&height(a)).then(a.cmp(&b)));
    let highest = f64::from(height(tokens[0]));
    let below = |id: u32| f64::from(height(id)) - highest;
    let temperature = f64::from(sampling.temperature);
    let extreme = |logit: f32| {
        logit == f32::NEG_INFINITY
            || logit.is_finite() && logit != 0.0 && !(1e-30..1e30).contains(&logit.abs())
    };
    let mut summary = Summary {
        row,
        vocabulary: logits.len(),
        sum: tokens.iter().map(|&id| below(id).exp()).sum(),
        weighted_sum: tokens.iter().map(|&id| below(id) * below(id).exp()).sum(),
        tempered_sum: tokens.iter().map(|&id| (below(id) / temperature).exp()).sum(),
        zeros: logits.iter().filter(|&&logit| logit == 0.0).count(),
        extremes: logits.iter().filter(|&&logit| extreme(logit)).count(),
        broken: logits.iter().filter(|&&logit| logit.is_nan() || logit == f32::INFINITY).count(),
        tokens: tokens.iter().copied().take(MOST_CANDIDATES).collect(),
        logits: tokens.iter().take(MOST_CANDIDATES).map(|&id| logits[id as usize]).collect(),
        chosen: 0,
        pinned: Vec::new(),
        unlisted: Unlisted::Summed,
    };
    summary.chosen = choose(&summary, sampling);
    summary
}

/// Where these tokens stand in a row.
pub fn pinned(logits: &[f32], tokens: &[u32]) -> Vec<PinnedLogit> {
    let height = |id: usize| Some(logits[id]).filter(|logit| logit.is_finite()).unwrap_or(f32::MIN) + 0.0;
    let stands = |&token: &u32| {
        let own = (height(token as usize), token as usize);
        let before = |&id: &usize| height(id) > own.0 || height(id) == own.0 && id < own.1;
        let rank = 1 + (0..logits.len()).filter(before).count();
        PinnedLogit { token, logit: logits[own.1], rank }
    };
    tokens.iter().map(stands).collect()
}

/// The token that `sampling` asks for. A point beyond the candidates gives the last of them.
fn choose(summary: &Summary, sampling: &SamplingParams) -> u32 {
    let temperature = f64::from(sampling.temperature);
    let logit =
        |index: usize| f64::from(summary.logits[index]).clamp(f64::from(f32::MIN), f64::from(f32::MAX));
    let mut weights: Vec<f64> =
        (0..summary.logits.len()).map(|index| ((logit(index) - logit(0)) / temperature).exp()).collect();
    let mut sum = summary.tempered_sum;
    let top_k = sampling.top_k as usize;
    if (1..weights.len()).contains(&top_k) {
        weights
            .truncate((top_k..weights.len()).find(|&i| logit(i) < logit(top_k - 1)).unwrap_or(weights.len()));
        sum = weights.iter().sum();
    }
    if sampling.top_p < 1.0 {
        let enough = f64::from(sampling.top_p) * sum;
        let inside = (0..weights.len()).find(|&index| weights[..index].iter().sum::<f64>() >= enough);
        weights.truncate(inside.unwrap_or(weights.len()));
        sum = weights.iter().sum();
    }
    if sampling.min_p > 0.0
        && let Some(inside) = weights.iter().position(|&weight| weight < f64::from(sampling.min_p))
    {
        weights.truncate(inside);
        sum = weights.iter().sum();
    }
    let mut left = f64::from(sampling.uniform) * sum;
    let reached = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    summary.tokens[reached.unwrap_or(weights.len() - 1)]
}
