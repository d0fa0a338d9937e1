//! `stolonctl init`: brand-new cluster data.

use crate::arguments::InitArguments;
use crate::console::Console;
use crate::failure::While as _;
use crate::prompt::{Answer, ask};
use crate::{cluster, input};
use anyhow::bail;
use std::time::{SystemTime, UNIX_EPOCH};
use stolon_flags::CommonFlags;
use stolon_model::cluster::ClusterData;
use stolon_model::json;
use stolon_model::spec::ClusterSpec;
use stolon_model::time::GoTime;
use stolon_model::uid::{ClusterUid, short_uid};

/// Asks, then replaces whatever cluster data there is.
pub async fn run(
    common: &CommonFlags,
    arguments: &InitArguments,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let document = match (arguments.specs.as_slice(), arguments.file.as_str()) {
        ([], "") => None,
        ([], file) => Some(input::read(file, console)?),
        ([spec], _) => Some(spec.clone().into_bytes()),
        _ => bail!("too many arguments"),
    };
    let current =
        cluster::open(common).await?.cluster_data().await.or_fail("cannot get cluster data")?;
    if current.value.is_some() {
        console.say("WARNING: The current cluster data will be removed")?;
    }
    console.say(
        "WARNING: The databases managed by the keepers will be overwritten depending on the provided cluster spec.",
    )?;
    if !arguments.yes && ask(console)? == Answer::No {
        return console.say("exiting");
    }

    let spec = match document {
        Some(document) => json::decode(&document).or_fail("failed to unmarshal cluster spec")?,
        None => ClusterSpec { init_mode: Some("new".to_owned()), ..ClusterSpec::default() },
    };
    spec.validate().or_fail("invalid cluster spec")?;
    let uid = ClusterUid::new(short_uid(&mut fastrand::Rng::new()));
    let data = ClusterData::initial(uid, spec, now());
    // A new connection: nobody has answered the first one's pings while the user was thinking.
    let written = cluster::open(common).await?.put_cluster_data(&data).await;
    written.or_fail("cannot update cluster data")
}

fn now() -> GoTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    GoTime { unix_nanos: i128::try_from(since.as_nanos()).unwrap_or(0), offset_seconds: 0 }
}
