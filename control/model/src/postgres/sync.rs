//! Names of synchronous standbys.

use crate::cluster::DbSpec;
use crate::postgres::{NAME_PREFIX, name_of};
use crate::uid::DbUid;

/// The value of `synchronous_standby_names`: every name is required, never a quorum among them. Empty turns it off.
pub fn standby_names(spec: &DbSpec) -> String {
    if !spec.synchronous_replication {
        return String::new();
    }
    let own = spec.synchronous_standbys.iter().flatten().map(name_of);
    let external = spec.external_synchronous_standbys.iter().flatten().cloned();
    let names: Vec<String> = own.chain(external).collect();
    match names.as_slice() {
        [] => String::new(),
        [name] => name.clone(),
        names => format!("{} ({})", names.len(), names.join(",")),
    }
}

/// The db behind the application name of a WAL sender, if it is one of this cluster's.
pub fn db_of(application_name: &str) -> Option<DbUid> {
    application_name.strip_prefix(NAME_PREFIX).filter(|uid| !uid.is_empty()).map(DbUid::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::FAKE_STANDBY_NAME;

    fn names(uids: &[&str], external: &[&str]) -> String {
        standby_names(&DbSpec {
            synchronous_replication: true,
            synchronous_standbys: Some(uids.iter().map(|uid| DbUid::from(*uid)).collect()),
            external_synchronous_standbys: Some(
                external.iter().map(|name| (*name).to_owned()).collect(),
            ),
            ..DbSpec::default()
        })
    }

    #[test]
    fn all_names_are_required() {
        assert_eq!(names(&[], &[]), "");
        assert_eq!(names(&["b2c3d4e5"], &[]), "stolon_b2c3d4e5");
        assert_eq!(names(&["b2c3d4e5", "c3d4e5f6"], &[]), "2 (stolon_b2c3d4e5,stolon_c3d4e5f6)");
        assert_eq!(names(&[], &[FAKE_STANDBY_NAME]), "stolonfakestandby");
        assert_eq!(
            names(&["b2c3d4e5"], &[FAKE_STANDBY_NAME]),
            "2 (stolon_b2c3d4e5,stolonfakestandby)"
        );
    }

    #[test]
    fn off_means_empty() {
        let spec = DbSpec {
            synchronous_standbys: Some(vec![DbUid::from("b2c3d4e5")]),
            ..DbSpec::default()
        };
        assert_eq!(standby_names(&spec), "");
    }

    #[test]
    fn application_names() {
        assert_eq!(db_of("stolon_b2c3d4e5"), Some(DbUid::from("b2c3d4e5")));
        assert_eq!(db_of("walreceiver"), None);
        assert_eq!(db_of("stolon_"), None);
    }
}
