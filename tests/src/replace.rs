//! Replacing the binaries of a running cluster by those of another build.

use crate::binaries::Origin;
use crate::cluster::{Cluster, text};
use crate::eventually;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// What a replaced process may take until it does its work again.
const SOON: Duration = Duration::from_secs(60);

/// A file in PGDATA that a copy made anew does not have.
const MARKER: &str = "stolon-e2e-was-here";

impl Cluster {
    /// Which db each keeper runs.
    pub fn dbs(&self) -> Result<BTreeMap<String, String>> {
        let data = self.cluster_data()?;
        let dbs = data.get("dbs").and_then(|dbs| dbs.as_object()).context("no dbs")?;
        Ok(dbs
            .iter()
            .map(|(uid, db)| (text(db, "/spec/keeperUID").to_owned(), uid.clone()))
            .collect())
    }

    /// A keeper of `origin` takes over the data directory of one of three; nothing is copied anew.
    ///
    /// Its PostgreSQL stops with it. A master comes back as it was, or another one has taken over.
    pub async fn replace_keeper(&mut self, uid: &str, origin: Origin) -> Result<()> {
        let before = self.dbs()?;
        let (master, keeper) = (self.master_uid()?, self.keeper_mut(uid)?);
        let marker = keeper.pgdata().join(MARKER);
        fs::write(&marker, "")?;
        keeper.stop().await?;
        keeper.origin = origin;
        self.restart_keeper(uid)?;
        self.healthy(before.len(), SOON)
            .await
            .with_context(|| format!("after {uid} was replaced"))?;
        if self.master_uid()? == master {
            ensure!(fs::exists(&marker)?, "{origin:?} made the data of {uid} anew");
            ensure!(self.dbs()? == before, "the replaced {uid} got another db");
        } else {
            ensure!(uid == master, "the master changed with its standby {uid}");
        }
        // A copy that another keeper makes of these data must not have it.
        if fs::exists(&marker)? { Ok(fs::remove_file(&marker)?) } else { Ok(()) }
    }

    /// A proxy of `origin` takes the place of the first one.
    pub async fn replace_proxy(&mut self, origin: Origin) -> Result<()> {
        let Self { proxies, scratch, .. } = &mut *self;
        let proxy = proxies.first_mut().context("no proxy")?;
        proxy.process.stop().await?;
        proxy.origin = origin;
        proxy.restart(scratch)?;
        eventually("the replaced proxy serves", SOON, async || {
            self.client().await?.run("SELECT 1").await
        })
        .await
    }

    /// Lets a sentinel of `origin` take over from each one that runs, the leader among them.
    pub async fn replace_sentinels(&mut self, origin: Origin) -> Result<()> {
        self.site.origin = origin;
        for _ in 0..self.sentinels.len() {
            let mut old = self.sentinels.remove(0);
            self.add_sentinel()?;
            let uid = old.uid()?;
            old.process.stop().await?;
            eventually("another sentinel leads", SOON, async || {
                let status = self.status()?;
                let sentinels =
                    status.get("sentinels").and_then(|list| list.as_array()).context("none")?;
                let leader = sentinels
                    .iter()
                    .find(|sentinel| sentinel.pointer("/leader") == Some(&true.into()))
                    .context("nobody leads")?;
                ensure!(text(leader, "/uid") != uid, "{uid} leads still");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Both builds of stolonctl tell the same story.
    pub async fn compare_stolonctl(&self) -> Result<()> {
        for arguments in [&["status"][..], &["spec"], &["spec", "--defaults"]] {
            eventually("both builds of stolonctl say the same", SOON, async || {
                let ours = self.ctl_of(Origin::Ours, arguments, "")?;
                let peer = self.ctl_of(Origin::Peer, arguments, "")?;
                ensure!(ours == peer, "{arguments:?}: {ours:?} and {peer:?}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}
