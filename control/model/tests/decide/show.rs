//! The state of a world as lines of text, with names in place of random uids.

use crate::world::World;
use std::collections::BTreeMap;
use std::time::Duration;
use stolon_model::cluster::{ClusterData, Db, DbSpec, FollowKind};
use stolon_model::decide::{Level, Reason, Write};
use stolon_model::spec::DEFAULTS;
use stolon_model::time::GoDuration;
use stolon_model::uid::DbUid;

/// Names for db uids, in the order of their making.
#[derive(Default)]
pub struct Names {
    names: BTreeMap<String, String>,
}

impl Names {
    pub fn of(made: &[DbUid]) -> Self {
        let named = made.iter().enumerate();
        let named = named.map(|(n, uid)| (uid.as_str().to_owned(), format!("db{}", n + 1)));
        Self { names: named.collect() }
    }

    /// Puts names for uids.
    pub fn name(&self, text: &str) -> String {
        let replace = |text: String, (uid, name): (&String, &String)| text.replace(uid, name);
        self.names.iter().fold(text.to_owned(), replace)
    }

    /// Puts uids for names.
    pub fn resolve(&self, text: &str) -> String {
        let mut names: Vec<_> = self.names.iter().collect();
        // "db12" before "db1".
        names.sort_by_key(|(_, name)| std::cmp::Reverse(name.len()));
        names.into_iter().fold(text.to_owned(), |text, (uid, name)| text.replace(name, uid))
    }
}

/// A reason as in the log.
pub fn reason(reason: &Reason) -> String {
    let level = match reason.level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let mut line = format!("{level}: {}", reason.message);
    for (name, value) in &reason.fields {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        line.push_str(&format!(" {name}={value}"));
    }
    line
}

/// What the last decision asks for.
pub fn decision(world: &World) -> String {
    let Some(decision) = &world.last else { return "no decision".to_owned() };
    let write = match decision.write {
        Write::Nothing => "nothing",
        Write::TimesOnly => "times",
        Write::Change => "change",
    };
    let wake = decision.wake_at.map_or_else(
        || "not by itself".to_owned(),
        |at| {
            // The instant after a span counts as its end.
            let millis = at.since(world.now).as_millis();
            let span = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
            format!("in {}", GoDuration::from_std(span))
        },
    );
    format!("write {write}, wake {wake}")
}

/// The lines of the state by what they are about.
pub fn state(data: &ClusterData) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    if let Some(cluster) = &data.cluster {
        let phase = cluster.status.phase.map_or("none".to_owned(), |p| format!("{p:?}"));
        let master = or_none(cluster.status.master.as_str());
        let mut line = format!("phase {} master {master}", phase.to_lowercase());
        for (name, value) in cluster.spec.iter().flat_map(|spec| &spec.pg_parameters) {
            line.push_str(&format!(" {name}={value}"));
        }
        lines.insert("cluster".to_owned(), line);
    }
    if let Some(proxy) = &data.proxy {
        let enabled: Vec<_> = proxy.spec.enabled_proxies.iter().map(|uid| uid.as_str()).collect();
        let line = format!(
            "generation {} target {} enabled [{}]",
            proxy.generation,
            or_none(proxy.spec.master_db_uid.as_str()),
            enabled.join(" ")
        );
        lines.insert("proxy".to_owned(), line);
    }
    for (uid, keeper) in &data.keepers {
        let status = &keeper.status;
        let mut line = health(status.healthy).to_owned();
        if status.force_fail {
            line.push_str(" forceFail");
        }
        for (name, value) in [
            ("canBeMaster", status.can_be_master),
            ("canBeSynchronousReplica", status.can_be_synchronous_replica),
        ] {
            if value != Some(true) {
                line.push_str(&format!(" {name}={value:?}"));
            }
        }
        if status.boot_uuid.as_str() != "boot-1" {
            line.push_str(&format!(" {}", status.boot_uuid));
        }
        lines.insert(format!("keeper {uid}"), line);
    }
    for (uid, db) in &data.dbs {
        lines.insert(format!("db {uid}"), self::db(db));
    }
    lines
}

/// Where each proxy forwards to.
pub fn forwarding(world: &World) -> BTreeMap<String, String> {
    let target = |target: Option<&DbUid>| or_none(target.map_or("", DbUid::as_str)).to_owned();
    let proxies = world.proxies.iter();
    proxies
        .map(|(uid, proxy)| (format!("{uid} forwards to"), target(proxy.forwards_to(world.now))))
        .collect()
}

fn db(db: &Db) -> String {
    let Some(spec) = &db.spec else { return "without spec".to_owned() };
    let status = &db.status;
    let mut line = format!("on {} {}", spec.keeper_uid, role(spec));
    line.push_str(&format!(" generation {}/{}", status.current_generation, db.generation));
    line.push_str(&format!(" {}", health(status.healthy)));
    line.push_str(&format!(" init {}", word(spec.init_mode)));
    line.push_str(&format!(" followers {}", list(&spec.followers)));
    if spec.synchronous_replication || spec.synchronous_standbys.is_some() {
        line.push_str(&format!(
            " sync {} fake {} known {}",
            list(&spec.synchronous_standbys),
            spec.external_synchronous_standbys
                .as_ref()
                .map_or("null".to_owned(), |names| { format!("[{}]", names.join(" ")) }),
            list(&status.synchronous_standbys)
        ));
    }
    if spec.include_previous_config {
        line.push_str(" includePreviousConfig");
    }
    if let Some(slots) = &spec.additional_replication_slots {
        line.push_str(&format!(" slots [{}]", slots.join(" ")));
    }
    if spec.request_timeout.to_std() != DEFAULTS.request_timeout {
        line.push_str(&format!(" requestTimeout {}", spec.request_timeout));
    }
    line.push_str(&format!(" at {}/{}", status.timeline_id, status.xlog_pos.0));
    line
}

fn role(spec: &DbSpec) -> String {
    let mut text = word(spec.role);
    if let Some(follow) = &spec.follow_config {
        match follow.kind {
            Some(FollowKind::Internal) => text.push_str(&format!(" of {}", follow.db_uid)),
            Some(FollowKind::External) => {
                let settings = follow.standby_settings.clone().unwrap_or_default();
                text.push_str(&format!(" of outside({})", settings.primary_conninfo));
            }
            None => text.push_str(" of nobody"),
        }
    }
    text
}

fn word<T: std::fmt::Debug>(value: Option<T>) -> String {
    value.map_or("undefined".to_owned(), |value| format!("{value:?}").to_lowercase())
}

fn list(uids: &Option<Vec<DbUid>>) -> String {
    let Some(uids) = uids else { return "null".to_owned() };
    let uids: Vec<_> = uids.iter().map(DbUid::as_str).collect();
    format!("[{}]", uids.join(" "))
}

fn health(healthy: bool) -> &'static str {
    if healthy { "healthy" } else { "FAILED" }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}
