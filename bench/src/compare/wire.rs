//! The little of PostgreSQL's protocol that it takes to ask for large answers and throw them away.

use super::database::USER;
use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No single read may take longer.
const LIMIT: Duration = Duration::from_secs(20);
/// ReadyForQuery outside of a transaction: the last bytes of every answer. No text of ours holds a zero byte.
const READY: [u8; 6] = [b'Z', 0, 0, 0, 5, b'I'];

/// A session that throws rows away.
#[derive(Debug)]
pub struct Session {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Session {
    /// Connects to 127.0.0.1 as a trusted user.
    pub fn connect(port: u16) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut session = Self { stream, buffer: vec![0; 256 * 1024] };
        let body = format!("\0\x03\0\0user\0{USER}\0database\0postgres\0\0");
        session.stream.write_all(&framed(&[], body.as_bytes())?)?;
        session.answer().context("the session is refused")?;
        Ok(session)
    }

    /// Runs a query to the end of its answer, and says how many bytes that had.
    pub fn query(&mut self, sql: &str) -> Result<u64> {
        let body = [sql.as_bytes(), b"\0"].concat();
        self.stream.write_all(&framed(b"Q", &body)?)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<u64> {
        let (mut bytes, mut tail) = (0, Vec::new());
        loop {
            let read = self.stream.read(&mut self.buffer)?;
            ensure!(read > 0, "the session ended: {}", String::from_utf8_lossy(&tail));
            let got = self.buffer.get(..read).unwrap_or_default();
            ensure!(bytes > 0 || got.first() != Some(&b'E'), "{}", String::from_utf8_lossy(got));
            bytes += read as u64;
            // The last bytes may come in parts.
            tail.extend_from_slice(
                got.get(got.len().saturating_sub(READY.len())..).unwrap_or_default(),
            );
            let excess = tail.len().saturating_sub(READY.len());
            tail.drain(..excess);
            if tail == READY {
                return Ok(bytes);
            }
        }
    }
}

fn framed(kind: &[u8], body: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(body.len() + 4)?;
    Ok([kind, &length.to_be_bytes(), body].concat())
}
