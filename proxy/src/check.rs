//! What one check decides, without doing any of it (reference, chapter 7.2).
//!
//! A check reads the cluster data and comes to a [`Wish`]. With the address of the master resolved, [`plan`] turns the wish into
//! steps in their order. Two rules of order carry the safety of the cluster: a destination is dropped *before* the generation
//! that drops it is published, and the generation is published *before* its destination is opened.

use crate::target::Target;
use std::net::SocketAddr;
use std::time::Duration;
use stolon_model::cluster::{ClusterData, Db};
use stolon_model::generation::Generation;
use stolon_model::uid::{DbUid, ProxyUid};

/// The times that the cluster specification sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From the end of a check to the next one, at most.
    pub check_interval: Duration,
    /// How long connections are forwarded without a complete check.
    pub timeout: Duration,
}

impl Default for Pace {
    /// Until a cluster specification has been read.
    fn default() -> Self {
        Self { check_interval: Duration::from_secs(5), timeout: Duration::from_secs(15) }
    }
}

/// Why there is no destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// There is no cluster data.
    NoClusterData,
    /// The cluster data may not be acted on.
    Unusable(String),
    /// The cluster data has no proxy object.
    NoProxy,
    /// There is no master, or its db is not in the cluster data.
    NoDb(DbUid),
    /// The master's address cannot be resolved.
    Unresolved(String),
    /// The master has another address than the one that connections go to.
    Moved(SocketAddr),
    /// The sentinel has not enabled this proxy for the master yet.
    NotEnabled(SocketAddr),
}

impl Absence {
    /// Whether connections may wait: the store is fine, and a master is to be expected.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NoDb(_) | Self::Unresolved(_) | Self::Moved(_) | Self::NotEnabled(_) => true,
            Self::NoClusterData | Self::Unusable(_) | Self::NoProxy => false,
        }
    }
}

/// What the cluster data wants of this proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing to forward to, and nothing to acknowledge.
    Rest(Absence),
    /// Nothing to forward to; the generation is acknowledged.
    Close(Absence, Generation, Pace),
    /// This db is the master.
    Master(Master),
}

/// The master as the cluster data names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// Its db.
    pub db: DbUid,
    /// Where it listens; a name or an address.
    pub host: String,
    /// Its port, as text.
    pub port: String,
    /// To be acknowledged.
    pub generation: Generation,
    /// Whether this proxy may forward to it.
    pub is_enabled: bool,
    /// The times that the specification sets.
    pub pace: Pace,
}

/// What the cluster data that was read, if there is any, wants of the proxy `uid`.
pub fn wish(data: Option<&ClusterData>, uid: &ProxyUid) -> Wish {
    let Some(data) = data else { return Wish::Rest(Absence::NoClusterData) };
    let pace = match data.validate() {
        Ok((_, spec)) => {
            Pace { check_interval: spec.proxy_check_interval, timeout: spec.proxy_timeout }
        }
        Err(error) => return Wish::Rest(Absence::Unusable(error.to_string())),
    };
    let Some(proxy) = &data.proxy else {
        return Wish::Close(Absence::NoProxy, Generation::NONE, pace);
    };
    let master = &proxy.spec.master_db_uid;
    match data.dbs.get(master) {
        None => Wish::Close(Absence::NoDb(master.clone()), proxy.generation, pace),
        Some(Db { status, .. }) => Wish::Master(Master {
            db: master.clone(),
            host: status.listen_address.clone(),
            port: status.port.clone(),
            generation: proxy.generation,
            is_enabled: proxy.spec.enabled_proxies.contains(uid),
            pace,
        }),
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Drop the destination, and go on when nothing can be sent to it any more.
    Drop(Absence),
    /// Publish that this generation has been applied.
    Publish(Generation, Pace, OnFailure),
    /// Send connections here. Nothing happens if they go there already.
    Forward(Generation, DbUid, SocketAddr),
}

/// What a failed publication means for the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The steps after it are left out, and the check has failed.
    Fail,
    /// It is logged.
    Log,
}

/// The steps of one check, and whether it is good when all of them are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In their order.
    pub steps: Vec<Step>,
    /// The check fails all the same, with this text.
    pub fails: Option<String>,
}

/// The steps towards `wish`. `resolved` is the master's address, asked for only when the wish names a master; `current` is the
/// target that connections go to now.
pub fn plan(wish: Wish, resolved: Result<SocketAddr, String>, current: Option<&Target>) -> Plan {
    let good = |steps| Plan { steps, fails: None };
    match wish {
        Wish::Rest(Absence::Unusable(why)) => {
            Plan { steps: vec![Step::Drop(Absence::Unusable(why.clone()))], fails: Some(why) }
        }
        Wish::Rest(absence) => good(vec![Step::Drop(absence)]),
        Wish::Close(absence, generation, pace) => {
            good(vec![Step::Drop(absence), Step::Publish(generation, pace, OnFailure::Log)])
        }
        Wish::Master(master) => {
            let address = match resolved {
                Ok(address) => address,
                Err(why) => return good(vec![Step::Drop(Absence::Unresolved(why))]),
            };
            let publish = Step::Publish(master.generation, master.pace, OnFailure::Fail);
            if !master.is_enabled {
                return good(vec![Step::Drop(Absence::NotEnabled(address)), publish]);
            }
            let mut steps = Vec::new();
            if current.is_some_and(|target| target.db != master.db || target.address != address) {
                // Published generations say that older destinations are gone, so this one goes first.
                steps.push(Step::Drop(Absence::Moved(address)));
            }
            steps.push(publish);
            steps.push(Step::Forward(master.generation, master.db, address));
            good(steps)
        }
    }
}

#[cfg(test)]
mod tests;
