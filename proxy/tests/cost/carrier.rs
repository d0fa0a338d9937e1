//! The process that carries, and the exchanges that it carries.

use crate::MESSAGE;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use stolon_model::generation::Generation;
use stolon_model::uid::{DbUid, ProxyUid};
use stolon_proxy::fence::boottime;
use stolon_proxy::gatehouse::Gatehouse;
use stolon_proxy::settings::Settings;
use stolon_proxy::status::Status;

/// The address of the master; set in the process that carries.
const MASTER: &str = "STOLON_PROXY_TEST_COST_MASTER";
const LISTENS_ON: &str = "the carrier listens on ";

/// Far more than an exchange takes, even under valgrind.
const BOUND: Duration = Duration::from_secs(120);

/// Runs `tool` on a process that carries so many exchanges of one session, one after the other.
pub fn carry(tool: &[&str], exchanges: u32) {
    let [program, options @ ..] = tool else { panic!("no tool") };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let this = std::env::current_exe().expect("this program");
    let mut process = Command::new(program)
        .args(options)
        .arg(this)
        .args(["--exact", "carrier::the_process_that_carries", "--nocapture"])
        .env(MASTER, listener.local_addr().expect("its address").to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {program}: {error}; `make deps` installs it"));
    let mut lines = BufReader::new(process.stdout.take().expect("its output"));
    let address = loop {
        let mut line = String::new();
        let read = lines.read_line(&mut line).expect("its output");
        if read == 0 {
            let output = process.wait_with_output().expect("its end");
            panic!("{program} said: {}", String::from_utf8_lossy(&output.stderr));
        }
        if let Some((_, address)) = line.trim().split_once(LISTENS_ON) {
            break address.parse::<SocketAddr>().expect("an address");
        }
    };
    exchange(address, &listener, exchanges);
    // The end of its input ends it.
    drop(process.stdin.take());
    std::io::copy(&mut lines, &mut std::io::sink()).expect("the rest of its output");
    let output = process.wait_with_output().expect("its end");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn exchange(proxy: SocketAddr, listener: &TcpListener, exchanges: u32) {
    let mut client = TcpStream::connect(proxy).expect("the proxy listens");
    let (mut server, _) = listener.accept().expect("the proxy connects");
    for socket in [&client, &server] {
        socket.set_nodelay(true).expect("no delay");
        socket.set_read_timeout(Some(BOUND)).expect("a bound");
    }
    let (request, answer) = ([b'?'; MESSAGE], [b'!'; MESSAGE]);
    let mut got = [0; MESSAGE];
    for _ in 0..exchanges {
        client.write_all(&request).expect("a request goes");
        server.read_exact(&mut got).expect("it comes");
        assert_eq!(got, request);
        server.write_all(&answer).expect("an answer goes");
        client.read_exact(&mut got).expect("it comes");
        assert_eq!(got, answer);
    }
}

/// Does nothing unless it was started by [`carry`].
#[test]
fn the_process_that_carries() {
    let Ok(master) = std::env::var(MASTER) else { return };
    let master = master.parse().expect("an address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let settings = Settings { startup_timeout: None, ..Settings::default() };
        let status = Arc::new(Status::new(ProxyUid::new("p"), "c".to_owned()));
        let gatehouse = Gatehouse::start(1, "127.0.0.1:0".to_owned(), settings, status)
            .expect("a worker thread");
        let deadline = boottime() + Duration::from_secs(3600);
        gatehouse.forward(Generation(1), DbUid::new("db"), master, deadline).await;
        gatehouse.listen().await.expect("a free port");
        println!("{LISTENS_ON}{}", gatehouse.address().expect("it listens"));
        // Nothing else happens on this thread.
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).expect("the end of the input");
    });
}
