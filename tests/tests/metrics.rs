//! The metrics that dashboards and alerts made for Stolon look at, on every daemon from its start.

use anyhow::{Context, Result, ensure};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stolon_tests::cluster::{FAST, NAME};
use stolon_tests::{eventually, scenario};

/// What a series has to show.
#[derive(Clone, Copy, Debug)]
enum Shows {
    Exactly(f64),
    /// A moment of the last minutes, in seconds since the epoch.
    AMoment,
}

use Shows::{AMoment, Exactly};

const KEEPER: [(&str, Shows); 12] = [
    ("stolon_keeper_clusterdata_last_valid_update_seconds", AMoment),
    (r#"stolon_keeper_target_role{role="undefined"}"#, Exactly(0.0)),
    (r#"stolon_keeper_target_role{role="master"}"#, Exactly(1.0)),
    (r#"stolon_keeper_target_role{role="standby"}"#, Exactly(0.0)),
    (r#"stolon_keeper_local_role{role="undefined"}"#, Exactly(0.0)),
    (r#"stolon_keeper_local_role{role="master"}"#, Exactly(1.0)),
    (r#"stolon_keeper_local_role{role="standby"}"#, Exactly(0.0)),
    ("stolon_keeper_needs_reload", Exactly(0.0)),
    ("stolon_keeper_needs_restart", Exactly(0.0)),
    ("stolon_keeper_last_sync_success_seconds", AMoment),
    ("stolon_keeper_sleep_interval", Exactly(1.0)),
    ("stolon_keeper_shutdown_seconds", Exactly(0.0)),
];

const LEADER: [(&str, Shows); 3] = [
    ("stolon_sentinel_last_cluster_check_success_seconds", AMoment),
    ("stolon_sentinel_is_leader", Exactly(1.0)),
    ("stolon_sentinel_leader_count", Exactly(1.0)),
];

const NO_LEADER: [(&str, Shows); 3] = [
    ("stolon_sentinel_last_cluster_check_success_seconds", Exactly(0.0)),
    ("stolon_sentinel_is_leader", Exactly(0.0)),
    ("stolon_sentinel_leader_count", Exactly(0.0)),
];

const PROXY: [(&str, Shows); 2] = [
    ("stolon_proxy_health", Exactly(1.0)),
    ("stolon_proxy_clusterdata_last_valid_update_seconds", AMoment),
];

/// What a keeper shows while there is no cluster data.
const NEW_KEEPER: [(&str, Shows); 2] = [
    ("stolon_keeper_clusterdata_last_valid_update_seconds", Exactly(0.0)),
    ("stolon_keeper_sleep_interval", Exactly(5.0)),
];

/// What a proxy shows while there is no cluster data.
const NEW_PROXY: [(&str, Shows); 2] = [
    ("stolon_proxy_health", Exactly(1.0)),
    ("stolon_proxy_clusterdata_last_valid_update_seconds", Exactly(0.0)),
];

/// That a page of metrics has these series, each declared as a gauge, and the mark of its component.
fn check(page: &str, component: &str, series: &[(&str, Shows)]) -> Result<()> {
    let mark =
        format!(r#"stolon_cluster_identifier{{cluster_name="{NAME}",component="{component}"}}"#);
    let series = series.iter().copied().chain([(mark.as_str(), Exactly(1.0))]);
    for (name, shows) in series {
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .with_context(|| format!("there is no {name} in\n{page}"))?;
        let value: f64 = value.trim().parse()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let is_right = match shows {
            Exactly(wanted) => value.to_bits() == wanted.to_bits(),
            AMoment => (now - 600.0..now + 1.0).contains(&value),
        };
        ensure!(is_right, "{name} is {value}, not {shows:?}");
        let family = name.split('{').next().unwrap_or_default();
        ensure!(page.contains(&format!("# TYPE {family} gauge\n")), "{family} is no gauge");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_of_the_reference_are_there() -> Result<()> {
    scenario("metrics", async |cluster| {
        cluster.serve(FAST, 1).await?;
        let within = Duration::from_secs(20);
        eventually("the keeper shows its metrics", within, async || {
            check(&cluster.keeper("keeper1")?.admin.page("/metrics").await?.1, "keeper", &KEEPER)
        })
        .await?;
        eventually("one sentinel shows that it leads, the other does not", within, async || {
            let mut pages = Vec::new();
            for sentinel in &cluster.sentinels {
                pages.push(sentinel.admin.page("/metrics").await?.1);
            }
            pages.sort_by_key(|page| !page.contains("stolon_sentinel_is_leader 1\n"));
            check(&pages[0], "sentinel", &LEADER)?;
            check(&pages[1], "sentinel", &NO_LEADER)
        })
        .await?;
        eventually("the proxy shows its metrics", within, async || {
            check(&cluster.proxy()?.page("/metrics").await?.1, "proxy", &PROXY)
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_are_there_before_the_cluster() -> Result<()> {
    scenario("metrics-before", async |cluster| {
        cluster.add_keeper("keeper1")?;
        cluster.add_proxy()?;
        let within = Duration::from_secs(20);
        eventually("the keeper shows its metrics", within, async || {
            let page = cluster.keeper("keeper1")?.admin.page("/metrics").await?.1;
            check(&page, "keeper", &NEW_KEEPER)
        })
        .await?;
        eventually("the proxy shows its metrics", within, async || {
            check(&cluster.proxy()?.page("/metrics").await?.1, "proxy", &NEW_PROXY)
        })
        .await
    })
    .await
}
