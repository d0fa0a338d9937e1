//! The status for people, and for the scripts that parse it: the layout is Stolon's to the byte.

use super::Status;
use crate::tabs::aligned;

/// The whole text.
pub fn render(status: &Status) -> String {
    let mut text = String::new();
    line(&mut text, "=== Active sentinels ===\n");
    if status.sentinels.is_empty() {
        line(&mut text, "No active sentinels");
    } else {
        let rows = status.sentinels.iter().map(|s| format!("{}\t{}", s.uid, s.leader));
        text.push_str(&table("ID\tLEADER", rows));
    }

    line(&mut text, "\n=== Active proxies ===\n");
    if status.proxies.is_empty() {
        line(&mut text, "No active proxies");
    } else {
        text.push_str(&table("ID", status.proxies.iter().map(|proxy| proxy.uid.clone())));
    }

    line(&mut text, "\n=== Keepers ===\n");
    if status.keepers.is_empty() {
        line(&mut text, "No keepers available\n");
    } else {
        let rows = status.keepers.iter().map(|keeper| {
            format!(
                "{}\t{}\t{}\t{}\t{}\t{}\t",
                keeper.uid,
                keeper.healthy,
                keeper.listen_address,
                keeper.pg_healthy,
                keeper.pg_wanted_generation,
                keeper.pg_current_generation
            )
        });
        text.push_str(&table(KEEPER_HEADER, rows));
    }

    if status.cluster.master_keeper_uid.is_empty() {
        line(&mut text, "No cluster available");
    } else {
        line(&mut text, "\n=== Cluster Info ===\n");
        line(&mut text, &format!("Master Keeper: {}", status.cluster.master_keeper_uid));
        line(&mut text, "\n===== Keepers/DB tree =====\n");
        for branch in &status.tree {
            line(&mut text, branch);
        }
    }
    line(&mut text, "");
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

const KEEPER_HEADER: &str =
    "UID\tHEALTHY\tPG LISTENADDRESS\tPG HEALTHY\tPG WANTEDGENERATION\tPG CURRENTGENERATION";

/// The header is aligned with the first row, every further row stands alone: Stolon flushes its writer after each row.
fn table(header: &str, mut rows: impl Iterator<Item = String>) -> String {
    let first = rows.next().unwrap_or_default();
    let mut text = aligned(&[header, &first]);
    text.extend(rows.map(|row| aligned(&[&row])));
    text
}

#[cfg(test)]
mod tests;
