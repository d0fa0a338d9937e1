//! The conduit through the kernel: `splice(2)` from a socket into a pipe and from the pipe into a socket, and the capped pool
//! of pipes of a thread.

use super::{Conduit, Resources, Taken};
use rustix::pipe::{PipeFlags, SpliceFlags};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// What a pipe is asked to hold. A pipe counts slots rather than bytes, so this is a wish for 256 slots.
const CAPACITY: usize = 1024 * 1024;
/// A pipe that holds less moves less per system call than memory does. The kernel gives pipes of 8 KiB, and says nothing, to
/// an ordinary user who has many.
const LEAST_CAPACITY: usize = 64 * 1024;
/// Pipes that a pool keeps for the next use. A pipe is held only while it holds bytes, so few are ever needed at once.
const KEPT: usize = 8;

/// A pipe, non-blocking and closed on exec.
#[derive(Debug)]
pub struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    pending: usize,
}

impl Pipe {
    fn open() -> io::Result<Option<Self>> {
        let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Refused to an ordinary user beyond a total; the pipe then keeps its default size.
        let capacity = match rustix::pipe::fcntl_setpipe_size(&writer, CAPACITY) {
            Ok(capacity) => capacity,
            Err(_) => rustix::pipe::fcntl_getpipe_size(&writer)?,
        };
        Ok((capacity >= LEAST_CAPACITY).then_some(Self { reader, writer, pending: 0 }))
    }
}

impl Conduit for Pipe {
    fn pending(&self) -> usize {
        self.pending
    }

    fn fill(&mut self, source: BorrowedFd<'_>, _: &mut Resources) -> io::Result<Taken> {
        debug_assert_eq!(self.pending, 0, "a conduit is filled only while it is empty");
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let bytes = rustix::pipe::splice(source, None, &self.writer, None, CAPACITY, flags)?;
        self.pending = bytes;
        // A short splice says nothing about the source: small segments fill the slots early.
        Ok(Taken { bytes, drained: false })
    }

    /// Nobody else uses the pipe.
    fn keep(&mut self, _: &mut Resources) {}

    fn drain(&mut self, sink: BorrowedFd<'_>, _: &mut Resources) -> io::Result<usize> {
        // Never SPLICE_F_MORE: it would hold back the last segment of an answer.
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let given = rustix::pipe::splice(&self.reader, None, sink, None, self.pending, flags)?;
        self.pending -= given;
        Ok(given)
    }
}

/// The pipes of one thread.
#[derive(Debug)]
pub struct PipePool {
    kept: Vec<Pipe>,
    lent: usize,
    cap: usize,
}

impl PipePool {
    /// A pool that never has more than `cap` pipes, lent or kept.
    pub fn new(cap: usize) -> Self {
        Self { kept: Vec::new(), lent: 0, cap }
    }

    /// An empty pipe; none when the cap is reached or the kernel gives no useful one.
    pub fn take(&mut self) -> Option<Pipe> {
        let pipe = match self.kept.pop() {
            Some(pipe) => pipe,
            None if self.lent < self.cap => Pipe::open().ok().flatten()?,
            None => return None,
        };
        self.lent += 1;
        Some(pipe)
    }

    /// Takes a pipe back. One that still holds bytes is destroyed: they belong to somebody else's session.
    pub fn put(&mut self, pipe: Pipe) {
        self.lent = self.lent.saturating_sub(1);
        if pipe.pending == 0 && self.kept.len() < KEPT {
            self.kept.push(pipe);
        }
    }

    /// Pipes that sessions hold now.
    pub fn lent(&self) -> usize {
        self.lent
    }

    /// Pipes that wait for their next use.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_keeps_to_its_cap() {
        let mut pool = PipePool::new(2);
        let first = pool.take().expect("the first of two");
        let second = pool.take().expect("the second of two");
        assert!(pool.take().is_none());
        pool.put(first);
        assert_eq!((pool.lent(), pool.kept()), (1, 1));
        assert!(pool.take().is_some());
        pool.put(second);
        assert_eq!(pool.lent(), 1);
    }

    #[test]
    fn an_undrained_pipe_is_destroyed() {
        let mut pool = PipePool::new(1);
        let mut pipe = pool.take().expect("a pipe");
        pipe.pending = 1;
        pool.put(pipe);
        assert_eq!((pool.lent(), pool.kept()), (0, 0));
    }

    /// Root may have as many and as large ones as it likes, so a thread gives that up.
    #[test]
    fn an_ordinary_user_gets_useful_pipes_or_none() {
        let thread = std::thread::spawn(|| {
            if rustix::process::getuid().is_root() {
                let ordinary = rustix::process::Uid::from_raw(54_321);
                rustix::thread::set_thread_uid(ordinary).expect("root may");
            }
            let mut pool = PipePool::new(300);
            let pipes: Vec<Pipe> = std::iter::from_fn(|| pool.take()).collect();
            let capacities: Vec<usize> = pipes
                .iter()
                .map(|pipe| rustix::pipe::fcntl_getpipe_size(&pipe.writer).expect("its size"))
                .collect();
            assert!(capacities.len() < 300, "there is no limit here");
            assert!(
                capacities.iter().all(|capacity| *capacity >= LEAST_CAPACITY),
                "{capacities:?}"
            );
            assert_eq!(capacities.first(), Some(&CAPACITY));
        });
        thread.join().expect("its assertions hold");
    }

    #[test]
    fn pipes_are_closed_on_exec_and_never_wait() {
        let mut pool = PipePool::new(1);
        let pipe = pool.take().expect("a pipe");
        let flags = rustix::io::fcntl_getfd(&pipe.reader).expect("descriptor flags");
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let status = rustix::fs::fcntl_getfl(&pipe.writer).expect("status flags");
        assert!(status.contains(rustix::fs::OFlags::NONBLOCK));
    }
}
