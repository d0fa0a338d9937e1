//! The conduit through memory: the scratch buffer of the thread, and a copy of what the sink did not take at once.

use super::{Conduit, Resources, Taken};
use rustix::net::{RecvFlags, SendFlags};
use std::io;
use std::os::fd::BorrowedFd;

/// The least that one read may take. A read of the whole scratch buffer would have to be copied aside when the sink is slow, so
/// reads grow only while the sink takes everything.
const MIN_READ: usize = 64 * 1024;

/// Bytes on their way through memory.
#[derive(Debug)]
pub struct Memory {
    /// What the sink did not take, from `start` on. Empty, and without an allocation, nearly always.
    rest: Vec<u8>,
    start: usize,
    /// How many bytes of the scratch buffer are ours; only between a fill and the drain that follows it in the same poll.
    staged: usize,
    read_limit: usize,
}

impl Memory {
    /// A conduit that holds `rest` already.
    pub fn holding(rest: Vec<u8>) -> Self {
        Self { rest, start: 0, staged: 0, read_limit: MIN_READ }
    }

    /// Adds what `source` has to what is pending, without a look at the sink. Only for a session that ends.
    pub fn hoard(
        &mut self,
        source: BorrowedFd<'_>,
        resources: &mut Resources,
    ) -> io::Result<usize> {
        let room = MIN_READ.min(resources.scratch.len());
        let (_, bytes) =
            rustix::net::recv(source, &mut resources.scratch[..room], RecvFlags::DONTWAIT)?;
        self.rest.extend_from_slice(&resources.scratch[..bytes]);
        Ok(bytes)
    }

    /// Drops what has been taken and not given. Not for what was set aside.
    pub fn forget(&mut self) {
        self.staged = 0;
    }

    fn set_aside(&mut self, resources: &Resources, from: usize) {
        self.rest.extend_from_slice(&resources.scratch[from..self.staged]);
        self.staged = 0;
    }
}

impl Conduit for Memory {
    fn pending(&self) -> usize {
        self.rest.len() - self.start + self.staged
    }

    fn fill(&mut self, source: BorrowedFd<'_>, resources: &mut Resources) -> io::Result<Taken> {
        debug_assert_eq!(self.pending(), 0, "a conduit is filled only while it is empty");
        let limit = self.read_limit.min(resources.scratch.len());
        let (_, bytes) =
            rustix::net::recv(source, &mut resources.scratch[..limit], RecvFlags::DONTWAIT)?;
        self.staged = bytes;
        Ok(Taken { bytes, drained: bytes > 0 && bytes < limit })
    }

    fn keep(&mut self, resources: &mut Resources) {
        if self.staged > 0 {
            self.set_aside(resources, 0);
        }
    }

    fn drain(&mut self, sink: BorrowedFd<'_>, resources: &mut Resources) -> io::Result<usize> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        if self.staged == 0 {
            let given = rustix::net::send(sink, &self.rest[self.start..], flags)?;
            self.start += given;
            if self.start == self.rest.len() {
                self.rest = Vec::new();
                self.start = 0;
            }
            return Ok(given);
        }
        match rustix::net::send(sink, &resources.scratch[..self.staged], flags) {
            Ok(given) if given == self.staged => {
                if self.staged == self.read_limit {
                    self.read_limit = (self.read_limit * 2).min(resources.scratch.len());
                }
                self.staged = 0;
                Ok(given)
            }
            Ok(given) => {
                self.read_limit = given.max(MIN_READ);
                self.set_aside(resources, given);
                Ok(given)
            }
            Err(error) => {
                self.read_limit = MIN_READ;
                self.set_aside(resources, 0);
                Err(error.into())
            }
        }
    }
}
