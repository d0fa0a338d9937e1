//! Tests of the start-up checks.

use super::*;
use crate::flags::PROGRAM;
use stolon_model::postgres::role::AuthMethod;

const GOOD: [&str; 8] = [
    "--cluster-name=c",
    "--store-backend=etcdv3",
    "--pg-listen-address=192.0.2.1",
    "--pg-repl-username=repl",
    "--pg-repl-password=replpw",
    "--pg-su-username=su",
    "--pg-su-password=supw",
    "--uid=k0",
];

fn config(data_dir: &str, more: &[&str]) -> Result<Config, String> {
    let data_dir = format!("--data-dir={data_dir}");
    let argv = ["stolon-keeper", &data_dir].into_iter().chain(GOOD).chain(more.iter().copied());
    let parsed = stolon_flags::parse::<Flags>(&PROGRAM, argv.map(Into::into), []).unwrap();
    Config::new(&parsed).map_err(|error| error.to_string())
}

#[test]
fn defaults() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path().to_str().unwrap(), &[]).unwrap();
    assert_eq!((config.port, config.advertise_port.as_str()), (5432, "5432"));
    assert_eq!(config.advertise_address, "192.0.2.1");
    assert_eq!(config.superuser.method, AuthMethod::Md5);
    assert!(config.can_be_master && config.can_be_synchronous_replica);
    assert_eq!(config.locking, Locking::Locked);
    assert!(!format!("{config:?}").contains("supw"));
}

#[test]
fn every_rule_has_its_text() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing").display().to_string();
    let cases: &[(&[&str], &str)] = &[
        (&["--cluster-name="], "cluster name required"),
        (&["--store-backend="], "store backend type required"),
        (&["--pg-listen-address="], "--pg-listen-address is required"),
        (&["--pg-port=0"], "--pg-port \"0\" is not a port number"),
        (
            &["--pg-repl-auth-method=ident"],
            "--pg-repl-auth-method must be one of: md5, trust, scram-sha-256",
        ),
        (&["--pg-repl-username="], "--pg-repl-username is required"),
        (
            &["--pg-repl-auth-method=trust"],
            "can not utilize --pg-repl-auth-method trust together with --pg-repl-password or --pg-repl-passwordfile",
        ),
        (
            &["--pg-su-auth-method=trust"],
            "can not utilize --pg-su-auth-method trust together with --pg-su-password or --pg-su-passwordfile",
        ),
        (
            &["--pg-repl-password="],
            "one of --pg-repl-password or --pg-repl-passwordfile is required",
        ),
        (
            &["--pg-repl-passwordfile=x"],
            "only one of --pg-repl-password or --pg-repl-passwordfile must be provided",
        ),
        (
            &["--pg-su-auth-method=password"],
            "--pg-su-auth-method must be one of: md5, password, trust, scram-sha-256",
        ),
        (&["--pg-su-password="], "one of --pg-su-password or --pg-su-passwordfile is required"),
        (
            &["--pg-su-passwordfile=x"],
            "only one of --pg-su-password or --pg-su-passwordfile must be provided",
        ),
        (
            &["--store-endpoints=ftp://a"],
            "cannot create keeper: cannot create store: cannot create kv store: endpoints scheme must be http or https",
        ),
        (&["--store-endpoints=ftp://a", "--pg-repl-username="], "--pg-repl-username is required"),
        (&["--pg-su-password=\n"], "superuser password is empty after removing trailing new line"),
        (
            &["--pg-repl-password=\r\n"],
            "replication user password is empty after removing trailing new line",
        ),
        (
            &["--pg-su-username=repl", "--pg-su-auth-method=scram-sha-256"],
            "do not support different auth methods when utilizing superuser for replication.",
        ),
        (
            &["--pg-su-username=repl"],
            "provided superuser name and replication user name are the same but provided passwords are different",
        ),
    ];
    for (more, text) in cases {
        assert_eq!(config(&missing, more).map(drop).unwrap_err(), *text, "{more:?}");
    }
    assert_eq!(config("", &[]).map(drop).unwrap_err(), "data dir required");
    let file = format!("--pg-su-passwordfile={missing}/pw");
    assert_eq!(
        config(&missing, &["--pg-su-password=", &file]).map(drop).unwrap_err(),
        format!(
            "cannot read pg superuser password: unable to read password from file {missing}/pw: \
             No such file or directory (os error 2)"
        )
    );
}

#[test]
fn passwords_come_from_files_without_their_line_ends() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pw");
    std::fs::write(&file, "from file\r\n\n").unwrap();
    let flag = format!("--pg-su-passwordfile={}", file.display());
    let data_dir = dir.path().join("data").display().to_string();
    let read = config(&data_dir, &["--pg-su-password=", &flag]).unwrap();
    assert_eq!(read.superuser.password.expose(), "from file");

    std::fs::write(&file, "").unwrap();
    let error = config(&data_dir, &["--pg-su-password=", &flag]).map(drop).unwrap_err();
    assert!(error.ends_with("is empty; put the password into it"), "{error}");
}

#[test]
fn trust_needs_no_password() {
    let dir = tempfile::tempdir().unwrap();
    let more = [
        "--pg-su-password=",
        "--pg-repl-password=",
        "--pg-su-auth-method=trust",
        "--pg-repl-auth-method=trust",
    ];
    let config = config(dir.path().to_str().unwrap(), &more).unwrap();
    assert_eq!((config.superuser.password(), config.replication.password()), (None, None));
}
