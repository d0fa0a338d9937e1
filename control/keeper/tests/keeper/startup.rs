//! Errors at start: clear, quick, and nothing is lost.

use crate::cluster::TestCluster;
use crate::harness::{Home, free_port};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

fn fatal(home: &Home, command: Command) -> String {
    let output = home.output(command);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let last = text.lines().last().unwrap_or_default().to_owned();
    assert!(last.contains("\tFATAL\t"), "{text}");
    last
}

#[tokio::test]
async fn a_second_keeper_on_a_data_dir_and_one_of_another_uid_are_refused() {
    let cluster = TestCluster::new(r#"{"initMode":"new"}"#).await;
    let mut keeper = cluster.start_keeper("k1").await;
    let command = || cluster.home.command("k1", free_port(), &cluster.etcd.endpoint);
    let lock = cluster.home.data("k1").join("lock");
    let text = fatal(&cluster.home, command());
    assert!(
        text.contains(&format!("cannot take exclusive lock on data dir \"{}\"", lock.display())),
        "{text}"
    );

    assert!(keeper.process.terminate().success());
    let mut other = command();
    other.arg("--uid=k2");
    let text = fatal(&cluster.home, other);
    assert!(text.contains("saved uid \"k1\" differs from configuration uid: \"k2\""), "{text}");
    let mut bad = command();
    bad.arg("--uid=K-2");
    let text = fatal(&cluster.home, bad);
    assert!(text.contains("keeper uid \"K-2\" not valid."), "{text}");
}

#[tokio::test]
async fn a_second_keeper_of_one_uid_is_refused_within_two_seconds() {
    let cluster = TestCluster::new(r#"{"initMode":"new"}"#).await;
    let mut first = cluster.start_keeper("k1").await;
    let mut second = cluster.home.command("k1", free_port(), &cluster.etcd.endpoint);
    second.arg(format!("--data-dir={}", cluster.home.data("other").display()));
    let begun = std::time::Instant::now();
    let text = fatal(&cluster.home, second);
    let took = begun.elapsed();
    assert!(
        text.contains("keeper uid \"k1\" is in use by another running keeper (boot UUID "),
        "{text}"
    );
    // The promise is two seconds; the rest is what starting and ending a process takes on a busy machine.
    assert!(took < std::time::Duration::from_secs(4), "{took:?}");
    let known = cluster.data().await.keepers[&first.uid].status.boot_uuid.clone();
    let info = cluster.info(&first, "an info of the first", |_| true).await;
    assert_eq!(info.boot_uuid, known, "the second one has published");

    // After a clean end of the first the uid is free at once, whatever data the next one has.
    assert!(first.process.terminate().success());
    let mut third = cluster.home.command("k1", free_port(), &cluster.etcd.endpoint);
    third.arg(format!("--data-dir={}", cluster.home.data("other").display()));
    let mut third = cluster.home.start("third", third);
    cluster.info(&first, "an info of the third", |info| info.boot_uuid != known).await;
    assert!(third.terminate().success());
}

#[test]
fn unreadable_states_and_directories_are_refused_and_stay() {
    let home = Home::new();
    let command = || home.command("k1", free_port(), "http://127.0.0.1:1");
    let mut no_password = command();
    no_password.arg("--pg-su-password=");
    let text = fatal(&home, no_password);
    assert!(text.contains("one of --pg-su-password or --pg-su-passwordfile is required"), "{text}");

    let state = home.data("k1").join("keeperstate");
    std::fs::write(&state, "{\"UID\":").unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o644)).unwrap();
    let text = fatal(&home, command());
    assert!(
        text.contains("cannot create keeper: failed to load keeper local state file: "),
        "{text}"
    );
    assert_eq!(std::fs::read_to_string(&state).unwrap(), "{\"UID\":");

    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(home.data("k1"), open).unwrap();
    let text = fatal(&home, command());
    assert!(text.contains("is open to other users (mode 0777)"), "{text}");
}

#[test]
fn help_and_version_are_answered() {
    let home = Home::new();
    let mut command = home.command("k1", 1, "");
    command.arg("--version");
    let output = home.output(command);
    assert!(output.status.success());
    assert!(output.stdout.starts_with(b"stolon-keeper version "));
}
