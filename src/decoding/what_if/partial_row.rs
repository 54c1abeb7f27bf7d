//! A row of which some entries are known exactly, and the others by their number, a bound for each and bounds for their
//! sum. Stages run on what is known, as far as the others do not matter.

use super::would_be::WouldBe;
use crate::decoding::draw::inverse_cdf;
use crate::decoding::row::{Descending, Row};
use crate::decoding::stages::{self, History, Stage};

/// How far the sum of a row that a run would compute may be from the recorded one, relative to it.
pub(super) const SLACK: f64 = 2e-5;

/// The row on its way through the stages that look at values.
pub(super) struct PartialRow {
    /// The tokens that the row's ids stand for, ascending.
    pub tokens: Vec<u32>,
    /// What is known; what is not is cut from it.
    pub row: Row,
    /// What is not known one by one.
    pub others: Others,
    /// Bounds of how many ids the last cut has left, of those that are kept: the highest ones.
    pub left: Option<[usize; 2]>,
}

/// Entries that are not known one by one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Others {
    /// How many there are at most.
    pub count: usize,
    /// None is higher.
    pub highest: f64,
    /// Bounds of Σ exp(v − reference).
    pub sum: [f64; 2],
    /// What sums are relative to.
    pub reference: f64,
}

impl PartialRow {
    /// Runs a stage that looks at values; `None` where what it leaves depends on the others' single values.
    pub(super) fn warp(&mut self, stage: &Stage) -> Option<()> {
        if self.others.count == 0 && self.left.is_none() {
            stage.apply(&mut self.row, History { tokens: &[], prompt: 0 });
            return (self.row.kept_count() > 0).then_some(());
        }
        let highest = f64::from(self.row.value(self.row.best()?));
        match *stage {
            Stage::MinP(share) => self.cut_below([highest + f64::from(share).ln(); 2]),
            _ if self.left.is_some() => None,
            Stage::Temperature(divisor) => self.temper(divisor),
            Stage::TopK(count) => self.keep_highest(count),
            Stage::TopP(share) => self.keep_share(f64::from(share)),
            Stage::TopA(factor) => {
                let [low, high] = self.log_sum_exp();
                let threshold = f64::from(factor).ln() + 2.0 * highest;
                self.cut_below([threshold - high, threshold - low])
            }
            Stage::EpsilonCutoff(lowest) => {
                let lowest = f64::from(lowest).ln();
                self.cut_below(self.log_sum_exp().map(|sum| lowest + sum))
            }
            _ => None,
        }
    }

    /// What a draw at this point of 0–1 takes, or what is highest.
    pub(super) fn choose(&self, value: Option<f64>, chosen: u32) -> WouldBe {
        let Some(place) = self.place(value) else { return WouldBe::Open };
        let order = self.certain();
        match order.get(place) {
            Some(&id) if self.token(id) == chosen => WouldBe::Same,
            Some(&id) => WouldBe::Other(self.token(id)),
            // Beyond what is certain; if the token chosen then is not, it is another one.
            None if order.iter().any(|&id| self.token(id) == chosen) => WouldBe::Unlisted,
            None => WouldBe::Open,
        }
    }

    /// The place in the certain order that is taken, or one beyond it; `None` where it could be several.
    fn place(&self, value: Option<f64>) -> Option<usize> {
        let order = self.certain();
        let Some(value) = value else { return (!order.is_empty()).then_some(0) };
        if self.others.count == 0 && self.left.is_none() {
            let (id, _, _) = inverse_cdf(&self.row, &self.row.softmax(), value);
            return order.iter().position(|&other| other == id);
        }
        let sums = self.sums(&order);
        let place = |total: f64| sums.iter().position(|sum| value * total < *sum).unwrap_or(order.len());
        let [low, high] = match self.left {
            Some(left) => left.map(|count| place(sums[count - 1])),
            None => self.total().map(place),
        };
        (low == high).then_some(low)
    }

    /// Divides all values: bounds of Σ x^q, for x up to a highest and of a known sum, are where all x are alike, and
    /// where they are as unlike as they can be.
    fn temper(&mut self, divisor: f32) -> Option<()> {
        let best = self.row.value(self.row.best()?);
        // There the stage would shift the row first.
        if (best / divisor).abs() >= f32::MAX / 4.0 {
            return None;
        }
        stages::temperature(&mut self.row, divisor);
        let Others { count, highest, sum, reference } = &mut self.others;
        let (power, count) = (1.0 / f64::from(divisor), *count as f64);
        let most = (*highest - *reference).exp();
        let alike = |sum: f64| if sum > 0.0 { count.powf(1.0 - power) * sum.powf(power) } else { 0.0 };
        let unlike = |sum: f64| sum * most.powf(power - 1.0);
        let [low, high] = *sum;
        *sum = if power >= 1.0 { [alike(low), unlike(high)] } else { [unlike(low), alike(high)] };
        *highest *= power;
        *reference *= power;
        Some(())
    }

    fn keep_highest(&mut self, count: usize) -> Option<()> {
        if count >= self.row.kept.len() + self.others.count {
            return Some(());
        }
        // The last one kept is above all others, so that none ties with it.
        if self.certain().len() < count {
            return None;
        }
        stages::top_k(&mut self.row, count);
        self.others.drop_all();
        Some(())
    }

    fn keep_share(&mut self, share: f64) -> Option<()> {
        let order = self.certain();
        let sums = self.sums(&order);
        let reach = |total: f64| sums.iter().position(|sum| *sum >= share * total).map(|place| place + 1);
        let [low, high] = self.total();
        self.keep_first(&order, [reach(low)?, reach(high)?]);
        Some(())
    }

    /// Cuts what is below a threshold that lies between two bounds.
    fn cut_below(&mut self, [low, high]: [f64; 2]) -> Option<()> {
        let order = self.certain();
        let above = |threshold: f64| {
            order.iter().take_while(|&&id| f64::from(self.row.value(id)) >= threshold).count().max(1)
        };
        let reach = [above(high), above(low)];
        if let Some(left) = self.left {
            self.keep_first(&order, [left[0].min(reach[0]), left[1].min(reach[1])]);
        } else if low > self.others.highest {
            self.keep_first(&order, reach);
        } else {
            // Some of the others may be cut. What is known has to be clearly kept or cut.
            let value = |id: u32| f64::from(self.row.value(id));
            if self.row.kept.iter().any(|&id| (low..high).contains(&value(id))) {
                return None;
            }
            let kept = self.row.kept.iter().copied().filter(|&id| value(id) >= high).collect();
            self.row.kept = kept;
            self.others.sum[0] = 0.0;
        }
        Some(())
    }

    /// Keeps the first ids of an order, so many or so many, and nothing else.
    fn keep_first(&mut self, order: &[u32], [low, high]: [usize; 2]) {
        self.row.kept = order[..high].to_vec();
        self.row.kept.sort_unstable();
        self.left = (low < high).then_some([low, high]);
        self.others.drop_all();
    }

    /// The kept ids that are above all others, the highest first.
    fn certain(&self) -> Vec<u32> {
        let all = self.others.count == 0;
        let above = |id: &u32| all || f64::from(self.row.value(*id)) > self.others.highest;
        Descending::new(&self.row).take_while(above).collect()
    }

    /// Σ exp(v − reference) of the first ids of an order, up to and with each.
    fn sums(&self, order: &[u32]) -> Vec<f64> {
        let add = |sum: &mut f64, &id: &u32| {
            *sum += self.weight(id);
            Some(*sum)
        };
        order.iter().scan(0.0, add).collect()
    }

    /// Bounds of the sum over all that is kept.
    fn total(&self) -> [f64; 2] {
        let known: f64 = self.row.kept.iter().map(|&id| self.weight(id)).sum();
        let [low, high] = self.others.sum;
        [(known + low) * (1.0 - SLACK), (known + high) * (1.0 + SLACK)]
    }

    fn log_sum_exp(&self) -> [f64; 2] {
        self.total().map(|total| total.ln() + self.others.reference)
    }

    fn weight(&self, id: u32) -> f64 {
        (f64::from(self.row.value(id)) - self.others.reference).exp()
    }

    fn token(&self, id: u32) -> u32 {
        self.tokens[id as usize]
    }
}

impl Others {
    /// All are cut.
    fn drop_all(&mut self) {
        (self.count, self.sum, self.highest) = (0, [0.0; 2], f64::NEG_INFINITY);
    }
}
