//! Socket options and the few system calls around them. What an accepted socket needs is set on its listener: Linux hands these
//! options down, which saves six system calls per connection.

use crate::reactor::TcpStream;
use nix::libc;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::LazyLock;
use std::time::Duration;

/// Connections that the kernel completes before we accept them.
const BACKLOG: i32 = 4096;

/// Options of every socket, the clients' and the master's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Silence before the first keep-alive probe.
    pub keepalive_idle: Duration,
    /// Time between probes.
    pub keepalive_interval: Duration,
    /// Probes without an answer before the peer counts as gone.
    pub keepalive_count: u32,
}

impl Default for SocketOptions {
    /// A peer that has vanished is found within half a minute.
    fn default() -> Self {
        Self {
            keepalive_idle: Duration::from_secs(15),
            keepalive_interval: Duration::from_secs(5),
            keepalive_count: 3,
        }
    }
}

impl SocketOptions {
    fn apply(&self, socket: &SockRef<'_>, address: SocketAddr) -> io::Result<()> {
        if address.ip().is_loopback() && *PACES_BY_DEFAULT {
            stop_pacing(socket);
        }
        // Without it a request that is sent in two parts waits for an acknowledgement in between.
        socket.set_tcp_nodelay(true)?;
        // A byte that was sent as urgent keeps its place among the others, or the stream would lack it.
        socket.set_out_of_band_inline(true)?;
        socket.set_tcp_keepalive(
            &TcpKeepalive::new()
                .with_time(self.keepalive_idle)
                .with_interval(self.keepalive_interval)
                .with_retries(self.keepalive_count),
        )
    }

    /// A socket to dial `address` with.
    pub fn dialler(&self, address: SocketAddr) -> io::Result<Socket> {
        let kind = Type::STREAM.nonblocking();
        let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
        self.apply(&SockRef::from(&socket), address)?;
        Ok(socket)
    }

    fn listener(&self, address: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait for the last connections of the run before.
        socket.set_reuse_address(true)?;
        self.apply(&SockRef::from(&socket), address)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    /// Binds `count` listeners to one address; the kernel spreads connections over them. Refused when somebody else listens
    /// there: SO_REUSEPORT alone would let a second proxy in, and give it half of the connections. So the first listener is
    /// bound without it, and admits others only when it has the port: of two proxies that start at once, one is refused.
    pub fn bind(&self, address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
        let first = self.listener(address)?;
        first.bind(&address.into())?;
        first.listen(BACKLOG)?;
        first.set_reuse_port(true)?;
        let bound = first.local_addr()?.as_socket().unwrap_or(address);
        let others = (1..count).map(|_| {
            let socket = self.listener(bound)?;
            socket.set_reuse_port(true)?;
            socket.bind(&bound.into())?;
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        });
        std::iter::once(Ok(first.into())).chain(others).collect()
    }

    /// Refuses an address that [`SocketOptions::bind`] would refuse now, and leaves it alone.
    pub fn probe(&self, address: SocketAddr) -> io::Result<()> {
        self.listener(address)?.bind(&address.into())
    }
}

/// Whether the machine's congestion control paces what is sent, by timers: BBR. A thing of the machine, asked once.
static PACES_BY_DEFAULT: LazyLock<bool> = LazyLock::new(|| {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP));
    socket.and_then(|socket| socket.tcp_congestion()).is_ok_and(|name| name.starts_with(b"bbr"))
});

/// For a connection that never leaves the machine: there is no path whose queues pacing could spare, and its timers cost more
/// than the bytes (a raw stream over loopback is three times as fast without). Set before the connection begins: what has begun
/// to pace goes on. Every user may choose Reno.
fn stop_pacing(socket: &SockRef<'_>) {
    // A kernel that refuses paces.
    let _ = socket.set_tcp_congestion(b"reno");
}

#[derive(Clone, Copy, Debug)]
struct ReceiveLowWater;

nix::setsockopt_impl!(
    ReceiveLowWater,
    libc::SOL_SOCKET,
    libc::SO_RCVLOWAT,
    libc::c_int,
    nix::sys::socket::sockopt::SetStruct<'_, libc::c_int>
);

/// Sets how many bytes make the socket readable.
pub fn set_low_water(socket: &TcpStream, bytes: i32) -> io::Result<()> {
    nix::sys::socket::setsockopt(socket, ReceiveLowWater, &bytes).map_err(io::Error::from)
}

#[derive(Clone, Copy, Debug)]
struct WindowClamp;

nix::setsockopt_impl!(
    WindowClamp,
    libc::IPPROTO_TCP,
    libc::TCP_WINDOW_CLAMP,
    libc::c_int,
    nix::sys::socket::sockopt::SetStruct<'_, libc::c_int>
);

/// The window between [`open_window`] and [`close_window`], in bytes: two segments of loopback's largest size.
const WINDOW: libc::c_int = 128 * 1024;

/// Leaves what a sender on this machine has to say in the sender's own buffer, as soon as the window of [`open_window`] is full.
///
/// Over loopback the sender's process does the receiver's work too, once for each segment. PostgreSQL writes 8 KiB at a time, and
/// while the window is open each write is a segment of its own. While it is closed the kernel joins them, up to 64 KiB, and they
/// travel when the receiver makes room, at the receiver's expense. There is no round trip that a wide window would have to span.
///
/// The kernel moves the window on, with an acknowledgement, whenever it can offer no less than it last did (`tcp(7)`,
/// `TCP_WINDOW_CLAMP`; `__tcp_ack_snd_check` of `net/ipv4/tcp_input.c`). Below that it waits for the receiver to take something.
/// A small buffer would close the window as well, but then the kernel drops what is too small to fill its pages.
pub fn close_window(socket: &TcpStream) {
    clamp_window(socket, WINDOW / 2);
}

/// The next time that something is taken from the socket the sender may send again. Says whether it does so; if not, it is to be
/// called again when something has been taken.
///
/// Not while much is waiting, as after a pause of ours under a wider window: in kernels up to 6.6 a clamp on a socket that has just
/// offered no window at all keeps it closed for good (mended by "tcp: fix mid stream window clamp").
pub fn open_window(socket: &TcpStream) -> bool {
    let waiting = rustix::io::ioctl_fionread(socket);
    let may = waiting.is_ok_and(|waiting| waiting <= 2 * WINDOW as u64);
    if may {
        clamp_window(socket, WINDOW);
    }
    may
}

fn clamp_window(socket: &TcpStream, clamp: libc::c_int) {
    // It fails only on a socket that is gone, which the next read says too.
    let _ = nix::sys::socket::setsockopt(socket, WindowClamp, &clamp);
}

/// The kernel's `struct tcp_info` as far as we read it; the C library's copy ends earlier.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct TcpInfo {
    state_to_app_limited: [u8; 8],
    rto_to_rcv_mss: [u32; 4],
    unacked: u32,
    sacked_to_ack_sent: [u32; 6],
    last_data_recv: u32,
    last_ack_recv: u32,
    pmtu_to_total_retrans: [u32; 11],
    rates_and_bytes: [u64; 4],
    segments: [u32; 2],
    notsent_bytes: u32,
    min_rtt: u32,
    data_segments: [u32; 2],
}

#[derive(Clone, Copy, Debug)]
struct TcpInfoOption;

nix::getsockopt_impl!(
    TcpInfoOption,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    TcpInfo,
    nix::sys::socket::sockopt::GetStruct<TcpInfo>
);

/// What has come over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    bytes: u64,
    /// Wraps.
    segments: u32,
}

impl Received {
    /// The average size in bytes of the segments that came since `earlier`, if they were `enough` bytes.
    pub fn segment_size(self, earlier: Self, enough: u64) -> Option<u64> {
        let bytes = self.bytes.wrapping_sub(earlier.bytes);
        let segments = self.segments.wrapping_sub(earlier.segments);
        if bytes < enough { None } else { bytes.checked_div(segments.into()) }
    }
}

/// Asks the kernel what has come (`tcpi_bytes_received` and `tcpi_data_segs_in` of `linux/tcp.h`).
pub fn received(socket: &TcpStream) -> io::Result<Received> {
    let info = nix::sys::socket::getsockopt(socket, TcpInfoOption)?;
    let [_, _, _, bytes] = info.rates_and_bytes;
    let [segments, _] = info.data_segments;
    Ok(Received { bytes, segments })
}

/// How far the peer is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Nothing that was sent is unsent or unacknowledged.
    pub is_empty: bool,
    /// Probes or retransmissions were sent since the last acknowledgement, and for this long none came.
    pub unanswered: Duration,
}

/// Asks the kernel how far the peer is behind.
pub fn backlog(socket: &TcpStream) -> io::Result<Backlog> {
    let info = nix::sys::socket::getsockopt(socket, TcpInfoOption)?;
    let [_, _, retransmits, probes, ..] = info.state_to_app_limited;
    // A peer with a closed window is alive and answers each probe, so one probe on its way proves nothing.
    let is_asked = retransmits > 0 || probes > 1;
    Ok(Backlog {
        is_empty: info.unacked == 0 && info.notsent_bytes == 0,
        unanswered: if is_asked {
            Duration::from_millis(info.last_ack_recv.into())
        } else {
            Duration::ZERO
        },
    })
}

/// Closing the socket will reset the connection. Right towards an old master; towards a client it would discard what was sent.
pub fn reset_on_close(socket: &impl AsFd) {
    // It fails only on a socket that is reset already.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// Shuts one half down. A socket that the peer has reset is shut down already; its error is what the next read says.
pub fn shutdown(socket: &TcpStream, how: Shutdown) -> io::Result<()> {
    match SockRef::from(&socket.as_fd()).shutdown(how) {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        done => done,
    }
}

/// Raises the limit of open files to what is allowed at most, and returns it.
pub fn raise_open_files_limit() -> io::Result<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    }
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_listener_is_refused() {
        let options = SocketOptions::default();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = options.bind(any, 2).expect("a free port");
        let taken = first[0].local_addr().expect("its address");
        assert_eq!(first[1].local_addr().expect("its address"), taken);
        let refused = options.bind(taken, 2).expect_err("somebody listens there");
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        let refused = options.probe(taken).expect_err("somebody listens there");
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        options.probe(taken).expect("free again");
        assert_eq!(options.bind(taken, 2).expect("still free").len(), 2);
    }

    #[test]
    fn of_two_that_bind_at_once_one_is_refused() {
        let options = SocketOptions::default();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        for _ in 0..200 {
            let free = options.bind(any, 1).expect("a free port")[0].local_addr().expect("address");
            let start = std::sync::Barrier::new(2);
            let bind = || {
                start.wait();
                options.bind(free, 2)
            };
            // Both keep what they got until the other has tried.
            let bound = std::thread::scope(|scope| {
                let (one, two) = (scope.spawn(bind), scope.spawn(bind));
                [one.join().expect("it ends"), two.join().expect("it ends")]
            });
            assert!(bound.iter().filter(|bound| bound.is_ok()).count() <= 1, "{bound:?}");
        }
    }

    #[test]
    fn connections_are_spread_over_the_listeners() {
        let options = SocketOptions::default();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = options.bind(any, 2).expect("a free port");
        let address = listeners[0].local_addr().expect("its address");
        let _clients: Vec<_> = (0..100)
            .map(|_| std::net::TcpStream::connect(address).expect("a connection"))
            .collect();
        // They do not wait: each gives what the kernel has put into its queue.
        let shares: Vec<usize> = listeners
            .iter()
            .map(|listener| std::iter::from_fn(|| listener.accept().ok()).count())
            .collect();
        assert_eq!(shares.iter().sum::<usize>(), 100);
        assert!(shares.iter().all(|share| *share > 10), "{shares:?}");
    }

    /// A connection to a listener of these options: the accepted socket and its client.
    fn accept_one(options: &SocketOptions) -> (std::net::TcpStream, std::net::TcpStream) {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = options.bind(any, 1).expect("a free port").remove(0);
        listener.set_nonblocking(false).expect("a listener that waits");
        let client = std::net::TcpStream::connect(listener.local_addr().expect("address"))
            .expect("a connection");
        let (accepted, _) = listener.accept().expect("the other side");
        (accepted, client)
    }

    /// The congestion control of a socket, without the zeroes behind its name.
    fn congestion(socket: &SockRef<'_>) -> String {
        let name = socket.tcp_congestion().expect("its congestion control");
        String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned()
    }

    #[test]
    fn what_stays_on_the_machine_is_not_paced() {
        let options = SocketOptions::default();
        let plain = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let usual = congestion(&SockRef::from(&plain));
        let unpaced = if usual.starts_with("bbr") { "reno" } else { &usual };
        for (address, wanted) in [("127.0.0.1:0", unpaced), ("[::1]:0", unpaced)] {
            let address = address.parse().expect("an address");
            let dialler = options.dialler(address).expect("a socket");
            assert_eq!(congestion(&SockRef::from(&dialler)), wanted);
        }
        for address in ["192.0.2.1:5432", "[2001:db8::1]:5432"] {
            let dialler = options.dialler(address.parse().expect("an address")).expect("a socket");
            assert_eq!(congestion(&SockRef::from(&dialler)), usual);
        }
        stop_pacing(&SockRef::from(&plain));
        assert_eq!(congestion(&SockRef::from(&plain)), "reno");
        // A connection inherits it.
        let (accepted, _client) = accept_one(&options);
        assert_eq!(congestion(&SockRef::from(&accepted)), unpaced);
    }

    #[test]
    fn accepted_sockets_inherit_the_options() {
        let options = SocketOptions::default();
        let (accepted, _client) = accept_one(&options);
        let socket = SockRef::from(&accepted);
        assert!(socket.tcp_nodelay().expect("nodelay"));
        assert!(socket.keepalive().expect("keepalive"));
        assert_eq!(socket.tcp_keepalive_time().expect("idle"), options.keepalive_idle);
        assert_eq!(socket.tcp_keepalive_retries().expect("count"), options.keepalive_count);
    }
}
