//! The sessions of one thread. Ending some of them is a walk over this list by the thread itself: a session looks at one cell of
//! its own when it is polled, and at nothing that other threads share.

use crate::outcome::End;
use crate::reactor::TcpStream;
use crate::socket;
use crate::spread::{Candidate, PERIOD, Share, WorkerId, choose};
use crate::target::Epoch;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// What the registry knows of one session.
#[derive(Debug, Default)]
struct Entry {
    /// Set: the session is to end.
    stop: Cell<Option<End>>,
    /// The target that the session dials or is connected to.
    epoch: Cell<Option<Epoch>>,
    waker: RefCell<Option<Waker>>,
    /// The client's and the master's, while bytes are relayed.
    sockets: RefCell<Option<[Rc<TcpStream>; 2]>>,
    /// How much work the session has made since the sessions were weighed last, in messages. Wraps.
    work: Cell<u64>,
    /// It was a stream when it was polled last.
    is_stream: Cell<bool>,
    /// Set: the session is to go on on another thread, the next time that it has something to do, if that is not much later.
    moves_to: Cell<Option<Move>>,
}

/// Where a session is to go on, since when.
#[derive(Clone, Copy, Debug)]
struct Move {
    to: WorkerId,
    since: Instant,
}

/// How long a session may take to follow an order to move, if its thread is not weighed before. Much later the order has lost its
/// reason.
const FOLLOWED_WITHIN: Duration = PERIOD.saturating_mul(20);

impl Entry {
    fn has_dead_peer(&self, bound: Duration) -> bool {
        self.sockets
            .borrow()
            .iter()
            .flatten()
            .any(|socket| socket::backlog(socket).is_ok_and(|backlog| backlog.unanswered >= bound))
    }

    fn stop(&self, end: End) {
        if self.stop.get().is_none() {
            self.stop.set(Some(end));
            if let Some(waker) = &*self.waker.borrow() {
                waker.wake_by_ref();
            }
        }
    }
}

/// The sessions of one thread.
#[derive(Debug, Default)]
pub struct Registry {
    entries: RefCell<Vec<Option<Rc<Entry>>>>,
    free: RefCell<Vec<usize>>,
    /// Sessions by the epoch of their target.
    attached: RefCell<BTreeMap<Epoch, usize>>,
    members: Cell<usize>,
    left: Notify,
}

impl Registry {
    /// Adds a session.
    pub fn join(self: &Rc<Self>) -> Membership {
        let entry = Rc::new(Entry::default());
        let slot = self.free.borrow_mut().pop();
        let slot = match slot {
            Some(slot) => {
                if let Some(place) = self.entries.borrow_mut().get_mut(slot) {
                    *place = Some(Rc::clone(&entry));
                }
                slot
            }
            None => {
                let mut entries = self.entries.borrow_mut();
                entries.push(Some(Rc::clone(&entry)));
                entries.len() - 1
            }
        };
        self.members.set(self.members.get() + 1);
        Membership { registry: Rc::clone(self), entry, slot }
    }

    /// Tells every session of a target older than `epoch` to end.
    pub fn stop_before(&self, epoch: Epoch, end: End) {
        for entry in self.entries.borrow().iter().flatten() {
            if entry.epoch.get().is_some_and(|its| its < epoch) {
                entry.stop(end);
            }
        }
    }

    /// Tells every session to end.
    pub fn stop_all(&self, end: End) {
        for entry in self.entries.borrow().iter().flatten() {
            entry.stop(end);
        }
    }

    /// Tells every session that has no master yet to end.
    pub fn stop_waiting(&self, end: End) {
        for entry in self.entries.borrow().iter().flatten() {
            if entry.epoch.get().is_none() {
                entry.stop(end);
            }
        }
    }

    /// Tells every session to end that has a peer which has answered nothing for so long, though it was asked.
    pub fn stop_dead(&self, bound: Duration) {
        for entry in self.entries.borrow().iter().flatten() {
            if entry.has_dead_peer(bound) {
                entry.stop(End::Dead);
            }
        }
    }

    /// From now on the work of each session is measured anew, and every session stays where it is.
    pub fn weigh(&self) {
        for entry in self.entries.borrow().iter().flatten() {
            entry.work.set(0);
            entry.moves_to.set(None);
        }
    }

    /// Tells sessions that have been active since they were weighed to go on on another thread, as [`choose`] says. They do so when
    /// they have something to do.
    pub fn hand_over(&self, share: Share, to: WorkerId) {
        let entries = self.entries.borrow();
        let active = entries
            .iter()
            .flatten()
            .filter(|entry| entry.work.get() > 0 && entry.sockets.borrow().is_some());
        let candidates = active.map(|entry| Candidate {
            session: entry,
            work: entry.work.get(),
            is_stream: entry.is_stream.get(),
        });
        let since = Instant::now();
        for entry in choose(candidates.collect(), share) {
            entry.work.set(0);
            entry.moves_to.set(Some(Move { to, since }));
        }
    }

    /// Waits until no session has to do with a target older than `epoch`.
    pub async fn detached_before(&self, epoch: Epoch) {
        self.wait_until(|| {
            self.attached.borrow().first_key_value().is_none_or(|(oldest, _)| *oldest >= epoch)
        })
        .await;
    }

    /// Waits until there is no session.
    pub async fn empty(&self) {
        self.wait_until(|| self.members.get() == 0).await;
    }

    async fn wait_until(&self, done: impl Fn() -> bool) {
        loop {
            let left = self.left.notified();
            if done() {
                return;
            }
            left.await;
        }
    }

    fn count_detached(&self, epoch: Epoch) {
        let mut attached = self.attached.borrow_mut();
        if let Some(count) = attached.get_mut(&epoch) {
            *count -= 1;
            if *count == 0 {
                attached.remove(&epoch);
                self.left.notify_waiters();
            }
        }
    }
}

/// One session's place in the registry; dropping it leaves.
#[derive(Debug)]
pub struct Membership {
    registry: Rc<Registry>,
    entry: Rc<Entry>,
    slot: usize,
}

impl Membership {
    /// From now on the session has to do with the target of `epoch`.
    pub fn attach(&self, epoch: Epoch) {
        self.detach();
        self.entry.epoch.set(Some(epoch));
        *self.registry.attached.borrow_mut().entry(epoch).or_default() += 1;
    }

    /// From now on the session has to do with no target: not one byte goes to it any more.
    pub fn detach(&self) {
        if let Some(epoch) = self.entry.epoch.take() {
            self.registry.count_detached(epoch);
        }
        if self.entry.stop.get().is_some_and(|end| end != End::Drain) {
            self.entry.stop.set(None);
        }
    }

    /// Lets the registry look at the sockets now and then.
    pub fn show(&self, client: &Rc<TcpStream>, master: &Rc<TcpStream>) {
        *self.entry.sockets.borrow_mut() = Some([Rc::clone(client), Rc::clone(master)]);
    }

    /// The session has had so much to do, and is a stream or a conversation.
    pub fn worked(&self, messages: u64, is_stream: bool) {
        self.entry.work.set(self.entry.work.get().wrapping_add(messages));
        self.entry.is_stream.set(is_stream);
    }

    /// The thread on which the session is to go on.
    pub fn moves_to(&self) -> Option<WorkerId> {
        let Move { to, since } = self.entry.moves_to.get()?;
        if since.elapsed() > FOLLOWED_WITHIN {
            self.stay();
            return None;
        }
        Some(to)
    }

    /// The session stays where it is.
    pub fn stay(&self) {
        self.entry.moves_to.set(None);
    }

    /// The sockets are the session's alone again, so that it can close them.
    pub fn hide(&self) {
        self.entry.sockets.take();
    }

    /// Tells the session itself to end.
    pub fn stop(&self, end: End) {
        self.entry.stop(end);
    }

    /// Whether the session is to end, and why.
    pub fn stopped(&self) -> Option<End> {
        self.entry.stop.get()
    }

    /// Ready when the session is to end.
    pub fn poll_stopped(&self, cx: &mut Context<'_>) -> Poll<End> {
        if let Some(end) = self.entry.stop.get() {
            return Poll::Ready(end);
        }
        let mut waker = self.entry.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Waits until the session is to end.
    pub async fn until_stopped(&self) -> End {
        std::future::poll_fn(|cx| self.poll_stopped(cx)).await
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.detach();
        if let Some(place) = self.registry.entries.borrow_mut().get_mut(self.slot) {
            *place = None;
        }
        self.registry.free.borrow_mut().push(self.slot);
        self.registry.members.set(self.registry.members.get() - 1);
        if self.registry.members.get() == 0 {
            self.registry.left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::tests::{pair, run};

    #[test]
    fn only_sessions_of_older_targets_are_stopped() {
        let registry = Rc::new(Registry::default());
        let (old, new, held) = (registry.join(), registry.join(), registry.join());
        old.attach(Epoch(1));
        new.attach(Epoch(2));
        registry.stop_before(Epoch(2), End::Target);
        assert_eq!(old.stopped(), Some(End::Target));
        assert_eq!((new.stopped(), held.stopped()), (None, None));
        registry.stop_waiting(End::Drain);
        assert_eq!((new.stopped(), held.stopped()), (None, Some(End::Drain)));
    }

    #[test]
    fn a_detached_session_may_try_the_next_target() {
        let registry = Rc::new(Registry::default());
        let session = registry.join();
        session.attach(Epoch(1));
        registry.stop_before(Epoch(2), End::Target);
        session.attach(Epoch(2));
        assert_eq!(session.stopped(), None);
        registry.stop_all(End::Drain);
        session.detach();
        assert_eq!(session.stopped(), Some(End::Drain));
    }

    /// A session that relays.
    async fn relaying(
        registry: &Rc<Registry>,
        reactor: &Rc<crate::reactor::Reactor>,
    ) -> Membership {
        let member = registry.join();
        let [client, master] = [pair(reactor).await.0, pair(reactor).await.0].map(Rc::new);
        member.show(&client, &master);
        member
    }

    #[test]
    fn sessions_that_are_relayed_and_active_are_handed_over() {
        run(|reactor| async move {
            let registry = Rc::new(Registry::default());
            let mut members = Vec::new();
            for _ in 0..3 {
                members.push(relaying(&registry, &reactor).await);
            }
            members.push(registry.join());
            let going = |members: &[Membership]| -> Vec<bool> {
                members.iter().map(|member| member.moves_to().is_some()).collect()
            };
            members[0].worked(5000, false);
            registry.weigh();
            members[1].worked(100, false);
            members[2].worked(90, true);
            members[3].worked(100, false);
            registry.hand_over(Share::All, WorkerId(1));
            assert_eq!(going(&members), [false, true, true, false]);
            assert_eq!(members[1].moves_to(), Some(WorkerId(1)));
            members[1].stay();
            assert_eq!(going(&members), [false, false, true, false]);
            registry.weigh();
            assert_eq!(going(&members), [false; 4]);
            // Beside a conversation the stream stays.
            members[1].worked(100, false);
            members[2].worked(90, true);
            registry.hand_over(Share::Part(0.9), WorkerId(1));
            assert_eq!(going(&members), [false, true, false, false]);
            let long_ago = Instant::now() - FOLLOWED_WITHIN - PERIOD;
            let order = Move { to: WorkerId(1), since: long_ago };
            members[1].entry.moves_to.set(Some(order));
            assert_eq!(going(&members), [false; 4]);
        });
    }

    #[test]
    fn slots_are_used_again() {
        let registry = Rc::new(Registry::default());
        let first = registry.join();
        let slot = first.slot;
        drop(first);
        assert_eq!(registry.join().slot, slot);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_old_ones_are_waited_for() {
        let registry = Rc::new(Registry::default());
        let (old, new) = (registry.join(), registry.join());
        old.attach(Epoch(1));
        new.attach(Epoch(2));
        let gone = registry.detached_before(Epoch(2));
        tokio::pin!(gone);
        let mut context = Context::from_waker(Waker::noop());
        assert!(gone.as_mut().poll(&mut context).is_pending());
        drop(old);
        gone.await;
        drop(new);
        registry.empty().await;
    }
}
