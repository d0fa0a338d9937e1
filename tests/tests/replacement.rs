//! The binaries of a running cluster are replaced one by one by those of another build, and back again, while clients write.
//!
//! `STOLON_PEER=/directory` names the other build, such as the four binaries of Stolon (Go). Without it both are ours, and the
//! test shows a rolling restart. The mixes in which two builds stay beside each other are in `mixture.rs`.

use anyhow::Result;
use std::time::Duration;
use stolon_tests::binaries::Origin;
use stolon_tests::cluster::fast_with;
use stolon_tests::{Load, scenario};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_binary_is_replaced_in_turn_and_back_again() -> Result<()> {
    scenario("replacement", async |cluster| {
        cluster.site.origin = Origin::Peer;
        cluster.serve(&fast_with(r#""synchronousReplication": true"#), 3).await?;
        let load = Load::start(cluster.proxy()?.port(), 2).await?;
        for origin in [Origin::Ours, Origin::Peer] {
            cluster.compare_stolonctl().await?;
            cluster.replace_proxy(origin).await?;
            cluster.replace_sentinels(origin).await?;
            let master = cluster.master_uid()?;
            let standbys =
                cluster.standbys()?.iter().map(|keeper| keeper.uid.clone()).collect::<Vec<_>>();
            for uid in standbys.iter().chain([&master]) {
                cluster.replace_keeper(uid, origin).await?;
            }
            load.progress(100, Duration::from_secs(60)).await?;
        }
        let report = load.stop().await;
        report.check(cluster.proxy()?.port()).await?;
        cluster.replicated("SELECT count(*), sum(id) FROM appended").await
    })
    .await
}
