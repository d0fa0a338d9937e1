//! Watches over the rules at every step. The first one that is broken ends the run.

use crate::node::Node;
use crate::postgres::{Commit, Writer};
use crate::wal::WriteId;
use crate::world::World;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use stolon_model::check::{check, check_transition};
use stolon_model::cluster::{ClusterData, DbInitMode};
use stolon_model::plan::{Action, Desired};
use stolon_model::uid::DbUid;

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: &'static str,
    /// What broke it.
    pub text: String,
}

/// Who wrote cluster data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// A sentinel.
    Sentinel,
    /// An operator, by stolonctl.
    Operator,
}

/// Watches over the rules.
#[derive(Debug, Default)]
pub struct Oracle {
    violation: RefCell<Option<Violation>>,
    /// Commits that users know of and that no failover may lose.
    covered: RefCell<BTreeMap<WriteId, Commit>>,
    /// From the first to the last commit that was acknowledged to users, by its writer.
    reigns: RefCell<BTreeMap<Writer, (Duration, Duration)>>,
    /// Writers that users have reached.
    opened: RefCell<BTreeSet<Writer>>,
    /// Boot UUIDs that the cluster data has shown, with their keepers.
    seen_boots: RefCell<BTreeSet<(usize, String)>>,
    counts: RefCell<Counts>,
}

/// What happened, in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Commits acknowledged to users.
    pub acknowledged: u64,
    /// Masters elected after the first.
    pub elections: u64,
    /// Cluster data written.
    pub writes: u64,
}

impl Oracle {
    /// Notes that a rule was broken; the first one counts.
    pub fn broken(&self, world: &World, rule: &'static str, text: String) {
        world.say("ORACLE", || format!("{rule}: {text}"));
        self.violation.borrow_mut().get_or_insert(Violation { rule, text });
    }

    /// The rule that was broken.
    pub fn violation(&self) -> Option<Violation> {
        self.violation.borrow().clone()
    }

    /// What happened.
    pub fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// The cluster data has been written.
    pub fn written(
        &self,
        world: &World,
        old: Option<&ClusterData>,
        new: &ClusterData,
        author: Author,
    ) {
        self.counts.borrow_mut().writes += 1;
        for (uid, keeper) in &new.keepers {
            let node = world.all_nodes().into_iter().find(|node| node.uid == *uid);
            if let Some(node) = node {
                let boot = keeper.status.boot_uuid.as_str().to_owned();
                self.seen_boots.borrow_mut().insert((node.index, boot));
            }
        }
        let Some(old) = old else { return };
        if author == Author::Sentinel {
            // Operators may leave oddities behind, which are not the sentinel's.
            let known = check(old);
            let fresh = check(new).into_iter().filter(|violation| !known.contains(violation));
            for violation in fresh.chain(check_transition(old, new)) {
                self.broken(world, "I9 cluster data", violation.to_string());
            }
        }
        for (uid, db) in &new.dbs {
            if let Some(before) = old.dbs.get(uid)
                && db.generation < before.generation
            {
                self.broken(world, "I9 generations grow", format!("that of db {uid} shrinks"));
            }
        }
        let generation =
            |data: &ClusterData| data.proxy.as_ref().map(|proxy| proxy.generation.0).unwrap_or(0);
        if generation(new) < generation(old) {
            self.broken(world, "I9 generations grow", "that of the proxy shrinks".to_owned());
        }
        self.follow_master(world, old, new);
    }

    fn follow_master(&self, world: &World, old: &ClusterData, new: &ClusterData) {
        let master = |data: &ClusterData| {
            data.cluster.as_ref().map(|cluster| cluster.status.master.clone()).unwrap_or_default()
        };
        let is_synchronous = |data: &ClusterData| {
            let spec = data.cluster.as_ref().and_then(|cluster| cluster.spec.as_ref());
            spec.and_then(|spec| spec.synchronous_replication).unwrap_or_default()
        };
        if !is_synchronous(new) {
            self.covered.borrow_mut().clear();
        }
        let (from, to) = (master(old), master(new));
        if from.is_empty() || from == to {
            return;
        }
        self.counts.borrow_mut().elections += 1;
        let keeper = new.dbs.get(&to).and_then(|db| db.keeper_uid().cloned());
        let node = world.all_nodes().into_iter().find(|node| Some(&node.uid) == keeper.as_ref());
        let Some(node) = node else { return };
        if holds(&node, &to) {
            self.has_everything(world, &node, "is elected");
        }
    }

    /// Every acknowledged commit that must not be lost stands in the log of this machine.
    pub fn has_everything(&self, world: &World, node: &Node, why: &str) {
        let disk = node.disk.borrow();
        let records = disk.data.iter().flat_map(|data| data.wal.records());
        let there: BTreeSet<WriteId> = records.filter_map(|record| record.write).collect();
        let covered = self.covered.borrow();
        if let Some(lost) = covered.values().find(|commit| !there.contains(&commit.write)) {
            let text = format!(
                "{} {why} and lacks the commit {:?} acknowledged by {:?} at {:?}",
                node.uid, lost.write.0, lost.writer, lost.at
            );
            self.broken(world, "I1 no acknowledged commit is lost", text);
        }
    }

    /// A user has connected to a master through a proxy.
    pub fn opened(&self, world: &World, node: &Node) {
        let Some(writer) = crate::postgres::writer(node) else { return };
        if self.opened.borrow_mut().insert(writer) {
            self.has_everything(world, node, "is open to users");
        }
    }

    /// A user has learnt that a commit was acknowledged.
    pub fn acknowledged(&self, world: &World, commit: Commit) {
        self.counts.borrow_mut().acknowledged += 1;
        if commit.is_synchronous {
            self.covered.borrow_mut().insert(commit.write, commit);
        }
        let mut reigns = self.reigns.borrow_mut();
        let own = *reigns
            .entry(commit.writer)
            .and_modify(|reign| *reign = (reign.0.min(commit.at), reign.1.max(commit.at)))
            .or_insert((commit.at, commit.at));
        // A master that is elected back goes on with its timeline, and what another took in between is not on it: that shows
        // as two reigns that overlap.
        let other = reigns
            .iter()
            .find(|(writer, its)| **writer != commit.writer && its.0 <= own.1 && own.0 <= its.1);
        if let Some((writer, its)) = other {
            let text = format!(
                "{:?} acknowledged commits made from {:?} to {:?}, and {writer:?} from {:?} to {:?}",
                commit.writer, own.0, own.1, its.0, its.1
            );
            self.broken(world, "I2 one writable master", text);
        }
    }

    /// How many commits must not be lost.
    pub fn covered(&self) -> usize {
        self.covered.borrow().len()
    }

    /// A keeper is about to do something to its instance.
    pub fn acting(&self, world: &World, node: &Node, desired: &Desired, action: &Action) {
        let (state, has_server) =
            (node.disk.borrow().db_state.clone(), node.server.borrow().is_some());
        match action {
            Action::Start(_) => {
                let boot = node.boot.borrow().as_str().to_owned();
                if !self.seen_boots.borrow().contains(&(node.index, boot)) {
                    let text = format!("{} starts PostgreSQL", node.uid);
                    self.broken(world, "boot UUID before start", text);
                }
                if has_server {
                    let text = format!("{} starts a second server", node.uid);
                    self.broken(world, "one server at a time", text);
                }
            }
            Action::DeletePgData
            | Action::InitDb { .. }
            | Action::BaseBackup { .. }
            | Action::Rewind { .. } => {
                let may = state.initializing
                    || desired.db().is_some_and(|db| {
                        let makes = matches!(
                            db.spec.init_mode,
                            Some(DbInitMode::New | DbInitMode::Pitr | DbInitMode::Resync)
                        );
                        db.uid != state.uid && makes
                    });
                if !may {
                    let text = format!("{} does {action:?} to the db {}", node.uid, state.uid);
                    self.broken(world, "data are touched by the rules only", text);
                }
                if has_server {
                    let text = format!("{} touches data under a server", node.uid);
                    self.broken(world, "data are touched by the rules only", text);
                }
            }
            _ => {}
        }
    }
}

/// Whether the data on this machine are those of the db.
fn holds(node: &Node, db: &DbUid) -> bool {
    let disk = node.disk.borrow();
    disk.db_state.uid == *db && disk.data.is_some()
}
