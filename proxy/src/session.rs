//! One connection of a client, from accept to close: read the first packet, find a master, relay, part.

mod dial;
mod hold;
mod opening;
mod part;

pub use part::LONGEST_PARTING;

use crate::outcome::{End, Outcome, Rejection};
use crate::reactor::TcpStream;
use crate::refuse;
use crate::registry::Membership;
use crate::relay::{Gate, Relay, Step};
use crate::target::Target;
use crate::worker::Thread;
use hold::Hold;
use opening::Client;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use tracing::debug;

/// Serves one client until its connection is over.
pub async fn serve(thread: &Thread, socket: TcpStream) {
    let member = thread.registry.join();
    let mut client = Client::new(socket);
    match find_master(thread, &member, &mut client).await {
        Ok((master, target)) => {
            thread.counts.opened();
            let (socket, master) = (Rc::new(client.socket), Rc::new(master));
            member.show(&socket, &master);
            let relay = Relay::new(socket, master, client.early);
            let outcome = relay_until_end(thread, &member, relay, &target).await;
            thread.counts.closed(outcome.end);
            debug!(
                ended_by = outcome.end.label(),
                error = outcome.error.as_ref().map(tracing::field::display),
                "session closed"
            );
        }
        Err(rejection) => {
            thread.counts.rejected(rejection);
            debug!(reason = rejection.label(), "connection rejected");
            // A rejected connection keeps its place among all connections, and so needs no further limit.
            if let Some(refusal) = hold::refusal(rejection, &thread.settings) {
                Box::pin(refuse::tell(client.socket, client.early, &refusal)).await;
            }
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

/// Relays until one of the peers or the proxy ends it, and closes both sockets as the end demands.
async fn relay_until_end(
    thread: &Thread,
    member: &Membership,
    mut relay: Relay,
    target: &Target,
) -> Outcome {
    let outcome = loop {
        let step = poll_fn(|cx| {
            if let Poll::Ready(end) = member.poll_stopped(cx) {
                return Poll::Ready(Step::Finished(Outcome::decided(end)));
            }
            let mut resources = thread.resources.borrow_mut();
            relay.poll(&mut resources, &target.fence)
        })
        .await;
        match step {
            Step::Yield => thread.reactor.yield_now().await,
            Step::Finished(outcome) => break outcome,
        }
    };
    let outcome = match outcome.end {
        // The fence that was met may have been closed by a swap whose word has not come yet.
        End::Fence if target.fence.is_closed() && member.stopped().is_none() => {
            Outcome { end: End::Target, ..outcome }
        }
        _ => outcome,
    };
    member.hide();
    Box::pin(part::part(thread, member, relay, target, &outcome)).await;
    outcome
}
