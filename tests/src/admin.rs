//! The admin server of a daemon: metrics, health, and what else it shows.

use crate::ports::Port;
use anyhow::{Context, Result};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where one daemon shows itself. The port stays its own when it is started again.
#[derive(Debug)]
pub struct Admin {
    port: Port,
}

impl Admin {
    /// Reserves a port.
    pub fn reserve() -> Result<Self> {
        Ok(Self { port: Port::reserve()? })
    }

    /// What the daemon has to be told.
    pub fn flags(&self) -> [String; 2] {
        ["--metrics-listen-address".to_owned(), self.port.address()]
    }

    /// Its answer: status code and body.
    pub async fn page(&self, path: &str) -> Result<(u16, String)> {
        let get = async {
            let mut stream = TcpStream::connect(self.port.address()).await?;
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
