//! `stolonctl update`: another spec, or a patch of the one that is.

use crate::arguments::UpdateArguments;
use crate::console::Console;
use crate::failure::While as _;
use crate::{cluster, input};
use anyhow::bail;
use stolon_flags::CommonFlags;
use stolon_model::json;
use stolon_model::spec::patch;

/// Replaces or patches the spec.
pub async fn run(
    common: &CommonFlags,
    arguments: &UpdateArguments,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let document = match (arguments.specs.as_slice(), arguments.file.as_str()) {
        ([_, _, ..], _) => bail!("too many arguments"),
        ([], "") => {
            bail!("no cluster spec provided as argument and no file provided (--file/-f option)")
        }
        ([], file) => input::read(file, console)?,
        ([spec], "") => spec.clone().into_bytes(),
        ([_], _) => bail!(
            "only one of cluster spec provided as argument or file must provided (--file/-f option)"
        ),
    };
    let store = cluster::open(common).await?;
    cluster::change_spec(&store, |old| {
        let new = if arguments.patch {
            patch(old, &document).or_fail("failed to patch cluster spec")?
        } else {
            json::decode(&document).or_fail("failed to unmarshal cluster spec")?
        };
        Ok(Some(new))
    })
    .await
}
