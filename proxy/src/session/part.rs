//! Ends a session: towards an old master with a reset, towards the client with everything that the master had already sent, and
//! then the end of the stream.

use crate::limits::Place;
use crate::outcome::{End, Outcome};
use crate::reactor::TcpStream;
use crate::registry::Membership;
use crate::relay::{Gate, Relay};
use crate::socket;
use crate::target::Target;
use crate::worker::Thread;
use std::future::poll_fn;
use std::net::Shutdown;
use std::time::{Duration, Instant};

/// How long a slow client may take for what it is still to get.
const SETTLE: Duration = Duration::from_secs(5);
/// How long the end of a session may take in all.
pub const LONGEST_PARTING: Duration = Duration::from_secs(6);
/// Reads of one look: a client that goes on talking must not keep the thread from others.
const DISCARDED: usize = 64;
/// Between two looks at whether the client has acknowledged everything.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Closes both sockets as `outcome` demands, and gives its `place` back.
pub(super) async fn part(
    thread: &Thread,
    member: &Membership,
    relay: Relay,
    target: &Target,
    outcome: &Outcome,
    place: Place,
) {
    match (outcome.end, &outcome.error) {
        (End::Client | End::Server, None) => {
            relay.close(&mut thread.resources.borrow_mut());
        }
        (End::Client, Some(_)) => {
            socket::reset_on_close(&relay.master);
            relay.close(&mut thread.resources.borrow_mut());
        }
        (end, _) => {
            // What a master says after the deadline may come from one that is no longer the master.
            let heard = !target.fence.is_over();
            let (master, mut farewell) = relay.part(&mut thread.resources.borrow_mut(), heard);
            socket::reset_on_close(&master);
            drop(master);
            member.detach();
            let deadline = Instant::now() + SETTLE;
            if is_one_of_many(end) {
                // Whoever waits until the last session is detached does not wait for farewells.
                thread.reactor.after_others().await;
            }
            let settle = poll_fn(|_| farewell.poll_settle(&mut thread.resources.borrow_mut()));
            let settled = thread.reactor.timeout_at(deadline, settle).await;
            let client = farewell.into_client(&mut thread.resources.borrow_mut());
            if matches!(settled, Ok(Ok(()))) {
                close_client(&client, end, deadline, place).await;
            }
        }
    }
}

/// Whether others are likely to end at the same moment, at the word of the proxy. A master that dies ends its sessions itself, each
/// by an event of its own.
fn is_one_of_many(end: End) -> bool {
    !matches!(end, End::Client | End::Server)
}

/// Sends the end of the stream, and closes when that costs the client nothing.
async fn close_client(client: &TcpStream, end: End, deadline: Instant, place: Place) {
    let nothing_on_its_way = has_everything(client);
    if end == End::Server && nothing_on_its_way {
        // The master reset its connection, and the client has all that came before: it is told the same.
        socket::reset_on_close(client);
        return;
    }
    if socket::shutdown(client, Shutdown::Write).is_err() {
        return;
    }
    // A client that has been told may come back at once, and finds its place free, unless this socket may stay for long.
    let _kept = (!nothing_on_its_way).then_some(place);
    if is_one_of_many(end) {
        // The other clients learn of their end before this socket is done away with, which is as much work again.
        client.reactor().after_others().await;
    }
    // Closing a socket with unread bytes resets the connection, and takes from the client what it has not received yet. So
    // unread bytes are dropped first, until the client has everything.
    let mut heard_end = discard(client);
    while !(heard_end || nothing_on_its_way || has_everything(client)) && Instant::now() < deadline
    {
        client.reactor().sleep(LOOK_AGAIN).await;
        heard_end = discard(client);
    }
}

fn has_everything(client: &TcpStream) -> bool {
    socket::backlog(client).is_ok_and(|backlog| backlog.is_empty)
}

/// Drops what the client has sent, or the first of it. True: nothing more will come.
fn discard(client: &TcpStream) -> bool {
    let mut ignored = [0_u8; 4096];
    for _ in 0..DISCARDED {
        let read = rustix::net::recv(client, &mut ignored, rustix::net::RecvFlags::DONTWAIT);
        match read {
            Ok((_, 0)) => return true,
            Ok(_) => {}
            Err(rustix::io::Errno::AGAIN) => return false,
            Err(_) => return true,
        }
    }
    false
}
