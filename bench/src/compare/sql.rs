//! pgbench.

use super::database::checked;
use super::peer::Peer;
use super::program::{Bench, Case, Reading};
use anyhow::{Context, Result};

/// Runs pgbench against the peer.
pub async fn pgbench(
    bench: &Bench<'_>,
    peer: &Peer,
    case: &Case,
    arguments: &[&str],
) -> Result<Vec<Reading>> {
    let database = bench.database.context("there is no PostgreSQL")?;
    let mut command = database.pgbench(peer.port);
    command.args(arguments).args(["-c", &case.size.to_string()]);
    command.args(["-j", &case.size.min(2).to_string()]);
    // pgbench counts whole seconds.
    command.args(["-T", &bench.scale.span.as_secs().max(1).to_string()]);
    let before = peer.cpu_seconds();
    let said = tokio::task::spawn_blocking(move || checked(&mut command)).await??;
    let count = figure(&said, "number of transactions actually processed:")?;
    let mut readings = vec![
        Reading::higher("TPS", "1/s", figure(&said, "tps =")?),
        Reading::lower("latency, average", "ms", figure(&said, "latency average =")?),
    ];
    readings.extend(Reading::cpu_each(peer, before, count));
    Ok(readings)
}

fn figure(said: &str, name: &str) -> Result<f64> {
    let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
    let text = line.with_context(|| format!("pgbench does not say \"{name}\": {said}"))?;
    let number: String =
        text.trim().chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    number.parse().with_context(|| format!("unreadable figure of pgbench: {name}{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_what_pgbench_says() {
        let said = "number of transactions actually processed: 12345\nlatency average = 0.162 ms\n\
                    tps = 49203.123456 (without initial connection time)\n";
        let count = figure(said, "number of transactions actually processed:");
        assert_eq!(count.expect("there"), 12345.0);
        assert_eq!(figure(said, "tps =").expect("there"), 49203.123456);
        assert!(figure(said, "failed =").is_err());
    }
}
