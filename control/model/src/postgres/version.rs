//! PostgreSQL versions, and what a version can do.

use crate::cluster::PostgresBinaryVersion;
use std::fmt;

/// A PostgreSQL version: 13.2 is (13, 2), 9.6.3 is (9, 6), 12beta1 is (12, 0).
///
/// Versions of the data in PGDATA (file `PG_VERSION`) have the same form, with 0 as the second number from 10 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PgVersion {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
}

impl PgVersion {
    /// The version `major.minor`.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// From the output of `postgres -V`, such as `postgres (PostgreSQL) 13.2 (Debian 13.2-1)`; `None` if it says no version.
    pub fn parse_output(output: &str) -> Option<Self> {
        let (_, after) = output.split_once("(PostgreSQL) ")?;
        Self::parse_number(after)
    }

    /// From the content of `PG_VERSION`, of which the first line counts.
    pub fn parse_file(content: &str) -> Option<Self> {
        Self::parse_number(content.lines().next()?.trim())
    }

    /// From a server's parameter `server_version`, such as `13.2 (Debian 13.2-1)`.
    pub fn parse_parameter(value: &str) -> Option<Self> {
        Self::parse_number(value)
    }

    fn parse_number(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = text.get(..end)?.split('.');
        let major = numbers.next()?.parse().ok()?;
        let minor = match numbers.next() {
            None | Some("") => 0,
            Some(minor) => minor.parse().ok()?,
        };
        Some(Self { major, minor })
    }

    /// Whether recovery is set up by `recovery.conf` instead of signal files and ordinary parameters (before 12).
    pub fn has_recovery_conf(self) -> bool {
        self.major < 12
    }

    /// Whether `primary_conninfo` and `primary_slot_name` can change by a reload (from 13 on).
    pub fn reloads_primary_conninfo(self) -> bool {
        self.major >= 13
    }

    /// Whether a connection string can name a password file (libpq from 10 on).
    pub fn takes_passfile(self) -> bool {
        self.major >= 10
    }

    /// Whether functions and columns speak of `wal` and `lsn` instead of `xlog` and `location` (from 10 on).
    pub fn speaks_of_wal(self) -> bool {
        self.major >= 10
    }

    /// Whether `restore_command` can change by a reload (from 14 on).
    pub fn reloads_restore_command(self) -> bool {
        self.major >= 14
    }

    /// Whether WAL is kept by `wal_keep_size` instead of `wal_keep_segments` (from 13 on).
    pub fn has_wal_keep_size(self) -> bool {
        self.major >= 13
    }

    /// Whether `wal_level` knows `replica` instead of `hot_standby` (from 9.6 on).
    pub fn has_wal_level_replica(self) -> bool {
        self >= Self::new(9, 6)
    }

    /// Whether `wal_retrieve_retry_interval` exists (from 9.5 on).
    pub fn has_wal_retrieve_retry_interval(self) -> bool {
        self >= Self::new(9, 5)
    }

    /// Whether `pg_basebackup` knows `--slot` together with `-Xs` (from 9.6 on).
    pub fn basebackup_takes_slot(self) -> bool {
        self >= Self::new(9, 6)
    }

    /// Whether `pg_rewind` sees that its source was promoted before the source has made a checkpoint (from 16 on).
    pub fn rewind_sees_promotion(self) -> bool {
        self >= Self::new(16, 0)
    }

    /// Whether the view `pg_file_settings` and the column `pg_settings.pending_restart` exist (from 9.5 on).
    pub fn has_file_settings(self) -> bool {
        self >= Self::new(9, 5)
    }

    /// Name of the directory that holds the WAL in PGDATA.
    pub fn wal_directory(self) -> &'static str {
        if self.major < 10 { "pg_xlog" } else { "pg_wal" }
    }

    /// The files and directories that all exist in an initialised PGDATA of this data version, relative to it.
    pub fn data_files(self) -> impl Iterator<Item = &'static str> {
        const ALWAYS: [&str; 16] = [
            "PG_VERSION",
            "base",
            "global",
            "pg_dynshmem",
            "pg_logical",
            "pg_multixact",
            "pg_notify",
            "pg_replslot",
            "pg_serial",
            "pg_snapshots",
            "pg_stat",
            "pg_stat_tmp",
            "pg_subtrans",
            "pg_tblspc",
            "pg_twophase",
            "global/pg_control",
        ];
        let by_version =
            if self.major < 10 { ["pg_clog", "pg_xlog"] } else { ["pg_xact", "pg_wal"] };
        ALWAYS.into_iter().chain(by_version)
    }
}

impl fmt::Display for PgVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl From<PgVersion> for PostgresBinaryVersion {
    fn from(version: PgVersion) -> Self {
        Self { maj: version.major.into(), min: version.minor.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_postgres() {
        for (output, version) in [
            ("postgres (PostgreSQL) 9.6.3", Some(PgVersion::new(9, 6))),
            ("postgres (PostgreSQL) 13.2 (Debian 13.2-1.pgdg100+1)\n", Some(PgVersion::new(13, 2))),
            ("postgres (PostgreSQL) 12beta1", Some(PgVersion::new(12, 0))),
            ("postgres (PostgreSQL) 18devel", Some(PgVersion::new(18, 0))),
            ("postgres (PostgreSQL) 17", Some(PgVersion::new(17, 0))),
            ("postgres (PostgreSQL) devel", None),
            ("postgres (EnterpriseDB) 13.2", None),
            ("", None),
        ] {
            assert_eq!(PgVersion::parse_output(output), version, "{output:?}");
        }
    }

    #[test]
    fn content_of_pg_version() {
        assert_eq!(PgVersion::parse_file("15\n"), Some(PgVersion::new(15, 0)));
        assert_eq!(PgVersion::parse_file("9.6\n"), Some(PgVersion::new(9, 6)));
        assert_eq!(PgVersion::parse_file(""), None);
        assert_eq!(PgVersion::parse_file("\n15"), None);
    }

    #[test]
    fn versions_are_ordered() {
        assert!(PgVersion::new(9, 5) < PgVersion::new(9, 6));
        assert!(PgVersion::new(9, 6) < PgVersion::new(10, 0));
    }

    #[test]
    fn a_server_says_its_version() {
        let parse = PgVersion::parse_parameter;
        assert_eq!(parse("15.18 (Debian 15.18-0+deb12u1)"), Some(PgVersion::new(15, 18)));
        assert_eq!(parse("9.6.24"), Some(PgVersion::new(9, 6)));
        assert_eq!(parse("18beta1"), Some(PgVersion::new(18, 0)));
        assert_eq!(parse(""), None);
        assert!(!PgVersion::new(9, 6).speaks_of_wal() && PgVersion::new(10, 1).speaks_of_wal());
    }

    #[test]
    fn go_defect_no_slot_on_exactly_10() {
        assert!(!PgVersion::new(9, 5).basebackup_takes_slot());
        for version in [PgVersion::new(9, 6), PgVersion::new(10, 0), PgVersion::new(10, 1)] {
            assert!(version.basebackup_takes_slot(), "{version:?}");
        }
    }

    #[test]
    fn an_old_data_directory_has_old_names() {
        let names: Vec<_> = PgVersion::new(9, 6).data_files().collect();
        assert!(names.contains(&"pg_xlog") && !names.contains(&"pg_wal"));
        let names: Vec<_> = PgVersion::new(10, 0).data_files().collect();
        assert!(names.contains(&"pg_wal") && !names.contains(&"pg_clog"));
    }
}
