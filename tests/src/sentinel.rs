//! One `stolon-sentinel`.

use crate::admin::Admin;
use crate::binaries::Origin;
use crate::process::Process;
use crate::scratch::Scratch;
use anyhow::{Context, Result};
use std::process::Command;

/// A sentinel under test.
#[derive(Debug)]
pub struct Sentinel {
    /// The process.
    pub process: Process,
    /// What it shows of itself.
    pub admin: Admin,
}

impl Sentinel {
    /// Starts one; `flags` lead it to the cluster.
    pub fn start(scratch: &Scratch, name: &str, origin: Origin, flags: &[String]) -> Result<Self> {
        let mut command = Command::new(origin.path("stolon-sentinel")?);
        let admin = Admin::reserve()?;
        command.args(flags).args(admin.flags());
        Ok(Self { process: Process::start(scratch, name, &mut command)?, admin })
    }

    /// Its uid, which it draws at every start and tells in its log.
    pub fn uid(&self) -> Result<String> {
        let log = self.process.log_text()?;
        let line = log
            .lines()
            .find(|line| line.contains("\tsentinel uid\t"))
            .context("it has not told its uid")?;
        let (_, uid) = line.split_once("{\"uid\": \"").context("the line has no uid")?;
        Ok(uid.split('"').next().unwrap_or_default().to_owned())
    }
}
