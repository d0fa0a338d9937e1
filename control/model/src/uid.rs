//! Identifiers. Each kind is a type of its own, so that a db uid is never taken for a keeper uid.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! uid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes `text` as it is: identifiers read from the store are never rejected for their shape.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether it is the empty text, which in Go's JSON stands for "none".
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

uid!(
    /// A cluster: 8 hexadecimal digits, new at each `init`.
    ClusterUid
);
uid!(
    /// A keeper: chosen by the user or random, kept in the data directory.
    KeeperUid
);
uid!(
    /// One PostgreSQL instance as the cluster knows it.
    DbUid
);
uid!(
    /// One run of a proxy.
    ProxyUid
);
uid!(
    /// One run of a sentinel.
    SentinelUid
);
uid!(
    /// One publication of an info: it changes each time, which is how freshness is seen.
    InfoUid
);
uid!(
    /// One run of a keeper process (UUID version 4).
    BootUuid
);

/// A fresh short uid: 4 random bytes as 8 lowercase hexadecimal digits.
pub fn short_uid(rng: &mut fastrand::Rng) -> String {
    format!("{:08x}", rng.u32(..))
}

/// A fresh UUID version 4 in canonical text.
pub fn uuid_v4(rng: &mut fastrand::Rng) -> BootUuid {
    let b = (rng.u128(..) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    BootUuid::new(format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        b >> 96,
        (b >> 80) & 0xffff,
        (b >> 64) & 0xffff,
        (b >> 48) & 0xffff,
        b & 0xffff_ffff_ffff
    ))
}
