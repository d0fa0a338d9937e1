//! Tests of the owner of the server, with scripts in place of the server.

use super::*;
use std::os::unix::fs::PermissionsExt;

/// A "server": writes its pid file like postgres does, then runs `script`.
fn server(pgdata: &Path, script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(format!("echo $$ > postmaster.pid; {script}")).current_dir(pgdata);
    command
}

const LIMIT: Duration = Duration::from_secs(20);

fn pgdata() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    (dir, path)
}

#[tokio::test]
async fn starts_and_stops_and_counts_only_deaths() {
    let (_dir, path) = pgdata();
    let (postmaster, _task) = Postmaster::new(&path);
    assert_eq!(postmaster.running().unwrap(), None);
    let polite = "trap 'exit 0' INT; while :; do sleep 0.05; done";
    postmaster.start(server(&path, polite), LIMIT).await.unwrap();
    let pid = postmaster.running().unwrap();
    assert!(pid.is_some());
    let again = postmaster.start(server(&path, polite), LIMIT).await;
    assert!(matches!(again, Err(StartError::AlreadyRunning(_))), "{again:?}");
    postmaster.stop(StopMode::Fast, LIMIT).await.unwrap();
    assert_eq!(*postmaster.child().borrow(), Child { pid: None, deaths: 0 });
    postmaster.stop(StopMode::Fast, LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_death_is_reported_at_once() {
    let (_dir, path) = pgdata();
    let (postmaster, _task) = Postmaster::new(&path);
    let mut child = postmaster.child();
    postmaster.start(server(&path, "exec sleep 60"), LIMIT).await.unwrap();
    child.mark_unchanged();
    let pid = postmaster.running().unwrap().unwrap();
    let raw = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(raw, rustix::process::Signal::KILL).unwrap();
    tokio::time::timeout(LIMIT, child.changed()).await.unwrap().unwrap();
    assert_eq!(*child.borrow(), Child { pid: None, deaths: 1 });
}

#[tokio::test]
async fn a_server_that_ends_at_once_is_an_error() {
    let (_dir, path) = pgdata();
    let (postmaster, _task) = Postmaster::new(&path);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "exit 7"]);
    let error = postmaster.start(command, LIMIT).await.unwrap_err();
    assert_eq!(error.to_string(), "postgres exited unexpectedly: exit status: 7");
    let error = postmaster.start(Command::new("/nowhere/postgres"), LIMIT).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot start postgres: "), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_come_up_or_down_is_an_error_in_time() {
    let (_dir, path) = pgdata();
    let (postmaster, _task) = Postmaster::new(&path);
    let mut command = Command::new("sleep");
    command.arg("60");
    let short = Duration::from_millis(30);
    let error = postmaster.start(command, short).await.unwrap_err();
    assert!(matches!(error, StartError::StillStarting), "{error}");
    // `sleep` dies from SIGINT, unlike this one.
    postmaster.stop(StopMode::Fast, LIMIT).await.unwrap();
    let deaf = "trap '' INT; while :; do sleep 0.05; done";
    postmaster.start(server(&path, deaf), LIMIT).await.unwrap();
    let error = postmaster.stop(StopMode::Fast, short).await.unwrap_err();
    assert!(matches!(error, StopError::StillRunning { .. }), "{error}");
    postmaster.stop(StopMode::Immediate, LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_server_of_an_earlier_keeper_is_stopped_and_a_misleading_pid_file_removed() {
    let (_dir, path) = pgdata();
    let program = path.join("postgres");
    std::fs::copy("/bin/sleep", &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut left =
        std::process::Command::new(&program).arg("60").current_dir(&path).spawn().unwrap();
    std::fs::write(path.join("postmaster.pid"), format!("{}\n", left.id())).unwrap();
    let (postmaster, _task) = Postmaster::new(&path);
    assert_eq!(postmaster.running().unwrap(), Some(left.id()));
    let stopping = postmaster.clone();
    stopping.stop(StopMode::Fast, LIMIT).await.unwrap();
    left.wait().unwrap();

    // The number of a process that is not ours and surely lives: our own parent.
    let parent = rustix::process::getppid().unwrap().as_raw_nonzero();
    std::fs::write(path.join("postmaster.pid"), format!("{parent}\n")).unwrap();
    assert_eq!(postmaster.running().unwrap(), None);
    postmaster.start(server(&path, "exec sleep 60"), LIMIT).await.unwrap();
    postmaster.stop(StopMode::Fast, LIMIT).await.unwrap();
}
