//! Cluster data of a master `m1` on `keeper0`, ourselves, and a db `d1` that follows it on `keeper1`.

use stolon_model::cluster::{
    Cluster, ClusterData, ClusterStatus, Db, DbInitMode, DbSpec, DbStatus, FORMAT_VERSION,
    FollowConfig, FollowKind, Keeper, KeeperStatus, Phase, Role,
};
use stolon_model::generation::Generation;
use stolon_model::local::{DbLocalState, KeeperLocalState};
use stolon_model::lsn::{Lsn, TimelineId};
use stolon_model::plan::action::Action;
use stolon_model::plan::{
    DataDirectory, Desired, KeeperOptions, Local, Memory, Next, Plan, Position, Reading, Server,
    plan,
};
use stolon_model::postgres::role::{Account, AuthMethod};
use stolon_model::postgres::secret::Secret;
use stolon_model::postgres::version::PgVersion;
use stolon_model::spec::ClusterSpec;
use stolon_model::uid::{BootUuid, ClusterUid, DbUid, KeeperUid};

pub const PGDATA: &str = "/data/postgres";
pub const GENERATION: Generation = Generation(3);

/// Our keeper is `keeper0` when the db is the master, so that one set of flags does for both.
pub fn keeper(uid: &str) -> KeeperOptions {
    let account = |name: &str, password: &str| Account {
        name: name.to_owned(),
        method: AuthMethod::Md5,
        password: Secret::new(password),
    };
    KeeperOptions {
        uid: KeeperUid::from(uid),
        boot_uuid: BootUuid::from("boot"),
        pgdata: PGDATA.to_owned(),
        listen_address: "10.0.0.11".to_owned(),
        port: "5432".to_owned(),
        superuser: account("stolon", "supw"),
        replication: account("repluser", "replpw"),
    }
}

pub fn data() -> ClusterData {
    let spec = |keeper: &str| DbSpec {
        keeper_uid: KeeperUid::from(keeper),
        max_standbys: 20,
        additional_wal_senders: 5,
        init_mode: Some(DbInitMode::None),
        ..DbSpec::default()
    };
    let master = DbSpec {
        role: Some(Role::Master),
        followers: Some(vec![DbUid::from("d1")]),
        ..spec("keeper0")
    };
    let standby = DbSpec {
        role: Some(Role::Standby),
        follow_config: Some(FollowConfig {
            kind: Some(FollowKind::Internal),
            db_uid: DbUid::from("m1"),
            ..FollowConfig::default()
        }),
        followers: Some(Vec::new()),
        ..spec("keeper1")
    };
    let db = |uid: &str, spec: DbSpec, address: &str| Db {
        uid: DbUid::from(uid),
        generation: GENERATION,
        spec: Some(spec),
        status: DbStatus {
            current_generation: GENERATION,
            listen_address: address.to_owned(),
            port: "5432".to_owned(),
            system_id: "7000".to_owned(),
            timeline_id: TimelineId(2),
            xlog_pos: Lsn(1000),
            ..DbStatus::default()
        },
        ..Db::default()
    };
    let keeper = |uid: &str| {
        let status = KeeperStatus { boot_uuid: BootUuid::from("boot"), ..KeeperStatus::default() };
        (KeeperUid::from(uid), Keeper { uid: KeeperUid::from(uid), status, ..Keeper::default() })
    };
    ClusterData {
        format_version: FORMAT_VERSION,
        cluster: Some(Cluster {
            uid: ClusterUid::from("c1"),
            spec: Some(ClusterSpec { init_mode: Some("new".to_owned()), ..ClusterSpec::default() }),
            status: ClusterStatus {
                phase: Some(Phase::Normal),
                master: DbUid::from("m1"),
                ..ClusterStatus::default()
            },
            ..Cluster::default()
        }),
        keepers: [keeper("keeper0"), keeper("keeper1")].into(),
        dbs: [
            (DbUid::from("m1"), db("m1", master, "10.0.0.10")),
            (DbUid::from("d1"), db("d1", standby, "10.0.0.11")),
        ]
        .into(),
        ..ClusterData::default()
    }
}

pub fn change_db(data: &mut ClusterData, uid: &str, change: impl FnOnce(&mut DbSpec)) {
    let db = data.dbs.get_mut(&DbUid::from(uid)).unwrap();
    change(db.spec.as_mut().unwrap());
}

/// What is wanted of the master, its spec changed.
pub fn master(change: impl FnOnce(&mut DbSpec)) -> Desired {
    let mut data = data();
    change_db(&mut data, "m1", change);
    Desired::read(Some(&data), &keeper("keeper0"))
}

/// What is wanted of the standby, its spec changed.
pub fn standby(change: impl FnOnce(&mut DbSpec)) -> Desired {
    let mut data = data();
    change_db(&mut data, "d1", change);
    Desired::read(Some(&data), &keeper("keeper1"))
}

/// Data that are initialised, of the cluster's system.
pub fn files(is_standby: bool) -> DataDirectory {
    DataDirectory {
        version: Some(PgVersion::new(15, 0)),
        is_standby,
        system_id: "7000".to_owned(),
        timeline: TimelineId(1),
    }
}

/// An instance of the db `uid` whose server is stopped.
pub fn stopped(uid: &str, is_standby: bool) -> Local {
    Local {
        keeper_state: KeeperLocalState {
            uid: KeeperUid::from("keeper"),
            cluster_uid: ClusterUid::from("c1"),
        },
        db_state: DbLocalState {
            uid: DbUid::from(uid),
            generation: GENERATION,
            initializing: false,
            init_pg_parameters: None,
        },
        binary_version: Some(PgVersion::new(15, 4)),
        data: Some(files(is_standby)),
        server: Server::Stopped,
    }
}

/// An answer of a server on the cluster's timeline, with the slots that are wanted of the master.
pub fn reading() -> Reading {
    let position = Position { timeline: TimelineId(2), xlog_pos: Lsn(900), history: Vec::new() };
    Reading {
        slots: ["stolon_d1".to_owned()].into(),
        position: Some(position),
        ..Reading::default()
    }
}

/// Plans without anything remembered.
pub fn plan_anew(desired: &Desired, local: &Local) -> Plan {
    plan(desired, local, &Memory::default(), PGDATA)
}

/// The names of the actions, in order.
pub fn names(plan: &Plan) -> Vec<String> {
    actions(plan).iter().map(name).collect()
}

pub fn actions(plan: &Plan) -> &[Action] {
    match &plan.next {
        Next::Do(actions) => actions,
        other => panic!("nothing to do but {other:?}"),
    }
}

pub fn name(action: &Action) -> String {
    let text = format!("{action:?}");
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    text[..end].to_owned()
}

pub fn texts(plan: &Plan) -> Vec<&'static str> {
    plan.messages.iter().map(|message| message.text).collect()
}
