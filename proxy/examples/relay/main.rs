//! Measures the relay alone, without a store and without PostgreSQL, on the loopback interface.
//!
//! * `relay answers`: answers of 100 kB to 20 MB, written in pieces of 8 KiB as PostgreSQL does, by the threshold of bulk. It is
//!   how [`stolon_proxy::relay::Tuning::bulk_after`] was chosen.
//! * `relay fairness`: small sessions beside a bulk stream on the same thread.

#![expect(clippy::print_stdout, reason = "it prints a table")]

mod answers;
mod fairness;
mod proxy;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("answers") => answers::measure(),
        Some("fairness") => fairness::measure(),
        _ => bail!("usage: relay answers|fairness"),
    }
}

/// The value below which `part` of the sorted values are.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5)
}
