//! What the proxy knows of itself, for `/status`, `/readyz` and the page for people.

use crate::fence::boottime;
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use stolon_model::uid::ProxyUid;

/// What the control plane reports of its work; read by the admin server.
#[derive(Debug)]
pub struct Status {
    uid: ProxyUid,
    cluster: String,
    began: Duration,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    listening: Option<SocketAddr>,
    destination: Destination,
    last_good_check: Option<Duration>,
    timeout: Duration,
    failure: Option<String>,
    has_fallen: bool,
}

/// Where connections go, as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// The db of the master that the cluster data names.
    pub db: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// The generation that was applied last.
    pub generation: i64,
    /// Whether connections are forwarded to it.
    pub forwards: bool,
    /// Why they are not.
    pub reason: Option<String>,
}

/// The part of `/status` that the control plane knows.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the interface")]
pub struct Snapshot {
    pub uid: String,
    pub cluster: String,
    pub version: &'static str,
    pub uptime_seconds: u64,
    pub listening: Option<String>,
    pub master: Destination,
    pub seconds_since_good_check: Option<f64>,
    pub proxy_timeout_seconds: f64,
    pub last_failure: Option<String>,
    pub ready: bool,
    pub not_ready_because: Option<String>,
}

impl Status {
    /// The status of a proxy that begins.
    pub fn new(uid: ProxyUid, cluster: String) -> Self {
        Self { uid, cluster, began: boottime(), state: Mutex::default() }
    }

    /// The port is open at this address, or closed.
    pub fn listening(&self, address: Option<SocketAddr>) {
        self.edit(|state| state.listening = address);
    }

    /// Where the port is open.
    pub fn address(&self) -> Option<SocketAddr> {
        self.state().listening
    }

    /// Connections go there, or nowhere, from now on.
    pub fn destination(&self, destination: Destination) {
        self.edit(|state| state.destination = destination);
    }

    /// A check that began then was good.
    pub fn good_check(&self, began: Duration, timeout: Duration) {
        self.edit(|state| {
            state.last_good_check = Some(began);
            state.timeout = timeout;
            state.failure = None;
            state.has_fallen = false;
        });
    }

    /// A check failed.
    pub fn failed_check(&self, why: &str) {
        self.edit(|state| state.failure = Some(why.to_owned()));
    }

    /// The time has run out.
    pub fn fallen(&self) {
        self.edit(|state| {
            state.has_fallen = true;
            state.destination.forwards = false;
            state.destination.reason = Some("the time without a good check has run out".to_owned());
        });
    }

    /// Seconds since the last good check, if there was one.
    pub fn since_good_check(&self) -> Option<f64> {
        let last = self.state().last_good_check?;
        Some(boottime().saturating_sub(last).as_secs_f64())
    }

    /// Why the proxy cannot serve now; none when it can.
    pub fn obstacle(&self) -> Option<String> {
        obstacle(&self.state())
    }

    /// Everything, at one moment.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.state();
        let why = obstacle(&state);
        Snapshot {
            uid: self.uid.to_string(),
            cluster: self.cluster.clone(),
            version: stolon_flags::VERSION,
            uptime_seconds: boottime().saturating_sub(self.began).as_secs(),
            listening: state.listening.map(|address| address.to_string()),
            seconds_since_good_check: self.since_good_check(),
            proxy_timeout_seconds: state.timeout.as_secs_f64(),
            master: state.destination,
            last_failure: state.failure,
            ready: why.is_none(),
            not_ready_because: why,
        }
    }

    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn edit(&self, edit: impl FnOnce(&mut State)) {
        edit(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn obstacle(state: &State) -> Option<String> {
    let failure = || state.failure.as_ref().map_or(String::new(), |why| format!(": {why}"));
    if state.has_fallen {
        return Some(format!("no good check within the proxy timeout{}", failure()));
    }
    if state.last_good_check.is_none() {
        return Some(format!("no good check yet{}", failure()));
    }
    if state.listening.is_none() {
        return Some("not listening".to_owned());
    }
    if !state.destination.forwards {
        let reason = state.destination.reason.as_deref().unwrap_or("there is no master");
        return Some(format!("not forwarding: {reason}"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_only_when_everything_is_there() {
        let status = Status::new(ProxyUid::new("p"), "c".to_owned());
        assert_eq!(status.obstacle().as_deref(), Some("no good check yet"));
        status.failed_check("cannot get cluster data");
        assert_eq!(
            status.obstacle().as_deref(),
            Some("no good check yet: cannot get cluster data")
        );
        status.good_check(boottime(), Duration::from_secs(15));
        assert_eq!(status.obstacle().as_deref(), Some("not listening"));
        status.listening(Some(SocketAddr::from(([127, 0, 0, 1], 5432))));
        assert_eq!(status.obstacle().as_deref(), Some("not forwarding: there is no master"));
        status.destination(Destination { forwards: true, ..Destination::default() });
        assert_eq!(status.obstacle(), None);
        status.fallen();
        assert_eq!(status.obstacle().as_deref(), Some("no good check within the proxy timeout"));
        assert!(!status.snapshot().ready);
    }
}
