//! Bringing an instance whose data are there into its role and its configuration.

use super::action::{Action, Purpose};
use super::case::Case;
use super::desired::DesiredRole;
use super::local::{Reading, Server};
use super::message::Message;
use super::{Next, Plan, Reason};
use crate::local::DbLocalState;
use crate::postgres::conf::Config;
use crate::postgres::hba::Access;
use crate::postgres::recovery::Recovery;
use crate::postgres::slot;
use crate::uid::DbUid;
use std::collections::BTreeSet;

impl Case<'_> {
    /// The next step towards the role, or that there is none left.
    pub(super) fn converge(&self) -> Plan {
        if self.local.server.is_running() && self.memory.runs_temporarily() {
            // It reads another file than the one we are about to write.
            return Plan::new(Next::Do(vec![self.stop()]));
        }
        let plan = match &self.desired.role {
            DesiredRole::Master => {
                self.master().say_first(Message::info("our db requested role is master"))
            }
            DesiredRole::Follower(peer) => self.standby().say_first(
                Message::info("our db requested role is standby").with("followedDB", &peer.uid),
            ),
            DesiredRole::ExternalFollower(_) => {
                self.standby().say_first(Message::info("our db requested role is standby"))
            }
            DesiredRole::FollowerOfNone(uid) => Plan::new(Next::Wait(Reason::NoFollowed)).say(
                Message::error("no db data available for followed db").with("followedDB", uid),
            ),
            DesiredRole::Undefined => Plan::new(Next::Wait(Reason::RoleUndefined))
                .say(Message::error("our db has no role in the cluster data")),
        };
        match self.local.data {
            Some(_) => plan,
            None => plan.say_first(Message::info("database cluster not initialized")),
        }
    }

    fn master(&self) -> Plan {
        let Some(data) = &self.local.data else {
            return Plan::new(Next::Wait(Reason::NotInitialised)).say(Message::error(
                "database cluster not initialized but requested role is master. This shouldn't happen!",
            ));
        };
        let reading = match &self.local.server {
            Server::Stopped => return self.start_master(),
            Server::Silent => return Plan::new(Next::Do(vec![self.wait_ready()])),
            Server::Answering(reading) => reading,
        };
        let access = self.access(reading);
        // The parameters come before the promotion, so that not one commit is acknowledged without the standbys that the
        // spec requires. The recovery settings stay until the promotion has made them void.
        let recovery = match self.memory.written() {
            Some(written) if data.is_standby => written.recovery.clone(),
            _ => Recovery::none(),
        };
        let wanted = self.running_config(recovery, access);
        if self.memory.written() != Some(&wanted) {
            return self.reconfigure(wanted).say_all(self.waiting_for_sync(access));
        }
        if data.is_standby {
            return Plan::new(Next::Do(vec![self.promote()]))
                .say(Message::info("promoting to master"));
        }
        self.finish(Some(reading), access)
            .say_first(Message::info("already master"))
            .say_all(self.waiting_for_sync(access))
    }

    fn start_master(&self) -> Plan {
        let mut plan = Plan::new(Next::Do(vec![
            self.start(Recovery::none(), self.access_at_start(), Purpose::Plain),
            self.wait_ready(),
        ]));
        if self.access_at_start() == Access::Internal {
            plan = plan.say(Message::info(
                "not allowing connection as normal users since synchronous replication is enabled and instance was down",
            ));
        }
        plan
    }

    fn standby(&self) -> Plan {
        let Some(data) = &self.local.data else {
            return Plan::new(Next::Wait(Reason::NotInitialised))
                .say(Message::info("our db role is none"));
        };
        if !data.is_standby {
            return Plan::new(Next::Wait(Reason::IsMaster))
                .say(Message::error("cannot move from master role to standby role"));
        }
        if let DesiredRole::Follower(_) = self.desired.role
            && let Err(plan) = self.source()
        {
            return plan;
        }
        let recovery = self.desired.recovery(self.local.version());
        if !self.local.server.is_running() {
            return Plan::new(Next::Do(vec![self.start(recovery, Access::Open, Purpose::Plain)]));
        }
        let wanted = self.running_config(recovery, Access::Open);
        match self.memory.written() {
            Some(written) if *written == wanted => {}
            Some(written)
                if !written.recovery.reloads_to(&wanted.recovery, self.local.version()) =>
            {
                let message =
                    Message::info("recovery parameters changed, restarting postgres instance")
                        .with_parameters("curRecoveryParameters", written.recovery.masked())
                        .with_parameters("newRecoveryParameters", wanted.recovery.masked());
                return Plan::new(Next::Do(self.restart())).say(message);
            }
            Some(_) => return self.reconfigure(wanted),
            // Some earlier run of the keeper started it. What it was given is not known.
            None => return Plan::new(Next::Do(self.restart())),
        }
        self.finish(self.local.server.reading(), Access::Open)
            .say_first(Message::info("already standby"))
    }

    fn restart(&self) -> Vec<Action> {
        let mut actions = vec![self.stop_to_restart()];
        match self.desired.role {
            DesiredRole::Master => {
                actions.push(self.start(
                    Recovery::none(),
                    self.access_at_start(),
                    Purpose::Restart,
                ));
                actions.push(self.wait_ready());
            }
            _ => actions.push(self.start(
                self.desired.recovery(self.local.version()),
                Access::Open,
                Purpose::Restart,
            )),
        }
        actions
    }

    /// A master that was down has transactions that its synchronous standbys may lack, and shows them: normal users stay out
    /// until these standbys are in sync again.
    fn access_at_start(&self) -> Access {
        if self.desired.spec.synchronous_replication { Access::Internal } else { Access::Open }
    }

    fn access(&self, reading: &Reading) -> Access {
        let spec = &self.desired.spec;
        if !spec.synchronous_replication || !self.memory.waits_for_sync() {
            return Access::Open;
        }
        let required: BTreeSet<&DbUid> = spec.synchronous_standbys.iter().flatten().collect();
        let in_sync: BTreeSet<&DbUid> = reading.in_sync.iter().collect();
        if required == in_sync { Access::Open } else { Access::Internal }
    }

    fn waiting_for_sync(&self, access: Access) -> Option<Message> {
        (access == Access::Internal).then(|| {
            Message::info(
                "not allowing connection as normal users since synchronous replication is enabled, instance was down and not all sync standbys are synced",
            )
        })
    }

    fn reconfigure(&self, wanted: Config) -> Plan {
        let messages = self.changes(&wanted);
        Plan::new(Next::Do(vec![self.reload(wanted)])).say_all(messages)
    }

    fn changes(&self, wanted: &Config) -> Vec<Message> {
        const SYNC: &str = "synchronous_standby_names";
        let Some(written) = self.memory.written() else {
            return Vec::new();
        };
        let mut messages = Vec::new();
        let names = |config: &Config| config.parameters.get(SYNC).cloned().unwrap_or_default();
        let (before, after) = (names(written), names(wanted));
        if before != after && !self.desired.spec.synchronous_replication {
            messages.push(
                Message::info(
                    "sync replication disabled, removing current synchronous_standby_names",
                )
                .with("syncStandbyNames", before),
            );
        } else if before != after {
            messages.push(
                Message::info("needed synchronous_standby_names changed")
                    .with("prevSyncStandbyNames", before)
                    .with("syncStandbyNames", after),
            );
        }
        if written.parameters != wanted.parameters || written.recovery != wanted.recovery {
            messages
                .push(Message::info("postgres parameters changed, reloading postgres instance"));
        }
        if written.hba != wanted.hba {
            messages
                .push(Message::info("postgres hba entries changed, reloading postgres instance"));
        }
        messages
    }

    /// What is left once the instance runs in its role with its configuration: slots, a restart that is due, and, last of
    /// all, the generation.
    fn finish(&self, reading: Option<&Reading>, access: Access) -> Plan {
        self.remainder(reading, access)
            .say(Message::info("postgres parameters not changed"))
            .say(Message::info("postgres hba entries not changed"))
    }

    fn remainder(&self, reading: Option<&Reading>, access: Access) -> Plan {
        if let Some(reading) = reading {
            let actions = self.slot_changes(reading);
            if !actions.is_empty() {
                return Plan::new(Next::Do(actions));
            }
            if reading.is_restart_pending
                && self.desired.restarts_by_itself
                && !self.memory.has_restarted()
            {
                return Plan::new(Next::Do(self.restart()))
                    .say(Message::info("restarting postgres"));
            }
        }
        let state = DbLocalState {
            uid: self.desired.uid.clone(),
            generation: self.desired.generation,
            initializing: false,
            init_pg_parameters: self.local.db_state.init_pg_parameters.clone(),
        };
        if state != self.local.db_state {
            return Plan::new(Next::Do(vec![Action::SaveDbState(state)]));
        }
        Plan::new(Next::Done { db: state.uid, generation: state.generation, access })
    }

    fn slot_changes(&self, reading: &Reading) -> Vec<Action> {
        let wanted = slot::wanted(&self.desired.uid, &self.desired.spec);
        let changes = slot::changes(&wanted, &reading.slots);
        let is_required = self.desired.role == DesiredRole::Master;
        let is_open = |name: &String| !self.memory.skips_slot(name);
        let drops = changes.drop.into_iter().filter(is_open).map(|name| Action::DropSlot { name });
        let creates = changes.create.into_iter().filter(is_open);
        drops.chain(creates.map(|name| Action::CreateSlot { name, is_required })).collect()
    }
}
