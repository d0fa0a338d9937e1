//! How things end: who ended a session, and why a connection never became one.

use std::io;

macro_rules! labelled {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every variant, in the order of its index.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The value of the metric's label.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }

            /// Where its counter stands.
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

labelled! {
    /// Who ended a session.
    End {
        /// The client closed or reset its connection.
        Client = "client",
        /// The master closed or reset its connection.
        Server = "server",
        /// The master is no longer the target.
        Target = "target",
        /// No check was good for as long as the proxy timeout.
        Fence = "fence",
        /// The proxy stops.
        Drain = "drain",
        /// A peer left sent bytes unacknowledged for too long.
        Dead = "dead",
    }
}

labelled! {
    /// Why a connection never reached a master.
    Rejection {
        /// More connections than `--max-connections`.
        MaxConnections = "max_connections",
        /// More held connections than `--max-held`.
        MaxHeld = "max_held",
        /// Held for as long as `--hold-timeout`.
        HoldTimeout = "hold_timeout",
        /// There is no destination, and connections are not held.
        NoMaster = "no_master",
        /// The master could not be reached, and connections are not held.
        DialFailed = "dial_failed",
        /// The first packet did not come in time.
        StartupTimeout = "startup_timeout",
        /// The first bytes are not PostgreSQL's protocol.
        Protocol = "protocol",
        /// A request to cancel, while there is no master to take it.
        Cancel = "cancel",
        /// The client left before it was connected.
        ClientGone = "client_gone",
        /// The proxy stops.
        Drain = "drain",
    }
}

/// The end of a session.
#[derive(Debug)]
pub struct Outcome {
    /// Who ended it.
    pub end: End,
    /// What the system said, when it did not end in order.
    pub error: Option<io::Error>,
}

impl Outcome {
    /// An end that we decided.
    pub fn decided(end: End) -> Self {
        Self { end, error: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_follow_the_list() {
        for (index, end) in End::ALL.iter().enumerate() {
            assert_eq!(end.index(), index, "{end:?}");
        }
        for (index, rejection) in Rejection::ALL.iter().enumerate() {
            assert_eq!(rejection.index(), index, "{rejection:?}");
        }
    }
}
