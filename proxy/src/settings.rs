//! What sessions are made with: the limits and times that the flags set.

use crate::limits::Limit;
use crate::metrics::Timings;
use crate::relay::Tuning;
use crate::socket::SocketOptions;
use std::time::Duration;

/// What sessions are made with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Options of every socket.
    pub socket: SocketOptions,
    /// When the relay changes its way of working.
    pub tuning: Tuning,
    /// How long a new connection may take for its first packet. None: bytes of any protocol are passed on unread.
    pub startup_timeout: Option<Duration>,
    /// How long a connection waits for a master. None: it is closed at once.
    pub hold_timeout: Option<Duration>,
    /// How long a dial may take.
    pub dial_timeout: Duration,
    /// How long a peer may leave what was sent to it unanswered. None: as long as the kernel tries.
    pub peer_timeout: Option<Duration>,
    /// Connections at one time.
    pub connections: Limit,
    /// Held connections at one time.
    pub held: Limit,
    /// Connections that are being told why they are refused.
    pub refusals: Limit,
    /// Where dial and hold times go.
    pub timings: Timings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            socket: SocketOptions::default(),
            tuning: Tuning::default(),
            startup_timeout: Some(Duration::from_secs(10)),
            hold_timeout: Some(Duration::from_secs(15)),
            dial_timeout: Duration::from_secs(5),
            peer_timeout: Some(Duration::from_secs(10)),
            connections: Limit::new(10_000),
            held: Limit::new(1000),
            refusals: Limit::new(64),
            timings: Timings::default(),
        }
    }
}
