//! What a leader remembers from pass to pass, all of it lost with the leadership.

use crate::cluster::ClusterData;
use crate::generation::Generation;
use crate::info::{KeeperInfo, ProxyInfo};
use crate::lsn::Lsn;
use crate::time::Mono;
use crate::uid::{DbUid, InfoUid, KeeperUid, ProxyUid};
use std::collections::BTreeMap;
use std::time::Duration;

/// The memory between passes. Its times are of the sentinel's own monotonic clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observer {
    /// The term that it was gathered in.
    pub(super) term: Option<u64>,
    /// When the first pass of the term was.
    pub(super) term_began: Mono,
    /// The last info of each keeper.
    pub(super) keepers: BTreeMap<KeeperUid, Heard<KeeperInfo>>,
    /// The last info of each proxy.
    pub(super) proxies: BTreeMap<ProxyUid, ProxyHeard>,
    /// Since when proxies have no target.
    pub(super) closed_since: Option<Mono>,
    /// Since when a keeper is silent.
    pub(super) keeper_errors: BTreeMap<KeeperUid, Mono>,
    /// Since when there is no good report of a db.
    pub(super) db_errors: BTreeMap<DbUid, Mono>,
    /// Whether the WAL position of a db moves.
    pub(super) positions: BTreeMap<DbUid, Position>,
    /// Since when a db is asked for a generation that it has not confirmed.
    pub(super) convergence: BTreeMap<DbUid, Convergence>,
    /// When this leader last wrote the cluster data.
    pub(super) written: Option<Mono>,
}

/// The last info of a component and when it was found new.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Heard<Info> {
    pub(super) info: Info,
    /// Whether it was seen to change in this term. One that was there when the term began may be of a component long dead.
    pub(super) seen: bool,
    pub(super) at: Mono,
}

/// The last info of a proxy, and since when its record is missing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ProxyHeard {
    pub(super) info: ProxyInfo,
    /// When the info was found new.
    pub(super) at: Mono,
    /// When the record was last found in place.
    pub(super) present: Mono,
    pub(super) missing_since: Option<Mono>,
}

/// How long the WAL position of a db has stood still.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Position {
    pub(super) lsn: Lsn,
    /// For how long it has been reported without a move.
    pub(super) still: Duration,
    /// The last report of it.
    pub(super) reported: Mono,
    pub(super) info_uid: InfoUid,
}

/// The generation that a db is asked for, and since when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Convergence {
    pub(super) generation: Generation,
    pub(super) since: Mono,
}

impl Observer {
    /// The memory at the start of a term: nothing but the term.
    pub(super) fn begin_term(term: u64, now: Mono) -> Self {
        Self { term: Some(term), term_began: now, ..Self::default() }
    }

    /// Starts a timer for each db of `cluster_data` that is asked for a generation it has not confirmed, and forgets
    /// what has gone.
    pub(super) fn follow_convergence(&mut self, cluster_data: &ClusterData, now: Mono) {
        let known = std::mem::take(&mut self.convergence);
        for (uid, db) in &cluster_data.dbs {
            if db.status.current_generation == db.generation {
                continue;
            }
            let entry = known
                .get(uid)
                .filter(|entry| entry.generation == db.generation)
                .copied()
                .unwrap_or(Convergence { generation: db.generation, since: now });
            self.convergence.insert(uid.clone(), entry);
        }
        self.keeper_errors.retain(|uid, _| cluster_data.keepers.contains_key(uid));
        self.db_errors.retain(|uid, _| cluster_data.dbs.contains_key(uid));
        self.positions.retain(|uid, _| cluster_data.dbs.contains_key(uid));
    }

    /// What stays of `self` after a write of what was decided from it failed, given the memory of `before`.
    pub(super) fn if_not_written(&self, before: &Observer) -> Self {
        if self.term != before.term {
            // The first pass of a term is one that was written; else the infos found at its start would count as new.
            return before.clone();
        }
        Self {
            keepers: before.keepers.clone(),
            convergence: before.convergence.clone(),
            closed_since: before.closed_since,
            written: before.written,
            ..self.clone()
        }
    }
}
