//! One measured figure and what was promised of it.

use std::fmt;

/// Several rounds of one measurement.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// Its unit.
    pub unit: &'static str,
    /// What is promised: at most this.
    pub promised: f64,
    /// One value a round.
    pub rounds: Vec<f64>,
}

impl Figure {
    /// The value that `share` of the rounds do not exceed (nearest rank); NaN without rounds.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank among a handful of rounds"
        )]
        let rank = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
        sorted.get(rank).copied().unwrap_or(f64::NAN)
    }

    /// Whether 99 of 100 rounds keep the promise.
    pub fn is_kept(&self) -> bool {
        self.quantile(0.99) <= self.promised
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<58} median {:>8.2}  p99 {:>8.2}  promised {:>7.2} {:<8} ({} rounds) {}",
            self.name,
            self.quantile(0.5),
            self.quantile(0.99),
            self.promised,
            self.unit,
            self.rounds.len(),
            if self.is_kept() { "kept" } else { "MISSED" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let rounds = (1..=100).rev().map(f64::from).collect();
        let figure = Figure { name: String::new(), unit: "s", promised: 99.0, rounds };
        assert_eq!(figure.quantile(0.5), 50.0);
        assert_eq!(figure.quantile(0.99), 99.0);
        assert!(figure.is_kept());
        assert!(!Figure { promised: 98.9, ..figure }.is_kept());
    }
}
