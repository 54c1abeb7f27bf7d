//! How fast bytes come, and how long the rest takes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What is looked back on.
const WINDOW: Duration = Duration::from_secs(8);
/// Before this nothing is said.
const SHORTEST: Duration = Duration::from_millis(700);

/// How fast bytes come.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    seen: VecDeque<(Instant, u64)>,
}

impl Pace {
    /// Takes in how many bytes are there now.
    pub fn see(&mut self, now: Instant, bytes: u64) {
        if self.seen.back().is_some_and(|(_, before)| *before > bytes) {
            // It began anew.
            self.seen.clear();
        }
        while self.seen.len() > 2 && self.seen.front().is_some_and(|(time, _)| now - *time > WINDOW) {
            self.seen.pop_front();
        }
        self.seen.push_back((now, bytes));
    }

    /// Forgets what it saw, as after a pause.
    pub fn begin_anew(&mut self) {
        self.seen.clear();
    }

    /// Bytes a second.
    pub fn rate(&self) -> Option<f64> {
        let ((begun, from), (now, to)) = (self.seen.front()?, self.seen.back()?);
        let time = *now - *begun;
        (time >= SHORTEST).then(|| (to - from) as f64 / time.as_secs_f64())
    }

    /// Seconds until so many more are there.
    pub fn seconds_for(&self, bytes: u64) -> Option<u64> {
        let rate = self.rate().filter(|rate| *rate >= 1.0)?;
        Some((bytes as f64 / rate).ceil() as u64)
    }
}

/// Seconds as a person says them: `8 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        60..600 => format!("{} min {} s", seconds / 60, seconds % 60),
        600..3600 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_that_of_the_last_seconds() {
        let begun = Instant::now();
        let at = |seconds: f64| begun + Duration::from_secs_f64(seconds);
        let mut pace = Pace::default();
        pace.see(at(0.0), 0);
        assert_eq!(pace.rate(), None);
        for second in 1..=20 {
            pace.see(at(second.into()), if second <= 10 { 1000 } else { 1000 + 50 * (second as u64 - 10) });
        }
        assert_eq!(pace.rate().map(f64::round), Some(50.0), "what came at once before counts no more");
        assert_eq!(pace.seconds_for(501), Some(11));
        pace.see(at(21.0), 3);
        assert_eq!(pace.rate(), None, "from the beginning again");
    }

    #[test]
    fn durations_are_short() {
        let texts = [0, 59, 60, 200, 601, 3599, 3600, 7500].map(duration);
        assert_eq!(
            texts,
            ["0 s", "59 s", "1 min", "3 min 20 s", "11 min", "60 min", "1 h 0 min", "2 h 5 min"]
        );
    }
}
