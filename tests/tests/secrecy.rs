//! No password is shown to anybody while a whole cluster lives: not in a log, a page, a message, a file that others may read,
//! a command line, an environment or the store.

use anyhow::{Result, ensure};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use stolon_tests::cluster::{fast_with, store_flags};
use stolon_tests::postgres::OsUser;
use stolon_tests::{Cluster, binaries, ctl, orphans, ports, scenario};

/// Files are looked at once in so many looks at the processes: there are thousands of them, and they stay longer.
const LOOKS_PER_LOOK_AT_FILES: u32 = 8;

/// What no escaping of the superuser's and the replication user's password changes.
const PARTS: [&str; 3] = ["battery", "staple", "r3pl"];

/// Where a password stands in command lines and environments of the processes of this test, and in files that others than
/// their owner may read: those below `scratch`, and the temporary ones of the user that runs the keepers. Looked at again and
/// again until `is_over`. What other tests that run beside it do is not the subject.
fn passwords_on_the_machine(scratch: &Path, user: u32, is_over: &AtomicBool) -> Vec<String> {
    let own = std::process::id().cast_signed();
    let mut found = Vec::new();
    for look in 0_u32.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
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
        if look % LOOKS_PER_LOOK_AT_FILES != 0 {
            continue;
        }
        for path in readable_files(scratch) {
            found.extend(passwords_in_file(&path));
        }
        for path in files_in(&std::env::temp_dir()) {
            if fs::symlink_metadata(&path)
                .is_ok_and(|file| file.uid() == user && is_readable(&file))
            {
                found.extend(passwords_in_file(&path));
            }
        }
    }
    found
}

/// Files below a directory that others than their owner may read. What vanishes meanwhile is left out.
fn readable_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in files_in(directory) {
        match fs::symlink_metadata(&path) {
            Ok(entry) if entry.is_dir() => files.extend(readable_files(&path)),
            Ok(entry) if is_readable(&entry) => files.push(path),
            _ => {}
        }
    }
    files
}

fn is_readable(entry: &fs::Metadata) -> bool {
    entry.is_file() && entry.mode() & 0o044 != 0
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn passwords_in_file(path: &Path) -> Vec<String> {
    passwords_in(&path.display().to_string(), &fs::read(path).unwrap_or_default())
}

fn passwords_in(place: &str, bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    if PARTS.iter().any(|part| text.contains(part)) { vec![place.to_owned()] } else { Vec::new() }
}

/// What every daemon shows on its admin server.
async fn passwords_on_pages(cluster: &Cluster) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut look = |name: &str, path: &str, (code, body): (u16, String)| {
        ensure!(code == 200 && !body.is_empty(), "{name} answers {path} with {code}");
        found.extend(passwords_in(&format!("{path} of {name}"), body.as_bytes()));
        Ok(())
    };
    for path in ["/metrics", "/livez", "/readyz"] {
        for keeper in &cluster.keepers {
            look(&keeper.uid, path, keeper.admin.page(path).await?)?;
        }
        for sentinel in &cluster.sentinels {
            look(sentinel.process.name(), path, sentinel.admin.page(path).await?)?;
        }
    }
    for path in ["/metrics", "/livez", "/readyz", "/", "/status"] {
        for proxy in &cluster.proxies {
            look(proxy.process.name(), path, proxy.page(path).await?)?;
        }
    }
    Ok(found)
}

/// What `stolonctl` says when it cannot do what it was asked, with a password in what it was given.
fn passwords_in_refusals(cluster: &Cluster) -> Result<Vec<String>> {
    let standby = |conninfo: &str| {
        format!(
            r#"{{"role":"standby","standbyConfig":{{"standbySettings":{{"primaryConninfo":{conninfo}}}}}}}"#
        )
    };
    let refused = standby(r#""host=far password=battery""#);
    let misshapen = standby(r#"["host=far password=battery"]"#);
    let cut_off = refused.trim_end_matches('}');
    let broken = refused.replace(',', ", battery");
    let mut found = Vec::new();
    for (words, input) in [
        (&["update", "--patch", &refused][..], ""),
        (&["update", "--patch", &misshapen], ""),
        (&["update", "--patch", cut_off], ""),
        (&["update", &refused], ""),
        (&["init", "--yes", &misshapen], ""),
        (&["init", "--yes", cut_off], ""),
        (&["clusterdata", "write", "--yes"], cut_off),
        (&["update", "--file", "-"], &broken),
    ] {
        let said = cluster.ctl_with_input(words, input)?;
        ensure!(said.code == Some(1), "{words:?}: {said:?}");
        found.extend(passwords_in(&words.join(" "), (said.out + &said.err).as_bytes()));
    }
    let port = ports::closed()?;
    let endpoint = format!("http://root:battery@{}", port.address());
    for subcommand in [["status", "--format=json"], ["spec", "--defaults"], ["init", "--yes"]] {
        let mut command = Command::new(binaries::path("stolonctl")?);
        command.args(subcommand).args(store_flags(&endpoint)).args(["--store-timeout", "500ms"]);
        let said = ctl::run(&mut command, "")?;
        ensure!((said.out.clone() + &said.err).contains(&port.address()), "{said:?}");
        found.extend(passwords_in(&subcommand.join(" "), (said.out + &said.err).as_bytes()));
    }
    Ok(found)
}

/// A life with everything that a keeper needs a password for: init, failover, rewind and resync.
async fn live(cluster: &mut Cluster) -> Result<String> {
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

async fn no_password_is_shown(cluster: &mut Cluster) -> Result<()> {
    let is_over = Arc::new(AtomicBool::new(false));
    let watcher = thread::spawn({
        let (scratch, is_over) = (cluster.scratch.path(""), is_over.clone());
        let user = match cluster.site.user {
            OsUser::Own => rustix::process::getuid().as_raw(),
            OsUser::Other { uid, .. } => uid,
        };
        move || passwords_on_the_machine(&scratch, user, &is_over)
    });
    let lived = live(cluster).await;
    is_over.store(true, Ordering::Relaxed);
    let mut found = watcher.join().unwrap_or_else(|_| vec!["the watcher failed".to_owned()]);
    let old = lived?;

    for log in files_in(&cluster.scratch.path("logs")) {
        let text = fs::read(&log)?;
        ensure!(!text.is_empty() || log.ends_with("etcd.log"), "{} is empty", log.display());
        found.extend(passwords_in_file(&log));
    }
    // The rewind did happen, or at least was tried.
    let rewound = fs::read_to_string(cluster.scratch.path("logs").join(format!("{old}.log")))?;
    ensure!(rewound.contains("running pg_rewind"), "nothing was rewound");
    found.extend(passwords_on_pages(cluster).await?);
    for words in [&["status"][..], &["clusterdata", "read"], &["spec"]] {
        found.extend(passwords_in(words[0], cluster.ctl(words)?.success()?.as_bytes()));
    }
    found.extend(passwords_in_refusals(cluster)?);
    let data = cluster.etcd.get(&cluster.key("clusterdata"))?.unwrap_or_default();
    found.extend(passwords_in("cluster data", &data));
    for keeper in &cluster.keepers {
        let info = cluster.etcd.get(&cluster.key(&format!("keepers/info/{}", keeper.uid)))?;
        found.extend(passwords_in("keeper info", &info.unwrap_or_default()));
    }
    found.sort();
    found.dedup();
    ensure!(found.is_empty(), "passwords are shown in: {found:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_is_shown_through_init_failover_rewind_and_resync() -> Result<()> {
    scenario("secrecy", no_password_is_shown).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_is_shown_in_json_logs_that_tell_everything() -> Result<()> {
    scenario("secrecy_json", async |cluster| {
        cluster.site.daemon = ["--log-format=json", "--log-level=debug"].map(str::to_owned).into();
        no_password_is_shown(cluster).await?;
        // The flags were heard.
        for log in files_in(&cluster.scratch.path("logs")) {
            let text = fs::read_to_string(&log)?;
            let is_daemon = !log.ends_with("etcd.log");
            ensure!(!is_daemon || text.contains(r#"{"time":"#), "{} has no JSON", log.display());
        }
        Ok(())
    })
    .await
}
