//! A specification as `stolonctl spec` shows it (reference, chapter 5.10).

use super::{ClusterSpec, DEFAULTS};
use crate::json::{self, Node};
use crate::time::GoDuration;
use std::time::Duration;

/// What the user set and nothing else, not even the fields that the store holds as `null`; an empty list counts as not set.
pub fn show(spec: &ClusterSpec) -> String {
    let mut fields = fields_of(spec);
    fields.retain(|(_, value)| match value {
        Node::Null => false,
        Node::List(elements) => !elements.is_empty(),
        _ => true,
    });
    json::encode_pretty(&Node::Object(fields))
}

/// Every option: defaults where the user set nothing, `null` where there is no default.
pub fn show_with_defaults(spec: &ClusterSpec) -> String {
    json::encode_pretty(&Node::Object(fields_of(&filled(spec))))
}

/// All fields in their order, those that are left out in the store as `null`.
fn fields_of(spec: &ClusterSpec) -> Vec<(String, Node)> {
    let mut written = match Node::parse(&json::encode(spec)) {
        Ok(Node::Object(fields)) => fields,
        // A specification is written as an object.
        Ok(_) | Err(_) => Vec::new(),
    };
    let value_of = |name: &&str| {
        let position = written.iter().position(|(key, _)| key == name);
        let value = position.map_or(Node::Null, |position| written.swap_remove(position).1);
        ((*name).to_owned(), value)
    };
    json::field_names::<ClusterSpec>().iter().map(value_of).collect()
}

/// The specification with every option set that has a default.
fn filled(spec: &ClusterSpec) -> ClusterSpec {
    let span = |given: Option<GoDuration>, default: Duration| {
        Some(given.unwrap_or(GoDuration::from_std(default)))
    };
    let word = |given: &Option<String>, default: &str| {
        Some(given.clone().unwrap_or_else(|| default.to_owned()))
    };
    ClusterSpec {
        sleep_interval: span(spec.sleep_interval, DEFAULTS.sleep_interval),
        request_timeout: span(spec.request_timeout, DEFAULTS.request_timeout),
        convergence_timeout: span(spec.convergence_timeout, DEFAULTS.convergence_timeout),
        init_timeout: span(spec.init_timeout, DEFAULTS.init_timeout),
        sync_timeout: span(spec.sync_timeout, DEFAULTS.sync_timeout),
        db_wait_ready_timeout: span(spec.db_wait_ready_timeout, DEFAULTS.db_wait_ready_timeout),
        fail_interval: span(spec.fail_interval, DEFAULTS.fail_interval),
        dead_keeper_removal_interval: span(
            spec.dead_keeper_removal_interval,
            DEFAULTS.dead_keeper_removal_interval,
        ),
        proxy_check_interval: span(spec.proxy_check_interval, DEFAULTS.proxy_check_interval),
        proxy_timeout: span(spec.proxy_timeout, DEFAULTS.proxy_timeout),
        max_standbys: spec.max_standbys.or(Some(DEFAULTS.max_standbys)),
        max_standbys_per_sender: spec
            .max_standbys_per_sender
            .or(Some(DEFAULTS.max_standbys_per_sender)),
        max_standby_lag: spec.max_standby_lag.or(Some(DEFAULTS.max_standby_lag)),
        synchronous_replication: spec
            .synchronous_replication
            .or(Some(DEFAULTS.synchronous_replication)),
        min_synchronous_standbys: spec
            .min_synchronous_standbys
            .or(Some(DEFAULTS.min_synchronous_standbys)),
        max_synchronous_standbys: spec
            .max_synchronous_standbys
            .or(Some(DEFAULTS.max_synchronous_standbys)),
        additional_wal_senders: spec
            .additional_wal_senders
            .or(Some(DEFAULTS.additional_wal_senders)),
        use_pgrewind: spec.use_pgrewind.or(Some(DEFAULTS.use_pgrewind)),
        merge_pg_parameters: spec.merge_pg_parameters.or(Some(DEFAULTS.merge_pg_parameters)),
        role: word(&spec.role, DEFAULTS.role.word()),
        default_su_repl_access_mode: word(
            &spec.default_su_repl_access_mode,
            DEFAULTS.default_su_repl_access_mode.word(),
        ),
        automatic_pg_restart: spec.automatic_pg_restart.or(Some(DEFAULTS.automatic_pg_restart)),
        ..spec.clone()
    }
}

#[cfg(test)]
mod tests;
