//! One pass: observe, decide, check, write. It makes no choices; those are the model's.

use crate::metrics;
use crate::observe::{Observation, failed, observe};
use std::time::Duration;
use stolon_daemon::clock;
use stolon_model::check;
use stolon_model::cluster::ClusterData;
use stolon_model::decide::{Decision, Observer, Reason, Write, decide};
use stolon_model::spec::ClusterSpec;
use stolon_model::time::Mono;
use stolon_store::{ClusterStore, Expected, LeaderKey, LeaderSwap, Swap};

/// What a pass works with.
pub struct Pass<'a> {
    /// The cluster.
    pub store: &'a ClusterStore,
    /// The key by which this sentinel leads, if it does.
    pub leader: Option<LeaderKey>,
    /// The term of that leadership.
    pub term: Option<u64>,
    /// For a cluster that is not there yet.
    pub initial_spec: Option<&'a ClusterSpec>,
    /// For uids and random choices.
    pub seed: u64,
}

/// What a pass came to.
pub enum Outcome {
    /// Everything is as decided, for these reasons.
    Done(Decided, Vec<Reason>),
    /// Somebody wrote since the cluster data was read, and what was decided is void.
    Overtaken,
    /// Another sentinel leads, and what was decided is void.
    Deposed,
    /// The pass came to no end.
    Failed(Reason),
}

/// What a decision says about the time to come.
pub struct Decided {
    /// When time alone changes it.
    pub wake_at: Option<Mono>,
    /// The cluster's sleepInterval, if known.
    pub sleep_interval: Option<Duration>,
    /// Whether the cluster data is there and usable.
    pub is_usable: bool,
}

impl Pass<'_> {
    /// Runs the pass and leaves in `observer` what the next one should remember.
    pub async fn run(self, observer: &mut Observer) -> Outcome {
        let observation = match observe(self.store, self.leader.is_some()).await {
            Ok(observation) => observation,
            Err(trouble) => return Outcome::Failed(trouble),
        };
        let Observation { mut snapshot, expected, mut reasons } = observation;
        snapshot.term = self.term;
        snapshot.initial_spec = self.initial_spec.cloned();
        snapshot.seed = self.seed;
        let now = clock::now();
        let decision = decide(&snapshot, observer, now);
        let read = snapshot.cluster_data.as_ref();
        if let Err(outcome) = self.write(&decision, read, expected).await {
            *observer = decision.observer_if_not_written;
            return outcome;
        }
        *observer = decision.observer;
        metrics::written(decision.write);
        if self.leader.is_some() && decision.cluster_data.is_some() {
            metrics::checked(now.wall.unix_nanos);
        }
        reasons.extend(decision.reasons);
        let decided = Decided {
            wake_at: decision.wake_at,
            sleep_interval: decision.sleep_interval,
            is_usable: decision.usable,
        };
        Outcome::Done(decided, reasons)
    }

    /// Writes what was decided if nobody wrote since it was read, and only while this sentinel leads. The first cluster
    /// data of a cluster is written by whoever comes first.
    async fn write(
        &self,
        decision: &Decision,
        read: Option<&ClusterData>,
        expected: Expected,
    ) -> Result<(), Outcome> {
        let data = match &decision.cluster_data {
            Some(data) if decision.write != Write::Nothing => data,
            _ => return Ok(()),
        };
        if let Some(trouble) = refusal(read, data) {
            metrics::refused();
            return Err(Outcome::Failed(trouble));
        }
        let saved = match &self.leader {
            Some(leader) if read.is_some() => {
                self.store.swap_cluster_data_as_leader(data, expected, leader).await
            }
            _ => self.store.swap_cluster_data(data, expected).await.map(|swap| match swap {
                Swap::Done(revision) => LeaderSwap::Done(revision),
                Swap::Conflict => LeaderSwap::Conflict,
            }),
        };
        match saved {
            Ok(LeaderSwap::Done(_)) => Ok(()),
            Ok(LeaderSwap::Conflict) => {
                metrics::conflict();
                Err(Outcome::Overtaken)
            }
            Ok(LeaderSwap::NotLeader) => Err(Outcome::Deposed),
            Err(error) => {
                let message = match read {
                    Some(_) => "error saving clusterdata",
                    None => "error saving cluster data",
                };
                Err(Outcome::Failed(failed(message, &error)))
            }
        }
    }
}

/// A last look at what is about to be written. A violation here is a defect of the decision, and doing nothing is better
/// than doing harm.
fn refusal(read: Option<&ClusterData>, data: &ClusterData) -> Option<Reason> {
    let violations = check::introduced(read, data);
    if violations.is_empty() {
        return None;
    }
    let texts: Vec<_> = violations.iter().map(ToString::to_string).collect();
    let message = "the decision would break invariants of the cluster data and is not written";
    Some(Reason::error("invariant", message).with("violations", texts))
}

#[cfg(test)]
mod tests;
