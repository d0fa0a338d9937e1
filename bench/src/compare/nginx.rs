//! nginx with its stream module.

use super::ground::{Ground, system_program};
use super::peer::Master;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;
use stolon_tests::process::Process;

/// Where distributions put the module.
const MODULES: [&str; 2] = [
    "/usr/lib/nginx/modules/ngx_stream_module.so",
    "/usr/lib64/nginx/modules/ngx_stream_module.so",
];

/// Starts it in the foreground.
pub fn start(ground: &Ground, name: &str, listen: u16, master: Master) -> Result<Process> {
    let program = system_program("nginx")?;
    let module = MODULES
        .into_iter()
        .find(|path| Path::new(path).is_file())
        .context("nginx's stream module is not installed: run `scripts/deps bench`")?;
    let directory = ground.scratch.path(name);
    fs::create_dir(&directory)?;
    let configuration = format!(
        "load_module {module};\ndaemon off;\npid {}/pid;\nerror_log stderr error;\n\
         worker_processes {};\nworker_rlimit_nofile 16384;\nevents {{ worker_connections 14000; }}\n\
         stream {{ server {{ listen 127.0.0.1:{listen} reuseport backlog=4096; proxy_pass 127.0.0.1:{}; \
         proxy_timeout 1h; }} }}\n",
        directory.display(),
        ground.threads,
        master.port()
    );
    let path = directory.join("nginx.conf");
    fs::write(&path, configuration)?;
    let mut command = Command::new(program);
    command.arg("-e").arg("stderr").arg("-p").arg(&directory).arg("-c").arg(path);
    Process::start(&ground.scratch, name, &mut command)
}
