//! Tells a client in its own protocol why it gets no session.

use crate::reactor::TcpStream;
use crate::socket;
use crate::startup::{Opening, Recognised, recognise};
use bytes::{BufMut, BytesMut};
use std::net::Shutdown;
use std::time::Duration;

/// How long the whole exchange may take.
const EXCHANGE: Duration = Duration::from_secs(5);
/// How long the client may take to close after it was told. Closing first, with its bytes unread, could take the answer from it.
const GOODBYE: Duration = Duration::from_secs(1);
/// What one read asks for: more than a startup packet needs.
const READ: usize = 512;
/// Encryption requests that are declined before the client has to come to the point: GSSAPI, then TLS.
const DECLINED: usize = 2;

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// SQLSTATE.
    pub code: &'static str,
    /// What is wrong, for a person.
    pub message: String,
    /// What may help.
    pub hint: &'static str,
}

const NO_MASTER_HINT: &str = "The cluster may be electing a new master: try again in a few seconds. \
     If this goes on, \"stolonctl status\" shows the state of the cluster.";

impl Refusal {
    /// It waited, and no master came.
    pub fn held_too_long(waited: Duration) -> Self {
        Self {
            code: "57P03",
            message: format!(
                "no master is available: the connection waited {:.0} s for one",
                waited.as_secs_f64()
            ),
            hint: NO_MASTER_HINT,
        }
    }

    /// No master, and too many wait for one.
    pub fn too_many_held(most: usize) -> Self {
        Self {
            code: "57P03",
            message: format!(
                "no master is available, and {most} connections are waiting for one already"
            ),
            hint: NO_MASTER_HINT,
        }
    }

    /// The proxy carries as many connections as it may.
    pub fn too_many_connections(most: usize) -> Self {
        Self {
            code: "53300",
            message: format!(
                "too many connections: this stolon-proxy carries at most {most} at one time"
            ),
            hint: "Close connections that are not needed, use a connection pool, or raise --max-connections \
                   and the limit of open files of stolon-proxy.",
        }
    }

    /// The proxy stops.
    pub fn stopping() -> Self {
        Self {
            code: "57P03",
            message: "this stolon-proxy is stopping".to_owned(),
            hint: "Connect again: another proxy may serve, or this one after its restart.",
        }
    }

    /// The ErrorResponse message.
    pub fn encode(&self) -> BytesMut {
        let mut fields = BytesMut::new();
        for (field, text) in [
            (b'S', "FATAL"),
            (b'V', "FATAL"),
            (b'C', self.code),
            (b'M', &self.message),
            (b'H', self.hint),
        ] {
            fields.put_u8(field);
            fields.put_slice(text.as_bytes());
            fields.put_u8(0);
        }
        fields.put_u8(0);
        let mut message = BytesMut::with_capacity(fields.len() + 5);
        message.put_u8(b'E');
        // The length counts itself; these texts never come near the range of an i32.
        message.put_i32(i32::try_from(fields.len() + 4).unwrap_or(i32::MAX));
        message.unsplit(fields);
        message
    }
}

/// Tells the client, of whom `early` bytes have been read, and closes. A client that does not speak PostgreSQL's protocol in
/// clear is told nothing.
pub async fn tell(client: TcpStream, mut early: Vec<u8>, refusal: &Refusal) {
    let exchange = async {
        if !is_listening(&client, &mut early).await? {
            return Ok(());
        }
        client.write_all(&refusal.encode()).await?;
        socket::shutdown(&client, Shutdown::Write)?;
        let mut ignored = [0_u8; 512];
        let goodbye = async {
            while !matches!(client.read(&mut ignored).await, Ok(0) | Err(_)) {
                // A client that goes on talking must not keep the thread from others, and from its clock.
                client.reactor().yield_now().await;
            }
        };
        let _ = client.reactor().timeout(GOODBYE, goodbye).await;
        std::io::Result::Ok(())
    };
    // A client that is gone or slow has no claim on an answer.
    let _ = client.reactor().timeout(EXCHANGE, exchange).await;
}

/// Reads up to and including the startup packet, declining encryption. False: the client cannot be told anything.
async fn is_listening(client: &TcpStream, early: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut declined = 0;
    loop {
        match recognise(early) {
            Recognised::Packet(Opening::Startup, length) if early.len() >= length => {
                return Ok(true);
            }
            Recognised::Packet(Opening::EncryptionRequest, length) if declined < DECLINED => {
                declined += 1;
                early.drain(..length);
                client.write_all(b"N").await?;
                continue;
            }
            Recognised::TooShort | Recognised::Packet(Opening::Startup, _) => {}
            Recognised::Packet(..) | Recognised::Foreign => return Ok(false),
        }
        if client.read_more(early, READ).await? == 0 {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packet_is_an_error_response() {
        let refusal = Refusal { code: "57P03", message: "no".to_owned(), hint: "wait" };
        assert_eq!(
            &refusal.encode()[..],
            b"E\x00\x00\x00\x24SFATAL\0VFATAL\0C57P03\0Mno\0Hwait\0\0"
        );
    }

    #[test]
    fn the_sentence_names_the_wait() {
        let refusal = Refusal::held_too_long(Duration::from_millis(14_990));
        assert_eq!(refusal.message, "no master is available: the connection waited 15 s for one");
        assert_eq!(refusal.code, "57P03");
    }
}
