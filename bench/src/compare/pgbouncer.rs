//! PgBouncer with session pooling. It has one thread.

use super::database::USER;
use super::ground::{Ground, system_program};
use super::peer::Master;
use anyhow::{Result, bail};
use std::fs;
use std::process::Command;
use stolon_tests::process::Process;

/// Starts it in the foreground.
pub fn start(ground: &Ground, name: &str, listen: u16, master: Master) -> Result<Process> {
    let Master::Postgres(port) = master else { bail!("pgbouncer speaks PostgreSQL only") };
    let program = system_program("pgbouncer")?;
    let users = ground.scratch.path(&format!("{name}.users"));
    fs::write(&users, format!("\"{USER}\" \"\"\n"))?;
    let configuration = format!(
        "[databases]\npostgres = host=127.0.0.1 port={port} dbname=postgres user={USER}\n[pgbouncer]\n\
         listen_addr = 127.0.0.1\nlisten_port = {listen}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\n\
         pool_mode = session\nmax_client_conn = 1000\ndefault_pool_size = 250\nlog_connections = 0\n\
         log_disconnections = 0\nignore_startup_parameters = extra_float_digits\n",
        users.display()
    );
    let path = ground.scratch.path(&format!("{name}.ini"));
    fs::write(&path, configuration)?;
    for path in [&users, &path] {
        ground.user.own(path)?;
    }
    let mut command = Command::new(program);
    command.arg(path);
    ground.user.run(&mut command);
    Process::start(&ground.scratch, name, &mut command)
}
