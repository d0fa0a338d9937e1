//! One connection of a client, from accept to close: read the first packet, find a master, relay, part.

mod dial;
mod hold;
mod opening;
mod parcel;
mod part;

pub use parcel::Parcel;
pub use part::LONGEST_PARTING;

use crate::limits::Place;
use crate::outcome::{End, Outcome, Rejection};
use crate::reactor::TcpStream;
use crate::refuse;
use crate::registry::Membership;
use crate::relay::{Gate, Relay, Step};
use crate::target::Target;
use crate::worker::{Door, Thread};
use hold::Hold;
use opening::Client;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use tracing::{debug, error, warn};

/// How a session has left its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Its connection is over.
    ForGood,
    /// It goes on on another thread.
    ForAnother,
}

/// Serves one client until its connection is over, or goes on on another thread. `place` is its place among all connections.
pub async fn serve(thread: &Thread, socket: TcpStream, place: Place) -> Left {
    let member = thread.registry.join();
    let mut client = Client::new(socket);
    match find_master(thread, &member, &mut client).await {
        Ok((master, target)) => {
            thread.counts.opened();
            let relay = Relay::new(Rc::new(client.socket), Rc::new(master), client.early);
            carry(thread, &member, relay, target, place).await
        }
        Err(rejection) => {
            thread.counts.rejected(rejection);
            debug!(reason = rejection.label(), "connection rejected");
            // A rejected connection keeps its place among all connections, and so needs no further limit.
            if let Some(refusal) = hold::refusal(rejection, &thread.settings) {
                Box::pin(refuse::tell(client.socket, client.early, &refusal)).await;
            }
            Left::ForGood
        }
    }
}

/// Serves a client that another thread has let go, and whose session is a member of this thread's.
pub async fn go_on(thread: &Thread, member: Membership, parcel: Parcel) -> Left {
    match parcel.open(&thread.reactor) {
        Ok((relay, target, place)) => carry(thread, &member, relay, target, place).await,
        Err(error) => {
            thread.counts.closed(member.stopped().unwrap_or(End::Server));
            warn!(%error, "no memory to carry a session on: it is closed");
            Left::ForGood
        }
    }
}

/// How a session ends on this thread.
enum Leg {
    /// For good.
    Ended(Outcome),
    /// It goes on on the other side of the door.
    Continued(Door),
}

/// Relays until one of the peers or the proxy ends it, and closes both sockets as the end demands; or until the session goes on on
/// another thread.
async fn carry(
    thread: &Thread,
    member: &Membership,
    mut relay: Relay,
    target: Arc<Target>,
    place: Place,
) -> Left {
    member.show(&relay.client, &relay.master);
    let leg = relay_on(thread, member, &mut relay, &target).await;
    member.hide();
    let outcome = match leg {
        Leg::Ended(outcome) => outcome,
        Leg::Continued(door) => {
            let Some(parcel) = Parcel::pack(relay, target, place) else {
                thread.counts.closed(End::Server);
                error!("a session that was to go on on another thread is in use: it is closed");
                return Left::ForGood;
            };
            thread.counts.moved_away();
            door.send(parcel);
            return Left::ForAnother;
        }
    };
    let outcome = match outcome.end {
        // The fence that was met may have been closed by a swap whose word has not come yet.
        End::Fence if target.fence.is_closed() && member.stopped().is_none() => {
            Outcome { end: End::Target, ..outcome }
        }
        _ => outcome,
    };
    Box::pin(part::part(thread, member, relay, &target, &outcome, place)).await;
    thread.counts.closed(outcome.end);
    debug!(
        ended_by = outcome.end.label(),
        error = outcome.error.as_ref().map(tracing::field::display),
        "session closed"
    );
    Left::ForGood
}

async fn relay_on(thread: &Thread, member: &Membership, relay: &mut Relay, target: &Target) -> Leg {
    loop {
        let leg = poll_fn(|cx| {
            if let Poll::Ready(end) = member.poll_stopped(cx) {
                return Poll::Ready(Some(Leg::Ended(Outcome::decided(end))));
            }
            let step = relay.poll(&mut thread.resources.borrow_mut(), &target.fence);
            if let Poll::Ready(Step::Finished(outcome)) = step {
                return Poll::Ready(Some(Leg::Ended(outcome)));
            }
            member.worked(relay.take_work(), relay.is_stream());
            if let Some(to) = member.moves_to()
                && relay.is_at_rest()
            {
                if let Some(door) = thread.door(to) {
                    return Poll::Ready(Some(Leg::Continued(door)));
                }
                member.stay();
            }
            step.map(|_| None)
        })
        .await;
        match leg {
            Some(leg) => return leg,
            None => thread.reactor.yield_now().await,
        }
    }
}

/// A connection to the current master, for which the client waits if there is none.
async fn find_master(
    thread: &Thread,
    member: &Membership,
    client: &mut Client,
) -> Result<(TcpStream, Arc<Target>), Rejection> {
    if let Some(bound) = thread.settings.startup_timeout {
        let mut stopped = std::pin::pin!(member.until_stopped());
        tokio::select! {
            biased;
            opened = client.open(bound) => opened?,
            _ = &mut stopped => return Err(Rejection::Drain),
        }
    }
    let mut hold: Option<Box<Hold<'_>>> = None;
    loop {
        // What detaches from a target is told by the drain alone, and for good.
        if member.stopped().is_some() {
            return Err(Rejection::Drain);
        }
        let route = thread.routing.load();
        let Some(target) = route.target() else {
            if hold.is_none() {
                hold = Some(Box::new(Hold::begin(thread, client, &route)?));
                // A master may have come before the hold began to listen for one.
                continue;
            }
            if let Some(hold) = &mut hold {
                Box::pin(hold.wait(member, client)).await?;
            }
            continue;
        };
        if target.fence.is_closed() {
            // It is being swapped at this very moment.
            thread.reactor.yield_now().await;
            continue;
        }
        if !target.fence.is_open() {
            // The time has run out, and the control plane is about to say so.
            return Err(Rejection::NoMaster);
        }
        member.attach(target.epoch);
        match dial::dial(thread, member, target).await {
            Ok(master) => {
                if let Some(hold) = hold {
                    hold.end();
                }
                return Ok((master, Arc::clone(target)));
            }
            Err(dial::Failure::Retired) => member.detach(),
            Err(dial::Failure::Unreachable(error)) => {
                member.detach();
                debug!(address = %target.address, %error, "cannot connect to the master");
                if hold.is_none() {
                    hold = Some(Box::new(Hold::begin_unreachable(thread, client)?));
                }
                if let Some(hold) = &mut hold {
                    Box::pin(hold.wait_to_retry(member, client)).await?;
                }
            }
        }
    }
}
