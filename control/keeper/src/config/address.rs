//! Warnings about an advertised address that others may not be able to use.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;
use tracing::warn;

/// The keeper must not hang at start because a name server does.
const RESOLVE_LIMIT: Duration = Duration::from_secs(2);

/// Warns about `address`, which `--<flag>` gave.
pub fn warn_about(flag: &str, address: &str) {
    let addresses = match address.parse::<IpAddr>() {
        Ok(ip) => vec![ip],
        Err(_) => {
            warn!(
                "provided --{flag} {address:?}: is not an ip address but a hostname. This will be advertized to the other \
                 components and may have undefined behaviors if resolved differently by other hosts"
            );
            match resolve(address) {
                Ok(addresses) => addresses,
                Err(error) => {
                    warn!("cannot resolve provided --{flag} {address:?}: {error}");
                    return;
                }
            }
        }
    };
    if addresses.iter().any(IpAddr::is_loopback) {
        warn!(
            "provided --{flag} {address:?} is a loopback ip. This will be advertized to the other components and communication \
             will fail if they are on different hosts"
        );
    }
}

fn resolve(name: &str) -> Result<Vec<IpAddr>, String> {
    let (sender, receiver) = mpsc::channel();
    let host = name.to_owned();
    // Left alone if it takes too long: it ends with the resolver's own time-out.
    std::thread::spawn(move || {
        let result = (host.as_str(), 0)
            .to_socket_addrs()
            .map(|addresses| addresses.map(|address| address.ip()).collect())
            .map_err(|error| error.to_string());
        let _ = sender.send(result);
    });
    receiver
        .recv_timeout(RESOLVE_LIMIT)
        .unwrap_or_else(|_| Err(format!("no answer within {RESOLVE_LIMIT:?}")))
}
