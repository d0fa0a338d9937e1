//! Connections follow the cluster data.

use crate::cluster::{Fixture, Script, expect_echo, expect_end, master, within};
use std::time::Duration;
use stolon_model::time::GoTime;
use stolon_proxy::follow::WhenFallen;
use tokio::time::Instant;

const LONG: Duration = Duration::from_secs(60);

async fn script() -> Script {
    Script::new(master(b"a").await, master(b"b").await, LONG)
}

#[tokio::test]
async fn a_failover_in_the_two_steps_of_the_sentinel() {
    let proxy = Fixture::new(WhenFallen::StopListening);
    let script = script().await;
    proxy.write(&script.at(1, "a")).await;
    proxy
        .beside(async {
            proxy.forwarding().await;
            let info = proxy.acknowledged(1).await;
            assert!(info.proxy_timeout_nanos >= 60_000_000_000, "{info:?}");
            let mut old = proxy.session(b"a").await;
            expect_echo(&mut old, b"word").await;
            proxy.write(&script.at(2, "")).await;
            // The acknowledgement says that nothing goes to the old master any more.
            proxy.acknowledged(2).await;
            assert!(proxy.gatehouse.target().is_none());
            expect_end(&mut old).await;
            // Between the two steps a connection waits.
            let waiting = async {
                let mut new = proxy.session(b"b").await;
                expect_echo(&mut new, b"word").await;
            };
            let go_on = async {
                proxy.eventually("the hold", || proxy.gatehouse.workers().totals().held == 1).await;
                proxy.write(&script.at(3, "b")).await;
            };
            tokio::join!(waiting, go_on);
            proxy.acknowledged(3).await;
            assert_eq!(proxy.gatehouse.changes(), 3);
        })
        .await;
}

#[tokio::test]
async fn every_publication_has_a_fresh_info_uid() {
    let proxy = Fixture::new(WhenFallen::StopListening);
    let script = script().await;
    proxy.write(&script.at(1, "a")).await;
    proxy
        .beside(async {
            let first = proxy.acknowledged(1).await;
            proxy.write(&script.at(2, "a")).await;
            let second = proxy.acknowledged(2).await;
            assert_ne!(first.info_uid, second.info_uid);
        })
        .await;
}

#[tokio::test]
async fn a_proxy_that_ends_says_that_it_has_closed_until_the_sentinel_has_taken_it_out() {
    let proxy = Fixture::new(WhenFallen::StopListening);
    let script = script().await;
    proxy.write(&script.at(1, "a")).await;
    let sentinel = async {
        let info = proxy.closed().await;
        assert_eq!(info.generation.0, 1);
        assert!(proxy.gatehouse.target().is_none(), "nothing is forwarded any more");
        let mut data = script.at(2, "a");
        if let Some(proxy) = &mut data.proxy {
            proxy.spec.enabled_proxies.clear();
        }
        proxy.write(&data).await;
    };
    let end = async {
        proxy.beside(proxy.forwarding()).await;
        // It has left, and its key with it.
        let infos = proxy.store.proxy_infos().await.expect("infos");
        assert!(infos.good.is_empty(), "{infos:?}");
    };
    tokio::join!(end, sentinel);
}

#[tokio::test]
async fn a_proxy_that_ends_does_not_wait_long_for_a_sentinel_that_does_not_care() {
    let proxy = Fixture::new(WhenFallen::StopListening);
    let script = script().await;
    proxy.write(&script.at(1, "a")).await;
    let began = Instant::now();
    proxy.beside(proxy.forwarding()).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(proxy.store.proxy_infos().await.expect("infos").good.is_empty());
}

#[tokio::test]
async fn a_session_outlives_generations_that_keep_its_master() {
    let proxy = Fixture::new(WhenFallen::StopListening);
    let script = script().await;
    proxy.write(&script.at(1, "a")).await;
    proxy
        .beside(async {
            proxy.forwarding().await;
            let mut session = proxy.session(b"a").await;
            for generation in 2..6 {
                let mut data = script.at(generation, "a");
                data.change_time = GoTime::default();
                proxy.write(&data).await;
                proxy.acknowledged(generation).await;
                expect_echo(&mut session, b"still here").await;
            }
        })
        .await;
}

#[tokio::test]
async fn a_proxy_that_is_not_enabled_forwards_nothing_but_says_so() {
    let proxy = Fixture::new(WhenFallen::StopListening);
    let script = script().await;
    let mut data = script.at(1, "a");
    if let Some(proxy) = &mut data.proxy {
        proxy.spec.enabled_proxies.clear();
    }
    proxy.write(&data).await;
    proxy
        .beside(async {
            proxy.acknowledged(1).await;
            assert!(proxy.gatehouse.target().is_none());
            let obstacle = proxy.status.obstacle().expect("not ready");
            assert!(obstacle.contains("has not enabled this proxy"), "{obstacle}");
            proxy.write(&script.at(2, "a")).await;
            proxy.forwarding().await;
            proxy.session(b"a").await;
        })
        .await;
}

#[tokio::test]
async fn without_cluster_data_connections_are_closed_at_once() {
    let proxy = Fixture::new(WhenFallen::StopListening);
    proxy
        .beside(async {
            let mut client = proxy.connect().await;
            expect_end(&mut client).await;
            let infos = proxy.store.proxy_infos().await.expect("infos");
            assert!(infos.good.is_empty(), "nothing to acknowledge");
        })
        .await;
}

#[tokio::test]
async fn garbage_leaves_sessions_alone() {
    let proxy = Fixture::new(WhenFallen::StopListening);
    let script = script().await;
    proxy.write(&script.at(1, "a")).await;
    proxy
        .beside(async {
            proxy.forwarding().await;
            let mut session = proxy.session(b"a").await;
            let key = proxy.store.path().cluster_data();
            let garbage = b"{\"formatVersion\":".to_vec();
            proxy.store.store().put(&key, garbage, None).await.expect("the store takes it");
            proxy
                .eventually("the failure", || {
                    let failure = proxy.status.snapshot().last_failure;
                    failure.is_some_and(|why| why.starts_with("cannot get cluster data: "))
                })
                .await;
            expect_echo(&mut session, b"still here").await;
            proxy.write(&script.at(2, "a")).await;
            proxy.acknowledged(2).await;
            expect_echo(&mut session, b"still here").await;
        })
        .await;
}

#[tokio::test]
async fn another_format_version_drops_the_destination() {
    let proxy = Fixture::new(WhenFallen::StopListening);
    let script = script().await;
    proxy.write(&script.at(1, "a")).await;
    proxy
        .beside(async {
            proxy.forwarding().await;
            let mut session = proxy.session(b"a").await;
            let mut other = script.at(2, "a");
            other.format_version = 9;
            proxy.write(&other).await;
            expect_end(&mut session).await;
            let failure = proxy.status.snapshot().last_failure;
            assert!(failure.is_none_or(|why| why.contains("format version 9")));
        })
        .await;
}

#[tokio::test]
async fn a_clean_end_takes_the_info_back() {
    let proxy = Fixture::new(WhenFallen::StopListening);
    let script = script().await;
    proxy.write(&script.at(1, "a")).await;
    proxy
        .beside(async {
            proxy.acknowledged(1).await;
        })
        .await;
    let infos = within("infos", proxy.store.proxy_infos()).await.expect("infos");
    assert!(infos.good.is_empty());
}
