//! Replication slots of an instance.

use crate::cluster::DbSpec;
use crate::postgres::{NAME_PREFIX, name_of};
use crate::uid::DbUid;
use std::collections::BTreeSet;

/// What to change so that an instance has its slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotChanges {
    /// Slots with our prefix that nobody wants.
    pub drop: Vec<String>,
    /// Slots that are missing.
    pub create: Vec<String>,
}

/// The slots that the db `own` must have: one for each follower but itself, and the additional ones.
pub fn wanted(own: &DbUid, spec: &DbSpec) -> BTreeSet<String> {
    let followers =
        spec.followers.iter().flatten().filter(|follower| *follower != own).map(name_of);
    let additional = spec.additional_replication_slots.iter().flatten();
    followers.chain(additional.map(|name| format!("{NAME_PREFIX}{name}"))).collect()
}

/// Compares with the non-temporary slots that exist. A slot without our prefix is the user's and stays.
pub fn changes(wanted: &BTreeSet<String>, existing: &BTreeSet<String>) -> SlotChanges {
    let ours = existing.iter().filter(|name| name.starts_with(NAME_PREFIX));
    SlotChanges {
        drop: ours.filter(|name| !wanted.contains(*name)).cloned().collect(),
        create: wanted.difference(existing).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followers_and_additional_slots() {
        let own = DbUid::from("a1");
        let spec = DbSpec {
            followers: Some(vec![own.clone(), DbUid::from("b2")]),
            additional_replication_slots: Some(vec!["backup".to_owned()]),
            ..DbSpec::default()
        };
        let wanted = wanted(&own, &spec);
        assert_eq!(wanted, BTreeSet::from(["stolon_b2".to_owned(), "stolon_backup".to_owned()]));
        let existing = ["stolon_b2", "stolon_c3", "mine"].map(str::to_owned).into();
        assert_eq!(
            changes(&wanted, &existing),
            SlotChanges {
                drop: vec!["stolon_c3".to_owned()],
                create: vec!["stolon_backup".to_owned()]
            }
        );
    }
}
