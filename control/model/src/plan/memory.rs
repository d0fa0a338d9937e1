//! What a keeper process knows of its instance beyond what it can look up.

use super::action::{Action, Start};
use crate::postgres::conf::{Config, Target};
use crate::postgres::hba::Access;
use crate::uid::DbUid;
use std::collections::BTreeSet;

/// How often a new copy of the data may fail to start before it is thrown away and made anew.
const STARTS_OF_A_COPY: u32 = 3;

/// How many passes in a row a fast stop may fail before an immediate one is tried.
const FAST_STOPS: u32 = 3;

/// Kept from pass to pass by the process, empty at its start, changed only by [`Memory::begin_pass`] and [`Memory::record`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    written: Option<Config>,
    runs_temporarily: bool,
    waits_for_sync: bool,
    progress: Option<Progress>,
    failed_starts: u32,
    failed_stops: u32,
    skipped_slots: BTreeSet<String>,
    has_restarted: bool,
    awaited_slot: Option<DbUid>,
    awaited_checkpoint: Option<DbUid>,
}

/// How far the making of a db's data has come in this process. Not on disk on purpose: after a crash the data are of unknown
/// worth, and `dbstate` says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The db.
    pub db: DbUid,
    /// How far.
    pub stage: Stage,
}

/// A stage of the making of a db's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// pg_rewind succeeded; whether the result can follow is not known yet.
    Rewound,
    /// The rewound instance has been started.
    RewoundStarted,
    /// pg_rewind has not succeeded, or the rewound instance cannot follow: a full copy is needed.
    NeedsCopy,
    /// The data are complete; what is left is to run the instance.
    Made,
}

/// What follows from the outcome of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// Execute the next action of the list.
    Continue,
    /// Leave the rest of the list, look and plan again in this pass.
    LookAgain,
    /// Leave the rest of the list and this pass; the next one begins at the next wake or after `sleepInterval`.
    EndPass,
}

impl Memory {
    /// To be called when a pass begins.
    pub fn begin_pass(&mut self) {
        self.skipped_slots.clear();
        self.has_restarted = false;
        // Data that were only half made when the last pass ended are not continued. Complete data are not thrown away because
        // something else failed.
        self.progress = self.progress.take().filter(|progress| progress.stage == Stage::Made);
    }

    /// Takes in how an action ended, and says how to go on. To be called after every action, at once.
    pub fn record(&mut self, action: &Action, succeeded: bool) -> Flow {
        match action {
            Action::SaveDbState(state) if succeeded => {
                let is_same = self.progress.as_ref().is_some_and(|p| p.db == state.uid);
                if !is_same || !state.initializing {
                    self.progress = None;
                }
            }
            Action::Stop(_) => {
                self.failed_stops = if succeeded { 0 } else { self.failed_stops.saturating_add(1) };
                if succeeded {
                    self.written = None;
                    self.runs_temporarily = false;
                }
            }
            Action::DeletePgData => {
                self.written = None;
                self.progress = None;
            }
            Action::Start(start) => self.record_start(start, succeeded),
            Action::Reload(reload) if succeeded => {
                self.written = Some(reload.config.clone());
                self.waits_for_sync = reload.config.access == Access::Internal;
            }
            Action::Checkpoint { db, .. } => {
                self.awaited_checkpoint = Some(db.clone());
                return Flow::LookAgain;
            }
            Action::Rewind { .. } if !succeeded => return self.needs_copy(),
            Action::AwaitSlot { db, .. } => {
                self.awaited_slot = Some(db.clone());
                return Flow::LookAgain;
            }
            Action::WaitReady { .. }
                if !succeeded && self.stage() == Some(Stage::RewoundStarted) =>
            {
                return self.needs_copy();
            }
            Action::WaitReady { .. } | Action::Promote { .. } if !succeeded => {
                self.count_failed_start()
            }
            Action::DropSlot { name } | Action::CreateSlot { name, is_required: false }
                if !succeeded =>
            {
                self.skipped_slots.insert(name.clone());
                return Flow::Continue;
            }
            Action::Remember(progress) => {
                self.failed_starts = 0;
                self.progress = Some(progress.clone());
            }
            _ => {}
        }
        if succeeded { Flow::Continue } else { Flow::EndPass }
    }

    fn record_start(&mut self, start: &Start, succeeded: bool) {
        self.runs_temporarily = start.target == Target::Temporary;
        self.waits_for_sync =
            start.target == Target::Final && start.config.access == Access::Internal;
        self.has_restarted |= start.purpose == super::action::Purpose::Restart;
        if !succeeded {
            self.written = None;
            self.count_failed_start();
            return;
        }
        self.written = (start.target == Target::Final).then(|| start.config.clone());
        if let Some(progress) = &mut self.progress
            && progress.stage == Stage::Rewound
        {
            progress.stage = Stage::RewoundStarted;
        }
    }

    fn count_failed_start(&mut self) {
        self.failed_starts = self.failed_starts.saturating_add(1);
        if self.failed_starts >= STARTS_OF_A_COPY {
            self.progress = None;
        }
    }

    fn needs_copy(&mut self) -> Flow {
        match &mut self.progress {
            Some(progress) => {
                progress.stage = Stage::NeedsCopy;
                Flow::LookAgain
            }
            None => Flow::EndPass,
        }
    }

    fn stage(&self) -> Option<Stage> {
        Some(self.progress.as_ref()?.stage)
    }

    /// How far the making of the data of `db` has come.
    pub fn stage_of(&self, db: &DbUid) -> Option<Stage> {
        self.progress.as_ref().filter(|progress| progress.db == *db).map(|progress| progress.stage)
    }

    /// The configuration the running server was last given; `None` when unknown.
    pub fn written(&self) -> Option<&Config> {
        self.written.as_ref()
    }

    /// Whether the server was started with the temporary configuration.
    pub fn runs_temporarily(&self) -> bool {
        self.runs_temporarily
    }

    /// Whether normal users are kept out until the synchronous standbys are in sync.
    pub fn waits_for_sync(&self) -> bool {
        self.waits_for_sync
    }

    /// Whether a slot could not be dropped or made in this pass, and is left for the next.
    pub fn skips_slot(&self, name: &str) -> bool {
        self.skipped_slots.contains(name)
    }

    /// Whether the server has been restarted in this pass.
    pub fn has_restarted(&self) -> bool {
        self.has_restarted
    }

    /// Whether the slot of `db` on the followed db has been waited for, once and for all.
    pub fn has_awaited_slot(&self, db: &DbUid) -> bool {
        self.awaited_slot.as_ref() == Some(db)
    }

    /// Whether a checkpoint of the master has been waited for before `db` is rewound, once and for all.
    pub fn has_awaited_checkpoint(&self, db: &DbUid) -> bool {
        self.awaited_checkpoint.as_ref() == Some(db)
    }

    /// Whether fast stops have failed often enough.
    pub fn needs_immediate_stop(&self) -> bool {
        self.failed_stops >= FAST_STOPS
    }
}
