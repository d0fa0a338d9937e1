//! Says what changes: one line in the log for each change, none for a pass that changes nothing.

use crate::check::Absence;
use crate::status::{Destination, Status};
use crate::target::Target;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use stolon_model::generation::Generation;
use stolon_model::uid::DbUid;
use tracing::{error, info};

/// What was said last.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Absent(Absence),
    Forwarding(DbUid, SocketAddr),
    Fallen,
}

/// Says what changes.
#[derive(Debug)]
pub(super) struct Announcer {
    said: RefCell<Said>,
    failure: RefCell<Option<String>>,
    destination: RefCell<Destination>,
    status: Arc<Status>,
}

impl Announcer {
    pub(super) fn new(status: Arc<Status>) -> Self {
        Self {
            said: RefCell::new(Said::Nothing),
            failure: RefCell::default(),
            destination: RefCell::default(),
            status,
        }
    }

    /// There is no destination, for this reason.
    pub(super) fn absent(&self, absence: &Absence, before: Option<&Target>) {
        if !self.is_news(Said::Absent(absence.clone())) {
            return;
        }
        let reason = match absence {
            Absence::NoClusterData => {
                info!("no clusterdata available, closing connections to master");
                "there is no cluster data".to_owned()
            }
            Absence::Unusable(why) => format!("the cluster data cannot be used: {why}"),
            Absence::NoProxy => {
                info!("no proxy object available, closing connections to master");
                "the cluster data has no proxy object".to_owned()
            }
            Absence::NoDb(db) => {
                info!(db = db.as_str(), "no db object available, closing connections to master");
                "there is no master".to_owned()
            }
            Absence::Unresolved(why) => {
                error!(error = why, "cannot resolve db address");
                format!("the master's address cannot be resolved: {why}")
            }
            Absence::Moved(to) => format!("the master is at {to} now"),
            Absence::NotEnabled(address) => {
                info!(address = %address, "master address");
                info!(
                    address = %address,
                    "not proxying to master address since we aren't in the enabled proxies list"
                );
                "the sentinel has not enabled this proxy yet".to_owned()
            }
        };
        if let Some(before) = before {
            info!(from = %before.address, to = "none", reason, "destination changed");
        }
        let address = match absence {
            Absence::Moved(address) | Absence::NotEnabled(address) => Some(address.to_string()),
            _ => None,
        };
        self.show(|shown| {
            shown.db = None;
            shown.address = address;
            shown.forwards = false;
            shown.reason = Some(reason);
        });
    }

    /// Connections go to this db.
    pub(super) fn forwarding(&self, generation: Generation, db: &DbUid, address: SocketAddr) {
        if !self.is_news(Said::Forwarding(db.clone(), address)) {
            return;
        }
        info!(address = %address, "master address");
        info!(address = %address, "proxying to master address");
        info!(
            from = "none",
            to = %address,
            db = db.as_str(),
            generation = generation.0,
            reason = "the cluster data names this master, and the sentinel has enabled this proxy",
            "destination changed"
        );
        self.show(|shown| {
            shown.db = Some(db.to_string());
            shown.address = Some(address.to_string());
            shown.forwards = true;
            shown.reason = None;
        });
    }

    /// The generation has been published.
    pub(super) fn applied(&self, generation: Generation) {
        self.show(|shown| shown.generation = generation.0);
    }

    /// The time has run out.
    pub(super) fn fallen(&self) {
        if let Said::Forwarding(_, address) = self.said.replace(Said::Fallen) {
            info!(from = %address, to = "none", reason = "no good check within the proxy timeout", "destination changed");
        }
    }

    /// A check was good.
    pub(super) fn good(&self) {
        if self.failure.take().is_some() {
            info!("checks are good again");
        }
    }

    /// A check failed.
    pub(super) fn failed(&self, why: &str) {
        let news = self.failure.replace(Some(why.to_owned())).as_deref() != Some(why);
        if news {
            info!(error = why, "check function error");
        }
    }

    fn is_news(&self, now: Said) -> bool {
        self.said.replace(now.clone()) != now
    }

    fn show(&self, edit: impl FnOnce(&mut Destination)) {
        let mut shown = self.destination.borrow_mut();
        edit(&mut shown);
        self.status.destination(shown.clone());
    }
}
