//! How the source of a bulk direction is watched.
//!
//! It gets a higher low-water mark, and a timer fetches what stays below the mark. A source on this machine that turns out to send
//! small segments is from then on not listened to at all: by the clock everything is taken that it has to say.
//!
//! Beside small sessions on its thread bulk pauses after each turn, so that a stream leaves them time, however fast it is.

use super::{Resources, Tuning};
use crate::reactor::{TcpStream, Timer};
use crate::socket::{self, Received};
use std::io;
use std::task::{Poll, ready};
use std::time::Instant;

/// What is known of the segments that a source sends in bulk. They depend on the program that writes, and on loopback's MTU: what
/// was seen once is taken to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Segments {
    Unknown,
    /// Or they come from another machine, where it makes no difference.
    Large,
    Small,
}

#[derive(Clone, Copy, Debug)]
enum Watch {
    /// By its low-water mark.
    Mark,
    /// The same, and its segments are measured from what had come at the beginning.
    Measured(Received),
    /// Its data makes no events.
    Muted,
}

/// Bulk mode.
#[derive(Debug)]
pub(super) struct Bulk {
    /// Armed while less than the low-water mark may be waiting; when muted, until the next look; in a pause.
    timer: Timer,
    watch: Watch,
    is_window_closed: bool,
    /// It waits for the timer after a turn. Whatever comes meanwhile makes no events.
    is_pausing: bool,
    /// Bytes taken since it last waited for the timer.
    turn: u64,
    /// [`Resources::conversed`] when it was last asked.
    conversed: u64,
}

impl Bulk {
    /// Begins to watch the source.
    ///
    /// # Errors
    /// The kernel refuses an option. Nothing has been changed then.
    pub(super) fn enter(
        source: &TcpStream,
        segments: &mut Segments,
        resources: &Resources,
    ) -> io::Result<Self> {
        if *segments == Segments::Unknown && !source.peer_addr()?.ip().to_canonical().is_loopback()
        {
            *segments = Segments::Large;
        }
        let watch = match *segments {
            Segments::Unknown => Watch::Measured(socket::received(source)?),
            Segments::Large => Watch::Mark,
            Segments::Small => Watch::Muted,
        };
        match watch {
            Watch::Muted => source.mute()?,
            Watch::Mark | Watch::Measured(_) => {
                socket::set_low_water(source, resources.tuning.low_water)?;
            }
        }
        let timer = source.reactor().timer();
        Ok(Self {
            timer,
            watch,
            is_window_closed: false,
            is_pausing: false,
            turn: 0,
            conversed: resources.conversed,
        })
    }

    /// Ready when it may take more: not in the pause that follows a turn, if small sessions have had something to say meanwhile.
    pub(super) fn poll_turn(
        &mut self,
        source: &TcpStream,
        segments: &mut Segments,
        resources: &Resources,
    ) -> Poll<()> {
        if self.turn < resources.tuning.turn {
            return Poll::Ready(());
        }
        if !self.is_pausing {
            let before = std::mem::replace(&mut self.conversed, resources.conversed);
            if before == resources.conversed {
                self.turn = 0;
                return Poll::Ready(());
            }
            // A source that always has more is never found empty, where it would be measured otherwise.
            self.measure(source, segments, &resources.tuning);
            if !matches!(self.watch, Watch::Muted) {
                // It fails only on a socket that is gone, which the next read says too.
                let _ = source.mute();
            }
            resources.counts.bulk_paused();
            self.is_pausing = true;
            self.timer.arm(Instant::now() + resources.tuning.pause);
        }
        ready!(self.timer.poll_due());
        self.turn = 0;
        self.end_pause(source);
        // Less than the mark may have come, of which nobody says so.
        source.source().maybe_readable();
        Poll::Ready(())
    }

    fn end_pause(&mut self, source: &TcpStream) {
        if std::mem::take(&mut self.is_pausing) && !matches!(self.watch, Watch::Muted) {
            let _ = source.unmute();
        }
    }

    /// Decides how to go on with a source on this machine, as soon as enough has come to know its segments.
    fn measure(&mut self, source: &TcpStream, segments: &mut Segments, tuning: &Tuning) {
        if let Watch::Measured(start) = self.watch {
            // It fails only on a socket that is gone, which the next read says too.
            (self.watch, *segments) =
                measure(source, start, tuning).unwrap_or((Watch::Mark, Segments::Large));
        }
    }

    /// Of an empty source: ready when it is time to ask it directly. The kernel reports nothing of what is below the mark or muted.
    pub(super) fn poll_look(
        &mut self,
        source: &TcpStream,
        segments: &mut Segments,
        tuning: &Tuning,
    ) -> Poll<()> {
        if !self.timer.is_armed() {
            self.measure(source, segments, tuning);
            if matches!(self.watch, Watch::Muted) {
                socket::close_window(source);
                self.is_window_closed = true;
            }
            self.timer.arm(Instant::now() + tuning.linger);
        }
        ready!(self.timer.poll_due());
        self.turn = 0;
        self.open(source);
        Poll::Ready(())
    }

    /// After so many bytes were taken.
    pub(super) fn took(&mut self, source: &TcpStream, bytes: usize) {
        self.open(source);
        self.timer.disarm();
        self.turn += bytes as u64;
        if matches!(self.watch, Watch::Muted) {
            // What was taken made room, and so may have brought more at once, of which nobody would say so.
            source.source().maybe_readable();
        }
    }

    /// Opens the window if it is closed and may be opened yet. Under one that was never opened again the sender goes on at its own
    /// expense, for closing it has no effect then.
    fn open(&mut self, source: &TcpStream) {
        if self.is_window_closed {
            self.is_window_closed = !socket::open_window(source);
        }
    }

    /// Listens to the source again.
    pub(super) fn leave(mut self, source: &TcpStream) {
        self.end_pause(source);
        // Either fails only on a socket that is gone, which the next read says too.
        let _ = match self.watch {
            Watch::Muted => {
                self.open(source);
                source.unmute()
            }
            Watch::Mark | Watch::Measured(_) => socket::set_low_water(source, 1),
        };
    }
}

/// How to go on with a source on this machine, once enough has come `since` to know its segments.
fn measure(source: &TcpStream, since: Received, tuning: &Tuning) -> io::Result<(Watch, Segments)> {
    Ok(match socket::received(source)?.segment_size(since, tuning.measured) {
        None => (Watch::Measured(since), Segments::Unknown),
        Some(size) if size >= tuning.small_segment => (Watch::Mark, Segments::Large),
        Some(_) => {
            socket::set_low_water(source, 1)?;
            source.mute()?;
            (Watch::Muted, Segments::Small)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::Counters;
    use crate::reactor::tests::{pair, run};
    use rustix::net::RecvFlags;
    use std::io::Write;
    use std::sync::Arc;
    use std::time::Duration;

    /// Takes in bulk what `write` sends of `length` bytes, until something is known of its segments.
    fn becomes_known(expected: Segments, length: usize, write: fn(std::net::TcpStream, Vec<u8>)) {
        run(move |reactor| async move {
            let (source, theirs) = pair(&reactor).await;
            theirs.set_nodelay(true).expect("as PostgreSQL does");
            let tuning = Tuning { measured: length as u64 / 2, ..Tuning::default() };
            let resources = Resources::new(tuning, Arc::new(Counters::default()));
            let mut segments = Segments::Unknown;
            let mut bulk = Bulk::enter(&source, &mut segments, &resources).expect("options");
            let writer = std::thread::spawn(move || write(theirs, vec![7; length]));
            let (mut room, mut got) = (vec![0; length], 0);
            let take = async {
                // The last look finds everything taken, and knows all that can be known.
                while got < length || segments == Segments::Unknown {
                    std::future::poll_fn(|_| bulk.poll_look(&source, &mut segments, &tuning)).await;
                    match rustix::net::recv(&source, &mut room[..], RecvFlags::DONTWAIT) {
                        Ok((_, bytes)) => {
                            got += bytes;
                            bulk.took(&source, bytes);
                        }
                        Err(error) => assert_eq!(error, rustix::io::Errno::WOULDBLOCK),
                    }
                }
            };
            reactor.timeout(Duration::from_secs(30), take).await.expect("it is known in time");
            writer.join().expect("all is written");
            assert_eq!(segments, expected);
        });
    }

    #[test]
    fn what_is_written_in_small_pieces_comes_by_the_clock_from_then_on() {
        // So little that the window stays open, or else the kernel joins what is small.
        becomes_known(Segments::Small, 32 * 1024, |mut sink, bytes| {
            for piece in bytes.chunks(4 * 1024) {
                sink.write_all(piece).expect("there is room");
            }
        });
    }

    /// What the kernel holds for `source`.
    fn waiting(source: &TcpStream) -> u64 {
        rustix::io::ioctl_fionread(source).expect("a socket")
    }

    /// Takes in bulk everything that is there.
    fn take(source: &TcpStream, bulk: &mut Bulk, room: &mut [u8]) {
        while let Ok((_, bytes)) = rustix::net::recv(source, &mut *room, RecvFlags::DONTWAIT) {
            bulk.took(source, bytes);
            if bytes < room.len() {
                break;
            }
        }
    }

    #[test]
    fn a_window_that_could_not_be_opened_is_opened_when_less_is_waiting() {
        const MUCH: u64 = 1024 * 1024;
        run(|reactor| async move {
            let (source, mut theirs) = pair(&reactor).await;
            theirs.set_nodelay(true).expect("as PostgreSQL does");
            let writer = std::thread::spawn(move || while theirs.write_all(&[7; 8192]).is_ok() {});
            let tuning = Tuning::default();
            let resources = Resources::new(tuning, Arc::new(Counters::default()));
            let mut room = vec![0; 4 * MUCH as usize];
            let fills_up = async {
                // The kernel widens the window of a reader that takes much at a time.
                while waiting(&source) < MUCH {
                    reactor.sleep(tuning.linger).await;
                    if waiting(&source) < MUCH {
                        let _ = rustix::net::recv(&source, &mut room[..], RecvFlags::DONTWAIT);
                    }
                }
            };
            reactor.timeout(Duration::from_secs(60), fills_up).await.expect("much is waiting");
            let mut segments = Segments::Small;
            let mut bulk = Bulk::enter(&source, &mut segments, &resources).expect("options");
            let look = async |bulk: &mut Bulk, segments: &mut Segments| {
                std::future::poll_fn(|_| bulk.poll_look(&source, segments, &tuning)).await;
            };
            look(&mut bulk, &mut segments).await;
            assert!(bulk.is_window_closed, "it was opened while much was waiting");
            let empties = async {
                while bulk.is_window_closed {
                    take(&source, &mut bulk, &mut room);
                    reactor.yield_now().await;
                }
                // What was offered before is used up, and from then on little comes between two looks.
                while waiting(&source) > MUCH / 2 {
                    take(&source, &mut bulk, &mut room);
                    look(&mut bulk, &mut segments).await;
                }
            };
            reactor.timeout(Duration::from_secs(60), empties).await.expect("little is waiting");
            drop(source);
            writer.join().expect("the writer ends");
        });
    }

    #[test]
    fn what_is_written_in_large_pieces_comes_by_the_mark() {
        becomes_known(Segments::Large, 8 * 1024 * 1024, |mut sink, bytes| {
            sink.write_all(&bytes).expect("it is taken");
        });
    }
}
