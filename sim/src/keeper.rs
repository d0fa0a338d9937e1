//! A keeper process: the loop of the real one's shell around the real plan.

mod execute;
mod look;
mod report;

use crate::executor::ProcessId;
use crate::node::Node;
use crate::postgres;
use crate::store::{CLUSTER_DATA, Meaning};
use crate::world::World;
use report::Wanted;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;
use stolon_model::cluster::Role;
use stolon_model::plan::action::Action;
use stolon_model::plan::{Desired, Flow, KeeperOptions, MAX_ROUNDS, Memory, Message, Next, plan};
use stolon_model::postgres::hba::Access;
use stolon_model::postgres::role::{Account, AuthMethod};
use stolon_model::postgres::secret::Secret;
use stolon_model::spec::{ClusterSpec, Spec};
use stolon_model::time::Mono;
use stolon_model::uid::{DbUid, uuid_v4};
use tokio::sync::Notify;

const PGDATA: &str = "/data/postgres";
const FIRST_RETRY: Duration = Duration::from_millis(200);
const WAITING_FOR_SYNC: Duration = Duration::from_millis(250);
const STORE_RETRY: Duration = Duration::from_secs(1);

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Settled(Access),
    Waiting,
    FailedMaking,
    Failed,
    StoreUnreadable,
}

struct Keeper {
    world: Rc<World>,
    node: Rc<Node>,
    options: KeeperOptions,
    spec: Spec,
    memory: Memory,
    wake: Rc<Notify>,
    wanted: Rc<RefCell<Wanted>>,
    acted: Rc<report::Signals>,
    said: Vec<Message>,
    is_stale: bool,
    due: Mono,
    strikes: u32,
}

/// Starts the process. It brings to rest what it finds running.
pub fn start(world: &Rc<World>, node: &Rc<Node>) {
    let process = world.executor.process();
    node.keeper.set(Some(process));
    let mut rng = world.fork_rng();
    let boot_uuid = uuid_v4(&mut rng);
    *node.boot.borrow_mut() = boot_uuid.clone();
    let account = |name: &str| Account {
        name: name.to_owned(),
        method: AuthMethod::Md5,
        password: Secret::new("secret"),
    };
    let options = KeeperOptions {
        uid: node.uid.clone(),
        boot_uuid,
        pgdata: PGDATA.to_owned(),
        listen_address: Node::address_of(node.index),
        port: "5432".to_owned(),
        superuser: account("su"),
        replication: account("repl"),
    };
    let keeper = Keeper {
        world: world.clone(),
        node: node.clone(),
        options,
        spec: ClusterSpec::default().with_defaults(),
        memory: Memory::default(),
        wake: world.store.watch(CLUSTER_DATA, &node.wire),
        wanted: Rc::default(),
        acted: Rc::default(),
        said: Vec::new(),
        is_stale: false,
        due: Mono::default(),
        strikes: 0,
    };
    world.executor.spawn(process, keeper.run(process, rng));
}

impl Keeper {
    async fn run(mut self, process: ProcessId, rng: fastrand::Rng) {
        self.read().await;
        while !postgres::stop(&self.world, &self.node, Duration::from_secs(60)).await {
            // Only a server that hangs does not stop: then it is killed, as the real one does.
            postgres::kill(&self.world, &self.node);
        }
        report::start(
            &self.world,
            &self.node,
            process,
            self.wanted.clone(),
            self.acted.clone(),
            rng,
        );
        let clock = self.node.clock.clone();
        loop {
            let outcome = self.pass().await;
            let interval = self.spec.sleep_interval;
            let pause = match outcome {
                Outcome::Settled(Access::Internal) => WAITING_FOR_SYNC.min(interval),
                Outcome::Settled(_) | Outcome::Waiting => {
                    self.strikes = 0;
                    interval
                }
                Outcome::FailedMaking => interval,
                Outcome::Failed => {
                    self.strikes = self.strikes.saturating_add(1);
                    FIRST_RETRY.saturating_mul(1 << self.strikes.min(10)).min(interval)
                }
                Outcome::StoreUnreadable => STORE_RETRY.min(interval),
            };
            self.due = clock.mono().plus(pause);
            if self.is_stale {
                continue;
            }
            tokio::select! {
                biased;
                () = self.wake.notified() => {}
                () = self.node.server_died.notified() => self.acted.notify(),
                () = clock.sleep_until(self.due) => {}
            }
        }
    }

    /// `None`: the store cannot be read.
    async fn read(&mut self) -> Option<Desired> {
        let read = self
            .node
            .wire
            .call(&self.node.clock, &self.world.store, |store| Ok(store.get(CLUSTER_DATA)));
        let record = read.await.ok()?;
        let data = match record.map(|record| record.meaning) {
            None => None,
            Some(Meaning::ClusterData(data)) => Some(data),
            Some(_) => return Some(Desired::Unusable { reason: "garbage".to_owned() }),
        };
        let desired = Desired::read(data.as_deref(), &self.options);
        if let Some(Ok((_, spec))) = data.as_deref().map(|data| data.validate()) {
            self.spec = spec;
        }
        let db = desired.db();
        let role = db.and_then(|db| db.spec.role).unwrap_or(Role::Undefined);
        let synchronous = db
            .filter(|db| role == Role::Master && db.spec.synchronous_replication)
            .and_then(|db| db.spec.synchronous_standbys.as_ref());
        let wanted = Wanted {
            sleep_interval: self.spec.sleep_interval,
            parameters: db.map(|db| db.spec.pg_parameters.clone()).unwrap_or_default(),
            synchronous_standbys: synchronous
                .into_iter()
                .flatten()
                .cloned()
                .collect::<BTreeSet<_>>(),
        };
        let is_new = *self.wanted.borrow() != wanted;
        if is_new {
            *self.wanted.borrow_mut() = wanted;
            self.acted.notify();
        }
        Some(desired)
    }

    async fn pass(&mut self) -> Outcome {
        let Some(mut desired) = self.read().await else { return Outcome::StoreUnreadable };
        self.is_stale = false;
        self.memory.begin_pass();
        for _ in 0..MAX_ROUNDS {
            if std::mem::take(&mut self.is_stale)
                && let Some(newer) = self.read().await
            {
                desired = newer;
            }
            let local = self.look(desired.db().is_some()).await;
            let plan = plan(&desired, &local, &self.memory, PGDATA);
            self.tell(plan.messages);
            let actions = match plan.next {
                Next::Done { access, .. } => return Outcome::Settled(access),
                Next::Wait(_) => return Outcome::Waiting,
                Next::Do(actions) => actions,
            };
            if !self.execute_all(actions, &mut desired).await {
                let is_making = self.node.disk.borrow().db_state.initializing;
                return if is_making { Outcome::FailedMaking } else { Outcome::Failed };
            }
        }
        let text = format!("{} does not converge", self.node.uid);
        self.world.oracle.broken(&self.world, "a pass ends", text);
        Outcome::Failed
    }

    /// `false`: the pass is over.
    async fn execute_all(&mut self, actions: Vec<Action>, desired: &mut Desired) -> bool {
        for action in actions {
            self.world.oracle.acting(&self.world, &self.node, desired, &action);
            let succeeded = self.execute_one(&action, desired).await;
            self.world.say(self.node.uid.as_str(), || {
                let outcome = if succeeded { "" } else { " FAILED" };
                format!("does {}{outcome}", execute::describe(&action))
            });
            match self.memory.record(&action, succeeded) {
                Flow::Continue => {}
                Flow::LookAgain => return true,
                Flow::EndPass => return false,
            }
        }
        true
    }

    async fn execute_one(&mut self, action: &Action, desired: &mut Desired) -> bool {
        let db = desired.db().map(|db| db.uid.clone()).unwrap_or_default();
        let source = desired.clone();
        let (world, node) = (self.world.clone(), self.node.clone());
        let work = execute::execute(&world, &node, action, &source);
        tokio::pin!(work);
        let outcome = tokio::select! {
            biased;
            outcome = &mut work => outcome,
            newer = self.until_obsolete(action, &db) => {
                *desired = newer;
                false
            }
        };
        self.acted.notify();
        outcome
    }

    async fn until_obsolete(&mut self, action: &Action, db: &DbUid) -> Desired {
        if !action.is_interruptible() {
            return std::future::pending().await;
        }
        loop {
            self.wake.notified().await;
            self.is_stale = true;
            if let Some(newer) = self.read().await
                && action.is_obsolete(db, &newer)
            {
                return newer;
            }
        }
    }

    fn tell(&mut self, messages: Vec<Message>) {
        for message in messages.iter().filter(|message| !self.said.contains(message)) {
            self.world.say(self.node.uid.as_str(), || {
                let fields: Vec<String> = message
                    .fields
                    .iter()
                    .map(|(name, value)| format!("{name}={value:?}"))
                    .collect();
                format!("{} {}", message.text, fields.join(" "))
            });
        }
        self.said = messages;
    }
}
