//! No password is shown to anybody while a whole cluster lives: not in a log, a command line, an environment or the store.

use anyhow::{Result, ensure};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use stolon_tests::cluster::fast_with;
use stolon_tests::{orphans, scenario};

/// What no escaping of the superuser's and the replication user's password changes.
const PARTS: [&str; 3] = ["battery", "staple", "r3pl"];

/// Where a password stands in the command lines and environments of the processes of this test, looked at again and again
/// until `is_over`. Those of other tests that run beside it are not the subject.
fn passwords_in_processes(is_over: &AtomicBool) -> Vec<String> {
    let own = std::process::id().cast_signed();
    let mut found = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        for pid in orphans::tree(own) {
            let process = Path::new("/proc").join(pid.to_string());
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            for file in ["cmdline", "environ"] {
                let path = process.join(file);
                // A process that ended meanwhile shows nothing.
                let bytes = fs::read(&path).unwrap_or_default();
                found.extend(passwords_in(&format!("{file} of {}", name.trim()), &bytes));
            }
        }
        thread::yield_now();
    }
    found
}

fn passwords_in(place: &str, bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    if PARTS.iter().any(|part| text.contains(part)) { vec![place.to_owned()] } else { Vec::new() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_is_shown_through_init_failover_rewind_and_resync() -> Result<()> {
    scenario("secrecy", async |cluster| {
        let is_over = std::sync::Arc::new(AtomicBool::new(false));
        let watcher = thread::spawn({
            let is_over = is_over.clone();
            move || passwords_in_processes(&is_over)
        });
        let lived: Result<String> = async {
            cluster.serve(&fast_with(r#""usePgrewind": true"#), 2).await?;
            let old = cluster.master_uid()?;
            cluster.keeper_mut(&old)?.kill_node()?;
            cluster.new_master(&old, Duration::from_secs(30)).await?;
            cluster.restart_keeper(&old)?;
            cluster.healthy(2, Duration::from_secs(60)).await?;
            // A third one is a copy made by pg_basebackup.
            cluster.add_keeper("keeper3")?;
            cluster.healthy(3, Duration::from_secs(60)).await?;
            Ok(old)
        }
        .await;
        is_over.store(true, Ordering::Relaxed);
        let mut found = watcher.join().unwrap_or_else(|_| vec!["the watcher failed".to_owned()]);
        let old = lived?;

        for entry in fs::read_dir(cluster.scratch.path("logs"))? {
            let log = entry?.path();
            let text = fs::read(&log)?;
            ensure!(!text.is_empty() || log.ends_with("etcd.log"), "{} is empty", log.display());
            found.extend(passwords_in(&log.display().to_string(), &text));
        }
        // The rewind did happen, or at least was tried.
        let rewound = fs::read_to_string(cluster.scratch.path("logs").join(format!("{old}.log")))?;
        ensure!(rewound.contains("running pg_rewind"), "nothing was rewound");
        for words in [&["status"][..], &["clusterdata", "read"], &["spec"]] {
            found.extend(passwords_in(words[0], cluster.ctl(words)?.success()?.as_bytes()));
        }
        let data = cluster.etcd.get(&cluster.key("clusterdata"))?.unwrap_or_default();
        found.extend(passwords_in("cluster data", &data));
        for keeper in &cluster.keepers {
            let info = cluster.etcd.get(&cluster.key(&format!("keepers/info/{}", keeper.uid)))?;
            found.extend(passwords_in("keeper info", &info.unwrap_or_default()));
        }
        ensure!(found.is_empty(), "passwords are shown in: {found:?}");
        Ok(())
    })
    .await
}
