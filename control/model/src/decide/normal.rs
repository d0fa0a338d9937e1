//! The phase "normal": a cluster that has a master (reference, chapters 8.7 to 8.11).

use super::draft::DbKind;
use super::pass::Pass;
use super::reason::Reason;
use super::{dead_keepers, election, followers, master, proxies, removal, standbys, sync_standbys};
use crate::cluster::{DbInitMode, FollowConfig, FollowKind, Role};
use crate::spec::ClusterRole;
use crate::uid::DbUid;

/// Removes dead keepers, replaces a failed master, and otherwise keeps the rest around the master in order.
pub(super) fn converge(pass: &mut Pass<'_>) -> Result<(), Reason> {
    dead_keepers::remove(pass);
    let current = pass.draft.master_uid().clone();
    let wanted = master::choose(pass)?;
    if wanted == current {
        proxies::direct(pass, &current);
        keep(pass, &current);
    } else {
        election::hand_over(pass, &current, &wanted);
    }
    followers::update(pass, &current, &wanted);
    Ok(())
}

fn keep(pass: &mut Pass<'_>, master_uid: &DbUid) {
    let role = pass.spec.role;
    let Some(master) = pass.db_mut(master_uid) else { return };
    if role == ClusterRole::Master {
        master.spec.role = Some(Role::Master);
        master.spec.follow_config = None;
    }
    // The others change only around a master that does its work.
    if !master.status.healthy || !master.is_converged() {
        return;
    }
    removal::remove_old_masters(pass, master_uid);
    removal::remove_invalid(pass, master_uid);
    removal::remove_stuck(pass);
    let standbys = pass.judge().standbys();
    for uid in &standbys.good {
        if let Some(db) = pass.db_mut(uid) {
            db.spec.init_mode = Some(DbInitMode::None);
        }
    }
    sync_standbys::set_up(pass, master_uid, &standbys);
    standbys::adjust_number(pass, master_uid, &standbys);
    dead_keepers::remove_with_standbys(pass, master_uid);
    for db in pass.draft.dbs.values_mut().filter(|db| db.kind() == DbKind::Standby) {
        db.spec.role = Some(Role::Standby);
        db.spec.followers = Some(Vec::new());
        db.spec.follow_config = Some(follow(master_uid));
        db.spec.synchronous_replication = false;
        db.spec.synchronous_standbys = None;
        db.spec.external_synchronous_standbys = None;
    }
}

/// Following a db of this cluster.
pub(super) fn follow(master: &DbUid) -> FollowConfig {
    FollowConfig {
        kind: Some(FollowKind::Internal),
        db_uid: master.clone(),
        standby_settings: None,
        archive_recovery_settings: None,
    }
}
