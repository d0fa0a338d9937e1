//! One pass: everything its rules read and write.

use super::changes;
use super::decision::{Decision, Write};
use super::draft::{Draft, DraftDb};
use super::judge::Judge;
use super::observer::Observer;
use super::reason::Reason;
use super::snapshot::Snapshot;
use super::timers::Timers;
use crate::cluster::{ClusterData, ClusterDataError};
use crate::info::ProxyInfo;
use crate::spec::Spec;
use crate::time::{GoTime, Now};
use crate::uid::{DbUid, ProxyUid};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// The least sleepInterval that is taken at its word: one of zero is allowed, and would have the cluster data written
/// without a pause.
const SHORTEST_SLEEP: Duration = Duration::from_millis(100);

/// The state of a pass.
pub(super) struct Pass<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// The cluster data as it was read.
    pub(super) read: &'a ClusterData,
    /// The cluster spec with its defaults.
    pub(super) spec: Spec,
    /// As it was read, with what keepers reported taken in.
    pub(super) before: Draft,
    /// As it should be.
    pub(super) draft: Draft,
    /// The memory for the next pass.
    pub(super) observer: Observer,
    /// Proxies that may hold connections.
    pub(super) active_proxies: BTreeMap<ProxyUid, ProxyInfo>,
    /// Whether this is the first pass of a term.
    pub(super) is_first: bool,
    pub(super) timers: Timers,
    pub(super) reasons: Reasons,
    pub(super) rng: fastrand::Rng,
}

/// The reasons gathered so far; a rule that is asked twice speaks once.
#[derive(Debug, Default)]
pub(super) struct Reasons(RefCell<Vec<Reason>>);

impl Reasons {
    pub(super) fn add(&self, reason: Reason) {
        let mut list = self.0.borrow_mut();
        if !list.contains(&reason) {
            list.push(reason);
        }
    }
}

impl<'a> Pass<'a> {
    /// Opens the cluster data. The error is a sentence.
    pub(super) fn begin(
        snapshot: &'a Snapshot,
        read: &'a ClusterData,
        observer: &Observer,
        now: Now,
    ) -> Result<Self, String> {
        let (_, mut spec) = read.validate().map_err(|error| match error {
            ClusterDataError::Spec(error) => error.to_string(),
            error => error.to_string(),
        })?;
        spec.sleep_interval = spec.sleep_interval.max(SHORTEST_SLEEP);
        let draft = Draft::open(read)?;
        let is_first = snapshot.term.is_some() && snapshot.term != observer.term;
        let observer = match snapshot.term {
            Some(term) if is_first => {
                let mut fresh = Observer::begin_term(term, now.mono);
                fresh.follow_convergence(read, now.mono);
                fresh
            }
            _ => observer.clone(),
        };
        Ok(Self {
            snapshot,
            read,
            spec,
            before: draft.clone(),
            draft,
            observer,
            active_proxies: BTreeMap::new(),
            is_first,
            timers: Timers::new(now),
            reasons: Reasons::default(),
            rng: fastrand::Rng::with_seed(snapshot.seed),
        })
    }

    /// Classifies the dbs of the draft.
    pub(super) fn judge(&self) -> Judge<'_> {
        self.judge_of(&self.draft)
    }

    /// Classifies the dbs of `draft`.
    pub(super) fn judge_of<'b>(&'b self, draft: &'b Draft) -> Judge<'b> {
        Judge {
            draft,
            spec: &self.spec,
            observer: &self.observer,
            timers: &self.timers,
            reasons: &self.reasons,
        }
    }

    /// A db of the draft, to be changed.
    pub(super) fn db_mut(&mut self, uid: &DbUid) -> Option<&mut DraftDb> {
        self.draft.dbs.get_mut(uid)
    }

    /// Ends the pass of a sentinel that does not lead: it decides nothing and remembers nothing.
    pub(super) fn watch_only(self, observer: &Observer) -> Decision {
        let mut decision = Decision::nothing(observer, Vec::new());
        decision.sleep_interval = Some(self.spec.sleep_interval);
        decision.usable = true;
        decision
    }

    /// Ends a leader's pass: after the rules have run, or when one of them refused.
    pub(super) fn finish(mut self, known: &Observer, outcome: Result<(), Reason>) -> Decision {
        let now = self.timers.now;
        let mut cluster_data = None;
        let mut write = Write::Nothing;
        match outcome {
            // Nothing is written, yet what was observed was: else the infos found when the term began would never
            // be seen to change while the rules refuse.
            Err(refusal) => self.reasons.add(refusal),
            Ok(()) => {
                let mut data = self.draft.close(GoTime::default());
                let is_change = changes::is_change(self.read, &data);
                changes::set_change_times(self.read, &mut data, now.wall);
                self.observer.follow_convergence(&data, now.mono);
                changes::wake_for_convergence(&data, &self.spec, &self.observer, &self.timers);
                let is_due = self
                    .observer
                    .written
                    .is_none_or(|at| now.mono.since(at) >= self.spec.sleep_interval);
                if is_change || is_due {
                    write = if is_change { Write::Change } else { Write::TimesOnly };
                    self.observer.written = Some(now.mono);
                }
                if let Some(at) = self.observer.written {
                    self.timers.wake_by(at.plus(self.spec.sleep_interval));
                }
                cluster_data = Some(data);
            }
        }
        Decision {
            write,
            cluster_data,
            observer_if_not_written: self.observer.if_not_written(known),
            observer: self.observer,
            reasons: self.reasons.0.into_inner(),
            wake_at: self.timers.wake_at(),
            sleep_interval: Some(self.spec.sleep_interval),
            usable: true,
        }
    }
}
