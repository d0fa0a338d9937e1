//! What components say of themselves, read as a whole: one bad record never hides the good ones.

use crate::store::Listing;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use stolon_model::info::{KeeperInfo, ProxyInfo, SentinelInfo};
use stolon_model::json::{self, DecodeError};
use stolon_model::uid::{KeeperUid, ProxyUid, SentinelUid};

/// An info, which carries the uid of whom it is about. The uid counts, not the name of the key.
pub trait Info: DeserializeOwned {
    /// The kind of uid.
    type Uid: Ord + Clone;

    /// Whom it is about; `None` if it does not say.
    fn uid(&self) -> Option<&Self::Uid>;
}

impl Info for KeeperInfo {
    type Uid = KeeperUid;

    fn uid(&self) -> Option<&KeeperUid> {
        Some(&self.uid).filter(|uid| !uid.is_empty())
    }
}

impl Info for ProxyInfo {
    type Uid = ProxyUid;

    fn uid(&self) -> Option<&ProxyUid> {
        Some(&self.uid).filter(|uid| !uid.is_empty())
    }
}

impl Info for SentinelInfo {
    type Uid = SentinelUid;

    fn uid(&self) -> Option<&SentinelUid> {
        Some(&self.uid).filter(|uid| !uid.is_empty())
    }
}

/// All infos of one kind.
#[derive(Clone, Debug)]
pub struct Infos<T: Info> {
    /// Those that could be read, by the uid inside.
    pub good: BTreeMap<T::Uid, T>,
    /// Those that could not, in the order of their keys. They are skipped; say so once, not at every pass.
    pub bad: Vec<BadRecord>,
}

impl<T: Info> Infos<T> {
    /// Sorts the good from the bad.
    pub(crate) fn read(listing: Listing) -> Self {
        let mut infos = Self { good: BTreeMap::new(), bad: Vec::new() };
        for entry in listing.entries {
            let error = match json::decode::<T>(&entry.value) {
                Ok(info) => match info.uid().cloned() {
                    Some(uid) => {
                        infos.good.insert(uid, info);
                        continue;
                    }
                    None => BadInfo::NoUid,
                },
                Err(error) => BadInfo::Decode(error),
            };
            infos.bad.push(BadRecord { key: entry.key, error });
        }
        infos
    }
}

/// A record that is no info.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record {key} is skipped: {error}")]
pub struct BadRecord {
    /// Its key.
    pub key: String,
    /// What is wrong with it.
    pub error: BadInfo,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadInfo {
    /// It cannot be understood.
    #[error(transparent)]
    Decode(DecodeError),
    /// It does not say whom it is about.
    #[error("it holds no uid")]
    NoUid,
}
