//! What each db takes from the cluster spec (reference, chapter 8.12).

use super::draft::DbKind;
use super::pass::Pass;
use crate::cluster::FollowKind;
use crate::time::GoDuration;

/// Copies the options that concern every db, with their defaults, into the specs of the dbs.
pub(super) fn copy_to_dbs(pass: &mut Pass<'_>) {
    let spec = &pass.spec;
    for db in pass.draft.dbs.values_mut() {
        let kind = db.kind();
        let db = &mut db.spec;
        db.request_timeout = GoDuration::from_std(spec.request_timeout);
        db.max_standbys = spec.max_standbys;
        db.use_pgrewind = spec.use_pgrewind;
        db.pg_parameters = spec.pg_parameters.clone();
        db.pg_hba = spec.pg_hba.clone();
        db.additional_wal_senders = spec.additional_wal_senders;
        db.additional_replication_slots = match kind {
            DbKind::Master => spec.additional_master_replication_slots.clone(),
            DbKind::Standby => None,
        };
        if let Some(follow) = &mut db.follow_config
            && follow.kind == Some(FollowKind::External)
            && let Some(config) = &spec.standby_config
        {
            follow.standby_settings = config.standby_settings.clone();
            follow.archive_recovery_settings = config.archive_recovery_settings.clone();
        }
    }
}
