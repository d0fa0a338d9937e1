//! What a thread waits for in the kernel, and what it knows of it.

use super::Reactor;
use super::tasks::TaskId;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::Poll;

/// The data of an event that stands for no socket.
const WAKES: u64 = u64::MAX;

/// Reading may find something.
const READABLE: u8 = 1;
/// Writing may find room.
const WRITABLE: u8 = 2;
/// The peer sends no more. No further event will say so, so this is never forgotten: who read what came with it reads on until
/// the end.
const ENDED: u8 = 4;
/// The connection is broken.
const BROKEN: u8 = 8;
/// A byte was sent as urgent (RFC 9293, section 3.8.5), at which one read ends though more may be there.
const URGENT: u8 = 16;

/// What every socket is heard of, edge by edge.
const HEARD: EventFlags = EventFlags::OUT.union(EventFlags::RDHUP).union(EventFlags::ET);
/// What a socket is heard of that is not muted.
const DATA: EventFlags = EventFlags::IN.union(EventFlags::PRI);

/// The sockets of one thread.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) epoll: OwnedFd,
    states: RefCell<Slab<Rc<State>>>,
    serials: Cell<u32>,
}

/// Whom an event concerns.
pub(super) enum Noted {
    /// Another thread has woken tasks.
    Wakes,
    /// This task waits for the socket.
    Owner(TaskId),
    /// The socket is closed already, or nobody has waited for it yet.
    Nobody,
}

#[derive(Debug)]
struct State {
    /// The upper half of its event data: the number of a closed socket is used again, its serial not for a long time.
    serial: u32,
    bits: Cell<u8>,
    owner: Cell<Option<TaskId>>,
}

impl Sources {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, states: RefCell::default(), serials: Cell::new(0) })
    }

    /// Reports readiness of `bell` as [`Noted::Wakes`].
    pub(super) fn watch_wakes(&self, bell: impl AsFd) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, bell, EventData::new_u64(WAKES), EventFlags::IN)?)
    }

    /// Keeps what an event says.
    pub(super) fn note(&self, event: &Event) -> Noted {
        let (data, flags) = (event.data.u64(), event.flags);
        if data == WAKES {
            return Noted::Wakes;
        }
        let (slot, serial) = ((data & u64::from(u32::MAX)) as usize, (data >> 32) as u32);
        let states = self.states.borrow();
        // An event of this turn may be older than the end of its socket.
        let Some(state) = states.get(slot).filter(|state| state.serial == serial) else {
            return Noted::Nobody;
        };
        let mut bits = state.bits.get();
        if flags.intersects(EventFlags::IN) {
            bits |= READABLE;
        }
        if flags.intersects(EventFlags::PRI) {
            bits |= READABLE | URGENT;
        }
        if flags.intersects(EventFlags::OUT) {
            bits |= WRITABLE;
        }
        if flags.intersects(EventFlags::RDHUP | EventFlags::HUP) {
            bits |= READABLE | ENDED;
        }
        if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
            bits |= READABLE | WRITABLE;
        }
        if flags.intersects(EventFlags::ERR) {
            bits |= BROKEN;
        }
        state.bits.set(bits);
        state.owner.get().map_or(Noted::Nobody, Noted::Owner)
    }
}

/// A registered socket. It has to be dropped on its thread, as everything of a reactor; the kernel forgets a socket that is closed.
#[derive(Debug)]
pub struct Source {
    reactor: Rc<Reactor>,
    state: Rc<State>,
    slot: usize,
}

impl Source {
    /// Waits for what the kernel says of `socket`, edge by edge. `is_writable`: it is known to have room now, which saves the
    /// wait for the first word.
    pub(super) fn new(
        reactor: &Rc<Reactor>,
        socket: impl AsFd,
        is_writable: bool,
    ) -> io::Result<Self> {
        let sources = &reactor.sources;
        let serial = sources.serials.get();
        // The highest belongs to the bell.
        sources.serials.set((serial + 1) % u32::MAX);
        let bits = if is_writable { WRITABLE } else { 0 };
        let state = Rc::new(State { serial, bits: Cell::new(bits), owner: Cell::new(None) });
        let slot = sources.states.borrow_mut().insert(Rc::clone(&state));
        // Made before it is registered, so that a failure gives the slot back.
        let source = Self { reactor: Rc::clone(reactor), state, slot };
        epoll::add(&sources.epoll, socket, source.data(), HEARD | DATA)?;
        Ok(source)
    }

    fn data(&self) -> EventData {
        EventData::new_u64(u64::from(self.state.serial) << 32 | self.slot as u64)
    }

    /// Hears no more of data that comes in: who waits for it looks from time to time. Room, the end and errors are reported as
    /// before, the latter two as readiness to read.
    pub(super) fn mute(&self, socket: impl AsFd) -> io::Result<()> {
        Ok(epoll::modify(&self.reactor.sources.epoll, socket, self.data(), HEARD)?)
    }

    /// Hears of data again, and at once of what is there.
    pub(super) fn unmute(&self, socket: impl AsFd) -> io::Result<()> {
        Ok(epoll::modify(&self.reactor.sources.epoll, socket, self.data(), HEARD | DATA)?)
    }

    /// Hears nothing more of `socket`, which goes on elsewhere.
    pub(super) fn forget_socket(self, socket: impl AsFd) {
        // It fails only for a socket that is not registered.
        let _ = epoll::delete(&self.reactor.sources.epoll, socket);
    }

    /// The thread's event loop.
    pub fn reactor(&self) -> &Rc<Reactor> {
        &self.reactor
    }

    #[cfg(test)]
    pub(super) fn slot(&self) -> usize {
        self.slot
    }

    /// An event of this socket as the kernel would report it.
    #[cfg(test)]
    pub(super) fn event(&self, flags: EventFlags) -> Event {
        Event { flags, data: self.data() }
    }

    fn poll_bit(&self, bit: u8) -> Poll<()> {
        if self.state.bits.get() & bit != 0 {
            return Poll::Ready(());
        }
        self.state.owner.set(self.reactor.tasks.current());
        Poll::Pending
    }

    /// Ready while reading may find something. Otherwise the task that asks is woken by the next event.
    pub fn poll_readable(&self) -> Poll<()> {
        self.poll_bit(READABLE)
    }

    /// Ready while writing may find room. Otherwise the task that asks is woken by the next event.
    pub fn poll_writable(&self) -> Poll<()> {
        self.poll_bit(WRITABLE)
    }

    /// A read has taken less than it had room for, and so everything that was there. What ended stays readable until the end
    /// itself is read, and what has urgent bytes until a read would block.
    pub fn drained(&self) {
        if self.state.bits.get() & (ENDED | URGENT) == 0 {
            self.forget(READABLE);
        }
    }

    /// A read would block, whatever was heard before.
    pub fn not_readable(&self) {
        self.forget(READABLE | URGENT);
    }

    /// Whether there may be a byte that was sent as urgent, which `splice` does not pass.
    pub fn is_urgent(&self) -> bool {
        self.state.bits.get() & URGENT != 0
    }

    /// A read may find something, whatever was heard before.
    pub fn maybe_readable(&self) {
        self.state.bits.set(self.state.bits.get() | READABLE);
    }

    /// A write would block.
    pub fn not_writable(&self) {
        self.forget(WRITABLE);
    }

    /// Whether an error waits to be read.
    pub(super) fn is_broken(&self) -> bool {
        self.state.bits.get() & BROKEN != 0
    }

    fn forget(&self, bits: u8) {
        self.state.bits.set(self.state.bits.get() & !bits);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.reactor.sources.states.borrow_mut().try_remove(self.slot);
    }
}
