//! The options of a specification with their defaults (reference, chapter 4.1).

use super::{ClusterSpec, ExistingConfig, NewConfig, PgParameters, PitrConfig, StandbyConfig};
use crate::time::GoDuration;
use std::collections::BTreeMap;
use std::time::Duration;

/// All options of a cluster: what the user set, and defaults for the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Pause between two passes of a keeper or sentinel at most, and how fresh a keeper's info must be.
    pub sleep_interval: Duration,
    /// Bound on one SQL or replication request of a keeper.
    pub request_timeout: Duration,
    /// Time for a db to apply a new generation.
    pub convergence_timeout: Duration,
    /// Time for the first master to be made.
    pub init_timeout: Duration,
    /// Time for a new standby to be made; zero is for ever.
    pub sync_timeout: Duration,
    /// Time for an instance to accept connections after its start.
    pub db_wait_ready_timeout: Duration,
    /// How long a keeper or db may be silent or unhealthy before it counts as failed.
    pub fail_interval: Duration,
    /// How long a keeper without a db may be gone before the cluster forgets it.
    pub dead_keeper_removal_interval: Duration,
    /// Pause between two checks of a proxy at most.
    pub proxy_check_interval: Duration,
    /// How long a proxy forwards without a complete check.
    pub proxy_timeout: Duration,
    /// Sizes `max_replication_slots` and `max_wal_senders`.
    pub max_standbys: u16,
    /// How many standbys follow one instance.
    pub max_standbys_per_sender: u16,
    /// How many bytes a standby may lack to be elected, when replication is asynchronous.
    pub max_standby_lag: u32,
    /// Whether commits wait for standbys.
    pub synchronous_replication: bool,
    /// For how many standbys commits wait at least.
    pub min_synchronous_standbys: u16,
    /// For how many standbys commits wait at most.
    pub max_synchronous_standbys: u16,
    /// WAL senders for other uses.
    pub additional_wal_senders: u16,
    /// Replication slots for other uses, without their prefix; `None` is the user's `null`.
    pub additional_master_replication_slots: Option<Vec<String>>,
    /// Whether a keeper tries pg_rewind before it copies everything.
    pub use_pgrewind: bool,
    /// How the first master is made.
    pub init_mode: InitMode,
    /// Whether the parameters of the first master go into the specification.
    pub merge_pg_parameters: bool,
    /// What the cluster is to the rest of the world.
    pub role: ClusterRole,
    /// For [`InitMode::New`].
    pub new_config: Option<NewConfig>,
    /// For [`InitMode::Pitr`].
    pub pitr_config: Option<PitrConfig>,
    /// For [`InitMode::Existing`].
    pub existing_config: Option<ExistingConfig>,
    /// For [`ClusterRole::Standby`].
    pub standby_config: Option<StandbyConfig>,
    /// From where superuser and replication user may connect.
    pub default_su_repl_access_mode: SuReplAccess,
    /// PostgreSQL parameters.
    pub pg_parameters: PgParameters,
    /// Lines of pg_hba.conf; `None` lets everybody in with a password, an empty list nobody.
    pub pg_hba: Option<Vec<String>>,
    /// Whether a keeper restarts its instance when a parameter needs it.
    pub automatic_pg_restart: bool,
}

/// What holds where the user says nothing. The one place that knows it.
pub const DEFAULTS: Spec = Spec {
    sleep_interval: Duration::from_secs(5),
    request_timeout: Duration::from_secs(10),
    convergence_timeout: Duration::from_secs(30),
    init_timeout: Duration::from_secs(5 * 60),
    sync_timeout: Duration::ZERO,
    db_wait_ready_timeout: Duration::from_secs(60),
    fail_interval: Duration::from_secs(20),
    dead_keeper_removal_interval: Duration::from_secs(48 * 60 * 60),
    proxy_check_interval: Duration::from_secs(5),
    proxy_timeout: Duration::from_secs(15),
    max_standbys: 20,
    max_standbys_per_sender: 3,
    // Stolon meant 1024 times 1024, and its slip became the protocol.
    max_standby_lag: 1024 * 1204,
    synchronous_replication: false,
    min_synchronous_standbys: 1,
    max_synchronous_standbys: 1,
    additional_wal_senders: 5,
    additional_master_replication_slots: None,
    use_pgrewind: false,
    // The user must say it. For a specification that does not, this mode without its configuration is the one that touches
    // no data.
    init_mode: InitMode::Existing,
    merge_pg_parameters: true,
    role: ClusterRole::Master,
    new_config: None,
    pitr_config: None,
    existing_config: None,
    standby_config: None,
    default_su_repl_access_mode: SuReplAccess::All,
    pg_parameters: BTreeMap::new(),
    pg_hba: None,
    automatic_pg_restart: false,
};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// The word in a specification.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// What the word stands for.
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

words!(
    /// How the first master of a cluster is made.
    InitMode {
        /// By initdb.
        New = "new",
        /// A keeper holds it already.
        Existing = "existing",
        /// From a backup.
        Pitr = "pitr",
    }
);
words!(
    /// What a cluster is to the rest of the world.
    ClusterRole {
        /// Takes writes.
        Master = "master",
        /// Follows an instance that it does not run.
        Standby = "standby",
    }
);
words!(
    /// From where superuser and replication user may connect.
    SuReplAccess {
        /// From everywhere.
        All = "all",
        /// From the other instances of the cluster.
        Strict = "strict",
    }
);

impl ClusterSpec {
    /// All options. Of a specification that [`ClusterSpec::validate`] refuses, a negative duration counts as zero, and an unknown
    /// word as the default.
    pub fn with_defaults(&self) -> Spec {
        let span = |given: Option<GoDuration>, default| given.map_or(default, GoDuration::to_std);
        Spec {
            sleep_interval: span(self.sleep_interval, DEFAULTS.sleep_interval),
            request_timeout: span(self.request_timeout, DEFAULTS.request_timeout),
            convergence_timeout: span(self.convergence_timeout, DEFAULTS.convergence_timeout),
            init_timeout: span(self.init_timeout, DEFAULTS.init_timeout),
            sync_timeout: span(self.sync_timeout, DEFAULTS.sync_timeout),
            db_wait_ready_timeout: span(self.db_wait_ready_timeout, DEFAULTS.db_wait_ready_timeout),
            fail_interval: span(self.fail_interval, DEFAULTS.fail_interval),
            dead_keeper_removal_interval: span(
                self.dead_keeper_removal_interval,
                DEFAULTS.dead_keeper_removal_interval,
            ),
            proxy_check_interval: span(self.proxy_check_interval, DEFAULTS.proxy_check_interval),
            proxy_timeout: span(self.proxy_timeout, DEFAULTS.proxy_timeout),
            max_standbys: self.max_standbys.unwrap_or(DEFAULTS.max_standbys),
            max_standbys_per_sender: self
                .max_standbys_per_sender
                .unwrap_or(DEFAULTS.max_standbys_per_sender),
            max_standby_lag: self.max_standby_lag.unwrap_or(DEFAULTS.max_standby_lag),
            synchronous_replication: self
                .synchronous_replication
                .unwrap_or(DEFAULTS.synchronous_replication),
            min_synchronous_standbys: self
                .min_synchronous_standbys
                .unwrap_or(DEFAULTS.min_synchronous_standbys),
            max_synchronous_standbys: self
                .max_synchronous_standbys
                .unwrap_or(DEFAULTS.max_synchronous_standbys),
            additional_wal_senders: self
                .additional_wal_senders
                .unwrap_or(DEFAULTS.additional_wal_senders),
            additional_master_replication_slots: self.additional_master_replication_slots.clone(),
            use_pgrewind: self.use_pgrewind.unwrap_or(DEFAULTS.use_pgrewind),
            init_mode: word(&self.init_mode, InitMode::from_word, DEFAULTS.init_mode),
            merge_pg_parameters: self.merge_pg_parameters.unwrap_or(DEFAULTS.merge_pg_parameters),
            role: word(&self.role, ClusterRole::from_word, DEFAULTS.role),
            new_config: self.new_config.clone(),
            pitr_config: self.pitr_config.clone(),
            existing_config: self.existing_config.clone(),
            standby_config: self.standby_config.clone(),
            default_su_repl_access_mode: word(
                &self.default_su_repl_access_mode,
                SuReplAccess::from_word,
                DEFAULTS.default_su_repl_access_mode,
            ),
            pg_parameters: self.pg_parameters.clone(),
            pg_hba: self.pg_hba.clone(),
            automatic_pg_restart: self
                .automatic_pg_restart
                .unwrap_or(DEFAULTS.automatic_pg_restart),
        }
    }
}

fn word<T>(given: &Option<String>, from_word: fn(&str) -> Option<T>, default: T) -> T {
    given.as_deref().and_then(from_word).unwrap_or(default)
}
