//! One `stolon-proxy`.

use crate::admin::Admin;
use crate::binaries::Origin;
use crate::ports::Port;
use crate::process::Process;
use crate::scratch::Scratch;
use anyhow::Result;
use std::process::Command;

/// A proxy under test. Its ports stay its own when it is started again.
#[derive(Debug)]
pub struct Proxy {
    /// The process.
    pub process: Process,
    /// Whose binary it is at its next start.
    pub origin: Origin,
    name: String,
    listen: Port,
    admin: Admin,
    flags: Vec<String>,
}

impl Proxy {
    /// Starts one; `flags` lead it to the cluster.
    pub fn start(scratch: &Scratch, name: &str, origin: Origin, flags: &[String]) -> Result<Self> {
        let (listen, admin) = (Port::reserve()?, Admin::reserve()?);
        let process = spawn(scratch, name, origin, &listen, &admin, flags)?;
        Ok(Self { process, origin, name: name.to_owned(), listen, admin, flags: flags.to_owned() })
    }

    /// Starts it again after its end.
    pub fn restart(&mut self, scratch: &Scratch) -> Result<()> {
        self.process =
            spawn(scratch, &self.name, self.origin, &self.listen, &self.admin, &self.flags)?;
        Ok(())
    }

    /// The port for clients.
    pub fn port(&self) -> u16 {
        self.listen.number
    }

    /// The answer of its admin server: status code and body.
    pub async fn page(&self, path: &str) -> Result<(u16, String)> {
        self.admin.page(path).await
    }
}

fn spawn(
    scratch: &Scratch,
    name: &str,
    origin: Origin,
    listen: &Port,
    admin: &Admin,
    flags: &[String],
) -> Result<Process> {
    let mut command = Command::new(origin.path("stolon-proxy")?);
    command.args(flags).args([
        "--listen-address",
        "127.0.0.1",
        "--port",
        &listen.number.to_string(),
    ]);
    command.args(admin.flags());
    Process::start(scratch, name, &mut command)
}
