//! What a model returns of a row of logits short of the whole row, and how it chooses a token itself.

/// Most candidates of a summary. With them a summary is 1 KiB.
pub const MOST_CANDIDATES: usize = 120;

/// Most tokens whose place in every summarised row a model tells.
pub const MOST_PINNED: usize = 16;

/// How many rows of logits a model keeps after it has summarised them.
pub const RECENT_ROWS: usize = 4;

/// How a model chooses a token: the row's logits are divided by the temperature and cut by top-k, top-p
/// and min-p, in this order; what is left is laid end to end on 0–1 by descending probability and then
/// ascending id, and the token at `uniform` is chosen.
///
/// Done in the device's arithmetic, it is a forecast: the decision is the strategy's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingParams {
    /// Divides the logits; 1 is neutral.
    pub temperature: f32,
    /// Keeps the k highest and those equal to the k-th; 0 is off.
    pub top_k: u32,
    /// Keeps the fewest tokens whose probabilities reach p together; 1 is off.
    pub top_p: f32,
    /// Keeps tokens with at least this fraction of the highest probability; 0 is off.
    pub min_p: f32,
    /// Where on 0–1 the chosen token lies: a uniform random number, or 0.
    pub uniform: f32,
}

impl SamplingParams {
    /// The highest logit, the lowest id among equals.
    pub const GREEDY: Self = Self { temperature: 1.0, top_k: 1, top_p: 1.0, min_p: 0.0, uniform: 0.0 };
}

/// The highest logits with their tokens, highest first, the lower id first among equals.
pub fn highest_of(logits: &[f32], count: usize) -> Vec<(u32, f32)> {
    let mut pairs: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
    // Adding 0 makes −0 equal to it.
    let order = |left: &(u32, f32), right: &(u32, f32)| {
        (right.1 + 0.0).total_cmp(&(left.1 + 0.0)).then(left.0.cmp(&right.0))
    };
    let count = count.min(pairs.len());
    if count == 0 {
        return Vec::new();
    }
    pairs.select_nth_unstable_by(count - 1, order);
    pairs.truncate(count);
    pairs.sort_unstable_by(order);
    pairs
}

/// A row of logits that a model has summarised; valid until [`RECENT_ROWS`] newer ones have taken its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowHandle(pub u64);

/// Where a pinned token stands in a row of logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PinnedLogit {
    /// The token.
    pub token: u32,
    /// Its logit, exactly as computed.
    pub logit: f32,
    /// Its place by descending logit and then ascending id, from 1.
    pub rank: usize,
}

/// What a summary tells of the logits that it does not list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unlisted {
    /// All sums of the summary are over them as well.
    #[default]
    Summed,
    /// [`Summary::sum`] alone is, because log-probabilities add up to 1: a server sends no more. The other sums and counts
    /// are over what is listed. No logit that is not listed is above the last one that is.
    Weighed,
}

/// A summary of a row of V logits: the highest ones, and sums over all of them.
///
/// NaN and +∞ are counted; otherwise they rank below all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// For [`super::LanguageModel::read_row`].
    pub row: RowHandle,
    /// V.
    pub vocabulary: usize,
    /// Ids of the highest logits, by descending logit and then ascending id: [`MOST_CANDIDATES`] of them, or
    /// V if that is less.
    pub tokens: Vec<u32>,
    /// Their logits, exactly as computed.
    pub logits: Vec<f32>,
    /// Σ exp(l − highest) over all logits l.
    pub sum: f64,
    /// Σ (l − highest) · exp(l − highest).
    pub weighted_sum: f64,
    /// Σ exp((l − highest) / temperature), with the temperature that the row was summarised for.
    pub tempered_sum: f64,
    /// Logits that are exactly 0.
    pub zeros: usize,
    /// Logits that are −∞, or whose magnitude is 1e30 and more, or less than 1e-30 without being 0: f32
    /// arithmetic on them may leave its ordinary range.
    pub extremes: usize,
    /// Logits that are NaN or +∞.
    pub broken: usize,
    /// The token that the model chose.
    pub chosen: u32,
    /// The tokens that were pinned when the row was computed.
    pub pinned: Vec<PinnedLogit>,
    /// What the sums tell of logits that are not listed.
    pub unlisted: Unlisted,
}

impl Summary {
    /// −Σ p ln p of the row's softmax, in nats: the least and the most that it can be, which differ only where the unlisted
    /// logits are but weighed.
    ///
    /// Their part is least where each is as high as it may be, and most where all are alike.
    pub fn entropy(&self) -> [f64; 2] {
        let listed = self.sum.ln() - self.weighted_sum / self.sum;
        let weight = self.unlisted_weight();
        if weight == 0.0 {
            return [listed; 2];
        }
        let below = |each: f64| listed - weight * each / self.sum;
        let last = self.logits.last().map_or(0.0, |&last| f64::from(last) - self.highest());
        [below(last), below((weight / self.others() as f64).ln().min(last))]
    }

    /// Σ exp((l − highest) / temperature) over all logits l, the least and the most that it can be.
    ///
    /// For unlisted logits that are but weighed the bounds are where all are alike, and where each is as high or as low as it
    /// may be.
    pub fn tempered(&self, temperature: f64) -> [f64; 2] {
        let weight = self.unlisted_weight();
        if weight == 0.0 {
            return [self.tempered_sum; 2];
        }
        let power = 1.0 / temperature;
        let last = self.logits.last().map_or(0.0, |&last| f64::from(last) - self.highest());
        let alike = (self.others() as f64).powf(1.0 - power) * weight.powf(power);
        let unlike = weight * (last * (power - 1.0)).exp();
        let [least, most] = if alike < unlike { [alike, unlike] } else { [unlike, alike] };
        [self.tempered_sum + least, self.tempered_sum + most]
    }

    /// Σ exp(l − highest) over unlisted logits that no other sum counts.
    fn unlisted_weight(&self) -> f64 {
        if self.unlisted == Unlisted::Summed || self.others() == 0 {
            return 0.0;
        }
        let highest = self.highest();
        let listed: f64 = self.logits.iter().map(|&logit| (f64::from(logit) - highest).exp()).sum();
        (self.sum - listed).max(0.0)
    }

    fn highest(&self) -> f64 {
        self.logits.first().copied().map_or(0.0, f64::from)
    }

    /// Entries of the vocabulary that are not among the candidates.
    pub fn others(&self) -> usize {
        self.vocabulary - self.tokens.len()
    }
}
