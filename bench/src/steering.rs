//! Cluster data that names a master of our choice: a store and a proxy, and no sentinel or keeper.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use stolon_model::cluster::{ClusterData, Db, DbSpec, DbStatus, Proxy};
use stolon_model::generation::Generation;
use stolon_model::json;
use stolon_model::spec::ClusterSpec;
use stolon_model::time::GoTime;
use stolon_model::uid::{ClusterUid, DbUid, ProxyUid};
use stolon_store::{ClusterStore, Config, ConfigSource, connect};
use stolon_tests::eventually;

/// How long a proxy may take to report itself.
const LIMIT: Duration = Duration::from_secs(20);

/// One cluster in the store, whose master we name.
pub struct Steering {
    store: ClusterStore,
    data: ClusterData,
    cluster: String,
    endpoints: String,
}

impl std::fmt::Debug for Steering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Steering").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl Steering {
    /// A cluster of this name with one db for each of `ports` on 127.0.0.1, and no master yet.
    pub async fn start(endpoints: &str, cluster: &str, ports: &[u16]) -> Result<Self> {
        let store = connect(Config::parse(&ConfigSource {
            backend: "etcdv3".to_owned(),
            endpoints: endpoints.to_owned(),
            cluster_name: cluster.to_owned(),
            ..ConfigSource::default()
        })?)
        .await?;
        let data = cluster_data(ports)?;
        store.put_cluster_data(&data).await?;
        Ok(Self { store, data, cluster: cluster.to_owned(), endpoints: endpoints.to_owned() })
    }

    /// The flags that lead a proxy to this cluster.
    pub fn flags(&self) -> [&str; 6] {
        [
            "--cluster-name",
            &self.cluster,
            "--store-backend",
            "etcdv3",
            "--store-endpoints",
            &self.endpoints,
        ]
    }

    /// Waits for the one proxy of this cluster and lets it in.
    pub async fn admit(&mut self) -> Result<()> {
        let uid: ProxyUid = eventually("the proxy reports", LIMIT, async || {
            self.store.proxy_infos().await?.good.keys().next().cloned().context("no proxy info")
        })
        .await?;
        self.data.proxy.get_or_insert_with(Proxy::default).spec.enabled_proxies = vec![uid];
        Ok(())
    }

    /// Writes the db with this number as the proxies' target, and returns the moment before.
    pub async fn appoint(&mut self, number: usize) -> Result<Instant> {
        self.write(db_uid(number)).await
    }

    /// Writes that there is no master, and returns the moment before.
    pub async fn dismiss(&mut self) -> Result<Instant> {
        self.write(DbUid::default()).await
    }

    async fn write(&mut self, master: DbUid) -> Result<Instant> {
        let target = self.data.proxy.get_or_insert_with(Proxy::default);
        target.generation = target.generation.next();
        target.spec.master_db_uid = master;
        let began = Instant::now();
        self.store.put_cluster_data(&self.data).await?;
        Ok(began)
    }
}

fn db_uid(number: usize) -> DbUid {
    DbUid::from(format!("be4c{number:04}"))
}

fn cluster_data(ports: &[u16]) -> Result<ClusterData> {
    let spec: ClusterSpec = json::decode(br#"{"initMode": "new"}"#)?;
    let mut data = ClusterData::initial(ClusterUid::from("be4c4000"), spec, GoTime::default());
    data.dbs = ports
        .iter()
        .enumerate()
        .map(|(number, port)| {
            let uid = db_uid(number);
            let db = Db {
                uid: uid.clone(),
                generation: Generation::INITIAL,
                spec: Some(DbSpec::default()),
                status: DbStatus {
                    healthy: true,
                    listen_address: "127.0.0.1".to_owned(),
                    port: port.to_string(),
                    ..DbStatus::default()
                },
                ..Db::default()
            };
            (uid, db)
        })
        .collect::<BTreeMap<_, _>>();
    Ok(data)
}
