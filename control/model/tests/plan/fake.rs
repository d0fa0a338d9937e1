//! An instance that exists in memory only, and a keeper's shell around it.

use crate::fixture::PGDATA;
use std::collections::VecDeque;
use stolon_model::cluster::DbInitMode;
use stolon_model::plan::action::{Action, Purpose};
use stolon_model::plan::{
    DataDirectory, Desired, Flow, Local, MAX_ROUNDS, Memory, Next, Reading, Reason, Server, plan,
};
use stolon_model::postgres::conf::{FileChange, Target};
use stolon_model::spec::PgParameters;

/// How a pass ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Done,
    Wait(Reason),
    Failed,
    Crashed,
}

/// How one action goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Succeeds,
    /// It fails without any effect.
    Fails,
    /// The keeper dies before it; PostgreSQL lives on.
    Crash,
}

#[derive(Clone, Debug)]
pub struct Fake {
    pub local: Local,
    pub memory: Memory,
    /// What a server that starts will answer; `None`: it never gets ready.
    pub answer: Option<Reading>,
    /// The fates of the next actions; then all succeed.
    pub fates: VecDeque<Fate>,
    /// Every action that was executed.
    pub done: Vec<Action>,
}

impl Fake {
    pub fn new(local: Local, answer: Option<Reading>) -> Self {
        Self { local, memory: Memory::default(), answer, fates: VecDeque::new(), done: Vec::new() }
    }

    /// One pass, with the rules that no plan may break checked on the way.
    pub fn pass(&mut self, desired: &Desired) -> End {
        self.memory.begin_pass();
        for _ in 0..MAX_ROUNDS {
            let plan = plan(desired, &self.local, &self.memory, PGDATA);
            let actions = match plan.next {
                Next::Do(actions) => actions,
                Next::Done { db, generation, .. } => {
                    assert_eq!(
                        (&self.local.db_state.uid, self.local.db_state.generation),
                        (&db, generation)
                    );
                    assert!(!self.local.db_state.initializing);
                    return End::Done;
                }
                Next::Wait(reason) => return End::Wait(reason),
            };
            check(desired, &self.local, &actions);
            for action in actions {
                let fate = self.fates.pop_front().unwrap_or(Fate::Succeeds);
                if fate == Fate::Crash {
                    return self.crash();
                }
                let succeeded = fate == Fate::Succeeds && self.execute(&action);
                let flow = self.memory.record(&action, succeeded);
                self.done.push(action);
                match flow {
                    Flow::Continue => {}
                    Flow::LookAgain => break,
                    Flow::EndPass => return End::Failed,
                }
            }
        }
        panic!("no end after {MAX_ROUNDS} rounds, at {:?}, {:?}", self.local, self.memory);
    }

    /// A keeper stops what it finds running when it starts.
    fn crash(&mut self) -> End {
        self.memory = Memory::default();
        self.local.server = Server::Stopped;
        End::Crashed
    }

    fn execute(&mut self, action: &Action) -> bool {
        let local = &mut self.local;
        match action {
            Action::SaveKeeperState(state) => local.keeper_state = state.clone(),
            Action::SaveDbState(state) => local.db_state = state.clone(),
            Action::Stop(_) => local.server = Server::Stopped,
            Action::DeletePgData => {
                assert_eq!(local.server, Server::Stopped, "data are not deleted under a server");
                local.data = None;
            }
            Action::InitDb { .. } => self.make_data(false, "7001"),
            Action::Restore { .. } => self.make_data(false, "7000"),
            Action::BaseBackup { .. } => self.make_data(true, "7000"),
            Action::Rewind { .. } => assert_eq!(local.server, Server::Stopped),
            Action::Start(start) => {
                assert_eq!(local.server, Server::Stopped, "one server at a time");
                let Some(data) = &mut local.data else {
                    return false;
                };
                data.is_standby |= has_file(&start.files, "standby.signal");
                local.server = Server::Silent;
                if let (Some(answer), Purpose::Restart) = (&mut self.answer, start.purpose) {
                    answer.is_restart_pending = false;
                }
            }
            Action::WaitReady { .. } => {
                assert!(local.server.is_running());
                return self.answer_now();
            }
            Action::WaitRecovery { .. } => assert!(local.server.is_running()),
            Action::SaveInitParameters { state, .. } => {
                local.db_state = state.clone();
                local.db_state.init_pg_parameters = Some(PgParameters::new());
            }
            Action::SetUpRoles { .. } => assert!(local.server.reading().is_some()),
            Action::Promote { .. } => {
                assert!(local.server.is_running());
                if let Some(data) = &mut local.data {
                    data.is_standby = false;
                }
            }
            Action::Reload(_) => assert!(local.server.is_running()),
            Action::DropSlot { name } => self.change_slots(|slots| slots.remove(name)),
            Action::CreateSlot { name, .. } => {
                self.change_slots(|slots| slots.insert(name.clone()))
            }
            Action::AwaitSlot { .. } | Action::Checkpoint { .. } | Action::Remember(_) => {}
        }
        true
    }

    fn make_data(&mut self, is_standby: bool, system_id: &str) {
        assert_eq!(self.local.data, None, "data are made in an empty place");
        let system_id = system_id.to_owned();
        self.local.data = Some(DataDirectory { is_standby, system_id, ..DataDirectory::default() });
    }

    fn answer_now(&mut self) -> bool {
        match &self.answer {
            Some(answer) => {
                self.local.server = Server::Answering(answer.clone());
                true
            }
            None => false,
        }
    }

    fn change_slots(&mut self, change: impl Fn(&mut std::collections::BTreeSet<String>) -> bool) {
        if let Server::Answering(reading) = &mut self.local.server {
            assert!(change(&mut reading.slots), "only what changes something is done");
        }
        if let Some(answer) = &mut self.answer {
            change(&mut answer.slots);
        }
    }
}

fn has_file(files: &[FileChange], wanted: &str) -> bool {
    files.iter().any(|file| matches!(file, FileChange::Write { name, .. } if *name == wanted))
}

/// The rules that hold for every list of actions.
fn check(desired: &Desired, local: &Local, actions: &[Action]) {
    assert!(!actions.is_empty());
    let Some(db) = desired.db() else {
        let harmless =
            |action: &Action| matches!(action, Action::SaveKeeperState(_) | Action::Stop(_));
        assert!(actions.iter().all(harmless), "{actions:?}");
        return;
    };
    let may_delete = local.db_state.initializing
        || local.db_state.uid != db.uid
            && matches!(
                db.spec.init_mode,
                Some(DbInitMode::New | DbInitMode::Pitr | DbInitMode::Resync)
            );
    let touches_data = |action: &Action| {
        matches!(
            action,
            Action::DeletePgData
                | Action::InitDb { .. }
                | Action::Restore { .. }
                | Action::Rewind { .. }
                | Action::BaseBackup { .. }
        )
    };
    let first_touch = actions.iter().position(touches_data);
    if let Some(first) = first_touch {
        assert!(may_delete, "data are touched without right: {actions:?}");
        let is_marked = actions[..first]
            .iter()
            .any(|action| matches!(action, Action::SaveDbState(state) if state.initializing));
        assert!(is_marked || local.db_state.initializing, "data are touched before it is marked");
    }
    for (at, action) in actions.iter().enumerate() {
        if let Action::SaveDbState(state) = action
            && !state.generation.is_none()
        {
            assert_eq!((at, actions.len()), (0, 1), "a generation is saved alone");
            assert_eq!((&state.uid, state.generation), (&db.uid, db.generation));
        }
        if let Action::Start(start) = action
            && start.target == Target::Final
        {
            assert_eq!(local.db_state.uid, db.uid, "only the data of the db are run");
        }
    }
}
