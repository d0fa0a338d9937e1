//! The replication protocol, as far as the keeper speaks it: `IDENTIFY_SYSTEM` and `TIMELINE_HISTORY` as the replication user
//! over the unix socket.
//!
//! There is no SQL function that equals `IDENTIFY_SYSTEM` on a standby, and tokio-postgres cannot open such a connection.
//! PostgreSQL documentation: chapters "Frontend/Backend Protocol" and "Streaming Replication Protocol".

use super::local::LocalServer;
use bytes::{Buf, Bytes, BytesMut};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
use std::io;
use std::time::Duration;
use stolon_model::lsn::{Lsn, TimelineId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// A message longer than this is not from a sane server.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// What `IDENTIFY_SYSTEM` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemData {
    /// PostgreSQL's system identifier, decimal.
    pub system_id: String,
    /// The timeline that is written or followed.
    pub timeline: TimelineId,
    /// Flush position; on a standby the greater of received and replayed.
    pub xlog_pos: Lsn,
}

/// The server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ReplicationError {
    /// The connection broke.
    #[error("replication connection to the local instance: {0}")]
    Io(#[from] io::Error),
    /// The server refused.
    #[error("replication connection to the local instance: {0}")]
    Server(String),
    /// The server answered something else than asked for.
    #[error("replication connection to the local instance: unexpected answer to {0}")]
    Unexpected(&'static str),
    /// No answer in time.
    #[error("replication connection to the local instance: no answer within {0:?}")]
    TimedOut(Duration),
}

/// A connection of the replication protocol; it ends when dropped.
#[derive(Debug)]
pub struct ReplicationConnection {
    stream: UnixStream,
    buffer: BytesMut,
    timeout: Duration,
}

type Row = Vec<Option<Bytes>>;

impl ReplicationConnection {
    /// Connects and logs in.
    pub async fn open(server: &LocalServer) -> Result<Self, ReplicationError> {
        bounded(server.timeout, async {
            let stream = UnixStream::connect(server.socket()).await?;
            let mut connection = Self { stream, buffer: BytesMut::new(), timeout: server.timeout };
            connection.log_in(server).await?;
            Ok(connection)
        })
        .await
    }

    /// Who the instance is and where it stands.
    pub async fn identify_system(&mut self) -> Result<SystemData, ReplicationError> {
        let unexpected = || ReplicationError::Unexpected("IDENTIFY_SYSTEM");
        let row = bounded(self.timeout, self.query("IDENTIFY_SYSTEM")).await?;
        let text = |column: usize| {
            let value = row.get(column)?.as_ref()?;
            std::str::from_utf8(value).ok()
        };
        Ok(SystemData {
            system_id: text(0).ok_or_else(unexpected)?.to_owned(),
            timeline: text(1)
                .and_then(|timeline| timeline.parse().ok())
                .map(TimelineId)
                .ok_or_else(unexpected)?,
            xlog_pos: text(2).and_then(|lsn| lsn.parse().ok()).ok_or_else(unexpected)?,
        })
    }

    /// The text of the history file of `timeline`.
    pub async fn timeline_history(
        &mut self,
        timeline: TimelineId,
    ) -> Result<String, ReplicationError> {
        let query = format!("TIMELINE_HISTORY {timeline}");
        let row = bounded(self.timeout, self.query(&query)).await?;
        let content = row.get(1).and_then(Option::as_ref);
        let content = content.ok_or(ReplicationError::Unexpected("TIMELINE_HISTORY"))?;
        // Only the reasons may hold odd bytes, and they are for people.
        Ok(String::from_utf8_lossy(content).into_owned())
    }

    async fn log_in(&mut self, server: &LocalServer) -> Result<(), ReplicationError> {
        let login = &server.replication;
        let password = login.password().map_or("", |password| password.expose());
        self.send(|out| {
            frontend::startup_message(
                [
                    ("user", login.name.as_str()),
                    ("replication", "1"),
                    ("application_name", "stolon-keeper"),
                ],
                out,
            )
        })
        .await?;
        let mut scram = None;
        loop {
            let (kind, mut body) = self.receive().await?;
            match kind {
                b'R' => {
                    if body.remaining() < 4 {
                        return Err(ReplicationError::Unexpected("the startup message"));
                    }
                    match body.get_i32() {
                        0 => {}
                        3 => {
                            self.send(|out| frontend::password_message(password.as_bytes(), out))
                                .await?;
                        }
                        5 => {
                            let salt = body
                                .get(..4)
                                .and_then(|salt| <[u8; 4]>::try_from(salt).ok())
                                .ok_or(ReplicationError::Unexpected("the startup message"))?;
                            let hash = md5_hash(login.name.as_bytes(), password.as_bytes(), salt);
                            self.send(|out| frontend::password_message(hash.as_bytes(), out))
                                .await?;
                        }
                        10 => {
                            let exchange = ScramSha256::new(
                                password.as_bytes(),
                                ChannelBinding::unsupported(),
                            );
                            self.send(|out| {
                                frontend::sasl_initial_response(
                                    SCRAM_SHA_256,
                                    exchange.message(),
                                    out,
                                )
                            })
                            .await?;
                            scram = Some(exchange);
                        }
                        11 => {
                            let exchange = scram
                                .as_mut()
                                .ok_or(ReplicationError::Unexpected("the startup message"))?;
                            exchange.update(&body)?;
                            let message = exchange.message();
                            write(&mut self.stream, |out| frontend::sasl_response(message, out))
                                .await?;
                        }
                        12 => {
                            scram
                                .as_mut()
                                .ok_or(ReplicationError::Unexpected("the startup message"))?
                                .finish(&body)?;
                        }
                        method => {
                            return Err(ReplicationError::Server(format!(
                                "authentication method {method} is not supported; \
                                 use trust, md5 or scram-sha-256 in pg_hba.conf"
                            )));
                        }
                    }
                }
                b'Z' => return Ok(()),
                b'E' => return Err(ReplicationError::Server(error_message(&body))),
                // Parameter status, backend key, notices.
                _ => {}
            }
        }
    }

    /// Sends one command and returns the first row of its answer.
    async fn query(&mut self, query: &str) -> Result<Row, ReplicationError> {
        self.send(|out| frontend::query(query, out)).await?;
        let mut row = None;
        let mut error = None;
        loop {
            let (kind, body) = self.receive().await?;
            match kind {
                b'D' if row.is_none() => row = Some(data_row(body)),
                b'E' => error = Some(error_message(&body)),
                b'Z' => break,
                _ => {}
            }
        }
        match (error, row.flatten()) {
            (Some(message), _) => Err(ReplicationError::Server(message)),
            (None, Some(row)) => Ok(row),
            (None, None) => Err(ReplicationError::Unexpected("a replication command")),
        }
    }

    async fn send(
        &mut self,
        message: impl FnOnce(&mut BytesMut) -> io::Result<()>,
    ) -> Result<(), ReplicationError> {
        Ok(write(&mut self.stream, message).await?)
    }

    /// The next message: its kind and its body.
    async fn receive(&mut self) -> Result<(u8, Bytes), ReplicationError> {
        loop {
            if let Some(message) = take_message(&mut self.buffer)? {
                return Ok(message);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}

async fn write(
    stream: &mut UnixStream,
    message: impl FnOnce(&mut BytesMut) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BytesMut::new();
    message(&mut out)?;
    stream.write_all(&out).await
}

async fn bounded<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, ReplicationError>>,
) -> Result<T, ReplicationError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(ReplicationError::TimedOut(limit)))
}

/// Cuts the first whole message off `buffer`.
fn take_message(buffer: &mut BytesMut) -> Result<Option<(u8, Bytes)>, ReplicationError> {
    let Some(head) = buffer.get(..5) else { return Ok(None) };
    let mut head = head;
    let kind = head.get_u8();
    // The length counts itself but not the kind.
    let length = usize::try_from(head.get_i32()).ok().filter(|n| (4..=MAX_MESSAGE).contains(n));
    let length = length.ok_or(ReplicationError::Unexpected("a message of insane length"))?;
    if buffer.len() <= length {
        return Ok(None);
    }
    let mut message = buffer.split_to(length + 1).freeze();
    message.advance(5);
    Ok(Some((kind, message)))
}

fn data_row(mut body: Bytes) -> Option<Row> {
    let columns = body.try_get_i16().ok()?;
    (0..columns)
        .map(|_| {
            let length = body.try_get_i32().ok()?;
            let Ok(length) = usize::try_from(length) else { return Some(None) };
            (length <= body.len()).then(|| Some(body.split_to(length)))
        })
        .collect()
}

/// The field `M` of an error response.
fn error_message(body: &[u8]) -> String {
    body.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"M")).map_or_else(
        || "unknown error".to_owned(),
        |text| String::from_utf8_lossy(text).into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_off_whole_or_not_at_all() {
        let mut buffer = BytesMut::from(&b"Z\0\0\0\x05I"[..]);
        buffer.extend_from_slice(b"E\0\0\0\x08");
        assert_eq!(take_message(&mut buffer).unwrap(), Some((b'Z', Bytes::from_static(b"I"))));
        assert_eq!(take_message(&mut buffer).unwrap(), None);
        buffer.extend_from_slice(b"Mhi\0");
        let (kind, body) = take_message(&mut buffer).unwrap().unwrap();
        assert_eq!((kind, error_message(&body)), (b'E', "hi".to_owned()));
        for insane in [&b"D\0\0\0\0"[..], &b"D\xff\xff\xff\xff"[..], &b"D\x7f\xff\xff\xff"[..]] {
            assert!(take_message(&mut BytesMut::from(insane)).is_err());
        }
    }

    #[test]
    fn rows_are_read_and_broken_ones_refused() {
        let row = Bytes::from_static(b"\0\x02\0\0\0\x02ab\xff\xff\xff\xff");
        assert_eq!(data_row(row), Some(vec![Some(Bytes::from_static(b"ab")), None]));
        assert_eq!(data_row(Bytes::from_static(b"\0\x01\0\0\0\x09ab")), None);
        assert_eq!(data_row(Bytes::from_static(b"\0")), None);
    }
}
