//! One `stolon-proxy`.

use crate::binaries::Origin;
use crate::ports::Port;
use crate::process::Process;
use crate::scratch::Scratch;
use anyhow::{Context, Result};
use std::process::Command;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A proxy under test. Its ports stay its own when it is started again.
#[derive(Debug)]
pub struct Proxy {
    /// The process.
    pub process: Process,
    /// Whose binary it is at its next start.
    pub origin: Origin,
    name: String,
    listen: Port,
    admin: Port,
    store: Vec<String>,
}

impl Proxy {
    /// Starts one; `store` are the flags that lead to the cluster.
    pub fn start(scratch: &Scratch, name: &str, origin: Origin, store: &[String]) -> Result<Self> {
        let (listen, admin) = (Port::reserve()?, Port::reserve()?);
        let process = spawn(scratch, name, origin, &listen, &admin, store)?;
        Ok(Self { process, origin, name: name.to_owned(), listen, admin, store: store.to_owned() })
    }

    /// Starts it again after its end.
    pub fn restart(&mut self, scratch: &Scratch) -> Result<()> {
        self.process =
            spawn(scratch, &self.name, self.origin, &self.listen, &self.admin, &self.store)?;
        Ok(())
    }

    /// The port for clients.
    pub fn port(&self) -> u16 {
        self.listen.number
    }

    /// The answer of its admin server: status code and body.
    pub async fn page(&self, path: &str) -> Result<(u16, String)> {
        let get = async {
            let mut stream = TcpStream::connect(self.admin.address()).await?;
            stream
                .write_all(
                    format!("GET {path} HTTP/1.1\r\nHost: e2e\r\nConnection: close\r\n\r\n")
                        .as_bytes(),
                )
                .await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            anyhow::Ok(answer)
        };
        let answer = tokio::time::timeout(Duration::from_secs(5), get)
            .await
            .context("the admin server hangs")??;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        let code =
            head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status code")?;
        Ok((code, body.to_owned()))
    }
}

fn spawn(
    scratch: &Scratch,
    name: &str,
    origin: Origin,
    listen: &Port,
    admin: &Port,
    store: &[String],
) -> Result<Process> {
    let mut command = Command::new(origin.path("stolon-proxy")?);
    command.args(store).args([
        "--listen-address",
        "127.0.0.1",
        "--port",
        &listen.number.to_string(),
    ]);
    command.args(["--metrics-listen-address", &admin.address()]);
    Process::start(scratch, name, &mut command)
}
