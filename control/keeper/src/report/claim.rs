//! The claim of the uid, before the first info: two processes under one uid would take turns at being the keeper, each with
//! data of its own.
//!
//! Nothing in an info says whether who wrote it still lives, so the claim watches: a living keeper of ours renews its lease
//! every second and a half, one of Stolon writes its info anew, with a new lease, once per `sleepInterval`.

use std::time::Duration;
use stolon_model::info::KeeperInfo;
use stolon_model::json;
use stolon_model::time::Mono;
use stolon_model::uid::{BootUuid, DbUid};
use stolon_store::publisher::{LONGEST_INTERVAL, SHORTEST_INFO_TTL};
use stolon_store::{ClusterStore, Entry, InfoKey, Revision, StoreError, Swap};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// How late a living keeper may be, clocks and roundings included.
const SLACK: Duration = Duration::from_secs(2);

/// Another process lives under the same uid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "keeper uid {uid:?} is in use by another running keeper (boot UUID {boot_uuid}); give this one another --uid, or stop \
     that one first"
)]
pub struct UidInUse {
    uid: String,
    boot_uuid: BootUuid,
}

/// Who claims.
#[derive(Debug)]
pub struct Claim<'a> {
    /// Where.
    pub store: &'a ClusterStore,
    /// The db of the local data, or the empty uid.
    pub db: DbUid,
    /// `sleepInterval`.
    pub sleep_interval: Duration,
}

impl Claim<'_> {
    /// Writes `info` when no living process has the uid. An error of the store decides nothing; claim again.
    pub async fn take(&self, info: &KeeperInfo) -> Result<Result<(), UidInUse>, StoreError> {
        let key = InfoKey::Keeper(info.uid.clone());
        let mut watched = None;
        loop {
            let found = self.store.info(&key).await?;
            match self.judge(info, found.as_ref(), &mut watched).await? {
                Verdict::Ours => return Ok(Ok(())),
                Verdict::InUse(boot_uuid) => {
                    return Ok(Err(UidInUse { uid: info.uid.to_string(), boot_uuid }));
                }
                Verdict::Free => {
                    let lease = self.store.store().grant(SHORTEST_INFO_TTL).await?;
                    let expected = found.map(|entry| entry.revision).into();
                    if let Swap::Done(_) =
                        self.store.swap_info(&key, expected, info, lease.id).await?
                    {
                        return Ok(Ok(()));
                    }
                }
                Verdict::Unknown => {
                    let clock = self.store.store().clock();
                    clock.sleep_until(clock.now().plus(PAUSE)).await;
                }
            }
        }
    }

    async fn judge(
        &self,
        ours: &KeeperInfo,
        found: Option<&Entry>,
        watched: &mut Option<Watched>,
    ) -> Result<Verdict, StoreError> {
        // What cannot be understood is no keeper's word.
        let Some(entry) = found else { return Ok(Verdict::Free) };
        let Ok(other) = json::decode::<KeeperInfo>(&entry.value) else { return Ok(Verdict::Free) };
        if other.boot_uuid == ours.boot_uuid {
            return Ok(Verdict::Ours);
        }
        let reported = other.postgres_state.as_ref().map(|state| &state.uid);
        if watched.is_none() && !self.db.is_empty() && reported == Some(&self.db) {
            // It tells of the data that are in our locked directory: an earlier run wrote it.
            return Ok(Verdict::Free);
        }
        let left = match entry.lease {
            Some(lease) => Some(self.store.store().time_to_live(lease).await?.unwrap_or_default()),
            None => None,
        };
        let now = self.store.store().clock().now();
        let Some(before) = watched.replace(Watched {
            revision: entry.revision,
            left,
            since: watched.as_ref().map_or(now, |watched| watched.since),
        }) else {
            return Ok(if self.is_left_alone(left, Duration::ZERO) {
                Verdict::Free
            } else {
                Verdict::Unknown
            });
        };
        if entry.revision != before.revision || left > before.left {
            return Ok(Verdict::InUse(other.boot_uuid));
        }
        Ok(if self.is_left_alone(left, now.since(before.since)) {
            Verdict::Free
        } else {
            Verdict::Unknown
        })
    }

    /// Whether a living keeper would have renewed its lease by now: by what is left of it, or after a look that was `long`.
    fn is_left_alone(&self, left: Option<Duration>, long: Duration) -> bool {
        let ttl = self.sleep_interval.max(SHORTEST_INFO_TTL);
        let patience = self.sleep_interval.max(LONGEST_INTERVAL) + SLACK;
        long > patience || left.is_some_and(|left| left + patience < ttl)
    }
}

/// What is known of another's info.
#[derive(Clone, Copy, Debug)]
struct Watched {
    revision: Revision,
    left: Option<Duration>,
    since: Mono,
}

enum Verdict {
    /// Our own words, whose answer got lost.
    Ours,
    Free,
    InUse(BootUuid),
    /// Look again.
    Unknown,
}

#[cfg(test)]
mod tests;
