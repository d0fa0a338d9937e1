//! Holds a connection while there is no master to connect it to.

use super::opening::Client;
use crate::limits::Place;
use crate::outcome::Rejection;
use crate::refuse::Refusal;
use crate::registry::Membership;
use crate::settings::Settings;
use crate::startup::Opening;
use crate::target::{Epoch, Route};
use crate::worker::Thread;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The first wait before a master that refused is dialled again; it doubles up to [`MAX_RETRY`].
const MIN_RETRY: Duration = Duration::from_millis(50);
const MAX_RETRY: Duration = Duration::from_secs(1);

/// A held connection. Dropping it gives its place back.
#[derive(Debug)]
pub(super) struct Hold<'a> {
    thread: &'a Thread,
    _place: Place,
    changes: watch::Receiver<Epoch>,
    began: Instant,
    deadline: Instant,
    retry: Duration,
}

impl<'a> Hold<'a> {
    /// Begins to hold a connection that found no target.
    pub(super) fn begin(
        thread: &'a Thread,
        client: &Client,
        route: &Route,
    ) -> Result<Self, Rejection> {
        match route {
            Route::Close => Err(Rejection::NoMaster),
            Route::Hold | Route::Forward(_) => Self::new(thread, client, Rejection::NoMaster),
        }
    }

    /// Begins to hold a connection whose master cannot be reached.
    pub(super) fn begin_unreachable(
        thread: &'a Thread,
        client: &Client,
    ) -> Result<Self, Rejection> {
        Self::new(thread, client, Rejection::DialFailed)
    }

    fn new(thread: &'a Thread, client: &Client, when_off: Rejection) -> Result<Self, Rejection> {
        let Some(timeout) = thread.settings.hold_timeout else { return Err(when_off) };
        if thread.settings.held.most() == 0 {
            return Err(when_off);
        }
        if client.opening == Some(Opening::Cancel) {
            return Err(Rejection::Cancel);
        }
        let place = thread.settings.held.take().ok_or(Rejection::MaxHeld)?;
        thread.counts.held();
        let began = Instant::now();
        Ok(Self {
            thread,
            _place: place,
            changes: thread.routing.watch(),
            began,
            deadline: began + timeout,
            retry: MIN_RETRY,
        })
    }

    /// Waits for the next change of the routing.
    pub(super) async fn wait(
        &mut self,
        member: &Membership,
        client: &mut Client,
    ) -> Result<(), Rejection> {
        self.wait_at_most(member, client, None).await
    }

    /// Waits for the next change of the routing, or until the same master may be dialled again.
    pub(super) async fn wait_to_retry(
        &mut self,
        member: &Membership,
        client: &mut Client,
    ) -> Result<(), Rejection> {
        let retry = self.retry;
        self.retry = (retry * 2).min(MAX_RETRY);
        self.wait_at_most(member, client, Some(retry)).await
    }

    async fn wait_at_most(
        &mut self,
        member: &Membership,
        client: &mut Client,
        retry: Option<Duration>,
    ) -> Result<(), Rejection> {
        let until =
            retry.map_or(self.deadline, |retry| (Instant::now() + retry).min(self.deadline));
        tokio::select! {
            biased;
            changed = self.changes.changed() => changed.map_err(|_| Rejection::Drain)?,
            _ = member.until_stopped() => return Err(Rejection::Drain),
            () = client.gone() => return Err(Rejection::ClientGone),
            () = self.thread.reactor.sleep_until(until) => {
                if until == self.deadline {
                    return Err(Rejection::HoldTimeout);
                }
            }
        }
        Ok(())
    }

    /// The connection has got its master.
    pub(super) fn end(self) {
        drop(self);
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.thread.counts.unheld();
        self.thread.settings.timings.hold.record(self.began.elapsed().as_secs_f64());
    }
}

/// What a rejected client is told; none: its connection is closed without a word, as Stolon does.
pub(super) fn refusal(rejection: Rejection, settings: &Settings) -> Option<Refusal> {
    match rejection {
        Rejection::HoldTimeout => {
            Some(Refusal::held_too_long(settings.hold_timeout.unwrap_or_default()))
        }
        Rejection::MaxHeld => Some(Refusal::too_many_held(settings.held.most())),
        Rejection::MaxConnections => {
            Some(Refusal::too_many_connections(settings.connections.most()))
        }
        Rejection::Drain => Some(Refusal::stopping()),
        Rejection::NoMaster
        | Rejection::DialFailed
        | Rejection::StartupTimeout
        | Rejection::Protocol
        | Rejection::Cancel
        | Rejection::ClientGone => None,
    }
}
