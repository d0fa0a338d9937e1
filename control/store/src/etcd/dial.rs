//! How a member is reached.

use super::skip_verify::SkipVerify;
use crate::config::{Config, ConfigError, Tls};
use etcd_client::{Channel, Client, ConnectOptions};
use std::sync::Arc;
use std::time::Duration;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// How often a connection in use is checked by an HTTP/2 ping. etcd closes connections that ping more often than every five
/// seconds while it has nothing to send (`too_many_pings`), and Go's client too, told to ping every second, does so every
/// ten. Silence is found sooner by the probes of watches and by the second attempts of requests.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// What a client needs to reach one member.
pub fn endpoint(url: &str, config: &Config) -> Result<Endpoint, ConfigError> {
    let endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|error| ConfigError::Endpoint {
            endpoint: url.to_owned(),
            reason: error.to_string(),
        })?
        .connect_timeout(config.timeout)
        .http2_keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(config.timeout)
        .keep_alive_while_idle(false);
    match &config.tls {
        Some(tls) => encrypted(endpoint, tls),
        None => Ok(endpoint),
    }
}

fn encrypted(endpoint: Endpoint, tls: &Tls) -> Result<Endpoint, ConfigError> {
    let mut settings = ClientTlsConfig::new();
    if let Some(identity) = &tls.identity {
        settings = settings.identity(Identity::from_pem(&identity.certificate, &identity.key));
    }
    let made = if tls.skip_verify {
        endpoint.tls_config_with_verifier(settings, Arc::new(SkipVerify::default()))
    } else {
        endpoint.tls_config(match &tls.ca {
            Some(ca) => settings.ca_certificate(Certificate::from_pem(ca)),
            None => settings.with_enabled_roots(),
        })
    };
    made.map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        ConfigError::Tls(cause.unwrap_or_else(|| error.to_string()))
    })
}

/// A client of one member. It connects at the first request, and again whenever the connection is lost.
pub async fn client(endpoint: &Endpoint) -> Result<Client, etcd_client::Error> {
    // A member that lost its leader ends the watches and refuses the requests, instead of keeping silent.
    let options = ConnectOptions::new().with_require_leader(true);
    Client::from_channel(Channel::Tonic(endpoint.connect_lazy()), Some(options)).await
}
