//! A proxy of one thread in this process.

use anyhow::{Context, Result, anyhow};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stolon_model::generation::Generation;
use stolon_model::uid::{DbUid, ProxyUid};
use stolon_proxy::fence::boottime;
use stolon_proxy::gatehouse::Gatehouse;
use stolon_proxy::relay::Tuning;
use stolon_proxy::settings::Settings;
use stolon_proxy::status::Status;

/// A proxy, and where it listens.
pub struct Proxy {
    gatehouse: Gatehouse,
    runtime: tokio::runtime::Runtime,
    pub address: SocketAddr,
    thread: String,
}

impl Proxy {
    pub fn start(tuning: Tuning, master: SocketAddr) -> Result<Self> {
        let settings = Settings { tuning, startup_timeout: None, ..Settings::default() };
        let status = Arc::new(Status::new(ProxyUid::new("p"), "c".to_owned()));
        let before = threads()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let gatehouse = runtime.block_on(async {
            let gatehouse = Gatehouse::start(1, "127.0.0.1:0".to_owned(), settings, status)?;
            let deadline = boottime() + Duration::from_secs(24 * 3600);
            gatehouse.forward(Generation(1), DbUid::new("db"), master, deadline).await;
            gatehouse.listen().await.map_err(|why| anyhow!(why))?;
            anyhow::Ok(gatehouse)
        })?;
        let address = gatehouse.address().context("it does not listen")?;
        let thread = threads()?.into_iter().find(|thread| !before.contains(thread));
        Ok(Self { gatehouse, runtime, address, thread: thread.context("no thread")? })
    }

    /// The time that the thread has been on a core.
    pub fn cpu(&self) -> Result<Duration> {
        let text = std::fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.thread))?;
        let nanos = text.split(' ').next().context("no time")?.parse()?;
        Ok(Duration::from_nanos(nanos))
    }

    /// Waits until there is no session.
    pub fn wait_empty(&self) {
        self.runtime.block_on(self.gatehouse.workers().empty());
    }
}

fn threads() -> Result<Vec<String>> {
    std::fs::read_dir("/proc/self/task")?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}
