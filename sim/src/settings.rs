//! What kind of world a seed makes.

use std::time::Duration;
use stolon_model::spec::ClusterSpec;
use stolon_model::time::GoDuration;

/// What kind of world it is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many sentinels.
    pub sentinels: usize,
    /// How many keepers.
    pub keepers: usize,
    /// How many proxies.
    pub proxies: usize,
    /// How many users write.
    pub users: usize,
    /// Whether replication is synchronous from the beginning.
    pub is_synchronous: bool,
    /// Whether sentinels write without naming their leader key, as Go's do: then only the revision protects.
    pub are_sentinels_unfenced: bool,
    /// Whether clocks run at different rates, and wall clocks jump.
    pub are_clocks_odd: bool,
    /// Whether operators are at work.
    pub are_operators_busy: bool,
    /// How long things go wrong.
    pub faults_for: Duration,
    /// From one fault to the next, on average.
    pub fault_interval: Duration,
    /// The specification of the cluster.
    pub spec: ClusterSpec,
}

impl Settings {
    /// The settings of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x5e77_1265);
        let is_synchronous = rng.bool();
        let sleep = rng.u64(500..=3000);
        let proxy_timeout = rng.u64(4000..=15_000);
        let millis = |ms: u64| Some(GoDuration::from_std(Duration::from_millis(ms)));
        let max_sync = rng.u16(1..=2);
        let spec = ClusterSpec {
            init_mode: Some("new".to_owned()),
            sleep_interval: millis(sleep),
            fail_interval: millis(sleep * rng.u64(2..=5)),
            convergence_timeout: millis(rng.u64(10_000..=40_000)),
            proxy_timeout: millis(proxy_timeout),
            proxy_check_interval: millis(proxy_timeout / rng.u64(3..=5)),
            db_wait_ready_timeout: millis(rng.u64(10_000..=60_000)),
            sync_timeout: millis(if rng.bool() { 0 } else { 120_000 }),
            synchronous_replication: Some(is_synchronous),
            min_synchronous_standbys: Some(1),
            max_synchronous_standbys: Some(max_sync),
            max_standbys_per_sender: Some(rng.u16(2..=4)),
            use_pgrewind: Some(rng.bool()),
            merge_pg_parameters: Some(rng.bool()),
            automatic_pg_restart: Some(rng.bool()),
            ..ClusterSpec::default()
        };
        let mut settings = Self {
            sentinels: rng.usize(1..=3),
            keepers: rng.usize(2..=5),
            proxies: rng.usize(1..=3),
            users: 3,
            is_synchronous,
            are_sentinels_unfenced: rng.u8(..5) == 0,
            are_clocks_odd: rng.bool(),
            are_operators_busy: rng.bool(),
            faults_for: Duration::from_secs(rng.u64(60..=240)),
            fault_interval: Duration::from_millis(rng.u64(800..=12_000)),
            spec,
        };
        // Mostly shorter than the faults last, so that keepers are forgotten and come back.
        if rng.u8(..3) > 0 {
            settings.spec.dead_keeper_removal_interval = millis(rng.u64(5000..=60_000));
        }
        settings
    }
}
