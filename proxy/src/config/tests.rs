use super::*;
use crate::args::PROGRAM;
use crate::relay::RelayMode;

fn config(more: &[&str]) -> anyhow::Result<Config> {
    let base = ["stolon-proxy", "--cluster-name=c", "--store-backend=etcdv3"];
    let argv = base.iter().chain(more).map(std::ffi::OsString::from);
    let parsed = stolon_flags::parse::<Flags>(&PROGRAM, argv, []);
    Config::new(&parsed.map_err(|stop| anyhow::anyhow!(stop.stderr))?.args)
}

#[test]
fn defaults() {
    let config = config(&[]).expect("good flags");
    assert_eq!(config.listen_address, "127.0.0.1:5432");
    assert_eq!(config.when_fallen, WhenFallen::StopListening);
    assert_eq!(config.hold_timeout, Some(Duration::from_secs(15)));
    assert_eq!(config.dial_timeout, Duration::from_secs(5));
    assert_eq!(config.drain_timeout, Duration::from_secs(5));
    assert_eq!(config.socket, SocketOptions::default());
    assert_eq!((config.limits.max_held, config.limits.max_connections), (1000, 0));
    assert!((1..=MOST_THREADS).contains(&config.threads));
}

#[test]
fn zero_turns_off() {
    let config = config(&[
        "--hold-timeout=0",
        "--startup-timeout",
        "0s",
        "--tcp-user-timeout=0",
        "--stop-listening=false",
    ])
    .expect("good flags");
    assert_eq!((config.hold_timeout, config.startup_timeout), (None, None));
    assert_eq!(config.peer_timeout, None);
    assert_eq!(config.when_fallen, WhenFallen::KeepListening);
}

#[test]
fn values_are_taken_over() {
    let config = config(&[
        "--listen-address=::1",
        "--port=25432",
        "--relay=splice",
        "--threads=3",
        "--tcp-keepalive-idle=60",
        "--tcp-keepalive-count=9",
        "--hold-timeout=1m30s",
    ])
    .expect("good flags");
    assert_eq!(config.listen_address, "[::1]:25432");
    assert_eq!(config.tuning.mode, RelayMode::Splice);
    assert_eq!(config.threads, 3);
    assert_eq!(config.socket.keepalive_idle, Duration::from_secs(60));
    assert_eq!(config.socket.keepalive_count, 9);
    assert_eq!(config.hold_timeout, Some(Duration::from_secs(90)));
}

#[test]
fn no_listen_address_is_every_address() {
    let config = config(&["--listen-address="]).expect("good flags");
    assert_eq!(config.listen_address, ":5432");
}

#[test]
fn bad_values_are_named() {
    for (flag, text) in [
        ("--tcp-keepalive-idle=-1", "tcp keepalive idle value must be greater or equal to 0"),
        ("--tcp-keepalive-count=-1", "tcp keepalive count value must be greater or equal to 0"),
        (
            "--tcp-keepalive-interval=-1",
            "tcp keepalive interval value must be greater or equal to 0",
        ),
        ("--hold-timeout=-1s", "hold-timeout value must be greater or equal to 0"),
        ("--port=70000", "port is \"70000\"; give a number from 0 to 65535"),
        ("--dial-timeout=0", "dial-timeout must be greater than 0"),
        ("--threads=1000", "threads is 1000"),
        (
            "--store-endpoints=ftp://a",
            "cannot create cluster checker: cannot create store: cannot create kv store: endpoints scheme must be",
        ),
        ("--relay=fast", "relay mode must be auto, splice or copy, not \"fast\""),
    ] {
        let error = config(&[flag]).expect_err(flag);
        assert!(format!("{error:#}").contains(text), "{flag}: {error:#}");
    }
}
