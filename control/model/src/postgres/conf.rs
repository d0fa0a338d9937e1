//! The configuration files of an instance, as text.

use crate::postgres::hba::Access;
use crate::postgres::recovery::{PASSFILE, Recovery, RecoveryMode};
use crate::postgres::secret::Secret;
use crate::postgres::version::PgVersion;
use crate::spec::PgParameters;

/// The file with which an instance is started while it is made, beside a `postgresql.conf` that is left as found.
pub const TEMPORARY_CONF: &str = "stolon-temp-postgresql.conf";

/// What is generated for an instance, compared to tell whether it has to be generated again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Ordinary parameters.
    pub parameters: PgParameters,
    /// Settings of recovery.
    pub recovery: Recovery,
    /// Lines of `pg_hba.conf`.
    pub hba: Vec<String>,
    /// Who these lines let in. Kept beside them, since without rules of the user the lines are the same for both.
    pub access: Access,
}

/// Which configuration file the parameters go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `postgresql.conf`.
    Final,
    /// [`TEMPORARY_CONF`], which includes `postgresql.conf` if there is one.
    Temporary,
}

/// A change to a file in PGDATA. `name` is relative to PGDATA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// Replaces the file atomically (temporary file beside it, fsync, chmod 0600, rename).
    Write {
        /// The file.
        name: &'static str,
        /// Everything in it.
        content: Secret,
    },
    /// Removes whatever has this name and makes it a symbolic link to `/dev/null`.
    LinkToNull {
        /// The link.
        name: &'static str,
    },
    /// Removes the file, which need not be there.
    Remove {
        /// The file.
        name: &'static str,
    },
}

impl FileChange {
    fn write(name: &'static str, content: impl Into<String>) -> Self {
        Self::Write { name, content: Secret::new(content) }
    }
}

impl Config {
    /// The files that express this configuration. PostgreSQL itself removes its signal file when it is promoted. A
    /// backup of a standby has one that would make it follow for ever, whatever else it is told: that is removed before its
    /// recovery.
    pub fn files(&self, version: Option<PgVersion>, target: Target) -> Vec<FileChange> {
        let old = version.is_some_and(PgVersion::has_recovery_conf);
        let mut conf = String::new();
        if target == Target::Temporary {
            conf.push_str("include_if_exists 'postgresql.conf'\n");
        }
        for (name, value) in self.parameters.iter().filter(|(name, _)| is_name(name)) {
            conf.push_str(&line(name, value));
        }
        let recovering = self.recovery.mode != RecoveryMode::None;
        if recovering && !old {
            conf.push_str(&recovery_lines(&self.recovery));
        }
        let name = match target {
            Target::Final => "postgresql.conf",
            Target::Temporary => TEMPORARY_CONF,
        };
        let hba: String = self.hba.iter().map(|line| format!("{line}\n")).collect();
        let mut files = vec![FileChange::write(name, conf), FileChange::write("pg_hba.conf", hba)];
        match self.recovery.mode {
            RecoveryMode::None => {}
            mode if old => {
                let standby =
                    if mode == RecoveryMode::Standby { "standby_mode = 'on'\n" } else { "" };
                let content = format!("{standby}{}", recovery_lines(&self.recovery));
                files.push(FileChange::write("recovery.conf", content));
            }
            RecoveryMode::Standby => files.push(FileChange::write("standby.signal", "")),
            RecoveryMode::Recovery => {
                files.push(FileChange::Remove { name: "standby.signal" });
                files.push(FileChange::write("recovery.signal", ""));
            }
        }
        if let Some(passfile) = &self.recovery.passfile {
            files.push(FileChange::Write { name: PASSFILE, content: passfile.clone() });
        }
        files
    }
}

impl Config {
    /// The same before a start, when `postgresql.auto.conf` is put out of use too: ALTER SYSTEM must not override us.
    pub fn files_for_start(&self, version: Option<PgVersion>, target: Target) -> Vec<FileChange> {
        let mut files = self.files(version, target);
        files.push(FileChange::LinkToNull { name: "postgresql.auto.conf" });
        files
    }
}

fn recovery_lines(recovery: &Recovery) -> String {
    recovery.parameters.iter().map(|(name, value)| recovery_line(name, value.expose())).collect()
}

/// A parameter of the user: quotes are doubled, backslashes are left for PostgreSQL to interpret, as they always were. A
/// line break, which no line can hold, becomes the escape for it.
fn line(name: &str, value: &str) -> String {
    format!("{name} = '{}'\n", on_one_line(&value.replace('\'', "''")))
}

/// A recovery parameter: PostgreSQL gets exactly this value.
fn recovery_line(name: &str, value: &str) -> String {
    line(name, &value.replace('\\', r"\\"))
}

fn on_one_line(value: &str) -> String {
    value.replace('\n', r"\n").replace('\r', r"\r")
}

/// Whether PostgreSQL's parser takes it for the name of a parameter. Any other would make it refuse the whole file.
fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        let mut bytes = part.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'))
    };
    name.split('.').count() <= 2 && name.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::conninfo::ConnInfo;

    fn config(recovery: Recovery) -> Config {
        let parameters = PgParameters::from([
            ("log_line_prefix".to_owned(), r"%m it's \t".to_owned()),
            ("my_ext.option".to_owned(), "a\nb".to_owned()),
            ("bad name\nport".to_owned(), "1".to_owned()),
            ("a.b.c".to_owned(), "1".to_owned()),
        ]);
        let hba = vec!["local all all trust".to_owned(), "host all all ::0/0 md5".to_owned()];
        Config { parameters, recovery, hba, access: Access::Open }
    }

    fn content<'a>(files: &'a [FileChange], wanted: &str) -> Option<&'a str> {
        files.iter().find_map(|file| match file {
            FileChange::Write { name, content } if *name == wanted => Some(content.expose()),
            _ => None,
        })
    }

    const PARAMETERS: &str = "log_line_prefix = '%m it''s \\t'\nmy_ext.option = 'a\\nb'\n";

    #[test]
    fn a_master() {
        let files = config(Recovery::none()).files(Some(PgVersion::new(15, 0)), Target::Final);
        assert_eq!(content(&files, "postgresql.conf"), Some(PARAMETERS));
        assert_eq!(
            content(&files, "pg_hba.conf"),
            Some("local all all trust\nhost all all ::0/0 md5\n")
        );
        assert_eq!(files.len(), 2);
    }

    #[test]
    fn a_standby() {
        let conninfo = ConnInfo::new().with_password(Some(&Secret::new(r"a'b\c")));
        let recovery = Recovery::follow(&conninfo, "stolon_b2", None);
        let lines = concat!(
            r"primary_conninfo = 'password=a\\''b\\\\c'",
            "\nprimary_slot_name = 'stolon_b2'\nrecovery_target_timeline = 'latest'\n"
        );
        let files = config(recovery.clone()).files(Some(PgVersion::new(12, 0)), Target::Final);
        assert_eq!(
            content(&files, "postgresql.conf"),
            Some(format!("{PARAMETERS}{lines}").as_str())
        );
        assert_eq!(content(&files, "standby.signal"), Some(""));
        let files = config(recovery).files(Some(PgVersion::new(11, 0)), Target::Final);
        assert_eq!(content(&files, "postgresql.conf"), Some(PARAMETERS));
        assert_eq!(
            content(&files, "recovery.conf"),
            Some(format!("standby_mode = 'on'\n{lines}").as_str())
        );
        assert_eq!(content(&files, "standby.signal"), None);
    }

    #[test]
    fn go_defect_recovery_parameters_not_escaped() {
        let conninfo = ConnInfo::new().with_password(Some(&Secret::new(r"blank quote' slash\")));
        let recovery = Recovery::follow(&conninfo, "stolon_b2", None);
        let files = config(recovery).files(Some(PgVersion::new(12, 0)), Target::Final);
        let conf = content(&files, "postgresql.conf").unwrap();
        let line = conf.lines().find(|line| line.starts_with("primary_conninfo")).unwrap();
        // Escaped for the connection string first (a backslash before each), then for the file (each doubled).
        assert_eq!(line, r"primary_conninfo = 'password=blank\\ quote\\''\\ slash\\\\'");
    }

    #[test]
    fn a_temporary_start_of_a_backup() {
        let config = config(Recovery::to_target(None, None));
        let files = config.files_for_start(Some(PgVersion::new(15, 0)), Target::Temporary);
        assert_eq!(content(&files, "postgresql.conf"), None);
        let conf = content(&files, TEMPORARY_CONF).unwrap();
        assert!(conf.starts_with("include_if_exists 'postgresql.conf'\nlog_line_prefix"));
        assert!(conf.ends_with("recovery_target_timeline = 'latest'\n"));
        assert_eq!(content(&files, "recovery.signal"), Some(""));
        assert!(files.contains(&FileChange::Remove { name: "standby.signal" }));
        assert_eq!(files.last(), Some(&FileChange::LinkToNull { name: "postgresql.auto.conf" }));
    }

    #[test]
    fn no_content_is_shown() {
        let conninfo = ConnInfo::new().with_password(Some(&Secret::new("hunter2")));
        let recovery = Recovery::follow(&conninfo, "s", Some("/data"));
        let config = config(recovery);
        let files = config.files(None, Target::Final);
        assert!(!format!("{config:?} {files:?}").contains("hunter2"));
    }
}
