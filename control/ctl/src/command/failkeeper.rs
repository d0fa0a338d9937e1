//! `stolonctl failkeeper`: the sentinel treats a keeper as failed in one pass.

use crate::arguments::KeeperArguments;
use crate::cluster;
use anyhow::bail;
use stolon_flags::CommonFlags;
use stolon_model::uid::KeeperUid;

/// Marks the keeper.
pub async fn run(common: &CommonFlags, arguments: &KeeperArguments) -> anyhow::Result<()> {
    let uid = one_keeper(arguments)?;
    let store = cluster::open(common).await?;
    cluster::change_keepers(&store, |data| {
        let Some(keeper) = data.keepers.get_mut(&uid) else { bail!("keeper doesn't exist") };
        keeper.status.force_fail = true;
        Ok(())
    })
    .await
}

/// The one keeper that was named.
pub fn one_keeper(arguments: &KeeperArguments) -> anyhow::Result<KeeperUid> {
    match arguments.uids.as_slice() {
        [] => bail!("keeper uid required"),
        [uid] => Ok(KeeperUid::new(uid)),
        _ => bail!("too many arguments"),
    }
}
