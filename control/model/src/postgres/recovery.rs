//! Settings of recovery: whom an instance follows, or how far a backup is replayed.

use crate::postgres::conninfo::{self, ConnInfo};
use crate::postgres::pgpass;
use crate::postgres::secret::Secret;
use crate::postgres::version::PgVersion;
use crate::spec::{ArchiveRecoverySettings, PgParameters, RecoveryTargetSettings, StandbySettings};
use std::collections::BTreeMap;

/// What an instance does when it starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecoveryMode {
    /// It takes writes, or goes on with what the signal file in PGDATA says.
    #[default]
    None,
    /// It replays up to a target and then takes writes (`recovery.signal`).
    Recovery,
    /// It follows until it is promoted (`standby.signal`).
    Standby,
}

/// The recovery settings of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// What it does when it starts.
    pub mode: RecoveryMode,
    /// Parameters by name; a connection string among them may hold a password.
    pub parameters: BTreeMap<String, Secret>,
    /// What [`PASSFILE`] in PGDATA holds, if the connection string names it.
    pub passfile: Option<Secret>,
}

/// The file in PGDATA with the password for following another db of the cluster. A password in `primary_conninfo` itself would
/// stand in the server's log at the next reload, which tells the new values of changed parameters.
pub const PASSFILE: &str = "stolon.pgpass";

impl Recovery {
    /// None: a master.
    pub fn none() -> Self {
        Self::default()
    }

    /// A standby of another db of the cluster, on the latest timeline. The password goes to a file in `pgdata`, unless that is
    /// `None` because the version knows no such file.
    pub fn follow(primary: &ConnInfo, primary_slot_name: &str, pgdata: Option<&str>) -> Self {
        let password = Secret::new(primary.get("password"));
        let pgdata = pgdata.filter(|_| !password.is_empty());
        let conninfo = match pgdata {
            Some(pgdata) => {
                primary.without_password().with("passfile", format!("{pgdata}/{PASSFILE}"))
            }
            None => primary.clone(),
        };
        let settings = StandbySettings {
            primary_conninfo: conninfo.text().expose().to_owned(),
            primary_slot_name: primary_slot_name.to_owned(),
            recovery_min_apply_delay: String::new(),
        };
        let passfile = pgdata.map(|_| {
            let (host, port) = (primary.get("host"), primary.get("port"));
            pgpass::entry(host, port, primary.get("user"), &password)
        });
        Self { passfile, ..Self::standby(Some(&settings), None) }
    }

    /// A standby with these settings, on the latest timeline.
    pub fn standby(
        settings: Option<&StandbySettings>,
        archive: Option<&ArchiveRecoverySettings>,
    ) -> Self {
        let mut recovery = Self { mode: RecoveryMode::Standby, ..Self::default() };
        if let Some(settings) = settings {
            recovery.set_if_any("primary_conninfo", &settings.primary_conninfo);
            recovery.set_if_any("primary_slot_name", &settings.primary_slot_name);
            recovery.set_if_any("recovery_min_apply_delay", &settings.recovery_min_apply_delay);
        }
        recovery.set_archive(archive);
        recovery.set("recovery_target_timeline", "latest");
        recovery
    }

    /// The replay of a backup up to a target, or to the end of the archive.
    pub fn to_target(
        archive: Option<&ArchiveRecoverySettings>,
        target: Option<&RecoveryTargetSettings>,
    ) -> Self {
        let mut recovery = Self { mode: RecoveryMode::Recovery, ..Self::default() };
        recovery.set_archive(archive);
        let Some(target) = target else {
            recovery.set("recovery_target_timeline", "latest");
            return recovery;
        };
        recovery.set_if_any("recovery_target", &target.recovery_target);
        recovery.set_if_any("recovery_target_lsn", &target.recovery_target_lsn);
        recovery.set_if_any("recovery_target_name", &target.recovery_target_name);
        recovery.set_if_any("recovery_target_time", &target.recovery_target_time);
        recovery.set_if_any("recovery_target_xid", &target.recovery_target_xid);
        recovery.set_if_any("recovery_target_timeline", &target.recovery_target_timeline);
        recovery.set("recovery_target_action", "promote");
        recovery
    }

    fn set_archive(&mut self, archive: Option<&ArchiveRecoverySettings>) {
        if let Some(archive) = archive {
            self.set("restore_command", &archive.restore_command);
        }
    }

    fn set_if_any(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.set(name, value);
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.parameters.insert(name.to_owned(), Secret::new(value));
    }

    /// Whether a running instance of `version` that has `self` takes `wanted` by a reload; otherwise it needs a restart. A
    /// connection string with a password in it, which only an external one is, is not reloaded: the server would log it.
    pub fn reloads_to(&self, wanted: &Self, version: Option<PgVersion>) -> bool {
        let Some(version) = version else {
            return false;
        };
        if self.mode != wanted.mode || version.has_recovery_conf() {
            return self == wanted;
        }
        let names = self.parameters.keys().chain(wanted.parameters.keys());
        let mut changed =
            names.filter(|name| self.parameters.get(*name) != wanted.parameters.get(*name));
        changed.all(|name| match name.as_str() {
            "primary_conninfo" => {
                let shows_password =
                    |wanted: &Secret| conninfo::masked(wanted.expose()) != wanted.expose();
                version.reloads_primary_conninfo()
                    && !wanted.parameters.get(name).is_some_and(shows_password)
            }
            "primary_slot_name" => version.reloads_primary_conninfo(),
            "restore_command" => version.reloads_restore_command(),
            "recovery_min_apply_delay" => true,
            _ => false,
        })
    }

    /// The parameters as a log may show them.
    pub fn masked(&self) -> PgParameters {
        let shown = |(name, value): (&String, &Secret)| {
            let value = match name.as_str() {
                "primary_conninfo" => conninfo::masked(value.expose()),
                _ => value.expose().to_owned(),
            };
            (name.clone(), value)
        };
        self.parameters.iter().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(host: &str) -> Recovery {
        let conninfo = ConnInfo::new().with("host", host).with_password(Some(&Secret::new("x")));
        Recovery::follow(&conninfo, "stolon_b2", Some("/data"))
    }

    #[test]
    fn following() {
        assert_eq!(
            follow("h").masked(),
            PgParameters::from([
                ("primary_conninfo".to_owned(), "host=h passfile=/data/stolon.pgpass".to_owned()),
                ("primary_slot_name".to_owned(), "stolon_b2".to_owned()),
                ("recovery_target_timeline".to_owned(), "latest".to_owned()),
            ])
        );
    }

    #[test]
    fn a_password_goes_to_a_file_where_there_can_be_one() {
        assert_eq!(follow("h").passfile, Some(Secret::new("h::*::x\n")));
        let conninfo = ConnInfo::new().with_password(Some(&Secret::new("x")));
        let old = Recovery::follow(&conninfo, "s", None);
        assert_eq!(old.parameters["primary_conninfo"].expose(), "password=x");
        assert_eq!(old.passfile, None);
        let trusted = Recovery::follow(&ConnInfo::new().with("host", "h"), "s", Some("/data"));
        assert_eq!(trusted.parameters["primary_conninfo"].expose(), "host=h");
        assert_eq!(trusted.passfile, None);
    }

    #[test]
    fn an_archive_command_is_written_even_when_empty() {
        let archive = ArchiveRecoverySettings::default();
        let recovery = Recovery::to_target(Some(&archive), None);
        assert_eq!(recovery.masked()["restore_command"], "");
        assert_eq!(recovery.masked()["recovery_target_timeline"], "latest");
        assert!(!Recovery::to_target(None, None).masked().contains_key("restore_command"));
    }

    #[test]
    fn a_target_is_promoted_at() {
        let target = RecoveryTargetSettings {
            recovery_target_time: "2024-01-01".to_owned(),
            ..RecoveryTargetSettings::default()
        };
        let recovery = Recovery::to_target(None, Some(&target));
        assert_eq!(recovery.mode, RecoveryMode::Recovery);
        assert_eq!(
            recovery.masked(),
            PgParameters::from([
                ("recovery_target_action".to_owned(), "promote".to_owned()),
                ("recovery_target_time".to_owned(), "2024-01-01".to_owned()),
            ])
        );
    }

    #[test]
    fn reload_or_restart() {
        let v = |major| Some(PgVersion::new(major, 0));
        assert!(!follow("a").reloads_to(&follow("b"), v(12)));
        assert!(follow("a").reloads_to(&follow("b"), v(13)));
        assert!(follow("a").reloads_to(&follow("a"), v(11)));
        assert!(!follow("a").reloads_to(&Recovery::none(), v(15)));
        assert!(!follow("a").reloads_to(&follow("b"), None));
        let external = |conninfo: &str| {
            Recovery::standby(
                Some(&StandbySettings {
                    primary_conninfo: conninfo.to_owned(),
                    ..StandbySettings::default()
                }),
                None,
            )
        };
        assert!(external("host=a password=x").reloads_to(&external("host=b"), v(15)));
        assert!(!external("host=a").reloads_to(&external("host=b password=x"), v(15)));
        let archive = ArchiveRecoverySettings { restore_command: "cp".to_owned() };
        let archived = Recovery::standby(None, Some(&archive));
        let plain = Recovery::standby(None, None);
        assert!(!plain.reloads_to(&archived, v(13)));
        assert!(plain.reloads_to(&archived, v(14)));
    }
}
