//! The median of some rounds, what lies around it, and how certain it is.

/// How sure the interval is to hold the median.
const CONFIDENCE: f64 = 0.95;

/// A value between others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The one in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// Where the true median lies with 95 % certainty at least, if the rounds are independent: between two of the values in their
    /// order, by the binomial distribution of how many are below it. Fewer than six values are never so certain.
    pub interval: Option<(f64, f64)>,
}

impl Spread {
    /// The spread of some values; none of no values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        let interval = left_out(sorted.len())
            .and_then(|rank| Some((*sorted.get(rank)?, *sorted.get(sorted.len() - 1 - rank)?)));
        Some(Self {
            median: f64::midpoint(lower, upper),
            min: *sorted.first()?,
            max: *sorted.last()?,
            interval,
        })
    }
}

/// How many of so many ordered values lie outside of the interval on each side: as many as leave it certain enough. None: not even
/// all of them are.
fn left_out(count: usize) -> Option<usize> {
    // The chance that exactly `below` of the values are below the median, and that at most so many are.
    let mut exactly = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut at_most = exactly;
    let mut below = 0;
    while below < count && 2.0 * at_most <= 1.0 - CONFIDENCE {
        exactly *= (count - below) as f64 / (below + 1) as f64;
        at_most += exactly;
        below += 1;
    }
    below.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ranks of tables of the sign test, for 5 %.
    #[test]
    fn the_interval_is_that_of_the_sign_test() {
        let ranks = [(6, 0), (9, 1), (12, 2), (20, 5), (25, 7), (1000, 468)];
        assert_eq!(ranks.map(|(count, _)| left_out(count)), ranks.map(|(_, rank)| Some(rank)));
        assert_eq!([0, 1, 5].map(left_out), [None; 3]);
    }

    #[test]
    fn the_median_lies_within() {
        let many = Spread::of((1..=20).rev().map(f64::from)).expect("values");
        let interval = Some((6.0, 15.0));
        assert_eq!(many, Spread { median: 10.5, min: 1.0, max: 20.0, interval });
        let few = Spread::of([3.0, 1.0, f64::NAN]).expect("values");
        assert_eq!(few, Spread { median: 2.0, min: 1.0, max: 3.0, interval: None });
        assert_eq!(Spread::of([1.0, 2.0]).map(|spread| spread.median), Some(1.5));
        assert_eq!(Spread::of([]), None);
    }
}
