//! Resolves the master's address, in bounded time.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long the resolver may take. The check that waits for it must end well within the proxy timeout.
const BOUND: Duration = Duration::from_secs(5);

/// The address of `host` and `port`. A name may have several, in any order: the `current` one is kept while it is among them.
pub async fn resolve(
    host: &str,
    port: &str,
    current: Option<SocketAddr>,
) -> Result<SocketAddr, String> {
    let number: u16 =
        port.parse().map_err(|_| format!("the db has the port {port:?}, which is no port"))?;
    if host.is_empty() {
        return Err("the db has no listen address yet".to_owned());
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, number));
    }
    let found = tokio::time::timeout(BOUND, tokio::net::lookup_host((host, number)))
        .await
        .map_err(|_| format!("resolving {host:?} took longer than {} s", BOUND.as_secs()))?
        .map_err(|error| format!("cannot resolve {host:?}: {error}"))?;
    choose(found, current).ok_or_else(|| format!("{host:?} has no address"))
}

fn choose(
    found: impl Iterator<Item = SocketAddr>,
    current: Option<SocketAddr>,
) -> Option<SocketAddr> {
    let mut first = None;
    for address in found {
        if Some(address) == current {
            return current;
        }
        first = first.or(Some(address));
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 5432))
    }

    #[test]
    fn another_order_is_no_change() {
        let (a, b) = (address(1), address(2));
        assert_eq!(choose([a, b].into_iter(), None), Some(a));
        assert_eq!(choose([a, b].into_iter(), Some(b)), Some(b));
        assert_eq!(choose([b, a].into_iter(), Some(b)), Some(b));
        assert_eq!(choose([a].into_iter(), Some(b)), Some(a));
        assert_eq!(choose([].into_iter(), Some(b)), None);
    }

    #[tokio::test]
    async fn addresses_need_no_resolver() {
        assert_eq!(resolve("10.0.0.1", "5432", None).await, Ok(address(1)));
        let six = resolve("::1", "5432", None).await.expect("an address");
        assert_eq!(six.to_string(), "[::1]:5432");
        let error = resolve("10.0.0.1", "54321a", None).await.expect_err("no port");
        assert_eq!(error, "the db has the port \"54321a\", which is no port");
        assert!(resolve("", "5432", None).await.is_err());
    }
}
