//! One direction of a session: a machine of three states that takes from a source and gives to a sink.
//!
//! Small messages go through memory, one `recv` and one `send` each. A direction that has moved a lot while the other stood
//! still is in *bulk*, where one wake-up stands for many segments. Bulk ends with a byte from the other side, the end of the
//! stream, or a look that finds nothing; after the latter it begins again sooner.

use super::bulk::{Bulk, Segments};
use super::{Conduit, Memory, Pipe, RelayMode, Resources, Taken};
use crate::reactor::TcpStream;
use crate::socket;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::task::{Poll, ready};

/// What one session may keep in memory for a slow client when its master is gone. A thousand sessions may end at once.
const HOARDED: usize = 256 * 1024;
/// What is moved to a quick client at that moment. The master may still be sending.
const RESCUED: u64 = 8 * 1024 * 1024;
/// What is taken within so many bytes of when the other side last moved is a word in a conversation. What follows may be the
/// beginning of bulk.
const WORD: u64 = 16 * 1024;

/// Says whether bytes may be exchanged with the master now.
pub trait Gate {
    /// Whether bytes may go to the master. Asked each time before they are given.
    fn is_open(&self) -> bool;

    /// Whether the master may not be heard any more either. Asked each time after bytes were taken from it. A gate may be
    /// closed before that: what the master says until its time is over is good.
    fn is_over(&self) -> bool;
}

/// Which end of a direction is the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guarded {
    /// Nothing is taken from a master whose time is over.
    Source,
    /// Nothing is given through a closed gate.
    Sink,
}

/// What broke a direction.
#[derive(Debug)]
pub enum Fault {
    /// The source cannot be read.
    Source(io::Error),
    /// The sink cannot be written.
    Sink(io::Error),
    /// The gate is closed.
    GateClosed,
}

/// What a poll came to. Every variant but `More` means that the wakers are registered or not needed.
#[derive(Debug)]
pub(super) enum Progress {
    /// Waits for a socket or the timer.
    Waiting,
    /// There is more to move at once.
    More,
    /// The end of the stream has been passed on.
    Done,
    /// Broken.
    Failed(Fault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// The source has ended; the sink is to be told.
    ShuttingDown,
    Done,
}

/// What a direction that is at rest knows of the stream, for whoever carries it on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Momentum {
    segments: Segments,
    one_way: u64,
}

/// One direction of a session.
#[derive(Debug)]
pub(super) struct Direction {
    state: State,
    guarded: Guarded,
    memory: Memory,
    /// Held only while it holds bytes, and within one poll.
    pipe: Option<Pipe>,
    bulk: Option<Box<Bulk>>,
    segments: Segments,
    /// Bytes taken since the other direction last moved.
    one_way: u64,
    /// Bytes moved since they were last counted.
    moved: u64,
}

impl Direction {
    pub(super) fn new(guarded: Guarded, rest: Vec<u8>) -> Self {
        Self {
            state: State::Running,
            guarded,
            memory: Memory::holding(rest),
            pipe: None,
            bulk: None,
            segments: Segments::Unknown,
            one_way: 0,
            moved: 0,
        }
    }

    /// Carries on what another direction has [left](Self::leave).
    pub(super) fn resume(guarded: Guarded, momentum: Momentum) -> Self {
        let Momentum { segments, one_way } = momentum;
        Self { segments, one_way, ..Self::new(guarded, Vec::new()) }
    }

    /// Whether everything that was taken has been given, and more may come.
    pub(super) fn is_at_rest(&self) -> bool {
        self.state == State::Running && self.pending() == 0
    }

    /// At rest, not in bulk, and without a pipe.
    fn is_bare(&self) -> bool {
        self.bulk.is_none() && self.pipe.is_none() && self.is_at_rest()
    }

    pub(super) fn is_bulk(&self) -> bool {
        self.bulk.is_some()
    }

    /// Lets go of the source at rest.
    pub(super) fn leave(mut self, source: &TcpStream) -> Momentum {
        debug_assert!(self.is_at_rest(), "bytes would be lost");
        self.leave_bulk(source);
        Momentum { segments: self.segments, one_way: self.one_way }
    }

    pub(super) fn pending(&self) -> usize {
        self.memory.pending() + self.pipe.as_ref().map_or(0, Conduit::pending)
    }

    /// Whether the source has ended.
    pub(super) fn saw_end(&self) -> bool {
        self.state != State::Running
    }

    /// How much has moved since the last call.
    pub(super) fn take_moved(&mut self) -> u64 {
        std::mem::take(&mut self.moved)
    }

    /// The other direction has moved: this is a conversation, not bulk.
    pub(super) fn interrupt(&mut self, source: &TcpStream) {
        self.one_way = 0;
        self.leave_bulk(source);
    }

    pub(super) fn poll(
        &mut self,
        source: &TcpStream,
        sink: &TcpStream,
        resources: &mut Resources,
        gate: &impl Gate,
    ) -> Progress {
        // Each message of a conversation concerns one direction; the other has nothing to do.
        if self.is_bare() && source.source().poll_readable().is_pending() {
            return Progress::Waiting;
        }
        let progress = match self.poll_move(source, sink, resources, gate) {
            Poll::Pending => Progress::Waiting,
            Poll::Ready(Ok(progress)) => progress,
            Poll::Ready(Err(fault)) => Progress::Failed(fault),
        };
        self.return_empty_pipe(resources);
        progress
    }

    fn poll_move(
        &mut self,
        source: &TcpStream,
        sink: &TcpStream,
        resources: &mut Resources,
        gate: &impl Gate,
    ) -> Poll<Result<Progress, Fault>> {
        let turn_ends = self.moved + resources.tuning.turn;
        loop {
            match self.state {
                State::Running => {
                    while self.pending() > 0 {
                        if self.guarded == Guarded::Sink && !gate.is_open() {
                            return Poll::Ready(Err(Fault::GateClosed));
                        }
                        ready!(self.poll_give(sink, resources)).map_err(Fault::Sink)?;
                    }
                    if self.moved >= turn_ends {
                        return Poll::Ready(Ok(Progress::More));
                    }
                    let taken = ready!(self.poll_take(source, resources)).map_err(Fault::Source)?;
                    self.one_way += taken as u64;
                    if taken == 0 {
                        self.state = State::ShuttingDown;
                    } else if self.guarded == Guarded::Source && gate.is_over() {
                        // What came before may still be given; this may have come after. Nothing was pending before it, and
                        // nothing may follow the gap, even if the time is prolonged by now.
                        self.memory.forget();
                        self.release(resources);
                        self.state = State::Done;
                        return Poll::Ready(Err(Fault::GateClosed));
                    }
                }
                State::ShuttingDown => {
                    self.leave_bulk(source);
                    match socket::shutdown(sink, Shutdown::Write) {
                        Ok(()) => self.state = State::Done,
                        Err(error) => return Poll::Ready(Err(Fault::Sink(error))),
                    }
                }
                State::Done => return Poll::Ready(Ok(Progress::Done)),
            }
        }
    }

    fn poll_give(&mut self, sink: &TcpStream, resources: &mut Resources) -> Poll<io::Result<()>> {
        // Both hold bytes only at the end of a session, and then those in the pipe are older.
        let (given, piped) = match &mut self.pipe {
            Some(pipe) if pipe.pending() > 0 => (ready!(poll_drain(pipe, sink, resources))?, true),
            _ => (ready!(poll_drain(&mut self.memory, sink, resources))?, false),
        };
        let given = given as u64;
        self.moved += given;
        if piped {
            resources.counts.piped(given);
        } else {
            resources.counts.copied(given);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_take(
        &mut self,
        source: &TcpStream,
        resources: &mut Resources,
    ) -> Poll<io::Result<usize>> {
        if self.bulk.is_none() && self.one_way >= resources.tuning.bulk_after {
            self.enter_bulk(source, resources);
        }
        if let Some(bulk) = &mut self.bulk {
            ready!(bulk.poll_turn(source, &mut self.segments, resources));
        }
        let wants_pipe = match resources.tuning.mode {
            RelayMode::Auto => self.bulk.is_some(),
            RelayMode::Splice => true,
            RelayMode::Copy => false,
        } && !source.source().is_urgent();
        if wants_pipe && self.pipe.is_none() {
            self.pipe = resources.pipes.take();
            if self.pipe.is_none() {
                resources.counts.pipe_missed();
            }
        } else if !wants_pipe {
            // Bulk has ended while the pipe was full: what comes after its bytes does not take its way.
            self.return_empty_pipe(resources);
        }
        let taken = match &mut self.pipe {
            Some(pipe) => match poll_fill(pipe, source, resources) {
                // At a byte that was sent as urgent splice stops, and calls it the end if the stream has ended behind it.
                Poll::Ready(Ok(0)) => poll_fill(&mut self.memory, source, resources),
                taken => taken,
            },
            None => poll_fill(&mut self.memory, source, resources),
        };
        if taken.is_pending() && self.bulk.is_some() {
            return self.poll_linger(source, resources);
        }
        if let Poll::Ready(Ok(bytes)) = taken {
            match &mut self.bulk {
                Some(bulk) => bulk.took(source, bytes),
                None if bytes > 0 && self.one_way < WORD => {
                    resources.conversed = resources.conversed.wrapping_add(1);
                }
                None => {}
            }
        }
        taken
    }

    /// Waits for the low-water mark, or when muted for the timer alone, and then takes what is there.
    fn poll_linger(
        &mut self,
        source: &TcpStream,
        resources: &mut Resources,
    ) -> Poll<io::Result<usize>> {
        let Some(bulk) = &mut self.bulk else { return Poll::Pending };
        ready!(bulk.poll_look(source, &mut self.segments, &resources.tuning));
        // Of what is below the mark, or muted, the kernel reports nothing, so the source is asked directly.
        let taken = match &mut self.pipe {
            Some(pipe) => match pipe.fill(source.as_fd(), resources) {
                Ok(Taken { bytes: 0, .. }) => self.memory.fill(source.as_fd(), resources),
                taken => taken,
            },
            None => self.memory.fill(source.as_fd(), resources),
        };
        match taken {
            Ok(taken) => {
                bulk.took(source, taken.bytes);
                Poll::Ready(Ok(taken.bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.leave_bulk(source);
                // The source pauses; the other side has still said nothing. It need not prove again that it is bulk.
                let tuning = &resources.tuning;
                self.one_way = tuning.bulk_after.saturating_sub(tuning.bulk_again);
                // Something may have come in between; with the mark at one byte its readiness is reported.
                poll_fill(&mut self.memory, source, resources)
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn enter_bulk(&mut self, source: &TcpStream, resources: &Resources) {
        match Bulk::enter(source, &mut self.segments, resources) {
            Ok(bulk) => self.bulk = Some(Box::new(bulk)),
            Err(_) => self.one_way = 0,
        }
    }

    fn leave_bulk(&mut self, source: &TcpStream) {
        if let Some(bulk) = self.bulk.take() {
            bulk.leave(source);
        }
    }

    #[inline]
    fn return_empty_pipe(&mut self, resources: &mut Resources) {
        if let Some(pipe) = self.pipe.take_if(|pipe| pipe.pending() == 0) {
            resources.pipes.put(pipe);
        }
    }

    /// Gives back what was lent, whatever it holds.
    pub(super) fn release(&mut self, resources: &mut Resources) {
        if let Some(pipe) = self.pipe.take() {
            resources.pipes.put(pipe);
        }
    }

    /// Takes what the source has, if it may still be `heard`, and gives it to the sink, without waiting. What the sink does not
    /// take at once stays pending, up to a limit.
    pub(super) fn rescue(
        &mut self,
        source: &TcpStream,
        sink: &TcpStream,
        resources: &mut Resources,
        heard: bool,
    ) {
        let most = self.moved + RESCUED;
        let mut source_is_dry = self.state != State::Running || !heard;
        self.state = State::Done;
        loop {
            while self.pending() > 0 {
                if !matches!(self.poll_give(sink, resources), Poll::Ready(Ok(()))) {
                    break;
                }
            }
            if source_is_dry || self.moved >= most || self.pending() >= HOARDED {
                break;
            }
            source_is_dry = !matches!(self.memory.hoard(source.as_fd(), resources), Ok(1..));
        }
        self.return_empty_pipe(resources);
    }

    /// Gives the sink what is pending.
    pub(super) fn poll_settle(
        &mut self,
        sink: &TcpStream,
        resources: &mut Resources,
    ) -> Poll<io::Result<()>> {
        while self.pending() > 0 {
            ready!(self.poll_give(sink, resources))?;
        }
        Poll::Ready(Ok(()))
    }
}

/// Takes from a socket when it is ready. A socket that is known to be empty counts as not ready at once, which saves the call
/// that would only say so.
fn poll_fill<C: Conduit>(
    conduit: &mut C,
    socket: &TcpStream,
    resources: &mut Resources,
) -> Poll<io::Result<usize>> {
    let source = socket.source();
    loop {
        ready!(source.poll_readable());
        match conduit.fill(socket.as_fd(), resources) {
            Ok(taken) => {
                if taken.drained {
                    source.drained();
                }
                return Poll::Ready(Ok(taken.bytes));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => source.not_readable(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

/// Gives to a socket when it is ready.
fn poll_drain<C: Conduit>(
    conduit: &mut C,
    socket: &TcpStream,
    resources: &mut Resources,
) -> Poll<io::Result<usize>> {
    let source = socket.source();
    loop {
        if source.poll_writable().is_pending() {
            conduit.keep(resources);
            return Poll::Pending;
        }
        match conduit.drain(socket.as_fd(), resources) {
            Ok(given) => return Poll::Ready(Ok(given)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => source.not_writable(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}
