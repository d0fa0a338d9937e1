//! PGDATA: what stands in it, the generated files, its removal.

use crate::data_dir::atomic;
use std::fs::{self, DirBuilder};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use stolon_model::lsn::TimelineId;
use stolon_model::plan::DataDirectory;
use stolon_model::postgres::conf::FileChange;
use stolon_model::postgres::version::PgVersion;
use stolon_model::postgres::wal;

/// Looks at `pgdata`; `None` unless it is initialised, that is, everything that belongs there is there.
pub fn look(pgdata: &Path) -> io::Result<Option<DataDirectory>> {
    let version = match fs::read_to_string(pgdata.join("PG_VERSION")) {
        Ok(text) => PgVersion::parse_file(&text),
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(version) = version else { return Ok(None) };
    for name in version.data_files() {
        if !pgdata.join(name).try_exists()? {
            return Ok(None);
        }
    }
    let signal = if version.has_recovery_conf() { "recovery.conf" } else { "standby.signal" };
    Ok(Some(DataDirectory {
        version: Some(version),
        is_standby: pgdata.join(signal).try_exists()?,
        system_id: system_id(pgdata).unwrap_or_default(),
        timeline: newest_timeline(pgdata, version),
    }))
}

/// The newest timeline that the data have been on. A server that was killed right after its promotion has the history file of
/// the new timeline, and its last checkpoint on the old one.
fn newest_timeline(pgdata: &Path, version: PgVersion) -> TimelineId {
    let checkpoint = checkpoint_timeline(pgdata, version).unwrap_or_default();
    let files = fs::read_dir(pgdata.join(version.wal_directory())).into_iter().flatten().flatten();
    let histories = files.filter_map(|file| wal::history_of(file.file_name().to_str()?));
    histories.fold(checkpoint, TimelineId::max)
}

/// `checkPointCopy.ThisTimeLineID` of the control file (PostgreSQL's `catalog/pg_control.h`): behind the position of the last
/// checkpoint, before version 11 also that of the one before it, and the checkpoint's redo position.
fn checkpoint_timeline(pgdata: &Path, version: PgVersion) -> io::Result<TimelineId> {
    let offset = if version >= PgVersion::new(11, 0) { 48 } else { 56 };
    let mut file = fs::File::open(pgdata.join("global/pg_control"))?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(TimelineId(u32::from_ne_bytes(bytes).into()))
}

/// The system identifier is the first thing in the control file, in the machine's byte order.
fn system_id(pgdata: &Path) -> io::Result<String> {
    let mut bytes = [0; 8];
    fs::File::open(pgdata.join("global/pg_control"))?.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes).to_string())
}

/// Whether the control file says that the instance takes writes. Its state stands behind the identifier and two versions and
/// has had the same numbers since long before the oldest version we run.
pub fn is_in_production(pgdata: &Path) -> io::Result<bool> {
    const DB_IN_PRODUCTION: u32 = 6;
    let mut bytes = [0; 20];
    fs::File::open(pgdata.join("global/pg_control"))?.read_exact(&mut bytes)?;
    let [.., a, b, c, d] = bytes;
    Ok(u32::from_ne_bytes([a, b, c, d]) == DB_IN_PRODUCTION)
}

/// Why the oldest WAL segment cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The directory cannot be read.
    #[error("cannot read the WAL directory: {0}")]
    Io(#[from] io::Error),
    /// Names can be compared only for segments of 16 MiB.
    #[error("WAL segment {name} has {size} bytes instead of 16 MiB")]
    Size {
        /// The file.
        name: String,
        /// Its size.
        size: u64,
    },
}

/// Name of the oldest WAL segment; empty if there is none.
pub fn oldest_wal_file(pgdata: &Path, version: Option<PgVersion>) -> Result<String, WalError> {
    let dir = pgdata.join(version.map_or("pg_wal", PgVersion::wal_directory));
    let mut oldest: Option<String> = None;
    for entry in fs::read_dir(&dir)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if wal::is_segment_name(&name) && oldest.as_ref().is_none_or(|oldest| name < *oldest) {
            oldest = Some(name);
        }
    }
    let Some(name) = oldest else { return Ok(String::new()) };
    let size = fs::metadata(dir.join(&name))?.len();
    if size == wal::SEGMENT_BYTES { Ok(name) } else { Err(WalError::Size { name, size }) }
}

/// Makes one change to a generated file.
pub fn change(pgdata: &Path, change: &FileChange) -> io::Result<()> {
    match change {
        FileChange::Write { name, content } => {
            atomic::write(&pgdata.join(name), content.expose().as_bytes(), 0o600)
        }
        FileChange::LinkToNull { name } => {
            let path = pgdata.join(name);
            if fs::read_link(&path).is_ok_and(|target| target == Path::new("/dev/null")) {
                return Ok(());
            }
            remove_file(&path)?;
            std::os::unix::fs::symlink("/dev/null", &path)
        }
        FileChange::Remove { name } => remove_file(&pgdata.join(name)),
    }
}

/// Removes a file that may be absent.
pub fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if !is_absent(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Makes an empty PGDATA for its owner only. A mount point, which cannot be removed, is there already.
pub fn create(pgdata: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(pgdata)
}

/// Removes PGDATA and everything in it, which may take long. It need not be there. Where it is a mount point or otherwise
/// cannot be removed itself, it is emptied.
pub fn remove(pgdata: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(pgdata) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(()),
        // A dangling link, a file: whatever it is, it is in the way.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return remove_file(pgdata),
        Err(error) => return Err(error),
    };
    // Without its version file a directory that is removed in part is never taken for an instance.
    remove_file(&pgdata.join("PG_VERSION"))?;
    for entry in entries {
        let entry = entry?;
        let result = if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())
        } else {
            fs::remove_file(entry.path())
        };
        match result {
            Err(error) if !is_absent(&error) => return Err(error),
            _ => {}
        }
    }
    match fs::remove_dir(pgdata) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Ok(()),
        result => result,
    }
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use super::*;
    use stolon_model::postgres::secret::Secret;

    fn make(pgdata: &Path) {
        for name in PgVersion::new(15, 0).data_files() {
            if name.contains("pg_control") || name == "PG_VERSION" {
                continue;
            }
            fs::create_dir_all(pgdata.join(name)).unwrap();
        }
        fs::write(pgdata.join("global/pg_control"), 7_000_000_000_000_000_001u64.to_le_bytes())
            .unwrap();
        fs::write(pgdata.join("PG_VERSION"), "15\n").unwrap();
    }

    #[test]
    fn only_a_complete_directory_is_an_instance() {
        let dir = tempfile::tempdir().unwrap();
        let pgdata = dir.path().join("postgres");
        assert_eq!(look(&pgdata).unwrap(), None);
        make(&pgdata);
        let found = look(&pgdata).unwrap().unwrap();
        assert_eq!(found.version, Some(PgVersion::new(15, 0)));
        assert_eq!(found.system_id, "7000000000000000001");
        assert!(!found.is_standby);
        fs::write(pgdata.join("standby.signal"), "").unwrap();
        assert!(look(&pgdata).unwrap().unwrap().is_standby);
        fs::remove_dir(pgdata.join("pg_twophase")).unwrap();
        assert_eq!(look(&pgdata).unwrap(), None);
    }

    #[test]
    fn the_state_in_the_control_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path());
        assert!(is_in_production(dir.path()).is_err());
        for (state, is_it) in [(5u32, false), (6, true)] {
            let control = [&[7; 16][..], &state.to_ne_bytes(), &[0; 100]].concat();
            fs::write(dir.path().join("global/pg_control"), control).unwrap();
            assert_eq!(is_in_production(dir.path()).unwrap(), is_it);
        }
    }

    #[test]
    fn the_newest_timeline_is_that_of_the_checkpoint_or_of_a_newer_history_file() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path());
        let timeline = || look(dir.path()).unwrap().unwrap().timeline;
        assert_eq!(timeline(), TimelineId(0), "the control file is too short");
        let control = [&[7; 48][..], &3u32.to_ne_bytes(), &[9; 100]].concat();
        fs::write(dir.path().join("global/pg_control"), control).unwrap();
        assert_eq!(timeline(), TimelineId(3));
        for name in ["00000002.history", "00000004.history.partial", "000000050000000000000001"] {
            fs::write(dir.path().join("pg_wal").join(name), "").unwrap();
        }
        assert_eq!(timeline(), TimelineId(3));
        fs::write(dir.path().join("pg_wal/0000000A.history"), "").unwrap();
        assert_eq!(timeline(), TimelineId(10));
    }

    #[test]
    fn the_oldest_wal_file_counts_only_with_the_usual_size() {
        let dir = tempfile::tempdir().unwrap();
        let wal = dir.path().join("pg_wal");
        fs::create_dir(&wal).unwrap();
        assert_eq!(oldest_wal_file(dir.path(), None).unwrap(), "");
        for (name, size) in
            [("000000010000000000000002", 1), ("000000010000000000000001", 16 << 20)]
        {
            fs::File::create(wal.join(name)).unwrap().set_len(size).unwrap();
        }
        fs::write(wal.join("00000001.history"), "").unwrap();
        assert_eq!(oldest_wal_file(dir.path(), None).unwrap(), "000000010000000000000001");
        fs::remove_file(wal.join("000000010000000000000001")).unwrap();
        let error = oldest_wal_file(dir.path(), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "WAL segment 000000010000000000000002 has 1 bytes instead of 16 MiB"
        );
    }

    #[test]
    fn files_are_written_linked_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let auto = dir.path().join("postgresql.auto.conf");
        fs::write(&auto, "written by pg_basebackup").unwrap();
        for _ in 0..2 {
            change(dir.path(), &FileChange::LinkToNull { name: "postgresql.auto.conf" }).unwrap();
            assert_eq!(fs::read_link(&auto).unwrap(), Path::new("/dev/null"));
        }
        let content = Secret::new("port = '5432'\n");
        change(dir.path(), &FileChange::Write { name: "postgresql.conf", content }).unwrap();
        assert_eq!(
            fs::read_to_string(dir.path().join("postgresql.conf")).unwrap(),
            "port = '5432'\n"
        );
    }

    #[test]
    fn removing_takes_everything_but_what_links_point_to() {
        let dir = tempfile::tempdir().unwrap();
        let pgdata = dir.path().join("postgres");
        make(&pgdata);
        let tablespace = dir.path().join("tablespace");
        fs::create_dir(&tablespace).unwrap();
        fs::write(tablespace.join("data"), "").unwrap();
        std::os::unix::fs::symlink(&tablespace, pgdata.join("pg_tblspc/1663")).unwrap();
        remove(&pgdata).unwrap();
        assert!(!pgdata.exists() && tablespace.join("data").exists());
        remove(&pgdata).unwrap();
    }
}
