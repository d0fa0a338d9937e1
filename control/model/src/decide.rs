//! The sentinel's decision: from what is, what was observed before and the time, to what should be.
//!
//! [`decide`] is one pass of the leader (reference, chapter 8). It reads no clock and does no I/O, and it is the only
//! place that makes choices; the sentinel executes the [`Decision`] with one compare-and-swap. Passes are made when
//! something changes and not by a fixed pace, so nothing here counts passes: whatever the reference counts per pass is
//! counted per report of a keeper or measured in time, and each such place says so.
//!
//! In reading order: [`snapshot`] is what comes in, [`observer`] the memory between passes, [`decision`] what goes out,
//! [`reason`] why. A [`draft`] is the cluster data being made. [`reports`] and [`health`] take the keepers' reports in,
//! [`judge`] classifies instances, [`initial`] makes the first master, [`normal`] runs a cluster that has one.

mod can_sync;
mod candidates;
mod changes;
mod cluster_spec;
mod dead_keepers;
pub mod decision;
mod draft;
mod election;
mod followers;
mod health;
mod initial;
mod judge;
mod master;
mod normal;
pub mod observer;
mod pass;
mod proxies;
pub mod reason;
mod removal;
mod reports;
pub mod snapshot;
mod standbys;
mod sync_set;
mod sync_standbys;
mod timeline;
mod timers;

pub use decision::{Decision, Write};
pub use observer::Observer;
pub use reason::{Level, Reason};
pub use snapshot::Snapshot;

use crate::cluster::{ClusterData, FORMAT_VERSION};
use crate::time::Now;
use pass::Pass;

/// One pass over `snapshot`. Equal arguments give equal decisions.
pub fn decide(snapshot: &Snapshot, observer: &Observer, now: Now) -> Decision {
    let Some(cluster_data) = &snapshot.cluster_data else {
        return decide_without_cluster_data(snapshot, observer, now);
    };
    if cluster_data.format_version != FORMAT_VERSION {
        let reason = Reason::error("unsupported_format", "unsupported clusterdata format version")
            .with("version", cluster_data.format_version);
        return Decision::nothing(observer, vec![reason]);
    }
    let mut pass = match Pass::begin(snapshot, cluster_data, observer, now) {
        Ok(pass) => pass,
        Err(error) => {
            let reason = Reason::error("invalid_cluster_data", "clusterdata validation failed")
                .with("error", error);
            return Decision::nothing(observer, vec![reason]);
        }
    };
    if snapshot.term.is_none() {
        return pass.watch_only(observer);
    }
    let outcome = run(&mut pass);
    pass.finish(observer, outcome)
}

/// The steps of a leader's pass, in the order of the reference.
fn run(pass: &mut Pass<'_>) -> Result<(), Reason> {
    reports::take_in(pass);
    pass.before = pass.draft.clone();
    proxies::observe(pass);
    if pass.draft.is_initializing() {
        initial::initialize(pass)?;
    } else {
        normal::converge(pass)?;
    }
    cluster_spec::copy_to_dbs(pass);
    changes::bump_generations(pass);
    Ok(())
}

/// The cluster data is absent: make the first one if there is a spec for it. Needs no leadership.
fn decide_without_cluster_data(snapshot: &Snapshot, observer: &Observer, now: Now) -> Decision {
    let Some(spec) = &snapshot.initial_spec else {
        let reason =
            Reason::info("no_cluster_data", "no cluster data available, waiting for it to appear");
        return Decision::nothing(observer, vec![reason]);
    };
    let mut rng = fastrand::Rng::with_seed(snapshot.seed);
    let uid = crate::uid::ClusterUid::new(crate::uid::short_uid(&mut rng));
    let reason = Reason::info("initial_cluster_data", "writing initial cluster data");
    let mut decision = Decision::nothing(observer, vec![reason]);
    decision.cluster_data = Some(ClusterData::initial(uid, spec.clone(), now.wall));
    decision.write = Write::Change;
    decision
}
