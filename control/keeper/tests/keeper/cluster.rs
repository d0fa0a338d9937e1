//! A cluster whose sentinel is the test.

use crate::etcd::Etcd;
use crate::harness::{Home, Process, free_port, until};
use stolon_model::cluster::{
    Cluster, ClusterData, Db, DbInitMode, DbSpec, FORMAT_VERSION, FollowConfig, FollowKind, Keeper,
    KeeperSpec, Proxy, Role,
};
use stolon_model::generation::Generation;
use stolon_model::info::{KeeperInfo, PostgresState};
use stolon_model::json;
use stolon_model::spec::ClusterSpec;
use stolon_model::uid::{ClusterUid, DbUid, KeeperUid};
use stolon_store::{ClusterStore, ConfigSource};
use tokio_postgres::NoTls;

pub struct TestCluster {
    pub etcd: Etcd,
    pub home: Home,
    pub store: ClusterStore,
}

pub struct TestKeeper {
    pub uid: KeeperUid,
    pub port: u16,
    pub process: Process,
    pgdata: std::path::PathBuf,
}

impl TestCluster {
    /// A cluster with no keepers yet.
    pub async fn new(spec: &str) -> Self {
        let etcd = Etcd::start();
        let source = ConfigSource {
            backend: "etcdv3".into(),
            endpoints: etcd.endpoint.clone(),
            cluster_name: "test".into(),
            ..ConfigSource::default()
        };
        let config = stolon_store::Config::parse(&source).unwrap();
        let store = stolon_store::connect(config).await.unwrap();
        let spec: ClusterSpec = json::decode(spec.as_bytes()).unwrap();
        let data = ClusterData {
            format_version: FORMAT_VERSION,
            cluster: Some(Cluster {
                uid: ClusterUid::new("c0ffee00"),
                generation: Generation::INITIAL,
                spec: Some(spec),
                ..Cluster::default()
            }),
            proxy: Some(Proxy::default()),
            ..ClusterData::default()
        };
        store.put_cluster_data(&data).await.unwrap();
        Self { etcd, home: Home::new(), store }
    }

    pub async fn data(&self) -> ClusterData {
        self.store.cluster_data().await.unwrap().value.unwrap()
    }

    /// Changes the cluster data.
    pub async fn change(&self, change: impl FnOnce(&mut ClusterData)) {
        let mut data = self.data().await;
        change(&mut data);
        self.store.put_cluster_data(&data).await.unwrap();
    }

    /// Changes the spec of a db, which makes a new generation of it.
    pub async fn change_db(&self, db: &str, change: impl FnOnce(&mut DbSpec)) {
        self.change(|data| {
            let db = data.dbs.get_mut(&DbUid::new(db)).unwrap();
            change(db.spec.as_mut().unwrap());
            db.generation = db.generation.next();
        })
        .await;
    }

    /// Starts a keeper and adds it to the cluster data, as the sentinel does when it sees it.
    pub async fn start_keeper(&self, uid: &str) -> TestKeeper {
        self.start_keeper_on(uid, free_port()).await
    }

    pub async fn start_keeper_on(&self, uid: &str, port: u16) -> TestKeeper {
        let process = self.home.start(uid, self.home.command(uid, port, &self.etcd.endpoint));
        let pgdata = self.home.data(uid).join("postgres");
        let keeper = TestKeeper { uid: KeeperUid::new(uid), port, process, pgdata };
        let known = self.data().await.keepers.get(&keeper.uid).map(|k| k.status.boot_uuid.clone());
        self.info(&keeper, "a new boot uuid", |info| {
            info.cluster_uid.as_str() == "c0ffee00" && Some(&info.boot_uuid) != known.as_ref()
        })
        .await;
        self.admit(&keeper).await;
        keeper
    }

    /// Takes over what a keeper says of itself.
    pub async fn admit(&self, keeper: &TestKeeper) {
        let info = self.info(keeper, "an info", |_| true).await;
        self.change(|data| {
            let entry = data.keepers.entry(keeper.uid.clone()).or_insert_with(|| Keeper {
                uid: keeper.uid.clone(),
                generation: Generation::INITIAL,
                spec: Some(KeeperSpec {}),
                ..Keeper::default()
            });
            entry.status.healthy = true;
            entry.status.boot_uuid = info.boot_uuid;
        })
        .await;
    }

    /// Waits for an info of the keeper.
    pub async fn info(
        &self,
        keeper: &TestKeeper,
        what: &str,
        is_it: impl Fn(&KeeperInfo) -> bool,
    ) -> KeeperInfo {
        let found = until(async || {
            match self.store.keeper_infos().await.unwrap().good.remove(&keeper.uid) {
                Some(info) if is_it(&info) => Ok(info),
                other => Err(other),
            }
        });
        found.await.unwrap_or_else(|last| {
            let log = keeper.process.log();
            panic!("waited in vain for {what} of {}: {last:#?}\n{log}", keeper.uid)
        })
    }

    /// Waits for a state of the keeper's instance, and takes it over into the db's status, as the sentinel does.
    pub async fn state(
        &self,
        keeper: &TestKeeper,
        what: &str,
        is_it: impl Fn(&PostgresState) -> bool,
    ) -> PostgresState {
        let info =
            self.info(keeper, what, |info| info.postgres_state.as_ref().is_some_and(&is_it)).await;
        let state = info.postgres_state.unwrap();
        self.change(|data| {
            let Some(db) = data.dbs.get_mut(&state.uid) else { return };
            db.status.healthy = state.healthy;
            db.status.current_generation = state.generation;
            db.status.listen_address.clone_from(&state.listen_address);
            db.status.port.clone_from(&state.port);
            db.status.system_id.clone_from(&state.system_id);
            db.status.timeline_id = state.timeline_id;
            db.status.xlog_pos = state.xlog_pos;
            db.status.timelines_history.clone_from(&state.timelines_history);
        })
        .await;
        state
    }

    /// Waits until the db is healthy with the generation the cluster data want.
    pub async fn converged(&self, keeper: &TestKeeper, db: &str) -> PostgresState {
        let uid = DbUid::new(db);
        let generation = self.data().await.dbs[&uid].generation;
        self.state(keeper, "convergence", |state| {
            state.uid == uid && state.healthy && state.generation == generation
        })
        .await
    }

    /// Assigns a new db to a keeper.
    pub async fn assign(&self, db: &str, keeper: &TestKeeper, change: impl FnOnce(&mut DbSpec)) {
        let data = self.data().await;
        let defaults = data.cluster.unwrap().spec.unwrap().with_defaults();
        let mut spec = DbSpec {
            keeper_uid: keeper.uid.clone(),
            max_standbys: defaults.max_standbys,
            use_pgrewind: defaults.use_pgrewind,
            pg_parameters: defaults.pg_parameters,
            pg_hba: defaults.pg_hba,
            followers: Some(Vec::new()),
            ..DbSpec::default()
        };
        change(&mut spec);
        self.change(|data| {
            let db = Db {
                uid: DbUid::new(db),
                generation: Generation::INITIAL,
                spec: Some(spec),
                ..Db::default()
            };
            data.dbs.insert(db.uid.clone(), db);
        })
        .await;
    }

    /// Makes the first master.
    pub async fn make_master(&self, keeper: &TestKeeper, db: &str) {
        self.assign(db, keeper, |spec| {
            spec.init_mode = Some(DbInitMode::New);
            spec.role = Some(Role::Master);
        })
        .await;
        self.change(|data| {
            data.cluster.as_mut().unwrap().status.master = DbUid::new(db);
        })
        .await;
        self.converged(keeper, db).await;
    }

    /// Makes a standby of `master`.
    pub async fn make_standby(&self, keeper: &TestKeeper, db: &str, master: &str) {
        self.change_db(master, |spec| {
            spec.followers.get_or_insert_default().push(DbUid::new(db));
        })
        .await;
        self.assign(db, keeper, |spec| {
            spec.init_mode = Some(DbInitMode::Resync);
            spec.role = Some(Role::Standby);
            spec.follow_config = Some(follow(master));
        })
        .await;
        self.converged(keeper, db).await;
    }
}

pub fn follow(db: &str) -> FollowConfig {
    FollowConfig {
        kind: Some(FollowKind::Internal),
        db_uid: DbUid::new(db),
        ..FollowConfig::default()
    }
}

impl TestKeeper {
    /// What postmaster.pid says.
    pub fn postmaster_pid(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.pgdata.join("postmaster.pid")).ok()?;
        text.lines().next()?.parse().ok()
    }

    /// Runs one statement as the superuser over TCP and returns the first column as text.
    pub async fn sql(&self, statement: &str) -> Result<Vec<String>, tokio_postgres::Error> {
        self.sql_as("su", statement).await
    }

    pub async fn sql_as(
        &self,
        user: &str,
        statement: &str,
    ) -> Result<Vec<String>, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user(user).password("su 'pw\\").dbname("postgres");
        let (client, connection) = config.connect(NoTls).await?;
        let connection = tokio::spawn(connection);
        let messages = client.simple_query(statement).await;
        connection.abort();
        Ok(messages?
            .iter()
            .filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
            .collect())
    }

    /// Runs a statement until it gives `wanted`.
    pub async fn sql_until(&self, statement: &str, wanted: &[&str]) {
        let given = until(async || match self.sql(statement).await {
            Ok(rows) if rows == wanted => Ok(()),
            other => Err(other),
        });
        if let Err(last) = given.await {
            let log = self.process.log();
            panic!("waited in vain for {wanted:?} from {statement}: {last:?}\n{log}");
        }
    }
}
