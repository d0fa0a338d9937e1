//! Each major of PostgreSQL replicates and fails over. `STOLON_PG_MAJORS_DIR` holds a tree `<major>/bin` for each.

use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::time::Duration;
use stolon_tests::cluster::{Cluster, fast_with};
use stolon_tests::postgres::Postgres;
use stolon_tests::{Load, scenario};

async fn smoke(major: u32) -> Result<()> {
    scenario(&format!("major_{major}"), async |cluster| {
        let trees = std::env::var_os("STOLON_PG_MAJORS_DIR").map(PathBuf::from).context(
            "STOLON_PG_MAJORS_DIR is not set: run `make test`, or set it to what `scripts/postgres-majors` prints",
        )?;
        cluster.site.postgres = Postgres::at(trees.join(major.to_string()).join("bin"))?;
        replicate_and_fail_over(cluster, major).await
    })
    .await
}

async fn replicate_and_fail_over(cluster: &mut Cluster, major: u32) -> Result<()> {
    cluster.serve(&fast_with(r#""usePgrewind": true"#), 2).await?;
    let version: u32 = cluster.client().await?.value("SHOW server_version_num").await?.parse()?;
    ensure!(version / 10_000 == major, "PostgreSQL {version} runs");
    let load = Load::start(cluster.proxy()?.port(), 2).await?;
    load.progress(50, Duration::from_secs(30)).await?;
    let master = cluster.master_uid()?;
    cluster.keeper_mut(&master)?.kill_node()?;
    cluster.new_master(&master, Duration::from_secs(30)).await?;
    load.progress(50, Duration::from_secs(30)).await?;
    cluster.restart_keeper(&master)?;
    cluster.healthy(2, Duration::from_secs(60)).await?;
    ensure!(load.stop().await.stuck.is_empty(), "an operation got stuck");
    cluster.replicated("SELECT count(*), sum(id) FROM appended").await
}

/// A test for each, so that one that fails does not hide the others.
macro_rules! majors {
    ($($name:ident: $major:literal;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() -> Result<()> {
                smoke($major).await
            }
        )*
    };
}

majors! {
    postgresql_14: 14;
    postgresql_15: 15;
    postgresql_16: 16;
    postgresql_17: 17;
    postgresql_18: 18;
}
