//! A keeper's look at its instance.

use super::Keeper;
use stolon_model::plan::{DataDirectory, Local, Position, Reading, Server};
use stolon_model::postgres::version::PgVersion;

/// The programs of every keeper.
pub const VERSION: (u16, u16) = (15, 4);

impl Keeper {
    pub(super) async fn look(&self, asks: bool) -> Local {
        let version = PgVersion::new(VERSION.0.into(), VERSION.1.into());
        let server = match self.node.server() {
            None => Server::Stopped,
            Some(_) if !asks => Server::Silent,
            Some(server) => {
                let timeout = self.spec.request_timeout;
                let is_running = tokio::select! {
                    biased;
                    is_running = self.world.executor.until_running(server.process) => is_running,
                    () = self.node.clock.sleep(timeout) => true,
                };
                match (is_running && self.node.runs(&server), self.answers(&server)) {
                    (false, _) => Server::Stopped,
                    (true, false) => Server::Silent,
                    (true, true) => Server::Answering(self.reading(&server)),
                }
            }
        };
        let disk = self.node.disk.borrow();
        Local {
            keeper_state: disk.keeper_state.clone(),
            db_state: disk.db_state.clone(),
            binary_version: Some(version),
            data: disk.data.as_ref().map(|data| DataDirectory {
                version: Some(version),
                is_standby: data.is_standby,
                system_id: data.system_id.clone(),
                timeline: data.wal.timeline(),
            }),
            server,
        }
    }

    fn answers(&self, server: &crate::server::Server) -> bool {
        server.is_ready.get()
            && !server.is_stopping.get()
            && !self.world.executor.is_frozen(server.process)
    }

    fn reading(&self, server: &crate::server::Server) -> Reading {
        let disk = self.node.disk.borrow();
        let with_position = disk.db_state.initializing;
        let data = disk.data.clone().unwrap_or_default();
        Reading {
            slots: data.slots.keys().cloned().collect(),
            is_restart_pending: false,
            in_sync: server.in_sync(data.wal.len()),
            position: with_position.then(|| Position {
                timeline: data.wal.timeline(),
                xlog_pos: data.wal.position(),
                history: data.wal.history().to_vec(),
            }),
        }
    }
}
