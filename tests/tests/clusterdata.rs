//! `stolonctl clusterdata` takes out and puts back exactly what is there.

use anyhow::{Context, Result, ensure};
use stolon_tests::cluster::{Cluster, fast_with};
use stolon_tests::scenario;

fn stored(cluster: &Cluster) -> Result<String> {
    let bytes = cluster.etcd.get(&cluster.key("clusterdata"))?.context("no cluster data")?;
    Ok(String::from_utf8(bytes)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_is_written_byte_for_byte() -> Result<()> {
    scenario("clusterdata", async |cluster| {
        let options = r#""pgParameters": {"application_name": "a <b> & c", "log_line_prefix": "é\u2028"}, "pgHBA": []"#;
        cluster.serve(&fast_with(options), 2).await?;
        // From here on nobody else writes.
        for sentinel in &mut cluster.sentinels {
            sentinel.process.stop().await?;
        }
        let before = stored(cluster)?;
        let read = cluster.ctl(&["clusterdata", "read"])?.success()?;
        ensure!(read.trim_end_matches('\n') == before, "read:\n{read}\nstored:\n{before}");
        let pretty = cluster.ctl(&["clusterdata", "read", "--pretty"])?.success()?;
        ensure!(pretty.contains("\n\t\"formatVersion\"") || pretty.contains("\n\t\"FormatVersion\""), "{pretty}");

        let refused = cluster.ctl_with_input(&["clusterdata", "write"], &read)?;
        ensure!(refused.code == Some(1), "overwritten without --yes: {refused:?}");
        for text in [&read, &pretty] {
            cluster.ctl_with_input(&["clusterdata", "write", "--yes"], text)?.success()?;
            let after = stored(cluster)?;
            ensure!(after == before, "after:\n{after}\nbefore:\n{before}");
        }
        let broken = cluster.ctl_with_input(&["clusterdata", "write", "--yes"], &read[..read.len() / 2])?;
        ensure!(broken.code == Some(1) && broken.err.contains("invalid cluster data"), "{broken:?}");
        ensure!(stored(cluster)? == before, "broken input was written");
        // The cluster goes on with what was put back.
        cluster.add_sentinel()?;
        cluster.client().await?.run("SELECT 1").await
    })
    .await
}
