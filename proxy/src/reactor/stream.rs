//! TCP sockets of a reactor.

use super::{Reactor, Source};
use rustix::net::{RecvFlags, SendFlags};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::task::{Poll, ready};

/// A connection. Its operations that may wait belong to the task that calls them last.
#[derive(Debug)]
pub struct TcpStream {
    // Closed first; the number in its events is not used again before the source is dropped.
    socket: std::net::TcpStream,
    source: Source,
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl TcpStream {
    /// Connects `socket`, which does not block.
    pub async fn connect(
        reactor: &Rc<Reactor>,
        socket: socket2::Socket,
        address: SocketAddr,
    ) -> io::Result<Self> {
        match socket.connect(&address.into()) {
            Ok(()) => {}
            Err(error)
                if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        let source = Source::new(reactor, &socket, false)?;
        let stream = Self { socket: socket.into(), source };
        poll_fn(|_| stream.source.poll_writable()).await;
        if stream.source.is_broken() {
            return Err(stream.socket.take_error()?.unwrap_or_else(|| io::ErrorKind::Other.into()));
        }
        Ok(stream)
    }

    /// Takes over a connection that another reactor has [let go](Self::let_go). What is there to read or to say of it is heard of
    /// at once. Fails when the kernel has no memory for it, and gives the connection back.
    pub fn adopt(
        reactor: &Rc<Reactor>,
        socket: std::net::TcpStream,
    ) -> Result<Self, (io::Error, std::net::TcpStream)> {
        match Source::new(reactor, &socket, true) {
            Ok(source) => Ok(Self { socket, source }),
            Err(error) => Err((error, socket)),
        }
    }

    /// The connection alone, of which this reactor hears nothing more.
    pub fn let_go(self) -> std::net::TcpStream {
        self.source.forget_socket(&self.socket);
        self.socket
    }

    /// Where the other side is.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// What the kernel has said of it.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The thread's event loop.
    pub fn reactor(&self) -> &Rc<Reactor> {
        self.source.reactor()
    }

    /// [`Source::poll_readable`] is no longer ready for data, only for the end and errors: who reads looks from time to time.
    pub fn mute(&self) -> io::Result<()> {
        self.source.mute(&self.socket)
    }

    /// [`Source::poll_readable`] is ready for data again.
    pub fn unmute(&self) -> io::Result<()> {
        self.source.unmute(&self.socket)
    }

    /// Waits until reading may find something.
    pub async fn readable(&self) {
        poll_fn(|_| self.source.poll_readable()).await;
    }

    /// Reads what is there, at most as much as there is room for, and waits for it. 0 is the end of the stream.
    pub async fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        poll_fn(|_| self.poll_read(room)).await
    }

    fn poll_read(&self, room: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.source.poll_readable());
            match rustix::net::recv(&self.socket, &mut *room, RecvFlags::DONTWAIT) {
                Ok((_, bytes)) => {
                    if bytes > 0 && bytes < room.len() {
                        self.source.drained();
                    }
                    return Poll::Ready(Ok(bytes));
                }
                Err(rustix::io::Errno::AGAIN) => self.source.not_readable(),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Reads what is there, at most `most`, and appends it to `kept`. 0 is the end of the stream. May be dropped at any time:
    /// `kept` has what was read, and nothing else.
    pub async fn read_more(&self, kept: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        poll_fn(|_| {
            let before = kept.len();
            kept.resize(before + most, 0);
            let read = self.poll_read(&mut kept[before..]);
            kept.truncate(before + if let Poll::Ready(Ok(bytes)) = &read { *bytes } else { 0 });
            read
        })
        .await
    }

    /// Writes everything.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        poll_fn(|_| {
            while !bytes.is_empty() {
                ready!(self.source.poll_writable());
                let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
                match rustix::net::send(&self.socket, bytes, flags) {
                    Ok(written) => bytes = &bytes[written..],
                    Err(rustix::io::Errno::AGAIN) => self.source.not_writable(),
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Poll::Ready(Err(error.into())),
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }
}

/// A listening socket.
#[derive(Debug)]
pub struct TcpListener {
    socket: std::net::TcpListener,
    source: Source,
}

impl TcpListener {
    /// A listener that does not block.
    pub fn new(reactor: &Rc<Reactor>, socket: std::net::TcpListener) -> io::Result<Self> {
        let source = Source::new(reactor, &socket, false)?;
        Ok(Self { socket, source })
    }

    /// The next connection.
    pub async fn accept(&self) -> io::Result<TcpStream> {
        let flags = rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK;
        let accepted = poll_fn(|_| {
            loop {
                ready!(self.source.poll_readable());
                match rustix::net::accept_with(&self.socket, flags) {
                    Ok(socket) => return Poll::Ready(io::Result::Ok(socket)),
                    Err(rustix::io::Errno::AGAIN) => self.source.not_readable(),
                    Err(error) => return Poll::Ready(Err(error.into())),
                }
            }
        })
        .await?;
        TcpStream::adopt(self.source.reactor(), accepted.into()).map_err(|(error, _)| error)
    }
}
