//! TLS, with files made by openssl.

use crate::etcd_server::{EtcdCluster, ServerTls, client};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use stolon_store::{Config, ConfigSource, StoreError, TlsFiles};

const TIMEOUT: Duration = Duration::from_secs(2);

/// A certificate authority in a directory.
struct Authority<'a>(&'a Path);

impl Authority<'_> {
    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn openssl(&self, arguments: &str) {
        let made = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(self.0)
            .output()
            .expect("openssl must be installed");
        let errors = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "openssl {arguments}: {errors}");
    }

    fn make(&self, name: &str) {
        self.openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"
        ));
    }

    fn sign(&self, authority: &str, name: &str) {
        std::fs::write(self.file("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
        self.openssl(&format!(
            "req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days 2 -extfile names -out {name}.pem"
        ));
    }
}

async fn read(endpoint: &str, tls: TlsFiles) -> Result<(), StoreError> {
    client(endpoint, tls, TIMEOUT).await.get("k").await.map(drop)
}

#[tokio::test]
async fn certificates_are_shown_and_checked() {
    let directory = tempfile::tempdir().unwrap();
    let files = Authority(directory.path());
    files.make("ca");
    files.make("stranger");
    files.sign("ca", "server");
    files.sign("ca", "client");
    let ours = TlsFiles {
        ca_file: Some(files.file("ca.pem")),
        cert_file: Some(files.file("client.pem")),
        key_file: Some(files.file("client.key")),
        skip_verify: false,
    };
    let server = ServerTls {
        ca: files.file("ca.pem"),
        certificate: files.file("server.pem"),
        key: files.file("server.key"),
        client: ours.clone(),
    };
    let etcd = EtcdCluster::start_with(1, Some(server)).await;
    let endpoint = etcd.endpoints();

    read(&endpoint, ours.clone()).await.unwrap();
    let unverified = TlsFiles { ca_file: None, skip_verify: true, ..ours.clone() };
    read(&endpoint, unverified.clone()).await.unwrap();
    let stranger = TlsFiles { ca_file: Some(files.file("stranger.pem")), ..ours.clone() };
    read(&endpoint, TlsFiles { skip_verify: true, ..stranger.clone() }).await.unwrap();

    let error = read(&endpoint, stranger).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    let error = read(&endpoint, TlsFiles { ca_file: None, ..ours.clone() }).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "the system does not know ours: {error}");
    // One without the other is ignored, and the server wants a certificate.
    let error = read(&endpoint, TlsFiles { key_file: None, ..unverified }).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    let plain = endpoint.replace("https", "http");
    assert!(read(&plain, TlsFiles::default()).await.is_err());
}

#[test]
fn bad_files_are_said() {
    let directory = tempfile::tempdir().unwrap();
    let files = Authority(directory.path());
    files.make("ca");
    std::fs::write(files.file("garbage"), "-----BEGIN NONSENSE-----").unwrap();
    let parse = |ca: Option<&str>, cert: Option<&str>, key: Option<&str>| {
        let file = |name: Option<&str>| name.map(|name| files.file(name));
        let tls = TlsFiles {
            ca_file: file(ca),
            cert_file: file(cert),
            key_file: file(key),
            skip_verify: false,
        };
        let source = ConfigSource {
            backend: "etcdv3".to_owned(),
            endpoints: "https://127.0.0.1:1".to_owned(),
            cluster_name: "test".to_owned(),
            tls,
            ..ConfigSource::default()
        };
        Config::parse(&source)
    };
    assert!(parse(Some("ca.pem"), Some("ca.pem"), Some("ca.key")).is_ok());
    for (ca, cert, key, named) in [
        (Some("missing"), None, None, "missing"),
        (Some("garbage"), None, None, "garbage"),
        (None, Some("garbage"), Some("ca.key"), "garbage"),
        (None, Some("ca.pem"), Some("ca.pem"), "ca.pem"),
    ] {
        let error = parse(ca, cert, key).unwrap_err().to_string();
        assert!(error.starts_with("cannot create store tls config: "), "{error}");
        assert!(error.contains(named), "{error}");
    }
    let shown = format!("{:?}", parse(Some("ca.pem"), Some("ca.pem"), Some("ca.key")).unwrap());
    assert!(shown.contains("identity: true") && !shown.contains("BEGIN"), "{shown}");
}
