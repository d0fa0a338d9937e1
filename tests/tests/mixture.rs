//! Two builds beside each other on one etcd: every mix of proxy, sentinels, master and standbys of which some are ours and
//! the others those of `STOLON_PEER`, such as the original ones. `make test-replacement` runs it.
//!
//! Each test starts a cluster of one mix, and replaces every binary by the other build's while clients write, which gives
//! the opposite mix. In both the master's node dies, and either build's stolonctl has its say.

use Part::{Master, OneStandby, OtherStandby, Proxy, Sentinels};
use anyhow::{Context, Result, bail, ensure};
use std::time::Duration;
use stolon_tests::binaries::Origin;
use stolon_tests::cluster::{Cluster, db_of, fast_with};
use stolon_tests::{Load, eventually, scenario};

/// Within which everything happens.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a commit may take. It waits while no standby is synchronous, as when both have to be copied anew.
const COMMIT: Duration = Duration::from_secs(60);

/// What can be of one build or of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Proxy,
    Sentinels,
    Master,
    OneStandby,
    OtherStandby,
}

/// Which parts are of which build.
#[derive(Clone, Copy, Debug)]
struct Mix {
    /// These are of the one,
    parts: &'static [Part],
    /// this one; the others are not.
    origin: Origin,
}

impl Mix {
    /// Whose this part is.
    fn of(self, part: Part) -> Origin {
        if self.parts.contains(&part) { self.origin } else { other(self.origin) }
    }

    /// What is ours is the peer's, and the other way round.
    fn opposite(self) -> Self {
        Self { origin: other(self.origin), ..self }
    }

    /// Each keeper with the build that it is to be of, the master last.
    fn keepers(self, cluster: &Cluster) -> Result<Vec<(String, Origin)>> {
        let standbys = cluster.standbys()?.into_iter().map(|keeper| keeper.uid.clone());
        let uids = standbys.chain([cluster.master_uid()?]);
        Ok(uids.zip([OneStandby, OtherStandby, Master].map(|part| self.of(part))).collect())
    }
}

fn other(origin: Origin) -> Origin {
    if origin == Origin::Ours { Origin::Peer } else { Origin::Ours }
}

/// How a cluster is set up.
#[derive(Clone, Copy, Debug)]
struct Setup {
    /// Beside the short timers and synchronous replication.
    spec: &'static str,
    /// Whether its PostgreSQL asks nobody for a password.
    trusts: bool,
}

const PLAIN: Setup = Setup { spec: r#""usePgrewind": false"#, trusts: false };

const REWINDING: Setup = Setup { spec: r#""usePgrewind": true"#, trusts: true };

/// Starts a cluster of this mix.
async fn start(cluster: &mut Cluster, mix: Mix, setup: Setup) -> Result<()> {
    // Stolon's keepers ask for a spread checkpoint before a copy. It would take minutes.
    let parameters = r#""pgParameters": {"checkpoint_completion_target": "0"}"#;
    let options = format!(r#""synchronousReplication": true, {parameters}, {}"#, setup.spec);
    let spec = fast_with(&options);
    cluster.ctl_of(mix.of(Sentinels), &["init", "--yes", &spec], "")?.success()?;
    cluster.site.origin = mix.of(Sentinels);
    cluster.add_sentinel()?;
    cluster.add_sentinel()?;
    // The first keeper is the master.
    for (part, keepers) in [Master, OneStandby, OtherStandby].into_iter().zip(1..) {
        cluster.site.origin = mix.of(part);
        let uid = format!("keeper{keepers}");
        cluster.prepare_keeper(&uid, &[])?.trusts = setup.trusts;
        cluster.restart_keeper(&uid)?;
        cluster.healthy(keepers, PATIENCE).await?;
    }
    cluster.site.origin = mix.of(Proxy);
    cluster.add_proxy()?;
    eventually("the proxy serves", PATIENCE, async || cluster.client().await?.run("SELECT 1").await)
        .await
}

/// Makes a running cluster one of this mix.
async fn replace(cluster: &mut Cluster, mix: Mix) -> Result<()> {
    cluster.replace_proxy(mix.of(Proxy)).await?;
    cluster.replace_sentinels(mix.of(Sentinels)).await?;
    // A master that stops may not be the master any more.
    for _ in 0..3 {
        let master = cluster.master_uid()?;
        for (uid, origin) in mix.keepers(cluster)? {
            if cluster.keeper(&uid)?.origin != origin {
                cluster.replace_keeper(&uid, origin).await?;
            }
        }
        if cluster.master_uid()? == master {
            return Ok(());
        }
    }
    bail!("the master changes whenever it is replaced")
}

/// Waits until every instance is healthy, and a standby is known to have every commit.
async fn ready(cluster: &Cluster) -> Result<()> {
    cluster.healthy(3, PATIENCE).await?;
    eventually("a standby is synchronous", PATIENCE, async || {
        let data = cluster.cluster_data()?;
        let db = db_of(&data, &cluster.master_uid()?)?;
        let standbys = data.pointer(&format!("/dbs/{db}/status/synchronousStandbys"));
        let standbys =
            standbys.and_then(|standbys| standbys.as_array()).context("none is known")?;
        ensure!(!standbys.is_empty(), "none is");
        Ok(())
    })
    .await
}

/// Changes a parameter with the stolonctl of `origin` and waits until every instance has it.
async fn update(cluster: &Cluster, origin: Origin) -> Result<()> {
    let value = format!("{origin:?}");
    let patch = format!(r#"{{"pgParameters": {{"log_line_prefix": "{value}"}}}}"#);
    eventually("update succeeds", PATIENCE, async || {
        cluster.ctl_of(origin, &["update", "--patch", &patch], "")?.success()
    })
    .await?;
    for keeper in &cluster.keepers {
        let what = format!("{} has the parameter of {value}", keeper.uid);
        eventually(&what, PATIENCE, async || {
            let found = keeper.client().await?.value("SHOW log_line_prefix").await?;
            ensure!(found == value, "it has {found}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// The cluster serves, outlives its master's node, which returns as a standby, and obeys either build's stolonctl.
async fn exercise(cluster: &mut Cluster, load: &Load, failing: Origin) -> Result<()> {
    ready(cluster).await?;
    cluster.compare_stolonctl().await?;
    load.progress(100, PATIENCE).await?;
    let master = cluster.master_uid()?;
    cluster.keeper_mut(&master)?.kill_node()?;
    cluster.new_master(&master, PATIENCE).await?;
    load.progress(100, PATIENCE).await?;
    cluster.restart_keeper(&master)?;
    ready(cluster).await?;

    update(cluster, other(failing)).await?;
    // Who has not reported the new generation is no candidate, and failkeeper acts once.
    ready(cluster).await?;
    let master = cluster.master_uid()?;
    eventually("failkeeper succeeds", PATIENCE, async || {
        cluster.ctl_of(failing, &["failkeeper", &master], "")?.success()
    })
    .await?;
    cluster.new_master(&master, PATIENCE).await?;
    ready(cluster).await?;
    load.progress(100, PATIENCE).await
}

/// A mix in which `parts` are the peer's, its opposite, and the way from one to the other.
async fn peers(name: &str, parts: &'static [Part], setup: Setup) -> Result<()> {
    scenario(&format!("mixture_{name}"), async |cluster| {
        let mix = Mix { parts, origin: Origin::Peer };
        start(cluster, mix, setup).await.context("start")?;
        let load = Load::start_with(cluster.proxy()?.port(), 2, COMMIT).await?;
        exercise(cluster, &load, Origin::Peer).await.with_context(|| format!("{mix:?}"))?;
        replace(cluster, mix.opposite()).await.with_context(|| format!("{:?}", mix.opposite()))?;
        exercise(cluster, &load, Origin::Ours)
            .await
            .with_context(|| format!("{:?}", mix.opposite()))?;
        replace(cluster, mix).await.context("back")?;
        load.progress(100, PATIENCE).await?;
        let report = load.stop().await;
        report.check(cluster.proxy()?.port()).await?;
        cluster.replicated("SELECT count(*), sum(id) FROM appended").await
    })
    .await
}

macro_rules! mixes {
    ($($name:ident: $setup:ident [$($part:ident),*];)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() -> Result<()> {
            peers(stringify!($name), &[$($part),*], $setup).await
        }
    )*};
}

// With their opposites all 24 mixes, those of one build alone included.
mixes! {
    proxy: PLAIN [Proxy];
    sentinels: PLAIN [Sentinels];
    keepers: PLAIN [Master, OneStandby, OtherStandby];
    standby: PLAIN [OneStandby];
    master: PLAIN [Master];
    proxy_and_standby: PLAIN [Proxy, OneStandby];
    proxy_and_master: PLAIN [Proxy, Master];
    sentinels_and_standby: PLAIN [Sentinels, OneStandby];
    sentinels_and_master: PLAIN [Sentinels, Master];
    proxy_sentinels_and_standby: PLAIN [Proxy, Sentinels, OneStandby];
    proxy_sentinels_and_master: PLAIN [Proxy, Sentinels, Master];
    everything: PLAIN [Proxy, Sentinels, Master, OneStandby, OtherStandby];
    standby_with_trust_and_rewinding: REWINDING [OneStandby];
    keepers_with_trust_and_rewinding: REWINDING [Master, OneStandby, OtherStandby];
}
