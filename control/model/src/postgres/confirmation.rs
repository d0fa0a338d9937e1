//! Which synchronous standbys have every commit that was acknowledged, and not only those to come.
//!
//! PostgreSQL calls a standby `sync` as soon as it is required and streams, however far behind it is. From then on no commit is
//! acknowledged without it, but those before were: it may be elected only when it has flushed them too.

use crate::lsn::Lsn;
use crate::uid::DbUid;
use std::collections::{BTreeMap, BTreeSet};

/// What a server says of its standbys in state `sync`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncReading {
    /// When the configuration was loaded, as text to compare.
    pub loaded: String,
    /// How far the server itself has flushed, read after the states.
    pub written: Lsn,
    /// How far each standby says that it has.
    pub flushed: BTreeMap<DbUid, Lsn>,
}

/// Kept from reading to reading by the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirmation {
    loaded: String,
    /// What each standby in state `sync` must have flushed. It is what had been written when it was first seen in this state,
    /// so that everything acknowledged without it lies before.
    awaited: BTreeMap<DbUid, Lsn>,
}

impl Confirmation {
    /// Takes in a reading and says which standbys have everything.
    pub fn take_in(&mut self, reading: &SyncReading) -> BTreeSet<DbUid> {
        if self.loaded != reading.loaded {
            // Between two readings other standbys may have been required for a while.
            self.awaited.clear();
            self.loaded.clone_from(&reading.loaded);
        }
        self.awaited.retain(|db, _| reading.flushed.contains_key(db));
        let has_all = |(db, flushed): (&DbUid, &Lsn)| {
            let awaited = self.awaited.entry(db.clone()).or_insert(reading.written);
            (*flushed >= *awaited).then(|| db.clone())
        };
        reading.flushed.iter().filter_map(has_all).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(loaded: &str, written: u64, flushed: &[(&str, u64)]) -> SyncReading {
        SyncReading {
            loaded: loaded.to_owned(),
            written: Lsn(written),
            flushed: flushed.iter().map(|(db, lsn)| (DbUid::from(*db), Lsn(*lsn))).collect(),
        }
    }

    fn uids(uids: &[&str]) -> BTreeSet<DbUid> {
        uids.iter().map(|uid| DbUid::from(*uid)).collect()
    }

    #[test]
    fn one_that_has_everything_is_confirmed_at_once() {
        let mut confirmation = Confirmation::default();
        assert_eq!(confirmation.take_in(&reading("1", 100, &[("a", 100)])), uids(&["a"]));
    }

    #[test]
    fn one_that_lags_is_confirmed_when_it_has_what_was_written_before_it_was_seen() {
        let mut confirmation = Confirmation::default();
        assert_eq!(
            confirmation.take_in(&reading("1", 100, &[("a", 100), ("b", 10)])),
            uids(&["a"])
        );
        assert_eq!(
            confirmation.take_in(&reading("1", 200, &[("a", 150), ("b", 99)])),
            uids(&["a"])
        );
        // It need not have what was written since, which waits for it.
        assert_eq!(
            confirmation.take_in(&reading("1", 300, &[("a", 250), ("b", 100)])),
            uids(&["a", "b"])
        );
        assert_eq!(
            confirmation.take_in(&reading("1", 900, &[("a", 250), ("b", 100)])),
            uids(&["a", "b"])
        );
    }

    #[test]
    fn one_that_was_gone_or_another_configuration_begins_anew() {
        let mut confirmation = Confirmation::default();
        assert_eq!(confirmation.take_in(&reading("1", 100, &[("a", 100)])), uids(&["a"]));
        assert_eq!(confirmation.take_in(&reading("1", 200, &[])), uids(&[]));
        assert_eq!(confirmation.take_in(&reading("1", 300, &[("a", 200)])), uids(&[]));
        assert_eq!(confirmation.take_in(&reading("1", 400, &[("a", 300)])), uids(&["a"]));
        assert_eq!(confirmation.take_in(&reading("2", 500, &[("a", 400)])), uids(&[]));
        assert_eq!(confirmation.take_in(&reading("2", 600, &[("a", 500)])), uids(&["a"]));
    }
}
