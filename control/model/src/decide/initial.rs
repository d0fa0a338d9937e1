//! The phase "initializing": making the first master (reference, chapter 8.6).

use super::judge::Convergence;
use super::pass::Pass;
use super::reason::Reason;
use crate::cluster::{DbInitMode, DbSpec, FollowConfig, FollowKind, Phase, Role};
use crate::spec::{ClusterRole, InitMode};
use crate::uid::{DbUid, KeeperUid};

/// Chooses a first master, or looks whether the chosen one is ready.
pub(super) fn initialize(pass: &mut Pass<'_>) -> Result<(), Reason> {
    if pass.draft.master_uid().is_empty() { choose(pass) } else { follow_up(pass) }
}

fn choose(pass: &mut Pass<'_>) -> Result<(), Reason> {
    let message = match pass.spec.init_mode {
        InitMode::New => "initializing cluster",
        InitMode::Existing | InitMode::Pitr => {
            "initializing cluster using selected keeper as master db owner"
        }
    };
    let keeper = match pass.spec.init_mode {
        InitMode::Existing => existing_keeper(pass)?,
        InitMode::New | InitMode::Pitr => random_keeper(pass)?,
    };
    pass.reasons.add(Reason::info("initializing", message).keeper(&keeper));
    let spec = first_db(pass, keeper);
    let uid = pass.draft.fresh_db_uid(&mut pass.rng);
    pass.draft.add_db(&uid, spec);
    pass.draft.cluster.status.master = uid;
    Ok(())
}

/// Any keeper of the cluster data; its health is not looked at, for a failed one is replaced after initTimeout.
fn random_keeper(pass: &mut Pass<'_>) -> Result<KeeperUid, Reason> {
    pass.reasons.add(Reason::info("find_initial_master", "trying to find initial master"));
    let keepers: Vec<_> = pass.draft.keepers.keys().cloned().collect();
    pass.rng.choice(keepers).ok_or_else(|| {
        refusal("no_keepers", "cannot choose initial master: no keepers registered".to_owned())
    })
}

fn existing_keeper(pass: &mut Pass<'_>) -> Result<KeeperUid, Reason> {
    let keeper =
        pass.spec.existing_config.clone().map(|config| config.keeper_uid).unwrap_or_default();
    let message = "trying to use keeper as initial master";
    pass.reasons.add(Reason::info("find_initial_master", message).keeper(&keeper));
    if pass.draft.keepers.contains_key(&keeper) {
        Ok(keeper)
    } else {
        Err(refusal("no_keepers", format!("keeper \"{keeper}\" state not available")))
    }
}

fn first_db(pass: &Pass<'_>, keeper: KeeperUid) -> DbSpec {
    let spec = &pass.spec;
    let mut db = DbSpec {
        keeper_uid: keeper,
        role: Some(Role::Master),
        followers: Some(Vec::new()),
        include_previous_config: spec.merge_pg_parameters,
        ..DbSpec::default()
    };
    match spec.init_mode {
        InitMode::New => {
            db.init_mode = Some(DbInitMode::New);
            db.new_config = spec.new_config.clone();
        }
        InitMode::Existing => db.init_mode = Some(DbInitMode::Existing),
        InitMode::Pitr => {
            db.init_mode = Some(DbInitMode::Pitr);
            db.pitr_config = spec.pitr_config.clone();
            if spec.role == ClusterRole::Standby {
                db.role = Some(Role::Standby);
                db.follow_config = Some(follow_external(pass));
            }
        }
    }
    db
}

/// Following the instance outside that the cluster spec names.
pub(super) fn follow_external(pass: &Pass<'_>) -> FollowConfig {
    let config = pass.spec.standby_config.clone().unwrap_or_default();
    FollowConfig {
        kind: Some(FollowKind::External),
        db_uid: DbUid::default(),
        standby_settings: config.standby_settings,
        archive_recovery_settings: config.archive_recovery_settings,
    }
}

fn follow_up(pass: &mut Pass<'_>) -> Result<(), Reason> {
    let uid = pass.draft.master_uid().clone();
    let Some(db) = pass.draft.dbs.get(&uid) else {
        return Err(refusal("no_master_db", format!("db \"{uid}\" of the master not available")));
    };
    let timeout = match pass.spec.init_mode {
        InitMode::New => Some(pass.spec.init_timeout).filter(|timeout| !timeout.is_zero()),
        InitMode::Existing | InitMode::Pitr => None,
    };
    let say = |label, message: &str| {
        pass.reasons.add(Reason::info(label, message).db(&uid).keeper(&db.spec.keeper_uid));
    };
    match pass.judge().convergence(&uid, db, timeout) {
        // A db is called healthy until failInterval has passed without a good report. Before the first good one there
        // are no parameters to merge, and the cluster would lose those of initdb.
        Convergence::Converged if db.status.healthy && !db.status.system_id.is_empty() => {
            say("db_initialized", "db initialized");
            finish(pass, &uid);
        }
        Convergence::Converged => {}
        Convergence::Converging => match pass.spec.init_mode {
            InitMode::New => say("waiting_for_db", "waiting for db"),
            InitMode::Pitr => say("waiting_for_db", "waiting for db to converge"),
            InitMode::Existing => {}
        },
        Convergence::Failed => {
            say("db_failed_to_initialize", "db failed to initialize");
            pass.draft.dbs.clear();
            pass.draft.cluster.status.master = DbUid::default();
        }
    }
    Ok(())
}

fn finish(pass: &mut Pass<'_>, uid: &DbUid) {
    let merge = pass.spec.merge_pg_parameters;
    let Some(db) = pass.db_mut(uid) else { return };
    db.spec.init_mode = Some(DbInitMode::None);
    db.spec.include_previous_config = false;
    let parameters = db.status.pg_parameters.clone();
    if merge {
        pass.draft.cluster_spec.pg_parameters = parameters.clone();
        pass.spec.pg_parameters = parameters;
    }
    pass.draft.cluster.status.phase = Some(Phase::Normal);
}

/// A rule cannot be applied, and nothing is written.
pub(super) fn refusal(label: &'static str, error: String) -> Reason {
    Reason::error(label, "failed to update cluster data").with("error", error)
}
