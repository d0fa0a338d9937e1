//! The one place where the two ways of moving bytes differ: what holds them between the source and the sink.

use super::Resources;
use std::io;
use std::os::fd::BorrowedFd;

/// What one system call took from a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// How much; 0 is the end of the stream.
    pub bytes: usize,
    /// The source is known to be empty now, so that its readiness may be cleared without another system call.
    pub drained: bool,
}

/// Holds bytes between a source and a sink. Both operations are one system call that never waits.
pub trait Conduit {
    /// Bytes taken and not yet given.
    fn pending(&self) -> usize;

    /// Takes from the source. Only called while nothing is pending: for a pipe this is what makes "would block" mean that the
    /// source is empty, and not that the pipe is full.
    fn fill(&mut self, source: BorrowedFd<'_>, resources: &mut Resources) -> io::Result<Taken>;

    /// The sink takes nothing now: what lies in a buffer that others use too is kept aside.
    fn keep(&mut self, resources: &mut Resources);

    /// Gives pending bytes to the sink and says how many it took.
    fn drain(&mut self, sink: BorrowedFd<'_>, resources: &mut Resources) -> io::Result<usize>;
}
